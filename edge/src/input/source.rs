//! Where records came from.

use std::fmt;
use std::sync::Arc;

use crate::body::RecordBody;

/// Where a record came from, for people: `notes.md`, `notes.jsonl:7`, `notes.json, record 3`.
#[derive(Debug, Clone)]
pub struct Source {
    /// The file, as it was named.
    pub file: Arc<str>,
    /// Where in it.
    pub place: Place,
}

/// Where in a file a record stands; all of them count from 1.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Place {
    /// It is the file.
    Whole,
    /// On this line.
    Line(usize),
    /// The record of this number.
    Number(usize),
}

impl fmt::Display for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.place {
            Place::Whole => f.write_str(&self.file),
            Place::Line(line) => write!(f, "{}:{line}", self.file),
            Place::Number(number) => write!(f, "{}, record {number}", self.file),
        }
    }
}

/// A record, and where it came from.
#[derive(Debug)]
pub struct Found {
    /// The record.
    pub record: RecordBody,
    /// Where it came from.
    pub source: Source,
}

/// Records of one file with their places in it.
pub fn found_in(file: &str, records: impl IntoIterator<Item = (Place, RecordBody)>) -> Vec<Found> {
    let file: Arc<str> = file.into();
    let found = |(place, record)| Found { record, source: Source { file: Arc::clone(&file), place } };
    records.into_iter().map(found).collect()
}

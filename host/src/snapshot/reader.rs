//! A snapshot that is open: one living instance of its query component.

use super::{Manifest, SnapshotError};
use crate::call::{CallError, Limits};
use crate::components::Component;
use crate::engine::Engine;
use crate::segment::{QueryError, Segment};
use crate::types::{Excerpt, Parsed, Request, Response, SyntaxError};

/// An open snapshot. A trap or a missed deadline poisons it, as any [`Segment`]; open it anew then.
#[derive(Debug)]
pub struct SnapshotReader {
    segment: Segment,
    description: Vec<u8>,
    manifest: Manifest,
}

impl SnapshotReader {
    /// A new instance of a snapshot's query component.
    ///
    /// # Errors
    /// [`SnapshotError::Call`] when it does not start, [`SnapshotError::NotASnapshot`] when nothing, or no project, was baked
    /// into it.
    pub fn open(engine: &Engine, query: &Component, limits: Limits) -> Result<SnapshotReader, SnapshotError> {
        let mut segment = Segment::new(engine, query, limits)?;
        let description = segment.description()?;
        if description.is_empty() {
            return Err(SnapshotError::NotASnapshot("no project is baked into this component".to_owned()));
        }
        let manifest = Manifest::decode(&description)?;
        Ok(SnapshotReader { segment, description, manifest })
    }

    /// Refuses when what was baked in is not what the file's manifest says: somebody wrote another manifest.
    ///
    /// # Errors
    /// [`SnapshotError::Changed`].
    pub fn check(&self, manifest: &Manifest) -> Result<(), SnapshotError> {
        if manifest.describe() == self.description {
            return Ok(());
        }
        Err(SnapshotError::Changed("its manifest says something else than what is baked in".to_owned()))
    }

    /// What it is. Without the parts: those are the file's.
    pub fn manifest(&self) -> &Manifest {
        &self.manifest
    }

    /// The same as it was baked in: JSON.
    pub fn describe(&self) -> &[u8] {
        &self.description
    }

    /// The best records for a request. Payloads are records as JSON where the snapshot has records.
    ///
    /// # Errors
    /// As [`Segment::query`].
    pub fn search(&mut self, request: &Request) -> Result<Response, QueryError> {
        self.segment.query(request)
    }

    /// Reads a query of the query language.
    ///
    /// # Errors
    /// As [`Segment::parse`].
    pub fn parse(&mut self, query: &str) -> Result<Result<Parsed, SyntaxError>, CallError> {
        self.segment.parse(query)
    }

    /// The part of a text that best shows why a query found it.
    ///
    /// # Errors
    /// As [`Segment::excerpt`].
    pub fn excerpt(&mut self, text: &str, query: &str, bytes_max: u32) -> Result<Excerpt, CallError> {
        self.segment.excerpt(text, query, bytes_max)
    }

    /// Whether an earlier call lost the instance.
    pub fn is_poisoned(&self) -> bool {
        self.segment.is_poisoned()
    }
}

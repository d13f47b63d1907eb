//! Files that people publish, turned into records.
//!
//! A file is read whole before anything of it is published: a mistake on its last line publishes nothing of it.

mod check;
pub mod cwe;
mod front_matter;
pub mod graph;
mod json;
mod markdown;
mod source;

use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::body::RecordBody;
pub use check::check;
pub use source::{Found, Place, Source, found_in};

/// Bytes of one input file at most.
const FILE_BYTES_MAX: u64 = 1 << 30;

/// How a file is to be read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum Format {
    /// By its name's ending; standard input by its first character.
    Auto,
    /// One record, a list of records, or `{"records": [..]}`.
    Json,
    /// A record a line.
    Jsonl,
    /// One record: text without markup, title and headings as data, front matter as metadata, links to other Markdown files
    /// as links.
    Markdown,
    /// One record: the text as it is.
    Text,
}

/// A file that cannot be published.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum InputError {
    /// It cannot be read.
    #[error("{file}: {reason}")]
    Read {
        /// The file.
        file: String,
        /// What the system says.
        reason: String,
    },
    /// It is not in the format that it should be in.
    #[error("{file}:{line}:{column}: {reason}")]
    Syntax {
        /// The file.
        file: String,
        /// Line, from 1.
        line: usize,
        /// Column, from 1; 0 when it is not known.
        column: usize,
        /// What is wrong.
        reason: String,
    },
    /// A key was given for records that have their own.
    #[error(
        "{file} is read as records, which bring their own keys. Leave --key away, or publish the file as one text with \
         --format text"
    )]
    OwnKeys {
        /// The file.
        file: String,
    },
    /// Standard input has nothing in it.
    #[error("standard input is empty. Send records as JSON or JSON Lines, or a text")]
    EmptyStream,
    /// A record breaks a limit or a rule.
    #[error("{place}: the record `{key}` is refused: {reason}. {}Nothing was sent", more(*others))]
    Invalid {
        /// Where it stands.
        place: String,
        /// Its key.
        key: String,
        /// The rule.
        reason: String,
        /// How many more records of the input break one.
        others: usize,
    },
    /// Two files have a record of one key, of which one would replace the other.
    #[error(
        "{one} and {other} would both be the record `{key}`, and one would be lost. Publish the folder that holds both \
         files (their paths in it become their keys), or one file at a time with --key. Nothing was sent"
    )]
    SameKey {
        /// The key.
        key: String,
        /// Where the first one stands.
        one: String,
        /// Where the second one stands.
        other: String,
    },
}

fn more(count: usize) -> String {
    match count {
        0 => String::new(),
        1 => "1 more record has an error. ".to_owned(),
        count => format!("{count} more records have errors. "),
    }
}

/// What was found.
#[derive(Debug, Default)]
pub struct Input {
    /// Records, in the order of the files.
    pub records: Vec<Found>,
    /// Files that were passed over, and why.
    pub skipped: Vec<(PathBuf, String)>,
    /// What was left out of files that were read, and why.
    pub left_out: Vec<(Arc<str>, String)>,
}

impl Input {
    /// Adds what was found elsewhere.
    pub fn append(&mut self, other: Input) {
        self.records.extend(other.records);
        self.skipped.extend(other.skipped);
        self.left_out.extend(other.left_out);
    }
}

/// What standard input is called in messages.
const STREAM: &str = "(standard input)";

/// Reads a file, or a folder with everything in it (hidden files aside). A key that is given is that of the one file.
///
/// # Errors
/// [`InputError`] for a file that was named. Inside a folder, files of unknown kinds are skipped and listed.
pub fn read_path(path: &Path, format: Format, key: Option<&str>) -> Result<Input, InputError> {
    let mut input = Input::default();
    if path.is_dir() {
        let mut files = Vec::new();
        list_below(path, &mut files, &mut input.skipped)?;
        for file in files {
            let key = key_of(&file, path);
            match kind_of(&file) {
                None => input.skipped.push((file, "not .md, .txt, .json or .jsonl".to_owned())),
                Some(kind) => match read_text(&file) {
                    Ok(text) => input.append(parse(&text, kind, &file.display().to_string(), &key)?),
                    Err(reason) => input.skipped.push((file, reason)),
                },
            }
        }
        return Ok(input);
    }
    let file = path.display().to_string();
    let text = read_text(path).map_err(|reason| InputError::Read { file: file.clone(), reason })?;
    let kind = match format {
        Format::Auto => kind_of(path).unwrap_or(Format::Text),
        other => other,
    };
    if key.is_some() && matches!(kind, Format::Json | Format::Jsonl) {
        return Err(InputError::OwnKeys { file });
    }
    let name = || key_of(path, path.parent().unwrap_or(Path::new("")));
    parse(&text, kind, &file, &key.map_or_else(name, str::to_owned))
}

/// Reads what came over standard input. The key of a text without one is `stdin`.
///
/// # Errors
/// [`InputError`], also for a text with nothing in it: the program in front of the pipe will have failed.
pub fn read_stream(text: &str, format: Format, key: Option<&str>) -> Result<Input, InputError> {
    let text = without_mark(text);
    if text.trim().is_empty() {
        return Err(InputError::EmptyStream);
    }
    let kind = match (format, text.trim_start().chars().next()) {
        // A record on one line is JSON Lines too; one over several lines is not.
        (Format::Auto, Some('{')) if is_json_lines(text) => Format::Jsonl,
        (Format::Auto, Some('{' | '[')) => Format::Json,
        (Format::Auto, _) => Format::Text,
        (other, _) => other,
    };
    if key.is_some() && matches!(kind, Format::Json | Format::Jsonl) {
        return Err(InputError::OwnKeys { file: STREAM.to_owned() });
    }
    parse(text, kind, STREAM, key.unwrap_or("stdin"))
}

fn is_json_lines(text: &str) -> bool {
    let mut lines = text.lines().filter(|line| !line.trim().is_empty());
    let whole = |line: &str| serde_json::from_str::<serde::de::IgnoredAny>(line).is_ok();
    lines.next().is_some_and(whole) && lines.next().is_some()
}

fn parse(text: &str, kind: Format, file: &str, key: &str) -> Result<Input, InputError> {
    let whole = |record| vec![(Place::Whole, record)];
    let mut left_out = Vec::new();
    let records = match kind {
        Format::Json => (1..).map(Place::Number).zip(json::document(text, file)?).collect(),
        Format::Jsonl => json::lines(text, file)?,
        Format::Markdown => {
            let (record, unread) = markdown::record(&unix_lines(text), key);
            left_out.extend(unread.into_iter().map(|what| (file.into(), what)));
            whole(record)
        }
        Format::Text | Format::Auto => whole(plain(key, text)),
    };
    Ok(Input { records: found_in(file, records), skipped: Vec::new(), left_out })
}

/// The same document checked out on another system is the same record.
fn unix_lines(text: &str) -> String {
    text.replace("\r\n", "\n")
}

/// A record of text alone.
pub fn plain(key: &str, text: &str) -> RecordBody {
    RecordBody {
        key: key.to_owned(),
        text: unix_lines(text),
        data: serde_json::Map::new(),
        metadata: serde_json::Map::new(),
        layers: std::collections::BTreeSet::new(),
        links: Vec::new(),
    }
}

fn kind_of(path: &Path) -> Option<Format> {
    let ending = path.extension()?.to_str()?.to_ascii_lowercase();
    match ending.as_str() {
        "md" | "markdown" => Some(Format::Markdown),
        "txt" | "text" => Some(Format::Text),
        "json" => Some(Format::Json),
        "jsonl" | "ndjson" => Some(Format::Jsonl),
        _ => None,
    }
}

/// The path below the folder that was named, with `/` on every system.
fn key_of(file: &Path, root: &Path) -> String {
    let below = file.strip_prefix(root).unwrap_or(file);
    let parts: Vec<String> = below.iter().map(|part| part.to_string_lossy().into_owned()).collect();
    parts.join("/")
}

fn read_text(path: &Path) -> Result<String, String> {
    let length = std::fs::metadata(path).map_err(|error| error.to_string())?.len();
    if length > FILE_BYTES_MAX {
        return Err(format!("it has {length} bytes; at most {FILE_BYTES_MAX} are read. Split it"));
    }
    let bytes = std::fs::read(path).map_err(|error| error.to_string())?;
    let text = String::from_utf8(bytes).map_err(|error| format!("it is not UTF-8 ({error})"))?;
    Ok(without_mark(&text).to_owned())
}

/// A text without the byte order mark that some editors put in front.
fn without_mark(text: &str) -> &str {
    text.strip_prefix('\u{feff}').unwrap_or(text)
}

/// Lists the files below a folder in the order of their names, and what is no file.
fn list_below(dir: &Path, files: &mut Vec<PathBuf>, skipped: &mut Vec<(PathBuf, String)>) -> Result<(), InputError> {
    let failed =
        |error: std::io::Error| InputError::Read { file: dir.display().to_string(), reason: error.to_string() };
    let mut entries: Vec<_> = std::fs::read_dir(dir).map_err(failed)?.collect::<Result<_, _>>().map_err(failed)?;
    entries.sort_by_key(std::fs::DirEntry::file_name);
    for entry in entries {
        if entry.file_name().to_string_lossy().starts_with('.') {
            continue;
        }
        // Links are not followed: a loop of them would never end.
        let kind = entry.file_type().map_err(failed)?;
        if kind.is_dir() {
            list_below(&entry.path(), files, skipped)?;
        } else if kind.is_file() {
            files.push(entry.path());
        } else if kind.is_symlink() {
            let reason = "a link, which is not followed; name it to publish what it leads to";
            skipped.push((entry.path(), reason.to_owned()));
        } else {
            skipped.push((entry.path(), "not a file".to_owned()));
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A folder gives keys that are the same on every machine, and says what it left out.
    #[test]
    fn a_folder_is_read_in_order() {
        let dir = tempfile::tempdir().unwrap();
        std::fs::create_dir(dir.path().join("sub")).unwrap();
        std::fs::write(dir.path().join("b.txt"), "\u{feff}plain").unwrap();
        std::fs::write(dir.path().join("sub/a.md"), "# Title\n\nBody").unwrap();
        std::fs::write(dir.path().join("c.bin"), [0, 159]).unwrap();
        std::fs::write(dir.path().join("d.txt"), [0xff, 0xfe]).unwrap();
        std::fs::write(dir.path().join(".hidden.txt"), "no").unwrap();
        let input = read_path(dir.path(), Format::Auto, None).unwrap();
        let keys: Vec<&str> = input.records.iter().map(|found| found.record.key.as_str()).collect();
        assert_eq!(keys, ["b.txt", "sub/a.md"]);
        assert_eq!(input.records[0].record.text, "plain");
        let skipped: Vec<String> = input.skipped.iter().map(|(path, _)| key_of(path, dir.path())).collect();
        assert_eq!(skipped, ["c.bin", "d.txt"]);
    }

    /// Standard input has no name to tell its format by.
    #[test]
    fn a_stream_is_recognised() {
        let count = |text: &str| read_stream(text, Format::Auto, None).map(|input| input.records.len());
        assert_eq!(count("[{\"key\":\"a\"},{\"key\":\"b\"}]").unwrap(), 2);
        assert_eq!(count("{\"key\":\"a\"}\r\n\r\n{\"key\":\"b\"}\n").unwrap(), 2);
        assert_eq!(count("{\n\"key\":\"a\"\n}").unwrap(), 1);
        assert_eq!(count("{\"records\":[{\"key\":\"a\"}]}").unwrap(), 1);
        assert_eq!(read_stream("just words", Format::Auto, Some("k")).unwrap().records[0].record.text, "just words");
        assert_eq!(count("\u{feff}[{\"key\":\"a\"},{\"key\":\"b\"}]").unwrap(), 2, "a byte order mark hides nothing");
        assert!(count(" \r\n").unwrap_err().to_string().contains("standard input is empty"));
    }

    /// One document is one record, whatever ends its lines.
    #[test]
    fn line_ends_do_not_matter() {
        let document = "---\na: b\n---\n# Tide\n\nHigh\nwater\n\n```\none\n\ntwo\n```\n\n<p>\nx\n</p>\n\n| a | b |\n|---|---|\n| c | d |\n";
        for format in [Format::Markdown, Format::Text] {
            let record = |text: &str| {
                serde_json::to_value(&read_stream(text, format, Some("k")).unwrap().records[0].record).unwrap()
            };
            assert_eq!(record(&document.replace('\n', "\r\n")), record(document), "{format:?}");
        }
    }

    /// A key that is given is used, or refused where records have their own.
    #[test]
    fn a_given_key_is_used() {
        let dir = tempfile::tempdir().unwrap();
        let write = |name: &str, text: &str| {
            std::fs::write(dir.path().join(name), text).unwrap();
            read_path(&dir.path().join(name), Format::Auto, Some("k"))
        };
        assert_eq!(write("a.txt", "words").unwrap().records[0].record.key, "k");
        assert_eq!(write("a.md", "# words").unwrap().records[0].record.key, "k");
        assert!(write("a.json", "{\"key\":\"a\"}").unwrap_err().to_string().contains("a.json is read as records"));
        assert!(read_stream("{\"key\":\"a\"}", Format::Auto, Some("k")).unwrap_err().to_string().contains("--key"));
        assert_eq!(read_stream("{\"key\":\"a\"}", Format::Text, Some("k")).unwrap().records[0].record.key, "k");
    }

    /// Links are not followed, and not passed over in silence either.
    #[cfg(unix)]
    #[test]
    fn links_are_listed() {
        let dir = tempfile::tempdir().unwrap();
        std::fs::write(dir.path().join("c.txt"), "words").unwrap();
        std::os::unix::fs::symlink(dir.path(), dir.path().join("a")).unwrap();
        std::os::unix::fs::symlink("c.txt", dir.path().join("b.txt")).unwrap();
        let input = read_path(dir.path(), Format::Auto, None).unwrap();
        assert_eq!(input.records.len(), 1);
        let skipped: Vec<String> = input.skipped.iter().map(|(path, _)| key_of(path, dir.path())).collect();
        assert_eq!(skipped, ["a", "b.txt"]);
        assert!(input.skipped[0].1.contains("link"));
    }
}

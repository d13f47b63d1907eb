//! Files with graphs, turned into records and links: RDF, `GraphML`, edge lists, hypergraphs. docs/import.md says how.

mod edges;
mod graphml;
mod hypergraph;
mod rdf;

use std::collections::{BTreeMap, HashMap};
use std::path::Path;

use serde_json::{Map, Value};
use skerry_sync::record::LINKS_MAX;

use super::{Found, InputError, Place, found_in, plain};
use crate::body::{LinkBody, RecordBody};
pub use edges::Columns;

/// What a file with a graph is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum GraphFormat {
    /// RDF 1.1 Turtle.
    Turtle,
    /// RDF 1.1 N-Triples.
    NTriples,
    /// `GraphML`.
    Graphml,
    /// A list of edges, one a line.
    Edges,
    /// A hypergraph as JSON: HIF, or that of XGI.
    Hypergraph,
}

/// A graph as records.
#[derive(Debug, Default)]
pub struct Graph {
    /// The records, in the order of their keys.
    pub records: Vec<Found>,
    /// What was left out or joined, for people.
    pub notes: Vec<String>,
}

impl GraphFormat {
    /// The format that a file's name or its first bytes say; none for a file of another kind.
    pub fn of(path: &Path) -> Option<GraphFormat> {
        let ending = path.extension()?.to_str()?.to_ascii_lowercase();
        match ending.as_str() {
            "ttl" | "turtle" => Some(GraphFormat::Turtle),
            "nt" | "ntriples" => Some(GraphFormat::NTriples),
            "graphml" => Some(GraphFormat::Graphml),
            "csv" | "tsv" | "edges" | "edgelist" => Some(GraphFormat::Edges),
            "hif" => Some(GraphFormat::Hypergraph),
            "json" => hypergraph::is_one(path).then_some(GraphFormat::Hypergraph),
            _ => None,
        }
    }
}

/// Reads a file with a graph, whole.
///
/// # Errors
/// [`InputError`] with the place of the fault.
pub fn read(path: &Path, format: GraphFormat, columns: Option<&Columns>) -> Result<Graph, InputError> {
    let file = path.display().to_string();
    let failed = |error: std::io::Error| InputError::Read { file: file.clone(), reason: error.to_string() };
    let mut gathered = Gathered::new(&file);
    match format {
        GraphFormat::Turtle | GraphFormat::NTriples => {
            let reader = std::io::BufReader::new(std::fs::File::open(path).map_err(failed)?);
            let name = path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
            rdf::read(reader, format, &name, &mut gathered)?;
        }
        GraphFormat::Edges => {
            let reader = std::io::BufReader::new(std::fs::File::open(path).map_err(failed)?);
            edges::read(reader, columns, &mut gathered)?;
        }
        GraphFormat::Graphml | GraphFormat::Hypergraph => {
            let text = super::read_text(path).map_err(|reason| InputError::Read { file: file.clone(), reason })?;
            match format {
                GraphFormat::Graphml => graphml::read(&text, &mut gathered)?,
                _ => hypergraph::read(&text, &mut gathered)?,
            }
        }
    }
    Ok(gathered.finish())
}

/// What was read so far: records by key, and where each link is.
struct Gathered {
    file: String,
    records: BTreeMap<String, (Place, RecordBody)>,
    /// The record and the position of each link, by its identity.
    links: HashMap<[u8; 12], (String, usize)>,
    /// Links that were said more than once.
    joined: usize,
    /// Records that hold only links for which no member had room.
    continued: usize,
    notes: Vec<String>,
}

/// What to do with a link that is there already.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Again {
    /// It is the same: layers are joined, weight and qualifiers are those said last.
    Join,
    /// It is another one, whose type gets a number.
    Number,
}

impl Gathered {
    fn new(file: &str) -> Gathered {
        Gathered {
            file: file.to_owned(),
            records: BTreeMap::new(),
            links: HashMap::new(),
            joined: 0,
            continued: 0,
            notes: Vec::new(),
        }
    }

    fn fault(&self, line: usize, column: usize, reason: impl Into<String>) -> InputError {
        InputError::Syntax { file: self.file.clone(), line, column, reason: reason.into() }
    }

    /// The record of a key, made where it is not there.
    fn record(&mut self, key: &str, place: Place) -> &mut RecordBody {
        if !self.records.contains_key(key) {
            self.records.insert(key.to_owned(), (place, plain(key, "")));
        }
        &mut self.records.entry(key.to_owned()).or_insert_with(|| (place, plain(key, ""))).1
    }

    /// Adds a link. It is stated by the first of its members that has room for it: what a link says does not depend on who
    /// states it. Where none has, by a record that continues the first one.
    fn link(&mut self, mut link: LinkBody, place: Place, again: Again) {
        let mut number = 1;
        let own = link.kind.clone();
        while let Some((key, position)) = identity(&link).and_then(|id| self.links.get(&id)).cloned() {
            if again == Again::Join {
                self.joined += 1;
                let there = self.records.get_mut(&key).and_then(|(_, record)| record.links.get_mut(position));
                if let Some(there) = there {
                    link.layers.append(&mut there.layers);
                    *there = link;
                }
                return;
            }
            number += 1;
            link.kind = format!("{own} #{number}");
        }
        let members: Vec<String> = link.members.iter().filter_map(|member| member.key.clone()).collect();
        let has_room = |key: &&String| self.records.get(*key).is_none_or(|(_, record)| record.links.len() < LINKS_MAX);
        let key = match (members.iter().find(has_room), members.first()) {
            (Some(key), _) => key.clone(),
            (None, first) => self.continuation(first.map(String::as_str).unwrap_or_default()),
        };
        let id = identity(&link);
        let record = self.record(&key, place);
        record.links.push(link);
        let position = record.links.len() - 1;
        if let Some(id) = id {
            self.links.insert(id, (key, position));
        }
    }

    /// The first record with room that continues a record whose links are too many for one.
    fn continuation(&mut self, key: &str) -> String {
        let mut number = 2;
        loop {
            let next = format!("{key}~{number}");
            match self.records.get(&next) {
                Some((_, record)) if record.links.len() >= LINKS_MAX => number += 1,
                Some(_) => return next,
                None => {
                    self.continued += 1;
                    return next;
                }
            }
        }
    }

    fn finish(mut self) -> Graph {
        if self.joined > 0 {
            self.notes.push(format!("{} links were said more than once and are one", self.joined));
        }
        if self.continued > 0 {
            self.notes.push(format!(
                "{} records (`<key>~2`, `<key>~3` ..) hold links of records that have more than {LINKS_MAX}",
                self.continued
            ));
        }
        self.links.clear();
        let records = found_in(&self.file, self.records.into_values());
        Graph { records, notes: self.notes }
    }
}

/// A link's identity; none for one that no record may state, which is found out when the records are checked.
fn identity(link: &LinkBody) -> Option<[u8; 12]> {
    let bare = LinkBody { kind: link.kind.clone(), members: link.members.clone(), ..LinkBody::of("", &[]) };
    let id = bare.into_link().ok()?.id();
    let mut bytes = [0; 12];
    hex::decode_to_slice(id, &mut bytes).ok()?;
    Some(bytes)
}

/// A JSON number where the text is one that comes back as it was.
fn integer(text: &str) -> Option<Value> {
    let number: i64 = text.parse().ok()?;
    (number.to_string() == text).then(|| number.into())
}

/// A finite number.
fn number(text: &str) -> Option<f64> {
    text.trim().parse().ok().filter(|number: &f64| number.is_finite())
}

/// Takes out of an object the first text of the names that it has.
fn text_of(object: &Map<String, Value>, names: &[&str]) -> String {
    names.iter().find_map(|name| object.get(*name)?.as_str()).unwrap_or_default().to_owned()
}

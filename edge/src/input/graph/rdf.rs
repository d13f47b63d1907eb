//! RDF (Turtle, N-Triples): IRIs are keys as they are, statements about IRIs are links, literals are data.

use std::collections::BTreeMap;
use std::io::Read;

use oxrdf::vocab::{rdfs, xsd};
use oxrdf::{BlankNode, Literal, NamedOrBlankNode, Term, Triple};
use oxttl::{NTriplesParser, TurtleParseError, TurtleParser};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use skerry_sync::PARENT;

use super::super::{InputError, Place};
use super::{Again, Gathered, GraphFormat, integer};
use crate::body::LinkBody;

/// Statements that make a hierarchy, from the narrower to the broader.
const PARENTS: [&str; 2] =
    ["http://www.w3.org/2000/01/rdf-schema#subClassOf", "http://www.w3.org/2004/02/skos/core#broader"];

/// What becomes the first part of a record's text, beside `rdfs:label`.
const PREFERRED_LABEL: &str = "http://www.w3.org/2004/02/skos/core#prefLabel";

/// What becomes the second part, beside `rdfs:comment`.
const DEFINITION: &str = "http://www.w3.org/2004/02/skos/core#definition";

/// Digits that the parser makes names of, for blank nodes without one.
const RANDOM_DIGITS: std::ops::RangeInclusive<usize> = 31..=32;

/// Reads triples as they come.
pub(super) fn read(
    reader: impl Read,
    format: GraphFormat,
    file_name: &str,
    gathered: &mut Gathered,
) -> Result<(), InputError> {
    let mut triples = Triples { file_name, numbers: BTreeMap::new(), texts: BTreeMap::new(), own_parents: 0 };
    if format == GraphFormat::NTriples {
        for triple in NTriplesParser::new().for_reader(reader) {
            triples.add(triple.map_err(|error| fault(gathered, error))?, gathered);
        }
    } else {
        for triple in TurtleParser::new().for_reader(reader) {
            triples.add(triple.map_err(|error| fault(gathered, error))?, gathered);
        }
    }
    triples.finish(gathered);
    Ok(())
}

fn fault(gathered: &Gathered, error: TurtleParseError) -> InputError {
    match error {
        TurtleParseError::Io(error) => InputError::Read { file: gathered.file.clone(), reason: error.to_string() },
        TurtleParseError::Syntax(error) => {
            let start = error.location().start;
            let at = |number: u64| usize::try_from(number).unwrap_or(usize::MAX).saturating_add(1);
            gathered.fault(at(start.line), at(start.column), error.message())
        }
    }
}

struct Triples<'a> {
    file_name: &'a str,
    /// Numbers of blank nodes without a name, in the order in which they came.
    numbers: BTreeMap<String, usize>,
    /// Labels and comments of each record.
    texts: BTreeMap<String, [Option<Text>; 2]>,
    own_parents: usize,
}

/// A text and how well its language suits: 0 for none, 1 for English, 2 for another.
struct Text {
    rank: u8,
    text: String,
}

impl Triples<'_> {
    fn add(&mut self, triple: Triple, gathered: &mut Gathered) {
        let subject = match triple.subject {
            NamedOrBlankNode::NamedNode(node) => node.into_string(),
            NamedOrBlankNode::BlankNode(node) => self.key(&node),
        };
        let predicate = triple.predicate.into_string();
        let object = match triple.object {
            Term::NamedNode(node) => node.into_string(),
            Term::BlankNode(node) => self.key(&node),
            Term::Literal(literal) => return self.literal(&subject, &predicate, &literal, gathered),
        };
        gathered.record(&subject, Place::Whole);
        let is_parent = PARENTS.contains(&predicate.as_str());
        if is_parent && subject == object {
            self.own_parents += 1;
            return;
        }
        let mut link = if is_parent {
            LinkBody::of(PARENT, &[("child", &subject), ("parent", &object)])
        } else {
            LinkBody::of(&predicate, &[("subject", &subject), ("object", &object)])
        };
        if is_parent {
            link.qualifiers.insert("predicate".to_owned(), json!(predicate));
        }
        gathered.link(link, Place::Whole, Again::Join);
    }

    /// A blank node's key: the same whenever the file is read again.
    fn key(&mut self, node: &BlankNode) -> String {
        let label = node.as_str();
        let random = RANDOM_DIGITS.contains(&label.len()) && label.bytes().all(|byte| byte.is_ascii_hexdigit());
        let count = self.numbers.len();
        let name = if random {
            format!("#{}", self.numbers.entry(label.to_owned()).or_insert(count))
        } else {
            label.to_owned()
        };
        let digest = Sha256::digest(format!("skerry/blank/1\0{}\0{name}", self.file_name));
        format!("_:{}", hex::encode(digest.get(..12).unwrap_or_default()))
    }

    fn literal(&mut self, subject: &str, predicate: &str, literal: &Literal, gathered: &mut Gathered) {
        let part = match predicate {
            label if label == rdfs::LABEL.as_str() || label == PREFERRED_LABEL => Some(0),
            comment if comment == rdfs::COMMENT.as_str() || comment == DEFINITION => Some(1),
            _ => None,
        };
        if let Some(part) = part {
            let rank = match literal.language() {
                None => 0,
                Some(language) if language.eq_ignore_ascii_case("en") || language.starts_with("en-") => 1,
                Some(_) => 2,
            };
            let texts = self.texts.entry(subject.to_owned()).or_default();
            if let Some(slot) = texts.get_mut(part)
                && slot.as_ref().is_none_or(|there| rank < there.rank)
            {
                *slot = Some(Text { rank, text: literal.value().to_owned() });
            }
        }
        let data = &mut gathered.record(subject, Place::Whole).data;
        let value = value(literal);
        match data.get_mut(predicate) {
            None => drop(data.insert(predicate.to_owned(), value)),
            Some(Value::Array(values)) if values.contains(&value) => {}
            Some(Value::Array(values)) => values.push(value),
            Some(one) if *one == value => {}
            Some(one) => *one = json!([one.take(), value]),
        }
    }

    fn finish(self, gathered: &mut Gathered) {
        for (key, texts) in self.texts {
            let parts: Vec<String> = texts.into_iter().flatten().map(|text| text.text).collect();
            gathered.record(&key, Place::Whole).text = parts.join("\n\n");
        }
        if self.own_parents > 0 {
            let note = format!("{} statements that make something its own parent were left out", self.own_parents);
            gathered.notes.push(note);
        }
    }
}

/// Plain JSON where nothing is lost by it, else a value object of JSON-LD.
fn value(literal: &Literal) -> Value {
    if let Some(language) = literal.language() {
        return json!({ "@value": literal.value(), "@language": language });
    }
    let (text, datatype) = (literal.value(), literal.datatype());
    let plain = if datatype == xsd::STRING {
        Some(json!(text))
    } else if datatype == xsd::BOOLEAN {
        match text {
            "true" => Some(json!(true)),
            "false" => Some(json!(false)),
            _ => None,
        }
    } else if datatype == xsd::INTEGER {
        integer(text)
    } else if datatype == xsd::DOUBLE {
        super::number(text).map(|number| json!(number))
    } else {
        None
    };
    plain.unwrap_or_else(|| json!({ "@value": text, "@type": datatype.as_str() }))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read_text(text: &str, format: GraphFormat) -> Result<super::super::Graph, InputError> {
        let mut gathered = Gathered::new("f.ttl");
        read(text.as_bytes(), format, "f.ttl", &mut gathered)?;
        Ok(gathered.finish())
    }

    /// What rdflib 7.6.0 wrote as Turtle and as N-Triples (tests/fixtures/graphs): each kind of literal as what it is.
    #[test]
    fn statements_become_records() {
        for (text, format) in [
            (include_str!("../../../tests/fixtures/graphs/harbour.ttl"), GraphFormat::Turtle),
            (include_str!("../../../tests/fixtures/graphs/harbour.nt"), GraphFormat::NTriples),
        ] {
            let graph = read_text(text, format).unwrap();
            assert_eq!(graph.records.len(), 4);
            let record = |key: &str| &graph.records.iter().find(|found| found.record.key == key).unwrap().record;
            let oban = record("http://example.org/Oban");
            assert_eq!(oban.text, "Oban\n\nA harbour on the west coast.\nFerries leave from here.");
            let data = |name: &str| &oban.data[&format!("http://example.org/{name}")];
            assert_eq!((data("depth"), data("berths"), data("open")), (&json!(12.5), &json!(3), &json!(true)));
            let xsd = |name: &str| format!("http://www.w3.org/2001/XMLSchema#{name}");
            assert_eq!(data("price"), &json!({"@value": "1.50", "@type": xsd("decimal")}));
            assert_eq!(data("founded"), &json!({"@value": "1811-01-01", "@type": xsd("date")}));
            let labels = oban.data["http://www.w3.org/2000/01/rdf-schema#label"].as_array().unwrap();
            assert!(labels.contains(&json!({"@value": "An t-Òban", "@language": "gd"})) && labels.len() == 2);
            assert_eq!(oban.links.len(), 3);
            let parent = &record("http://example.org/Harbour").links[0];
            assert_eq!(
                (parent.kind.as_str(), parent.members[1].key.as_deref()),
                (PARENT, Some("http://example.org/Place"))
            );
            assert_eq!(record("http://example.org/Mull").links[0].kind, PARENT);
            let site = graph.records.iter().find(|found| found.record.key.starts_with("_:")).unwrap();
            assert_eq!(site.record.data["http://example.org/lat"], json!(56.41));
            assert!(oban.links.iter().any(|link| link.members[1].key.as_ref() == Some(&site.record.key)));
        }
    }

    /// Blank nodes have the same keys whenever the file is read, with a label or without one.
    #[test]
    fn blank_nodes_are_stable() {
        let text = "@prefix e: <http://e/> . e:a e:p [ e:q 1 ], _:x . _:x e:q [ e:q 2 ] . <http://e/c> <http://www.w3.org/2000/01/rdf-schema#subClassOf> <http://e/c> .";
        let keys = || {
            let graph = read_text(text, GraphFormat::Turtle).unwrap();
            assert!(graph.notes[0].contains("own parent"));
            graph.records.into_iter().map(|found| found.record.key).collect::<Vec<_>>()
        };
        assert_eq!(keys(), keys());
        assert_eq!(keys().len(), 5);
    }

    /// A fault says its place.
    #[test]
    fn faults_have_a_place() {
        let error = read_text("<http://e/a> <http://e/b> <http://e/c> .\n<http://e/a> oops .\n", GraphFormat::NTriples);
        assert!(error.unwrap_err().to_string().starts_with("f.ttl:2:"));
        assert!(read_text("<a> <b> <c> .", GraphFormat::Turtle).is_err(), "relative without a base");
    }
}

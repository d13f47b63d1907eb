//! What a record says, as RDF. docs/sparql.md has the table.

use oxrdf::vocab::{rdf, xsd};
use oxrdf::{GraphName, Literal, NamedNode, NamedOrBlankNode, Quad, Term};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use serde_json::{Map, Value};
use skerry_sync::{Link, Record, Target};

use crate::clock;

/// What stands as it is in a URN of ours: RFC 3986's unreserved characters.
const UNRESERVED: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');

/// Values of a record's data and metadata that become statements at most; the others are left out.
const LEAVES_MAX: usize = 10_000;

/// What a record and its links say.
pub(super) fn quads(record: &Record) -> Vec<Quad> {
    let subject = named_or("record", record.key.as_str());
    let mut said = Vec::new();
    let mut say = |predicate: NamedNode, object: Term| {
        said.push(Quad::new(subject.clone(), predicate, object, GraphName::DefaultGraph));
    };
    if NamedNode::new(record.key.as_str()).is_err() {
        say(rdf::TYPE.into_owned(), ours("Record").into());
    }
    if !record.text.is_empty() {
        say(ours("text"), Literal::from(record.text.as_str()).into());
    }
    for layer in &record.layers {
        say(ours("layer"), urn("layer", layer).into());
    }
    for (name, object) in [("data", &record.data), ("metadata", &record.metadata)] {
        for (predicate, value) in leaves(name, object) {
            say(predicate, value);
        }
    }
    for link in &record.links {
        add_link(record, &subject, link, &mut said);
    }
    said
}

fn add_link(record: &Record, statement_by: &NamedNode, link: &Link, said: &mut Vec<Quad>) {
    let layers = if link.layers.is_empty() { &record.layers } else { &link.layers };
    let graphs: Vec<GraphName> =
        std::iter::once(GraphName::DefaultGraph).chain(layers.iter().map(|layer| urn("layer", layer).into())).collect();
    let mut say = |subject: &NamedNode, predicate: NamedNode, object: Term| {
        for graph in &graphs {
            let subject = NamedOrBlankNode::from(subject.clone());
            said.push(Quad::new(subject, predicate.clone(), object.clone(), graph.clone()));
        }
    };
    let kind = named_or("type", &link.kind);
    let pair = match link.members.as_slice() {
        [first, second] => Some((node(&first.target), node(&second.target))),
        _ => None,
    };
    if let Some((first, second)) = &pair {
        say(first, kind.clone(), second.clone().into());
    }
    #[allow(clippy::float_cmp, reason = "1 is what a link weighs that says nothing of it")]
    let is_plain = link.qualifiers.is_empty() && link.valid.is_always() && link.weight == 1.0;
    if is_plain && pair.is_some() {
        return;
    }
    let itself = urn("link", &link.id());
    if let Some((first, second)) = pair {
        say(&itself, rdf::TYPE.into_owned(), rdf::STATEMENT.into_owned().into());
        say(&itself, rdf::SUBJECT.into_owned(), first.into());
        say(&itself, rdf::PREDICATE.into_owned(), kind.into());
        say(&itself, rdf::OBJECT.into_owned(), second.into());
    } else {
        say(&itself, rdf::TYPE.into_owned(), kind.into());
        for member in &link.members {
            say(&itself, named_or("role", &member.role), node(&member.target).into());
        }
    }
    say(&itself, ours("weight"), Literal::from(link.weight).into());
    say(&itself, ours("stated-by"), statement_by.clone().into());
    for (name, moment) in [("valid-since", link.valid.since), ("valid-until", link.valid.until)] {
        let text = moment.and_then(clock::format_exactly);
        if let Some(text) = text {
            say(&itself, ours(name), Literal::new_typed_literal(text, xsd::DATE_TIME).into());
        }
    }
    for (predicate, value) in leaves("qualifier", &link.qualifiers) {
        say(&itself, predicate, value);
    }
}

fn node(target: &Target) -> NamedNode {
    match target {
        Target::Key(key) => named_or("record", key),
        Target::Link(id) => urn("link", id),
    }
}

/// A name that is an absolute IRI stands for itself.
fn named_or(what: &str, name: &str) -> NamedNode {
    NamedNode::new(name).unwrap_or_else(|_| urn(what, name))
}

fn urn(what: &str, name: &str) -> NamedNode {
    NamedNode::new_unchecked(format!("urn:skerry:{what}:{}", utf8_percent_encode(name, UNRESERVED)))
}

fn ours(name: &str) -> NamedNode {
    NamedNode::new_unchecked(format!("urn:skerry:{name}"))
}

/// The leaves of an object: a predicate from the dotted path (or the name itself where it is an absolute IRI), and the value.
fn leaves(root: &str, object: &Map<String, Value>) -> Vec<(NamedNode, Term)> {
    let mut found = Vec::new();
    for (name, value) in object {
        match NamedNode::new(name.as_str()) {
            Ok(predicate) => add_values(root, Path::Iri(predicate), value, &mut found),
            Err(_) => add_values(root, Path::Dotted(name.clone()), value, &mut found),
        }
    }
    found.truncate(LEAVES_MAX);
    found
}

#[derive(Clone)]
enum Path {
    Iri(NamedNode),
    Dotted(String),
}

/// Nesting ends at the depth that records are refused beyond.
fn add_values(root: &str, path: Path, value: &Value, found: &mut Vec<(NamedNode, Term)>) {
    if found.len() >= LEAVES_MAX {
        return;
    }
    let literal = match value {
        Value::Null => return,
        Value::Bool(value) => Literal::from(*value).into(),
        Value::String(text) => Literal::from(text.as_str()).into(),
        Value::Number(number) => match number.as_i64() {
            Some(integer) => Literal::from(integer).into(),
            None => Literal::from(number.as_f64().unwrap_or(f64::NAN)).into(),
        },
        Value::Array(values) => {
            return values.iter().for_each(|value| add_values(root, path.clone(), value, found));
        }
        Value::Object(object) => {
            let Some(term) = value_object(object) else {
                for (name, value) in object {
                    let dotted = match &path {
                        Path::Iri(iri) => format!("{}.{name}", iri.as_str()),
                        Path::Dotted(path) => format!("{path}.{name}"),
                    };
                    add_values(root, Path::Dotted(dotted), value, found);
                }
                return;
            };
            term
        }
    };
    let predicate = match path {
        Path::Iri(iri) => iri,
        Path::Dotted(path) => urn(root, &path),
    };
    found.push((predicate, literal));
}

/// A JSON-LD value object (JSON-LD 1.1, 9.5): `@value` with `@type` or `@language`; or `{"@id": IRI}`.
fn value_object(object: &Map<String, Value>) -> Option<Term> {
    let text = |name: &str| object.get(name).and_then(Value::as_str);
    if let Some(iri) = text("@id")
        && object.len() == 1
    {
        return NamedNode::new(iri).ok().map(Term::from);
    }
    let value = match object.get("@value")? {
        Value::String(text) => text.clone(),
        Value::Null | Value::Array(_) | Value::Object(_) => return None,
        other => other.to_string(),
    };
    if let Some(language) = text("@language") {
        return Literal::new_language_tagged_literal(value, language).ok().map(Term::from);
    }
    let datatype = text("@type").and_then(|iri| NamedNode::new(iri).ok());
    Some(match datatype {
        Some(datatype) => Literal::new_typed_literal(value, datatype).into(),
        None => Literal::from(value).into(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn said(record: Value) -> Vec<String> {
        let body: crate::body::RecordBody = serde_json::from_value(record).unwrap();
        let mut lines: Vec<String> = quads(&body.into_record().unwrap())
            .iter()
            .map(|quad| quad.to_string().replace("urn:skerry:", ""))
            .collect();
        lines.sort();
        lines
    }

    /// The table of docs/sparql.md, line by line.
    #[test]
    fn a_record_is_said_in_rdf() {
        let lines = said(json!({"key": "a b", "text": "t", "layers": ["sea"],
            "data": {"n": 1, "x": {"y": [1.5, true, null]}},
            "links": [{"type": "feeds", "members": [{"role": "from", "key": "a b"}, {"role": "to", "key": "http://x/c"}]}]}));
        let expected = [
            "<record:a%20b> <data:n> \"1\"^^<http://www.w3.org/2001/XMLSchema#integer>",
            "<record:a%20b> <data:x.y> \"1.5\"^^<http://www.w3.org/2001/XMLSchema#double>",
            "<record:a%20b> <data:x.y> \"true\"^^<http://www.w3.org/2001/XMLSchema#boolean>",
            "<record:a%20b> <http://www.w3.org/1999/02/22-rdf-syntax-ns#type> <Record>",
            "<record:a%20b> <layer> <layer:sea>",
            "<record:a%20b> <text> \"t\"",
            "<record:a%20b> <type:feeds> <http://x/c>",
            "<record:a%20b> <type:feeds> <http://x/c> <layer:sea>",
        ];
        assert_eq!(lines, expected);
    }

    /// What came from RDF goes back to it unchanged: IRIs as keys, types and names, value objects as literals.
    #[test]
    fn imported_statements_stay_as_they_were() {
        let lines = said(json!({"key": "http://x/a", "data": {
            "http://x/name": [{"@value": "Zug", "@language": "de"}, "train"],
            "http://x/on": {"@value": "2026-11-21", "@type": "http://www.w3.org/2001/XMLSchema#date"}},
            "links": [{"type": "http://x/p", "members": [{"role": "s", "key": "http://x/a"}, {"role": "o", "key": "http://x/b"}]}]}));
        let expected = [
            "<http://x/a> <http://x/name> \"Zug\"@de",
            "<http://x/a> <http://x/name> \"train\"",
            "<http://x/a> <http://x/on> \"2026-11-21\"^^<http://www.w3.org/2001/XMLSchema#date>",
            "<http://x/a> <http://x/p> <http://x/b>",
        ];
        assert_eq!(lines, expected);
    }

    /// What a triple cannot say is said of the link itself: a third member, a weight, qualifiers, a time.
    #[test]
    fn links_are_nodes_when_they_must_be() {
        let members = json!([{"role": "a", "key": "x"}, {"role": "b", "key": "y"}, {"role": "b", "key": "z"}]);
        let lines = said(json!({"key": "x", "links": [{"type": "t", "members": members}]}));
        assert_eq!(lines.iter().filter(|line| line.contains("<role:b>")).count(), 2, "{lines:?}");
        assert!(lines.iter().any(|line| line.ends_with("#type> <type:t>")), "{lines:?}");
        let pair = json!([{"role": "a", "key": "x"}, {"role": "b", "key": "y"}]);
        let lines = said(json!({"key": "x", "links": [{"type": "t", "members": pair, "weight": 2.0,
            "qualifiers": {"source": "chart"}, "valid": {"since": "2026-01-01T00:00:00Z"}}]}));
        for part in [
            "<record:x> <type:t> <record:y>",
            "#subject> <record:x>",
            "<qualifier:source> \"chart\"",
            "<weight> \"2",
            "<valid-since> \"2026-01-01T00:00:00",
            "<stated-by> <record:x>",
        ] {
            assert!(lines.iter().any(|line| line.contains(part)), "{part}: {lines:?}");
        }
    }
}

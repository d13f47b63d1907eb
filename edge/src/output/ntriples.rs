//! A project as RDF 1.1 N-Triples: what `skerry import` makes of RDF, back again.

use std::io::Write;

use oxrdf::vocab::xsd;
use oxrdf::{BlankNode, Literal, NamedNode, NamedOrBlankNode, Term, Triple};
use oxttl::NTriplesSerializer;
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use serde_json::Value;

use crate::body::{LinkBody, RecordBody};

/// The data type of JSON that has no other (RDF 1.2, JSON-LD 1.1).
const JSON: &str = "http://www.w3.org/1999/02/22-rdf-syntax-ns#JSON";

/// What a name that is no IRI becomes an IRI with.
const OWN: &str = "urn:skerry:";

/// Characters of a name that are written as `%XX`.
const ENCODED: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');

/// Writes the statements of records; answers how many links cannot be said as one: those with other than two members, or with
/// links as members.
///
/// Keys, names of data and types of links that are IRIs are taken as they are; others become `urn:skerry:key:…`,
/// `urn:skerry:data:…` and `urn:skerry:link:…`. Texts, layers, weights, qualifiers and valid times are not written: RDF has no place
/// for them on a statement.
///
/// # Errors
/// Those of the writer.
pub fn write(records: &[RecordBody], out: impl Write) -> std::io::Result<usize> {
    let mut writer = NTriplesSerializer::new().for_writer(out);
    let mut left_out = 0;
    for record in records {
        let subject = node(&record.key);
        for (name, value) in &record.data {
            let predicate = iri("data", name);
            let several = match value {
                Value::Array(values) => values.as_slice(),
                one => std::slice::from_ref(one),
            };
            for value in several {
                writer.serialize_triple(&Triple::new(subject.clone(), predicate.clone(), literal(value)))?;
            }
        }
        for link in &record.links {
            match statement(link) {
                Some(triple) => writer.serialize_triple(&triple)?,
                None => left_out += 1,
            }
        }
    }
    writer.finish();
    Ok(left_out)
}

fn statement(link: &LinkBody) -> Option<Triple> {
    let [subject, object] = link.members.as_slice() else { return None };
    let said = link.qualifiers.get("predicate").and_then(Value::as_str);
    let predicate = said.filter(|_| link.kind == skerry_sync::PARENT).and_then(|said| NamedNode::new(said).ok());
    let predicate = predicate.unwrap_or_else(|| iri("link", &link.kind));
    Some(Triple::new(node(subject.key.as_deref()?), predicate, Term::from(node(object.key.as_deref()?))))
}

fn node(key: &str) -> NamedOrBlankNode {
    match key.strip_prefix("_:").map(BlankNode::new) {
        Some(Ok(node)) => node.into(),
        _ => iri("key", key).into(),
    }
}

fn iri(kind: &str, name: &str) -> NamedNode {
    // Many a plain key with a colon in it, `view:1000`, is an IRI by its form; those stay as they are, too.
    NamedNode::new(name)
        .unwrap_or_else(|_| NamedNode::new_unchecked(format!("{OWN}{kind}:{}", utf8_percent_encode(name, ENCODED))))
}

fn literal(value: &Value) -> Literal {
    let json = || Literal::new_typed_literal(value.to_string(), NamedNode::new_unchecked(JSON));
    match value {
        Value::String(text) => Literal::new_simple_literal(text),
        Value::Bool(value) => Literal::from(*value),
        Value::Number(number) => match (number.as_i64(), number.as_f64()) {
            (Some(integer), _) => Literal::new_typed_literal(integer.to_string(), xsd::INTEGER),
            (None, Some(double)) => Literal::from(double),
            (None, None) => json(),
        },
        Value::Object(object) => {
            let text = |name: &str| object.get(name).and_then(Value::as_str);
            match (text("@value"), text("@language"), text("@type").map(NamedNode::new)) {
                (Some(value), Some(language), _) => {
                    Literal::new_language_tagged_literal(value, language).unwrap_or_else(|_| json())
                }
                (Some(value), None, Some(Ok(datatype))) => Literal::new_typed_literal(value, datatype),
                _ => json(),
            }
        }
        Value::Null | Value::Array(_) => json(),
    }
}

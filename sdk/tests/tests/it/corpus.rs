//! Records to search: the paragraphs of our own documentation. Real sentences, and nothing to fetch.

use std::path::PathBuf;

use serde_json::{Value, json};
use skerry_host::types::{Document, Field, Scalar};

const PAGES: [&str; 5] = ["hub.md", "sync.md", "search.md", "models.md", "graph.md"];

/// Paragraphs of one page at most.
const PARAGRAPHS_MAX: usize = 8;

/// As the node's API writes records.
pub(crate) fn records() -> Vec<Value> {
    PAGES.iter().flat_map(|page| paragraphs(page)).collect()
}

fn paragraphs(page: &str) -> Vec<Value> {
    let path = PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs")).join(page);
    let text = std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    let long = text.split("\n\n").filter(|paragraph| paragraph.len() > 120);
    let record = |(number, text): (usize, &str)| {
        json!({
            "key": format!("{page}#{number}"),
            "text": text,
            "data": { "page": page, "number": number, "deep": { "even": number % 2 == 0 }, "words": ["a", "b", number] },
            "metadata": {},
            "layers": if number % 3 == 0 { json!(["third"]) } else { json!([]) },
            "links": [],
        })
    };
    long.take(PARAGRAPHS_MAX).enumerate().map(record).collect()
}

/// The documents of these records without vectors; the payload is the record.
pub(crate) fn documents(records: &[Value]) -> Vec<Document> {
    records.iter().map(document).collect()
}

fn document(record: &Value) -> Document {
    let data = &record["data"];
    let text = |value: &Value| Scalar::Text(value.as_str().unwrap().to_owned());
    let number = |value: &Value| Scalar::Number(value.as_f64().unwrap());
    let field = |path: &str, value: Scalar| Field { path: path.to_owned(), value };
    let mut fields = vec![
        field("data.deep.even", Scalar::Boolean(data["deep"]["even"].as_bool().unwrap())),
        field("data.number", number(&data["number"])),
        field("data.page", text(&data["page"])),
        field("data.words", Scalar::Text("a".to_owned())),
        field("data.words", Scalar::Text("b".to_owned())),
        field("data.words", number(&data["number"])),
    ];
    fields.extend(record["layers"].as_array().unwrap().iter().map(|layer| field("layer", text(layer))));
    Document {
        key: record["key"].as_str().unwrap().to_owned(),
        text: record["text"].as_str().unwrap().to_owned(),
        chunks: Vec::new(),
        fields,
        payload: record.to_string().into_bytes(),
    }
}

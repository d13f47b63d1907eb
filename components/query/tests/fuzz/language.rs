//! The query language.

use skerry_fuzz::Target;
use skerry_query::Segment;
use skerry_query::syntax::{DEPTH_MAX, NODES_MAX, parse};
use skerry_query::types::{Document, Field, FilterNode, QueryError, Request, Scalar};

const QUERIES: [&str; 8] = [
    r#"spring tide layer:harbour -"neap tide""#,
    "data.price:>=10 OR (data.price:[1..5] AND title:\"high water\")",
    "+must -not (a OR b) key:CWE-79*",
    r"escaped\:colon \(paren\) \- \u{1F600}",
    "layer:a,b,c text:* data.n:!=null",
    "((((((((((a))))))))))",
    "data.x:-1.5e10 data.t:true data.u:null",
    "漢字 \u{301}combining ünïcode",
];

const WORDS: [&str; 18] =
    ["(", ")", "\"", "OR", " OR ", "AND", "NOT ", "-", "+", ":", "..", "[", "]", ">=", "<", "*", "\\", ","];

/// What is read is a filter that a segment takes; faults point into the query.
#[test]
fn queries() {
    let corpus = QUERIES.map(|query| query.as_bytes().to_vec());
    let mut segment = Segment::default();
    let fields = ["layer", "data.price", "title"].map(|path| Field { path: path.into(), value: Scalar::Number(1.0) });
    segment
        .upsert(vec![Document {
            key: "k".into(),
            text: "spring tide".into(),
            fields: fields.to_vec(),
            ..Document::default()
        }])
        .unwrap();
    Target::new("queries", &corpus).words(&WORDS).cases(40_000).run_text(|query| match parse(query) {
        Ok(parsed) => {
            assert!(parsed.filter.len() <= NODES_MAX, "{}", parsed.filter.len());
            for (at, node) in parsed.filter.iter().enumerate() {
                let before = |child: &u32| (*child as usize) < at;
                assert!(match node {
                    FilterNode::All(children) | FilterNode::Any(children) => children.iter().all(before),
                    FilterNode::Negate(child) => before(child),
                    FilterNode::Condition(_) => true,
                });
            }
            assert!(parsed.fields.iter().all(|field| (field.at as usize) < query.chars().count()));
            // The words alone are a query of the same words.
            assert!(parsed.text.split(' ').count() <= query.chars().count().max(1));
            if !parsed.text.is_empty() || !parsed.filter.is_empty() {
                let text = Some(parsed.text).filter(|text| !text.is_empty());
                let answer = segment.query(&Request { text, filter: parsed.filter, ..Request::default() });
                assert!(
                    matches!(answer, Ok(_) | Err(QueryError::UnknownField { .. } | QueryError::EmptyRequest)),
                    "{answer:?}"
                );
            }
        }
        Err(error) => assert!(error.at as usize <= query.chars().count() && !error.message.is_empty()),
    });
}

/// Depth costs an error, not the stack.
#[test]
fn deep_queries() {
    for depth in [DEPTH_MAX, DEPTH_MAX + 1, 4_000] {
        let query = format!("{}a{}", "(".repeat(depth), ")".repeat(depth));
        assert_eq!(parse(&query).is_ok(), depth <= DEPTH_MAX, "{depth}");
    }
}

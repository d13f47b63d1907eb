//! The component: one [`Segment`] behind the exports of `skerry:query/query`.
#![allow(
    unsafe_code,
    missing_docs,
    unreachable_pub,
    clippy::pedantic,
    reason = "generated bindings: the canonical ABI is raw memory"
)]

use std::cell::RefCell;

use crate::Segment;
use crate::types as core;

wit_bindgen::generate!({ path: "../../wit/query", world: "query" });

use exports::skerry::query::{documents, search};

thread_local! {
    static SEGMENT: RefCell<Segment> = RefCell::new(Segment::default());
}

struct Component;

export!(Component);

impl documents::Guest for Component {
    fn upsert(batch: Vec<documents::Document>) -> Result<(), documents::Error> {
        let batch = batch.into_iter().map(core::Document::from).collect();
        SEGMENT.with_borrow_mut(|segment| segment.upsert(batch)).map_err(documents::Error::from)
    }

    fn remove(keys: Vec<String>) -> u32 {
        SEGMENT.with_borrow_mut(|segment| segment.remove(&keys))
    }

    fn compact() {
        SEGMENT.with_borrow_mut(Segment::compact);
    }

    fn describe() -> documents::Stats {
        let core::Stats { documents, vectors, dimensions, terms, postings, bytes } =
            SEGMENT.with_borrow(|segment| segment.describe());
        documents::Stats { documents, vectors, dimensions, terms, postings, bytes }
    }
}

impl search::Guest for Component {
    fn query(request: search::Request) -> Result<search::Response, search::Error> {
        let request = core::Request::from(request);
        let core::Response { hits, candidates } =
            SEGMENT.with_borrow_mut(|segment| segment.query(&request)).map_err(search::Error::from)?;
        let hits = hits.into_iter().map(search::Hit::from).collect();
        Ok(search::Response { hits, candidates })
    }
}

impl From<documents::Scalar> for core::Scalar {
    fn from(value: documents::Scalar) -> Self {
        match value {
            documents::Scalar::Null => core::Scalar::Null,
            documents::Scalar::Boolean(value) => core::Scalar::Boolean(value),
            documents::Scalar::Number(value) => core::Scalar::Number(value),
            documents::Scalar::Text(value) => core::Scalar::Text(value),
        }
    }
}

impl From<documents::Document> for core::Document {
    fn from(document: documents::Document) -> Self {
        let documents::Document { key, text, vector, fields, payload } = document;
        let field = |field: documents::Field| core::Field { path: field.path, value: field.value.into() };
        core::Document { key, text, vector, fields: fields.into_iter().map(field).collect(), payload }
    }
}

impl From<core::DocumentError> for documents::Error {
    fn from(error: core::DocumentError) -> Self {
        match error {
            core::DocumentError::VectorNotFinite(key) => documents::Error::VectorNotFinite(key),
            core::DocumentError::VectorDimensions(key) => documents::Error::VectorDimensions(key),
            core::DocumentError::KeyLength(key) => documents::Error::KeyLength(key),
        }
    }
}

impl From<search::Request> for core::Request {
    fn from(request: search::Request) -> Self {
        let search::Request { text, vector, k, filter, fusion } = request;
        let fusion = match fusion {
            search::Fusion::Convex(weight) => core::Fusion::Convex(weight),
            search::Fusion::ReciprocalRank(constant) => core::Fusion::ReciprocalRank(constant),
        };
        core::Request { text, vector, k, filter: filter.into_iter().map(core::FilterNode::from).collect(), fusion }
    }
}

impl From<search::FilterNode> for core::FilterNode {
    fn from(node: search::FilterNode) -> Self {
        match node {
            search::FilterNode::All(children) => core::FilterNode::All(children),
            search::FilterNode::Any(children) => core::FilterNode::Any(children),
            search::FilterNode::Negate(child) => core::FilterNode::Negate(child),
            search::FilterNode::Condition(condition) => core::FilterNode::Condition(core::Condition {
                path: condition.path,
                comparison: condition.comparison.into(),
            }),
        }
    }
}

impl From<search::Comparison> for core::Comparison {
    fn from(comparison: search::Comparison) -> Self {
        match comparison {
            search::Comparison::Eq(value) => core::Comparison::Eq(value.into()),
            search::Comparison::OneOf(values) => core::Comparison::OneOf(values.into_iter().map(Into::into).collect()),
            search::Comparison::Less(value) => core::Comparison::Less(value.into()),
            search::Comparison::LessOrEqual(value) => core::Comparison::LessOrEqual(value.into()),
            search::Comparison::Greater(value) => core::Comparison::Greater(value.into()),
            search::Comparison::GreaterOrEqual(value) => core::Comparison::GreaterOrEqual(value.into()),
            search::Comparison::Prefix(prefix) => core::Comparison::Prefix(prefix),
            search::Comparison::Exists => core::Comparison::Exists,
        }
    }
}

impl From<core::Hit> for search::Hit {
    fn from(hit: core::Hit) -> Self {
        let core::Hit { key, score, vector_score, keyword_score, payload } = hit;
        search::Hit { key, score, vector_score, keyword_score, payload }
    }
}

impl From<core::QueryError> for search::Error {
    fn from(error: core::QueryError) -> Self {
        match error {
            core::QueryError::KOutOfRange(k) => search::Error::KOutOfRange(k),
            core::QueryError::EmptyRequest => search::Error::EmptyRequest,
            core::QueryError::VectorNotFinite => search::Error::VectorNotFinite,
            core::QueryError::VectorDimensions(found) => search::Error::VectorDimensions(found),
            core::QueryError::WeightOutOfRange(weight) => search::Error::WeightOutOfRange(weight),
            core::QueryError::UnknownField { path, similar } => search::Error::UnknownField((path, similar)),
            core::QueryError::MalformedFilter(reason) => search::Error::MalformedFilter(reason),
        }
    }
}

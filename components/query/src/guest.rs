//! The component: one [`Segment`] behind the exports of `skerry:query/query`.
#![allow(
    unsafe_code,
    missing_docs,
    unreachable_pub,
    clippy::pedantic,
    reason = "generated bindings: the canonical ABI is raw memory"
)]

mod graph;

use std::cell::RefCell;

use crate::{Image, Segment, excerpt, fuse, syntax, types as core};

wit_bindgen::generate!({ path: "../../wit/query", world: "query" });

use exports::skerry::query::{documents, image, language, search, snapshot};

thread_local! {
    static SEGMENT: RefCell<Segment> = RefCell::new(Segment::default());
    /// On its way out or in.
    static IMAGE: RefCell<Option<Image>> = const { RefCell::new(None) };
}

struct Component;

export!(Component);

impl documents::Guest for Component {
    fn upsert(batch: Vec<documents::Document>) -> Result<(), documents::Error> {
        IMAGE.take();
        let batch = batch.into_iter().map(core::Document::from).collect();
        SEGMENT.with_borrow_mut(|segment| segment.upsert(batch)).map_err(documents::Error::from)
    }

    fn remove(keys: Vec<String>) -> u32 {
        IMAGE.take();
        SEGMENT.with_borrow_mut(|segment| segment.remove(&keys))
    }

    fn describe() -> documents::Stats {
        let stats = SEGMENT.with_borrow(|segment| segment.describe());
        let core::Stats {
            documents,
            removed,
            vectors,
            dimensions,
            terms,
            postings,
            bytes,
            vector_bytes,
            sealed,
            graph,
        } = stats;
        documents::Stats {
            documents,
            removed,
            vectors,
            dimensions,
            terms,
            postings,
            bytes,
            vector_bytes,
            sealed,
            graph,
        }
    }
}

impl image::Guest for Component {
    fn lay_out() -> Result<Vec<image::Section>, image::Error> {
        let laid_out = SEGMENT.with_borrow(Segment::image).ok_or(image::Error::NotEmpty)?;
        let section = |(name, bytes)| image::Section { name, bytes };
        let sections = laid_out.sections().into_iter().map(section).collect();
        IMAGE.set(Some(laid_out));
        Ok(sections)
    }

    fn read(section: String, offset: u64, length: u32) -> Vec<u8> {
        IMAGE.with_borrow(|image| image.as_ref().map(|image| image.read(&section, offset, length)).unwrap_or_default())
    }

    fn reserve(sections: Vec<image::Section>) -> Result<(), image::Error> {
        if SEGMENT.with_borrow(|segment| segment.describe().sealed || segment.describe().documents > 0) {
            return Err(image::Error::NotEmpty);
        }
        let sections: Vec<(String, u64)> = sections.into_iter().map(|section| (section.name, section.bytes)).collect();
        IMAGE.set(Some(Image::reserve(&sections)?));
        Ok(())
    }

    fn append(section: String, chunk: Vec<u8>) -> Result<(), image::Error> {
        let append = |image: &mut Option<Image>| match image {
            Some(image) => image.append(&section, &chunk),
            None => Err(core::ImageError::Section(section.clone())),
        };
        Ok(IMAGE.with_borrow_mut(append)?)
    }

    fn finish() -> Result<(), image::Error> {
        let image = IMAGE.take().ok_or_else(|| image::Error::Other("nothing was reserved".to_owned()))?;
        SEGMENT.set(Segment::sealed(image)?);
        Ok(())
    }
}

impl search::Guest for Component {
    fn query(request: search::Request) -> Result<search::Response, search::Error> {
        let request = core::Request::from(request);
        let response = SEGMENT.with_borrow_mut(|segment| segment.query(&request)).map_err(search::Error::from)?;
        Ok(response.into())
    }

    fn statistics_of(text: String, without: Vec<String>) -> search::Statistics {
        let core::Statistics { documents, total_length, terms } =
            SEGMENT.with_borrow(|segment| segment.statistics(&text, &without));
        search::Statistics { documents, total_length, terms }
    }

    fn legs_of(
        request: search::Request,
        statistics: Option<search::Statistics>,
        depth: Option<u32>,
    ) -> Result<search::Legs, search::Error> {
        let request = core::Request::from(request);
        let statistics = statistics.map(|search::Statistics { documents, total_length, terms }| core::Statistics {
            documents,
            total_length,
            terms,
        });
        let depth = depth.map_or_else(|| fuse::depth(&request), |depth| depth as usize);
        let legs = SEGMENT.with_borrow_mut(|segment| segment.legs(&request, statistics.as_ref(), depth));
        Ok(legs.map_err(search::Error::from)?.into())
    }

    fn fuse(
        request: search::Request,
        parts: Vec<search::Legs>,
        depth: Option<u32>,
    ) -> Result<search::Fused, search::Error> {
        let request = core::Request::from(request);
        let depth = depth.map_or_else(|| fuse::depth(&request), |depth| depth as usize);
        let parts: Vec<core::Legs> = parts.into_iter().map(core::Legs::from).collect();
        let fuse::Fused { response, deeper } = fuse::fuse(&request, &parts, depth).map_err(search::Error::from)?;
        Ok(search::Fused { response: response.into(), deeper: deeper.map(|depth| depth as u32) })
    }
}

impl snapshot::Guest for Component {
    fn describe() -> Vec<u8> {
        SEGMENT.with_borrow(|segment| segment.description().to_vec())
    }
}

impl language::Guest for Component {
    fn parse(query: String) -> Result<language::Parsed, language::SyntaxError> {
        let syntax::Parsed { text, filter, fields } = syntax::parse(&query)
            .map_err(|syntax::SyntaxError { at, message }| language::SyntaxError { at, message })?;
        let field = |syntax::FieldUse { path, at }| language::FieldUse { path, at };
        let filter = filter.into_iter().map(search::FilterNode::from).collect();
        Ok(language::Parsed { text, filter, fields: fields.into_iter().map(field).collect() })
    }

    fn show(text: String, query: String, bytes_max: u32) -> language::Excerpt {
        let excerpt::Excerpt { text, marks, cut_before, cut_after } =
            excerpt::excerpt(&text, &query, bytes_max as usize);
        let mark = |span: crate::tokenize::Span| language::Mark { start: span.start, end: span.end };
        language::Excerpt { text, marks: marks.into_iter().map(mark).collect(), cut_before, cut_after }
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

impl From<documents::Span> for core::Span {
    fn from(documents::Span { start, end }: documents::Span) -> Self {
        core::Span { start, end }
    }
}

impl From<core::Span> for documents::Span {
    fn from(core::Span { start, end }: core::Span) -> Self {
        documents::Span { start, end }
    }
}

impl From<documents::Document> for core::Document {
    fn from(document: documents::Document) -> Self {
        let documents::Document { key, text, chunks, fields, payload } = document;
        let chunk = |documents::Chunk { span, vector }| core::Chunk { span: span.into(), vector };
        let field = |field: documents::Field| core::Field { path: field.path, value: field.value.into() };
        core::Document {
            key,
            text,
            chunks: chunks.into_iter().map(chunk).collect(),
            fields: fields.into_iter().map(field).collect(),
            payload,
        }
    }
}

impl From<core::DocumentError> for documents::Error {
    fn from(error: core::DocumentError) -> Self {
        match error {
            core::DocumentError::VectorNotFinite(key) => documents::Error::VectorNotFinite(key),
            core::DocumentError::VectorDimensions(key) => documents::Error::VectorDimensions(key),
            core::DocumentError::TooManyChunks(key) => documents::Error::TooManyChunks(key),
            core::DocumentError::Span(key) => documents::Error::Span(key),
            core::DocumentError::KeyLength(key) => documents::Error::KeyLength(key),
            core::DocumentError::Sealed => documents::Error::Sealed,
        }
    }
}

impl From<core::Scalar> for documents::Scalar {
    fn from(value: core::Scalar) -> Self {
        match value {
            core::Scalar::Null => documents::Scalar::Null,
            core::Scalar::Boolean(value) => documents::Scalar::Boolean(value),
            core::Scalar::Number(value) => documents::Scalar::Number(value),
            core::Scalar::Text(value) => documents::Scalar::Text(value),
        }
    }
}

impl From<core::ImageError> for image::Error {
    fn from(error: core::ImageError) -> Self {
        match error {
            core::ImageError::NotEmpty => image::Error::NotEmpty,
            core::ImageError::Section(name) => image::Error::Section(name),
            core::ImageError::Inconsistent(what) => image::Error::Inconsistent(what.to_owned()),
        }
    }
}

impl From<search::Request> for core::Request {
    fn from(request: search::Request) -> Self {
        let search::Request {
            text,
            vector,
            k,
            offset,
            filter,
            fusion,
            ef,
            exact,
            similarity_min,
            diversity,
            group,
            explain,
        } = request;
        let fusion = match fusion {
            search::Fusion::Convex(weight) => core::Fusion::Convex(weight),
            search::Fusion::ReciprocalRank(constant) => core::Fusion::ReciprocalRank(constant),
        };
        let filter = filter.into_iter().map(core::FilterNode::from).collect();
        let group = group.map(|search::Group { path, size }| core::Group { path, size });
        core::Request { text, vector, k, offset, filter, fusion, ef, exact, similarity_min, diversity, group, explain }
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
            search::Comparison::Words(words) => core::Comparison::Words(words),
            search::Comparison::Exists => core::Comparison::Exists,
        }
    }
}

impl From<core::FilterNode> for search::FilterNode {
    fn from(node: core::FilterNode) -> Self {
        match node {
            core::FilterNode::All(children) => search::FilterNode::All(children),
            core::FilterNode::Any(children) => search::FilterNode::Any(children),
            core::FilterNode::Negate(child) => search::FilterNode::Negate(child),
            core::FilterNode::Condition(core::Condition { path, comparison }) => {
                search::FilterNode::Condition(search::Condition { path, comparison: comparison.into() })
            }
        }
    }
}

impl From<core::Comparison> for search::Comparison {
    fn from(comparison: core::Comparison) -> Self {
        match comparison {
            core::Comparison::Eq(value) => search::Comparison::Eq(value.into()),
            core::Comparison::OneOf(values) => search::Comparison::OneOf(values.into_iter().map(Into::into).collect()),
            core::Comparison::Less(value) => search::Comparison::Less(value.into()),
            core::Comparison::LessOrEqual(value) => search::Comparison::LessOrEqual(value.into()),
            core::Comparison::Greater(value) => search::Comparison::Greater(value.into()),
            core::Comparison::GreaterOrEqual(value) => search::Comparison::GreaterOrEqual(value.into()),
            core::Comparison::Prefix(prefix) => search::Comparison::Prefix(prefix),
            core::Comparison::Words(words) => search::Comparison::Words(words),
            core::Comparison::Exists => search::Comparison::Exists,
        }
    }
}

impl From<core::TermScore> for search::TermScore {
    fn from(term: core::TermScore) -> Self {
        let core::TermScore { term, count, idf, score } = term;
        search::TermScore { term, count, idf, score }
    }
}

impl From<search::TermScore> for core::TermScore {
    fn from(term: search::TermScore) -> Self {
        let search::TermScore { term, count, idf, score } = term;
        core::TermScore { term, count, idf, score }
    }
}

impl From<core::Explanation> for search::Explanation {
    fn from(explanation: core::Explanation) -> Self {
        let core::Explanation { vector_part, keyword_part, vector_rank, keyword_rank, terms } = explanation;
        let terms = terms.into_iter().map(Into::into).collect();
        search::Explanation { vector_part, keyword_part, vector_rank, keyword_rank, terms }
    }
}

impl From<core::Hit> for search::Hit {
    fn from(hit: core::Hit) -> Self {
        let core::Hit { key, score, vector_score, keyword_score, chunk, group, explanation, payload } = hit;
        let (chunk, group) = (chunk.map(Into::into), group.map(Into::into));
        let explanation = explanation.map(Into::into);
        search::Hit { key, score, vector_score, keyword_score, chunk, group, explanation, payload }
    }
}

impl From<core::Response> for search::Response {
    fn from(response: core::Response) -> Self {
        let core::Response { hits, candidates, approximate } = response;
        search::Response { hits: hits.into_iter().map(Into::into).collect(), candidates, approximate }
    }
}

impl From<core::Candidate> for search::Candidate {
    fn from(candidate: core::Candidate) -> Self {
        let core::Candidate { key, vector_score, keyword_score, chunk, group, terms, vector, payload } = candidate;
        let (chunk, group) = (chunk.map(Into::into), group.map(Into::into));
        let terms = terms.into_iter().map(Into::into).collect();
        search::Candidate { key, vector_score, keyword_score, chunk, group, terms, vector, payload }
    }
}

impl From<search::Candidate> for core::Candidate {
    fn from(candidate: search::Candidate) -> Self {
        let search::Candidate { key, vector_score, keyword_score, chunk, group, terms, vector, payload } = candidate;
        let (chunk, group) = (chunk.map(Into::into), group.map(Into::into));
        let terms = terms.into_iter().map(Into::into).collect();
        core::Candidate { key, vector_score, keyword_score, chunk, group, terms, vector, payload }
    }
}

impl From<core::Legs> for search::Legs {
    fn from(legs: core::Legs) -> Self {
        let core::Legs { candidates, matching, vector_rest, keyword_rest, approximate, documents, unknown_fields } =
            legs;
        let candidates = candidates.into_iter().map(Into::into).collect();
        search::Legs { candidates, matching, vector_rest, keyword_rest, approximate, documents, unknown_fields }
    }
}

impl From<search::Legs> for core::Legs {
    fn from(legs: search::Legs) -> Self {
        let search::Legs { candidates, matching, vector_rest, keyword_rest, approximate, documents, unknown_fields } =
            legs;
        let candidates = candidates.into_iter().map(Into::into).collect();
        core::Legs { candidates, matching, vector_rest, keyword_rest, approximate, documents, unknown_fields }
    }
}

impl From<core::QueryError> for search::Error {
    fn from(error: core::QueryError) -> Self {
        match error {
            core::QueryError::KOutOfRange(k) => search::Error::KOutOfRange(k),
            core::QueryError::OffsetOutOfRange(offset) => search::Error::OffsetOutOfRange(offset),
            core::QueryError::EmptyRequest => search::Error::EmptyRequest,
            core::QueryError::VectorNotFinite => search::Error::VectorNotFinite,
            core::QueryError::VectorDimensions(found) => search::Error::VectorDimensions(found),
            core::QueryError::WeightOutOfRange(weight) => search::Error::WeightOutOfRange(weight),
            core::QueryError::UnknownField { path, similar } => search::Error::UnknownField((path, similar)),
            core::QueryError::MalformedFilter(reason) => search::Error::MalformedFilter(reason),
        }
    }
}

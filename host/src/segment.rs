//! A segment: one living instance of the query component.

use wasmtime::component::Linker;

use crate::bindings::query::exports::skerry::query::{documents, search};
use crate::bindings::query::{Query, QueryPre};
use crate::call::{CallError, Limits, Sandbox};
use crate::components::Component;
use crate::engine::Engine;
use crate::types::{Document, Excerpt, Legs, Parsed, Request, Response, Statistics, Stats, SyntaxError};

/// Why documents were refused. Nothing was changed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum DocumentError {
    /// The document with this key has a vector with a number that is not finite.
    #[error("the vector of `{0}` has a number that is not finite")]
    VectorNotFinite(String),
    /// The document with this key has a vector of another length than the segment's, or an empty one.
    #[error("the vector of `{0}` has another number of dimensions than the others")]
    VectorDimensions(String),
    /// The document with this key has more than 4,096 chunks.
    #[error("`{0}` has more than 4,096 chunks")]
    TooManyChunks(String),
    /// The document with this key has a chunk whose span is not a part of its text.
    #[error("a chunk of `{0}` is not a part of its text")]
    Span(String),
    /// The document with this key has a key that is empty or longer than 512 bytes.
    #[error("the key `{0}` is empty or longer than 512 bytes")]
    KeyLength(String),
    /// The segment is sealed: it only takes removals.
    #[error("the segment is sealed and takes no documents")]
    Sealed,
    /// Anything else, in the component's words.
    #[error("{0}")]
    Other(String),
}

/// Why the query component did not do as asked.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum QueryError {
    /// No document has a field with this path.
    #[error("no document has the field `{path}`")]
    UnknownField {
        /// The path.
        path: String,
        /// The most similar path that there is.
        similar: Option<String>,
    },
    /// The request itself is wrong; the words say where. Mend it before asking again.
    #[error("{0}")]
    Invalid(String),
    /// Documents were refused.
    #[error(transparent)]
    Document(#[from] DocumentError),
    /// Anything else that the component has words for.
    #[error("{0}")]
    Other(String),
    /// The component gave no answer.
    #[error(transparent)]
    Call(#[from] CallError),
}

/// One living instance of the query component: an index over the documents that it was given, or that it was baked with.
///
/// A trap or a missed deadline poisons it: its memory is then in no known state, and all later calls answer
/// [`CallError::Poisoned`]. What it held must be put into a new one.
pub struct Segment {
    sandbox: Sandbox,
    world: Query,
}

impl std::fmt::Debug for Segment {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Segment").field("sandbox", &self.sandbox).finish_non_exhaustive()
    }
}

impl Segment {
    /// A new instance; empty unless the component was baked with documents. The deadline holds for each call.
    ///
    /// # Errors
    /// [`CallError::Instantiate`] when it is not a query component or too many instances live,
    /// [`CallError::MemoryExceeded`] when what is baked in is larger than the limit.
    pub fn new(engine: &Engine, component: &Component, limits: Limits) -> Result<Segment, CallError> {
        let instantiate = |error: wasmtime::Error| CallError::Instantiate(format!("{error:#}"));
        let instance = Linker::new(engine.wasm()).instantiate_pre(component.wasm()).map_err(instantiate)?;
        let pre = QueryPre::new(instance).map_err(instantiate)?;
        let (sandbox, world) = Sandbox::new(engine, limits, |store| pre.instantiate(store))?;
        Ok(Segment { sandbox, world })
    }

    /// Adds documents, replacing those with the same key; all or none.
    ///
    /// # Errors
    /// [`QueryError::Document`] when one is refused, [`QueryError::Call`].
    #[allow(clippy::needless_pass_by_value, reason = "the documents are the segment's once they are in")]
    pub fn upsert(&mut self, batch: Vec<Document>) -> Result<(), QueryError> {
        let Segment { sandbox, world } = self;
        let deadline = sandbox.limits().deadline;
        let documents = world.skerry_query_documents();
        Ok(sandbox.call(deadline, |store| documents.call_upsert(store, &batch))?.map_err(DocumentError::from)?)
    }

    /// Removes documents and answers how many there were; keys that are not there are passed over.
    ///
    /// # Errors
    /// See [`CallError`].
    pub fn remove(&mut self, keys: &[String]) -> Result<u32, CallError> {
        let Segment { sandbox, world } = self;
        let deadline = sandbox.limits().deadline;
        sandbox.call(deadline, |store| world.skerry_query_documents().call_remove(store, keys))
    }

    /// Sizes of the segment as it is.
    ///
    /// # Errors
    /// See [`CallError`].
    pub fn describe(&mut self) -> Result<Stats, CallError> {
        let Segment { sandbox, world } = self;
        let deadline = sandbox.limits().deadline;
        sandbox.call(deadline, |store| world.skerry_query_documents().call_describe(store))
    }

    /// The best documents for a request.
    ///
    /// # Errors
    /// [`QueryError::UnknownField`] and [`QueryError::Invalid`] when the request is wrong, [`QueryError::Call`].
    pub fn query(&mut self, request: &Request) -> Result<Response, QueryError> {
        let Segment { sandbox, world } = self;
        let deadline = sandbox.limits().deadline;
        let search = world.skerry_query_search();
        sandbox.call(deadline, |store| search.call_query(store, request))?.map_err(QueryError::from)
    }

    /// What keyword scores need to know of this segment; documents with the keys `without` do not count.
    ///
    /// # Errors
    /// See [`CallError`].
    pub fn statistics(&mut self, text: &str, without: &[String]) -> Result<Statistics, CallError> {
        let Segment { sandbox, world } = self;
        let deadline = sandbox.limits().deadline;
        sandbox.call(deadline, |store| world.skerry_query_search().call_statistics_of(store, text, without))
    }

    /// The best documents of each leg, for [`Segment::fuse`]. `statistics` is the sum over all segments of the project.
    ///
    /// # Errors
    /// As [`Segment::query`]; a field that no document here has is reported, not refused.
    pub fn legs(
        &mut self,
        request: &Request,
        statistics: Option<&Statistics>,
        depth: Option<u32>,
    ) -> Result<Legs, QueryError> {
        let Segment { sandbox, world } = self;
        let deadline = sandbox.limits().deadline;
        let search = world.skerry_query_search();
        sandbox
            .call(deadline, |store| search.call_legs_of(store, request, statistics, depth))?
            .map_err(QueryError::from)
    }

    /// Joins the legs of several segments; any instance can do it. Answers the depth to ask again with, when documents
    /// outside of the legs could change the answer.
    ///
    /// # Errors
    /// As [`Segment::query`].
    pub fn fuse(
        &mut self,
        request: &Request,
        parts: &[Legs],
        depth: Option<u32>,
    ) -> Result<(Response, Option<u32>), QueryError> {
        let Segment { sandbox, world } = self;
        let deadline = sandbox.limits().deadline;
        let search = world.skerry_query_search();
        let fused = sandbox.call(deadline, |store| search.call_fuse(store, request, parts, depth))??;
        Ok((fused.response, fused.deeper))
    }

    /// Reads a query of the language in docs/query-language.md.
    ///
    /// # Errors
    /// The inner error is the writer's: it points at a character. See [`CallError`] for the outer one.
    pub fn parse(&mut self, query: &str) -> Result<Result<Parsed, SyntaxError>, CallError> {
        let Segment { sandbox, world } = self;
        let deadline = sandbox.limits().deadline;
        sandbox.call(deadline, |store| world.skerry_query_language().call_parse(store, query))
    }

    /// The part of a text that best shows why a query found it.
    ///
    /// # Errors
    /// See [`CallError`].
    pub fn excerpt(&mut self, text: &str, query: &str, bytes_max: u32) -> Result<Excerpt, CallError> {
        let Segment { sandbox, world } = self;
        let deadline = sandbox.limits().deadline;
        sandbox.call(deadline, |store| world.skerry_query_language().call_show(store, text, query, bytes_max))
    }

    /// What the component says that it is a snapshot of, as it was baked in; empty for nothing.
    ///
    /// # Errors
    /// See [`CallError`].
    pub fn description(&mut self) -> Result<Vec<u8>, CallError> {
        let Segment { sandbox, world } = self;
        let deadline = sandbox.limits().deadline;
        sandbox.call(deadline, |store| world.skerry_query_snapshot().call_describe(store))
    }

    /// Whether an earlier call lost the instance.
    pub fn is_poisoned(&self) -> bool {
        self.sandbox.is_poisoned()
    }
}

impl From<documents::Error> for DocumentError {
    fn from(error: documents::Error) -> Self {
        match error {
            documents::Error::VectorNotFinite(key) => DocumentError::VectorNotFinite(key),
            documents::Error::VectorDimensions(key) => DocumentError::VectorDimensions(key),
            documents::Error::TooManyChunks(key) => DocumentError::TooManyChunks(key),
            documents::Error::Span(key) => DocumentError::Span(key),
            documents::Error::KeyLength(key) => DocumentError::KeyLength(key),
            documents::Error::Sealed => DocumentError::Sealed,
            documents::Error::Other(reason) => DocumentError::Other(reason),
        }
    }
}

impl From<search::Error> for QueryError {
    fn from(error: search::Error) -> Self {
        let invalid = |reason: String| QueryError::Invalid(reason);
        match error {
            search::Error::KOutOfRange(k) => invalid(format!("k is {k}; it goes from 1 to 1,000")),
            search::Error::OffsetOutOfRange(offset) => {
                invalid(format!("the offset is {offset}; it goes from 0 to 10,000"))
            }
            search::Error::EmptyRequest => invalid("the request has neither text, nor vector, nor filter".to_owned()),
            search::Error::VectorNotFinite => {
                invalid("the query's vector has a number that is not finite, or is all zeros".to_owned())
            }
            search::Error::VectorDimensions(count) => {
                invalid(format!("the query's vector has {count} dimensions; the segment's have another number"))
            }
            search::Error::WeightOutOfRange(weight) => invalid(format!("the weight is {weight}; it goes from 0 to 1")),
            search::Error::UnknownField((path, similar)) => QueryError::UnknownField { path, similar },
            search::Error::MalformedFilter(reason) => invalid(format!("the filter is malformed: {reason}")),
            search::Error::Other(reason) => QueryError::Other(reason),
        }
    }
}

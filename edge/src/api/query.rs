//! The query path: one screen from the request to the answer. What needs no node is `skerry_gateway::query`.

mod neighbourhood;

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use axum::http::HeaderName;
use axum::response::{IntoResponse, Response};
use skerry_gateway::source::{EmbedError, Found, ModelCard, Source, no_record_to_be_like, no_text_to_be_like};
use skerry_gateway::types::{Excerpt, FilterNode, Hit, Parsed, Request, SyntaxError};
use skerry_host::Cancel;
use skerry_sync::{ProjectName, ReadError, Record, RecordKey};

use super::{project_name, while_wanted};
use crate::body::{Answer, ExpandBody, QueryBody, RecordBody, ViaBody, WithinBody};
use crate::extract::{JsonBody, PathParameters};
use crate::index::{Answered, ProjectIndex};
use crate::models::ModelError;
use crate::node::Node;
use crate::plugins::rerank;
use crate::problem::Problem;
use crate::{alike, convert};

/// Finds records by meaning, keywords and filters. `Server-Timing` says where the time went.
#[utoipa::path(post, path = "/projects/{project}/query", tag = "query", params(("project" = String, Path)),
    request_body = QueryBody, responses(
    (status = 200, body = Answer), (status = 400, description = "urn:skerry:problem:invalid-query or unknown-field"),
    (status = 404, description = "urn:skerry:problem:unknown-project, unknown-record or unknown-version"),
    (status = 409, description = "urn:skerry:problem:model-mismatch: the vector is of another model"),
    (status = 422, description = "urn:skerry:problem:unknown-plugin, of `rerank`"),
    (status = 502, description = "urn:skerry:problem:model-failed, in the mode `vector`"),
    (status = 503, description = "urn:skerry:problem:model-unavailable, in the mode `vector`")))]
pub(super) async fn query(
    State(node): State<Arc<Node>>,
    PathParameters(project): PathParameters<String>,
    JsonBody(body): JsonBody<QueryBody>,
) -> Result<Response, Problem> {
    while_wanted(move |cancel| {
        let project = project_name(&project)?;
        let (answer, timing) = rerank::answer(&node, &project, body, cancel)?;
        Ok(([(HeaderName::from_static("server-timing"), timing.header())], Json(answer)).into_response())
    })
    .await
}

/// Where a query's time went, in milliseconds.
#[allow(clippy::struct_field_names, reason = "units stand last")]
#[derive(Debug, Clone, Copy)]
pub(crate) struct Timing {
    /// Embedding the text.
    embed_ms: f64,
    /// Searching the segments and fetching the records.
    search_ms: f64,
    /// Asking a reranker, when there was one to ask.
    pub(crate) rerank_ms: Option<f64>,
}

impl Timing {
    fn header(self) -> String {
        let rerank = self.rerank_ms.map_or_else(String::new, |ms| format!(", rerank;dur={ms:.3}"));
        format!("embed;dur={:.3}, search;dur={:.3}{rerank}", self.embed_ms, self.search_ms)
    }
}

/// Answers a query: reads its language, embeds its text if it needs a vector, asks the project's index, fetches the records.
///
/// # Errors
/// A [`Problem`] that names the fault.
pub(crate) fn answer(
    node: &Node,
    project: &ProjectName,
    mut body: QueryBody,
    cancel: &Cancel,
) -> Result<(Answer, Timing), Problem> {
    let started = std::time::Instant::now();
    // Before any work: an unknown project must not cost an embedding.
    let before = node.replica().sequence(project)?;
    let index = node.index(project)?;
    let version = skerry_gateway::query::version(&body);
    let mut live = Live { node, index: &index, project, cancel, version, before, past: None };
    neighbourhood::check(&body)?;
    let expand = body.expand.take();
    let asked = skerry_gateway::query::read(&mut live, body)?;
    let embedded = std::time::Instant::now();
    // Only an expansion asks again with the same filter, which may name a hundred thousand keys.
    let expansion = expand.map(|expand| (expand, asked.filter().to_vec(), asked.k()));
    let mut answer = skerry_gateway::query::answer(&mut live, asked)?;
    if let Some((expand, filter, k)) = expansion {
        neighbourhood::expand(&live, &expand, (filter, k), &mut answer)?;
    }
    let milliseconds = |from: std::time::Instant, to: std::time::Instant| (to - from).as_secs_f64() * 1e3;
    let timing = Timing {
        embed_ms: milliseconds(started, embedded),
        search_ms: milliseconds(embedded, std::time::Instant::now()),
        rerank_ms: None,
    };
    Ok((answer, timing))
}

/// A project of this node as one query asks it.
struct Live<'a> {
    node: &'a Node,
    index: &'a ProjectIndex,
    project: &'a ProjectName,
    cancel: &'a Cancel,
    /// The version that the query names.
    version: Option<String>,
    /// The feed's position before the index was asked.
    before: u64,
    /// Records that have changed since the version, as they were, where the last search knows them.
    past: Option<Arc<BTreeMap<String, Option<Record>>>>,
}

impl Live<'_> {
    fn ask(&mut self, request: Request) -> Result<Found, Problem> {
        let request = convert::request_to_wit(request);
        let Answered { response, version, vectors_pending, past } = match &self.version {
            Some(version) => self.index.query_at(self.node.sources(), version, &request, self.cancel)?,
            None => self.index.query(self.node.sources(), &request)?,
        };
        self.past = past;
        Ok(Found { response: convert::response_from_wit(response), version, vectors_pending })
    }

    fn fetch(&self, hits: &[Hit], version: &str) -> Result<Vec<Option<RecordBody>>, Problem> {
        let keys = hits.iter().map(|hit| RecordKey::parse(&hit.key)).collect::<Result<Vec<_>, _>>()?;
        let found = self.node.replica().get_many(self.project, &keys)?;
        // What was written since the index was asked must not show in an answer that names the version before it. Looking back
        // reads documents, so it is done only when a hit is among what was written.
        let past = if self.changed_behind(&keys)? {
            Some(Arc::new(changed_since(self.node, self.project, version)?))
        } else {
            self.past.clone()
        };
        let record = |(hit, now): (&Hit, Option<Record>)| match past.as_ref().and_then(|past| past.get(&hit.key)) {
            Some(then) => then.clone().map(RecordBody::from),
            None => now.map(RecordBody::from),
        };
        Ok(hits.iter().zip(found).map(record).collect())
    }

    /// Whether one of these records has changed since before the index was asked.
    fn changed_behind(&self, keys: &[RecordKey]) -> Result<bool, ReadError> {
        let mut since = self.before;
        loop {
            let changes = self.node.replica().changes(self.project, since, 1_000)?;
            let Some(last) = changes.last().map(|change| change.sequence) else { return Ok(false) };
            if changes.iter().any(|change| keys.contains(&change.key)) {
                return Ok(true);
            }
            since = last;
        }
    }

    /// What a record is about, as it was at the version: from the cache as a rule, since its chunks were embedded when it was
    /// published.
    fn direction_of(&self, key: &str) -> Result<Vec<f32>, Problem> {
        let parsed = RecordKey::parse(key)?;
        let mut record = self.node.replica().get(self.project, &parsed)?;
        if let Some(version) = &self.version
            && let Some(then) = changed_since(self.node, self.project, version)?.remove(key)
        {
            record = then;
        }
        let record = record.ok_or_else(|| no_record_to_be_like(key))?;
        if record.text.is_empty() {
            return Err(no_text_to_be_like(key).into());
        }
        let derivation = self.index.derivation();
        let chunks = derivation.embedded(self.node.replica(), &[&record.text], Some(self.cancel))?.pop();
        let direction = chunks.and_then(|chunks| alike::direction(&chunks));
        direction.ok_or_else(|| Problem::internal(&"the model gave no vector"))
    }

    fn vector_of(&self, text: &str) -> Result<Vec<f32>, ModelError> {
        let model = self.index.derivation().model()?;
        let vector = model.embed(&[text], Some(self.cancel))?.pop();
        vector.ok_or_else(|| ModelError::Failed {
            name: model.card().name.clone(),
            reason: "it gave no vector for the query".to_owned(),
        })
    }
}

impl Source for Live<'_> {
    type Record = RecordBody;
    type Within = WithinBody;
    type Expand = ExpandBody;
    type Via = ViaBody;

    fn model_name(&self) -> &str {
        self.index.derivation().model_name()
    }

    fn model(&self) -> Result<ModelCard<'_>, skerry_gateway::Problem> {
        let card = self.index.derivation().model().map_err(Problem::from)?.card();
        Ok(ModelCard { name: &card.name, id: &card.id, dimensions: card.dimensions })
    }

    fn parse(&mut self, query: &str) -> Result<Result<Parsed, SyntaxError>, skerry_gateway::Problem> {
        let parsed = self.index.parse(self.node.sources(), query).map_err(Problem::from)?;
        Ok(convert::parsed_from_wit(parsed))
    }

    fn embed(&mut self, text: &str) -> Result<Vec<f32>, EmbedError> {
        self.vector_of(text).map_err(|error| match error {
            ModelError::Call(error) => EmbedError::Failed(Problem::from(error).into()),
            error => EmbedError::Unavailable { reason: error.to_string(), problem: Problem::from(error).into() },
        })
    }

    fn like(&mut self, key: &str) -> Result<Vec<f32>, skerry_gateway::Problem> {
        Ok(self.direction_of(key)?)
    }

    fn within(&mut self, part: &WithinBody) -> Result<Vec<FilterNode>, skerry_gateway::Problem> {
        Ok(neighbourhood::filter(self.node, self.project, part)?)
    }

    fn search(&mut self, request: Request) -> Result<Found, skerry_gateway::Problem> {
        Ok(self.ask(request)?)
    }

    fn records(&mut self, hits: &mut [Hit], version: &str) -> Result<Vec<Option<RecordBody>>, skerry_gateway::Problem> {
        Ok(self.fetch(hits, version)?)
    }

    fn text(record: &RecordBody) -> Cow<'_, str> {
        Cow::Borrowed(&record.text)
    }

    fn excerpts(
        &mut self,
        texts: &[&str],
        words: &str,
        bytes_max: u32,
    ) -> Result<Vec<Excerpt>, skerry_gateway::Problem> {
        let excerpts = self.index.excerpts(texts, words, bytes_max).map_err(Problem::from)?;
        Ok(excerpts.into_iter().map(convert::excerpt_from_wit).collect())
    }
}

/// Records that have changed since a version, as they were then.
fn changed_since(
    node: &Node,
    project: &ProjectName,
    version: &str,
) -> Result<BTreeMap<String, Option<Record>>, ReadError> {
    let past = node.replica().past(project, version)?;
    Ok(past.changed.into_iter().map(|(key, record)| (key.as_str().to_owned(), record)).collect())
}

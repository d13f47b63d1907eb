//! GraphQL over a project: records, links, search, mutations, and what changes.
//!
//! The schema is the same for every project; node and project come with each request ([`Endpoint`]). What a request may cost
//! is limited by depth and complexity before anything of it is done.

mod changes;
mod error;
mod geometry;
mod graph;
mod input;
mod links;
mod loader;
mod mutations;
mod records;
mod root;
mod search;

use std::sync::{Arc, LazyLock};

use async_graphql::dataloader::DataLoader;
use async_graphql::{BatchRequest, BatchResponse, Data, Executor, Request, Response, Schema};
use futures_util::StreamExt;
use futures_util::stream::BoxStream;
use skerry_sync::ProjectName;

use crate::node::Node;
use crate::problem::{Kind, Problem};
use loader::Loads;

/// Levels of fields in each other at most. The introspection of usual clients has 13.
pub const DEPTH_MAX: usize = 16;

/// Cost of a request at most. Each field costs 1; a list costs what one element costs, times the elements asked for; a search
/// costs [`SEARCH_COST`] besides, a walk over the graph [`WALK_COST`]; a question of geometry costs [`GEOMETRY_COST`].
pub const COST_MAX: usize = 20_000;

/// What a search costs besides its hits.
pub const SEARCH_COST: usize = 100;

/// What a walk over the graph costs besides what it finds.
pub const WALK_COST: usize = 20;

/// What a question of geometry costs: a request may ask ten.
pub const GEOMETRY_COST: usize = 1_900;

/// Requests in one batch at most; together they may cost [`COST_MAX`] each.
pub const BATCH_MAX: usize = 10;

/// Bytes of a request at most, publications included.
pub const REQUEST_BYTES_MAX: usize = 16 << 20;

/// Elements of a list at most, and when nothing is said.
pub const PAGE_MAX: usize = 1_000;

/// Directives at one field at most.
const DIRECTIVES_MAX: usize = 8;

type ProjectSchema = Schema<root::Query, mutations::Mutation, changes::Subscription>;

static SCHEMA: LazyLock<ProjectSchema> = LazyLock::new(|| {
    Schema::build(root::Query, mutations::Mutation, changes::Subscription)
        .limit_depth(DEPTH_MAX)
        .limit_complexity(COST_MAX)
        .limit_directives(DIRECTIVES_MAX)
        .finish()
});

/// The schema in GraphQL's own language.
pub fn schema() -> String {
    SCHEMA.sdl()
}

/// What resolvers work on.
#[derive(Debug, Clone)]
struct Place {
    node: Arc<Node>,
    project: ProjectName,
}

impl Place {
    /// Runs blocking work on the project, off the threads that serve connections; cancelled when the request is dropped.
    async fn run<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Node, &ProjectName, &skerry_host::Cancel) -> Result<T, Problem> + Send + 'static,
    ) -> async_graphql::Result<T> {
        let (node, project) = (Arc::clone(&self.node), self.project.clone());
        crate::api::while_wanted(move |cancel| work(&node, &project, cancel)).await.map_err(error::from_problem)
    }
}

/// One project's GraphQL endpoint.
#[derive(Debug, Clone)]
pub struct Endpoint {
    place: Place,
}

impl Endpoint {
    /// The endpoint of a project, which need not exist: asking it then says so.
    pub fn new(node: Arc<Node>, project: ProjectName) -> Endpoint {
        Endpoint { place: Place { node, project } }
    }

    /// Answers a request or a batch of them. A GraphQL error is no error here: it is in the response.
    ///
    /// # Errors
    /// [`Kind::InvalidQuery`] for more than [`BATCH_MAX`] in a batch.
    pub async fn answer(&self, request: BatchRequest) -> Result<BatchResponse, Problem> {
        if let BatchRequest::Batch(requests) = &request
            && requests.len() > BATCH_MAX
        {
            let detail = format!("The batch has {} requests; at most {BATCH_MAX} are taken.", requests.len());
            return Err(Problem::new(Kind::InvalidQuery, detail));
        }
        Ok(self.execute_batch(request).await)
    }

    /// What every operation has for itself: loaders remember nothing beyond it.
    fn prepared(&self, request: Request) -> Request {
        let loader = DataLoader::new(Loads(self.place.clone()), tokio::spawn);
        request.data(self.place.clone()).data(loader)
    }
}

impl Executor for Endpoint {
    async fn execute(&self, request: Request) -> Response {
        error::with_codes(SCHEMA.execute(self.prepared(request)).await)
    }

    fn execute_stream(&self, request: Request, session: Option<Arc<Data>>) -> BoxStream<'static, Response> {
        Executor::execute_stream(&*SCHEMA, self.prepared(request), session).map(error::with_codes).boxed()
    }
}

/// `first` of a list.
fn page(first: usize) -> async_graphql::Result<usize> {
    if (1..=PAGE_MAX).contains(&first) {
        return Ok(first);
    }
    let detail = format!("`first` is {first}; it goes from 1 to {PAGE_MAX}.");
    Err(error::from_problem(Problem::new(Kind::InvalidParameter, detail)))
}

/// What a list costs: a base, and so many elements. Bounded, so that the library's sums do not overflow: one that did would be
/// a way around [`COST_MAX`].
fn cost(base: usize, elements: usize, each: usize) -> usize {
    const FAR_TOO_MUCH: usize = 1 << 32;
    elements.min(FAR_TOO_MUCH).saturating_mul(each.min(FAR_TOO_MUCH)).saturating_add(base).min(FAR_TOO_MUCH)
}

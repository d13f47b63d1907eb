//! A project's graph: one instance of the query component that follows the replica's change feed.
//!
//! It is derived, like the search index, and held in memory only: made at the first request from all records, brought up to date
//! before every answer, and made anew after its component failed or something was erased.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use skerry_host::types::graph::{Interval, Layer, Link, Member, Source, Target};
use skerry_host::{CallError, GraphError, GraphInstance, Limits};
use skerry_sync::{ProjectName, ReadError, Record, RecordKey};

use crate::filter;
use crate::index::Sources;
use crate::node::Node;
use crate::problem::{Kind, Problem};

/// Changes read from the feed at a time.
const FEED_PAGE: usize = 1_000;

/// Limits of a graph and of a call to it: as of a segment.
const LIMITS: Limits = Limits { memory_bytes_max: 3 << 30, deadline: Duration::from_secs(30) };

/// Numbers of nodes that name nothing any more are kept while they are no more than this, and no more than what is there: then
/// the graph is made anew.
const UNUSED_MAX: u32 = 100_000;

/// Changed records after which the numbers that name nothing are counted again: counting goes through the whole graph, which a
/// single write must not pay for.
const COUNT_AFTER: usize = 1_000;

/// Why the graph of a project could not be asked.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ProjectGraphError {
    /// The replica could not be read.
    #[error(transparent)]
    Read(#[from] ReadError),
    /// The component did not do as asked, or failed.
    #[error(transparent)]
    Graph(#[from] GraphError),
}

impl From<CallError> for ProjectGraphError {
    fn from(error: CallError) -> Self {
        ProjectGraphError::Graph(error.into())
    }
}

/// The graph of one project.
#[derive(Debug)]
pub struct ProjectGraph {
    project: ProjectName,
    sources: Arc<Sources>,
    /// None before the first use, after a failure, and after an erasure.
    state: Mutex<Option<State>>,
}

#[derive(Debug)]
struct State {
    instance: GraphInstance,
    /// Position in the change feed.
    sequence: u64,
    /// Changed records since the numbers that name nothing were counted.
    uncounted: usize,
    /// Which declarations it has; none before the first.
    declared: Option<u64>,
}

impl ProjectGraph {
    /// A graph that has read nothing yet.
    pub fn new(project: ProjectName, sources: Arc<Sources>) -> Self {
        ProjectGraph { project, sources, state: Mutex::new(None) }
    }

    /// Asks the graph, which holds everything that is stored now. One asks at a time; the others wait.
    ///
    /// # Errors
    /// What the replica or the component answered. After a fault of the component the next who asks has the graph made anew.
    pub fn with<T, E: From<ProjectGraphError>>(
        &self,
        ask: impl FnOnce(&mut GraphInstance) -> Result<T, E>,
    ) -> Result<T, E> {
        let mut state = self.lock();
        let outcome = self.catch_up(&mut state).map_err(E::from).and_then(ask);
        if state.as_ref().is_some_and(|state| state.instance.is_poisoned()) {
            *state = None;
        }
        outcome
    }

    /// Forgets everything; whoever is asking is waited for. The next who asks has the graph made anew.
    pub fn forget(&self) {
        *self.lock() = None;
    }

    /// Whatever panicked while it held the lock, the instance is whole or poisoned.
    fn lock(&self) -> MutexGuard<'_, Option<State>> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Applies the feed page by page.
    fn catch_up<'a>(&self, held: &'a mut Option<State>) -> Result<&'a mut GraphInstance, ProjectGraphError> {
        let state = match held.take() {
            Some(state) if !state.instance.is_poisoned() => state,
            _ => self.empty()?,
        };
        let state = held.insert(state);
        self.define_layers(state)?;
        self.read_feed(state)?;
        if state.uncounted > COUNT_AFTER {
            state.uncounted = 0;
            let sizes = state.instance.describe()?;
            if sizes.unused > UNUSED_MAX.max(sizes.records.saturating_add(sizes.links)) {
                *state = self.empty()?;
                self.define_layers(state)?;
                self.read_feed(state)?;
            }
        }
        Ok(&mut state.instance)
    }

    fn empty(&self) -> Result<State, CallError> {
        let Sources { engine, query, .. } = self.sources.as_ref();
        Ok(State { instance: GraphInstance::new(engine, query, LIMITS)?, sequence: 0, uncounted: 0, declared: None })
    }

    fn read_feed(&self, state: &mut State) -> Result<(), ProjectGraphError> {
        loop {
            let changes = self.sources.replica.changes(&self.project, state.sequence, FEED_PAGE)?;
            let Some(last) = changes.last().map(|change| change.sequence) else { return Ok(()) };
            let keys: Vec<RecordKey> = changes.into_iter().map(|change| change.key).collect();
            // Of a record that has changed several times only the newest state is there to read.
            let found = self.sources.replica.get_many(&self.project, &keys)?;
            let (mut upsert, mut remove) = (Vec::new(), Vec::new());
            for (key, record) in keys.iter().zip(&found) {
                match record {
                    Some(record) => upsert.push(source(record)),
                    None => remove.push(key.as_str().to_owned()),
                }
            }
            state.instance.apply(&upsert, &remove)?;
            state.sequence = last;
            state.uncounted += keys.len();
        }
    }

    /// Declares the project's layers if they are others than before. Where two replicas closed a circle, its steps do not count.
    fn define_layers(&self, state: &mut State) -> Result<(), ProjectGraphError> {
        let replica = &self.sources.replica;
        let version = replica.declarations_version(&self.project)?;
        if state.declared == Some(version) {
            return Ok(());
        }
        let declared = skerry_sync::without_circles(replica.layers(&self.project)?);
        let layers: Vec<Layer> = declared.into_iter().map(layer).collect();
        state.instance.define_layers(&layers)?;
        state.declared = Some(version);
        Ok(())
    }
}

impl Node {
    /// The project's graph, made (empty) when this is the first who asks.
    pub fn graph(&self, project: &ProjectName) -> Arc<ProjectGraph> {
        let mut graphs = self.graphs();
        let make = || Arc::new(ProjectGraph::new(project.clone(), self.shared_sources()));
        Arc::clone(graphs.entry(project.clone()).or_insert_with(make))
    }

    /// Throws away what the project's graph holds.
    pub(crate) fn forget_graph(&self, project: &ProjectName) {
        // Whoever has it at hand goes on asking it, and then has it made anew: so it is emptied, not only taken out.
        let graph = self.graphs().get(project).map(Arc::clone);
        if let Some(graph) = graph {
            graph.forget();
        }
    }

    fn graphs(&self) -> MutexGuard<'_, BTreeMap<ProjectName, Arc<ProjectGraph>>> {
        self.graphs.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl From<ProjectGraphError> for Problem {
    fn from(error: ProjectGraphError) -> Self {
        match error {
            ProjectGraphError::Read(error) => error.into(),
            ProjectGraphError::Graph(error) => error.into(),
        }
    }
}

impl From<GraphError> for Problem {
    fn from(error: GraphError) -> Self {
        let unknown = |error: &GraphError, similar: Option<String>| match similar {
            Some(similar) => {
                let problem = Problem::new(Kind::InvalidQuery, format!("{error}. Did you mean `{similar}`?"));
                problem.with("similar", similar)
            }
            None => Problem::new(Kind::InvalidQuery, error.to_string()),
        };
        match error {
            GraphError::UnknownLayer { ref similar, .. } | GraphError::UnknownType { ref similar, .. } => {
                unknown(&error, similar.clone())
            }
            GraphError::Call(error) => error.into(),
            other => Problem::new(Kind::InvalidQuery, other.to_string()),
        }
    }
}

fn layer(layer: skerry_sync::Layer) -> Layer {
    Layer {
        name: layer.name,
        weight: layer.weight,
        inherits: layer.inherits.into_iter().collect(),
        valid: Interval { since: layer.valid.since, until: layer.valid.until },
    }
}

/// What a record says about the graph.
fn source(record: &Record) -> Source {
    Source {
        key: record.key.as_str().to_owned(),
        layers: record.layers.iter().cloned().collect(),
        links: record.links.iter().map(link).collect(),
    }
}

fn link(link: &skerry_sync::Link) -> Link {
    let member = |member: &skerry_sync::Member| {
        let target = match &member.target {
            skerry_sync::Target::Key(key) => Target::Key(key.clone()),
            skerry_sync::Target::Link(id) => Target::Link(id.clone()),
        };
        Member { role: member.role.clone(), target }
    };
    Link {
        id: link.id(),
        kind: link.kind.clone(),
        members: link.members.iter().map(member).collect(),
        weight: link.weight,
        layers: link.layers.iter().cloned().collect(),
        qualifiers: filter::qualifiers(&link.qualifiers),
        valid: Interval { since: link.valid.since, until: link.valid.until },
    }
}

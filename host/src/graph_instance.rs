//! A project's graph: one living instance of the query component that documents never go into.

use wasmtime::Store;
use wasmtime::component::{Linker, ResourceAny};

use crate::bindings::query::exports::skerry::query::graph::{self as wit, Guest, GuestView};
use crate::bindings::query::{Query, QueryPre};
use crate::call::{CallError, Guard, Limits, Sandbox};
use crate::components::Component;
use crate::engine::Engine;
use crate::types::graph::{
    Centrality, Incident, Layer, LayerNode, Length, Name, Overlap, Path, PatternLink, Reached, Rows, Selection, Sizes,
    Source, Step,
};

/// Why the graph did not do as asked. Nothing was changed.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum GraphError {
    /// A layer that nobody declared and nothing is in.
    #[error("there is no layer `{name}`")]
    UnknownLayer {
        /// Its name.
        name: String,
        /// The most similar name that there is.
        similar: Option<String>,
    },
    /// A type that no link has.
    #[error("no link has the type `{name}`")]
    UnknownType {
        /// Its name.
        name: String,
        /// The most similar name that there is.
        similar: Option<String>,
    },
    /// A node number that there is not.
    #[error("there is no node with the number {0}")]
    UnknownNode(u32),
    /// Links, a set of layers or a pattern that are not as described; the words say where.
    #[error("{0}")]
    Malformed(String),
    /// A number outside of its range; the words say which.
    #[error("{0}")]
    OutOfRange(String),
    /// Layers that inherit from one another in a circle.
    #[error("the layers {} inherit from one another in a circle; take one of the inheritances out", .0.join(", "))]
    CircularLayers(Vec<String>),
    /// It would take more steps than one call may; the words say what to ask for instead.
    #[error("{0}")]
    TooMuch(String),
    /// Anything else that the component has words for.
    #[error("{0}")]
    Other(String),
    /// The component gave no answer.
    #[error(transparent)]
    Call(#[from] CallError),
}

/// A compiled selection of one [`GraphInstance`]: it sees what is changed later. Give it back with [`GraphInstance::close`];
/// what is not given back goes with the instance.
#[derive(Debug)]
pub struct View {
    resource: ResourceAny,
}

/// One living instance of the query component that holds a project's graph.
///
/// A trap or a missed deadline poisons it: its memory is then in no known state, and all later calls answer
/// [`CallError::Poisoned`]. What it held must be put into a new one.
pub struct GraphInstance {
    sandbox: Sandbox,
    world: Query,
}

impl std::fmt::Debug for GraphInstance {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("GraphInstance").field("sandbox", &self.sandbox).finish_non_exhaustive()
    }
}

impl GraphInstance {
    /// A new instance with an empty graph. The deadline holds for each call.
    ///
    /// # Errors
    /// [`CallError::Instantiate`] when it is not a query component or too many instances live.
    pub fn new(engine: &Engine, component: &Component, limits: Limits) -> Result<GraphInstance, CallError> {
        let instantiate = |error: wasmtime::Error| CallError::Instantiate(format!("{error:#}"));
        let instance = Linker::new(engine.wasm()).instantiate_pre(component.wasm()).map_err(instantiate)?;
        let pre = QueryPre::new(instance).map_err(instantiate)?;
        let (sandbox, world) = Sandbox::new(engine, limits, |store| pre.instantiate(store))?;
        Ok(GraphInstance { sandbox, world })
    }

    /// Whether an earlier call lost the instance.
    pub fn is_poisoned(&self) -> bool {
        self.sandbox.is_poisoned()
    }

    fn call<T>(&mut self, call: impl FnOnce(&Guest, &mut Store<Guard>) -> wasmtime::Result<T>) -> Result<T, CallError> {
        let GraphInstance { sandbox, world } = self;
        let deadline = sandbox.limits().deadline;
        sandbox.call(deadline, |store| call(world.skerry_query_graph(), store))
    }

    fn try_call<T>(
        &mut self,
        call: impl FnOnce(&Guest, &mut Store<Guard>) -> wasmtime::Result<Result<T, wit::Error>>,
    ) -> Result<T, GraphError> {
        self.call(call)?.map_err(GraphError::from)
    }

    fn ask<T>(
        &mut self,
        view: &View,
        call: impl FnOnce(GuestView<'_>, &mut Store<Guard>, ResourceAny) -> wasmtime::Result<T>,
    ) -> Result<T, CallError> {
        self.call(|graph, store| call(graph.view(), store, view.resource))
    }

    fn try_ask<T>(
        &mut self,
        view: &View,
        call: impl FnOnce(GuestView<'_>, &mut Store<Guard>, ResourceAny) -> wasmtime::Result<Result<T, wit::Error>>,
    ) -> Result<T, GraphError> {
        self.ask(view, call)?.map_err(GraphError::from)
    }

    /// Puts sources in the place of those with the same key, and removes others; all or none.
    ///
    /// # Errors
    /// [`GraphError::Malformed`] and [`GraphError::OutOfRange`] for a link that is not one, [`GraphError::Call`].
    pub fn apply(&mut self, upsert: &[Source], remove: &[String]) -> Result<(), GraphError> {
        self.try_call(|graph, store| graph.call_apply(store, upsert, remove))
    }

    /// Puts these in the place of all declared layers.
    ///
    /// # Errors
    /// [`GraphError::CircularLayers`], [`GraphError::Malformed`], [`GraphError::OutOfRange`], [`GraphError::Call`].
    pub fn define_layers(&mut self, layers: &[Layer]) -> Result<(), GraphError> {
        self.try_call(|graph, store| graph.call_define_layers(store, layers))
    }

    /// Sizes of the graph as it is.
    ///
    /// # Errors
    /// See [`CallError`].
    pub fn describe(&mut self) -> Result<Sizes, CallError> {
        self.call(|graph, store| graph.call_describe(store))
    }

    /// Numbers of nodes, which stay as long as the instance lives; none for a name that is nowhere.
    ///
    /// # Errors
    /// See [`CallError`].
    pub fn find(&mut self, names: &[Name]) -> Result<Vec<Option<u32>>, CallError> {
        self.call(|graph, store| graph.call_find(store, names))
    }

    /// What nodes are called. A number that there is not has an empty key as its name.
    ///
    /// # Errors
    /// See [`CallError`].
    pub fn names(&mut self, nodes: &[u32]) -> Result<Vec<Name>, CallError> {
        self.call(|graph, store| graph.call_names(store, nodes))
    }

    /// Members that are not there, and how many links name each, by name.
    ///
    /// # Errors
    /// See [`CallError`].
    pub fn dangling(&mut self, offset: u32, limit: u32) -> Result<Vec<(u32, u32)>, CallError> {
        self.call(|graph, store| graph.call_dangling(store, offset, limit))
    }

    /// Records that are in a set of layers, by name.
    ///
    /// # Errors
    /// [`GraphError::UnknownLayer`], [`GraphError::Malformed`], [`GraphError::Call`].
    pub fn layer_records(
        &mut self,
        set: &[LayerNode],
        at: Option<i64>,
        offset: u32,
        limit: u32,
    ) -> Result<Vec<u32>, GraphError> {
        self.try_call(|graph, store| graph.call_layer_records(store, set, at, offset, limit))
    }

    /// How many records are in a set of layers.
    ///
    /// # Errors
    /// As [`GraphInstance::layer_records`].
    pub fn layer_count(&mut self, set: &[LayerNode], at: Option<i64>) -> Result<u32, GraphError> {
        self.try_call(|graph, store| graph.call_layer_count(store, set, at))
    }

    /// A set of layers against every layer, by the layers' names.
    ///
    /// # Errors
    /// As [`GraphInstance::layer_records`].
    pub fn layer_overlaps(&mut self, set: &[LayerNode], at: Option<i64>) -> Result<Vec<Overlap>, GraphError> {
        self.try_call(|graph, store| graph.call_layer_overlaps(store, set, at))
    }

    /// Every layer's name with its records and links, by name.
    ///
    /// # Errors
    /// See [`CallError`].
    pub fn layer_sizes(&mut self) -> Result<Vec<(String, u32, u32)>, CallError> {
        self.call(|graph, store| graph.call_layer_sizes(store))
    }

    /// Compiles a selection.
    ///
    /// # Errors
    /// [`GraphError::UnknownLayer`], [`GraphError::UnknownType`], [`GraphError::Malformed`], [`GraphError::Call`].
    pub fn open(&mut self, selection: &Selection) -> Result<View, GraphError> {
        let resource = self.try_call(|graph, store| graph.view().call_open(store, selection))?;
        Ok(View { resource })
    }

    /// Gives a view back.
    ///
    /// # Errors
    /// See [`CallError`].
    #[allow(clippy::needless_pass_by_value, reason = "nobody may ask a view that was given back")]
    pub fn close(&mut self, view: View) -> Result<(), CallError> {
        self.call(|_, store| view.resource.resource_drop(store))
    }

    /// The nodes one step away, ascending by number; none of a node that there is not.
    ///
    /// # Errors
    /// See [`CallError`].
    pub fn neighbours(&mut self, view: &View, node: u32) -> Result<Vec<u32>, CallError> {
        self.ask(view, |graph, store, view| graph.call_neighbours(store, view, node))
    }

    /// Asks many small questions under one deadline: what a call costs beside its answer is then only the crossing into the
    /// component.
    ///
    /// # Errors
    /// What `ask` passes on of its questions, as of one call: see [`CallError`].
    pub fn session<T>(
        &mut self,
        ask: impl FnOnce(&mut GraphSession<'_>) -> Result<T, Interrupted>,
    ) -> Result<T, CallError> {
        self.call(|graph, store| ask(&mut GraphSession { graph, store }).map_err(|Interrupted(error)| error))
    }

    /// The nodes one step away of each of many: where each one's begin in the second list (one more than nodes), and all of
    /// them.
    ///
    /// # Errors
    /// See [`CallError`].
    pub fn neighbours_of(&mut self, view: &View, nodes: &[u32]) -> Result<(Vec<u32>, Vec<u32>), CallError> {
        self.ask(view, |graph, store, view| graph.call_neighbours_of(store, view, nodes))
    }

    /// Every node within `hops` steps, nearest first, then by name; at most `limit`.
    ///
    /// # Errors
    /// [`GraphError::UnknownNode`], [`GraphError::OutOfRange`], [`GraphError::Call`].
    pub fn reach(&mut self, view: &View, starts: &[u32], hops: u32, limit: u32) -> Result<Vec<Reached>, GraphError> {
        self.try_ask(view, |graph, store, view| graph.call_reach(store, view, starts, hops, limit))
    }

    /// Steps to every node number from 0 on; 4294967295 where there is no way.
    ///
    /// # Errors
    /// [`GraphError::UnknownNode`], [`GraphError::Call`].
    pub fn distances(&mut self, view: &View, start: u32) -> Result<Vec<u32>, GraphError> {
        self.try_ask(view, |graph, store, view| graph.call_distances(store, view, start))
    }

    /// A shortest path, none when there is none; of equal ones that with the fewest steps, of these the least by names.
    ///
    /// # Errors
    /// [`GraphError::UnknownNode`], [`GraphError::OutOfRange`] for a weight that is no length, [`GraphError::Call`].
    pub fn path(&mut self, view: &View, start: u32, end: u32, length: Length) -> Result<Option<Path>, GraphError> {
        self.try_ask(view, |graph, store, view| graph.call_path(store, view, start, end, length))
    }

    /// Links that a node is a member of, by id.
    ///
    /// # Errors
    /// [`GraphError::UnknownNode`], [`GraphError::Call`].
    pub fn incidence(&mut self, view: &View, node: u32) -> Result<Vec<Incident>, GraphError> {
        self.try_ask(view, |graph, store, view| graph.call_incidence(store, view, node))
    }

    /// Nodes at the ends of a metapath and how many paths lead there, by name.
    ///
    /// # Errors
    /// [`GraphError::UnknownNode`], [`GraphError::UnknownType`], [`GraphError::TooMuch`], [`GraphError::Call`].
    pub fn metapath(&mut self, view: &View, start: u32, steps: &[Step]) -> Result<Vec<(u32, u64)>, GraphError> {
        self.try_ask(view, |graph, store, view| graph.call_metapath(store, view, start, steps))
    }

    /// Everything that fits a pattern; at most `limit` rows behind `offset`.
    ///
    /// # Errors
    /// [`GraphError::Malformed`], [`GraphError::UnknownNode`], [`GraphError::UnknownType`], [`GraphError::TooMuch`],
    /// [`GraphError::Call`].
    pub fn find_pattern(
        &mut self,
        view: &View,
        pattern: &[PatternLink],
        offset: u32,
        limit: u32,
    ) -> Result<Rows, GraphError> {
        self.try_ask(view, |graph, store, view| graph.call_match(store, view, pattern, offset, limit))
    }

    /// For each node number its component, numbered from 0 by their least names; `strong` follows directions.
    ///
    /// # Errors
    /// See [`CallError`].
    pub fn components(&mut self, view: &View, strong: bool) -> Result<Vec<u32>, CallError> {
        self.ask(view, |graph, store, view| graph.call_components(store, view, strong))
    }

    /// A number for each node number.
    ///
    /// # Errors
    /// [`GraphError::OutOfRange`], [`GraphError::UnknownNode`], [`GraphError::TooMuch`], [`GraphError::Call`].
    pub fn centrality(&mut self, view: &View, what: &Centrality) -> Result<Vec<f64>, GraphError> {
        self.try_ask(view, |graph, store, view| graph.call_centrality(store, view, what))
    }

    /// The simple graph underneath: each pair of neighbours once, with the sum of the weights of the links between them.
    ///
    /// # Errors
    /// See [`CallError`].
    pub fn edges(&mut self, view: &View) -> Result<Vec<(u32, u32, f64)>, CallError> {
        self.ask(view, |graph, store, view| graph.call_edges(store, view))
    }

    /// Nodes of the hierarchy without a parent that are one.
    ///
    /// # Errors
    /// See [`CallError`].
    pub fn roots(&mut self, view: &View) -> Result<Vec<u32>, CallError> {
        self.ask(view, |graph, store, view| graph.call_roots(store, view))
    }

    /// Common ancestors-or-selves below which there is no other common one.
    ///
    /// # Errors
    /// [`GraphError::UnknownNode`], [`GraphError::Call`].
    pub fn lowest_common_ancestors(&mut self, view: &View, nodes: &[u32]) -> Result<Vec<u32>, GraphError> {
        self.try_ask(view, |graph, store, view| graph.call_lowest_common_ancestors(store, view, nodes))
    }

    /// Steps to the nearest root; none where a circle is all that is above.
    ///
    /// # Errors
    /// [`GraphError::UnknownNode`], [`GraphError::Call`].
    pub fn depth(&mut self, view: &View, node: u32) -> Result<Option<u32>, GraphError> {
        self.try_ask(view, |graph, store, view| graph.call_depth(store, view, node))
    }

    /// Circles of the hierarchy.
    ///
    /// # Errors
    /// See [`CallError`].
    pub fn cycles(&mut self, view: &View) -> Result<Vec<Vec<u32>>, CallError> {
        self.ask(view, |graph, store, view| graph.call_cycles(store, view))
    }
}

/// A [`GraphInstance`] in the middle of a call: see [`GraphInstance::session`].
pub struct GraphSession<'a> {
    graph: &'a Guest,
    store: &'a mut Store<Guard>,
}

impl std::fmt::Debug for GraphSession<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("GraphSession").finish_non_exhaustive()
    }
}

impl GraphSession<'_> {
    /// As [`GraphInstance::neighbours`].
    ///
    /// # Errors
    /// [`Interrupted`]: pass it on.
    pub fn neighbours(&mut self, view: &View, node: u32) -> Result<Vec<u32>, Interrupted> {
        self.graph.view().call_neighbours(&mut *self.store, view.resource, node).map_err(Interrupted)
    }
}

/// A question ended the session: its deadline has passed, or the component failed. [`GraphInstance::session`] says which,
/// or [`crate::Geometry::session`].
#[derive(Debug)]
pub struct Interrupted(pub(crate) wasmtime::Error);

impl From<wit::Error> for GraphError {
    fn from(error: wit::Error) -> Self {
        match error {
            wit::Error::UnknownLayer((name, similar)) => GraphError::UnknownLayer { name, similar },
            wit::Error::UnknownType((name, similar)) => GraphError::UnknownType { name, similar },
            wit::Error::UnknownNode(node) => GraphError::UnknownNode(node),
            wit::Error::Malformed(reason) => GraphError::Malformed(reason),
            wit::Error::OutOfRange(reason) => GraphError::OutOfRange(reason),
            wit::Error::CircularLayers(names) => GraphError::CircularLayers(names),
            wit::Error::TooMuch(reason) => GraphError::TooMuch(reason),
            wit::Error::Other(reason) => GraphError::Other(reason),
        }
    }
}

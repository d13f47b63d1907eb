//! A project's graph: the links of all records, and the layers that they are in.
//!
//! [`Net`] holds what the records say, [`View`] is a part of it to walk in. `wit/query/graph.wit` documents both; docs/graph.md
//! has the definitions.

mod arcs;
mod asking;
mod breadth;
mod centrality;
mod compiled;
mod csr;
mod filter;
mod hierarchy;
mod incidence;
mod kept;
mod layers;
mod membership;
mod metapath;
mod names;
mod parts;
mod pattern;
mod store;
mod symbols;
pub mod types;
mod view;
mod walk;
mod work;

pub use filter::TYPES_MAX;
pub use layers::{DECLARED_MAX, INHERITS_MAX, NODES_MAX};
pub use metapath::METAPATH_STEPS_MAX;
pub use pattern::{PATTERN_LINKS_MAX, VARIABLES_MAX};
pub use store::{LAYERS_OF_ONE_MAX, MEMBERS_MAX, NAME_BYTES_MAX};
pub use view::View;

use store::Store;
use types::{GraphError, Layer, LayerNode, Name, Overlap, Selection, Sizes, Source};

/// The graph of one project.
#[derive(Debug, Default)]
pub struct Net {
    store: Store,
}

impl Net {
    /// Puts sources in the place of those with the same key, and removes others; all or none.
    ///
    /// # Errors
    /// [`GraphError::Malformed`].
    pub fn apply(&mut self, upsert: &[Source], remove: &[String]) -> Result<(), GraphError> {
        self.store.apply(upsert, remove)
    }

    /// Puts these in the place of all declared layers.
    ///
    /// # Errors
    /// [`GraphError::CircularLayers`], [`GraphError::Malformed`], [`GraphError::OutOfRange`].
    pub fn define_layers(&mut self, layers: &[Layer]) -> Result<(), GraphError> {
        self.store.layers.define(layers)?;
        self.store.changed();
        Ok(())
    }

    /// Sizes of the graph as it is.
    pub fn describe(&self) -> Sizes {
        self.store.sizes()
    }

    /// Numbers of nodes; none for a name that is nowhere.
    pub fn find(&mut self, names: &[Name]) -> Vec<Option<u32>> {
        names.iter().map(|name| self.store.find(name)).collect()
    }

    /// What nodes are called. A number that there is not has an empty key as its name.
    pub fn names(&self, nodes: &[u32]) -> Vec<Name> {
        let name = |&node: &u32| self.store.names.name(node).unwrap_or(Name::Key(String::new()));
        nodes.iter().map(name).collect()
    }

    /// Compiles a selection.
    ///
    /// # Errors
    /// [`GraphError::UnknownLayer`], [`GraphError::UnknownType`], [`GraphError::Malformed`].
    pub fn open(&self, selection: Selection) -> Result<View, GraphError> {
        View::new(&self.store, selection)
    }

    /// The nodes one step away, ascending by number; none of a node that there is not.
    pub fn neighbours(&mut self, view: &mut View, node: u32) -> Vec<u32> {
        let mut found = Vec::new();
        view.neighbours(&mut self.store, node, &mut found);
        found
    }

    /// The same for many: where each one's begin in the second list, and all of them.
    pub fn neighbours_of(&mut self, view: &mut View, nodes: &[u32]) -> (Vec<u32>, Vec<u32>) {
        let (mut begins, mut found) = (Vec::with_capacity(nodes.len() + 1), Vec::new());
        begins.push(0);
        for &node in nodes {
            view.neighbours(&mut self.store, node, &mut found);
            begins.push(found.len() as u32);
        }
        (begins, found)
    }

    /// Members that are not there, and how many links name each, by name.
    pub fn dangling(&self, offset: u32, limit: u32) -> Vec<(u32, u32)> {
        self.store.dangling().into_iter().skip(offset as usize).take(limit as usize).collect()
    }

    /// Records that are in a set of layers, by name.
    ///
    /// # Errors
    /// [`GraphError::UnknownLayer`], [`GraphError::Malformed`].
    pub fn layer_records(
        &mut self,
        set: &[LayerNode],
        at: Option<i64>,
        offset: u32,
        limit: u32,
    ) -> Result<Vec<u32>, GraphError> {
        let set = self.store.layers.compile(set, at)?;
        let records: Vec<u32> = self.store.layers.records(&set).iter().collect();
        let records = self.store.names.by_name(&records, |&record| record);
        Ok(records.into_iter().skip(offset as usize).take(limit as usize).collect())
    }

    /// How many records are in a set of layers.
    ///
    /// # Errors
    /// As [`Net::layer_records`].
    pub fn layer_count(&self, set: &[LayerNode], at: Option<i64>) -> Result<u32, GraphError> {
        let set = self.store.layers.compile(set, at)?;
        Ok(self.store.layers.records(&set).count())
    }

    /// A set of layers against every layer, by the layers' names.
    ///
    /// # Errors
    /// As [`Net::layer_records`]; [`GraphError::TooMuch`].
    pub fn layer_overlaps(&self, set: &[LayerNode], at: Option<i64>) -> Result<Vec<Overlap>, GraphError> {
        let set = self.store.layers.compile(set, at)?;
        self.store.layers.overlaps(&self.store.layers.records(&set), at)
    }

    /// Every layer's name with its records and links, by name.
    pub fn layer_sizes(&self) -> Vec<(String, u32, u32)> {
        let links = self.store.links_by_layer();
        let sized = self.store.layers.sizes().into_iter();
        sized.map(|(layer, name, records)| (name, records, links.get(layer as usize).copied().unwrap_or(0))).collect()
    }
}

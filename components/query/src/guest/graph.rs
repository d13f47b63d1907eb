//! The export `graph`: one [`Net`], and views as resources.

use std::cell::RefCell;

use super::Component;
use super::exports::skerry::query::graph as wit;
use crate::net::types as core;
use crate::net::{Net, View};

thread_local! {
    static NET: RefCell<Net> = RefCell::new(Net::default());
}

/// A view behind a handle.
pub struct Handle {
    view: RefCell<View>,
}

impl Handle {
    fn with<T>(&self, act: impl FnOnce(&mut Net, &mut View) -> T) -> T {
        NET.with_borrow_mut(|net| act(net, &mut self.view.borrow_mut()))
    }
}

impl wit::Guest for Component {
    type View = Handle;

    fn apply(upsert: Vec<wit::Source>, remove: Vec<String>) -> Result<(), wit::Error> {
        let upsert: Vec<core::Source> = upsert.into_iter().map(core::Source::from).collect();
        Ok(NET.with_borrow_mut(|net| net.apply(&upsert, &remove))?)
    }

    fn define_layers(layers: Vec<wit::Layer>) -> Result<(), wit::Error> {
        let layer = |wit::Layer { name, weight, inherits, valid }| core::Layer {
            name,
            weight,
            inherits,
            valid: interval(valid),
        };
        let layers: Vec<core::Layer> = layers.into_iter().map(layer).collect();
        Ok(NET.with_borrow_mut(|net| net.define_layers(&layers))?)
    }

    fn describe() -> wit::Sizes {
        let core::Sizes { records, dangling, links, members, layers, unused, bytes } = NET.with_borrow(Net::describe);
        wit::Sizes { records, dangling, links, members, layers, unused, bytes }
    }

    fn find(names: Vec<wit::Name>) -> Vec<Option<u32>> {
        let names: Vec<core::Name> = names.into_iter().map(core::Name::from).collect();
        NET.with_borrow_mut(|net| net.find(&names))
    }

    fn names(nodes: Vec<u32>) -> Vec<wit::Name> {
        let names = NET.with_borrow(|net| net.names(&nodes));
        names.into_iter().map(wit::Name::from).collect()
    }

    fn dangling(offset: u32, limit: u32) -> Vec<(u32, u32)> {
        NET.with_borrow(|net| net.dangling(offset, limit))
    }

    fn layer_records(
        set: Vec<wit::LayerNode>,
        at: Option<i64>,
        offset: u32,
        limit: u32,
    ) -> Result<Vec<u32>, wit::Error> {
        Ok(NET.with_borrow_mut(|net| net.layer_records(&layer_nodes(set), at, offset, limit))?)
    }

    fn layer_count(set: Vec<wit::LayerNode>, at: Option<i64>) -> Result<u32, wit::Error> {
        Ok(NET.with_borrow(|net| net.layer_count(&layer_nodes(set), at))?)
    }

    fn layer_overlaps(set: Vec<wit::LayerNode>, at: Option<i64>) -> Result<Vec<wit::Overlap>, wit::Error> {
        let overlaps = NET.with_borrow(|net| net.layer_overlaps(&layer_nodes(set), at))?;
        let overlap = |core::Overlap { layer, both, either }| wit::Overlap { layer, both, either };
        Ok(overlaps.into_iter().map(overlap).collect())
    }

    fn layer_sizes() -> Vec<(String, u32, u32)> {
        NET.with_borrow(Net::layer_sizes)
    }
}

impl wit::GuestView for Handle {
    fn open(selection: wit::Selection) -> Result<wit::View, wit::Error> {
        let view = NET.with_borrow(|net| net.open(selection.into()))?;
        Ok(wit::View::new(Handle { view: RefCell::new(view) }))
    }

    fn neighbours(&self, node: u32) -> Vec<u32> {
        self.with(|net, view| net.neighbours(view, node))
    }

    fn neighbours_of(&self, nodes: Vec<u32>) -> (Vec<u32>, Vec<u32>) {
        self.with(|net, view| net.neighbours_of(view, &nodes))
    }

    fn reach(&self, starts: Vec<u32>, hops: u32, limit: u32) -> Result<Vec<wit::Reached>, wit::Error> {
        let reached = self.with(|net, view| net.reach(view, &starts, hops, limit))?;
        let one = |core::Reached { node, distance, before }| wit::Reached { node, distance, before };
        Ok(reached.into_iter().map(one).collect())
    }

    fn distances(&self, start: u32) -> Result<Vec<u32>, wit::Error> {
        Ok(self.with(|net, view| net.distances(view, start))?)
    }

    fn path(&self, start: u32, end: u32, length: wit::Length) -> Result<Option<wit::Path>, wit::Error> {
        let length = match length {
            wit::Length::Hops => core::Length::Hops,
            wit::Length::Weight => core::Length::Weight,
            wit::Length::Reciprocal => core::Length::Reciprocal,
        };
        let path = self.with(|net, view| net.path(view, start, end, length))?;
        Ok(path.map(|core::Path { nodes, links, cost }| wit::Path { nodes, links, cost }))
    }

    fn incidence(&self, node: u32) -> Result<Vec<wit::Incident>, wit::Error> {
        let incidents = self.with(|net, view| net.incidence(view, node))?;
        let one =
            |core::Incident { id, kind, roles, members, weight }| wit::Incident { id, kind, roles, members, weight };
        Ok(incidents.into_iter().map(one).collect())
    }

    fn metapath(&self, start: u32, steps: Vec<wit::Step>) -> Result<Vec<(u32, u64)>, wit::Error> {
        let step = |wit::Step { types, direction: way }| core::Step { types, direction: direction(way) };
        let steps: Vec<core::Step> = steps.into_iter().map(step).collect();
        Ok(self.with(|net, view| net.metapath(view, start, &steps))?)
    }

    fn match_(&self, pattern: Vec<wit::PatternLink>, offset: u32, limit: u32) -> Result<wit::Rows, wit::Error> {
        let pattern: Vec<core::PatternLink> = pattern.into_iter().map(core::PatternLink::from).collect();
        let core::Rows { rows, complete } = self.with(|net, view| net.find_pattern(view, &pattern, offset, limit))?;
        Ok(wit::Rows { rows, complete })
    }

    fn components(&self, strong: bool) -> Vec<u32> {
        self.with(|net, view| net.components(view, strong))
    }

    fn centrality(&self, what: wit::Centrality) -> Result<Vec<f64>, wit::Error> {
        let what = match what {
            wit::Centrality::Degree => core::Centrality::Degree,
            wit::Centrality::Strength => core::Centrality::Strength,
            wit::Centrality::Closeness => core::Centrality::Closeness,
            wit::Centrality::Harmonic => core::Centrality::Harmonic,
            wit::Centrality::Betweenness(pivots) => core::Centrality::Betweenness(pivots),
            wit::Centrality::Eigenvector => core::Centrality::Eigenvector,
            wit::Centrality::PageRank((damping, restarts)) => core::Centrality::PageRank(damping, restarts),
        };
        Ok(self.with(|net, view| net.centrality(view, &what))?)
    }

    fn edges(&self) -> Vec<(u32, u32, f64)> {
        self.with(Net::edges)
    }

    fn roots(&self) -> Vec<u32> {
        self.with(Net::roots)
    }

    fn lowest_common_ancestors(&self, nodes: Vec<u32>) -> Result<Vec<u32>, wit::Error> {
        Ok(self.with(|net, view| net.lowest_common_ancestors(view, &nodes))?)
    }

    fn depth(&self, node: u32) -> Result<Option<u32>, wit::Error> {
        Ok(self.with(|net, view| net.depth(view, node))?)
    }

    fn cycles(&self) -> Vec<Vec<u32>> {
        self.with(Net::cycles)
    }
}

fn interval(wit::Interval { since, until }: wit::Interval) -> core::Interval {
    core::Interval { since, until }
}

fn direction(direction: wit::Direction) -> core::Direction {
    match direction {
        wit::Direction::Forward => core::Direction::Forward,
        wit::Direction::Backward => core::Direction::Backward,
        wit::Direction::Both => core::Direction::Both,
    }
}

fn layer_nodes(nodes: Vec<wit::LayerNode>) -> Vec<core::LayerNode> {
    let node = |node| match node {
        wit::LayerNode::Layer(name) => core::LayerNode::Layer(name),
        wit::LayerNode::All(children) => core::LayerNode::All(children),
        wit::LayerNode::Any(children) => core::LayerNode::Any(children),
        wit::LayerNode::AtLeast((count, children)) => core::LayerNode::AtLeast(count, children),
        wit::LayerNode::Without((a, b)) => core::LayerNode::Without(a, b),
    };
    nodes.into_iter().map(node).collect()
}

fn qualifiers(qualifiers: Vec<(String, wit::Scalar)>) -> Vec<(String, core::Scalar)> {
    qualifiers.into_iter().map(|(path, value)| (path, value.into())).collect()
}

fn term(term: wit::Term) -> core::Term {
    match term {
        wit::Term::Variable(variable) => core::Term::Variable(variable),
        wit::Term::Node(node) => core::Term::Node(node),
    }
}

impl From<wit::PatternLink> for core::PatternLink {
    fn from(wit::PatternLink { types, members, this, qualifiers: wanted }: wit::PatternLink) -> Self {
        let members = members.into_iter().map(|(role, member)| (role, term(member))).collect();
        core::PatternLink { types, members, this: this.map(term), qualifiers: qualifiers(wanted) }
    }
}

impl From<wit::Selection> for core::Selection {
    fn from(wit::Selection { types, layers, at, direction: way, expansion }: wit::Selection) -> Self {
        let expansion = match expansion {
            wit::Expansion::Clique => core::Expansion::Clique,
            wit::Expansion::Star => core::Expansion::Star,
        };
        core::Selection { types, layers: layer_nodes(layers), at, direction: direction(way), expansion }
    }
}

impl From<wit::Source> for core::Source {
    fn from(wit::Source { key, layers, links }: wit::Source) -> Self {
        core::Source { key, layers, links: links.into_iter().map(core::Link::from).collect() }
    }
}

impl From<wit::Link> for core::Link {
    fn from(link: wit::Link) -> Self {
        let wit::Link { id, kind, members, weight, layers, qualifiers: values, valid } = link;
        let member = |wit::Member { role, target }| {
            let target = match target {
                wit::Target::Key(key) => core::Name::Key(key),
                wit::Target::Link(id) => core::Name::Link(id),
            };
            core::Member { role, target }
        };
        let members = members.into_iter().map(member).collect();
        core::Link { id, kind, members, weight, layers, qualifiers: qualifiers(values), valid: interval(valid) }
    }
}

impl From<wit::Name> for core::Name {
    fn from(name: wit::Name) -> Self {
        match name {
            wit::Name::Key(key) => core::Name::Key(key),
            wit::Name::Link(id) => core::Name::Link(id),
        }
    }
}

impl From<core::Name> for wit::Name {
    fn from(name: core::Name) -> Self {
        match name {
            core::Name::Key(key) => wit::Name::Key(key),
            core::Name::Link(id) => wit::Name::Link(id),
        }
    }
}

impl From<core::GraphError> for wit::Error {
    fn from(error: core::GraphError) -> Self {
        match error {
            core::GraphError::UnknownLayer(name, similar) => wit::Error::UnknownLayer((name, similar)),
            core::GraphError::UnknownType(name, similar) => wit::Error::UnknownType((name, similar)),
            core::GraphError::UnknownNode(node) => wit::Error::UnknownNode(node),
            core::GraphError::Malformed(reason) => wit::Error::Malformed(reason),
            core::GraphError::OutOfRange(reason) => wit::Error::OutOfRange(reason),
            core::GraphError::CircularLayers(names) => wit::Error::CircularLayers(names),
            core::GraphError::TooMuch(reason) => wit::Error::TooMuch(reason),
        }
    }
}

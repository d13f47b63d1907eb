//! Between names and numbers, and from a selection's JSON to a view.

use skerry_host::types::graph::{Direction, Expansion, LayerNode, Name, Selection};
use skerry_host::{GraphInstance, View};

use super::{NODES_MAX, invalid};
use crate::body::{DirectionBody, ExpansionBody, LayerOperationBody, LayerSetBody, NodeName, SelectionBody};
use crate::problem::{Kind, Problem};

/// Numbers of nodes.
///
/// # Errors
/// [`Kind::UnknownRecord`] for a name that nothing has; [`Kind::InvalidQuery`] for none or more than [`NODES_MAX`].
pub(crate) fn find(graph: &mut GraphInstance, nodes: &[NodeName]) -> Result<Vec<u32>, Problem> {
    if nodes.is_empty() || nodes.len() > NODES_MAX {
        return Err(invalid(format!("The question names {} nodes; it names 1 to {NODES_MAX}.", nodes.len())));
    }
    let asked: Vec<Name> = nodes.iter().map(name).collect();
    let found = graph.find(&asked)?;
    let numbers = nodes.iter().zip(found).map(|(node, number)| number.ok_or_else(|| unknown(node)));
    numbers.collect()
}

fn name(node: &NodeName) -> Name {
    match node {
        NodeName::Key(key) => Name::Key(key.clone()),
        NodeName::Link(id) => Name::Link(id.clone()),
    }
}

fn unknown(node: &NodeName) -> Problem {
    let shown: String = node.as_str().chars().flat_map(char::escape_default).take(80).collect();
    let detail = match node {
        NodeName::Key(_) => format!("There is no node `{shown}`: no record has this key, and no link names it."),
        NodeName::Link(_) => format!("There is no link with the id `{shown}`, and no link names it."),
    };
    Problem::new(Kind::UnknownRecord, detail).with("node", shown)
}

/// What nodes are called.
pub(crate) fn names(graph: &mut GraphInstance, nodes: &[u32]) -> Result<Vec<NodeName>, Problem> {
    let named = graph.names(nodes)?.into_iter().map(|name| match name {
        Name::Key(key) => NodeName::Key(key),
        Name::Link(id) => NodeName::Link(id),
    });
    Ok(named.collect())
}

/// By name: keys first, then links.
pub(crate) fn sorted(mut nodes: Vec<NodeName>) -> Vec<NodeName> {
    nodes.sort_unstable();
    nodes
}

/// Opens a view, asks, and gives it back.
pub(crate) fn with_view<T>(
    graph: &mut GraphInstance,
    body: &SelectionBody,
    default: Direction,
    ask: impl FnOnce(&mut GraphInstance, &View) -> Result<T, Problem>,
) -> Result<T, Problem> {
    let view = graph.open(&selection(body, default))?;
    let answer = ask(graph, &view);
    if !graph.is_poisoned() {
        graph.close(view)?;
    }
    answer
}

fn selection(body: &SelectionBody, default: Direction) -> Selection {
    let mut layers = Vec::new();
    if let Some(set) = &body.layers {
        add_layers(set, &mut layers);
    }
    Selection {
        types: body.types.clone(),
        layers,
        at: body.at.map(|moment| moment.0),
        direction: direction(body.direction, default),
        expansion: match body.expansion {
            ExpansionBody::Clique => Expansion::Clique,
            ExpansionBody::Star => Expansion::Star,
        },
    }
}

pub(super) fn direction(body: Option<DirectionBody>, default: Direction) -> Direction {
    match body {
        None => default,
        Some(DirectionBody::Forward) => Direction::Forward,
        Some(DirectionBody::Backward) => Direction::Backward,
        Some(DirectionBody::Both) => Direction::Both,
    }
}

/// A set of layers as the flat tree that the component takes. Answers the root's position.
pub(crate) fn add_layers(set: &LayerSetBody, nodes: &mut Vec<LayerNode>) -> u32 {
    let mut each = |sets: &[LayerSetBody]| sets.iter().map(|set| add_layers(set, nodes)).collect::<Vec<u32>>();
    let node = match set {
        LayerSetBody::Layer(name) => LayerNode::Layer(name.clone()),
        LayerSetBody::Of(LayerOperationBody::All(sets)) => LayerNode::All(each(sets)),
        LayerSetBody::Of(LayerOperationBody::Any(sets)) => LayerNode::Any(each(sets)),
        LayerSetBody::Of(LayerOperationBody::AtLeast { n, of }) => LayerNode::AtLeast((*n, each(of))),
        LayerSetBody::Of(LayerOperationBody::Without(sets)) => {
            let children = each(sets);
            let mut rest = children.into_iter();
            let Some(first) = rest.next() else { return 0 };
            let others: Vec<u32> = rest.collect();
            nodes.push(LayerNode::Any(others));
            LayerNode::Without((first, nodes.len() as u32 - 1))
        }
    };
    nodes.push(node);
    nodes.len() as u32 - 1
}

/// The component's number of what is not in the view.
const ABSENT: u32 = u32::MAX;

/// The numbers of the nodes that are in a view, ascending, by what [`GraphInstance::components`] says of it.
pub(crate) fn present(component_of: &[u32]) -> impl Iterator<Item = u32> {
    component_of.iter().zip(0..).filter(|(component, _)| **component != ABSENT).map(|(_, number)| number)
}

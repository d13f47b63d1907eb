//! Composition: a component's imports are met by the exports of others, and the result is one component.

use std::collections::BTreeMap;

use wac_graph::types::Package;
use wac_graph::{CompositionGraph, EncodeOptions, PackageId};

/// Why components could not be joined.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ComposeError {
    /// One of them is no component.
    #[error("part {part} is not a component: {reason}")]
    NotAComponent {
        /// Which; 0 is the one whose imports are met.
        part: usize,
        /// What is wrong with it.
        reason: String,
    },
    /// An interface was found under its name and has other types.
    #[error("`{name}` does not fit: {reason}")]
    Unfit {
        /// The interface.
        name: String,
        /// How it differs.
        reason: String,
    },
    /// The composition cannot be written.
    #[error("the composition cannot be encoded: {0}")]
    Encode(String),
}

/// One component of `socket` and those of `plugs` that it needs. Each import of `socket` is met by the first plug that exports
/// an interface of its name; what none exports (`wasi:...`) stays an import of the whole.
///
/// # Errors
/// See [`ComposeError`].
pub fn compose(socket: &[u8], plugs: &[&[u8]]) -> Result<Vec<u8>, ComposeError> {
    let mut graph = CompositionGraph::new();
    let mut register = |part: usize, bytes: &[u8]| {
        let refused = |reason: String| ComposeError::NotAComponent { part, reason };
        let package = Package::from_bytes(&format!("part:p{part}"), None, bytes.to_vec(), graph.types_mut());
        let package = package.map_err(|error| refused(format!("{error:#}")))?;
        graph.register_package(package).map_err(|error| refused(error.to_string()))
    };
    let socket = register(0, socket)?;
    let plugs = (1..).zip(plugs).map(|(part, plug)| register(part, plug)).collect::<Result<Vec<_>, _>>()?;

    let world = |graph: &CompositionGraph, package: PackageId| graph.types()[graph[package].ty()].clone();
    let wanted = world(&graph, socket);
    let whole = graph.instantiate(socket);
    let mut instances = BTreeMap::new();
    for name in wanted.imports.keys() {
        let Some(at) = plugs.iter().position(|plug| world(&graph, *plug).exports.contains_key(name)) else { continue };
        let unfit = |reason: String| ComposeError::Unfit { name: name.clone(), reason };
        let Some(plug) = plugs.get(at) else { continue };
        let instance = *instances.entry(at).or_insert_with(|| graph.instantiate(*plug));
        let export = graph.alias_instance_export(instance, name).map_err(|error| unfit(error.to_string()))?;
        graph.set_instantiation_argument(whole, name, export).map_err(|error| unfit(format!("{error:#?}")))?;
    }
    for name in wanted.exports.keys() {
        let encode = |error: String| ComposeError::Encode(error);
        let export = graph.alias_instance_export(whole, name).map_err(|error| encode(error.to_string()))?;
        graph.export(export, name).map_err(|error| encode(error.to_string()))?;
    }
    graph.encode(EncodeOptions::default()).map_err(|error| ComposeError::Encode(error.to_string()))
}

//! Layers as the API shows them: sets of them, and what a project declares about them.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use skerry_host::types::graph::LayerNode;
use skerry_sync::{Layer, LayerKind};
use utoipa::ToSchema;

use super::{IntervalBody, Moment, is_one, one};

/// What a project declares about a layer. Everything but the name may be left out; replicas that change different members at
/// the same time both keep their change.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct LayerBody {
    /// Its name, as records and links say it; 1 to 128 bytes without control characters. In the body of a PUT it may be left
    /// out.
    #[serde(default)]
    pub name: String,
    /// What it is about.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub kind: Option<LayerKindBody>,
    /// For people; at most 64 KiB.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub description: String,
    /// What a link's weight is multiplied by where it counts for this layer: a finite number that is 0 or more; 1 when absent.
    #[serde(default = "one", skip_serializing_if = "is_one")]
    pub weight: f64,
    /// What is in these layers is in this one, too; at most 64. They need not be declared. A circle is refused.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    #[schema(value_type = Vec<String>)]
    pub inherits: BTreeSet<String>,
    /// When the layer holds; always when absent.
    #[serde(default, skip_serializing_if = "IntervalBody::is_always")]
    pub valid: IntervalBody,
    /// Whatever else is to be said; at most 16 KiB as JSON. `area` of a spatial layer is `[west, south, east, north]` in degrees.
    #[serde(default, skip_serializing_if = "Map::is_empty")]
    #[schema(value_type = std::collections::BTreeMap<String, Value>)]
    pub data: Map<String, Value>,
}

/// What a layer is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[cfg_attr(feature = "cli", derive(clap::ValueEnum))]
#[serde(rename_all = "lowercase")]
pub enum LayerKindBody {
    /// A time: a year, a release, a shift.
    Temporal,
    /// A place: a harbour, a region.
    Spatial,
    /// A meaning: a topic, a point of view.
    Semantic,
    /// What somebody does: a session, a workflow.
    Behavioural,
    /// A field of knowledge: a catalogue's view, a department.
    Domain,
}

impl From<LayerKind> for LayerKindBody {
    fn from(kind: LayerKind) -> Self {
        match kind {
            LayerKind::Temporal => LayerKindBody::Temporal,
            LayerKind::Spatial => LayerKindBody::Spatial,
            LayerKind::Semantic => LayerKindBody::Semantic,
            LayerKind::Behavioural => LayerKindBody::Behavioural,
            LayerKind::Domain => LayerKindBody::Domain,
        }
    }
}

impl From<LayerKindBody> for LayerKind {
    fn from(kind: LayerKindBody) -> Self {
        match kind {
            LayerKindBody::Temporal => LayerKind::Temporal,
            LayerKindBody::Spatial => LayerKind::Spatial,
            LayerKindBody::Semantic => LayerKind::Semantic,
            LayerKindBody::Behavioural => LayerKind::Behavioural,
            LayerKindBody::Domain => LayerKind::Domain,
        }
    }
}

impl From<Layer> for LayerBody {
    fn from(layer: Layer) -> Self {
        let Layer { name, kind, description, weight, inherits, valid, data } = layer;
        let kind = kind.map(LayerKindBody::from);
        LayerBody { name, kind, description, weight, inherits, valid: valid.into(), data }
    }
}

impl From<LayerBody> for Layer {
    fn from(body: LayerBody) -> Self {
        let LayerBody { name, kind, description, weight, inherits, valid, data } = body;
        Layer { name, kind: kind.map(LayerKind::from), description, weight, inherits, valid: valid.into(), data }
    }
}

/// The layers of a project.
#[derive(Debug, Serialize, ToSchema)]
pub struct Layers {
    /// Those that are declared, in the order of their names.
    pub layers: Vec<LayerBody>,
    /// What is in each layer, declared or only named by records and links; where `counts` was asked for.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub counts: Option<Vec<LayerCount>>,
    /// Layers that inherit from one another: two replicas each declared half of a circle. Its steps do not count until one of
    /// the layers is declared without what closes it.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub circles: Vec<Vec<String>>,
}

/// What is in a layer.
#[derive(Debug, Serialize, ToSchema)]
pub struct LayerCount {
    /// Its name.
    pub name: String,
    /// Records, also by inheritance.
    pub records: u32,
    /// Links, also by inheritance.
    pub links: u32,
}

/// A question about a set of layers.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct LayerQueryBody {
    /// The set.
    pub set: LayerSetBody,
    /// Layers that hold at this time (RFC 3339); those of any time when absent.
    #[serde(default)]
    pub at: Option<Moment>,
    /// Records on the page at most, 1 to 10,000; 100 when absent.
    #[serde(default)]
    pub limit: Option<u32>,
    /// Records to leave out before the first.
    #[serde(default)]
    pub offset: u32,
}

/// The records in a set of layers.
#[derive(Debug, Serialize, ToSchema)]
pub struct LayerRecords {
    /// Their keys, in order.
    pub records: Vec<String>,
    /// How many there are, on all pages.
    pub count: u32,
}

/// A set of layers against every layer.
#[derive(Debug, Serialize, ToSchema)]
pub struct LayerOverlaps {
    /// Records in the set.
    pub count: u32,
    /// The layers that share a record with it, the most similar first, then by name.
    pub overlaps: Vec<LayerOverlap>,
}

/// What a layer has in common with a set.
#[derive(Debug, Serialize, ToSchema)]
pub struct LayerOverlap {
    /// The layer.
    pub layer: String,
    /// Records that are in both.
    pub both: u32,
    /// Records that are in either.
    pub either: u32,
    /// The first divided by the second (Jaccard 1901), 0 to 1.
    pub jaccard: f64,
}

/// Layers to declare.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct LayersBody {
    /// At most 10,000, each with its name. All or none.
    pub layers: Vec<LayerBody>,
}

/// What declaring layers did.
#[derive(Debug, Serialize, ToSchema)]
pub struct LayersDeclared {
    /// Layers in the request.
    pub declared: usize,
    /// Those that are different from before.
    pub changed: usize,
}

/// What the deletion of a layer did.
#[derive(Debug, Serialize, ToSchema)]
pub struct LayerDeleted {
    /// The declaration was there, and is gone.
    pub deleted: bool,
    /// Records that the layer was taken out of, with their links.
    pub records: usize,
    /// Records are left to be looked at: send the request again with this as `after`. Null when all is done.
    pub next: Option<String>,
}

/// Records to put into a layer, or to take out of it.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct LayerMembersBody {
    /// Keys of records; at most 10,000.
    pub keys: Vec<String>,
    /// Not the records but their links of these types; an empty list for all of their links.
    #[serde(default)]
    pub link_types: Option<Vec<String>>,
}

/// What putting records into a layer, or taking them out, did. It is on disk.
#[derive(Debug, Serialize, ToSchema)]
pub struct LayerMembers {
    /// Records that are different from before.
    pub changed: usize,
    /// Keys of which there is no record, the first 100.
    pub unknown: Vec<String>,
    /// Position of the last change in this replica's change feed.
    pub sequence: u64,
    /// The project's version.
    pub version: String,
}

/// The charts that a project saved.
#[derive(Debug, Serialize, ToSchema)]
pub struct Charts {
    /// By name.
    #[schema(value_type = std::collections::BTreeMap<String, Value>)]
    pub charts: std::collections::BTreeMap<String, Value>,
}

/// Layers and operators of one expression at most.
pub const SET_NODES_MAX: usize = 256;

/// Levels of an expression at most.
pub const SET_DEPTH_MAX: usize = 32;

/// What saving a chart did. It is on disk.
#[derive(Debug, Serialize, ToSchema)]
pub struct ChartSaved {
    /// It is different from before.
    pub changed: bool,
}

/// What deleting a chart did.
#[derive(Debug, Serialize, ToSchema)]
pub struct ChartDeleted {
    /// It was there, and is gone.
    pub deleted: bool,
}

/// What is in a layer, or in a combination of layers: `"web"`, `{"all": ["web", "2024"]}`, `{"any": [..]}`,
/// `{"at_least": {"n": 2, "of": [..]}}` or `{"without": ["web", "old"]}`. The parts are such sets themselves.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
#[serde(untagged)]
#[schema(no_recursion)]
pub enum LayerSetBody {
    /// What is in this layer, or in one that it inherits from.
    Layer(String),
    /// A combination.
    Of(LayerOperationBody),
}

/// A combination of sets of layers.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
#[schema(no_recursion)]
pub enum LayerOperationBody {
    /// What is in all of these.
    All(Vec<LayerSetBody>),
    /// What is in any of these.
    Any(Vec<LayerSetBody>),
    /// What is in at least so many of these.
    AtLeast {
        /// How many, from 1.
        n: u32,
        /// The sets.
        of: Vec<LayerSetBody>,
    },
    /// What is in the first and in none of the others; two or more.
    Without(Vec<LayerSetBody>),
}

/// By hand, so that an error says which part is wrong; of an untagged enum it says only that nothing fits.
impl<'de> Deserialize<'de> for LayerSetBody {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let value = Value::deserialize(deserializer)?;
        LayerSetBody::read(&value).map_err(serde::de::Error::custom)
    }
}

impl LayerSetBody {
    /// Reads a set from its JSON form.
    ///
    /// # Errors
    /// A sentence that says what is wrong, and what a set looks like.
    pub fn read(value: &Value) -> Result<LayerSetBody, String> {
        let mut nodes = 0;
        read(value, SET_DEPTH_MAX, &mut nodes)
    }

    /// The set as the graph takes it: children before their parent, the root last.
    pub fn nodes(&self) -> Vec<LayerNode> {
        let mut nodes = Vec::new();
        self.flatten(&mut nodes);
        nodes
    }

    /// Adds the set to a list; answers its position.
    fn flatten(&self, nodes: &mut Vec<LayerNode>) -> u32 {
        let all = |sets: &[LayerSetBody], nodes: &mut Vec<LayerNode>| -> Vec<u32> {
            sets.iter().map(|set| set.flatten(nodes)).collect()
        };
        let node = match self {
            LayerSetBody::Layer(name) => LayerNode::Layer(name.clone()),
            LayerSetBody::Of(LayerOperationBody::All(sets)) => LayerNode::All(all(sets, nodes)),
            LayerSetBody::Of(LayerOperationBody::Any(sets)) => LayerNode::Any(all(sets, nodes)),
            LayerSetBody::Of(LayerOperationBody::AtLeast { n, of }) => LayerNode::AtLeast((*n, all(of, nodes))),
            LayerSetBody::Of(LayerOperationBody::Without(sets)) => {
                let positions = all(sets, nodes);
                let (first, others) = positions.split_first().map_or((0, &[][..]), |(first, others)| (*first, others));
                let others = match others {
                    [other] => *other,
                    several => {
                        nodes.push(LayerNode::Any(several.to_vec()));
                        position(nodes)
                    }
                };
                LayerNode::Without((first, others))
            }
        };
        nodes.push(node);
        position(nodes)
    }
}

/// Of the last node. There are at most [`SET_NODES_MAX`] and a few.
fn position(nodes: &[LayerNode]) -> u32 {
    u32::try_from(nodes.len().saturating_sub(1)).unwrap_or(u32::MAX)
}

fn read(value: &Value, levels: usize, nodes: &mut usize) -> Result<LayerSetBody, String> {
    let Some(levels) = levels.checked_sub(1) else {
        return Err(format!("a set of layers nests at most {SET_DEPTH_MAX} levels deep"));
    };
    *nodes += 1;
    if *nodes > SET_NODES_MAX {
        return Err(format!("a set of layers has at most {SET_NODES_MAX} layers and operators"));
    }
    let mut sets = |name: &str, list: &Value, least: usize| {
        let list = list.as_array().filter(|list| list.len() >= least);
        let list = list.ok_or_else(|| format!("`{name}` takes a list of {least} or more sets of layers"))?;
        list.iter().map(|set| read(set, levels, nodes)).collect::<Result<Vec<_>, String>>()
    };
    let object = match value {
        Value::String(name) if !name.is_empty() => return Ok(LayerSetBody::Layer(name.clone())),
        Value::Object(object) => object,
        _ => return Err(expected()),
    };
    let mut entries = object.iter();
    let (Some((name, inner)), None) = (entries.next(), entries.next()) else { return Err(expected()) };
    let operation = match name.as_str() {
        "all" => LayerOperationBody::All(sets(name, inner, 1)?),
        "any" => LayerOperationBody::Any(sets(name, inner, 1)?),
        "without" => LayerOperationBody::Without(sets(name, inner, 2)?),
        "at_least" => {
            let n = inner.get("n").and_then(Value::as_u64).and_then(|n| u32::try_from(n).ok());
            let (Some(n), Some(of), Some(2)) = (n, inner.get("of"), inner.as_object().map(serde_json::Map::len)) else {
                return Err("`at_least` takes {\"n\": 2, \"of\": [..]}, a whole number and a list of sets".to_owned());
            };
            let of = sets("of", of, 1)?;
            if n == 0 || n as usize > of.len() {
                return Err(format!("`n` of `at_least` is 1 to the number of its sets, {}, not {n}", of.len()));
            }
            LayerOperationBody::AtLeast { n, of }
        }
        other => return Err(format!("`{other}` is no operator of sets of layers; {}", expected())),
    };
    Ok(LayerSetBody::Of(operation))
}

fn expected() -> String {
    "a set of layers is a layer's name, or one of {\"all\": [..]}, {\"any\": [..]}, {\"at_least\": {\"n\": 2, \"of\": [..]}} and \
     {\"without\": [.., ..]}"
        .to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    /// What is read is written again as it was.
    #[test]
    fn sets_come_back() {
        for set in [
            json!("web"),
            json!({"all": ["a", {"any": ["b", "c"]}]}),
            json!({"at_least": {"n": 2, "of": ["a", "b", {"without": ["c", "d"]}]}}),
        ] {
            let read: LayerSetBody = serde_json::from_value(set.clone()).unwrap();
            assert_eq!(serde_json::to_value(read).unwrap(), set);
        }
    }

    /// Each refusal says what is wrong.
    #[test]
    fn other_json_is_refused() {
        let deep = (0..SET_DEPTH_MAX).fold(json!("a"), |inner, _| json!({ "all": [inner] }));
        for (set, part) in [
            (json!(""), "a layer's name"),
            (json!(7), "a layer's name"),
            (json!({}), "a layer's name"),
            (json!({"all": ["a"], "any": ["b"]}), "a layer's name"),
            (json!({"none": ["a"]}), "`none` is no operator"),
            (json!({"all": []}), "`all` takes a list of 1"),
            (json!({"without": ["a"]}), "`without` takes a list of 2"),
            (json!({"at_least": {"n": 3, "of": ["a", "b"]}}), "not 3"),
            (json!({"at_least": {"n": 0, "of": ["a", "b"]}}), "not 0"),
            (json!({"at_least": {"n": -1, "of": ["a", "b"]}}), "whole number"),
            (deep, "levels deep"),
            (json!({ "any": vec!["a"; SET_NODES_MAX] }), "at most 256"),
        ] {
            let refusal = LayerSetBody::read(&set).unwrap_err();
            assert!(refusal.contains(part), "{refusal}");
        }
    }
}

//! Hypergraphs as JSON: HIF (Hypergraph Interchange Format, Coll et al. 2025) and what XGI wrote before it.

use std::collections::BTreeMap;
use std::io::Read;
use std::path::Path;

use serde::Deserialize;
use serde_json::{Map, Value, json};
use skerry_sync::record::MEMBERS_MAX;

use super::super::{InputError, Place};
use super::{Again, Gathered, number, text_of};
use crate::body::{LinkBody, MemberBody};

/// The type of hyperedges that do not name one.
const KIND: &str = "hyperedge";

/// Bytes of a file that its format is told by.
const LOOK_BYTES: u64 = 64 << 10;

/// Names of members that texts are taken from.
const TEXTS: [&str; 3] = ["text", "label", "name"];

/// Whether a file looks like a hypergraph.
pub(super) fn is_one(path: &Path) -> bool {
    let mut begin = Vec::new();
    let read = std::fs::File::open(path).and_then(|file| file.take(LOOK_BYTES).read_to_end(&mut begin));
    let begin = String::from_utf8_lossy(&begin);
    let names = ["\"network-type\"", "\"incidences\"", "\"hypergraph-data\"", "\"edge-dict\""];
    read.is_ok() && names.iter().any(|name| begin.contains(name))
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "kebab-case")]
struct File {
    /// HIF.
    #[serde(default)]
    incidences: Option<Vec<Incidence>>,
    #[serde(default)]
    nodes: Vec<Node>,
    #[serde(default)]
    edges: Vec<Edge>,
    #[serde(default)]
    network_type: Option<String>,
    /// XGI.
    #[serde(default)]
    edge_dict: Option<BTreeMap<String, XgiMembers>>,
    #[serde(default)]
    node_data: BTreeMap<String, Map<String, Value>>,
    #[serde(default)]
    edge_data: BTreeMap<String, Map<String, Value>>,
}

#[derive(Debug, Deserialize)]
struct Incidence {
    edge: Value,
    node: Value,
    weight: Option<f64>,
    direction: Option<String>,
    #[serde(default)]
    attrs: Map<String, Value>,
}

#[derive(Debug, Deserialize)]
struct Node {
    #[serde(rename = "node")]
    name: Value,
    weight: Option<f64>,
    #[serde(default)]
    attrs: Map<String, Value>,
}

#[derive(Debug, Deserialize)]
struct Edge {
    #[serde(rename = "edge")]
    name: Value,
    weight: Option<f64>,
    #[serde(default)]
    attrs: Map<String, Value>,
}

#[derive(Debug, Deserialize)]
#[serde(untagged)]
enum XgiMembers {
    Undirected(Vec<Value>),
    Directed { tail: Vec<Value>, head: Vec<Value> },
}

/// A hyperedge while its members are gathered.
#[derive(Debug, Default)]
struct Draft {
    /// Role and key.
    members: Vec<(&'static str, String)>,
    weight: Option<f64>,
    attributes: Map<String, Value>,
    incidences: Map<String, Value>,
}

/// Reads a hypergraph.
pub(super) fn read(text: &str, gathered: &mut Gathered) -> Result<(), InputError> {
    let file: File = serde_json::from_str(text)
        .map_err(|error| gathered.fault(error.line(), error.column(), format!("it is not a hypergraph: {error}")))?;
    match (file.incidences, file.edge_dict) {
        (Some(incidences), _) => {
            let directed = file.network_type.as_deref() == Some("directed");
            hif(incidences, file.nodes, file.edges, directed, gathered)
        }
        (None, Some(edges)) => xgi(edges, file.node_data, file.edge_data, gathered),
        (None, None) => Err(gathered.fault(1, 0, "it has neither `incidences` (HIF) nor `edge-dict` (XGI)")),
    }
}

fn hif(
    incidences: Vec<Incidence>,
    nodes: Vec<Node>,
    edges: Vec<Edge>,
    directed: bool,
    gathered: &mut Gathered,
) -> Result<(), InputError> {
    for Node { name: node, weight, mut attrs } in nodes {
        if let Some(weight) = weight {
            attrs.entry("weight").or_insert(json!(weight));
        }
        add_node(&name(&node, gathered)?, attrs, gathered);
    }
    // In the order of the file: edges first that only say something about themselves.
    let mut order = Vec::new();
    let mut drafts: BTreeMap<String, Draft> = BTreeMap::new();
    for Edge { name: edge, weight, attrs } in edges {
        let edge = name(&edge, gathered)?;
        order.push(edge.clone());
        drafts.insert(edge, Draft { weight, attributes: attrs, ..Draft::default() });
    }
    for Incidence { edge, node, weight, direction, attrs } in incidences {
        let (edge, node) = (name(&edge, gathered)?, name(&node, gathered)?);
        add_node(&node, Map::new(), gathered);
        let draft = drafts.entry(edge.clone()).or_insert_with(|| {
            order.push(edge);
            Draft::default()
        });
        let role = match direction.as_deref() {
            Some("head") => "head",
            Some("tail") => "tail",
            _ if directed => {
                return Err(gathered.fault(1, 0, "an incidence of a directed hypergraph has no direction"));
            }
            _ => "member",
        };
        let mut said = attrs;
        if let Some(weight) = weight {
            said.insert("weight".to_owned(), json!(weight));
        }
        if !said.is_empty() {
            draft.incidences.insert(node.clone(), Value::Object(said));
        }
        draft.members.push((role, node));
    }
    for edge in order {
        if let Some(draft) = drafts.remove(&edge) {
            add_edge(&edge, draft, gathered)?;
        }
    }
    Ok(())
}

fn xgi(
    edges: BTreeMap<String, XgiMembers>,
    nodes: BTreeMap<String, Map<String, Value>>,
    mut attributes: BTreeMap<String, Map<String, Value>>,
    gathered: &mut Gathered,
) -> Result<(), InputError> {
    for (node, data) in nodes {
        add_node(&node, data, gathered);
    }
    for (edge, members) in edges {
        let parts = match members {
            XgiMembers::Undirected(members) => vec![("member", members)],
            XgiMembers::Directed { tail, head } => vec![("tail", tail), ("head", head)],
        };
        let mut draft = Draft { attributes: attributes.remove(&edge).unwrap_or_default(), ..Draft::default() };
        for (role, members) in parts {
            for member in members {
                let node = name(&member, gathered)?;
                add_node(&node, Map::new(), gathered);
                draft.members.push((role, node));
            }
        }
        add_edge(&edge, draft, gathered)?;
    }
    Ok(())
}

fn name(value: &Value, gathered: &Gathered) -> Result<String, InputError> {
    match value {
        Value::String(name) => Ok(name.clone()),
        Value::Number(number) => Ok(number.to_string()),
        other => {
            Err(gathered.fault(1, 0, format!("a node or an edge is called {other}; it should be a text or a number")))
        }
    }
}

fn add_node(key: &str, data: Map<String, Value>, gathered: &mut Gathered) {
    let record = gathered.record(key, Place::Whole);
    if !data.is_empty() {
        record.text = text_of(&data, &TEXTS);
        record.data = data;
    }
}

fn add_edge(edge: &str, draft: Draft, gathered: &mut Gathered) -> Result<(), InputError> {
    let Draft { mut members, weight, mut attributes, incidences } = draft;
    if members.is_empty() {
        gathered.notes.push(format!("the hyperedge `{edge}` has no members and was left out"));
        return Ok(());
    }
    if members.len() > MEMBERS_MAX {
        let reason = format!(
            "the hyperedge `{edge}` has {} members; a link has at most {MEMBERS_MAX}. Take it out, or cut it into several",
            members.len()
        );
        return Err(gathered.fault(1, 0, reason));
    }
    // Who is a member has no order within a role; a fixed one makes the same link of the same hyperedge, whoever wrote it.
    members.sort_by(|one, other| other.0.cmp(one.0).then_with(|| one.1.cmp(&other.1)));
    let kind = text_of(&attributes, &["type", "kind"]);
    let kind = if kind.is_empty() { KIND.to_owned() } else { kind };
    let mut link = LinkBody::of(&kind, &[]);
    link.members = members.iter().map(|(role, key)| MemberBody::record(role, key)).collect();
    let said = attributes.get("weight").and_then(|weight| weight.as_f64().or_else(|| number(weight.as_str()?)));
    if let Some(weight) = weight.or(said) {
        link.weight = weight;
        attributes.remove("weight");
    }
    link.qualifiers = attributes;
    link.qualifiers.insert("edge".to_owned(), json!(edge));
    if !incidences.is_empty() {
        link.qualifiers.insert("incidences".to_owned(), Value::Object(incidences));
    }
    gathered.link(link, Place::Whole, Again::Number);
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read_text(text: &str) -> Result<super::super::Graph, InputError> {
        let mut gathered = Gathered::new("h.json");
        read(text, &mut gathered)?;
        Ok(gathered.finish())
    }

    /// One hypergraph as XGI 0.9.4 writes it as JSON and as HIF (tests/fixtures/graphs): the same records and links.
    #[test]
    fn both_forms_are_the_same() {
        let json = |text: &str| {
            let graph = read_text(text).unwrap();
            graph.records.into_iter().map(|found| serde_json::to_value(&found.record).unwrap()).collect::<Vec<_>>()
        };
        let hif = json(include_str!("../../../tests/fixtures/graphs/xgi.hif.json"));
        assert_eq!(hif, json(include_str!("../../../tests/fixtures/graphs/xgi.json")));
        assert_eq!(hif.len(), 4);
        assert_eq!((&hif[0]["key"], &hif[0]["text"]), (&json!("a"), &json!("Anna")));
        let links = hif[0]["links"].as_array().unwrap();
        assert_eq!(links.len(), 2);
        assert_eq!((&links[0]["type"], &links[0]["weight"]), (&json!("hyperedge"), &json!(0.5)));
        assert_eq!(links[0]["qualifiers"], json!({"edge": "0", "id": "e1", "topic": "tide"}));
        // Two hyperedges of the same members stay two.
        assert_eq!(links[1]["type"], "hyperedge #2");
        assert_eq!(hif[3]["links"][0]["members"].as_array().unwrap().len(), 1);
    }

    /// Directed: tails before heads.
    #[test]
    fn directions_are_roles() {
        let graph = read_text(include_str!("../../../tests/fixtures/graphs/directed.hif.json")).unwrap();
        let links: Vec<_> = graph.records.iter().flat_map(|found| &found.record.links).collect();
        let shown = |link: &LinkBody| -> Vec<String> {
            link.members.iter().map(|member| format!("{}:{}", member.role, member.key.as_deref().unwrap())).collect()
        };
        assert_eq!(shown(links[0]), ["tail:a", "tail:b", "head:c"]);
        assert_eq!(shown(links[1]), ["tail:c", "head:a", "head:d"]);
    }

    /// What cannot be taken is refused with the reason.
    #[test]
    fn other_files_are_refused() {
        let refused = |text: &str| read_text(text).unwrap_err().to_string();
        assert!(refused("{").starts_with("h.json:1:"));
        assert!(refused("{}").contains("neither"));
        assert!(refused(r#"{"incidences": [{"edge": null, "node": 1}]}"#).contains("text or a number"));
        let many: Vec<Value> = (0..65).map(|node| json!({"edge": "big", "node": node})).collect();
        assert!(refused(&json!({ "incidences": many }).to_string()).contains("`big` has 65 members"));
        let graph = read_text(r#"{"incidences": [], "edges": [{"edge": "none"}]}"#).unwrap();
        assert!(graph.notes[0].contains("no members"));
    }
}

//! A project as a hypergraph in HIF (Hypergraph Interchange Format: Coll et al. 2025).

use serde_json::{Map, Value, json};

use crate::body::{LinkBody, RecordBody};

/// The document of a project's records: each record a node, each link an edge named by its id, with the type, and qualifiers and
/// layers where it has some, as attributes. Layers of records, valid time and texts are attributes, too. A member that is a link
/// names the node `link:<id>`. Directed when a link's members have the roles `head` and `tail` only.
pub fn document(records: &[RecordBody]) -> Value {
    let links: Vec<(String, &LinkBody)> = records
        .iter()
        .flat_map(|record| &record.links)
        .filter_map(|link| Some((link.clone().into_link().ok()?.id(), link)))
        .collect();
    let is_directed =
        |link: &LinkBody| link.members.iter().all(|member| matches!(member.role.as_str(), "head" | "tail"));
    let directed = !links.is_empty() && links.iter().all(|(_, link)| is_directed(link));
    let nodes: Vec<Value> = records.iter().map(node).collect();
    let (mut edges, mut incidences) = (Vec::new(), Vec::new());
    for (id, link) in links {
        edges.push(edge(&id, link));
        for member in &link.members {
            let node = match (&member.key, &member.link) {
                (Some(key), _) => key.clone(),
                (None, other) => format!("link:{}", other.as_deref().unwrap_or_default()),
            };
            incidences.push(if directed {
                json!({ "edge": id, "node": node, "direction": member.role })
            } else {
                json!({ "edge": id, "node": node, "attrs": { "role": member.role } })
            });
        }
    }
    let kind = if directed { "directed" } else { "undirected" };
    json!({ "network-type": kind, "metadata": {}, "nodes": nodes, "edges": edges, "incidences": incidences })
}

fn node(record: &RecordBody) -> Value {
    let mut attributes = record.data.clone();
    if !record.text.is_empty() {
        attributes.entry("text").or_insert_with(|| json!(record.text));
    }
    if !record.layers.is_empty() {
        attributes.entry("layers").or_insert_with(|| json!(record.layers));
    }
    json!({ "node": record.key, "attrs": attributes })
}

fn edge(id: &str, link: &LinkBody) -> Value {
    let mut attributes: Map<String, Value> = link.qualifiers.clone();
    attributes.insert("type".to_owned(), json!(link.kind));
    if !link.layers.is_empty() {
        attributes.insert("layers".to_owned(), json!(link.layers));
    }
    json!({ "edge": id, "weight": link.weight, "attrs": attributes })
}

//! `GraphML` (Brandes et al. 2002): nodes are records, edges and hyperedges links. A graph inside a node is a hierarchy.

use std::collections::BTreeMap;

use roxmltree::{Document, Node, ParsingOptions};
use serde_json::{Map, Value, json};
use skerry_sync::PARENT;

use super::super::{InputError, Place};
use super::{Again, Gathered, number, text_of};
use crate::body::{LinkBody, MemberBody};

/// The type of edges that do not name one.
const KIND: &str = "edge";

/// Names of data that the text is taken from.
const TEXTS: [&str; 3] = ["text", "label", "name"];

/// Names of data that a link's type is taken from.
const KINDS: [&str; 4] = ["type", "kind", "relation", "label"];

/// Graphs inside of nodes, levels at most.
const DEPTH_MAX: usize = 64;

/// What a `key` declares: the name and the type of data, and its default.
struct Key<'a> {
    name: &'a str,
    kind: &'a str,
    domain: &'a str,
    default: Option<Value>,
}

/// Reads a `GraphML` document.
pub(super) fn read(text: &str, gathered: &mut Gathered) -> Result<(), InputError> {
    let options = ParsingOptions { nodes_limit: u32::MAX, ..ParsingOptions::default() };
    let document = Document::parse_with_options(text, options).map_err(|error| {
        let at = error.pos();
        gathered.fault(at.row as usize, at.col as usize, error.to_string())
    })?;
    let root = document.root_element();
    if root.tag_name().name() != "graphml" {
        return Err(gathered.fault(1, 0, "it is XML, but not GraphML: its root is not `graphml`"));
    }
    let mut file = File { document: &document, keys: BTreeMap::new() };
    for key in named(root, "key") {
        let id = key.attribute("id").unwrap_or_default();
        let name = key.attribute("attr.name").unwrap_or(id);
        let kind = key.attribute("attr.type").unwrap_or("string");
        let domain = key.attribute("for").unwrap_or("all");
        let default = named(key, "default").next().and_then(|default| value(plain(default), kind));
        file.keys.insert(id, Key { name, kind, domain, default });
    }
    let mut graphs = named(root, "graph").peekable();
    if graphs.peek().is_none() {
        return Err(gathered.fault(1, 0, "it has no graph"));
    }
    graphs.try_for_each(|graph| file.graph(graph, None, DEPTH_MAX, gathered))
}

struct File<'a> {
    document: &'a Document<'a>,
    keys: BTreeMap<&'a str, Key<'a>>,
}

fn named<'a>(node: Node<'a, 'a>, name: &'static str) -> impl Iterator<Item = Node<'a, 'a>> {
    node.children().filter(move |child| child.tag_name().name() == name)
}

fn plain<'a>(node: Node<'a, 'a>) -> &'a str {
    node.text().unwrap_or_default()
}

/// A value of a declared type; none where the text is none.
fn value(text: &str, kind: &str) -> Option<Value> {
    match kind {
        "boolean" => match text.trim().to_ascii_lowercase().as_str() {
            "true" | "1" => Some(json!(true)),
            "false" | "0" => Some(json!(false)),
            _ => None,
        },
        "int" | "long" => text.trim().parse::<i64>().ok().map(Value::from),
        "float" | "double" => number(text).map(|number| json!(number)),
        _ => Some(json!(text)),
    }
}

impl<'a> File<'a> {
    fn fault(&self, node: Node<'_, '_>, reason: String, gathered: &Gathered) -> InputError {
        let at = self.document.text_pos_at(node.range().start);
        gathered.fault(at.row as usize, at.col as usize, reason)
    }

    fn place(&self, node: Node<'_, '_>) -> Place {
        Place::Line(self.document.text_pos_at(node.range().start).row as usize)
    }

    fn graph(
        &self,
        graph: Node<'a, 'a>,
        inside: Option<&str>,
        levels: usize,
        gathered: &mut Gathered,
    ) -> Result<(), InputError> {
        let Some(levels) = levels.checked_sub(1) else {
            return Err(self.fault(
                graph,
                format!("graphs stand inside of nodes more than {DEPTH_MAX} levels deep"),
                gathered,
            ));
        };
        let directed = graph.attribute("edgedefault") != Some("undirected");
        for child in graph.children().filter(Node::is_element) {
            match child.tag_name().name() {
                "node" => self.node(child, inside, levels, gathered)?,
                "edge" => self.edge(child, directed, gathered)?,
                "hyperedge" => self.hyperedge(child, gathered)?,
                _ => {}
            }
        }
        Ok(())
    }

    fn node(
        &self,
        node: Node<'a, 'a>,
        inside: Option<&str>,
        levels: usize,
        gathered: &mut Gathered,
    ) -> Result<(), InputError> {
        let place = self.place(node);
        let Some(key) = node.attribute("id") else {
            return Err(self.fault(node, "a node has no `id`".to_owned(), gathered));
        };
        let data = self.data(node, "node", gathered)?;
        let record = gathered.record(key, place);
        record.text = text_of(&data, &TEXTS);
        record.data = data;
        if let Some(parent) = inside {
            gathered.link(LinkBody::of(PARENT, &[("child", key), ("parent", parent)]), place, Again::Join);
        }
        named(node, "graph").try_for_each(|graph| self.graph(graph, Some(key), levels, gathered))
    }

    fn edge(&self, edge: Node<'a, 'a>, directed: bool, gathered: &mut Gathered) -> Result<(), InputError> {
        let place = self.place(edge);
        let (Some(source), Some(target)) = (edge.attribute("source"), edge.attribute("target")) else {
            return Err(self.fault(edge, "an edge has no `source` or no `target`".to_owned(), gathered));
        };
        let directed = edge.attribute("directed").map_or(directed, |directed| directed == "true");
        let members = if directed {
            [("source", source), ("target", target)]
        } else {
            // An undirected edge has no first end; a fixed one makes it the same link, however it is written.
            [("node", source.min(target)), ("node", source.max(target))]
        };
        let members = members.iter().map(|(role, key)| MemberBody::record(role, key)).collect();
        self.link(edge, members, place, gathered)
    }

    fn hyperedge(&self, edge: Node<'a, 'a>, gathered: &mut Gathered) -> Result<(), InputError> {
        let place = self.place(edge);
        let mut members = Vec::new();
        for endpoint in named(edge, "endpoint") {
            let Some(node) = endpoint.attribute("node") else {
                return Err(self.fault(endpoint, "an endpoint has no `node`".to_owned(), gathered));
            };
            let role = match endpoint.attribute("type") {
                Some("in") => "tail",
                Some("out") => "head",
                _ => "member",
            };
            members.push(MemberBody::record(role, node));
        }
        members.sort_by(|one, other| other.role.cmp(&one.role).then_with(|| one.key.cmp(&other.key)));
        self.link(edge, members, place, gathered)
    }

    fn link(
        &self,
        edge: Node<'a, 'a>,
        members: Vec<MemberBody>,
        place: Place,
        gathered: &mut Gathered,
    ) -> Result<(), InputError> {
        let mut data = self.data(edge, "edge", gathered)?;
        let kind = text_of(&data, &KINDS);
        let mut link = LinkBody::of(if kind.is_empty() { KIND } else { &kind }, &[]);
        link.members = members;
        if let Some(weight) = data.get("weight").and_then(Value::as_f64) {
            link.weight = weight;
            data.remove("weight");
        }
        if let Some(id) = edge.attribute("id") {
            data.entry("id").or_insert_with(|| json!(id));
        }
        link.qualifiers = data;
        for key in link.members.iter().filter_map(|member| member.key.clone()).collect::<Vec<_>>() {
            gathered.record(&key, place);
        }
        gathered.link(link, place, Again::Number);
        Ok(())
    }

    /// The data of a node or an edge by name, defaults included.
    fn data(&self, node: Node<'a, 'a>, domain: &str, gathered: &Gathered) -> Result<Map<String, Value>, InputError> {
        let mut data = Map::new();
        for key in self.keys.values().filter(|key| key.domain == domain || key.domain == "all") {
            if let Some(default) = &key.default {
                data.insert(key.name.to_owned(), default.clone());
            }
        }
        for entry in named(node, "data") {
            let id = entry.attribute("key").unwrap_or_default();
            let Some(key) = self.keys.get(id) else {
                return Err(self.fault(entry, format!("the data key `{id}` is not declared"), gathered));
            };
            let text = plain(entry);
            let value = value(text, key.kind);
            let value = value.ok_or_else(|| self.fault(entry, format!("`{text}` is no {}", key.kind), gathered))?;
            data.insert(key.name.to_owned(), value);
        }
        Ok(data)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read_text(text: &str) -> Result<super::super::Graph, InputError> {
        let mut gathered = Gathered::new("g.graphml");
        read(text, &mut gathered)?;
        Ok(gathered.finish())
    }

    /// What networkx 3.6.1 writes (tests/fixtures/graphs): typed data, weights, and parallel edges that stay several.
    #[test]
    fn graphs_of_networkx_are_read() {
        let graph = read_text(include_str!("../../../tests/fixtures/graphs/directed.graphml")).unwrap();
        let json = |index: usize| serde_json::to_value(&graph.records[index].record).unwrap();
        assert_eq!(json(0)["key"], "iona");
        let oban = json(2);
        assert_eq!(oban["text"], "Oban");
        assert_eq!(oban["data"], json!({"label": "Oban", "depth": 12.5, "open": true, "berths": 3}));
        let link = &oban["links"][0];
        assert_eq!((&link["type"], &link["weight"]), (&json!("ferry"), &json!(0.5)));
        let multi = read_text(include_str!("../../../tests/fixtures/graphs/multi.graphml")).unwrap();
        let kinds: Vec<&str> =
            multi.records.iter().flat_map(|found| &found.record.links).map(|link| link.kind.as_str()).collect();
        assert_eq!(kinds, ["edge", "edge #2", "edge"]);
    }

    /// Defaults, hyperedges, a graph inside of a node, undirected edges.
    #[test]
    fn the_rest_of_graphml() {
        let text = r#"<graphml xmlns="http://graphml.graphdrawing.org/xmlns">
          <key id="c" for="node" attr.name="colour" attr.type="string"><default>grey</default></key>
          <graph edgedefault="undirected"><node id="b"><graph edgedefault="directed"><node id="b::1"/></graph></node>
          <node id="a"><data key="c">red</data></node><edge source="b" target="a"/>
          <hyperedge><endpoint node="b" type="out"/><endpoint node="a" type="in"/><endpoint node="new"/></hyperedge></graph></graphml>"#;
        let graph = read_text(text).unwrap();
        let keys: Vec<&str> = graph.records.iter().map(|found| found.record.key.as_str()).collect();
        assert_eq!(keys, ["a", "b", "b::1", "new"]);
        let record = |index: usize| &graph.records[index].record;
        assert_eq!((&record(0).data["colour"], &record(1).data["colour"]), (&json!("red"), &json!("grey")));
        assert_eq!(record(2).links[0].kind, PARENT);
        let roles: Vec<&str> = record(0).links[1].members.iter().map(|member| member.role.as_str()).collect();
        assert_eq!((record(0).links[0].members[0].key.as_deref(), roles), (Some("a"), vec!["tail", "member", "head"]));
    }

    /// A fault says its place.
    #[test]
    fn faults_have_a_place() {
        let refused = |inner: &str| {
            let text = format!("<graphml><key id='n' for='node' attr.name='n' attr.type='int'/>\n{inner}</graphml>");
            read_text(&text).unwrap_err().to_string()
        };
        assert!(refused("").contains("no graph"));
        assert!(refused("<graph><node/></graph>").starts_with("g.graphml:2:8: a node has no `id`"));
        assert!(refused("<graph><edge source='a'/></graph>").contains("no `target`"));
        assert!(refused("<graph><node id='a'><data key='n'>x</data></node></graph>").contains("`x` is no int"));
        assert!(refused("<graph><node id='a'><data key='m'>1</data></node></graph>").contains("not declared"));
        assert!(read_text("<a/>").unwrap_err().to_string().contains("not GraphML"));
        assert!(read_text("<graphml>").unwrap_err().to_string().starts_with("g.graphml:1:"));
        let deep = format!("{}{}", "<graph><node id='x'>".repeat(100), "</node></graph>".repeat(100));
        assert!(refused(&deep).contains("levels deep"));
    }
}

//! The project's graph follows its records: written here, deleted, erased, restarted.

use serde_json::json;
use skerry_edge::ProjectName;
use skerry_edge::api::ApiConfig;
use skerry_edge::graph::ProjectGraphError;
use skerry_edge::node::SEAL_AFTER;
use skerry_host::types::graph::{Direction, Name, PatternLink, Scalar, Selection, Term};

use crate::TestNode;

fn project() -> ProjectName {
    ProjectName::parse("p").unwrap()
}

/// The keys next to one, along the links.
fn neighbours(node: &TestNode, key: &str) -> Option<Vec<String>> {
    let ask = |graph: &mut skerry_host::GraphInstance| {
        let Some(number) = graph.find(&[Name::Key(key.to_owned())])?[0] else { return Ok(None) };
        let view = graph.open(&Selection { direction: Direction::Forward, ..Selection::default() })?;
        let found = graph.neighbours(&view, number)?;
        let names = graph.names(&found)?;
        graph.close(view)?;
        let key = |name| match name {
            Name::Key(key) | Name::Link(key) => key,
        };
        let mut keys: Vec<String> = names.into_iter().map(key).collect();
        keys.sort();
        Ok::<_, ProjectGraphError>(Some(keys))
    };
    node.node.graph(&project()).with(ask).unwrap()
}

fn linked(key: &str, to: &[&str]) -> serde_json::Value {
    let link = |to: &&str| {
        json!({"type": "next", "members": [{"role": "from", "key": key}, {"role": "to", "key": to}],
            "qualifiers": {"source": {"name": "chart"}, "sure": [1, true]}})
    };
    json!({"key": key, "links": to.iter().map(link).collect::<Vec<_>>()})
}

/// What was written is there in the next answer; deleted it is gone, and dangles where it is named; after a restart it is as
/// before.
#[tokio::test(flavor = "multi_thread")]
async fn the_graph_sees_every_write() {
    let data = tempfile::tempdir().unwrap();
    let node = TestNode::over(data.path(), &ApiConfig::default(), SEAL_AFTER, None);
    assert_eq!(node.call("PUT", "/projects/p", &json!({})).await.0, 201);
    assert_eq!(neighbours(&node, "a"), None);
    let publish = async |records: serde_json::Value| {
        let (status, answer) = node.call("POST", "/projects/p/records", &json!({ "records": records })).await;
        assert_eq!(status, 200, "{answer}");
    };
    publish(json!([linked("a", &["b", "c"]), linked("b", &["c"])])).await;
    assert_eq!(neighbours(&node, "a").unwrap(), ["b", "c"]);
    publish(json!([linked("a", &["c"])])).await;
    assert_eq!(neighbours(&node, "a").unwrap(), ["c"]);
    assert_eq!(node.call("POST", "/projects/p/delete", &json!({"keys": ["b"]})).await.0, 200);
    assert_eq!(neighbours(&node, "b"), None);
    let dangling = node.node.graph(&project()).with(|graph| {
        let found = graph.dangling(0, 10)?;
        Ok::<_, ProjectGraphError>(graph.names(&found.iter().map(|one| one.0).collect::<Vec<_>>())?)
    });
    assert_eq!(dangling.unwrap(), [Name::Key("c".to_owned())]);
    // Qualifiers are asked for by their dotted paths, elements of a list under the list's.
    let rows = node.node.graph(&project()).with(|graph| {
        let view = graph.open(&Selection::default())?;
        let wanted = [("source.name", Scalar::Text("chart".to_owned())), ("sure", Scalar::Boolean(true))];
        let pattern = PatternLink {
            types: Vec::new(),
            members: vec![(Some("to".to_owned()), Term::Variable(0))],
            this: None,
            qualifiers: wanted.map(|(path, value)| (path.to_owned(), value)).to_vec(),
        };
        let rows = graph.find_pattern(&view, &[pattern], 0, 10)?;
        graph.close(view)?;
        Ok::<_, ProjectGraphError>(rows.rows.len())
    });
    assert_eq!(rows.unwrap(), 1);
    drop(node);
    let node = TestNode::over(data.path(), &ApiConfig::default(), SEAL_AFTER, None);
    assert_eq!(neighbours(&node, "a").unwrap(), ["c"]);
}

/// After an erasure the graph is another one: no name of what is gone has a number any more.
#[tokio::test(flavor = "multi_thread")]
async fn an_erased_record_leaves_the_graph() {
    let node = TestNode::new();
    assert_eq!(node.call("PUT", "/projects/p", &json!({})).await.0, 201);
    let records = json!({"records": [linked("a", &["b"]), linked("b", &["a"]), linked("z", &["a"])]});
    assert_eq!(node.call("POST", "/projects/p/records", &records).await.0, 200);
    assert_eq!(neighbours(&node, "z").unwrap(), ["a"]);
    assert_eq!(node.call("POST", "/projects/p/erase", &json!({"keys": ["b"]})).await.0, 200);
    assert_eq!(neighbours(&node, "a").unwrap(), ["b"], "a still names what is gone");
    assert_eq!(node.call("POST", "/projects/p/delete", &json!({"keys": ["a"]})).await.0, 200);
    assert_eq!(neighbours(&node, "b"), None);
}

/// A graph whose component failed is made anew for the next who asks.
#[tokio::test(flavor = "multi_thread")]
async fn a_poisoned_graph_is_made_anew() {
    let node = TestNode::new();
    assert_eq!(node.call("PUT", "/projects/p", &json!({})).await.0, 201);
    let records = json!({"records": [linked("a", &["b"])]});
    assert_eq!(node.call("POST", "/projects/p/records", &records).await.0, 200);
    assert_eq!(neighbours(&node, "a").unwrap(), ["b"]);
    // A view of one graph means nothing in another: the component is told of a handle that it never gave.
    let graph = node.node.graph(&project());
    let foreign = {
        let other = TestNode::new();
        assert_eq!(other.call("PUT", "/projects/p", &json!({})).await.0, 201);
        let open =
            |graph: &mut skerry_host::GraphInstance| Ok::<_, ProjectGraphError>(graph.open(&Selection::default())?);
        other.node.graph(&project()).with(open).unwrap()
    };
    let failed = graph.with(|graph| Ok::<_, ProjectGraphError>(graph.neighbours(&foreign, 0)?));
    assert!(failed.is_err());
    assert_eq!(neighbours(&node, "a").unwrap(), ["b"]);
}

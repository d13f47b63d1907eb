//! The project's graph follows its records: written here, deleted, erased, restarted.

use serde_json::{Value, json};
use skerry_edge::ProjectName;
use skerry_edge::api::ApiConfig;
use skerry_edge::graph::ProjectGraphError;
use skerry_edge::node::SEAL_AFTER;
use skerry_host::types::graph::{Direction, Name, PatternLink, Scalar, Selection, Term};

use crate::TestNode;
use crate::process::{Server, ok};

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
    assert_eq!(node.call("POST", "/projects/p/deletions", &json!({"keys": ["b"]})).await.0, 200);
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
    assert_eq!(node.call("POST", "/projects/p/deletions", &json!({"keys": ["a"]})).await.0, 200);
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

fn post(server: &Server, path: &str, body: &Value) -> Value {
    let (status, answer) = server.request("POST", &format!("/projects/p/{path}"), Some(body)).unwrap();
    assert_eq!(status, 200, "{path} {body}: {answer}");
    answer
}

fn arc(kind: &str, to: &str, weight: f64) -> Value {
    let members = json!([{"role": "from", "key": "a"}, {"role": "to", "key": to}]);
    json!({"type": kind, "members": members, "weight": weight})
}

/// Two replicas change the links and the layers of the same records while they are apart. After one sync both graphs hold what
/// either did, and answer every question alike.
#[test]
fn replicas_that_were_apart_have_one_graph() {
    let (a, b) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let (a, b) = (a.path(), b.path());
    let here = Server::start(a);
    assert_eq!(here.request("PUT", "/projects/p", Some(&json!({}))).unwrap().0, 201);
    let base = json!({"records": [
        {"key": "a", "text": "one", "links": [arc("t", "b", 1.0), arc("t", "c", 1.0)]},
        {"key": "b", "text": "two", "layers": ["x"]},
        {"key": "c", "text": "three", "links": [linked("c", &["b"])["links"][0]]},
        {"key": "gone", "text": "four", "links": [linked("gone", &["a"])["links"][0]]},
    ]});
    post(&here, "records", &base);
    ok(b, &["sync", &here.url]);
    let there = Server::start(b);
    // Asked before, both graphs must follow what comes by the sync.
    let next = |server: &Server| {
        let answer = post(server, "graph/neighbours", &json!({"of": ["a"], "selection": {"direction": "forward"}}));
        let nodes = answer["nodes"][0]["neighbours"].as_array().unwrap().iter();
        nodes.map(|node| node["key"].as_str().unwrap().to_owned()).collect::<Vec<String>>()
    };
    assert_eq!(
        (next(&here), next(&there)),
        (vec!["b".to_owned(), "c".to_owned()], vec!["b".to_owned(), "c".to_owned()])
    );

    // One adds a link and a layer, and weighs another link; the other takes one out, adds one, deletes a record, and adds a layer.
    let one = json!({"records": [
        {"key": "a", "text": "one", "links": [arc("t", "b", 2.5), arc("t", "c", 1.0), arc("t", "d", 1.0)]},
        {"key": "b", "text": "two", "layers": ["x", "y"]},
    ]});
    post(&here, "records", &one);
    let other = json!({"records": [
        {"key": "a", "text": "one", "links": [arc("t", "b", 1.0), arc("u", "e", 1.0)]},
        {"key": "b", "text": "two", "layers": ["x", "z"]},
        {"key": "e", "text": "five", "layers": ["z"]},
    ]});
    post(&there, "records", &other);
    post(&there, "deletions", &json!({"keys": ["gone"]}));
    assert_eq!(here.request("PUT", "/projects/p/layers/y", Some(&json!({"weight": 2.0}))).unwrap().0, 201);
    assert_eq!(there.request("PUT", "/projects/p/layers/z", Some(&json!({"inherits": ["x"]}))).unwrap().0, 201);
    assert_eq!(
        (next(&here), next(&there)),
        (vec!["b".into(), "c".into(), "d".into()], vec!["b".to_owned(), "e".into()])
    );
    drop(there);
    ok(b, &["sync", &here.url]);
    let there = Server::start(b);

    assert_eq!(next(&here), ["b", "d", "e"], "what either did");
    let star = json!({"of": ["a"], "selection": {"expansion": "star"}});
    let questions = [
        ("graph/neighbours", star),
        ("graph/incidence", json!({"of": "a"})),
        ("graph/reach", json!({"from": ["c"], "hops": 3})),
        ("graph/path", json!({"from": "c", "to": "e", "length": "weight"})),
        ("graph/pattern", json!({"pattern": "?x -[t]-> ?y"})),
        ("graph/components", json!({})),
        ("graph/centrality", json!({"measure": "strength"})),
        ("graph/report", json!({})),
        ("graph/components", json!({"selection": {"layers": "z"}})),
    ];
    for (path, body) in questions {
        let ask = |server: &Server| {
            let (status, mut answer) = server.request("POST", &format!("/projects/p/{path}"), Some(&body)).unwrap();
            // The memory a graph takes is of the way it came to be: one of them was read whole, the other followed.
            if let (Some(fields), "graph/report") = (answer.as_object_mut(), path) {
                assert!(fields.remove("bytes").is_some_and(|bytes| bytes.as_u64() > Some(0)));
            }
            (status, answer)
        };
        let (mine, theirs) = (ask(&here), ask(&there));
        assert_eq!(mine, theirs, "{path} {body}");
        assert_ne!(mine.0, 404, "{path}");
    }
    let layers = |server: &Server| server.request("GET", "/projects/p/layers", None).unwrap();
    assert_eq!(layers(&here), layers(&there));
    let (_, record) = here.request("GET", "/projects/p/records/b", None).unwrap();
    assert_eq!(record["layers"], json!(["x", "y", "z"]), "{record}");
}

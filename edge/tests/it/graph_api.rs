//! The graph over HTTP and by the command line.

use serde_json::{Value, json};

use super::TestNode;

/// A hierarchy of five, a relation across, a hyperlink, a link over a link, and a member that is not there.
pub(crate) async fn filled() -> TestNode {
    let node = TestNode::new();
    assert_eq!(node.call("PUT", "/projects/p", &json!({})).await.0, 201);
    let parent = |child: &str, parent: &str| json!({"type": "parent", "members": [{"role": "child", "key": child}, {"role": "parent", "key": parent}]});
    let precedes = |one: &str, other: &str| json!({"type": "precedes", "members": [{"role": "subject", "key": one}, {"role": "object", "key": other}], "layers": ["web"]});
    let records = json!({"records": [
        {"key": "top", "text": "weaknesses of software"},
        {"key": "a", "text": "injection of commands", "links": [parent("a", "top")]},
        {"key": "b", "text": "overflow of buffers", "links": [parent("b", "top")], "layers": ["memory"]},
        {"key": "c", "text": "injection of scripts", "links": [parent("c", "a"), precedes("c", "b")]},
        {"key": "d", "text": "overflow of the stack", "links": [parent("d", "b"), precedes("d", "gone")], "layers": ["memory"]},
        {"key": "deal", "text": "a contract", "links": [{"type": "contract", "members": [
            {"role": "buyer", "key": "a"}, {"role": "seller", "key": "b"}, {"role": "witness", "key": "c"}]}]},
    ]});
    let (status, answer) = node.call("POST", "/projects/p/records", &records).await;
    assert_eq!(status, 200, "{answer}");
    node
}

async fn ask(node: &TestNode, what: &str, body: &Value) -> Value {
    let (status, answer) = node.call("POST", &format!("/projects/p/graph/{what}"), body).await;
    assert_eq!(status, 200, "{what} {body}: {answer}");
    answer
}

fn keys(nodes: &Value) -> Vec<&str> {
    let nodes = nodes.as_array().unwrap().iter();
    nodes.map(|node| if node["node"].is_object() { &node["node"] } else { node }["key"].as_str().unwrap()).collect()
}

/// Steps, neighbourhoods and paths, with types, directions and layers.
#[tokio::test]
async fn walks() {
    let node = filled().await;
    let answer =
        ask(&node, "neighbours", &json!({"of": ["top", {"key": "a"}], "selection": {"types": ["parent"]}})).await;
    assert_eq!(keys(&answer["nodes"][0]["neighbours"]), ["a", "b"]);
    assert_eq!(keys(&answer["nodes"][1]["neighbours"]), ["c", "top"]);
    let answer = ask(&node, "reach", &json!({"from": ["top"], "hops": 2, "selection": {"types": ["parent"]}})).await;
    assert_eq!(keys(&answer["nodes"]), ["top", "a", "b", "c", "d"]);
    assert_eq!((&answer["nodes"][4]["distance"], &answer["nodes"][4]["before"]["key"]), (&json!(2), &json!("b")));
    let few =
        ask(&node, "reach", &json!({"from": ["top"], "hops": 2, "limit": 2, "selection": {"types": ["parent"]}})).await;
    assert_eq!((keys(&few["nodes"]), &few["complete"]), (vec!["top", "a"], &json!(false)));
    let layer = ask(&node, "neighbours", &json!({"of": ["c"], "selection": {"layers": "web"}})).await;
    assert_eq!(keys(&layer["nodes"][0]["neighbours"]), ["b"]);
    let path = ask(&node, "path", &json!({"from": "d", "to": "c", "selection": {"types": ["parent"]}})).await;
    assert_eq!(keys(&path["path"]["nodes"]), ["d", "b", "top", "a", "c"]);
    assert_eq!(path["path"]["cost"], 4.0);
    let none = ask(
        &node,
        "path",
        &json!({"from": "top", "to": "d", "selection": {"types": ["parent"], "direction": "forward"}}),
    )
    .await;
    assert_eq!(none["path"], Value::Null);
    let links = ask(&node, "incidence", &json!({"of": "b", "selection": {"types": ["contract"]}})).await;
    assert_eq!(
        (&links["links"][0]["roles"], &links["links"][0]["members"][0]),
        (&json!(["seller"]), &json!({"role": "buyer", "key": "a"}))
    );
    let id = links["links"][0]["id"].as_str().unwrap();
    let star = ask(&node, "neighbours", &json!({"of": [{"link": id}], "selection": {"expansion": "star"}})).await;
    assert_eq!(keys(&star["nodes"][0]["neighbours"]), ["a", "b", "c"]);
    let siblings =
        json!({"from": "a", "steps": [{"types": ["parent"]}, {"types": ["parent"], "direction": "backward"}]});
    let answer = ask(&node, "metapath", &siblings).await;
    assert_eq!(keys(&answer["nodes"]), ["a", "b"]);
}

/// Patterns as text and as JSON; both directions of an arrow; a page.
#[tokio::test]
async fn patterns() {
    let node = filled().await;
    let rows = |answer: &Value| -> Vec<String> {
        let rows = answer["rows"].as_array().unwrap().iter();
        rows.map(|row| keys(row).join(" ")).collect()
    };
    let of = |pattern: &str| json!({ "pattern": pattern });
    let answer = ask(&node, "pattern", &of("?x -[precedes]-> ?y; ?y -[parent]-> top")).await;
    assert_eq!((rows(&answer), &answer["variables"]), (vec!["c b".to_owned()], &json!(["x", "y"])));
    assert_eq!(rows(&ask(&node, "pattern", &of("?x -[parent]-> ?y")).await), ["a top", "b top", "c a", "d b"]);
    assert_eq!(rows(&ask(&node, "pattern", &of("top <-[parent]- ?y")).await), ["a", "b"]);
    assert_eq!(rows(&ask(&node, "pattern", &of("a -[parent]- ?y")).await), ["c", "top"]);
    assert_eq!(rows(&ask(&node, "pattern", &of("contract(buyer: ?b, witness: ?w)")).await), ["a c"]);
    let links = json!({"links": [{"types": ["parent"], "arc": true, "members": [{"variable": "x"}, {"key": "top"}]}], "limit": 1});
    let page = ask(&node, "pattern", &links).await;
    assert_eq!((rows(&page), &page["next_offset"]), (vec!["a".to_owned()], &json!(1)));
    let (status, problem) = node.call("POST", "/projects/p/graph/pattern", &of("?x -[precedes]> ?y")).await;
    assert_eq!((status, &problem["position"]), (400, &json!(13)), "{problem}");
    let mixed = node.refused("POST", "/projects/p/graph/pattern", &of("?x -[parent]-> ?y -[parent]- ?z")).await;
    assert_eq!(mixed, (400, "invalid-query".to_owned()));
}

/// The hierarchy, and what is said of the whole.
#[tokio::test]
async fn hierarchies_and_measures() {
    let node = filled().await;
    let of = |key: &str| json!({"of": [key]});
    assert_eq!(keys(&ask(&node, "ancestors", &of("c")).await["nodes"]), ["c", "a", "top"]);
    assert_eq!(
        keys(&ask(&node, "descendants", &json!({"of": ["top"], "levels": 1})).await["nodes"]),
        ["top", "a", "b"]
    );
    assert_eq!(keys(&ask(&node, "common-ancestors", &json!({"of": ["c", "d"]})).await["nodes"]), ["top"]);
    assert_eq!(ask(&node, "depth", &of("c")).await["nodes"][0]["depth"], 2);
    assert_eq!(keys(&ask(&node, "roots", &json!({})).await["nodes"]), ["top"]);
    assert_eq!(ask(&node, "cycles", &json!({})).await["cycles"], json!([]));
    let circle = json!({"records": [{"key": "top", "links": [{"type": "parent", "members": [{"role": "child", "key": "top"}, {"role": "parent", "key": "c"}]}]}]});
    assert_eq!(node.call("POST", "/projects/p/records", &circle).await.0, 200);
    assert_eq!(keys(&ask(&node, "cycles", &json!({})).await["cycles"][0]), ["a", "c", "top"]);
    let report = ask(&node, "report", &json!({})).await;
    assert_eq!(
        (&report["dangling_count"], &report["dangling"][0]),
        (&json!(1), &json!({"node": {"key": "gone"}, "links": 1}))
    );
    assert_eq!(report["links"], 8);
    assert_eq!(ask(&node, "components", &json!({})).await["count"], 2, "`deal` stands alone");
    let ranks = ask(&node, "centrality", &json!({"measure": "page_rank"})).await;
    let sum: f64 = ranks["nodes"].as_array().unwrap().iter().map(|one| one["score"].as_f64().unwrap()).sum();
    assert!((sum - 1.0).abs() < 1e-6, "{ranks}");
    let degree =
        ask(&node, "centrality", &json!({"measure": "degree", "of": ["top"], "selection": {"types": ["parent"]}}))
            .await;
    assert_eq!(degree["nodes"][0]["score"], 3.0, "{degree}");
}

/// What is wrong is said, with the most similar name.
#[tokio::test]
async fn mistakes_are_explained() {
    let node = filled().await;
    for (what, body, kind, part) in [
        ("neighbours", json!({"of": ["nobody"]}), "unknown-record", "nobody"),
        ("neighbours", json!({"of": []}), "invalid-query", "1 to 1000"),
        ("neighbours", json!({"of": [7]}), "invalid-body", "a node is"),
        ("neighbours", json!({"of": ["a"], "selection": {"types": ["parents"]}}), "invalid-query", "parent"),
        ("reach", json!({"from": ["a"], "limit": 0}), "invalid-query", "`limit`"),
        ("centrality", json!({"measure": "degree", "pivots": 3}), "invalid-query", "betweenness"),
        ("centrality", json!({"measure": "page_rank", "damping": 2.0}), "invalid-query", "damping"),
        ("metapath", json!({"from": "a", "steps": []}), "invalid-query", "1 to 16"),
    ] {
        let (_, problem) = node.call("POST", &format!("/projects/p/graph/{what}"), &body).await;
        assert_eq!(problem["type"], format!("urn:skerry:problem:{kind}"), "{what} {body}: {problem}");
        assert!(problem["detail"].as_str().unwrap().contains(part), "{problem}");
    }
    assert_eq!(node.refused("POST", "/projects/none/graph/report", &json!({})).await.1, "unknown-project");
}

//! Curvature of a project's graph over HTTP, GraphQL and the command line: Zachary's karate club, whose values are known.
//!
//! The values are those of components/geometry's golden files, which say where they come from.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use crate::TestNode;
use crate::process::{fails, ok};

const GOLDEN: &str = include_str!("../../../components/geometry/tests/fixtures/curvature.json");
const RESISTANCE: &str = include_str!("../../../components/geometry/tests/fixtures/resistance.json");
const HYPERGRAPH: &str = include_str!("../../../components/geometry/tests/fixtures/hypergraph.json");

fn golden() -> Value {
    serde_json::from_str::<Value>(GOLDEN).unwrap()["graphs"]["karate"].clone()
}

fn member(number: &Value) -> String {
    format!("m{:02}", number.as_u64().unwrap())
}

fn link(kind: &str, members: &[String], weight: f64) -> Value {
    let members: Vec<Value> = members.iter().map(|key| json!({"role": "member", "key": key})).collect();
    json!({"type": kind, "members": members, "weight": weight})
}

/// The club's friendships, stated by one of the two; two links of another type that close one pair twice.
fn karate() -> Vec<Value> {
    let mut links: BTreeMap<String, Vec<Value>> = BTreeMap::new();
    for edge in golden()["edges"].as_array().unwrap() {
        let (a, b) = (member(&edge["e"][0]), member(&edge["e"][1]));
        links.entry(a.clone()).or_default().push(link("friend", &[a, b], 1.0));
    }
    links.get_mut("m00").unwrap().push(link("met", &["m00".to_owned(), "m01".to_owned()], -2.0));
    links.into_iter().map(|(key, links)| json!({"key": key, "links": links})).collect()
}

async fn filled(records: &[Value]) -> TestNode {
    let node = TestNode::new();
    assert_eq!(node.call("PUT", "/projects/p", &json!({})).await.0, 201);
    let (status, answer) = node.call("POST", "/projects/p/records", &json!({ "records": records })).await;
    assert_eq!(status, 200, "{answer}");
    node
}

async fn ask(node: &TestNode, what: &str, body: Value) -> Value {
    let (status, answer) = node.call("POST", &format!("/projects/p/geometry/{what}"), &body).await;
    assert_eq!(status, 200, "{what} {body}: {answer}");
    answer
}

/// Values of an answer's edges by their ends.
fn by_ends(answer: &Value, what: &str) -> BTreeMap<(String, String), Value> {
    let edges = answer["edges"].as_array().unwrap().iter();
    let end = |edge: &Value, at: usize| edge["ends"][at]["key"].as_str().unwrap().to_owned();
    edges.map(|edge| ((end(edge, 0), end(edge, 1)), edge[what].clone())).collect()
}

fn friends() -> Value {
    json!({"types": ["friend"]})
}

#[tokio::test]
async fn curvature_is_that_of_the_golden_values() {
    let node = filled(&karate()).await;
    let golden = golden();
    let expected = |of: &str| -> BTreeMap<(String, String), Value> {
        let edges = golden["edges"].as_array().unwrap().iter();
        edges.map(|edge| ((member(&edge["e"][0]), member(&edge["e"][1])), edge[of].clone())).collect()
    };
    let answer = ask(&node, "curvature", json!({})).await;
    assert_eq!(answer["kind"], "lin_lu_yau");
    assert_eq!(
        answer["graph"],
        json!({"nodes": 34, "edges": 78, "components": 1}),
        "one pair with two links is one edge"
    );
    assert_eq!(by_ends(&answer, "fraction"), expected("k_lly"));
    let values: Vec<f64> =
        answer["edges"].as_array().unwrap().iter().map(|edge| edge["value"].as_f64().unwrap()).collect();
    assert!(values.is_sorted() && answer["least"] == values[0] && answer["greatest"] == values[77], "{values:?}");
    let answer = ask(&node, "curvature", json!({"kind": "ollivier", "order": "greatest", "limit": 3})).await;
    assert_eq!(answer["edges"].as_array().unwrap().len(), 3);
    assert_eq!(answer["edges"][0]["value"], answer["greatest"]);
    let idle = ask(&node, "curvature", json!({"kind": "ollivier", "idleness": "0"})).await;
    assert_eq!(by_ends(&idle, "fraction"), expected("k_0"));
    for (kind, of) in
        [("forman_plain", "forman"), ("forman-augmented", "forman_aug"), ("forman_balanced", "forman_bal")]
    {
        let found = by_ends(&ask(&node, "curvature", json!({ "kind": kind })).await, "value");
        for (ends, value) in expected(of) {
            assert!((found[&ends].as_f64().unwrap() - value.as_f64().unwrap()).abs() < 1e-9, "{kind} {ends:?}");
        }
    }
    let golden: Value = serde_json::from_str(RESISTANCE).unwrap();
    let answer = ask(&node, "curvature", json!({"kind": "resistance", "weighted": true, "selection": friends()})).await;
    let found = by_ends(&answer, "resistance");
    for edge in golden["resistance"]["karate"]["edge"].as_array().unwrap() {
        let ends = (member(&edge[0]), member(&edge[1]));
        assert!((found[&ends].as_f64().unwrap() - edge[2].as_f64().unwrap()).abs() < 1e-9, "{ends:?}");
    }
    let sum: f64 = answer["nodes"].as_array().unwrap().iter().map(|node| node["value"].as_f64().unwrap()).sum();
    assert!((sum - 1.0).abs() < 1e-9, "{sum}");
}

#[tokio::test]
async fn the_club_falls_apart_between_its_leaders() {
    let node = filled(&karate()).await;
    let answer = ask(&node, "communities", json!({"selection": friends()})).await;
    let parts = answer["communities"].as_array().unwrap();
    let part_of = |key: &str| {
        parts.iter().position(|part| part["members"].as_array().unwrap().contains(&json!({ "key": key }))).unwrap()
    };
    assert_ne!(part_of("m00"), part_of("m33"), "{answer}");
    assert_eq!(parts.iter().map(|part| part["size"].as_u64().unwrap()).sum::<u64>(), 34);
    assert!(answer["modularity"].as_f64().unwrap() > 0.3 && answer["iterations"] == 20, "{answer}");
}

#[tokio::test]
async fn links_of_many_members_are_hyperedges() {
    let golden: Value = serde_json::from_str(HYPERGRAPH).unwrap();
    let toy = &golden["orchid_toys"]["toyA"];
    let event = |edge: &Value| edge.as_array().unwrap().iter().map(member).collect::<Vec<_>>();
    let links: Vec<Value> =
        toy["edges"].as_array().unwrap().iter().map(|edge| link("event", &event(edge), 1.0)).collect();
    let node = filled(&[json!({"key": "m00", "links": links})]).await;
    let body = json!({"idleness": toy["alpha"].as_str().map(idleness), "dispersion": toy["dispersion"].as_str().map(snake),
        "aggregation": toy["agg"].as_str().map(|name| if name.starts_with("max") { "max" } else { "mean" }), "s": 2});
    let answer = ask(&node, "hypergraph", body).await;
    assert_eq!((&answer["link_count"], &answer["node_count"]), (&json!(3), &json!(7)));
    let mut found: Vec<&str> =
        answer["links"].as_array().unwrap().iter().map(|link| link["fraction"].as_str().unwrap()).collect();
    let mut expected: Vec<&str> =
        toy["edge_exact"].as_array().unwrap().iter().map(|value| value.as_str().unwrap()).collect();
    found.sort_unstable();
    expected.sort_unstable();
    assert_eq!(found, expected, "{answer}");
    let all: u64 = answer["components"].as_array().unwrap().iter().map(|part| part["size"].as_u64().unwrap()).sum();
    assert_eq!(all, 3, "{answer}");
}

/// The golden file writes doubles and the names of its oracle.
fn idleness(text: &str) -> String {
    match text {
        "0.5" | "1/2" => "1/2".to_owned(),
        other => other.trim_end_matches(".0").to_owned(),
    }
}

fn snake(name: &str) -> String {
    match name {
        "UnweightedClique" => "unweighted_clique".to_owned(),
        "WeightedClique" => "weighted_clique".to_owned(),
        "UnweightedStar" => "unweighted_star".to_owned(),
        other => other.to_lowercase().replace('-', "_"),
    }
}

/// Two clubs that know nothing of each other but for one friendship: it stands out, with the links behind it.
fn two_clubs() -> Vec<Value> {
    let mut records = Vec::new();
    for club in ["a", "b"] {
        for one in 0..6 {
            let own = format!("{club}{one}");
            let others = (one + 1..6).map(|other| link("friend", &[own.clone(), format!("{club}{other}")], 1.0));
            records.push(json!({"key": own, "links": others.collect::<Vec<_>>()}));
        }
    }
    let bridge = ["a0".to_owned(), "b0".to_owned()];
    let links = json!([link("owes", &bridge, 1.0), link("wrote-to", &bridge, 3.0)]);
    records[0]["links"].as_array_mut().unwrap().extend(links.as_array().unwrap().iter().cloned());
    records
}

#[tokio::test]
async fn a_bridge_stands_out() {
    let node = filled(&two_clubs()).await;
    let answer = ask(&node, "anomalies", json!({"limit": 2})).await;
    let first = &answer["edges"][0];
    assert_eq!(first["ends"], json!([{"key": "a0"}, {"key": "b0"}]), "{answer}");
    let kinds: std::collections::BTreeSet<&str> =
        first["links"].as_array().unwrap().iter().map(|link| link["type"].as_str().unwrap()).collect();
    assert_eq!(kinds, ["owes", "wrote-to"].into());
    assert!(first["links"][0]["id"].is_string() && first["curvature"].as_str().unwrap().starts_with('-'), "{first}");
    for score in ["lin_lu_yau", "balanced", "augmented", "betweenness", "jaccard"] {
        assert!(first["scores"][score]["percentile"].as_f64().unwrap() > 0.95, "{score}: {first}");
    }
    assert!(first["scores"]["plain"].is_null(), "plain Forman curvature only when it is asked for");
    let nodes: Vec<&Value> = answer["nodes"].as_array().unwrap().iter().map(|row| &row["node"]["key"]).collect();
    assert_eq!(nodes, [&json!("a0"), &json!("b0")]);
    assert_eq!(answer["nodes"][0]["degree"], 6);
    let plain = ask(&node, "anomalies", json!({"by": "plain", "scores": []})).await;
    assert_eq!(plain["edges"][0]["scores"].as_object().unwrap().len(), 1);
    let body = json!({"limit": 5}).to_string().into_bytes();
    let headers = [("content-type", "application/json")];
    let (status, svg) = node.raw("POST", "/api/v1/projects/p/geometry/anomalies/plot", &headers, body).await;
    let svg = String::from_utf8(svg).unwrap();
    assert_eq!(status, 200, "{svg}");
    assert!(svg.starts_with("<svg") && svg.contains("a0 — b0") && svg.matches("<circle").count() >= 31, "{svg}");
}

/// A key is text, never markup.
#[tokio::test]
async fn pictures_hold_no_markup_of_keys() {
    let pair = ["<script>&\"".to_owned(), "b\u{7}".to_owned()];
    let node = filled(&[json!({"key": "b", "links": [link("x", &[pair[0].clone(), "b".to_owned()], 1.0)]})]).await;
    let headers = [("content-type", "application/json")];
    let (status, svg) = node.raw("POST", "/api/v1/projects/p/geometry/anomalies/plot", &headers, b"{}".to_vec()).await;
    let svg = String::from_utf8(svg).unwrap();
    assert_eq!(status, 200, "{svg}");
    assert!(svg.contains("&lt;script&gt;&amp;") && !svg.contains("<script"), "{svg}");
}

#[tokio::test]
async fn mistakes_are_named() {
    let node = filled(&karate()).await;
    for (what, body, kind, part) in [
        ("curvature", json!({"kind": "gauss"}), "invalid-body", "gauss"),
        ("curvature", json!({"idleness": "1/2"}), "invalid-geometry", "ollivier"),
        ("curvature", json!({"kind": "ollivier", "idleness": "3/2"}), "invalid-body", "0 to 1"),
        ("curvature", json!({"kind": "ollivier", "idleness": 0.5}), "invalid-body", "string"),
        ("curvature", json!({"weighted": true}), "invalid-geometry", "weighted"),
        ("curvature", json!({"length": "weight"}), "invalid-geometry", "length"),
        ("curvature", json!({"kind": "ollivier", "power": 1.0}), "invalid-geometry", "power"),
        ("curvature", json!({"limit": 0}), "invalid-geometry", "`limit`"),
        ("curvature", json!({"selection": {"types": ["frend"]}}), "invalid-query", "friend"),
        ("curvature", json!({"kind": "ollivier", "length": "weight"}), "invalid-geometry", "`m00` and `m01`"),
        ("curvature", json!({"kind": "resistance", "weighted": true}), "invalid-geometry", "-1"),
        ("communities", json!({"steps": 201}), "invalid-geometry", "`steps`"),
        ("communities", json!({"power": 99.0}), "invalid-geometry", "16"),
        ("hypergraph", json!({"s": 0}), "invalid-geometry", "`s`"),
        ("anomalies", json!({"by": "luck"}), "invalid-body", "luck"),
        ("anomalies/plot", json!({"limit": 5000}), "invalid-geometry", "`limit`"),
    ] {
        let (_, problem) = node.call("POST", &format!("/projects/p/geometry/{what}"), &body).await;
        assert_eq!(problem["type"], format!("urn:skerry:problem:{kind}"), "{what} {body}: {problem}");
        assert!(problem["detail"].as_str().unwrap().contains(part), "{what} {body}: {problem}");
    }
    let empty = filled(&[json!({"key": "alone"})]).await;
    for what in ["curvature", "communities", "hypergraph", "anomalies"] {
        let path = format!("/projects/p/geometry/{what}");
        assert_eq!(empty.refused("POST", &path, &json!({})).await, (422, "invalid-geometry".to_owned()), "{what}");
        let path = format!("/projects/none/geometry/{what}");
        assert_eq!(empty.refused("POST", &path, &json!({})).await, (404, "unknown-project".to_owned()), "{what}");
    }
}

#[tokio::test]
async fn graphql_asks_the_same() {
    let node = filled(&two_clubs()).await;
    let query = r#"query($chart: JSON!) { geometry {
        curvature(input: {kind: "lin_lu_yau", limit: 1})
        anomalies(input: {limit: 1})
        communities
        hypergraph
        mean(input: $chart)
    } }"#;
    let ask_it = async |query: &str| {
        let body = json!({"query": query, "variables": {"chart": {"chart": {"factors": []}}}});
        node.call("POST", "/projects/p/graphql", &body).await.1
    };
    let answer = ask_it(query).await;
    assert_eq!(answer["errors"][0]["extensions"]["code"], "invalid-geometry", "a chart without factors: {answer}");
    let answer = ask_it("{ geometry { curvature(input: {limit: 1}) anomalies communities hypergraph } }").await;
    let found = &answer["data"]["geometry"];
    assert_eq!(found["curvature"], ask(&node, "curvature", json!({"limit": 1})).await, "{answer}");
    assert_eq!(found["communities"], ask(&node, "communities", json!({})).await);
    assert_eq!(found["hypergraph"], ask(&node, "hypergraph", json!({})).await);
    assert_eq!(found["anomalies"], ask(&node, "anomalies", json!({})).await);
    let many = (0..11).map(|at| format!("f{at}: communities ")).collect::<Vec<_>>().concat();
    let refused = ask_it(&format!("{{ geometry {{ {many} }} }}")).await;
    assert!(refused["errors"][0]["message"].as_str().unwrap().contains("costs more"), "{refused}");
}

#[test]
fn the_command_line_prints_tables() {
    let data = tempfile::tempdir().unwrap();
    let file = data.path().join("records.json");
    std::fs::write(&file, Value::from(two_clubs()).to_string()).unwrap();
    ok(data.path(), &["publish", file.to_str().unwrap()]);
    let shown = ok(data.path(), &["geometry", "curvature", "--limit", "1"]);
    assert!(shown.contains("a0") && shown.contains("b0") && shown.contains("Lin, Lu and Yau (2011)"), "{shown}");
    assert!(shown.contains("31 edges between 12 records in 1 component"), "{shown}");
    let shown = ok(data.path(), &["geometry", "curvature", "--kind", "resistance", "--weighted", "--type", "friend"]);
    assert!(shown.contains("2 components"), "{shown}");
    let shown = ok(data.path(), &["geometry", "communities"]);
    assert!(shown.contains("2 communities after 20 steps") && shown.contains("b0, b1, b2"), "{shown}");
    assert!(ok(data.path(), &["geometry", "hypergraph", "-s", "2"]).contains("32 links with 64 members"));
    let picture = data.path().join("picture.svg");
    let shown = ok(data.path(), &["geometry", "anomalies", "--limit", "3", "--plot", picture.to_str().unwrap()]);
    assert!(
        shown.contains("a0 — b0") && shown.contains("owes, wrote-to") && shown.contains("betweenness %"),
        "{shown}"
    );
    assert!(std::fs::read_to_string(&picture).unwrap().contains("</svg>"));
    let json: Value = serde_json::from_str(&ok(data.path(), &["--json", "geometry", "anomalies"])).unwrap();
    assert_eq!(json["by"], "lin_lu_yau");
    assert!(fails(data.path(), &["geometry", "curvature", "--layers", "web &"]).contains("web"));
    assert!(fails(data.path(), &["geometry", "curvature", "--kind", "ollivier", "--idleness", "2"]).contains("0 to 1"));
}

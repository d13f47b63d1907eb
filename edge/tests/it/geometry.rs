//! Geometry over HTTP: what a chart says is what is measured, and every mistake is named.

use serde_json::{Value, json};

use crate::TestNode;
use crate::process::{fails, ok};

async fn filled() -> TestNode {
    let node = TestNode::new();
    assert_eq!(node.call("PUT", "/projects/p", &json!({})).await.0, 201);
    let parent = |child: &str, parent: &str| json!({"type": "parent", "members": [{"role": "child", "key": child}, {"role": "parent", "key": parent}]});
    let near = |a: &str, b: &str, layers: &[&str]| json!({"type": "near", "members": [{"role": "a", "key": a}, {"role": "b", "key": b}], "layers": layers});
    let series: Vec<f64> = (0..40).map(|t| f64::from(t % 7)).collect();
    let other: Vec<f64> = (0..40).map(|t| f64::from((t + 1) % 5)).collect();
    let records = json!({"records": [
        {"key": "a", "data": {"at": [0.0, 0.0], "mix": [1, 1, 2], "speed": {"mean": 1.0, "deviation": 1.0}, "oil": series, "rate": other},
         "links": [parent("a", "root"), near("a", "b", &["sea", "air"])]},
        {"key": "b", "data": {"at": [3.0, 4.0], "mix": [2, 1, 1], "speed": {"mean": 1.0, "deviation": 2.0}, "oil": other, "rate": series},
         "links": [parent("b", "root"), near("b", "c", &["sea"])]},
        {"key": "c", "data": {"at": [0.5, 0.0], "mix": [1, 2, 1], "speed": {"mean": 1.5, "deviation": 1.0}},
         "links": [parent("c", "b"), near("c", "a", &["air"])]},
        {"key": "d", "data": {"at": [0.0, 0.5], "speed": {"mean": 90.0, "deviation": 0.1}}},
        {"key": "root", "text": "no data"},
    ]});
    let (status, answer) = node.call("POST", "/projects/p/records", &records).await;
    assert_eq!((status, &answer["changed"]), (200, &json!(5)), "{answer}");
    node
}

impl TestNode {
    async fn geometry(&self, path: &str, body: Value) -> Value {
        let (status, answer) = self.call("POST", &format!("/projects/p/geometry/{path}"), &body).await;
        assert_eq!(status, 200, "{path}: {answer}");
        answer
    }
}

fn plane() -> Value {
    json!({"factors": [{"manifold": "euclidean", "fields": ["data.at"]}]})
}

fn speeds() -> Value {
    json!({"factors": [{"name": "speed", "manifold": "gaussian", "fields": ["data.speed.mean", "data.speed.deviation"]}]})
}

#[tokio::test]
async fn records_are_points() {
    let node = filled().await;
    let answer = node.geometry("distances", json!({"chart": plane(), "from": {"key": "a"}})).await;
    assert_eq!(answer["distances"][1], json!({"key": "b", "distance": 5.0}));
    assert_eq!(answer["skipped"], json!({"count": 1, "first": [{"key": "root", "field": "data.at"}]}));
    let answer = node.geometry("distances", json!({"chart": plane(), "keys": ["b", "a", "c"]})).await;
    assert_eq!(answer["pairs"][0], json!({"keys": ["b", "a"], "distance": 5.0}));
    assert_eq!(answer["pairs"].as_array().unwrap().len(), 3);
    let answer = node.geometry("neighbours", json!({"chart": speeds(), "of": {"key": "a"}, "k": 2})).await;
    let keys: Vec<&str> =
        answer["neighbours"].as_array().unwrap().iter().map(|one| one["key"].as_str().unwrap()).collect();
    assert_eq!(keys, ["c", "b"], "{answer}");
    // Along sigma alone: sqrt 2 times the logarithm of the quotient.
    let to_b = answer["neighbours"][1]["distance"].as_f64().unwrap();
    assert!((to_b - 2.0_f64.sqrt() * 2.0_f64.ln()).abs() < 1e-12, "{to_b}");
    let mean = node.geometry("mean", json!({"chart": speeds(), "keys": ["a", "b"]})).await;
    assert!((mean["point"][0]["coordinates"][1].as_f64().unwrap() - 2.0_f64.sqrt()).abs() < 1e-9, "{mean}");
    assert_eq!((&mean["unique"], &mean["point"][0]["factor"]), (&json!(true), &json!("speed")));
    let answer = node
        .geometry("interpolate", json!({"chart": plane(), "from": {"key": "a"}, "to": {"key": "b"}, "at": [0.5, 1.0]}))
        .await;
    assert_eq!(answer["points"][0]["point"][0]["coordinates"], json!([1.5, 2.0]));
    let mixes = json!({"factors": [{"manifold": "categorical", "fields": ["data.mix"], "normalise": true}]});
    let answer = node.geometry("distances", json!({"chart": mixes, "from": {"at": [0.25, 0.25, 0.5]}})).await;
    assert!(answer["distances"][0]["distance"].as_f64().unwrap() < 1e-12, "{answer}");
    let answer = node.geometry("outliers", json!({"chart": speeds()})).await;
    assert_eq!((&answer["records"][0]["key"], &answer["outliers"]), (&json!("d"), &json!(1)), "{answer}");
}

#[tokio::test]
async fn series_are_compared() {
    let node = filled().await;
    let series = |key: &str, fields: &[&str]| json!({"record": {"key": key, "fields": fields}});
    let same = json!({"x": series("a", &["data.oil"]), "y": series("b", &["data.rate"]), "path": true});
    let answer = node.geometry("series/dtw", same).await;
    assert_eq!((&answer["distance"], answer["path"].as_array().unwrap().len()), (&json!(0.0), 40));
    let answer =
        node.geometry("series/dtw", json!({"x": {"values": [0, 1, 2]}, "y": {"values": [0, 2, 2]}, "window": 0})).await;
    assert_eq!(answer["distance"], 1.0);
    let both = ["data.oil", "data.rate"];
    let body =
        json!({"series": series("a", &both), "other": series("b", &both), "window": 10, "step": 5, "matrices": true});
    let answer = node.geometry("series/trajectory", body).await;
    assert_eq!((answer["windows"].as_array().unwrap().len(), &answer["windows"][6]["speed"]), (7, &Value::Null));
    assert!((answer["windows"][1]["matrix"][0].as_f64().unwrap() - 1.0).abs() < 1e-12);
    assert!(answer["distance"].as_f64().unwrap() > 0.0, "{answer}");
    // Correlations of series as points: the financial preset.
    let chart = json!({"factors": [{"manifold": "correlation", "fields": both}]});
    let answer = node.geometry("distances", json!({"chart": chart, "from": {"key": "a"}})).await;
    assert!(answer["distances"][1]["distance"].as_f64().unwrap() < 1e-9, "symmetric in the two series: {answer}");
}

#[tokio::test]
async fn links_are_graphs_and_trees() {
    let node = filled().await;
    let answer = node.geometry("multilayer", json!({"layers": ["sea", "air"]})).await;
    assert_eq!(answer["pairs"][0], json!({"layers": ["sea", "air"], "both": 1, "either": 3, "overlap": 1.0 / 3.0}));
    assert_eq!((&answer["records"][0]["key"], &answer["records"][0]["degrees"]), (&json!("a"), &json!([1, 2])));
    assert!(answer["reduction"]["quality"].is_number(), "{answer}");
    // Degrees (sea, air) of a, b, c: (1, 2), (2, 1), (1, 1). The eigenvalues of [[6, 5], [5, 6]] are 11 and 1.
    let share = 11.0_f64 / 12.0;
    let entropy = -(share * share.log2() + (1.0 - share) * (1.0 - share).log2());
    assert!((answer["schmidt_entropy"].as_f64().unwrap() - entropy).abs() < 1e-12, "{answer}");
    let answer =
        node.geometry("spectral", json!({"selection": {"types": ["near"]}, "walk_from": "a", "time": 0.0})).await;
    // A triangle.
    assert_eq!((&answer["nodes"], &answer["edges"]), (&json!(3), &json!(3)));
    assert_eq!(answer["walk"][0]["key"], "a");
    let answer = node.geometry("embedding", json!({})).await;
    assert_eq!(answer["nodes"].as_array().unwrap().len(), 4);
    let of = |key: &str| answer["nodes"].as_array().unwrap().iter().find(|node| node["key"] == key).unwrap().clone();
    assert_eq!((&of("root")["at"], &of("c")["parent"]), (&json!([0.0, 0.0]), &json!("b")));
    let answer = node.geometry("cloud", json!({"chart": plane()})).await;
    assert_eq!((&answer["points"], &answer["dimension_two_nearest"]["value"]), (&json!(4), &Value::Null));
    assert!(answer["dimension_two_nearest"]["reason"].is_string() && answer["hyperbolicity"]["delta"].is_number());
}

/// Layers count with what they inherit, and links in the layers of their record: the project's graph is asked.
#[tokio::test]
async fn layers_inherit() {
    let node = filled().await;
    let all = json!({"inherits": ["sea", "air"]});
    assert!(node.call("PUT", "/projects/p/layers/all", &all).await.0 < 300);
    let answer = node.geometry("multilayer", json!({"layers": ["sea", "all"]})).await;
    assert_eq!((&answer["pairs"][0]["both"], &answer["pairs"][0]["either"]), (&json!(2), &json!(3)), "{answer}");
    let answer = node.geometry("spectral", json!({"selection": {"layers": "all"}, "other": {"layers": "all"}})).await;
    assert_eq!((&answer["edges"], answer["divergence"].as_f64().unwrap() < 1e-9), (&json!(3), true), "{answer}");
}

/// A chart is asked with by the name under which it is saved, and one that cannot be used is not saved.
#[tokio::test]
async fn saved_charts_are_used() {
    let node = filled().await;
    assert_eq!(node.call("PUT", "/projects/p/charts/speed", &speeds()).await.0, 200);
    for (path, mut body) in [
        ("distances", json!({"from": {"key": "a"}})),
        ("neighbours", json!({"of": {"key": "a"}})),
        ("mean", json!({})),
        ("interpolate", json!({"from": {"key": "a"}, "to": {"key": "b"}})),
        ("outliers", json!({})),
        ("cloud", json!({})),
    ] {
        body["chart"] = speeds();
        let given = node.geometry(path, body.clone()).await;
        body["chart"] = json!("speed");
        assert_eq!(node.geometry(path, body).await, given, "{path}");
    }
    let factor = |more: Value| {
        let mut factor = json!({"manifold": "euclidean", "fields": ["data.at"]});
        factor.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        json!({"factors": [factor]})
    };
    for (chart, reason) in [
        (json!({"factors": []}), "1 to 32 factors"),
        (json!([1]), "no chart"),
        (factor(json!({"manifold": "klein"})), "klein"),
        (factor(json!({"fields": ["at"]})), "`at`"),
        (factor(json!({"fields": []})), "no fields"),
        (factor(json!({"weight": 0.0})), "weight 0"),
        (factor(json!({"normalise": true})), "normalised"),
        (factor(json!({"unit": "m"})), "unit"),
    ] {
        let (status, problem) = node.call("PUT", "/projects/p/charts/bad", &chart).await;
        let detail = problem["detail"].as_str().unwrap();
        assert!(status == 422 && detail.contains(reason), "{reason}: {problem}");
    }
    let (_, charts) = node.call("GET", "/projects/p/charts", &Value::Null).await;
    assert_eq!(charts["charts"].as_object().unwrap().len(), 1);
}

/// Two triangles that one link joins (Ricci flow cuts it): on the command line, with saved charts and known values.
#[test]
fn geometry_is_typed() {
    let data = tempfile::tempdir().unwrap();
    let knows = |one: &str, other: &str| json!({"type": "knows", "members": [{"role": "a", "key": one}, {"role": "b", "key": other}]});
    let at = |x: f64, y: f64| json!({"at": [x, y]});
    let records = json!([
        {"key": "a", "data": at(0.0, 0.0), "links": [knows("a", "b"), knows("a", "c")]},
        {"key": "b", "data": at(3.0, 4.0), "links": [knows("b", "c")]},
        {"key": "c", "data": at(6.0, 8.0), "links": [knows("c", "d")]},
        {"key": "d", "data": at(0.0, 1.0), "links": [knows("d", "e"), knows("d", "f")]},
        {"key": "e", "data": at(0.0, 2.0), "links": [knows("e", "f")]},
        {"key": "f"},
    ]);
    let file = data.path().join("records.json");
    std::fs::write(&file, records.to_string()).unwrap();
    let data = data.path();
    ok(data, &["publish", file.to_str().unwrap()]);
    ok(data, &["chart", "set", "plane", "--factor", "euclidean:data.at"]);
    assert!(ok(data, &["chart", "list"]).contains("plane  euclidean"));
    let shown: Value = serde_json::from_str(&ok(data, &["chart", "show", "plane"])).unwrap();
    assert_eq!(shown["factors"][0]["fields"], json!(["data.at"]));
    let near = ok(data, &["geometry", "neighbours", "a", "--chart", "plane", "-k", "2"]);
    let d = near.find(" d ").unwrap();
    assert!(near.contains("1.000000") && near.find(" e ").is_some_and(|e| d < e), "{near}");
    let distances = ok(data, &["geometry", "distances", "a", "--chart", &plane().to_string()]);
    assert!(distances.contains("5.000000") && distances.contains("10.000000"), "{distances}");
    let mean = ok(data, &["geometry", "mean", "--chart", "plane", "--keys", "a,c"]);
    assert!(mean.contains("3.000000 4.000000") && mean.contains("nearest record a at 5.000000"), "{mean}");
    let found = ok(data, &["geometry", "communities"]);
    // Of two triangles and a bridge: 6/7 - 2 (7/14)^2.
    assert!(found.contains("2 communities after 20 steps, modularity 0.357143"), "{found}");
    ok(data, &["chart", "delete", "plane"]);
    assert!(fails(data, &["geometry", "mean", "--chart", "plane"]).contains("saved no chart"));
}

#[tokio::test]
async fn mistakes_are_named() {
    let node = filled().await;
    let refused =
        async |path: &str, body: Value| node.refused("POST", &format!("/projects/p/geometry/{path}"), &body).await;
    let geometry = (422, "invalid-geometry".to_owned());
    let chart = |manifold: &str, field: &str| json!({"factors": [{"manifold": manifold, "fields": [field]}]});
    assert_eq!(refused("mean", json!({"chart": {"factors": []}})).await, geometry);
    assert_eq!(refused("mean", json!({"chart": chart("euclidean", "key")})).await, geometry);
    assert_eq!(refused("mean", json!({"chart": chart("poincare", "data.at")})).await, geometry);
    assert_eq!(refused("mean", json!({"chart": chart("spd", "data.at")})).await, geometry);
    assert_eq!(refused("mean", json!({"chart": chart("euclidean", "data.absent")})).await, geometry);
    assert_eq!(refused("mean", json!({"chart": chart("klein", "data.at")})).await, (422, "invalid-body".to_owned()));
    assert_eq!(
        refused("neighbours", json!({"chart": plane(), "of": {"key": "zz"}})).await,
        (404, "unknown-record".to_owned())
    );
    assert_eq!(refused("neighbours", json!({"chart": plane(), "of": {"key": "root"}})).await, geometry);
    assert_eq!(refused("neighbours", json!({"chart": plane(), "of": {"at": [1.0]}})).await, geometry);
    assert_eq!(refused("neighbours", json!({"chart": plane(), "of": {"key": "a"}, "k": 0})).await, geometry);
    assert_eq!(refused("series/dtw", json!({"x": {"values": []}, "y": {"values": [1]}})).await, geometry);
    assert_eq!(refused("multilayer", json!({"layers": ["sea"]})).await, geometry);
    let query = (400, "invalid-query".to_owned());
    assert_eq!(refused("spectral", json!({"selection": {"layers": "absent"}})).await, query);
    assert_eq!(refused("embedding", json!({"selection": {"types": ["parents"]}})).await, query);
    assert_eq!(refused("communities", json!({"steps": 201})).await, geometry);
    assert_eq!(refused("mean", json!({"chart": "absent"})).await, (404, "unknown-chart".to_owned()));
    assert_eq!(refused("mean", json!({"chart": 7})).await, (422, "invalid-body".to_owned()));
    let body = json!({"chart": chart("poincare", "data.at"), "from": {"key": "a"}});
    let (_, problem) = node.call("POST", "/projects/p/geometry/distances", &body).await;
    assert_eq!(problem["key"], "b", "{problem}");
    let (status, _) = node.refused("POST", "/projects/none/geometry/cloud", &json!({})).await;
    assert_eq!(status, 404);
}

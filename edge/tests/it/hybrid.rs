//! Search inside a part of the graph, and along links from what was found.

use serde_json::{Value, json};

use super::TestNode;
use super::graph_api::filled;

async fn query(node: &TestNode, body: &Value) -> Value {
    let (status, answer) = node.call("POST", "/projects/p/query", body).await;
    assert_eq!(status, 200, "{body}: {answer}");
    answer
}

fn keys(answer: &Value) -> Vec<&str> {
    answer["hits"].as_array().unwrap().iter().map(|hit| hit["key"].as_str().unwrap()).collect()
}

/// A search within a part is the search of all, filtered: the same records with the same scores, for every part of a lattice of
/// a hundred records.
#[tokio::test]
async fn within_is_search_and_then_filter() {
    let node = TestNode::sealing_after(60);
    assert_eq!(node.call("PUT", "/projects/p", &json!({})).await.0, 201);
    let words = ["tide", "moon", "reef", "harbour", "chart", "pilot", "wreck"];
    let record = |n: usize| {
        let text = format!("{} {} {}", words[n % 7], words[n / 7 % 7], words[n * n % 7]);
        let link = |kind: &str, to: usize| json!({"type": kind, "members": [{"role": "child", "key": format!("k{n}")}, {"role": "parent", "key": format!("k{to}")}]});
        let links = if n == 0 { vec![] } else { vec![link("parent", (n - 1) / 3), link("next", n - 1)] };
        json!({"key": format!("k{n}"), "text": text, "layers": [format!("l{}", n % 3)], "links": links})
    };
    for part in 0..2 {
        let records: Vec<Value> = (part * 50..part * 50 + 50).map(record).collect();
        assert_eq!(node.call("POST", "/projects/p/records", &json!({ "records": records })).await.0, 200);
    }
    for (within, what, graph) in [
        (json!({"neighbourhood": {"of": ["k7"], "hops": 2}}), "reach", json!({"from": ["k7"], "hops": 2})),
        (
            json!({"neighbourhood": {"of": ["k7", "k90"], "hops": 5, "selection": {"types": ["next"], "direction": "forward"}}}),
            "reach",
            json!({"from": ["k7", "k90"], "hops": 5, "selection": {"types": ["next"], "direction": "forward"}}),
        ),
        (json!({"subtree": "k2"}), "descendants", json!({"of": ["k2"]})),
    ] {
        let part = node.call("POST", &format!("/projects/p/graph/{what}"), &graph).await.1;
        let part: Vec<&str> =
            part["nodes"].as_array().unwrap().iter().map(|one| one["node"]["key"].as_str().unwrap()).collect();
        assert!(part.len() > 3 && part.len() < 60, "{part:?}");
        for mode in ["keyword", "vector"] {
            let all = query(&node, &json!({"text": "moon reef", "k": 1000, "mode": mode, "exact": true})).await;
            let inside =
                query(&node, &json!({"text": "moon reef", "k": 1000, "mode": mode, "exact": true, "within": within}))
                    .await;
            let expected: Vec<(&str, &Value)> = all["hits"]
                .as_array()
                .unwrap()
                .iter()
                .filter(|hit| part.contains(&hit["key"].as_str().unwrap()))
                .map(|hit| (hit["key"].as_str().unwrap(), &hit[format!("{mode}_score")]))
                .collect();
            let found: Vec<(&str, &Value)> = inside["hits"]
                .as_array()
                .unwrap()
                .iter()
                .map(|hit| (hit["key"].as_str().unwrap(), &hit[format!("{mode}_score")]))
                .collect();
            assert_eq!(found, expected, "{mode} {within}");
        }
        assert_eq!(query(&node, &json!({"text": "moon", "within": within})).await["candidates"], part.len());
    }
    let layers =
        query(&node, &json!({"text": "moon", "within": {"layers": {"any": ["l0", "l1"]}, "subtree": "k2"}, "k": 100}))
            .await;
    assert!(keys(&layers).iter().all(|key| key[1..].parse::<usize>().unwrap() % 3 != 2));
}

/// What hits lead to comes with the way and a score that can be worked out; a filter holds for it, too.
#[tokio::test]
async fn hits_lead_to_others() {
    let node = filled().await;
    let plain = query(&node, &json!({"text": "scripts", "mode": "keyword"})).await;
    assert_eq!(keys(&plain), ["c"]);
    let score = plain["hits"][0]["score"].as_f64().unwrap();
    let selection = json!({"types": ["parent"], "direction": "forward"});
    let body =
        json!({"text": "scripts", "mode": "keyword", "expand": {"hops": 2, "decay": 0.25, "selection": selection}});
    let answer = query(&node, &body).await;
    assert_eq!(keys(&answer), ["c", "a", "top"]);
    let top = &answer["hits"][2];
    assert!((top["score"].as_f64().unwrap() - score / 16.0).abs() < 1e-6, "{top}");
    assert_eq!(top["via"]["path"], json!([{"key": "c"}, {"key": "a"}, {"key": "top"}]));
    assert_eq!(top["via"]["hit"], "c");
    let mut filtered = body.clone();
    filtered["filter"] = json!({"field": "key", "op": "in", "value": ["c", "top"]});
    assert_eq!(keys(&query(&node, &filtered).await), ["c", "top"]);
    for wrong in [
        json!({"text": "x", "within": {}}),
        json!({"text": "x", "within": {"subtree": "a"}, "version": "00"}),
        json!({"text": "x", "expand": {"hops": 9}}),
        json!({"text": "x", "expand": {"decay": 1.0}}),
        json!({"text": "x", "expand": {}, "offset": 3}),
    ] {
        let status = node.call("POST", "/projects/p/query", &wrong).await.0;
        assert_eq!(status, 400, "{wrong}");
    }
}

//! What a query can ask for, over the API: the language, filters, groups, reasons, duplicates.

use serde_json::{Value, json};

use crate::TestNode;

pub(crate) const QUERY: &str = "/projects/p/query";

/// Records about the sea, the web and bread, with nested data, metadata, layers and links.
fn records() -> Value {
    json!({"records": [
        {"key": "ebb", "text": "Spring tides: the ebb runs hardest after full moon.", "layers": ["sea", "pilotage"],
            "data": {"severity": 7, "state": "open", "author": {"name": "Ann"}, "tags": ["moon", "current"], "day": "2024-01-31"}},
        {"key": "neap", "text": "Neap tide, the smallest rise of the spring months.", "layers": ["sea"],
            "data": {"severity": 3, "state": "closed", "author": {"name": "Bob"}, "tags": ["moon"], "day": "2024-03-01"}},
        {"key": "harbour", "text": "The harbour dries at low water; enter with the spring tide.", "layers": ["pilotage"],
            "data": {"severity": 9, "state": "open", "file": "src/harbour.md", "size": 2.5, "checked": true},
            "metadata": {"source": {"title": "Almanac", "page": 12}}},
        {"key": "sql", "text": "SQL injection: use a prepared statement instead of concatenating strings.", "layers": ["web"],
            "data": {"severity": 10, "state": "open", "file": "src/db.md"},
            "links": [{"type": "parent", "members": [{"role": "child", "key": "sql"}, {"role": "parent", "key": "injection"}]}]},
        {"key": "xss", "text": "Cross-site scripting injects a script into a page of Java or PHP.", "layers": ["web", "mobile"],
            "data": {"severity": 8, "state": "half open", "closed_on": null},
            "links": [{"type": "can-precede", "members": [{"role": "first", "key": "xss"}, {"role": "then", "key": "sql"}]}]},
        {"key": "bread", "text": "Knead flour, water and yeast.", "metadata": {"source": {"title": "Cook book", "page": 3}}},
        {"key": "blank", "data": {"severity": 1}},
    ]})
}

pub(crate) async fn filled() -> TestNode {
    fill(TestNode::new()).await
}

pub(crate) async fn fill(node: TestNode) -> TestNode {
    assert_eq!(node.call("PUT", "/projects/p", &json!({})).await.0, 201);
    publish(&node, &records()).await;
    node
}

/// Answers the version that the project has then.
pub(crate) async fn publish(node: &TestNode, records: &Value) -> String {
    let (status, answer) = node.call("POST", "/projects/p/records", records).await;
    assert_eq!(status, 200, "{answer}");
    answer["version"].as_str().unwrap().to_owned()
}

pub(crate) async fn ask(node: &TestNode, body: &Value) -> Value {
    let (status, answer) = node.call("POST", QUERY, body).await;
    assert_eq!(status, 200, "{body}: {answer}");
    answer
}

/// The problem that a query is refused with.
pub(crate) async fn refusal(node: &TestNode, body: &Value, kind: &str) -> Value {
    let (status, problem) = node.call("POST", QUERY, body).await;
    assert!(status >= 400, "{body} was answered: {problem}");
    assert_eq!(problem["type"], format!("urn:skerry:problem:{kind}"), "{body}: {problem}");
    problem
}

pub(crate) fn keys(answer: &Value) -> Vec<&str> {
    answer["hits"].as_array().unwrap().iter().map(|hit| hit["key"].as_str().unwrap()).collect()
}

fn sorted(answer: &Value) -> Vec<&str> {
    let mut keys = keys(answer);
    keys.sort_unstable();
    keys
}

fn number(value: &Value) -> f64 {
    value.as_f64().unwrap_or_else(|| panic!("{value} is no number"))
}

/// Each form of the query language finds what docs/query-language.md says.
#[tokio::test]
async fn the_query_language_narrows() {
    let node = filled().await;
    for (query, expected) in [
        ("\"spring tides\"", &["ebb", "harbour"][..]),
        ("layer:sea", &["ebb", "neap"]),
        ("severity:7", &["ebb"]),
        ("severity:>7", &["harbour", "sql", "xss"]),
        ("severity:7..9", &["ebb", "harbour", "xss"]),
        ("severity:..3", &["blank", "neap"]),
        ("day:>=2024-02-01", &["neap"]),
        ("state:open", &["ebb", "harbour", "sql", "xss"]),
        ("data.state:(open, closed)", &["ebb", "harbour", "neap", "sql"]),
        ("author.name:Ann", &["ebb"]),
        ("metadata.source.title:\"cook book\"", &["bread"]),
        ("metadata.source.page:12", &["harbour"]),
        ("link.type:parent OR link.key:xss", &["sql", "xss"]),
        ("file:src/*", &["harbour", "sql"]),
        ("closed_on:*", &["xss"]),
        ("layer:web -java", &["sql"]),
        ("+tide -\"neap tide\"", &["ebb", "harbour"]),
        ("moon OR \"prepared statement\"", &["ebb", "sql"]),
        ("(layer:sea OR layer:web) -severity:>=8", &["ebb", "neap"]),
        ("key:bread", &["bread"]),
    ] {
        assert_eq!(sorted(&ask(&node, &json!({"query": query})).await), expected, "{query}");
    }
    // Words alone do not narrow: whatever has a text is compared by meaning.
    let answer = ask(&node, &json!({"query": "spring tides layer:(sea, pilotage)"})).await;
    assert_eq!((sorted(&answer), answer["candidates"].as_u64()), (vec!["ebb", "harbour", "neap"], Some(3)));
    assert!(number(&answer["hits"][0]["score"]) > number(&answer["hits"][2]["score"]), "{answer}");
    // A filter and a query must both hold.
    let both = json!({"query": "layer:sea", "filter": {"field": "data.severity", "op": "lt", "value": 5}});
    assert_eq!(keys(&ask(&node, &both).await), ["neap"]);
    // As plain text, the signs mean nothing.
    assert!(keys(&ask(&node, &json!({"text": "layer:web -java"})).await).contains(&"xss"));
}

/// A query that cannot be read, or that names a field that is not there, is pointed at: in characters, not in bytes.
#[tokio::test]
async fn mistakes_in_a_query_are_pointed_at() {
    let node = filled().await;
    for (query, at) in [
        ("layer:web \"spring tide", 10),
        ("größe 潮 \"spring", 8),
        ("tide (ebb", 5),
        ("tide) ebb", 4),
        ("OR tide", 0),
        ("tide \"?!\"", 5),
    ] {
        let problem = refusal(&node, &json!({"query": query}), "invalid-query").await;
        assert_eq!((problem["position"].as_u64(), problem["query"].as_str()), (Some(at), Some(query)), "{problem}");
        assert!(problem["detail"].as_str().unwrap().contains(&format!("character {} ", at + 1)), "{problem}");
    }
    for (query, at, field, similar) in [
        ("größe 潮 severty:7", 8, "data.severty", json!("data.severity")),
        ("tide -(layer:sea OR metadata.sorce.title:x)", 20, "metadata.sorce.title", json!("metadata.source.title")),
    ] {
        let problem = refusal(&node, &json!({"query": query}), "unknown-field").await;
        let pointed = (&problem["position"], &problem["field"], &problem["similar"]);
        assert_eq!(pointed, (&json!(at), &json!(field), &similar), "{problem}");
        assert_eq!(problem["query"], query);
    }
    // A mistake in the filter has no place in the query.
    let filter = json!({"query": "tide", "filter": {"field": "data.severty", "value": 7}});
    assert_eq!(refusal(&node, &filter, "unknown-field").await["position"], Value::Null);
    refusal(&node, &json!({"query": "tide", "text": "tide"}), "invalid-query").await;
    refusal(&node, &json!({"query": "  "}), "invalid-query").await;
    refusal(&node, &json!({"query": "tide ".repeat(2_000)}), "invalid-query").await;
}

/// Others like a record, without itself.
#[tokio::test]
async fn records_like_another() {
    let node = filled().await;
    let answer = ask(&node, &json!({"like": "ebb"})).await;
    assert_eq!((answer["candidates"].as_u64(), keys(&answer).contains(&"ebb")), (Some(6), false));
    assert!(["neap", "harbour"].contains(&keys(&answer)[0]), "{:?}", keys(&answer));
    assert_eq!(keys(&ask(&node, &json!({"like": "ebb", "query": "layer:web"})).await).len(), 2);
    let problem = refusal(&node, &json!({"like": "absent"}), "unknown-record").await;
    assert_eq!(problem["status"], 404);
    for body in [
        json!({"like": "blank"}),
        json!({"like": "ebb", "text": "tide"}),
        json!({"like": "ebb", "query": "tide"}),
        json!({"like": "ebb", "vector": vec![0.1; 384]}),
        json!({"like": "ebb", "mode": "keyword"}),
    ] {
        let problem = refusal(&node, &body, "invalid-query").await;
        let detail = problem["detail"].as_str().unwrap();
        assert!(detail.contains("`like`") || detail.contains("`blank` has no text"), "{detail}");
    }
}

/// A threshold leaves out what is not similar enough; what words find is no exception.
#[tokio::test]
async fn a_least_similarity_is_kept() {
    let node = filled().await;
    let all = ask(&node, &json!({"text": "spring tide"})).await;
    let cosine = |hit: &Value| number(&hit["vector_score"]);
    let mut cosines: Vec<f64> = all["hits"].as_array().unwrap().iter().map(cosine).collect();
    cosines.sort_by(f64::total_cmp);
    let min = f64::midpoint(cosines[2], cosines[3]);
    for mode in ["hybrid", "vector"] {
        let near = ask(&node, &json!({"text": "spring tide", "similarity_min": min, "mode": mode})).await;
        assert_eq!(near["hits"].as_array().unwrap().len(), 3, "{near}");
        assert!(near["hits"].as_array().unwrap().iter().all(|hit| cosine(hit) >= min));
    }
    assert!(keys(&ask(&node, &json!({"text": "spring tide", "similarity_min": 1})).await).is_empty());
    for body in [
        json!({"query": "layer:sea", "similarity_min": 0.5}),
        json!({"text": "a", "mode": "keyword", "similarity_min": 0}),
    ] {
        let problem = refusal(&node, &body, "invalid-query").await;
        assert!(problem["detail"].as_str().unwrap().contains("`similarity_min`"), "{problem}");
    }
}

/// With diversity, the second of two records that say the same makes room for another.
#[tokio::test]
async fn hits_can_differ() {
    let node = filled().await;
    let copy =
        json!({"records": [{"key": "ebb again", "text": "Spring tides: the ebb runs hardest after full moon!"}]});
    publish(&node, &copy).await;
    let body = |diversity: f64| json!({"text": "ebb of a spring tide", "k": 2, "diversity": diversity});
    assert_eq!(sorted(&ask(&node, &body(0.0)).await), ["ebb", "ebb again"]);
    let different = ask(&node, &body(0.7)).await;
    assert!(!keys(&different).contains(&"ebb") || !keys(&different).contains(&"ebb again"), "{different}");
    assert_eq!((keys(&different).len(), &different["next_offset"]), (2, &Value::Null));
    let problem = refusal(&node, &json!({"text": "a", "diversity": 0.5, "offset": 2}), "invalid-query").await;
    assert!(problem["detail"].as_str().unwrap().contains("`diversity` has no pages"), "{problem}");
}

/// The best of each value of a field; what lacks the field is a group too.
#[tokio::test]
async fn hits_are_grouped() {
    let node = filled().await;
    let body = |size: u32| json!({"text": "spring tide", "group": {"field": "data.state", "size": size}});
    let one = ask(&node, &body(1)).await;
    let groups: Vec<&Value> = one["hits"].as_array().unwrap().iter().map(|hit| &hit["group"]).collect();
    let mut names: Vec<&str> = groups.iter().map(|group| group.as_str().unwrap_or("-")).collect();
    names.sort_unstable();
    assert_eq!(names, ["-", "closed", "half open", "open"]);
    let two = ask(&node, &body(2)).await;
    let open = |answer: &Value| answer["hits"].as_array().unwrap().iter().filter(|hit| hit["group"] == "open").count();
    assert_eq!((open(&one), open(&two)), (1, 2));
    let absent = json!({"group": {"field": "data.state"}, "text": "tide"});
    assert_eq!(ask(&node, &absent).await["hits"].as_array().unwrap().len(), 4, "one of each when no size is given");
    // All in one group would look like one hit; a slip in the name is said instead.
    let problem = refusal(&node, &json!({"text": "a", "group": {"field": "data.stat"}}), "unknown-field").await;
    assert_eq!(problem["similar"], "data.state");
    refusal(&node, &json!({"text": "a", "group": {"field": "state"}}), "unknown-field").await;
    refusal(&node, &json!({"text": "a", "group": {"field": "key"}}), "invalid-query").await;
}

/// The reasons add up: parts to the score, terms to the keyword score.
#[tokio::test]
async fn reasons_add_up() {
    let node = filled().await;
    let near = |a: f64, b: f64| assert!((a - b).abs() <= 1e-5 * b.abs().max(1.0), "{a} is not {b}");
    for fusion in [json!({"convex": {"vector_weight": 0.6}}), json!({"reciprocal_rank": {"constant": 60}})] {
        for mode in ["hybrid", "keyword", "vector"] {
            let body = json!({"text": "the spring tides of the moon", "mode": mode, "fusion": fusion, "explain": true});
            let answer = ask(&node, &body).await;
            let hits = answer["hits"].as_array().unwrap();
            assert!(hits.len() >= 3, "{answer}");
            for hit in hits {
                let why = &hit["explanation"];
                near(number(&why["vector_part"]) + number(&why["keyword_part"]), number(&hit["score"]));
                let terms = why["terms"].as_array().unwrap();
                near(
                    terms.iter().map(|term| number(&term["score"])).sum(),
                    hit["keyword_score"].as_f64().unwrap_or(0.0),
                );
                assert!(terms.iter().all(|term| term["count"].as_u64() > Some(0) && number(&term["idf"]) > 0.0));
                let ranked = mode == "hybrid" && fusion["convex"].is_null();
                assert_eq!(why["vector_rank"].is_u64() || why["keyword_rank"].is_u64(), ranked, "{why}");
            }
        }
    }
    let plain = ask(&node, &json!({"text": "moon"})).await;
    assert_eq!(plain["hits"][0]["explanation"], Value::Null);
}

/// A hit by vector tells which part of its record's text matched, in bytes that cut the text; a short text is one part.
#[tokio::test]
async fn hits_tell_their_chunk() {
    let node = filled().await;
    publish(&node, &json!({"records": [{"key": "flut", "text": "Die größte Flut 潮 des Jahres."}]})).await;
    let mut seen = 0;
    for body in [
        json!({"text": "größte tide", "k": 20}),
        json!({"text": "größte tide", "k": 20, "mode": "vector"}),
        json!({"like": "ebb", "k": 20}),
        json!({"text": "größte tide", "k": 20, "group": {"field": "layer"}, "diversity": 0.3}),
    ] {
        for hit in ask(&node, &body).await["hits"].as_array().unwrap() {
            let text = hit["record"]["text"].as_str().unwrap();
            assert_eq!(hit["chunk"], json!({"start": 0, "end": text.len()}), "{hit}");
            seen += 1;
        }
    }
    assert!(seen > 20, "{seen}");
    for body in
        [json!({"text": "größte tide", "mode": "keyword"}), json!({"filter": {"field": "layer", "op": "exists"}})]
    {
        let answer = ask(&node, &body).await;
        let hits = answer["hits"].as_array().unwrap();
        assert!(!hits.is_empty() && hits.iter().all(|hit| hit.get("chunk").is_none()), "{answer}");
    }
    let (_, api) = node.call("GET", "/openapi.json", &Value::Null).await;
    let schemas = &api["components"]["schemas"];
    assert!(schemas["HitBody"]["properties"]["chunk"].is_object() && schemas["SpanBody"].is_object(), "{schemas}");
}

/// The pieces put together are a part of the text; what is marked are the words of the query, in whatever form.
#[tokio::test]
async fn words_are_marked() {
    let node = filled().await;
    let long =
        format!("{} Die größte Flut 潮: injected by flooding. {}", "Vorher. ".repeat(80), "Nachher. ".repeat(80));
    publish(&node, &json!({"records": [{"key": "long", "text": long}]})).await;
    let marked = |hit: &Value| -> Vec<String> {
        let pieces = hit["highlight"]["fragments"].as_array().unwrap();
        let matches = pieces.iter().filter(|piece| piece["match"] == true);
        matches.map(|piece| piece["text"].as_str().unwrap().to_lowercase()).collect()
    };
    for mode in ["hybrid", "keyword", "vector"] {
        let body = json!({"text": "injections flood", "mode": mode, "highlight": {"bytes": 60}});
        let answer = ask(&node, &body).await;
        for hit in answer["hits"].as_array().unwrap() {
            let shown = &hit["highlight"];
            let part: String =
                shown["fragments"].as_array().unwrap().iter().map(|piece| piece["text"].as_str().unwrap()).collect();
            let text = hit["record"]["text"].as_str().unwrap_or_default();
            assert!(text.contains(&part) && part.len() <= 60, "{shown}");
            assert_eq!(shown["cut_before"] == true, !text.starts_with(&part), "{shown}");
            assert_eq!(shown["cut_after"] == true, !text.trim_end().ends_with(part.trim_end()), "{shown}");
            let expected: &[&str] = match hit["key"].as_str().unwrap() {
                "long" => &["injected", "flooding"],
                "sql" => &["injection"],
                "xss" => &["injects"],
                _ => &[],
            };
            assert_eq!(marked(hit), expected, "{hit}");
        }
        assert!(keys(&answer).contains(&"long"), "{mode}");
    }
    // The words of a query are marked, its fields are not.
    let answer = ask(&node, &json!({"query": "\"prepared statement\" layer:web", "highlight": {}})).await;
    assert_eq!(marked(&answer["hits"][0]), ["prepared", "statement"]);
    assert_eq!(ask(&node, &json!({"query": "layer:web", "highlight": {}})).await["hits"][0]["highlight"], Value::Null);
}

/// Every operator, over nested data, metadata, layers, links and keys, alone and joined.
#[tokio::test]
async fn every_operator_filters() {
    let node = filled().await;
    let test = |field: &str, op: &str, value: Value| json!({"field": field, "op": op, "value": value});
    let none: &[&str] = &[];
    for (filter, expected) in [
        (test("data.author.name", "eq", json!("Ann")), &["ebb"][..]),
        (test("data.author.name", "in", json!(["Bob", "Eve"])), &["neap"]),
        (test("data.author.name", "matches", json!("ANN")), &["ebb"]),
        (test("data.tags", "eq", json!("current")), &["ebb"]),
        (test("data.tags", "in", json!(["moon", 7])), &["ebb", "neap"]),
        (test("data.severity", "eq", json!(7)), &["ebb"]),
        (test("data.severity", "eq", json!("7")), none),
        (test("data.severity", "in", json!([1, 10, "9"])), &["blank", "sql"]),
        (test("data.severity", "in", json!([])), none),
        (test("data.severity", "lt", json!(7)), &["blank", "neap"]),
        (test("data.severity", "lte", json!(7)), &["blank", "ebb", "neap"]),
        (test("data.severity", "gt", json!(8)), &["harbour", "sql"]),
        (test("data.severity", "gte", json!(8)), &["harbour", "sql", "xss"]),
        (test("data.severity", "prefix", json!("1")), none),
        (test("data.day", "lt", json!("2024-02")), &["ebb"]),
        (test("data.file", "prefix", json!("src/h")), &["harbour"]),
        (test("data.state", "matches", json!("opened")), &["ebb", "harbour", "sql", "xss"]),
        (test("data.state", "matches", json!("half open")), &["xss"]),
        (test("data.checked", "eq", json!(true)), &["harbour"]),
        (test("data.closed_on", "eq", Value::Null), &["xss"]),
        (json!({"field": "data.closed_on", "op": "exists"}), &["xss"]),
        (test("metadata.source.page", "gte", json!(3)), &["bread", "harbour"]),
        (test("metadata.source.title", "matches", json!("books")), &["bread"]),
        (json!({"field": "metadata.source.title", "op": "exists"}), &["bread", "harbour"]),
        (test("layer", "eq", json!("sea")), &["ebb", "neap"]),
        (test("layer", "in", json!(["mobile", "pilotage"])), &["ebb", "harbour", "xss"]),
        (test("layer", "prefix", json!("pi")), &["ebb", "harbour"]),
        (test("layer", "matches", json!("Webs")), &["sql", "xss"]),
        (test("layer", "gt", json!("sea")), &["sql", "xss"]),
        (json!({"field": "layer", "op": "exists"}), &["ebb", "harbour", "neap", "sql", "xss"]),
        (test("link.type", "eq", json!("can-precede")), &["xss"]),
        (test("link.type", "in", json!(["parent", "child"])), &["sql"]),
        (test("link.type", "prefix", json!("can-")), &["xss"]),
        (test("link.type", "matches", json!("precedes")), &["xss"]),
        (test("link.key", "eq", json!("sql")), &["sql", "xss"]),
        (test("key", "lte", json!("bread")), &["blank", "bread"]),
        (test("key", "in", json!(["xss", "absent", 7])), &["xss"]),
        (test("text", "matches", json!("spring tide")), &["ebb", "harbour"]),
        (json!({"all": []}), &["blank", "bread", "ebb", "harbour", "neap", "sql", "xss"]),
        (json!({"any": []}), none),
        (
            json!({"all": [test("layer", "in", json!(["sea", "web"])),
                {"any": [test("data.severity", "gte", json!(10)), test("text", "matches", json!("moon"))]},
                {"not": test("key", "eq", json!("sql"))}]}),
            &["ebb"],
        ),
        (
            json!({"not": {"any": [{"field": "layer", "op": "exists"}, test("data.severity", "eq", json!(1))]}}),
            &["bread"],
        ),
    ] {
        let answer = ask(&node, &json!({ "filter": filter })).await;
        assert_eq!(keys(&answer), expected, "{filter}");
        assert_eq!(
            (answer["candidates"].as_u64(), &answer["next_offset"]),
            (Some(expected.len() as u64), &Value::Null)
        );
    }
    for op in ["eq", "in", "lt", "lte", "gt", "gte", "prefix", "exists"] {
        let problem = refusal(&node, &json!({"filter": test("text", op, json!("tide"))}), "invalid-query").await;
        assert!(problem["detail"].as_str().unwrap().contains("`matches`"), "{op}: {problem}");
        assert_eq!(problem["path"], "filter");
    }
    // Nothing but signs would match every text.
    let problem = refusal(&node, &json!({"filter": test("text", "matches", json!("?!"))}), "invalid-query").await;
    assert!(problem["detail"].as_str().unwrap().contains("a letter or a digit"), "{problem}");
    let many = json!({"any": vec![test("layer", "eq", json!("sea")); 999]});
    assert_eq!(keys(&ask(&node, &json!({ "filter": many })).await), ["ebb", "neap"]);
    let problem = refusal(&node, &json!({"filter": many, "like": "ebb"}), "invalid-query").await;
    assert!(problem["detail"].as_str().unwrap().contains("at most 1000 are taken"), "{problem}");
}

/// Records that say almost the same, each pair once, whatever the size of the pages.
#[tokio::test]
async fn duplicates_are_found() {
    let node = filled().await;
    let post = "/projects/p/duplicates";
    let (status, none) = node.call("POST", post, &json!({})).await;
    assert_eq!((status, &none["pairs"], none["examined"].as_u64()), (200, &json!([]), Some(7)), "{none}");
    let same = |n: usize| json!({"key": format!("same{n:02}"), "text": "Knead flour, water and yeast."});
    let near = json!({"key": "almost", "text": "Knead the flour, the water and the yeast"});
    publish(&node, &json!({"records": (0..3).map(same).chain([near]).collect::<Vec<_>>()})).await;
    let (_, all) = node.call("POST", post, &json!({"similarity_min": 0.8})).await;
    let pairs = all["pairs"].as_array().unwrap();
    // Five records that are near to each other: ten pairs, six of them equal.
    assert_eq!((pairs.len(), &all["next"], all["examined"].as_u64()), (10, &Value::Null, Some(11)), "{all}");
    assert!(pairs.iter().all(|pair| pair["keys"][0].as_str() < pair["keys"][1].as_str()));
    assert!(pairs.iter().all(|pair| (0.8..1.001).contains(&number(&pair["similarity"]))), "{all}");
    assert!(pairs.is_sorted_by(|a, b| number(&a["similarity"]) >= number(&b["similarity"])));
    assert_eq!(pairs[0]["keys"], json!(["bread", "same00"]));
    let (_, equal) = node.call("POST", post, &json!({"similarity_min": 0.995})).await;
    assert_eq!(equal["pairs"].as_array().unwrap().len(), 6, "{equal}");
    for limit in [1, 4, 11] {
        let (mut found, mut after, mut rounds) = (Vec::new(), Value::Null, 0);
        loop {
            let body = json!({"similarity_min": 0.8, "limit": limit, "after": after});
            let (status, part) = node.call("POST", post, &body).await;
            assert_eq!(status, 200, "{part}");
            found.extend(part["pairs"].as_array().unwrap().clone());
            (after, rounds) = (part["next"].clone(), rounds + 1);
            if after.is_null() {
                break;
            }
        }
        assert_eq!(rounds, 11_usize.div_ceil(limit));
        let sort = |pairs: &[Value]| {
            let mut pairs: Vec<String> = pairs.iter().map(ToString::to_string).collect();
            pairs.sort_unstable();
            pairs
        };
        assert_eq!(sort(&found), sort(pairs), "{limit}");
    }
    for (body, name) in [
        (json!({"similarity_min": 0.4}), "`similarity_min`"),
        (json!({"similarity_min": 1.1}), "`similarity_min`"),
        (json!({"limit": 0}), "`limit`"),
        (json!({"limit": 5_001}), "`limit`"),
    ] {
        let (status, problem) = node.call("POST", post, &body).await;
        assert_eq!((status, problem["type"].as_str()), (400, Some("urn:skerry:problem:invalid-query")));
        assert!(problem["detail"].as_str().unwrap().contains(name), "{problem}");
    }
    assert_eq!(node.refused("POST", "/projects/none/duplicates", &json!({})).await, (404, "unknown-project".into()));
}

/// Of 30 equal records, the first ones have the same 20 neighbours: those behind the 21st must be told too.
#[tokio::test]
async fn many_duplicates_are_all_told() {
    let node = filled().await;
    let same = |n: usize| json!({"key": format!("same{n:02}"), "text": "Mind the gap"});
    publish(&node, &json!({ "records": (0..30).map(same).collect::<Vec<_>>() })).await;
    let (_, all) = node.call("POST", "/projects/p/duplicates", &json!({})).await;
    let pairs = all["pairs"].as_array().unwrap();
    let of = |key: &str| pairs.iter().filter(|pair| pair["keys"][0] == key).count();
    assert_eq!((of("same00"), of("same09"), of("same20"), of("same28")), (20, 20, 9, 1));
}

/// Breadth and exactness are taken; whatever is out of its range is named.
#[tokio::test]
async fn numbers_out_of_range_are_named() {
    let node = filled().await;
    let plain = ask(&node, &json!({"text": "tide"})).await;
    for more in [json!({"ef": 1}), json!({"ef": 4_096}), json!({"exact": true}), json!({"exact": true, "ef": 100})] {
        let mut body = more.clone();
        body["text"] = "tide".into();
        // In a small project every vector is looked at anyway.
        assert_eq!(ask(&node, &body).await, plain, "{more}");
    }
    for (name, values) in [
        ("k", &[json!(0), json!(1_001)][..]),
        ("offset", &[json!(10_001)]),
        ("ef", &[json!(0), json!(4_097)]),
        ("similarity_min", &[json!(-1.1), json!(1.1)]),
        ("diversity", &[json!(-0.1), json!(1.1)]),
    ] {
        for value in values {
            let mut body = json!({"text": "tide"});
            body[name] = value.clone();
            let problem = refusal(&node, &body, "invalid-query").await;
            let detail = problem["detail"].as_str().unwrap();
            assert!(detail.starts_with(&format!("`{name}` is {value};")), "{detail}");
        }
    }
    for (body, name) in [
        (json!({"group": {"field": "layer", "size": 0}}), "`group.size`"),
        (json!({"group": {"field": "layer", "size": 1_001}}), "`group.size`"),
        (json!({"highlight": {"bytes": 15}}), "`highlight.bytes`"),
        (json!({"fusion": {"convex": {"vector_weight": -0.1}}}), "`vector_weight`"),
        (json!({"fusion": {"reciprocal_rank": {"constant": 1_000_001}}}), "`constant`"),
    ] {
        let mut body = body;
        body["text"] = "tide".into();
        let problem = refusal(&node, &body, "invalid-query").await;
        assert!(problem["detail"].as_str().unwrap().starts_with(name), "{problem}");
    }
    // What is no number at all, or no whole one, is located.
    for (body, path) in [
        (json!({"text": "tide", "ef": -1}), "ef"),
        (json!({"text": "tide", "exact": "yes"}), "exact"),
        (json!({"text": "tide", "group": {"field": "layer", "size": 1.5}}), "group.size"),
        (json!({"text": "tide", "highlight": {"bites": 20}}), "highlight.bites"),
    ] {
        let problem = refusal(&node, &body, "invalid-body").await;
        assert_eq!((problem["path"].as_str(), problem["status"].as_u64()), (Some(path), Some(422)), "{problem}");
    }
    let vector: Vec<f32> = vec![1e38; 384];
    let answer = ask(&node, &json!({"vector": vector, "mode": "vector"})).await;
    let scores = answer["hits"].as_array().unwrap().iter().map(|hit| number(&hit["score"]));
    assert!(
        scores.clone().count() == 6 && scores.clone().any(|score| score != 0.0),
        "{:?}",
        scores.collect::<Vec<_>>()
    );
}

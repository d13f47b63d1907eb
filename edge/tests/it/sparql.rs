//! SPARQL over a project. Expected answers are worked out by hand from the nine links below; rdflib 7.6.0 gives the same for the
//! same triples. Nothing that a query can be ends the node: its size is bounded before it is evaluated.

use serde_json::{Value, json};

use super::TestNode;

/// a and b are below top, c is below a; c can precede b; one hyperlink; one literal that came from RDF.
async fn filled() -> TestNode {
    let node = TestNode::new();
    assert_eq!(node.call("PUT", "/projects/p", &json!({})).await.0, 201);
    let pair = |kind: &str, one: &str, other: &str| json!({"type": kind, "members": [{"role": "child", "key": one}, {"role": "parent", "key": other}], "layers": ["tree"]});
    let parent = |one: &str, other: &str| pair("parent", one, other);
    let mut precedes = pair("http://x/precedes", "c", "b");
    precedes["weight"] = json!(0.5);
    precedes["qualifiers"] = json!({"source": "chart"});
    let records = json!({"records": [
        {"key": "top", "data": {"n": 1}},
        {"key": "a", "data": {"n": 2, "http://x/name": [{"@value": "Zug", "@language": "de"}]}, "links": [parent("a", "top")]},
        {"key": "b", "data": {"n": 3}, "links": [parent("b", "top")]},
        {"key": "c", "data": {"n": 4}, "links": [parent("c", "a"), precedes]},
        {"key": "deal", "links": [{"type": "contract", "members": [
            {"role": "buyer", "key": "a"}, {"role": "seller", "key": "b"}, {"role": "witness", "key": "c"}]}]},
    ]});
    let (status, answer) = node.call("POST", "/projects/p/records", &records).await;
    assert_eq!(status, 200, "{answer}");
    node
}

async fn raw(node: &TestNode, query: &str, accept: &str) -> (u16, String) {
    let headers = [("content-type", "application/sparql-query"), ("accept", accept)];
    let (status, bytes) = node.raw("POST", "/api/v1/projects/p/sparql", &headers, query.as_bytes().to_vec()).await;
    (status, String::from_utf8(bytes).unwrap())
}

/// The rows as text, variables in order, sorted unless the query orders them.
async fn rows(node: &TestNode, query: &str) -> Vec<String> {
    let (status, text) = raw(node, query, "text/csv").await;
    assert_eq!(status, 200, "{query}: {text}");
    let mut lines: Vec<String> = text.lines().skip(1).map(|line| line.replace("urn:skerry:record:", "")).collect();
    if !query.contains("ORDER BY") {
        lines.sort();
    }
    lines
}

/// The features that people use: paths, OPTIONAL, FILTER, aggregates, GRAPH, UNION, MINUS, VALUES, EXISTS, subqueries.
#[tokio::test]
async fn sparql_answers_as_it_should() {
    let node = filled().await;
    let parent = "<urn:skerry:type:parent>";
    for (query, expected) in [
        (format!("SELECT ?x {{ ?x {parent} record:top }}"), vec!["a", "b"]),
        (format!("SELECT ?x {{ ?x {parent}+ record:top }}"), vec!["a", "b", "c"]),
        (format!("SELECT ?x {{ record:c {parent}* ?x }}"), vec!["a", "c", "top"]),
        (format!("SELECT ?x {{ record:top ^{parent}/^{parent} ?x }}"), vec!["c"]),
        (format!("SELECT ?x ?y {{ ?x {parent} record:top OPTIONAL {{ ?y {parent} ?x }} }}"), vec!["a,c", "b,"]),
        ("SELECT ?x { ?x <urn:skerry:data:n> ?n FILTER(?n > 2 && ?n < 4) }".to_owned(), vec!["b"]),
        (format!("SELECT ?y (COUNT(?x) AS ?c) {{ ?x {parent} ?y }} GROUP BY ?y ORDER BY DESC(?c)"), vec!["top,2", "a,1"]),
        ("SELECT (SUM(?n) AS ?s) (AVG(?n) AS ?a) { ?x <urn:skerry:data:n> ?n }".to_owned(), vec!["10,2.5"]),
        (format!("SELECT ?x {{ GRAPH <urn:skerry:layer:tree> {{ ?x {parent} record:a }} }}"), vec!["c"]),
        ("SELECT DISTINCT ?g { GRAPH ?g { ?x ?p ?y } }".to_owned(), vec!["urn:skerry:layer:tree"]),
        (format!("SELECT ?x {{ {{ ?x {parent} record:a }} UNION {{ record:c <http://x/precedes> ?x }} }}"), vec!["b", "c"]),
        (format!("SELECT ?x {{ ?x {parent} ?y MINUS {{ ?x {parent} record:top }} }}"), vec!["c"]),
        (format!("SELECT ?x {{ VALUES ?x {{ record:a record:top }} FILTER NOT EXISTS {{ ?x {parent} ?y }} }}"), vec!["top"]),
        ("SELECT ?l ?w { ?s rdf:subject record:c; rdf:predicate ?l; skerry:weight ?w; <urn:skerry:qualifier:source> \"chart\" }".to_owned(),
         vec!["http://x/precedes,0.5"]),
        ("SELECT ?b ?s { ?l a <urn:skerry:type:contract>; <urn:skerry:role:buyer> ?b; <urn:skerry:role:seller> ?s }".to_owned(), vec!["a,b"]),
        ("SELECT ?x { ?x <http://x/name> ?n FILTER(LANG(?n) = \"de\") }".to_owned(), vec!["a"]),
        (format!("SELECT ?x ?d {{ {{ SELECT ?x (COUNT(?y) AS ?d) {{ ?x {parent}+ ?y }} GROUP BY ?x }} FILTER(?d = 2) }}"), vec!["c,2"]),
        ("SELECT ?v { BIND(STRAFTER(STR(record:a), \"record:\") AS ?v) }".to_owned(), vec!["a"]),
    ] {
        assert_eq!(rows(&node, &query).await, expected, "{query}");
    }
    let ask = raw(&node, &format!("ASK {{ record:a {parent} record:top }}"), "application/sparql-results+json").await.1;
    assert_eq!(serde_json::from_str::<Value>(&ask).unwrap()["boolean"], true);
    let construct = format!("CONSTRUCT {{ ?y <http://x/has> ?x }} {{ ?x {parent} ?y }}");
    let triples = raw(&node, &construct, "application/n-triples").await.1;
    let expected = "<urn:skerry:record:a> <http://x/has> <urn:skerry:record:c> .";
    assert_eq!((triples.lines().count(), triples.contains(expected)), (3, true), "{triples}");
    assert!(raw(&node, "DESCRIBE record:a", "text/turtle").await.1.contains("record:top"));
}

/// What was changed and deleted is not there any more, and what two records say stays while one says it.
#[tokio::test]
async fn the_view_follows() {
    let node = filled().await;
    let children = "SELECT ?x { ?x <urn:skerry:type:parent> record:top }";
    assert_eq!(rows(&node, children).await, ["a", "b"]);
    let link =
        json!([{"type": "parent", "members": [{"role": "child", "key": "a"}, {"role": "parent", "key": "top"}]}]);
    let also = json!({"records": [{"key": "other", "links": link}]});
    assert_eq!(node.call("POST", "/projects/p/records", &also).await.0, 200);
    assert_eq!(node.call("DELETE", "/projects/p/records/a", &Value::Null).await.0, 200);
    assert_eq!(rows(&node, children).await, ["a", "b"]);
    assert_eq!(node.call("DELETE", "/projects/p/records/other", &Value::Null).await.0, 200);
    assert_eq!(rows(&node, children).await, ["b"]);
}

/// Each refusal says what is wrong, with the place where there is one; no query brings the node down.
#[tokio::test]
async fn mistakes_and_excesses_are_refused() {
    let node = filled().await;
    let (status, problem) = node.call("POST", "/projects/p/sparql", &json!({"query": "SELECT ?x {\n ?x ?y }"})).await;
    assert_eq!((status, &problem["line"], &problem["column"]), (400, &json!(2), &json!(9)), "{problem}");
    let deep = format!("SELECT * {{ {} }}", "{".repeat(100));
    let signs = format!("SELECT (({}1) AS ?x) {{}}", "!".repeat(20_000));
    let chain = format!("SELECT * {{ ?a ?b ?c {} }}", "OPTIONAL { ?a ?b ?c } ".repeat(2_000));
    let sum = format!("SELECT (({}1) AS ?x) {{}}", "1+".repeat(32_000));
    let stars = format!("ASK {{ ?a {}rdf:type{} ?b }}", "(".repeat(12), ")*".repeat(12));
    let doubled =
        (0..60).map(|at| format!("BIND(CONCAT(?x{at}, ?x{at}) AS ?x{}) ", at + 1)).collect::<Vec<_>>().concat();
    let doubled = format!("SELECT ?x60 {{ BIND(\"ab\" AS ?x0) {doubled} }}");
    let sequence = format!("ASK {{ ?a {}rdf:type ?b }}", "rdf:type/".repeat(5_000));
    let values =
        format!("SELECT * {{ VALUES ?a {{ {0} }} VALUES ?b {{ {0} }} VALUES ?c {{ {0} }} }}", "1 ".repeat(1_000));
    for (query, kind) in [
        ("SELECT * { SERVICE <http://127.0.0.1:1/> { ?s ?p ?o } }", "invalid-query"),
        ("SELECT * { SERVICE SILENT <http://127.0.0.1:1/> { ?s ?p ?o } }", "invalid-query"),
        ("INSERT DATA { <http://x/a> <http://x/b> 1 }", "invalid-query"),
        ("LOAD <http://127.0.0.1:1/>", "invalid-query"),
        ("SELECT (<http://x/f>(1) AS ?x) {}", "invalid-query"),
        (deep.as_str(), "invalid-query"),
        (signs.as_str(), "invalid-query"),
        (values.as_str(), "invalid-query"),
        (chain.as_str(), "invalid-query"),
        (sum.as_str(), "invalid-query"),
        (stars.as_str(), "invalid-query"),
        (doubled.as_str(), "invalid-query"),
        (sequence.as_str(), "invalid-query"),
        ("SELECT * { ?a ?b ?c . ?d ?e ?f . ?g ?h ?i . ?j ?k ?l }", "answer-too-large"),
    ] {
        let (_, answered) = node.refused("POST", "/projects/p/sparql", &json!({ "query": query })).await;
        assert_eq!(answered, kind, "{}", query.get(..80).unwrap_or(query));
    }
    // Near the bounds, where the stack is used most.
    let at_most = [
        format!("SELECT * {{ ?a ?b ?c {} }}", "OPTIONAL { ?a ?b ?c } ".repeat(64)),
        format!("SELECT * {{ ?a ?b ?c {} }}", "MINUS { ?x ?y 1 } ".repeat(64)),
        format!("SELECT (({}1) AS ?x) {{}}", "1+".repeat(498)),
        format!("SELECT ?x {{}} ORDER BY {}", "(1) ".repeat(990)),
        format!("ASK {{ ?a {}rdf:type ?b }}", "rdf:type/".repeat(90)),
        format!("ASK {{ {} }}", "?a rdf:type ?b . ".repeat(195)),
        format!("SELECT * {{ {} {} }}", "OPTIONAL {".repeat(62), "}".repeat(62)),
    ];
    for query in &at_most {
        let (status, answer) = node.call("POST", "/projects/p/sparql", &json!({ "query": query })).await;
        assert_eq!(status, 200, "{}: {answer}", query.get(..80).unwrap_or(query));
    }
    assert_eq!(rows(&node, "SELECT ?x { ?x <urn:skerry:data:n> 1 }").await, ["top"]);
    let refused = node.refused("POST", "/projects/none/sparql", &json!({"query": "ASK {}"})).await;
    assert_eq!(refused, (404, "unknown-project".to_owned()));
}

/// The protocol: GET, a form, JSON; formats by `Accept`.
#[tokio::test]
async fn the_protocol_is_spoken() {
    let node = filled().await;
    let query = "ASK%20%7B%20%3Fs%20%3Fp%20%3Fo%20%7D";
    let (status, bytes) = node.raw("GET", &format!("/api/v1/projects/p/sparql?query={query}"), &[], Vec::new()).await;
    assert_eq!((status, serde_json::from_slice::<Value>(&bytes).unwrap()["boolean"].as_bool()), (200, Some(true)));
    let form = [("content-type", "application/x-www-form-urlencoded"), ("accept", "application/sparql-results+xml")];
    let body = format!("query={query}").into_bytes();
    let (status, bytes) = node.raw("POST", "/api/v1/projects/p/sparql", &form, body).await;
    assert!(status == 200 && String::from_utf8(bytes).unwrap().contains("<boolean>true</boolean>"));
    assert_eq!(raw(&node, "ASK {}", "image/png").await.0, 400);
    assert!(raw(&node, "SELECT ?s { ?s ?p ?o } LIMIT 1", "text/tab-separated-values").await.1.starts_with("?s\n"));
}

//! Searching on the command line: what is typed, what is shown, and the exit codes.

use std::path::Path;

use serde_json::{Value, json};

use crate::process::{Server, fails, ok, run};

/// Notes about the sea, published from a file.
fn filled() -> tempfile::TempDir {
    let data = tempfile::tempdir().unwrap();
    let records = json!([
        {"key": "ebb", "text": "Spring tides: the ebb runs hardest after full moon.", "layers": ["sea"], "data": {"severity": 7, "title": "Ebb"}},
        {"key": "neap", "text": "Neap tide, the smallest rise.", "layers": ["sea"], "data": {"severity": 3}},
        {"key": "enter", "text": "The harbour dries; enter with the spring tide.", "layers": ["pilotage"], "data": {"severity": 9}},
        {"key": "bread", "text": "Knead flour, water and yeast.\u{1b}[31m", "metadata": {"source": "book"}},
    ]);
    publish(data.path(), &records);
    data
}

fn publish(data: &Path, records: &Value) {
    let file = data.join("records.json");
    std::fs::write(&file, records.to_string()).unwrap();
    ok(data, &["publish", file.to_str().unwrap()]);
}

fn keys(data: &Path, arguments: &[&str]) -> Vec<String> {
    let answer: Value = serde_json::from_str(&ok(data, &[&["--json", "query"], arguments].concat())).unwrap();
    answer["hits"].as_array().unwrap().iter().map(|hit| hit["key"].as_str().unwrap().to_owned()).collect()
}

/// The query language, filters and the options that choose hits.
#[test]
fn what_is_typed_is_found() {
    let data = filled();
    let sorted = |arguments: &[&str]| {
        let mut keys = keys(data.path(), arguments);
        keys.sort_unstable();
        keys
    };
    assert_eq!(sorted(&["\"spring tide\""]), ["ebb", "enter"]);
    assert_eq!(sorted(&["severity:3..7 layer:sea"]), ["ebb", "neap"]);
    assert_eq!(sorted(&["severity:>=7 -harbour"]), ["ebb"]);
    assert_eq!(sorted(&["--", "-tide"]), ["bread"], "behind two dashes a query may begin with a minus");
    assert_eq!(sorted(&["--filter", "data.severity != 3", "--filter", "layer in (sea, pilotage)"]), ["ebb", "enter"]);
    let words = r#"{"field": "text", "op": "matches", "value": "spring tides"}"#;
    assert_eq!(sorted(&["--filter", words]), ["ebb", "enter"]);
    assert_eq!(sorted(&["--like", "ebb", "--filter", "data.severity exists"]), ["enter", "neap"]);
    assert_eq!(sorted(&["tide", "--group-by", "layer"]).len(), 3);
    assert_eq!(sorted(&["tide", "--group-by", "layer", "--group-size", "2"]).len(), 4);
    assert_eq!(sorted(&["tide", "--min-similarity", "-1", "--diversity", "0.5", "--exact", "--ef", "64"]).len(), 4);
    assert_eq!(keys(data.path(), &["data.severity:*", "-k", "2", "--offset", "1"]), ["enter", "neap"]);
    let shown = ok(data.path(), &["query", "severity:*", "-k", "1", "--offset", "1"]);
    assert!(shown.starts_with(" 2. enter"), "the rank counts from the first page: {shown}");
    assert!(ok(data.path(), &["query", "severity:>10"]).contains("nothing found among 0 records"));
}

/// A caret stands under the mistake, in an answer that says how to search for the text as it is.
#[test]
fn a_mistake_is_pointed_at() {
    let data = filled();
    let complaint = |arguments: &[&str]| {
        let output = run(data.path(), arguments);
        assert_eq!(output.status.code(), Some(2), "{arguments:?}");
        assert!(output.stdout.is_empty());
        String::from_utf8(output.stderr).unwrap()
    };
    for (query, mark) in [
        ("größe \"spring tide", "  größe \"spring tide\n        ^\n"),
        ("tide\tsevrity:7", "  tide sevrity:7\n       ^\n"),
        ("tide (ebb", "  tide (ebb\n       ^\n"),
    ] {
        let said = complaint(&["query", query]);
        assert!(said.contains(mark) && said.ends_with("Use --plain to search for the text as it is.\n"), "{said}");
    }
    assert!(complaint(&["query", "sevrity:7"]).contains("Did you mean `data.severity`?"));
    let problem: Value = serde_json::from_str(&complaint(&["--json", "query", "tide (ebb"])).unwrap();
    assert_eq!((&problem["position"], &problem["type"]), (&json!(5), &json!("urn:skerry:problem:invalid-query")));
    // As it is, the text is found.
    assert!(ok(data.path(), &["query", "--plain", "größe \"spring tide", "-k", "1"]).contains("spring tide"));
    assert!(!ok(data.path(), &["query", "--plain", "tide (sevrity:7"]).is_empty());
    // Asked rightly, but out of range: the node says which.
    for (arguments, name) in [
        (["query", "tide", "-k", "0"], "`k`"),
        (["query", "tide", "--ef", "5000"], "`ef`"),
        (["query", "tide", "--diversity", "2"], "`diversity`"),
    ] {
        let output = run(data.path(), &arguments);
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(output.status.code() == Some(1) && said.contains(name), "{said}");
    }
    for arguments in [&["query"][..], &["query", "tide", "--like", "ebb"], &["query", "tide", "--group-size", "2"]] {
        assert_eq!(run(data.path(), arguments).status.code(), Some(2), "{arguments:?}");
    }
}

/// A hit is shown with its title, the part that matches, and on request the reasons; never with what steers a terminal.
#[test]
fn hits_are_shown() {
    let data = filled();
    let shown = ok(data.path(), &["query", "ebb", "--mode", "keyword", "--explain"]);
    assert!(shown.starts_with(" 1. ebb  Ebb  score "), "{shown}");
    assert!(shown.contains("    Spring tides: the ebb runs hardest after full moon.\n"), "{shown}");
    assert!(
        shown.contains("(cosine -) + words ") && shown.contains("(BM25 ") && shown.contains(": ebb x1 "),
        "{shown}"
    );
    let titled = json!([{"key": "t", "text": "Boat hook\n\nFor boats and moorings.", "data": {"title": "Boat hook"}, "layers": ["deck"]}]);
    publish(data.path(), &titled);
    let shown = ok(data.path(), &["query", "hook boat", "-k", "1", "--group-by", "layer"]);
    assert!(shown.contains("  [deck]\n    For boats and moorings.\n"), "the title stands there once: {shown}");
    assert!(!ok(data.path(), &["query", "yeast"]).contains('\u{1b}'));
}

/// What was found at an earlier version is found again: offline, through a node, with what was deleted.
#[test]
fn an_earlier_version_is_asked() {
    let data = filled();
    let ask = |more: &[&str]| ok(data.path(), &[&["--json", "query", "spring tide"], more].concat());
    let (before, listed) = (ask(&[]), ok(data.path(), &["versions"]));
    let version = listed.split_whitespace().next().unwrap().to_owned();
    assert!(listed.lines().count() >= 1 && listed.contains("  change 4"), "{listed}");
    publish(data.path(), &json!([{"key": "new", "text": "A spring tide"}, {"key": "neap", "text": "Changed"}]));
    ok(data.path(), &["delete", "ebb"]);
    assert_ne!(ask(&[]), before);
    assert_eq!(ask(&["--at", &version]), before);
    let server = Server::start(data.path());
    assert_eq!(ask(&["--at", &version]), before);
    drop(server);
    assert_eq!(ok(data.path(), &["versions", "--limit", "1"]).lines().count(), 1);
    let newest: Value = serde_json::from_str(&ok(data.path(), &["--json", "versions", "--limit", "1"])).unwrap();
    assert_eq!(newest["versions"][0]["sequence"], 7);
    assert!(fails(data.path(), &["query", "tide", "--at", &"0".repeat(64)]).contains("never had the version"));
    assert!(fails(data.path(), &["versions", "--limit", "0"]).contains("`limit`"));
}

/// Pairs of records that say the same, most similar first; more than one request has room for.
#[test]
fn duplicates_are_listed() {
    let data = filled();
    assert_eq!(ok(data.path(), &["duplicates"]), "no two records are as similar as 0.95\n");
    let same = |n: usize| json!({"key": format!("same {n}"), "text": "Knead flour, water and yeast."});
    let filler = |n: usize| json!({"key": format!("z{n:04}")});
    publish(data.path(), &json!((0..2).map(same).chain((0..600).map(filler)).collect::<Vec<_>>()));
    assert_eq!(ok(data.path(), &["duplicates"]).lines().next(), Some("1.000  same 0  same 1"));
    let answer = ok(data.path(), &["--json", "duplicates", "--min-similarity", "0.5"]);
    let answer: Value = serde_json::from_str(&answer).unwrap();
    let pairs = answer["pairs"].as_array().unwrap();
    assert_eq!(pairs[0]["keys"], json!(["same 0", "same 1"]));
    assert!(pairs.iter().any(|pair| pair["keys"] == json!(["enter", "neap"])), "{answer}");
    assert!(fails(data.path(), &["duplicates", "--min-similarity", "0.2"]).contains("`similarity_min`"));
}

/// The help says what a filter may be.
#[test]
fn the_help_is_up_to_date() {
    let data = tempfile::tempdir().unwrap();
    let help = ok(data.path(), &["query", "--help"]);
    for word in ["= != < <= > >= ^= (starts with) in exists", "layer in (a, b)", "`matches`", "--like CWE-79", "--at"] {
        assert!(help.contains(word), "{word}: {help}");
    }
}

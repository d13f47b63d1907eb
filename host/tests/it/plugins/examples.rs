//! The examples of `examples/plugins`, as they are built for users.

use skerry_host::inspect;
use skerry_host::plugin::PluginFault;
use skerry_host::types::plugin::{Link, Member, Ranking, Target, Verdict};

use super::{batch, built, entry, request, reranker, transform};

/// Examples import the types of the contract, which are no functions, and nothing of WASI; also the one with a JavaScript
/// engine inside.
#[test]
fn examples_are_pure() {
    for name in ["redact", "recency"] {
        assert_eq!(inspect::imports(&built(name)).unwrap(), ["skerry:plugin/types@0.1.0"], "{name}");
    }
}

/// The transform in Rust: what it need not touch it keeps, what it changes it says, what it cannot it refuses.
#[test]
fn redact_takes_addresses_out() {
    let redact = transform(&built("redact"));
    let mut noted = entry("b", "Ask ann@example.org");
    noted.data = r#"{"from":"bob@example.org","big":9007199254740993,"tiny":1e-7}"#.to_owned();
    noted.metadata = r#"{"source":"mail"}"#.to_owned();
    noted.layers = vec!["sea".to_owned()];
    let member = |role: &str, target| Member { role: role.to_owned(), target };
    noted.links = vec![Link {
        kind: "about".to_owned(),
        members: vec![member("a", Target::Key("b".to_owned())), member("b", Target::Link("id".to_owned()))],
        weight: 0.25,
        layers: vec!["x".to_owned()],
        qualifiers: r#"{"q":1}"#.to_owned(),
        since: Some(-5),
        until: None,
    }];
    let links = noted.links.clone();
    let entries = vec![entry("a", "High water at noon"), noted, entry("c@example.org", "")];
    let verdicts = redact.transform(&batch("", entries), None).unwrap();
    assert_eq!(verdicts[0], Verdict::Keep);
    let Verdict::Replace(changed) = &verdicts[1] else { panic!("{verdicts:?}") };
    assert_eq!((changed.key.as_str(), changed.text.as_str()), ("b", "Ask [e-mail]"));
    assert_eq!(changed.data, r#"{"big":9007199254740993,"from":"[e-mail]","tiny":1e-7}"#);
    assert_eq!(changed.metadata, r#"{"redacted":2,"source":"mail"}"#);
    assert_eq!(changed.layers, ["sea", "redacted"]);
    assert_eq!(changed.links, links);
    assert!(matches!(&verdicts[2], Verdict::Refuse(reason) if reason.contains("key")), "{verdicts:?}");
    let fault = redact.transform(&batch("{", vec![entry("a", "")]), None).unwrap_err();
    assert!(matches!(&fault, PluginFault::Settings(said) if said.contains("JSON")), "{fault}");
}

/// The reranker in JavaScript: typed values both ways, errors of the contract, and the same bits for the same input.
#[test]
fn recency_prefers_what_is_new() {
    let recency = reranker(&built("recency"));
    let dated = |key: &str, data: &str| {
        let mut entry = entry(key, "tide");
        data.clone_into(&mut entry.data);
        entry
    };
    let entries = || {
        vec![dated("old", r#"{"date":"2026-10-22"}"#), dated("new", r#"{"date":"2026-11-21"}"#), dated("none", "{}")]
    };
    let argument = r#"{"now":"2026-11-21","half_life_days":30}"#;
    let ranked = recency.rerank(&request("", argument, entries()), None).unwrap();
    // 1 halved once; 1/2 of today; 1/3 as old as the oldest.
    assert_eq!(ranked, Ranking::Scores(vec![0.5, 0.5, 1.0 / 3.0 / 2.0]));
    assert_eq!(recency.rerank(&request("", argument, entries()), None).unwrap(), ranked);
    let by_operator = request(r#"{"half_life_days":30}"#, r#"{"now":"2026-11-21"}"#, entries());
    assert_eq!(recency.rerank(&by_operator, None).unwrap(), ranked);
    for (settings, argument, says) in [
        ("", "", "what day it is"),
        ("", "nonsense", "write it like"),
        ("", r#"{"now":"today"}"#, "`now` is a date"),
        ("", r#"{"now":"2026-11-21","half_life":1}"#, "no member `half_life`"),
    ] {
        let fault = recency.rerank(&request(settings, argument, entries()), None).unwrap_err();
        assert!(matches!(&fault, PluginFault::Argument(said) if said.contains(says)), "{argument}: {fault}");
    }
    let fault = recency.rerank(&request("[]", "", entries()), None).unwrap_err();
    assert!(matches!(&fault, PluginFault::Settings(_)), "{fault}");
    // What JavaScript throws besides is a trap, and hurts that call alone.
    let broken = vec![dated("broken", "not JSON")];
    let fault = recency.rerank(&request("", argument, broken), None).unwrap_err();
    assert!(matches!(&fault, PluginFault::Call(skerry_host::CallError::Trapped(_))), "{fault}");
    assert_eq!(recency.rerank(&request("", argument, entries()), None).unwrap(), ranked);
}

//! Files.

use skerry_edge::body::into_records;
use skerry_edge::input::{Format, check, cwe, read_stream};
use skerry_edge::models::config::ModelsConfig;
use skerry_fuzz::Target;

const MARKDOWN: &str = "---\ntitle: Tide\ntags: [a, b]\nnested:\n  x: 1\n---\n# High *water*\n\nText with a [link](other.md#part) \
     and <b>html</b>.\n\n| a | b |\n|---|---|\n| c | d |\n\n```rust\nfn x() {}\n```\n\n> quoted\n\n1. one\n   - two\n[^1]: note\n";
const JSON: &str = r#"{"records":[{"key":"a","text":"t","data":{"x":[1,{"y":null}]},"metadata":{"m":1e3},"layers":["l"],"links":[{"type":"t","members":[{"role":"r","key":"k"}],"weight":0.5}]},{"key":"b"}]}"#;
const JSONL: &str = "{\"key\":\"a\",\"text\":\"one\"}\r\n\n{\"key\":\"b\",\"links\":[]}\n";
const TEXT: &str = "\u{feff}Just words.\r\n漢字 \u{301}\u{0}";

const WORDS: [&str; 22] = [
    "---\n", "\n---\n", "- ", ": ", "|", ">", "#", "[", "](", ")", "![", "```\n", "<!--", "&#x", "{", "}", "\"", ",",
    "null", "\u{feff}", "\r\n", "    ",
];

/// Whatever the format and whatever is in the file: records that the API takes or refuses with a reason.
#[test]
fn files_to_publish() {
    let corpus = [MARKDOWN, JSON, JSONL, TEXT].map(|text| text.as_bytes().to_vec());
    Target::new("files to publish", &corpus).words(&WORDS).cases(6_000).run_text(|text| {
        for format in [Format::Auto, Format::Json, Format::Jsonl, Format::Markdown, Format::Text] {
            let input = match read_stream(text, format, None) {
                Ok(input) => input,
                Err(error) => {
                    assert!(!error.to_string().is_empty());
                    continue;
                }
            };
            let checked = check(&input.records);
            let bodies = input.records.into_iter().map(|found| found.record).collect();
            // What is found right before it is sent is taken by the node.
            let taken = into_records(bodies);
            assert!(checked.is_err() || taken.is_ok(), "{checked:?} {taken:?}");
        }
    });
}

/// Depth costs an error, not the stack.
#[test]
fn deep_files() {
    for (open, format) in
        [("[", Format::Json), ("{\"a\":", Format::Jsonl), ("> ", Format::Markdown), ("- ", Format::Markdown)]
    {
        let text = format!("{{\"key\":\"k\",\"data\":{}", open.repeat(20_000));
        let _ = read_stream(&text, format, None);
        let _ = read_stream(&open.repeat(20_000), format, None);
        let _ = read_stream(&format!("---\na: {}\n---\n", open.repeat(20_000)), Format::Markdown, None);
    }
}

/// The catalogue that `skerry publish --cwe` reads.
#[test]
fn catalogues() {
    let catalogue = r#"<Weakness_Catalog Name="CWE" Version="4.14" Date="2024-02-29" xmlns="http://cwe.mitre.org/cwe-7">
<Weaknesses><Weakness ID="79" Name="XSS" Abstraction="Base" Status="Stable"><Description>d</Description>
<Extended_Description><xhtml:p xmlns:xhtml="x">p</xhtml:p></Extended_Description>
<Related_Weaknesses><Related_Weakness Nature="ChildOf" CWE_ID="74" View_ID="1000" Ordinal="Primary"/></Related_Weaknesses>
</Weakness></Weaknesses><Views><View ID="1000" Name="Research"/></Views></Weakness_Catalog>"#;
    let corpus = [catalogue.as_bytes().to_vec()];
    let words = [
        "<Weakness ID=\"1\">",
        "</Weakness>",
        "&lt;",
        "&#0;",
        "<!DOCTYPE x [<!ENTITY e \"&e;\">]>",
        "&e;",
        "<![CDATA[",
    ];
    Target::new("catalogues", &corpus).words(&words).cases(4_000).run_text(|xml| {
        if let Ok(read) = cwe::parse(xml, "terms") {
            assert!(!read.notice.is_empty());
        }
    });
}

/// The operator's list of models.
#[test]
fn lists_of_models() {
    let list = r#"{"allow_hosts":["localhost:1"],"models":{"a":{"endpoint":"http://localhost:1/v1","model":"m","dimensions":8,
"send_dimensions":true,"api_key_env":"KEY","requests_per_second":0.5,"batch_texts":2,"timeout_seconds":3,"tries":2,"backoff_ms":10,
"tokens_max":512,"characters_per_token":3.5},"b":{"component":"b.wasm","memory_mib":64,"deadline_seconds":5}}}"#;
    let corpus = [list.as_bytes().to_vec()];
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("models.json");
    std::fs::write(&path, list).unwrap();
    assert_eq!(ModelsConfig::read(&path).unwrap().models.len(), 2);
    let words =
        ["null", "-1", "1e400", "18446744073709551616", "\"component\":", "\"endpoint\":", "http://[::1", "\u{1}"];
    Target::new("lists of models", &corpus).words(&words).cases(3_000).run(|bytes| {
        std::fs::write(&path, bytes).unwrap();
        match ModelsConfig::read(&path) {
            Ok(config) => assert!(config.models.keys().all(|name| !name.is_empty())),
            Err(error) => assert!(error.to_string().contains("models.json"), "{error}"),
        }
    });
}

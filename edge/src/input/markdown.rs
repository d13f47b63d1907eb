//! Markdown: the text without its markup, the title, the headings, links to other Markdown files, and the front matter.

use std::collections::BTreeSet;

use pulldown_cmark::{Event, Options, Parser, Tag, TagEnd};
use serde_json::{Map, Value, json};

use super::front_matter::{self, FrontMatter};
use crate::body::{LinkBody, RecordBody};

/// A document as a record, and what of its front matter was left out.
pub(super) fn record(text: &str, key: &str) -> (RecordBody, Vec<String>) {
    let (FrontMatter { values: metadata, left_out }, text) = front_matter::split(text);
    let mut out = String::new();
    let mut headings: Vec<String> = Vec::new();
    let mut targets = BTreeSet::new();
    let mut heading = false;
    for event in
        Parser::new_ext(text, Options::ENABLE_TABLES | Options::ENABLE_STRIKETHROUGH | Options::ENABLE_TASKLISTS)
    {
        match event {
            Event::Start(Tag::Heading { .. }) => {
                heading = true;
                headings.push(String::new());
            }
            Event::Start(Tag::Link { dest_url, .. }) => targets.extend(resolve(key, &dest_url)),
            Event::Text(part) | Event::Code(part) => {
                out.push_str(&part);
                if let Some(last) = headings.last_mut().filter(|_| heading) {
                    last.push_str(&part);
                }
            }
            Event::SoftBreak | Event::HardBreak | Event::End(TagEnd::TableCell) => out.push(' '),
            Event::End(TagEnd::Heading(_)) => {
                heading = false;
                out.push_str("\n\n");
            }
            Event::End(TagEnd::Paragraph | TagEnd::CodeBlock) => out.push_str("\n\n"),
            Event::End(TagEnd::Item | TagEnd::TableRow | TagEnd::TableHead) => out.push('\n'),
            _ => {}
        }
    }
    let mut data = Map::new();
    let named = metadata.get("title").and_then(Value::as_str).map(str::trim).filter(|title| !title.is_empty());
    if let Some(title) = named.or(headings.first().map(String::as_str)) {
        data.insert("title".to_owned(), json!(title));
    }
    if let Some(title) = named.filter(|title| headings.first().is_none_or(|heading| heading != title)) {
        // A reader sees this title above the text; a search should too.
        out.insert_str(0, &format!("{title}\n\n"));
    }
    if !headings.is_empty() {
        data.insert("headings".to_owned(), Value::from(headings));
    }
    let reference = |target: String| LinkBody::of("references", &[("subject", key), ("object", &target)]);
    let links = targets.into_iter().map(reference).collect();
    let (text, layers) = (out.trim_end().to_owned(), BTreeSet::new());
    (RecordBody { key: key.to_owned(), text, data, metadata, layers, links }, left_out)
}

/// The key of the Markdown file that a link in the file `key` leads to; none for other links.
fn resolve(key: &str, link: &str) -> Option<String> {
    let path = link.split(['#', '?']).next()?;
    let ending = path.rsplit_once('.')?.1;
    if path.contains("://") || path.starts_with('/') || !ending.eq_ignore_ascii_case("md") {
        return None;
    }
    let mut parts: Vec<&str> = key.split('/').collect();
    parts.pop();
    for part in path.split('/') {
        match part {
            "" | "." => {}
            ".." => {
                parts.pop()?;
            }
            name => parts.push(name),
        }
    }
    let decoded = percent_encoding::percent_decode_str(&parts.join("/")).decode_utf8().ok()?.into_owned();
    (decoded != key).then_some(decoded)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What is searched is what a reader sees; links between notes become links between records.
    #[test]
    fn markup_goes_and_links_stay() {
        let text = "# The *tide*\n\nHigh `water` at\nnoon, see [moon](../moon.md#phase) and [web](https://a/b.md).\n\n## More\n\n- one\n- two\n";
        let (record, _) = record(text, "sea/tide.md");
        assert_eq!(record.text, "The tide\n\nHigh water at noon, see moon and web.\n\nMore\n\none\ntwo");
        assert_eq!(record.data["title"], "The tide");
        assert_eq!(record.data["headings"], json!(["The tide", "More"]));
        let objects: Vec<&str> =
            record.links.iter().map(|link| link.members[1].key.as_deref().unwrap_or_default()).collect();
        assert_eq!(objects, ["moon.md"]);
    }

    /// Front matter is about the document, not its text; it made a heading of all its lines.
    #[test]
    fn front_matter_becomes_metadata() {
        let (tide, left_out) =
            record("---\ntitle: Tides\ntags: [sea, moon]\nmap: {a: 1}\n---\n# Ebb\n\nLow water.", "t.md");
        assert_eq!(Value::Object(tide.metadata), json!({"title": "Tides", "tags": ["sea", "moon"]}));
        assert_eq!((&tide.data["title"], &tide.data["headings"]), (&json!("Tides"), &json!(["Ebb"])));
        assert_eq!(tide.text, "Tides\n\nEbb\n\nLow water.");
        assert!(left_out.len() == 1 && left_out[0].starts_with("`map`"), "{left_out:?}");
        let (same, _) = record("---\ntitle: Ebb\n---\n# Ebb\n\nLow water.", "t.md");
        assert_eq!(same.text, "Ebb\n\nLow water.");
        let (bare, _) = record("---\ntitle: Only a title\n---\n", "t.md");
        assert_eq!((bare.text.as_str(), bare.data.get("headings")), ("Only a title", None));
    }

    /// A link out of the folder is not a record of it.
    #[test]
    fn links_stay_inside() {
        assert_eq!(resolve("a.md", "../../x.md"), None);
        assert_eq!(resolve("a/b.md", "./c%20d.md"), Some("a/c d.md".to_owned()));
        assert_eq!(resolve("a.md", "a.md"), None);
    }
}

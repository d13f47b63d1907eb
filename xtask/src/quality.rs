//! `cargo xtask bench --quality`: does a query find what people say it should?
//!
//! MITRE's catalogue names, for most weaknesses, vulnerabilities that were observed, each with a sentence about it. The sentences
//! are the queries, the weaknesses that list the vulnerability are the right answers. The importer leaves the observed
//! examples out of what it publishes, so no record holds a query; [`ask`] refuses to measure if one does.
#![allow(clippy::indexing_slicing, reason = "indexing a `serde_json::Value` by name gives null for what is not there")]

pub(crate) mod measures;

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::process::Command;

use anyhow::{Context, ensure};
use indicatif::{ProgressBar, ProgressStyle};
use roxmltree::{Document, Node};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use crate::bench;
use crate::paths;
use crate::run::run;
use measures::{DEPTH, Difference, Measured, difference, mean};

const QUESTIONS_MAX: usize = 2_000;

/// Vector weights that are compared, in tenths.
const WEIGHT_TENTHS: [u8; 5] = [5, 6, 7, 8, 9];

/// What a request without a fusion gets.
const WEIGHT_TENTHS_DEFAULT: u8 = 8;

const RECIPROCAL_RANK_CONSTANT: u32 = 60;

/// How far below the better leg the default may be.
const SHORTFALL_MAX: f64 = 0.01;

/// A query with its right answers.
#[derive(Debug, PartialEq)]
pub(crate) struct Question {
    pub(crate) text: String,
    /// Keys of records; never empty.
    pub(crate) relevant: BTreeSet<String>,
}

/// A way to search.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Mode {
    Keyword,
    Vector,
    /// Convex, with this vector weight in tenths.
    Convex(u8),
    ReciprocalRank,
}

impl Mode {
    fn all() -> Vec<Mode> {
        let convex = WEIGHT_TENTHS.map(Mode::Convex);
        [Mode::Keyword, Mode::Vector].into_iter().chain(convex).chain([Mode::ReciprocalRank]).collect()
    }

    fn name(self) -> String {
        match self {
            Mode::Keyword => "keyword".to_owned(),
            Mode::Vector => "vector".to_owned(),
            Mode::Convex(tenths) => format!("hybrid, vector weight 0.{tenths}"),
            Mode::ReciprocalRank => format!("hybrid, reciprocal rank ({RECIPROCAL_RANK_CONSTANT})"),
        }
    }

    fn body(self, text: &str) -> Value {
        match self {
            Mode::Keyword => json!({ "text": text, "k": DEPTH, "mode": "keyword" }),
            Mode::Vector => json!({ "text": text, "k": DEPTH, "mode": "vector" }),
            Mode::Convex(tenths) => {
                let weight = f64::from(tenths) / 10.0;
                json!({ "text": text, "k": DEPTH, "fusion": { "convex": { "vector_weight": weight } } })
            }
            Mode::ReciprocalRank => {
                let fusion = json!({ "reciprocal_rank": { "constant": RECIPROCAL_RANK_CONSTANT } });
                json!({ "text": text, "k": DEPTH, "fusion": fusion })
            }
        }
    }
}

/// Publishes the catalogue to the node as `skerry import` does, asks all questions in all modes, prints a table, and gives
/// every number of it.
///
/// # Errors
/// When the sample cannot be read, the node refuses something, or a record holds the question that should find it.
pub(crate) fn quality(node: &mut bench::Node, wheel: &Path) -> anyhow::Result<Vec<Value>> {
    let questions = questions(&bench::catalogue(wheel)?)?;
    let mut import = Command::new(paths::skerry());
    import.args(["--url", &node.url, "--project", "cwe", "import", "--format", "cwe"]).arg(wheel);
    run(&mut import)?;

    let modes = Mode::all();
    let style = "{msg} {wide_bar} {pos}/{len} queries, {per_sec}, {eta} left";
    let bar = ProgressBar::new((modes.len() * questions.len()) as u64).with_style(ProgressStyle::with_template(style)?);
    let mut measured = Vec::new();
    for mode in modes {
        bar.set_message(mode.name());
        let mut of_mode = Measured::default();
        for question in &questions {
            let answer = ask(node, mode, question)?;
            let hits = answer["hits"].as_array().into_iter().flatten();
            let keys: Vec<&str> = hits.filter_map(|hit| hit["key"].as_str()).collect();
            of_mode.push(&keys, &question.relevant);
            bar.inc(1);
        }
        measured.push((mode, of_mode));
    }
    bar.finish_and_clear();
    println!("{} questions", questions.len());
    report(&measured)
}

/// A whole answer, from records none of which holds the question.
fn ask(node: &mut bench::Node, mode: Mode, question: &Question) -> anyhow::Result<Value> {
    let (answer, _) = node.call("POST", "/projects/cwe/query", &mode.body(&question.text))?;
    ensure!(answer["vectors_pending"].is_null(), "a record has no vector yet: {answer}");
    for hit in answer["hits"].as_array().context("an answer has no hits")? {
        let record = hit["record"].to_string();
        ensure!(!record.contains("CVE-"), "a record holds observed examples: {record}");
    }
    Ok(answer)
}

/// The questions of the catalogue, in the order of a hash of their texts.
///
/// A text that stands for several vulnerabilities is one question, and so is one that several weaknesses use for the same.
pub(crate) fn questions(xml: &str) -> anyhow::Result<Vec<Question>> {
    let document = Document::parse(xml).context("parse the catalogue")?;
    let mut weaknesses: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    let mut vulnerabilities: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    for example in document.descendants().filter(|node| is(node, "Observed_Example")) {
        let weakness = example.ancestors().find(|node| is(node, "Weakness"));
        let Some(id) = weakness.and_then(|weakness| weakness.attribute("ID")) else { continue };
        let (reference, text) = (text_of(example, "Reference"), without_identifiers(&text_of(example, "Description")));
        // A few examples refer to something else than a CVE.
        if reference.starts_with("CVE-") && !text.is_empty() {
            weaknesses.entry(reference.clone()).or_default().insert(format!("CWE-{id}"));
            vulnerabilities.entry(text).or_default().insert(reference);
        }
    }
    let question = |(text, references): (String, BTreeSet<String>)| {
        let relevant = references.iter().filter_map(|reference| weaknesses.get(reference)).flatten().cloned();
        Question { text, relevant: relevant.collect() }
    };
    let mut questions: Vec<Question> = vulnerabilities.into_iter().map(question).collect();
    ensure!(!questions.is_empty(), "the catalogue has no observed examples");
    questions.sort_by_cached_key(|question| Sha256::digest(&question.text));
    questions.truncate(QUESTIONS_MAX);
    Ok(questions)
}

/// Names are compared without their namespace, which changes with the catalogue's schema.
pub(crate) fn is(node: &Node<'_, '_>, name: &str) -> bool {
    node.tag_name().name() == name
}

/// All text below the child of that name, white space folded.
pub(crate) fn text_of(node: Node<'_, '_>, name: &str) -> String {
    let below = node.children().filter(|child| is(child, name)).flat_map(|child| child.descendants());
    let words: Vec<&str> =
        below.filter_map(|node| node.text().filter(|_| node.is_text())).flat_map(str::split_whitespace).collect();
    words.join(" ")
}

/// A description without the numbers of weaknesses, which would be the answer inside the question.
fn without_identifiers(text: &str) -> String {
    if !text.contains("CWE-") {
        return text.to_owned();
    }
    let mut parts = text.split("CWE-");
    let mut out = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        out.push_str(part.trim_start_matches(|character: char| character.is_ascii_digit()));
    }
    let words: Vec<&str> = out.split_whitespace().filter(|word| word.contains(char::is_alphanumeric)).collect();
    words.join(" ")
}

fn report(measured: &[(Mode, Measured)]) -> anyhow::Result<Vec<Value>> {
    let of = |wanted: Mode| {
        let found = measured.iter().find(|(mode, _)| *mode == wanted);
        found.map(|(_, measured)| measured).with_context(|| format!("{} was not measured", wanted.name()))
    };
    let (keyword, vector) = (of(Mode::Keyword)?, of(Mode::Vector)?);
    let mut rows = Vec::new();
    println!("| search | nDCG@10 | recall@10 | MRR@10 | nDCG@10 above the better of keyword and vector (95 %) |");
    println!("| --- | --- | --- | --- | --- |");
    for (mode, measures) in measured {
        let name = mode.name();
        let cells: Vec<String> = measures.all().iter().map(|(_, values)| format!("{:.4}", mean(values))).collect();
        for (measure, values) in measures.all() {
            rows.push(json!({ "name": format!("{measure}, {name}"), "value": mean(values), "unit": "ratio" }));
        }
        let mut cell = String::new();
        if !matches!(mode, Mode::Keyword | Mode::Vector) {
            let Difference { value, low, high } = difference(&measures.ndcg, [&keyword.ndcg, &vector.ndcg]);
            cell = format!("{value:+.4} ({low:+.4} to {high:+.4})");
            let name = format!("nDCG@10 above the better leg, {name}");
            rows.push(json!({ "name": name, "value": value, "unit": "ratio", "low": low, "high": high }));
        }
        println!("| {name} | {} | {cell} |", cells.join(" | "));
    }

    let default = of(Mode::Convex(WEIGHT_TENTHS_DEFAULT))?;
    println!("\nThe default against the better leg (goal: never more than {SHORTFALL_MAX} below):");
    let legs = keyword.all().into_iter().zip(vector.all());
    for ((measure, ours), ((_, keyword), (_, vector))) in default.all().into_iter().zip(legs) {
        let Difference { value, low, high } = difference(ours, [keyword, vector]);
        let verdict = if value >= -SHORTFALL_MAX { "met" } else { "missed" };
        println!("- {measure}: {value:+.4} ({low:+.4} to {high:+.4}), {verdict}");
        let name = format!("{measure} above the better leg, default");
        rows.push(json!({ "name": name, "value": value, "unit": "ratio", "low": low, "high": high }));
    }
    rows.push(choose(measured)?);
    Ok(rows)
}

/// The vector weight that is best on one half of the questions, with what it is worth on the other. The questions are in the
/// order of a hash, so every second one is a random half.
fn choose(measured: &[(Mode, Measured)]) -> anyhow::Result<Value> {
    let half = |measured: &Measured, first: usize| -> Vec<f64> {
        measured.ndcg.iter().skip(first).step_by(2).copied().collect()
    };
    let convex = || measured.iter().filter(|(mode, _)| matches!(mode, Mode::Convex(_)));
    let best_of = |first: usize| {
        let best = convex().max_by(|(_, a), (_, b)| mean(&half(a, first)).total_cmp(&mean(&half(b, first))));
        best.context("no weight was measured")
    };
    let ((mode, chosen), (other_mode, other)) = (best_of(0)?, best_of(1)?);
    let of = |wanted| measured.iter().find(|(mode, _)| *mode == wanted).map(|(_, measured)| half(measured, 1));
    let keyword = of(Mode::Keyword).context("no keyword search")?;
    let vector = of(Mode::Vector).context("no vector search")?;
    let default = of(Mode::Convex(WEIGHT_TENTHS_DEFAULT)).context("the default was not measured")?;
    let checked = half(chosen, 1);
    let name = mode.name();
    println!("\nBest on one half: {name}, nDCG@10 {:.4}. On the other half:", mean(&half(chosen, 0)));
    println!("- nDCG@10 {:.4}; best there: {}, {:.4}", mean(&checked), other_mode.name(), mean(&half(other, 1)));
    for (what, legs) in [("the better leg", [&keyword, &vector]), ("the default weight", [&default, &default])] {
        let Difference { value, low, high } = difference(&checked, legs.map(Vec::as_slice));
        println!("- above {what}: {value:+.4} ({low:+.4} to {high:+.4})");
    }
    Ok(
        json!({ "name": format!("nDCG@10 on the other half, best of one: {name}"), "value": mean(&checked), "unit": "ratio" }),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Two weaknesses that list one vulnerability are both right, whichever sentence is asked; a sentence used twice is asked
    /// once, without the numbers of weaknesses in it; other references than CVE are no questions.
    #[test]
    fn examples_become_questions() {
        let xml = r#"<c xmlns="urn:c"><Weakness ID="1"><Observed_Examples>
              <Observed_Example><Reference>CVE-1</Reference><Description>Chain: overflow
                 (CWE-190) first.</Description></Observed_Example>
              <Observed_Example><Reference>CVE-2</Reference><Description>Same words</Description></Observed_Example>
              <Observed_Example><Reference>[REF-1]</Reference><Description>No CVE</Description></Observed_Example>
            </Observed_Examples></Weakness><Weakness ID="2"><Observed_Examples>
              <Observed_Example><Reference>CVE-1</Reference><Description>In words of its own</Description></Observed_Example>
              <Observed_Example><Reference>CVE-3</Reference><Description>Same words</Description></Observed_Example>
            </Observed_Examples></Weakness></c>"#;
        let mut found = questions(xml).unwrap();
        found.sort_by(|a, b| a.text.cmp(&b.text));
        let expected = ["Chain: overflow first.", "In words of its own", "Same words"];
        let relevant = BTreeSet::from(["CWE-1", "CWE-2"].map(str::to_owned));
        let expected = expected.map(|text| Question { text: text.to_owned(), relevant: relevant.clone() });
        assert_eq!(found, expected);
        assert!(questions("<c/>").is_err());
    }
}

//! What the static model loses against its teacher, and what it takes.

use std::collections::BTreeSet;
use std::hint::black_box;
use std::time::Instant;

use anyhow::Context;
use roxmltree::Document;
use skerry_host::Embedder;

use super::linear::dot;
use super::{HELD_OUT, teacher};
use crate::quality::measures::{mean, ndcg};
use crate::quality::{is, questions, text_of};
use crate::{bench, fetch, paths, wordnet};

const PAIRS: usize = 2_000;
const QUERIES: usize = 500;
const DEPTH: usize = 10;

/// A text of about 32 tokens.
const TEXT: &str = "The pilot comes aboard at noon off the outer buoy, when the tide turns and the wind has gone down, \
                    and brings the ship into the harbour before night falls.";

/// Vectors of some texts by one model.
struct Vectors {
    numbers: Vec<f32>,
    dimensions: usize,
}

impl Vectors {
    fn of(embedder: &Embedder, what: &str, texts: &[&str]) -> anyhow::Result<Vectors> {
        let dimensions = embedder.model().dimensions as usize;
        Ok(Vectors { numbers: teacher::vectors(embedder, what, texts)?, dimensions })
    }

    fn row(&self, index: usize) -> &[f32] {
        self.numbers.chunks_exact(self.dimensions).nth(index).unwrap_or_default()
    }

    /// The nearest rows of `others` to a row, best first, itself left out where `others` are these.
    fn nearest(&self, index: usize, others: &Vectors) -> Vec<usize> {
        let mut all: Vec<(f32, usize)> = others
            .numbers
            .chunks_exact(self.dimensions)
            .enumerate()
            .filter(|(other, _)| !std::ptr::eq(self, others) || *other != index)
            .map(|(other, row)| (dot(self.row(index), row), other))
            .collect();
        all.sort_by(|a, b| b.0.total_cmp(&a.0));
        all.into_iter().take(DEPTH).map(|(_, other)| other).collect()
    }
}

/// Prints a table.
pub(crate) fn measure() -> anyhow::Result<()> {
    let (ours, theirs) = (teacher::embedder("embedding-static")?, teacher::embedder("embedding")?);
    println!("{}, {} dimensions, against {}", ours.model().id, ours.model().dimensions, theirs.model().id);
    let glosses = wordnet::glosses()?;
    let held_out: Vec<&str> = glosses.iter().rev().take(HELD_OUT).map(|gloss| gloss.text.as_str()).collect();
    let (a, b) = (Vectors::of(&ours, "held-out", &held_out)?, Vectors::of(&theirs, "held-out", &held_out)?);
    println!("| measure | static | transformer |\n| --- | --- | --- |");
    println!("| rank correlation of {PAIRS} pairs of glosses | {:.3} | 1 |", correlation(&a, &b));
    println!("| overlap@10 among {HELD_OUT} glosses | {:.3} | 1 |", overlap(&a, &b));
    let (ours_ndcg, theirs_ndcg) = (weaknesses(&ours)?, weaknesses(&theirs)?);
    println!("| CVE to CWE by vectors alone, nDCG@10 | {ours_ndcg:.3} | {theirs_ndcg:.3} |");
    let tokens = ours.tokenize(TEXT)?.len();
    for (texts, times) in [(1, 400), (32, 50)] {
        let (ours_us, theirs_us) = (microseconds(&ours, texts, times)?, microseconds(&theirs, texts, times / 10)?);
        println!("| a text of {tokens} tokens, {texts} a call, two instances (µs) | {ours_us:.1} | {theirs_us:.0} |");
    }
    for name in ["embedding-static", "embedding"] {
        let bytes = std::fs::metadata(paths::components().join(format!("{name}.wasm")))?.len();
        println!("| component `{name}` (MB) | {:.1} | |", bytes as f64 / 1e6);
    }
    Ok(())
}

/// Spearman's coefficient between the similarities that two models give the same pairs, those of a row and a later one.
fn correlation(a: &Vectors, b: &Vectors) -> f64 {
    let pairs = || (0..PAIRS).map(|n| (n, (n * 2 + 1 + n % 977) % HELD_OUT)).filter(|(x, y)| x != y);
    let of = |vectors: &Vectors| -> Vec<f64> {
        let similarities: Vec<f32> = pairs().map(|(x, y)| dot(vectors.row(x), vectors.row(y))).collect();
        let mut order: Vec<usize> = (0..similarities.len()).collect();
        order.sort_by(|x, y| {
            similarities.get(*x).partial_cmp(&similarities.get(*y)).unwrap_or(std::cmp::Ordering::Equal)
        });
        let mut ranks: Vec<(usize, f64)> = order.into_iter().zip((0..).map(f64::from)).collect();
        ranks.sort_unstable_by_key(|(index, _)| *index);
        ranks.into_iter().map(|(_, rank)| rank).collect()
    };
    let (x, y) = (of(a), of(b));
    let middle = (x.len() as f64 - 1.0) / 2.0;
    let together: f64 = x.iter().zip(&y).map(|(x, y)| (x - middle) * (y - middle)).sum();
    together / x.iter().map(|x| (x - middle).powi(2)).sum::<f64>()
}

/// The share of the ten nearest that two models agree on.
fn overlap(a: &Vectors, b: &Vectors) -> f64 {
    let shares: Vec<f64> = (0..QUERIES)
        .map(|query| {
            let expected = b.nearest(query, b);
            a.nearest(query, a).iter().filter(|found| expected.contains(found)).count() as f64 / DEPTH as f64
        })
        .collect();
    mean(&shares)
}

/// How well sentences about vulnerabilities find the weaknesses behind them, by name and description, with vectors alone.
fn weaknesses(embedder: &Embedder) -> anyhow::Result<f64> {
    let xml = bench::catalogue(&fetch::sample()?)?;
    let document = Document::parse(&xml).context("parse the catalogue")?;
    let mut keys = Vec::new();
    let mut texts = Vec::new();
    for weakness in document.descendants().filter(|node| is(node, "Weakness")) {
        let (Some(id), Some(name)) = (weakness.attribute("ID"), weakness.attribute("Name")) else { continue };
        keys.push(format!("CWE-{id}"));
        texts.push(format!("{name}. {}", text_of(weakness, "Description")));
    }
    let questions = questions(&xml)?;
    let asked: Vec<&str> = questions.iter().map(|question| question.text.as_str()).collect();
    let texts: Vec<&str> = texts.iter().map(String::as_str).collect();
    let (asked, records) = (Vectors::of(embedder, "questions", &asked)?, Vectors::of(embedder, "weaknesses", &texts)?);
    let score = |(index, relevant): (usize, &BTreeSet<String>)| {
        let found = asked.nearest(index, &records);
        let hits: Vec<&str> = found.iter().filter_map(|&hit| keys.get(hit)).map(String::as_str).collect();
        ndcg(&hits, relevant)
    };
    Ok(mean(&questions.iter().map(|question| &question.relevant).enumerate().map(score).collect::<Vec<_>>()))
}

/// Time per text of calls with so many texts, the median of all.
fn microseconds(embedder: &Embedder, texts: usize, times: usize) -> anyhow::Result<f64> {
    let texts = vec![TEXT; texts];
    let mut all = Vec::with_capacity(times);
    for _ in 0..times {
        let begun = Instant::now();
        black_box(embedder.embed(&texts)?);
        all.push(begun.elapsed().as_secs_f64() * 1e6 / texts.len() as f64);
    }
    all.sort_by(f64::total_cmp);
    all.get(all.len() / 2).copied().context("nothing was measured")
}

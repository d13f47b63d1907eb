//! The order of similarities against onnxruntime in f32. Search lives by that order; a cosine close to one for each text does
//! not promise it. `bench/embedding_oracle.py` made the fixture; the texts are glosses of `WordNet` 3.1 (Princeton University).

use serde::Deserialize;
use skerry_host::Embedder;

use crate::artefacts::{ENGINE, LIMITS, component};

#[derive(Deserialize)]
struct Oracle {
    texts: Vec<String>,
    /// Two texts and the cosine of their vectors.
    pairs: Vec<(usize, usize, f64)>,
}

/// Spearman's rank correlation over 2,000 pairs, near and far ones, is at least 0.995.
#[test]
fn similarities_are_in_the_order_of_onnxruntime() {
    let oracle: Oracle = serde_json::from_str(include_str!("../fixtures/similarities.json")).unwrap();
    let texts: Vec<&str> = oracle.texts.iter().map(String::as_str).collect();
    let embeddings = Embedder::new(&ENGINE, &component("embedding"), 2, LIMITS).unwrap().embed(&texts).unwrap();
    let dot = |a: usize, b: usize| -> f64 {
        let pairs = embeddings[a].vector.iter().zip(&embeddings[b].vector);
        pairs.map(|(a, b)| f64::from(*a) * f64::from(*b)).sum()
    };
    let ours: Vec<f64> = oracle.pairs.iter().map(|(a, b, _)| dot(*a, *b)).collect();
    let theirs: Vec<f64> = oracle.pairs.iter().map(|(_, _, similarity)| *similarity).collect();
    assert_eq!(ours.len(), 2_000);
    let spearman = correlation(&ranks(&ours), &ranks(&theirs));
    println!("Spearman against onnxruntime: {spearman:.5}");
    assert!(spearman >= 0.995, "{spearman}");
}

/// Places in ascending order; equal values share the mean of theirs.
fn ranks(values: &[f64]) -> Vec<f64> {
    let mut order: Vec<usize> = (0..values.len()).collect();
    order.sort_by(|a, b| values[*a].total_cmp(&values[*b]));
    let mut ranks = vec![0.0; values.len()];
    for equal in order.chunk_by(|a, b| values[*a].total_cmp(&values[*b]).is_eq()) {
        let before = order.iter().position(|place| *place == equal[0]).unwrap() as f64;
        equal.iter().for_each(|place| ranks[*place] = before + (equal.len() - 1) as f64 / 2.0);
    }
    ranks
}

/// Pearson's correlation.
fn correlation(a: &[f64], b: &[f64]) -> f64 {
    let mean = |values: &[f64]| values.iter().sum::<f64>() / values.len() as f64;
    let (mean_a, mean_b) = (mean(a), mean(b));
    let sum =
        |part: &dyn Fn(f64, f64) -> f64| -> f64 { a.iter().zip(b).map(|(a, b)| part(a - mean_a, b - mean_b)).sum() };
    sum(&|a, b| a * b) / (sum(&|a, _| a * a) * sum(&|_, b| b * b)).sqrt()
}

//! `skerry embed`: a vector without a project, for scripts and for measuring.

use serde_json::Value;

use crate::process::ok;

/// The vector is the model's, whole and of unit length, and no replica is made for it.
#[test]
fn a_text_is_embedded_without_a_project() {
    let data = tempfile::tempdir().unwrap();
    let folder = data.path().join("absent");
    let answer = ok(&folder, &["embed", "High water at noon", "Hochwasser"]);
    let lines: Vec<Value> = answer.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(lines.len(), 2);
    assert!(lines[0]["model"].as_str().unwrap().starts_with("all-MiniLM-L6-v2/"), "{}", lines[0]["model"]);
    assert_eq!((&lines[0]["tokens"], &lines[0]["truncated"]), (&6.into(), &false.into()));
    let norm: f64 = lines[0]["vector"].as_array().unwrap().iter().map(|number| number.as_f64().unwrap().powi(2)).sum();
    assert!((norm - 1.0).abs() < 1e-5, "{norm}");
    assert!(!folder.exists());
}

//! Reads what an endpoint answers, and believes nothing of it unseen.

use serde::Deserialize;

#[derive(Deserialize)]
struct Answer {
    data: Vec<Item>,
}

#[derive(Deserialize)]
struct Item {
    index: usize,
    embedding: Vec<f32>,
}

/// The vectors of a batch in the order of its texts, each of unit length.
///
/// # Errors
/// What is wrong with the answer, in words that follow "its answer".
pub(super) fn read(bytes: &[u8], texts: usize, dimensions: u32) -> Result<Vec<Vec<f32>>, String> {
    let answer: Answer =
        serde_json::from_slice(bytes).map_err(|error| format!("is not an answer with embeddings ({error})"))?;
    if answer.data.len() != texts {
        return Err(format!("has {} vectors for {texts} texts", answer.data.len()));
    }
    let mut vectors: Vec<Option<Vec<f32>>> = vec![None; texts];
    for Item { index, embedding } in answer.data {
        let place = vectors.get_mut(index).ok_or_else(|| format!("has a vector for text {index} of {texts}"))?;
        if place.is_some() {
            return Err(format!("has two vectors for text {index}"));
        }
        *place = Some(unit(embedding, dimensions)?);
    }
    vectors.into_iter().collect::<Option<_>>().ok_or_else(|| "lacks a vector".to_owned())
}

/// A vector of the right size, scaled to unit length.
///
/// # Errors
/// What is wrong with it, in words that follow "its answer".
pub(super) fn unit(mut vector: Vec<f32>, dimensions: u32) -> Result<Vec<f32>, String> {
    if vector.len() != dimensions as usize {
        return Err(format!("has vectors of {} numbers; {dimensions} are configured", vector.len()));
    }
    let length = vector.iter().map(|&number| f64::from(number) * f64::from(number)).sum::<f64>().sqrt();
    if !length.is_finite() || length <= 0.0 {
        return Err("has a vector whose numbers are not finite or all zero".to_owned());
    }
    vector.iter_mut().for_each(|number| *number = (f64::from(*number) / length) as f32);
    Ok(vector)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refused(json: &str) -> String {
        read(json.as_bytes(), 2, 2).unwrap_err()
    }

    /// The index says whose vector it is, not the place; and length is taken out.
    #[test]
    fn vectors_are_put_in_order_and_scaled() {
        let json =
            r#"{"object": "list", "data": [{"index": 1, "embedding": [0, -2]}, {"index": 0, "embedding": [3, 4]}]}"#;
        assert_eq!(read(json.as_bytes(), 2, 2).unwrap(), [vec![0.6, 0.8], vec![0.0, -1.0]]);
    }

    /// What JSON cannot say, a component can.
    #[test]
    fn vectors_are_finite() {
        assert!(unit(vec![1.0, f32::NAN], 2).unwrap_err().contains("not finite"));
        assert!(unit(vec![1.0, f32::INFINITY], 2).unwrap_err().contains("not finite"));
        assert_eq!(unit(vec![f32::MAX, 0.0], 2).unwrap(), [1.0, 0.0]);
    }

    /// Every way of being wrong is told apart, and none becomes a vector.
    #[test]
    fn bad_answers_are_refused() {
        let item = |index: &str, vector: &str| format!(r#"{{"index": {index}, "embedding": [{vector}]}}"#);
        let data = |items: &[String]| format!(r#"{{"data": [{}]}}"#, items.join(","));
        let good = item("0", "1, 2");
        assert!(refused("<html>").contains("not an answer"));
        assert!(refused("{}").contains("missing field `data`"));
        assert!(refused(&data(std::slice::from_ref(&good))).contains("1 vectors for 2 texts"));
        assert!(refused(&data(&[good.clone(), good.clone()])).contains("two vectors for text 0"));
        assert!(refused(&data(&[good.clone(), item("2", "1, 2")])).contains("text 2 of 2"));
        assert!(
            refused(&data(&[good.clone(), r#"{"embedding": [1, 2]}"#.to_owned()])).contains("missing field `index`")
        );
        assert!(refused(&data(&[good.clone(), item("1", "1, 2, 3")])).contains("3 numbers; 2 are configured"));
        assert!(refused(&data(&[good.clone(), item("1", "0, 0")])).contains("all zero"));
        for not_json in ["NaN", "null", "\"1\"", "1e39"] {
            assert!(refused(&data(&[good.clone(), item("1", &format!("1, {not_json}"))])).contains("not an answer"));
        }
    }
}

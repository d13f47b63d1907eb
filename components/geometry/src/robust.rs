//! Statistics that a few wild values do not move.

/// The middle value, or the mean of the two; NaN of nothing.
pub fn median(values: &[f64]) -> f64 {
    quantile(values, 0.5)
}

/// The value below which this share lies, between neighbours by a straight line (type 7 of Hyndman and Fan, 1996).
pub fn quantile(values: &[f64], share: f64) -> f64 {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    let at = share * sorted.len().saturating_sub(1) as f64;
    let low = at as usize;
    match (sorted.get(low), sorted.get(low + 1)) {
        (Some(a), Some(b)) => a + (at - low as f64) * (b - a),
        (Some(a), None) => *a,
        _ => f64::NAN,
    }
}

/// Robust z-scores: distances from the median in units of 1.4826 times the median absolute deviation, which is the standard deviation
/// for normal data (Iglewicz and Hoaglin, 1993). Where more than half of the values are one, the mean absolute deviation takes its place
/// (times 1.2533); where all are, the scores are 0.
pub fn z_scores(values: &[f64]) -> Vec<f64> {
    let middle = median(values);
    let apart: Vec<f64> = values.iter().map(|value| (value - middle).abs()).collect();
    let mut scale = 1.482_602_218_505_602 * median(&apart);
    if scale == 0.0 {
        scale = 1.253_314_137_315_500_3 * apart.iter().sum::<f64>() / apart.len().max(1) as f64;
    }
    if scale == 0.0 {
        return vec![0.0; values.len()];
    }
    values.iter().map(|value| (value - middle) / scale).collect()
}

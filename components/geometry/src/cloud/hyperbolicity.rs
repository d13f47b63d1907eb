//! Gromov's four-point condition (Gromov, Hyperbolic Groups, 1987).

use super::Distances;
use crate::draw::Draw;
use crate::fault::{AnalysisError, undefined};

/// How far a cloud is from a tree: 0 is a tree.
#[derive(Debug, Clone, PartialEq)]
pub struct Hyperbolicity {
    /// The largest `(S1 - S2) / 2` over four points, `S1 >= S2 >= S3` the sums of the distances of opposite pairs.
    pub delta: f64,
    /// The mean of it.
    pub mean: f64,
    /// `2 delta / diameter`: 0 for a tree, 1 at most.
    pub relative: f64,
    /// Fours that were looked at.
    pub fours: u64,
    /// Whether those are all: else `delta` is a lower bound.
    pub exact: bool,
}

/// Looks at all fours when there are no more than `fours_max`, else at so many drawn by `seed`.
///
/// # Errors
/// [`AnalysisError::Undefined`] for fewer than four points, or points that are all one.
pub fn hyperbolicity(distances: &Distances, fours_max: u64, seed: u64) -> Result<Hyperbolicity, AnalysisError> {
    let n = distances.len();
    if n < 4 {
        return undefined(format!("{n} points have no four of them"));
    }
    let diameter = distances.condensed.iter().copied().fold(0.0, f64::max);
    if diameter == 0.0 {
        return undefined("the points are all one");
    }
    let wide = n as u128;
    let all = (wide * (wide - 1) * (wide - 2) * (wide - 3) / 24) as u64;
    let (mut delta, mut sum) = (0.0_f64, 0.0);
    let mut look = |a: usize, b: usize, c: usize, d: usize| {
        let mut sums = [
            distances.between(a, b) + distances.between(c, d),
            distances.between(a, c) + distances.between(b, d),
            distances.between(a, d) + distances.between(b, c),
        ];
        sums.sort_by(f64::total_cmp);
        let [_, second, first] = sums;
        delta = delta.max((first - second) / 2.0);
        sum += (first - second) / 2.0;
    };
    let exact = all <= fours_max;
    if exact {
        for a in 0..n {
            for b in a + 1..n {
                for c in b + 1..n {
                    (c + 1..n).for_each(|d| look(a, b, c, d));
                }
            }
        }
    } else {
        let mut draw = Draw::new(seed);
        for _ in 0..fours_max {
            let mut four = [0; 4];
            for at in 0..4 {
                // Of those that are left, so that four are different.
                let mut pick = draw.below(n - at);
                let mut taken = [four[0], four[1], four[2]];
                taken[..at].sort_unstable();
                for taken in &taken[..at] {
                    pick += usize::from(pick >= *taken);
                }
                four[at] = pick;
            }
            let [a, b, c, d] = four;
            look(a, b, c, d);
        }
    }
    let fours = if exact { all } else { fours_max };
    Ok(Hyperbolicity { delta, mean: sum / fours.max(1) as f64, relative: 2.0 * delta / diameter, fours, exact })
}

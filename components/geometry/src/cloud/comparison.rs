//! Curvature by comparison of triangles: the distance from a corner to a point of the opposite side grows with curvature, and the
//! curvature of the model plane where it is as long as in the cloud is the estimate (Bridson and Haefliger, Metric Spaces of Non-Positive
//! Curvature, 1999, II.1; for clouds as in Gu, Sala, Gunel and Re, ICLR 2019).

use super::Distances;
use crate::draw::Draw;
use crate::fault::{AnalysisError, undefined};
use crate::robust::quantile;

/// An estimate of sectional curvature.
#[derive(Debug, Clone, PartialEq)]
pub struct Curvature {
    /// The median over triangles, in 1 / distance^2.
    pub curvature: f64,
    /// The lower quartile.
    pub low: f64,
    /// The upper quartile.
    pub high: f64,
    /// Triangles that had a point of the cloud near the middle of a side.
    pub triangles: u32,
}

/// How much longer the way over the middle may be than the side, as a part of it: the height of the middle over the side is then
/// less than 4 percent of its length.
const DETOUR_MAX: f64 = 0.003;

/// The law of cosines in the plane of curvature `k`: the side opposite to the angle with this cosine.
fn opposite(k: f64, a: f64, b: f64, cos: f64) -> f64 {
    if k.abs() * a.max(b) * a.max(b) < 1e-9 {
        return (a * a + b * b - 2.0 * a * b * cos).max(0.0).sqrt();
    }
    let root = k.abs().sqrt();
    let (a, b) = (root * a, root * b);
    if k > 0.0 {
        let cos = libm::cos(a) * libm::cos(b) + libm::sin(a) * libm::sin(b) * cos;
        libm::acos(cos.clamp(-1.0, 1.0)) / root
    } else {
        let cosh = libm::cosh(a) * libm::cosh(b) - libm::sinh(a) * libm::sinh(b) * cos;
        libm::acosh(cosh.max(1.0)) / root
    }
}

/// The cosine of the angle between the sides `a` and `b` whose opposite side is `c`.
fn cos_between(k: f64, a: f64, b: f64, c: f64) -> f64 {
    if k.abs() * a.max(b) * a.max(b) < 1e-9 {
        return (a * a + b * b - c * c) / (2.0 * a * b);
    }
    let root = k.abs().sqrt();
    let (a, b, c) = (root * a, root * b, root * c);
    if k > 0.0 {
        (libm::cos(c) - libm::cos(a) * libm::cos(b)) / (libm::sin(a) * libm::sin(b))
    } else {
        (libm::cosh(a) * libm::cosh(b) - libm::cosh(c)) / (libm::sinh(a) * libm::sinh(b))
    }
}

/// The curvature where the corner opposite to a side `b c` is `median` from the point at `t` of that side.
fn fitting(ab: f64, ac: f64, bc: f64, t: f64, median: f64) -> f64 {
    let longest = ab.max(ac).max(bc);
    let around = ab + ac + bc;
    let most = 0.98 * (std::f64::consts::TAU / around) * (std::f64::consts::TAU / around);
    let (mut low, mut high) = (-(12.0 / longest) * (12.0 / longest), most);
    let at = |k: f64| opposite(k, ab, t, cos_between(k, ab, bc, ac).clamp(-1.0, 1.0));
    for _ in 0..60 {
        let middle = f64::midpoint(low, high);
        if at(middle) < median { low = middle } else { high = middle }
    }
    f64::midpoint(low, high)
}

/// Draws `triangles` threes by `seed` and compares those that have a point near the middle of a side.
///
/// # Errors
/// [`AnalysisError::Undefined`] when the cloud is too thin: fewer than 20 triangles have one.
pub fn curvature(distances: &Distances, triangles: u32, seed: u64) -> Result<Curvature, AnalysisError> {
    let n = distances.len();
    if n < 4 {
        return undefined(format!("{n} points are too few for a curvature"));
    }
    let mut draw = Draw::new(seed);
    let mut found: Vec<f64> = Vec::new();
    let typical = crate::robust::median(&distances.condensed);
    for _ in 0..triangles {
        let (a, b, c) = (draw.below(n), draw.below(n), draw.below(n));
        let (ab, ac, bc) = (distances.between(a, b), distances.between(a, c), distances.between(b, c));
        // Small triangles show no curvature, flat ones cannot tell it.
        if ab.min(ac).min(bc) < 0.5 * typical || ab + ac < 1.05 * bc {
            continue;
        }
        let mut best: Option<(f64, usize)> = None;
        for m in (0..n).filter(|&m| m != a && m != b && m != c) {
            let (bm, mc) = (distances.between(b, m), distances.between(m, c));
            let detour = (bm + mc) / bc - 1.0;
            let is_middle = bm > 0.3 * bc && mc > 0.3 * bc;
            if is_middle && detour < DETOUR_MAX && best.is_none_or(|(least, _)| detour < least) {
                best = Some((detour, m));
            }
        }
        if let Some((_, m)) = best {
            let (bm, mc) = (distances.between(b, m), distances.between(m, c));
            found.push(fitting(ab, ac, bc, bc * bm / (bm + mc), distances.between(a, m)));
        }
    }
    if found.len() < 20 {
        let count = found.len();
        return undefined(format!(
            "only {count} of {triangles} triangles have a point near the middle of a side: too few points for their dimension"
        ));
    }
    Ok(Curvature {
        curvature: quantile(&found, 0.5),
        low: quantile(&found, 0.25),
        high: quantile(&found, 0.75),
        triangles: found.len() as u32,
    })
}

//! Elementary functions in `f32` from additions, multiplications and divisions alone: the same bits on every host, where
//! the hosts' own libraries differ in the last place.
#![allow(clippy::inline_always, reason = "a call per vector would cost more than the work")]

use crate::lanes::{F4, ROUND};

/// The polynomial with these coefficients, the highest power first.
#[inline(always)]
fn polynomial<const N: usize>(x: F4, coefficients: [f32; N]) -> F4 {
    let mut coefficients = coefficients.into_iter();
    let first = F4::splat(coefficients.next().unwrap_or(0.0));
    coefficients.fold(first, |sum, coefficient| sum * x + F4::splat(coefficient))
}

/// `e^x` for `x <= 0`; relative error below 3e-7 down to -87, and 0 below that. (Cody and Waite reduction, then the
/// polynomial of Cephes' `expf`.)
#[inline(always)]
pub(crate) fn exp_of_negative(x: F4) -> F4 {
    const LOG2_E: f32 = std::f32::consts::LOG2_E;
    // ln 2 in two parts, the first with few enough bits that its product with a small integer is exact.
    const LN_2_HIGH: f32 = 0.693_359_4;
    const LN_2_LOW: f32 = -2.121_944_4e-4;
    let least = F4::splat(-87.0);
    let clamped = x.max(least);
    let shifted = clamped * F4::splat(LOG2_E) + F4::splat(ROUND);
    let n = shifted - F4::splat(ROUND);
    let r = clamped - n * F4::splat(LN_2_HIGH) - n * F4::splat(LN_2_LOW);
    let p = polynomial(r, [1.987_569_1e-4, 1.398_2e-3, 8.333_452e-3, 4.166_579_6e-2, 1.666_666_5e-1, 5.0e-1]);
    let e = p * r * r + r + F4::splat(1.0);
    (e * shifted.power_of_two()).or_zero_where_less(x, least)
}

/// The error function; absolute error below 5e-7. (The rational minimax approximation that Eigen uses for `erf`.)
#[inline(always)]
pub(crate) fn erf(x: F4) -> F4 {
    let x = x.max(F4::splat(-4.0)).min(F4::splat(4.0));
    let s = x * x;
    let p = polynomial(
        s,
        [-2.726_142e-10, 2.770_681_4e-8, -2.101_024e-6, -5.692_506_5e-5, -7.349_906_3e-4, -2.954_6e-3, -1.609_603_3e-2],
    );
    let q = polynomial(s, [-1.456_607_2e-5, -2.133_740_6e-4, -1.682_827e-3, -7.373_329e-3, -1.426_473_9e-2]);
    x * p / q
}

/// The Gaussian error linear unit, exact form: `x/2 (1 + erf(x / sqrt 2))` (Hendrycks and Gimpel, 2016).
#[inline(always)]
pub(crate) fn gelu(x: F4) -> F4 {
    F4::splat(0.5) * x * (F4::splat(1.0) + erf(x * F4::splat(std::f32::consts::FRAC_1_SQRT_2)))
}

/// One value of a function of four.
#[cfg(not(target_arch = "wasm32"))]
pub(crate) fn one(f: impl Fn(F4) -> F4, x: f32) -> f32 {
    let mut lanes = [0.0; 4];
    f(F4::splat(x)).store(&mut lanes);
    lanes[0]
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The bound that the function's documentation states, against double precision.
    #[test]
    #[allow(clippy::float_cmp, reason = "these values are exact")]
    fn exp_is_within_its_bound() {
        let mut worst = 0.0_f64;
        for step in 0..=870_000 {
            let x = -(step as f32) * 1e-4;
            let exact = f64::from(x).exp();
            worst = worst.max((f64::from(one(exp_of_negative, x)) - exact).abs() / exact);
        }
        assert!(worst < 3e-7, "{worst:e}");
        assert_eq!(one(exp_of_negative, 0.0), 1.0);
        assert_eq!(one(exp_of_negative, -100.0), 0.0);
        assert_eq!(one(exp_of_negative, f32::NEG_INFINITY), 0.0);
    }

    /// Double-precision erf by its Maclaurin series (|x| <= 4: terms stay below 1e7 with 16 digits to spare for 1e-8).
    fn exact_erf(x: f64) -> f64 {
        let (mut term, mut sum) = (x, x);
        for n in 1..200 {
            let n = f64::from(n);
            term *= -x * x / n;
            sum += term / (2.0 * n + 1.0);
        }
        sum * 2.0 / std::f64::consts::PI.sqrt()
    }

    /// The bound that the function's documentation states.
    #[test]
    fn erf_is_within_its_bound() {
        let mut worst = 0.0_f64;
        for step in -40_000..=40_000 {
            let x = step as f32 * 1e-4;
            worst = worst.max((f64::from(one(erf, x)) - exact_erf(f64::from(x))).abs());
        }
        assert!(worst < 5e-7, "{worst:e}");
        assert!((one(erf, 100.0) - 1.0).abs() < 5e-7 && (one(erf, -100.0) + 1.0).abs() < 5e-7);
    }
}

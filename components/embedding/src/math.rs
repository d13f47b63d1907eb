//! Elementary functions in `f32` from additions, multiplications and divisions alone: the same bits on every host, where
//! the hosts' own libraries differ in the last place.

/// `e^x` for `x <= 0`; relative error below 3e-7 down to -87, and 0 below that. (Cody and Waite reduction, then the
/// polynomial of Cephes' `expf`.)
#[inline]
pub fn exp_of_negative(x: f32) -> f32 {
    const LOG2_E: f32 = std::f32::consts::LOG2_E;
    // ln 2 in two parts, the first with few enough bits that its product with a small integer is exact.
    const LN_2_HIGH: f32 = 0.693_359_4;
    const LN_2_LOW: f32 = -2.121_944_4e-4;
    // Rounding to an integer by adding and subtracting 1.5 * 2^23.
    const ROUND: f32 = 12_582_912.0;
    let clamped = if x < -87.0 { -87.0 } else { x };
    let n = (clamped * LOG2_E + ROUND) - ROUND;
    let r = clamped - n * LN_2_HIGH - n * LN_2_LOW;
    let mut p = 1.987_569_1e-4;
    p = p * r + 1.398_2e-3;
    p = p * r + 8.333_452e-3;
    p = p * r + 4.166_579_6e-2;
    p = p * r + 1.666_666_5e-1;
    p = p * r + 5.0e-1;
    let e = p * r * r + r + 1.0;
    let power = f32::from_bits((((n as i32) + 127) as u32) << 23);
    if x < -87.0 { 0.0 } else { e * power }
}

/// The error function; absolute error below 5e-7. (The rational minimax approximation that Eigen uses for `erf`.)
#[inline]
pub fn erf(x: f32) -> f32 {
    let x = x.clamp(-4.0, 4.0);
    let s = x * x;
    let mut p = -2.726_142e-10;
    p = p * s + 2.770_681_4e-8;
    p = p * s - 2.101_024e-6;
    p = p * s - 5.692_506_5e-5;
    p = p * s - 7.349_906_3e-4;
    p = p * s - 2.954_6e-3;
    p = p * s - 1.609_603_3e-2;
    let mut q = -1.456_607_2e-5;
    q = q * s - 2.133_740_6e-4;
    q = q * s - 1.682_827e-3;
    q = q * s - 7.373_329e-3;
    q = q * s - 1.426_473_9e-2;
    x * p / q
}

/// The Gaussian error linear unit, exact form: `x/2 (1 + erf(x / sqrt 2))` (Hendrycks and Gimpel, 2016).
#[inline]
pub fn gelu(x: f32) -> f32 {
    0.5 * x * (1.0 + erf(x * std::f32::consts::FRAC_1_SQRT_2))
}

/// Sums in eight lanes and then the lanes: one fixed order that vectorises.
#[inline]
pub fn sum(values: impl ExactSizeIterator<Item = [f32; 8]>) -> f32 {
    let mut lanes = [0.0_f32; 8];
    for block in values {
        for (lane, value) in lanes.iter_mut().zip(block) {
            *lane += value;
        }
    }
    let [a, b, c, d, e, f, g, h] = lanes;
    ((a + e) + (c + g)) + ((b + f) + (d + h))
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
            worst = worst.max((f64::from(exp_of_negative(x)) - exact).abs() / exact);
        }
        assert!(worst < 3e-7, "{worst:e}");
        assert_eq!(exp_of_negative(0.0), 1.0);
        assert_eq!(exp_of_negative(-100.0), 0.0);
        assert_eq!(exp_of_negative(f32::NEG_INFINITY), 0.0);
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
            worst = worst.max((f64::from(erf(x)) - exact_erf(f64::from(x))).abs());
        }
        assert!(worst < 5e-7, "{worst:e}");
        assert!((erf(100.0) - 1.0).abs() < 5e-7 && (erf(-100.0) + 1.0).abs() < 5e-7);
    }
}

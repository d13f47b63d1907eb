//! Elementary functions without branches, for loops over many numbers: the compiler turns them into vector instructions, which do for each
//! number what the scalar ones do, in the same order. So one number alone, a batch, native code and WebAssembly have the same bits.
//!
//! Polynomials and constants are those of FreeBSD's msun (`s_atan.c`, `e_log.c`; Sun Microsystems, 1993), that libm has, too.
#![allow(clippy::excessive_precision, reason = "constants as their source prints them")]
#![allow(clippy::inline_always, reason = "a call in the loop would keep it from being vectorised")]

use std::f64::consts::{FRAC_PI_2, FRAC_PI_4};

/// `atan(x) = x - x * sum of AT[i] x^(2 i + 2)` for `|x| < 7/16`.
const AT: [f64; 11] = [
    3.333_333_333_333_293_180_27e-01,
    -1.999_999_999_987_648_324_76e-01,
    1.428_571_427_250_346_637_11e-01,
    -1.111_111_040_546_235_578_80e-01,
    9.090_887_133_436_506_561_96e-02,
    -7.691_876_205_044_829_994_95e-02,
    6.661_073_137_387_531_206_69e-02,
    -5.833_570_133_790_573_486_45e-02,
    4.976_877_994_615_932_360_17e-02,
    -3.653_157_274_421_691_552_70e-02,
    1.628_582_011_536_578_236_23e-02,
];

/// `log((1 + s) / (1 - s)) = 2 s + s * sum of LG[i] s^(2 i + 2)` for `|s| < 0.1716`.
const LG: [f64; 7] = [
    6.666_666_666_666_735_130e-01,
    3.999_999_999_940_941_908e-01,
    2.857_142_874_366_239_149e-01,
    2.222_219_843_214_978_396e-01,
    1.818_357_216_161_805_012e-01,
    1.531_383_769_920_937_332e-01,
    1.479_819_860_511_658_591e-01,
];

const LN2_HIGH: f64 = 6.931_471_803_691_238_164_90e-01;
const LN2_LOW: f64 = 1.908_214_929_270_587_700_02e-10;

/// The tangent of a quarter of a right angle: beyond it `atan(x) = pi / 4 + atan((x - 1) / (x + 1))`.
const EIGHTH: f64 = 0.414_213_562_373_095_05;

/// `atan2(y, x)` for `y` and `x` not below 0, not both 0; within 3 ulps of libm's.
#[inline(always)]
pub(crate) fn atan2(y: f64, x: f64) -> f64 {
    let (low, high) = if y < x { (y, x) } else { (x, y) };
    let steep = low > EIGHTH * high;
    let above = if steep { low - high } else { low };
    let below = if steep { low + high } else { high };
    let r = above / below;
    let z = r * r;
    let w = z * z;
    let even = z * (AT[0] + w * (AT[2] + w * (AT[4] + w * (AT[6] + w * (AT[8] + w * AT[10])))));
    let odd = w * (AT[1] + w * (AT[3] + w * (AT[5] + w * (AT[7] + w * AT[9]))));
    let small = r - r * (even + odd);
    let angle = if steep { FRAC_PI_4 + small } else { small };
    if y < x { angle } else { FRAC_PI_2 - angle }
}

/// `log(u + rest)` for a normal `u` above 0 and a `rest` that is a rounding of it.
#[inline(always)]
fn log_of_sum(u: f64, rest: f64) -> f64 {
    /// Puts the significand between sqrt(1/2) and sqrt(2).
    const SHIFT: u64 = (0x3ff0_0000 - 0x3fe6_a09e) << 32;
    /// The bits of 2^52: an integer below that, put into its digits, is that many above it.
    const WHOLE: u64 = 0x4330_0000_0000_0000;
    let bits = u.to_bits().wrapping_add(SHIFT);
    let exponent = bits >> 52;
    let k = f64::from_bits(exponent | WHOLE) - (4_503_599_627_370_496.0 + 1_023.0);
    let significand = f64::from_bits((bits & 0x000f_ffff_ffff_ffff).wrapping_add(0x3fe6_a09e << 32));
    let down = f64::from_bits(2_046_u64.wrapping_sub(exponent) << 52);
    let f = (significand - 1.0) + rest * down;
    let half = 0.5 * f * f;
    let s = f / (2.0 + f);
    let z = s * s;
    let w = z * z;
    let odd = w * (LG[1] + w * (LG[3] + w * LG[5]));
    let even = z * (LG[0] + w * (LG[2] + w * (LG[4] + w * LG[6])));
    s * (half + (odd + even)) + k * LN2_LOW - half + f + k * LN2_HIGH
}

/// The natural logarithm of a normal number above 0; within 1 ulp, with the bits of libm's.
#[inline(always)]
pub(crate) fn log(x: f64) -> f64 {
    log_of_sum(x, 0.0)
}

/// `arcosh(1 + 2 q) = 2 arsinh(sqrt(q))` for `q` from 1e-290 to 1e150; within 3 ulps of libm's.
#[inline(always)]
pub(crate) fn arcosh_of_half_squares(q: f64) -> f64 {
    // log(1 + w), with what the sum loses.
    let w = 2.0 * (q + (q + q * q).sqrt());
    let u = 1.0 + w;
    let back = u - 1.0;
    let lost = (1.0 - (u - back)) + (w - back);
    log_of_sum(u, lost)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Steps between two neighbours on the line of doubles.
    fn ulps(a: f64, b: f64) -> u64 {
        a.to_bits().abs_diff(b.to_bits())
    }

    /// Spread over all magnitudes from `low` to `high`, and close together around 1.
    fn samples(low: f64, high: f64) -> impl Iterator<Item = f64> {
        const COUNT: usize = 400_000;
        let step = (libm::log(high) - libm::log(low)) / COUNT as f64;
        let wide = (0..=COUNT).map(move |at| libm::exp(libm::log(low) + step * at as f64));
        wide.chain((0..COUNT).map(|at| 0.2 + 3.0 * at as f64 / COUNT as f64)).filter(move |x| (low..=high).contains(x))
    }

    fn worst(low: f64, high: f64, ours: impl Fn(f64) -> f64, theirs: impl Fn(f64) -> f64) -> u64 {
        samples(low, high).map(|x| ulps(ours(x), theirs(x))).max().unwrap()
    }

    #[test]
    fn functions_are_near_to_libms() {
        let tangent = worst(1e-280, 1e280, |x| atan2(x, 1.0), libm::atan);
        let other = worst(1e-100, 1e100, |x| atan2(0.7, x), |x| libm::atan2(0.7, x));
        let logarithm = worst(1e-300, 1e300, log, libm::log);
        let cosine = worst(1e-290, 1e150, arcosh_of_half_squares, |q| 2.0 * libm::asinh(q.sqrt()));
        println!("atan2 {tangent}, {other}; log {logarithm}; arcosh {cosine}");
        assert!(tangent <= 2 && other <= 3, "atan2: {tangent}, {other}");
        assert!(logarithm == 0, "log: {logarithm}");
        assert!(cosine <= 3, "arcosh: {cosine}");
    }

    #[test]
    fn ends_are_exact() {
        assert_eq!(atan2(0.0, 1.0).to_bits(), 0);
        assert_eq!(atan2(1.0, 0.0).to_bits(), FRAC_PI_2.to_bits());
        assert_eq!(atan2(3.0, 3.0).to_bits(), FRAC_PI_4.to_bits());
        assert_eq!(log(1.0).to_bits(), 0);
    }
}

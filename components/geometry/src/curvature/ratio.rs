//! Exact fractions.

/// A fraction in lowest terms.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Ratio {
    /// May be negative.
    pub numerator: i64,
    /// Positive.
    pub denominator: u64,
}

impl Ratio {
    /// In lowest terms. A denominator of 0 counts as 1.
    pub fn new(numerator: i64, denominator: u64) -> Ratio {
        let denominator = denominator.max(1);
        let common = gcd(numerator.unsigned_abs(), denominator);
        // The divisor is at most |numerator|, or the denominator when that is 0; |i64::MIN| does not occur.
        Ratio { numerator: numerator / common.cast_signed(), denominator: denominator / common }
    }

    /// The nearest double, as long as both numbers are below 2^53, which those of graphs with degrees up to 3,000,000 and
    /// denominators of the idleness up to 1,000 are; otherwise within two units in the last place.
    pub fn nearest(self) -> f64 {
        self.numerator as f64 / self.denominator as f64
    }
}

/// The greatest common divisor; that of 0 and n is n.
pub fn gcd(mut a: u64, mut b: u64) -> u64 {
    while b != 0 {
        (a, b) = (b, a % b);
    }
    a
}

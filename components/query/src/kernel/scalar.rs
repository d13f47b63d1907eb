//! The kernel in plain Rust: what the other one is measured against.

/// The inner product. The shorter length counts.
pub(crate) fn dot(query: &[i16], row: &[i8]) -> i32 {
    query.iter().zip(row).map(|(&a, &b)| i32::from(a) * i32::from(b)).sum()
}

/// Bits set in both. The shorter length counts.
pub(crate) fn count_both(a: &[u64], b: &[u64]) -> u32 {
    a.iter().zip(b).map(|(a, b)| (a & b).count_ones()).sum()
}

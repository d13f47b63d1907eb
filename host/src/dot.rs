//! The inner product of two int8 vectors, natively: what building a graph spends its time on.
#![allow(unsafe_code, clippy::cast_ptr_alignment, reason = "a named SIMD module, whose loads need no alignment")]

/// The inner product. The shorter length counts. Values are -127 to 127, as the segment quantises them.
#[inline]
pub fn dot(a: &[i8], b: &[i8]) -> i32 {
    #[cfg(target_arch = "x86_64")]
    if std::arch::is_x86_feature_detected!("avx2") {
        // SAFETY: AVX2 was found on this processor.
        return unsafe { avx2(a, b) };
    }
    scalar(a, b)
}

fn scalar(a: &[i8], b: &[i8]) -> i32 {
    a.iter().zip(b).map(|(a, b)| i32::from(*a) * i32::from(*b)).sum()
}

/// 32 components a turn. The product of magnitudes with signed values needs 16 bits for two of them: 2 * 127 * 127 < 2^15.
///
/// # Safety
/// The processor must have AVX2.
#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx2")]
unsafe fn avx2(a: &[i8], b: &[i8]) -> i32 {
    use std::arch::x86_64::{
        __m256i, _mm_add_epi32, _mm_cvtsi128_si32, _mm_shuffle_epi32, _mm256_abs_epi8, _mm256_add_epi32,
        _mm256_castsi256_si128, _mm256_extracti128_si256, _mm256_loadu_si256, _mm256_madd_epi16, _mm256_maddubs_epi16,
        _mm256_set1_epi16, _mm256_setzero_si256, _mm256_sign_epi8,
    };
    let (blocks_a, rest_a) = a.as_chunks::<32>();
    let (blocks_b, rest_b) = b.as_chunks::<32>();
    let ones = _mm256_set1_epi16(1);
    let mut sum = _mm256_setzero_si256();
    for (a, b) in blocks_a.iter().zip(blocks_b) {
        // SAFETY: both arrays have 32 bytes, and the load needs no alignment.
        let (a, b) = unsafe {
            (_mm256_loadu_si256(a.as_ptr().cast::<__m256i>()), _mm256_loadu_si256(b.as_ptr().cast::<__m256i>()))
        };
        let products = _mm256_maddubs_epi16(_mm256_abs_epi8(a), _mm256_sign_epi8(b, a));
        sum = _mm256_add_epi32(sum, _mm256_madd_epi16(products, ones));
    }
    let half = _mm_add_epi32(_mm256_castsi256_si128(sum), _mm256_extracti128_si256(sum, 1));
    let half = _mm_add_epi32(half, _mm_shuffle_epi32(half, 0b01_00_11_10));
    let half = _mm_add_epi32(half, _mm_shuffle_epi32(half, 0b10_11_00_01));
    let common = (blocks_a.len().min(blocks_b.len())) * 32;
    let tail = if blocks_a.len() == blocks_b.len() {
        scalar(rest_a, rest_b)
    } else {
        scalar(a.get(common..).unwrap_or_default(), b.get(common..).unwrap_or_default())
    };
    _mm_cvtsi128_si32(half) + tail
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The graph must be the same on every machine: the kernel gives what plain Rust gives, at every length and at the
    /// extremes.
    #[test]
    fn kernels_agree() {
        let mut state = 1_u64;
        let mut next = || {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            ((state >> 56) as u8).cast_signed().max(-127)
        };
        for length in (0..130).chain([384, 1_000]) {
            let a: Vec<i8> = (0..length).map(|_| next()).collect();
            let b: Vec<i8> = (0..length + length % 3 * 20).map(|_| next()).collect();
            assert_eq!(dot(&a, &b), scalar(&a, &b), "{length}");
        }
        assert_eq!(dot(&[127; 384], &[-127; 384]), -127 * 127 * 384);
        assert_eq!(dot(&[-127; 384], &[-127; 384]), 127 * 127 * 384);
    }
}

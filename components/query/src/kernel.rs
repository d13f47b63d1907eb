//! The inner product of a query with a stored vector, and the size of what two sets of bits have in common: exact integers,
//! so both kernels give the same number.

#[cfg(any(not(all(target_arch = "wasm32", target_feature = "simd128")), test))]
mod scalar;
#[cfg(all(target_arch = "wasm32", target_feature = "simd128"))]
mod simd128;

#[cfg(not(all(target_arch = "wasm32", target_feature = "simd128")))]
pub(crate) use scalar::{count_both, dot};
#[cfg(all(target_arch = "wasm32", target_feature = "simd128"))]
pub(crate) use simd128::{count_both, dot};

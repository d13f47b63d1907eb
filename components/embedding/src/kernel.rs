//! The product of 7-bit activations with int8 weights: exact integers, so every kernel gives the same numbers.

#[cfg(any(not(all(target_arch = "wasm32", target_feature = "simd128")), test))]
mod scalar;
#[cfg(all(target_arch = "wasm32", target_feature = "simd128"))]
mod simd128;

#[cfg(not(all(target_arch = "wasm32", target_feature = "simd128")))]
pub(crate) use scalar::tile;
#[cfg(all(target_arch = "wasm32", target_feature = "simd128"))]
pub(crate) use simd128::tile;

/// Outputs that one call of `tile` computes.
pub(crate) const TILE_OUTPUTS: usize = 8;

/// Tokens that one call of `tile` computes at most.
pub(crate) const TILE_TOKENS: usize = 4;

/// Sums of one tile: by token, by output.
pub(crate) type Sums = [[i32; TILE_OUTPUTS]; TILE_TOKENS];

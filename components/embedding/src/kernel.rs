//! Products of matrices: 7-bit activations with int8 weights, whose sums are exact integers, so every kernel gives the same
//! numbers; and of small `f32` matrices, in one fixed order.
//!
//! The instruction behind the first multiplies a vector of activations with one of weights and adds pairs of products in
//! 16 bits; two such vectors are added before they are widened to 32 bits, which saves a third of the multiplications. Packing
//! sees to it that no sum of four products can leave the 16 bits ([`GROUP_SUM_MAX`]).

#[cfg(any(not(all(target_arch = "wasm32", target_feature = "simd128")), test))]
mod scalar;
#[cfg(all(target_arch = "wasm32", target_feature = "simd128"))]
mod simd128;

#[cfg(not(all(target_arch = "wasm32", target_feature = "simd128")))]
use scalar::{product_rows, tile_tokens};
#[cfg(all(target_arch = "wasm32", target_feature = "simd128"))]
use simd128::{product_rows, tile_tokens};

/// Outputs that one call of [`tile`] computes.
pub(crate) const TILE_OUTPUTS: usize = 8;

/// Tokens that one call of [`tile`] computes at most.
pub(crate) const TILE_TOKENS: usize = 8;

/// The weights of an output that are multiplied with inputs `8 i + 2 p`, `+ 1`, `+ 4` and `+ 5`, for every `i` and `p` of 0
/// and 1, are a group: their products are added in 16 bits. So the positive weights of a group add up to this at most,
/// and the negative ones to its negative: times 127, that still fits.
#[cfg(not(target_arch = "wasm32"))]
pub(crate) const GROUP_SUM_MAX: i32 = 32_767 / 127;

/// Sums of one tile: by token, by output.
#[derive(Debug, Default)]
#[repr(align(64))]
pub(crate) struct Sums(pub(crate) [[i32; TILE_OUTPUTS]; TILE_TOKENS]);

/// Sums over the inputs for up to eight tokens (rows of `inputs` activations) and eight outputs (two rows of packed tiles).
pub(crate) fn tile(tokens: usize, activations: &[u8], inputs: usize, weights: [&[u8]; 2]) -> Sums {
    let mut sums = Sums::default();
    let run = match tokens {
        1 => tile_tokens::<1>,
        2 => tile_tokens::<2>,
        3 => tile_tokens::<3>,
        4 => tile_tokens::<4>,
        5 => tile_tokens::<5>,
        6 => tile_tokens::<6>,
        7 => tile_tokens::<7>,
        _ => tile_tokens::<TILE_TOKENS>,
    };
    run(activations, inputs, weights, &mut sums);
    sums
}

/// Rows of a product that one call of [`product`] computes at most.
pub(crate) const PRODUCT_ROWS: usize = 8;

/// Columns of a product that one call of [`product`] computes.
pub(crate) const PRODUCT_COLUMNS: usize = 8;

/// A matrix whose rows start `stride` numbers apart.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Strided<'a> {
    pub(crate) values: &'a [f32],
    pub(crate) stride: usize,
}

/// Part of a product: by row, by column.
#[derive(Debug, Default)]
#[repr(align(64))]
pub(crate) struct Products(pub(crate) [[f32; PRODUCT_COLUMNS]; PRODUCT_ROWS]);

/// The product of up to eight rows of `a` with eight columns of `b` over the first `depth` (a multiple of four) numbers of
/// each row of `a`, added up in their order.
pub(crate) fn product(rows: usize, a: Strided<'_>, b: Strided<'_>, depth: usize) -> Products {
    let mut sums = Products::default();
    let run = match rows {
        1 => product_rows::<1>,
        2 => product_rows::<2>,
        3 => product_rows::<3>,
        4 => product_rows::<4>,
        5 => product_rows::<5>,
        6 => product_rows::<6>,
        7 => product_rows::<7>,
        _ => product_rows::<PRODUCT_ROWS>,
    };
    run(a, b, depth, &mut sums);
    sums
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The packed order of weights and the edges of a product, against the definition.
    #[test]
    #[allow(
        clippy::indexing_slicing,
        clippy::float_cmp,
        reason = "a test over sizes of its own; whole numbers are exact"
    )]
    fn products_are_what_they_are_defined_as() {
        let inputs = 32;
        let activations: Vec<u8> = (0..3 * inputs).map(|at| (at * 37 % 128) as u8).collect();
        let weight = |output: usize, input: usize| ((output * 31 + input * 17) % 129) as i32 - 64;
        let tiles = |outputs: std::ops::Range<usize>| -> Vec<u8> {
            let tile =
                |four: usize| outputs.clone().flat_map(move |output| (0..4).map(move |at| (output, four * 4 + at)));
            (0..inputs / 4).flat_map(tile).map(|(output, input)| weight(output, input) as i8 as u8).collect()
        };
        let sums = tile(3, &activations, inputs, [&tiles(0..4), &tiles(4..8)]);
        for (token, row) in activations.chunks(inputs).enumerate() {
            for output in 0..TILE_OUTPUTS {
                let expected: i32 = (0..inputs).map(|input| i32::from(row[input]) * weight(output, input)).sum();
                assert_eq!(sums.0[token][output], expected);
            }
        }
        let a: Vec<f32> = (0..40).map(|at| (at % 7) as f32).collect();
        let b: Vec<f32> = (0..100).map(|at| (at % 5) as f32).collect();
        let products = product(2, Strided { values: &a, stride: 10 }, Strided { values: &b, stride: 9 }, 8);
        for (row, products) in products.0.iter().take(2).enumerate() {
            for (column, product) in products.iter().enumerate() {
                let expected: f32 = (0..8).map(|k| a[row * 10 + k] * b[k * 9 + column]).sum();
                assert_eq!(*product, expected);
            }
        }
    }
}

//! The embedding component: all-MiniLM-L6-v2 in integer arithmetic, as a pure function from text to vector.
//!
//! WordPiece, six transformer layers, mean pooling, unit norm: 384 numbers a text (Wang et al., "MiniLM", 2020; Reimers and
//! Gurevych, "Sentence-BERT", 2019). Matrix products run over int8 weights and 7-bit activations, whose sums are exact
//! integers; the rest is `f32` in a fixed order without fused operations. So every host computes the same bits.
//!
//! Instead of the transformer the weights may be a static model's: one vector per token, added up. Same tokenizer, same world.
//!
//! The same crate is the rlib that packs weights and that tests use natively, and, on `wasm32`, the component with the
//! world `skerry:embedding/embedding`. It is not a general transformer runtime: the shapes are this model's.

mod attention;
mod encoder;
#[cfg(target_arch = "wasm32")]
mod guest;
mod kernel;
mod lanes;
mod lookup;
mod math;
mod model;
#[cfg(not(target_arch = "wasm32"))]
pub mod pack;
#[cfg(not(target_arch = "wasm32"))]
mod pack_static;
mod packed;
mod quantise;
#[cfg(not(target_arch = "wasm32"))]
pub mod reference;
mod split;
mod tokenizer;
mod vocabulary;
mod words;

pub use model::{Embedding, Model, ModelInfo, WeightsError};
#[cfg(not(target_arch = "wasm32"))]
pub use pack_static::{pack_static, word_embeddings};
pub use split::{Span, SplitError, TOKENS_MIN};
pub use tokenizer::{Tokenizer, Tokens};
pub use vocabulary::Vocabulary;

/// Components per vector.
pub const DIMENSIONS: usize = 384;
/// Components between the two halves of a feed-forward block.
pub(crate) const INNER: usize = 1536;
/// Transformer layers.
pub(crate) const LAYERS: usize = 6;
/// Attention heads.
pub(crate) const HEADS: usize = 12;
/// Components per head.
pub(crate) const HEAD: usize = DIMENSIONS / HEADS;
/// Tokens of a text that count, special ones included.
pub const TOKENS_MAX: usize = 256;
/// Words in the vocabulary.
pub(crate) const WORDS: usize = 30_522;
/// Texts in one call at most.
pub const BATCH_MAX: usize = 1_024;

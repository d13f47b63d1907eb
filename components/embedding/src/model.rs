//! A loaded model: text in, vector out.

use crate::encoder::Encoder;
use crate::lookup::{self, Lookup};
use crate::packed::Layout;
use crate::split::{self, Span, SplitError};
use crate::tokenizer::{Tokenizer, Tokens};
use crate::vocabulary::Packed;
use crate::{DIMENSIONS, TOKENS_MAX};

/// What a model is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ModelInfo {
    /// Stable identity; vectors of different ids must not be compared.
    pub id: String,
    /// Name for people.
    pub name: String,
    /// Components per vector.
    pub dimensions: u32,
    /// Tokens of a text that count.
    pub tokens_max: u32,
}

/// A text's vector.
#[derive(Debug, Clone, PartialEq)]
pub struct Embedding {
    /// As many numbers as the model has dimensions, of unit norm.
    pub vector: Vec<f32>,
    /// Tokens that went into it, special ones included.
    pub tokens: u32,
    /// True when the text was longer than the model reads.
    pub truncated: bool,
}

/// Packed weights that cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the packed weights are damaged: {0}")]
pub struct WeightsError(pub String);

/// A model with its weights.
#[derive(Debug)]
pub struct Model {
    bytes: Vec<u8>,
    kind: Kind,
}

/// What the weights are.
#[derive(Debug)]
enum Kind {
    Transformer(Box<(Layout, Encoder)>),
    Static(Lookup),
}

impl Model {
    /// Takes packed weights: of the transformer (see the module `packed` for the format) or of a static model (`lookup`).
    ///
    /// # Errors
    /// [`WeightsError`] says what is wrong with them.
    pub fn load(bytes: Vec<u8>) -> Result<Model, WeightsError> {
        let kind = if bytes.starts_with(lookup::MAGIC) {
            Kind::Static(Lookup::read(&bytes).map_err(WeightsError)?)
        } else {
            Kind::Transformer(Box::new((Layout::read(&bytes).map_err(WeightsError)?, Encoder::default())))
        };
        Ok(Model { bytes, kind })
    }

    /// What the model is.
    pub fn info(&self) -> ModelInfo {
        let (id, dimensions) = match &self.kind {
            Kind::Transformer(transformer) => (transformer.0.id.clone(), DIMENSIONS),
            Kind::Static(lookup) => (lookup.id.clone(), lookup.dimensions),
        };
        let name = id.split('/').next().unwrap_or_default().to_owned();
        ModelInfo { id, name, dimensions: dimensions as u32, tokens_max: self.tokens_max() as u32 }
    }

    fn tokens_max(&self) -> usize {
        match &self.kind {
            Kind::Transformer(_) => TOKENS_MAX,
            Kind::Static(lookup) => lookup.tokens_max,
        }
    }

    fn vocabulary(&self) -> Packed<'_> {
        match &self.kind {
            Kind::Transformer(transformer) => transformer.0.vocabulary(&self.bytes),
            Kind::Static(lookup) => lookup.vocabulary(&self.bytes),
        }
    }

    /// The tokens of a text.
    pub fn tokenize(&self, text: &str) -> Tokens {
        Tokenizer::new(&self.vocabulary(), self.tokens_max()).tokenize(text)
    }

    /// Cuts a text into overlapping chunks of at most `tokens` tokens, which [`Model::embed`] reads to their ends.
    ///
    /// # Errors
    /// [`SplitError`] when such chunks cannot be made for any text.
    pub fn split(&self, text: &str, tokens: u32, overlap: u32) -> Result<Vec<Span>, SplitError> {
        let limits = split::Limits::new(tokens, overlap, self.tokens_max() as u32)?;
        Ok(split::split(&self.vocabulary(), text, limits))
    }

    /// The vector of a text. Depends on nothing but the text.
    pub fn embed(&mut self, text: &str) -> Embedding {
        let Tokens { ids, truncated } = self.tokenize(text);
        let vector = self.vectors(&[&ids]).pop().unwrap_or_default();
        Embedding { vector, tokens: ids.len() as u32, truncated }
    }

    /// One vector per text, in the order of the texts: the same as one by one.
    pub fn embed_all(&mut self, texts: &[&str]) -> Vec<Embedding> {
        let tokens: Vec<Tokens> = texts.iter().map(|text| self.tokenize(text)).collect();
        let ids: Vec<&[u32]> = tokens.iter().map(|tokens| tokens.ids.as_slice()).collect();
        let vectors = self.vectors(&ids).into_iter().zip(&tokens);
        let embedding = |(vector, tokens): (Vec<f32>, &Tokens)| Embedding {
            vector,
            tokens: tokens.ids.len() as u32,
            truncated: tokens.truncated,
        };
        vectors.map(embedding).collect()
    }

    fn vectors(&mut self, texts: &[&[u32]]) -> Vec<Vec<f32>> {
        match &mut self.kind {
            Kind::Transformer(transformer) => {
                let (layout, encoder) = &mut **transformer;
                encoder.encode_all(&self.bytes, layout, texts)
            }
            Kind::Static(lookup) => texts.iter().map(|ids| lookup.embed(&self.bytes, ids)).collect(),
        }
    }
}

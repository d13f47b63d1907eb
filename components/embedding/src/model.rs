//! A loaded model: text in, vector out.

use crate::encoder::Encoder;
use crate::packed::Layout;
use crate::split::{self, Span, SplitError};
use crate::tokenizer::{Tokenizer, Tokens};
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
    /// 384 numbers of unit norm.
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
    layout: Layout,
    encoder: Encoder,
}

impl Model {
    /// Takes packed weights (see the module `packed` for the format).
    ///
    /// # Errors
    /// [`WeightsError`] says what is wrong with them.
    pub fn load(bytes: Vec<u8>) -> Result<Model, WeightsError> {
        let layout = Layout::read(&bytes).map_err(WeightsError)?;
        Ok(Model { bytes, layout, encoder: Encoder::default() })
    }

    /// What the model is.
    pub fn info(&self) -> ModelInfo {
        let id = self.layout.id.clone();
        let name = id.split('/').next().unwrap_or_default().to_owned();
        ModelInfo { id, name, dimensions: DIMENSIONS as u32, tokens_max: TOKENS_MAX as u32 }
    }

    /// The tokens of a text.
    pub fn tokenize(&self, text: &str) -> Tokens {
        Tokenizer::new(&self.layout.vocabulary(&self.bytes), TOKENS_MAX).tokenize(text)
    }

    /// Cuts a text into overlapping chunks of at most `tokens` tokens, which [`Model::embed`] reads to their ends.
    ///
    /// # Errors
    /// [`SplitError`] when such chunks cannot be made for any text.
    pub fn split(&self, text: &str, tokens: u32, overlap: u32) -> Result<Vec<Span>, SplitError> {
        let limits = split::Limits::new(tokens, overlap, TOKENS_MAX as u32)?;
        Ok(split::split(&self.layout.vocabulary(&self.bytes), text, limits))
    }

    /// The vector of a text. Depends on nothing but the text.
    pub fn embed(&mut self, text: &str) -> Embedding {
        let Tokens { ids, truncated } = self.tokenize(text);
        let vector = self.encoder.encode(&self.bytes, &self.layout, &[&ids]).pop().unwrap_or_default();
        Embedding { vector, tokens: ids.len() as u32, truncated }
    }

    /// One vector per text, in the order of the texts: the same as one by one. Short texts share the work on the weights.
    pub fn embed_all(&mut self, texts: &[&str]) -> Vec<Embedding> {
        let tokens: Vec<Tokens> = texts.iter().map(|text| self.tokenize(text)).collect();
        let mut order: Vec<(usize, &[u32])> = tokens.iter().map(|tokens| tokens.ids.as_slice()).enumerate().collect();
        order.sort_by_key(|(_, ids)| ids.len());
        let mut vectors = vec![Vec::new(); texts.len()];
        let mut rest = order.as_slice();
        while !rest.is_empty() {
            let mut room = TOKENS_MAX;
            let fits = |(_, ids): &&(usize, &[u32])| {
                let fits = ids.len() <= room;
                room = room.saturating_sub(ids.len());
                fits
            };
            let count = rest.iter().take_while(fits).count().max(1);
            let (group, behind) = rest.split_at(count);
            rest = behind;
            let ids: Vec<&[u32]> = group.iter().map(|(_, ids)| *ids).collect();
            for ((text, _), vector) in group.iter().zip(self.encoder.encode(&self.bytes, &self.layout, &ids)) {
                if let Some(place) = vectors.get_mut(*text) {
                    *place = vector;
                }
            }
        }
        let embedding = |(vector, tokens): (Vec<f32>, &Tokens)| Embedding {
            vector,
            tokens: tokens.ids.len() as u32,
            truncated: tokens.truncated,
        };
        vectors.into_iter().zip(&tokens).map(embedding).collect()
    }
}

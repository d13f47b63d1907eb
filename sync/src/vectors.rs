//! The cache of vectors and of where texts are cut: derived data, so that nothing is embedded twice.

use sha2::{Digest, Sha256};

use crate::error::{ReadError, StoreError, WriteError};
use crate::replica::Replica;
use crate::store::VECTORS;

/// Bytes of a text, from `start` up to and without `end`.
pub type Span = (u32, u32);

/// Half of SHA-256 over the model's id, NUL, and the text.
fn cache_key(model: &str, text: &str) -> [u8; 16] {
    let digest = Sha256::new().chain_update(model).chain_update([0]).chain_update(text).finalize();
    let mut key = [0; 16];
    key.iter_mut().zip(digest).for_each(|(to, from)| *to = from);
    key
}

/// The names in the cache of what belongs to a text by a model: its chunks' vectors, and where it is cut. For
/// [`Replica::purge`], which keeps what is named.
pub fn vector_keys(model: &str, cutter: &str, text: &str, chunks: &[&str]) -> Vec<[u8; 16]> {
    let vectors = chunks.iter().map(|chunk| cache_key(model, chunk));
    vectors.chain([cache_key(model, text), spans_key(cutter, text)]).collect()
}

impl Replica {
    /// The vectors of texts by a model, as far as they are cached.
    ///
    /// # Errors
    /// [`ReadError::Store`].
    pub fn vectors(&self, model: &str, texts: &[&str]) -> Result<Vec<Option<Vec<f32>>>, ReadError> {
        let found = self.store().read(|transaction| {
            let table = transaction.open_table(VECTORS)?;
            let read = |text: &&str| -> Result<Option<Vec<f32>>, StoreError> {
                Ok(table.get(cache_key(model, text))?.map(|bytes| decode(bytes.value())))
            };
            texts.iter().map(read).collect::<Result<Vec<_>, _>>()
        })?;
        Ok(found)
    }

    /// Where texts are cut, as far as it is cached; `cutter` names whatever decides that, its settings included.
    ///
    /// # Errors
    /// [`ReadError::Store`].
    pub fn spans(&self, cutter: &str, texts: &[&str]) -> Result<Vec<Option<Vec<Span>>>, ReadError> {
        let found = self.store().read(|transaction| {
            let table = transaction.open_table(VECTORS)?;
            let read = |text: &&str| -> Result<Option<Vec<Span>>, StoreError> {
                Ok(table.get(spans_key(cutter, text))?.map(|bytes| decode_spans(bytes.value())))
            };
            texts.iter().map(read).collect::<Result<Vec<_>, _>>()
        })?;
        Ok(found)
    }

    /// Keeps where texts are cut. On disk when this returns.
    ///
    /// # Errors
    /// [`WriteError::StoreFull`] and [`WriteError::Store`].
    pub fn put_spans(&self, cutter: &str, entries: &[(&str, &[Span])]) -> Result<(), WriteError> {
        self.store().write(|transaction| {
            let mut table = transaction.open_table(VECTORS)?;
            for (text, spans) in entries {
                let numbers = spans.iter().flat_map(|&(start, end)| [start, end]);
                let bytes: Vec<u8> = numbers.flat_map(u32::to_le_bytes).collect();
                table.insert(spans_key(cutter, text), bytes.as_slice())?;
            }
            Ok(())
        })?;
        Ok(())
    }

    /// Keeps vectors of texts by a model. They are on disk when this returns.
    ///
    /// # Errors
    /// [`WriteError::StoreFull`] and [`WriteError::Store`].
    pub fn put_vectors(&self, model: &str, entries: &[(&str, &[f32])]) -> Result<(), WriteError> {
        self.store().write(|transaction| {
            let mut table = transaction.open_table(VECTORS)?;
            for (text, vector) in entries {
                let bytes: Vec<u8> = vector.iter().flat_map(|number| number.to_le_bytes()).collect();
                table.insert(cache_key(model, text), bytes.as_slice())?;
            }
            Ok(())
        })?;
        Ok(())
    }
}

/// What a vector's key is made from does not begin with NUL: a model has an id.
fn spans_key(cutter: &str, text: &str) -> [u8; 16] {
    cache_key(&format!("\0{cutter}"), text)
}

fn decode_spans(bytes: &[u8]) -> Vec<Span> {
    let numbers: Vec<u32> =
        bytes.chunks_exact(4).filter_map(|chunk| chunk.try_into().ok().map(u32::from_le_bytes)).collect();
    numbers
        .chunks_exact(2)
        .filter_map(|pair| <[u32; 2]>::try_from(pair).ok().map(|[start, end]| (start, end)))
        .collect()
}

fn decode(bytes: &[u8]) -> Vec<f32> {
    bytes.chunks_exact(4).filter_map(|chunk| chunk.try_into().ok().map(f32::from_le_bytes)).collect()
}

//! The dictionary of terms that texts and fields share.

use std::collections::HashMap;
use std::hash::{BuildHasherDefault, DefaultHasher};

use crate::image::{Image, Strings};
use crate::tokenize;
use crate::types::ImageError;

/// A map whose order nobody sees, with a fixed seed: a pure component has no randomness.
pub(crate) type FixedMap<K, V> = HashMap<K, V, BuildHasherDefault<DefaultHasher>>;

/// Terms and their numbers. In a sealed segment the numbers are in the order of the terms.
#[derive(Debug)]
pub(crate) enum Terms {
    Growing(FixedMap<Box<str>, u32>),
    Sealed(Strings),
}

impl Terms {
    pub(crate) fn read(image: &mut Image) -> Result<Terms, ImageError> {
        Ok(Terms::Sealed(Strings::new(image.take("terms.offsets")?, image.take("terms.bytes")?)?))
    }

    pub(crate) fn find(&self, term: &str) -> Option<u32> {
        match self {
            Terms::Growing(ids) => ids.get(term).copied(),
            Terms::Sealed(strings) => strings.find(term),
        }
    }

    pub(crate) fn len(&self) -> usize {
        match self {
            Terms::Growing(ids) => ids.len(),
            Terms::Sealed(strings) => strings.len(),
        }
    }

    /// The numbers of a text's terms, in order; new terms get new numbers.
    pub(crate) fn stream(&mut self, text: &str) -> Box<[u32]> {
        let mut stream = Vec::new();
        if let Terms::Growing(ids) = self {
            tokenize::terms(text, |term| {
                let next = ids.len() as u32;
                let id = match ids.get(term) {
                    Some(id) => *id,
                    None => *ids.entry(term.into()).or_insert(next),
                };
                stream.push(id);
            });
        }
        stream.into_boxed_slice()
    }

    /// The numbers of a phrase's terms; none when a term is in no document.
    pub(crate) fn phrase(&self, text: &str) -> Option<Vec<u32>> {
        let mut phrase = Some(Vec::new());
        tokenize::terms(text, |term| {
            phrase = match (phrase.take(), self.find(term)) {
                (Some(mut phrase), Some(id)) => {
                    phrase.push(id);
                    Some(phrase)
                }
                _ => None,
            };
        });
        phrase
    }

    /// Writes the terms in order; answers for each old number the new one.
    pub(crate) fn write(&self, image: &mut Image) -> Vec<u32> {
        let Terms::Growing(ids) = self else { return Vec::new() };
        let mut sorted: Vec<(&str, u32)> = ids.iter().map(|(term, id)| (&**term, *id)).collect();
        sorted.sort_unstable();
        let mut renumbered = vec![0; sorted.len()];
        for ((_, old), new) in sorted.iter().zip(0..) {
            if let Some(entry) = renumbered.get_mut(*old as usize) {
                *entry = new;
            }
        }
        let (offsets, bytes) = Strings::build(sorted.into_iter().map(|(term, _)| term));
        image.put("terms.offsets", offsets);
        image.put("terms.bytes", bytes);
        renumbered
    }

    /// Estimated bytes.
    pub(crate) fn bytes(&self) -> u64 {
        match self {
            Terms::Growing(ids) => ids.keys().map(|term| term.len() as u64 + 32).sum(),
            Terms::Sealed(strings) => strings.size(),
        }
    }
}

/// Whether `phrase` stands in `stream`. An empty phrase stands everywhere.
pub(crate) fn contains(stream: &[u32], phrase: &[u32]) -> bool {
    phrase.is_empty() || stream.windows(phrase.len()).any(|window| window == phrase)
}

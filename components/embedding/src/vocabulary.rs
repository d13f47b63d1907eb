//! The vocabulary: pieces of words and their ids.

/// Looks pieces up.
pub trait Vocabulary {
    /// The id of a piece, which begins with `##` inside a word.
    fn id(&self, piece: &str) -> Option<u32>;

    /// The longest piece that a word begins with, or, where `prefix` is `##`, that it goes on with: its length in bytes of the
    /// word, and its id.
    fn longest(&self, prefix: &str, word: &str) -> Option<(usize, u32)> {
        let ends = word.char_indices().map(|(at, character)| at + character.len_utf8()).rev();
        let mut ends = ends.filter_map(|end| Some((end, self.id(&format!("{prefix}{}", word.get(..end)?))?)));
        ends.next()
    }
}

#[cfg(not(target_arch = "wasm32"))]
impl<S: std::hash::BuildHasher> Vocabulary for std::collections::HashMap<String, u32, S> {
    fn id(&self, piece: &str) -> Option<u32> {
        self.get(piece).copied()
    }
}

/// The vocabulary as packed weights hold it: entries of offset, length and id (u32 each) in the order of their pieces' bytes,
/// and the pieces.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Packed<'a> {
    table: &'a [[u8; 12]],
    strings: &'a [u8],
}

impl<'a> Packed<'a> {
    pub(crate) fn new(table: &'a [u8], strings: &'a [u8]) -> Self {
        Packed { table: table.as_chunks().0, strings }
    }

    fn entry(&self, index: usize) -> Option<(&'a [u8], u32)> {
        let mut numbers = self.table.get(index)?.as_chunks::<4>().0.iter().map(|bytes| u32::from_le_bytes(*bytes));
        let (offset, length, id) = (numbers.next()? as usize, numbers.next()? as usize, numbers.next()?);
        Some((self.strings.get(offset..offset.checked_add(length)?)?, id))
    }

    /// The first entry from `low` to `high` that is not `before`.
    fn first(&self, mut low: usize, mut high: usize, before: impl Fn(&[u8]) -> bool) -> usize {
        while low < high {
            let middle = usize::midpoint(low, high);
            if self.entry(middle).is_some_and(|(piece, _)| before(piece)) {
                low = middle + 1;
            } else {
                high = middle;
            }
        }
        low
    }
}

impl Vocabulary for Packed<'_> {
    fn id(&self, piece: &str) -> Option<u32> {
        let at = self.first(0, self.table.len(), |other| other < piece.as_bytes());
        self.entry(at).filter(|(other, _)| *other == piece.as_bytes()).map(|(_, id)| id)
    }

    /// Narrows the entries down byte by byte, so that a word nobody knows costs no more than one that everybody does.
    fn longest(&self, prefix: &str, word: &str) -> Option<(usize, u32)> {
        let (mut low, mut high) = (0, self.table.len());
        let mut found = None;
        for (at, &byte) in prefix.as_bytes().iter().chain(word.as_bytes()).enumerate() {
            low = self.first(low, high, |piece| piece.get(at).is_none_or(|other| *other < byte));
            high = self.first(low, high, |piece| piece.get(at).is_none_or(|other| *other <= byte));
            if low == high {
                break;
            }
            let length = (at + 1).saturating_sub(prefix.len());
            if length > 0
                && let Some((_, id)) = self.entry(low).filter(|(piece, _)| piece.len() == at + 1)
            {
                found = Some((length, id));
            }
        }
        found
    }
}

//! The fields of documents, by path, for filters and groups.

mod growing;
mod sealed;

pub(crate) use growing::Growing;
pub(crate) use sealed::Sealed;

use crate::bitset::Bitset;
use crate::terms::Terms;
use crate::types::{Comparison, Scalar};

/// The columns of a segment.
#[derive(Debug)]
pub(crate) enum Columns {
    Growing(Growing),
    Sealed(Sealed),
}

impl Columns {
    /// Forgets a document's fields. In a sealed segment they stay, and `live` knows.
    pub(crate) fn remove(&mut self, slot: u32) {
        if let Columns::Growing(growing) = self {
            growing.remove(slot);
        }
    }

    /// True when some live document has the path.
    pub(crate) fn has(&self, path: &str, live: &Bitset) -> bool {
        match self {
            Columns::Growing(growing) => growing.has(path),
            Columns::Sealed(sealed) => sealed.has(path, live),
        }
    }

    /// The path most similar to an unknown one, if any is near: at most a third of it different.
    pub(crate) fn similar(&self, path: &str, live: &Bitset) -> Option<String> {
        let paths: Vec<&str> = match self {
            Columns::Growing(growing) => growing.paths().collect(),
            Columns::Sealed(sealed) => sealed.paths().collect(),
        };
        let known = paths.into_iter().filter(|known| self.has(known, live));
        most_similar(path, known).map(str::to_owned)
    }

    /// Documents whose field passes; removed ones may be among them.
    pub(crate) fn select(&self, path: &str, comparison: &Comparison, terms: &Terms, slots: usize) -> Bitset {
        let mut selected = Bitset::new(slots);
        match self {
            Columns::Growing(growing) => growing.select(path, comparison, terms, &mut selected),
            Columns::Sealed(sealed) => sealed.select(path, comparison, terms, &mut selected),
        }
        selected
    }

    /// For each slot its least value at the path: null, truth values, numbers, text, in this order.
    pub(crate) fn values(&self, path: &str, slots: &[u32]) -> Vec<Option<Scalar>> {
        match self {
            Columns::Growing(growing) => growing.values(path, slots),
            Columns::Sealed(sealed) => sealed.values(path, slots),
        }
    }

    /// Estimated bytes.
    pub(crate) fn bytes(&self) -> u64 {
        match self {
            Columns::Growing(growing) => growing.bytes(),
            Columns::Sealed(sealed) => sealed.bytes(),
        }
    }
}

/// The name that is nearest to another, the least of equals, if any is near: at most a third of it different.
pub(crate) fn most_similar<'a>(name: &str, known: impl Iterator<Item = &'a str>) -> Option<&'a str> {
    let near = name.chars().count() / 3 + 1;
    let best = known.map(|known| (distance(name, known), known)).min()?;
    (best.0 <= near).then_some(best.1)
}

/// Levenshtein distance in characters. Both sides are cut at 100 characters: paths are short.
fn distance(a: &str, b: &str) -> usize {
    let b: Vec<char> = b.chars().take(100).collect();
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, x) in a.chars().take(100).enumerate() {
        let mut diagonal = i;
        let mut left = i + 1;
        for (slot, y) in row.iter_mut().skip(1).zip(&b) {
            let best = (diagonal + usize::from(x != *y)).min(left + 1).min(*slot + 1);
            diagonal = *slot;
            *slot = best;
            left = best;
        }
        if let Some(first) = row.first_mut() {
            *first = i + 1;
        }
    }
    row.last().copied().unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::distance;

    /// The suggestion for a mistyped field rests on this.
    #[test]
    fn edit_distance() {
        assert_eq!(distance("kitten", "sitting"), 3);
        assert_eq!(distance("", "abc"), 3);
        assert_eq!(distance("abc", ""), 3);
        assert_eq!(distance("same", "same"), 0);
    }
}

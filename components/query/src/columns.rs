//! The fields of documents, by path, for filters.

use std::collections::BTreeMap;

use crate::bitset::Bitset;
use crate::postings::FixedMap;
use crate::types::{Comparison, Field, Scalar};

/// A value; text is kept once per segment.
#[derive(Debug, Clone, Copy)]
enum Cell {
    Null,
    Boolean(bool),
    Number(f64),
    Text(u32),
}

/// Every value at one path, by slot.
#[derive(Debug, Default)]
struct Column {
    cells: Vec<(u32, Cell)>,
}

/// The columns of a segment.
#[derive(Debug, Default)]
pub(crate) struct Columns {
    paths: BTreeMap<String, u32>,
    all: Vec<Column>,
    texts: Vec<Box<str>>,
    text_ids: FixedMap<Box<str>, u32>,
    cells: u64,
}

/// A comparison with its text looked up.
enum Test<'a> {
    Equal(Vec<Cell>),
    Order(&'a Scalar, fn(std::cmp::Ordering) -> bool),
    Prefix(&'a str),
    Exists,
}

impl Columns {
    /// Stores a document's fields and answers their columns, which `remove` wants back.
    pub(crate) fn insert(&mut self, slot: u32, fields: &[Field]) -> Box<[u32]> {
        let mut used = Vec::new();
        for field in fields {
            let cell = match &field.value {
                Scalar::Null => Cell::Null,
                Scalar::Boolean(value) => Cell::Boolean(*value),
                Scalar::Number(value) => Cell::Number(*value),
                Scalar::Text(text) => Cell::Text(self.intern(text)),
            };
            let id = self.column(&field.path);
            if let Some(column) = self.all.get_mut(id as usize) {
                let at = column.cells.partition_point(|(other, _)| *other <= slot);
                column.cells.insert(at, (slot, cell));
                self.cells += 1;
            }
            used.push(id);
        }
        used.sort_unstable();
        used.dedup();
        used.into_boxed_slice()
    }

    /// Forgets a document's fields.
    pub(crate) fn remove(&mut self, slot: u32, columns: &[u32]) {
        for &id in columns {
            let Some(column) = self.all.get_mut(id as usize) else { continue };
            let start = column.cells.partition_point(|(other, _)| *other < slot);
            let end = column.cells.partition_point(|(other, _)| *other <= slot);
            column.cells.drain(start..end);
            self.cells -= (end - start) as u64;
        }
    }

    fn intern(&mut self, text: &str) -> u32 {
        if let Some(&id) = self.text_ids.get(text) {
            return id;
        }
        let id = self.texts.len() as u32;
        self.texts.push(text.into());
        self.text_ids.insert(text.into(), id);
        id
    }

    fn column(&mut self, path: &str) -> u32 {
        if let Some(&id) = self.paths.get(path) {
            return id;
        }
        let id = self.all.len() as u32;
        self.all.push(Column::default());
        self.paths.insert(path.to_owned(), id);
        id
    }

    fn find(&self, path: &str) -> Option<&Column> {
        let id = *self.paths.get(path)?;
        self.all.get(id as usize).filter(|column| !column.cells.is_empty())
    }

    /// True when some document has the path.
    pub(crate) fn has(&self, path: &str) -> bool {
        self.find(path).is_some()
    }

    /// The path most similar to an unknown one, if any is near: at most a third of it different.
    pub(crate) fn similar(&self, path: &str) -> Option<String> {
        let near = path.chars().count() / 3 + 1;
        let live = self.paths.keys().filter(|known| self.has(known));
        let best = live.map(|known| (distance(path, known), known)).min()?;
        (best.0 <= near).then(|| best.1.clone())
    }

    /// Documents whose field passes.
    pub(crate) fn select(&self, path: &str, comparison: &Comparison, slots: usize) -> Bitset {
        let mut selected = Bitset::new(slots);
        let Some(column) = self.find(path) else { return selected };
        let test = self.test(comparison);
        for (slot, cell) in &column.cells {
            if self.passes(*cell, &test) {
                selected.insert(*slot);
            }
        }
        selected
    }

    fn test<'a>(&self, comparison: &'a Comparison) -> Test<'a> {
        match comparison {
            Comparison::Eq(value) => Test::Equal(self.cell(value).into_iter().collect()),
            Comparison::OneOf(values) => Test::Equal(values.iter().filter_map(|value| self.cell(value)).collect()),
            Comparison::Less(value) => Test::Order(value, std::cmp::Ordering::is_lt),
            Comparison::LessOrEqual(value) => Test::Order(value, std::cmp::Ordering::is_le),
            Comparison::Greater(value) => Test::Order(value, std::cmp::Ordering::is_gt),
            Comparison::GreaterOrEqual(value) => Test::Order(value, std::cmp::Ordering::is_ge),
            Comparison::Prefix(prefix) => Test::Prefix(prefix),
            Comparison::Exists => Test::Exists,
        }
    }

    /// The cell equal to a value; none for a text that no document has.
    fn cell(&self, value: &Scalar) -> Option<Cell> {
        Some(match value {
            Scalar::Null => Cell::Null,
            Scalar::Boolean(value) => Cell::Boolean(*value),
            Scalar::Number(value) => Cell::Number(*value),
            Scalar::Text(text) => Cell::Text(*self.text_ids.get(text.as_str())?),
        })
    }

    fn text(&self, id: u32) -> &str {
        self.texts.get(id as usize).map_or("", |text| text)
    }

    #[allow(clippy::float_cmp, reason = "equality of stored numbers is what the filter asks for")]
    fn passes(&self, cell: Cell, test: &Test<'_>) -> bool {
        match test {
            Test::Exists => true,
            Test::Prefix(prefix) => matches!(cell, Cell::Text(id) if self.text(id).starts_with(prefix)),
            Test::Equal(wanted) => wanted.iter().any(|wanted| match (cell, *wanted) {
                (Cell::Null, Cell::Null) => true,
                (Cell::Boolean(a), Cell::Boolean(b)) => a == b,
                (Cell::Number(a), Cell::Number(b)) => a == b,
                (Cell::Text(a), Cell::Text(b)) => a == b,
                _ => false,
            }),
            Test::Order(than, accepts) => match (cell, than) {
                (Cell::Number(a), Scalar::Number(b)) => a.partial_cmp(b).is_some_and(accepts),
                (Cell::Text(a), Scalar::Text(b)) => accepts(self.text(a).cmp(b.as_str())),
                _ => false,
            },
        }
    }

    pub(crate) fn shrink(&mut self) {
        for column in &mut self.all {
            column.cells.shrink_to_fit();
        }
    }

    /// Estimated bytes.
    pub(crate) fn bytes(&self) -> u64 {
        let texts: usize = self.texts.iter().map(|text| 2 * text.len() + 40).sum();
        self.cells * size_of::<(u32, Cell)>() as u64 + texts as u64
    }
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

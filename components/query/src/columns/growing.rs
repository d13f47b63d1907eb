//! Columns that take documents: cells by slot, looked through one by one.

use std::cmp::Ordering;
use std::collections::BTreeMap;

use super::sealed::{Cells, Sealed};
use crate::bitset::Bitset;
use crate::image::Image;
use crate::terms::{FixedMap, Terms, contains};
use crate::types::{Comparison, Field, Scalar};

/// A value; text is kept once per segment.
#[derive(Debug, Clone, Copy)]
enum Cell {
    Null,
    Boolean(bool),
    Number(f64),
    Text(u32),
}

/// The columns of a growing segment.
#[derive(Debug, Default)]
pub(crate) struct Growing {
    paths: BTreeMap<String, u32>,
    /// Every value at one path, by ascending slot.
    columns: Vec<Vec<(u32, Cell)>>,
    /// The columns of each slot.
    used: Vec<Box<[u32]>>,
    texts: Vec<Text>,
    text_ids: FixedMap<Box<str>, u32>,
    cells: u64,
}

#[derive(Debug)]
struct Text {
    text: Box<str>,
    stream: Box<[u32]>,
}

/// A comparison with its text looked up.
enum Test<'a> {
    Equal(Vec<Cell>),
    Order(&'a Scalar, fn(Ordering) -> bool),
    Prefix(&'a str),
    Words(Option<Vec<u32>>),
    Exists,
}

impl Growing {
    /// Stores a document's fields.
    pub(crate) fn insert(&mut self, slot: u32, fields: &[Field], terms: &mut Terms) {
        let mut used = Vec::new();
        for field in fields {
            let cell = match &field.value {
                Scalar::Null => Cell::Null,
                Scalar::Boolean(value) => Cell::Boolean(*value),
                Scalar::Number(value) => Cell::Number(*value),
                Scalar::Text(text) => Cell::Text(self.intern(text, terms)),
            };
            let next = self.columns.len() as u32;
            let id = *self.paths.entry(field.path.clone()).or_insert(next);
            if id == next {
                self.columns.push(Vec::new());
            }
            if let Some(cells) = self.columns.get_mut(id as usize) {
                let at = cells.partition_point(|(other, _)| *other <= slot);
                cells.insert(at, (slot, cell));
                self.cells += 1;
            }
            used.push(id);
        }
        used.sort_unstable();
        used.dedup();
        if self.used.len() <= slot as usize {
            self.used.resize_with(slot as usize + 1, Box::default);
        }
        if let Some(entry) = self.used.get_mut(slot as usize) {
            *entry = used.into_boxed_slice();
        }
    }

    fn intern(&mut self, text: &str, terms: &mut Terms) -> u32 {
        if let Some(&id) = self.text_ids.get(text) {
            return id;
        }
        let id = self.texts.len() as u32;
        self.texts.push(Text { text: text.into(), stream: terms.stream(text) });
        self.text_ids.insert(text.into(), id);
        id
    }

    pub(super) fn remove(&mut self, slot: u32) {
        let Some(used) = self.used.get_mut(slot as usize).map(std::mem::take) else { return };
        for id in used {
            let Some(cells) = self.columns.get_mut(id as usize) else { continue };
            let before = cells.len();
            let start = cells.partition_point(|(other, _)| *other < slot);
            let end = cells.partition_point(|(other, _)| *other <= slot);
            cells.drain(start..end);
            self.cells -= (before - cells.len()) as u64;
        }
    }

    fn find(&self, path: &str) -> &[(u32, Cell)] {
        let cells = self.paths.get(path).and_then(|id| self.columns.get(*id as usize));
        cells.map_or(&[], |cells| cells)
    }

    pub(super) fn has(&self, path: &str) -> bool {
        !self.find(path).is_empty()
    }

    pub(super) fn paths(&self) -> impl Iterator<Item = &str> {
        self.paths.keys().map(String::as_str)
    }

    pub(super) fn select(&self, path: &str, comparison: &Comparison, terms: &Terms, selected: &mut Bitset) {
        let test = self.test(comparison, terms);
        for (slot, cell) in self.find(path) {
            if self.passes(*cell, &test) {
                selected.insert(*slot);
            }
        }
    }

    fn test<'a>(&self, comparison: &'a Comparison, terms: &Terms) -> Test<'a> {
        match comparison {
            Comparison::Eq(value) => Test::Equal(self.cell(value).into_iter().collect()),
            Comparison::OneOf(values) => Test::Equal(values.iter().filter_map(|value| self.cell(value)).collect()),
            Comparison::Less(value) => Test::Order(value, Ordering::is_lt),
            Comparison::LessOrEqual(value) => Test::Order(value, Ordering::is_le),
            Comparison::Greater(value) => Test::Order(value, Ordering::is_gt),
            Comparison::GreaterOrEqual(value) => Test::Order(value, Ordering::is_ge),
            Comparison::Prefix(prefix) => Test::Prefix(prefix),
            Comparison::Words(words) => Test::Words(terms.phrase(words)),
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
        self.texts.get(id as usize).map_or("", |text| &text.text)
    }

    #[allow(clippy::float_cmp, reason = "equality of stored numbers is what the filter asks for")]
    fn passes(&self, cell: Cell, test: &Test<'_>) -> bool {
        match test {
            Test::Exists => true,
            Test::Prefix(prefix) => matches!(cell, Cell::Text(id) if self.text(id).starts_with(prefix)),
            Test::Words(None) => false,
            Test::Words(Some(phrase)) => match cell {
                Cell::Text(id) => self.texts.get(id as usize).is_some_and(|text| contains(&text.stream, phrase)),
                _ => false,
            },
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

    pub(super) fn values(&self, path: &str, slots: &[u32]) -> Vec<Option<Scalar>> {
        let cells = self.find(path);
        let rank = |cell: &Cell| match cell {
            Cell::Null => 0,
            Cell::Boolean(_) => 1,
            Cell::Number(_) => 2,
            Cell::Text(_) => 3,
        };
        let order = |a: &Cell, b: &Cell| match (a, b) {
            (Cell::Boolean(a), Cell::Boolean(b)) => a.cmp(b),
            (Cell::Number(a), Cell::Number(b)) => a.total_cmp(b),
            (Cell::Text(a), Cell::Text(b)) => self.text(*a).cmp(self.text(*b)),
            (a, b) => rank(a).cmp(&rank(b)),
        };
        let least = |slot: &u32| {
            let start = cells.partition_point(|(other, _)| other < slot);
            let own = cells.get(start..).unwrap_or_default().iter().take_while(|(other, _)| other == slot);
            own.map(|(_, cell)| *cell).min_by(order).map(|cell| match cell {
                Cell::Null => Scalar::Null,
                Cell::Boolean(value) => Scalar::Boolean(value),
                Cell::Number(value) => Scalar::Number(value),
                Cell::Text(id) => Scalar::Text(self.text(id).to_owned()),
            })
        };
        slots.iter().map(least).collect()
    }

    /// Writes the fields of `slots`, in that order, with terms renumbered.
    pub(crate) fn write(&self, slots: &[u32], renumbered: &[u32], image: &mut Image) {
        let mut new_slots = FixedMap::default();
        new_slots.extend(slots.iter().copied().zip(0_u32..));
        // Texts that only removed documents had are left behind.
        let mut texts: Vec<(&str, u32)> = Vec::new();
        let live = |id: &u32| self.columns.get(*id as usize).filter(|cells| !cells.is_empty());
        let columns: Vec<(&str, &Vec<(u32, Cell)>)> =
            self.paths.iter().filter_map(|(path, id)| Some((path.as_str(), live(id)?))).collect();
        for (_, cells) in &columns {
            texts.extend(cells.iter().filter_map(|(_, cell)| match cell {
                Cell::Text(id) => Some((self.text(*id), *id)),
                _ => None,
            }));
        }
        texts.sort_unstable();
        texts.dedup();
        let mut new_texts = FixedMap::default();
        new_texts.extend(texts.iter().map(|(_, old)| *old).zip(0_u32..));
        let new_term = |term: &u32| renumbered.get(*term as usize).copied().unwrap_or(0);
        let stream = |(_, id): &(&str, u32)| {
            let stream = self.texts.get(*id as usize).map_or(&[][..], |text| &text.stream);
            stream.iter().map(new_term).collect::<Vec<u32>>()
        };
        let streams: Vec<Vec<u32>> = texts.iter().map(stream).collect();
        let columns = columns.into_iter().map(|(path, cells)| {
            let mut sorted = Cells::default();
            for (slot, cell) in cells {
                let Some(&slot) = new_slots.get(slot) else { continue };
                match cell {
                    Cell::Null => sorted.nulls.push(slot),
                    Cell::Boolean(false) => sorted.falses.push(slot),
                    Cell::Boolean(true) => sorted.trues.push(slot),
                    Cell::Number(number) => sorted.numbers.push((*number, slot)),
                    Cell::Text(id) => sorted.texts.push((new_texts.get(id).copied().unwrap_or(0), slot)),
                }
            }
            (path, sorted)
        });
        let texts = texts.iter().map(|(text, _)| *text).collect();
        Sealed::write(columns.collect(), texts, &streams, renumbered.len(), image);
    }

    pub(super) fn bytes(&self) -> u64 {
        let texts: usize = self.texts.iter().map(|text| 2 * text.text.len() + 4 * text.stream.len() + 64).sum();
        self.cells * size_of::<(u32, Cell)>() as u64 + texts as u64
    }
}

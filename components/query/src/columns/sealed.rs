//! Columns that only answer: the cells of each path in the order of their values, so that a comparison is a range.

use std::ops::Range;

use crate::bitset::Bitset;
use crate::image::{Image, Strings, are_offsets, are_positions, flatten, part, row};
use crate::terms::{Terms, contains};
use crate::types::{Comparison, ImageError, Scalar};

/// Numbers of a column in `columns.bounds`.
const BOUNDS: usize = 8;

/// The columns of a sealed segment.
#[derive(Debug)]
pub(crate) struct Sealed {
    paths: Strings,
    /// For each path: where its slots start; how many of them are null, false, true, numbers, text; where its numbers and
    /// its texts start.
    bounds: Vec<u32>,
    slots: Vec<u32>,
    numbers: Vec<f64>,
    texts: Vec<u32>,
    /// All texts, ascending: a text's number is its rank.
    all_texts: Strings,
    stream_offsets: Vec<u32>,
    streams: Vec<u32>,
    /// For each term the texts that have it.
    posting_offsets: Vec<u32>,
    postings: Vec<u32>,
}

/// A column's cells on the way into an image.
#[derive(Debug, Default)]
pub(super) struct Cells {
    pub(super) nulls: Vec<u32>,
    pub(super) falses: Vec<u32>,
    pub(super) trues: Vec<u32>,
    pub(super) numbers: Vec<(f64, u32)>,
    pub(super) texts: Vec<(u32, u32)>,
}

/// One column.
struct Column<'a> {
    nulls: &'a [u32],
    falses: &'a [u32],
    trues: &'a [u32],
    numbers: &'a [f64],
    number_slots: &'a [u32],
    texts: &'a [u32],
    text_slots: &'a [u32],
}

impl Column<'_> {
    fn slots(&self) -> impl Iterator<Item = &u32> {
        [self.nulls, self.falses, self.trues, self.number_slots, self.text_slots].into_iter().flatten()
    }
}

impl Sealed {
    pub(super) fn write(
        columns: Vec<(&str, Cells)>,
        texts: Vec<&str>,
        text_streams: &[Vec<u32>],
        terms: usize,
        image: &mut Image,
    ) {
        let (mut bounds, mut slots, mut numbers, mut text_cells) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
        let mut paths = Vec::new();
        for (path, mut cells) in columns {
            cells.numbers.sort_unstable_by(|a, b| a.0.total_cmp(&b.0).then(a.1.cmp(&b.1)));
            cells.texts.sort_unstable();
            let lengths =
                [cells.nulls.len(), cells.falses.len(), cells.trues.len(), cells.numbers.len(), cells.texts.len()];
            bounds.push(slots.len() as u32);
            bounds.extend(lengths.map(|length| length as u32));
            bounds.extend([numbers.len() as u32, text_cells.len() as u32]);
            slots.extend(cells.nulls.into_iter().chain(cells.falses).chain(cells.trues));
            slots.extend(cells.numbers.iter().map(|(_, slot)| *slot));
            slots.extend(cells.texts.iter().map(|(_, slot)| *slot));
            numbers.extend(cells.numbers.into_iter().map(|(number, _)| number));
            text_cells.extend(cells.texts.into_iter().map(|(text, _)| text));
            paths.push(path);
        }
        let mut lists: Vec<Vec<u32>> = vec![Vec::new(); terms];
        for (stream, text) in text_streams.iter().zip(0..) {
            for term in stream {
                if let Some(list) = lists.get_mut(*term as usize).filter(|list| list.last() != Some(&text)) {
                    list.push(text);
                }
            }
        }
        let (offsets, bytes) = Strings::build(paths.into_iter());
        image.put("columns.path-offsets", offsets);
        image.put("columns.path-bytes", bytes);
        image.put("columns.bounds", bounds);
        image.put("columns.slots", slots);
        image.put("columns.numbers", numbers);
        image.put("columns.texts", text_cells);
        let (offsets, bytes) = Strings::build(texts.into_iter());
        image.put("texts.offsets", offsets);
        image.put("texts.bytes", bytes);
        let (offsets, streams) = flatten(text_streams.iter());
        image.put("texts.stream-offsets", offsets);
        image.put("texts.stream-terms", streams);
        let (offsets, postings) = flatten(lists.iter());
        image.put("texts.posting-offsets", offsets);
        image.put("texts.posting-texts", postings);
    }

    pub(crate) fn read(image: &mut Image, slots: usize, terms: usize) -> Result<Sealed, ImageError> {
        let sealed = Sealed {
            paths: Strings::new(image.take("columns.path-offsets")?, image.take("columns.path-bytes")?)?,
            bounds: image.take("columns.bounds")?,
            slots: image.take("columns.slots")?,
            numbers: image.take("columns.numbers")?,
            texts: image.take("columns.texts")?,
            all_texts: Strings::new(image.take("texts.offsets")?, image.take("texts.bytes")?)?,
            stream_offsets: image.take("texts.stream-offsets")?,
            streams: image.take("texts.stream-terms")?,
            posting_offsets: image.take("texts.posting-offsets")?,
            postings: image.take("texts.posting-texts")?,
        };
        let whole = sealed.bounds.len() == sealed.paths.len() * BOUNDS
            && are_offsets(&sealed.stream_offsets, sealed.all_texts.len(), sealed.streams.len())
            && are_offsets(&sealed.posting_offsets, terms, sealed.postings.len())
            && are_positions(&sealed.slots, slots)
            && are_positions(&sealed.texts, sealed.all_texts.len())
            && are_positions(&sealed.streams, terms)
            && are_positions(&sealed.postings, sealed.all_texts.len());
        if whole { Ok(sealed) } else { Err(ImageError::Inconsistent("columns")) }
    }

    fn column(&self, path: &str) -> Option<Column<'_>> {
        let id = self.paths.find(path)? as usize;
        let bounds = self.bounds.as_chunks::<BOUNDS>().0.get(id)?.map(|bound| bound as usize);
        let [start, nulls, falses, trues, numbers, texts, numbers_start, texts_start] = bounds;
        let mut at = start;
        let mut next = |length: usize| {
            let slots = part(&self.slots, at, length).unwrap_or_default();
            at = at.saturating_add(length);
            slots
        };
        Some(Column {
            nulls: next(nulls),
            falses: next(falses),
            trues: next(trues),
            number_slots: next(numbers),
            text_slots: next(texts),
            numbers: part(&self.numbers, numbers_start, numbers).unwrap_or_default(),
            texts: part(&self.texts, texts_start, texts).unwrap_or_default(),
        })
    }

    pub(super) fn paths(&self) -> impl Iterator<Item = &str> {
        (0..self.paths.len() as u32).map(|id| self.paths.get(id))
    }

    pub(super) fn has(&self, path: &str, live: &Bitset) -> bool {
        self.column(path).is_some_and(|column| column.slots().any(|slot| live.contains(*slot)))
    }

    pub(super) fn select(&self, path: &str, comparison: &Comparison, terms: &Terms, selected: &mut Bitset) {
        let Some(column) = self.column(path) else { return };
        match comparison {
            Comparison::Exists => column.slots().for_each(|slot| selected.insert(*slot)),
            Comparison::Eq(value) => self.select_equal(&column, value, selected),
            Comparison::OneOf(values) => {
                values.iter().for_each(|value| self.select_equal(&column, value, selected));
            }
            Comparison::Less(value) => self.select_range(&column, value, |(low, _), _| 0..low, selected),
            Comparison::LessOrEqual(value) => self.select_range(&column, value, |(_, high), _| 0..high, selected),
            Comparison::Greater(value) => self.select_range(&column, value, |(_, high), end| high..end, selected),
            Comparison::GreaterOrEqual(value) => self.select_range(&column, value, |(low, _), end| low..end, selected),
            Comparison::Prefix(prefix) => {
                let prefix = prefix.as_bytes();
                let low = self.all_texts.partition_point(|text| text < prefix);
                let high = self.all_texts.partition_point(|text| text < prefix || text.starts_with(prefix));
                select_texts(&column, low, high, selected);
            }
            Comparison::Words(words) => {
                let Some(phrase) = terms.phrase(words) else { return };
                if phrase.is_empty() {
                    select(column.text_slots, 0..column.text_slots.len(), selected);
                    return;
                }
                let lists = phrase.iter().map(|term| row(&self.posting_offsets, &self.postings, *term));
                for text in lists.min_by_key(|list| list.len()).unwrap_or_default() {
                    if contains(row(&self.stream_offsets, &self.streams, *text), &phrase) {
                        select_texts(&column, *text, *text + 1, selected);
                    }
                }
            }
        }
    }

    fn select_equal(&self, column: &Column<'_>, value: &Scalar, selected: &mut Bitset) {
        match value {
            Scalar::Null => select(column.nulls, 0..column.nulls.len(), selected),
            Scalar::Boolean(false) => select(column.falses, 0..column.falses.len(), selected),
            Scalar::Boolean(true) => select(column.trues, 0..column.trues.len(), selected),
            Scalar::Number(_) | Scalar::Text(_) => {
                self.select_range(column, value, |(low, high), _| low..high, selected);
            }
        }
    }

    /// Selects a part of the numbers or of the texts. `part` is given where the value's equals start and end, and the
    /// number of cells.
    fn select_range(
        &self,
        column: &Column<'_>,
        value: &Scalar,
        part: impl Fn((usize, usize), usize) -> Range<usize>,
        selected: &mut Bitset,
    ) {
        match value {
            Scalar::Number(number) => {
                let low = column.numbers.partition_point(|other| other < number);
                let high = column.numbers.partition_point(|other| other <= number);
                select(column.number_slots, part((low, high), column.numbers.len()), selected);
            }
            Scalar::Text(text) => {
                let rank = self.all_texts.lower_bound(text);
                let present = u32::from(self.all_texts.find(text).is_some());
                let low = column.texts.partition_point(|other| *other < rank);
                let high = column.texts.partition_point(|other| *other < rank + present);
                select(column.text_slots, part((low, high), column.texts.len()), selected);
            }
            Scalar::Null | Scalar::Boolean(_) => {}
        }
    }

    pub(super) fn values(&self, path: &str, slots: &[u32]) -> Vec<Option<Scalar>> {
        let mut values = vec![None; slots.len()];
        let Some(column) = self.column(path) else { return values };
        let mut order: Vec<(u32, u32)> = slots.iter().copied().zip(0..).collect();
        order.sort_unstable();
        // Cells come in the order of their values: the first of a slot is its least.
        let mut see = |slot: &u32, value: &dyn Fn() -> Scalar| {
            if let Ok(at) = order.binary_search_by_key(slot, |(slot, _)| *slot)
                && let Some((_, index)) = order.get(at)
                && let Some(entry @ None) = values.get_mut(*index as usize)
            {
                *entry = Some(value());
            }
        };
        column.nulls.iter().for_each(|slot| see(slot, &|| Scalar::Null));
        column.falses.iter().for_each(|slot| see(slot, &|| Scalar::Boolean(false)));
        column.trues.iter().for_each(|slot| see(slot, &|| Scalar::Boolean(true)));
        for (slot, number) in column.number_slots.iter().zip(column.numbers) {
            see(slot, &|| Scalar::Number(*number));
        }
        for (slot, text) in column.text_slots.iter().zip(column.texts) {
            see(slot, &|| Scalar::Text(self.all_texts.get(*text).to_owned()));
        }
        values
    }

    pub(super) fn bytes(&self) -> u64 {
        let words = self.bounds.len()
            + self.slots.len()
            + self.numbers.len() * 2
            + self.texts.len()
            + self.stream_offsets.len()
            + self.streams.len()
            + self.posting_offsets.len()
            + self.postings.len();
        self.paths.size() + self.all_texts.size() + words as u64 * 4
    }
}

fn select(slots: &[u32], part: Range<usize>, selected: &mut Bitset) {
    slots.get(part).unwrap_or_default().iter().for_each(|slot| selected.insert(*slot));
}

/// Selects the cells with texts of these ranks.
fn select_texts(column: &Column<'_>, low: u32, high: u32, selected: &mut Bitset) {
    let start = column.texts.partition_point(|text| *text < low);
    let end = column.texts.partition_point(|text| *text < high);
    select(column.text_slots, start..end, selected);
}

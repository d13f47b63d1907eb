//! Whose vectors are whose: the rows of each slot, and the slot of each row.
//!
//! Mostly a document has one vector. In a sealed segment where every document has, rows and slots have the same numbers and
//! nothing is stored.

use crate::image::Image;
use crate::types::ImageError;

/// No row, or no slot.
const NONE: u32 = u32::MAX;

/// Which rows belong to which slots.
#[derive(Debug)]
pub(crate) enum Rows {
    Growing(Growing),
    Sealed(Sealed),
}

/// Each slot's rows as a chain, so that rows which become free can go to any other slot.
#[derive(Debug, Default)]
pub(crate) struct Growing {
    /// For each slot its first row.
    first: Vec<u32>,
    /// For each row the next one of its slot.
    next: Vec<u32>,
    /// For each row its slot.
    slots: Vec<u32>,
    free: Vec<u32>,
    /// Slots that have a row.
    holders: u32,
}

/// Rows in the order of the slots. Both arrays are empty where each row has the number of its slot.
#[derive(Debug, Default)]
pub(crate) struct Sealed {
    /// For each slot its first row, and the number of rows.
    offsets: Vec<u32>,
    /// For each row its slot.
    slots: Vec<u32>,
    has_several: bool,
    rows: u32,
}

impl Default for Rows {
    fn default() -> Self {
        Rows::Growing(Growing::default())
    }
}

impl Growing {
    /// A row for a slot, in front of those that it has.
    fn insert_first(&mut self, slot: u32) -> u32 {
        if self.first.len() <= slot as usize {
            self.first.resize(slot as usize + 1, NONE);
        }
        let row = self.free.pop().unwrap_or_else(|| {
            self.next.push(NONE);
            self.slots.push(NONE);
            self.next.len() as u32 - 1
        });
        if let (Some(first), Some(next), Some(owner)) =
            (self.first.get_mut(slot as usize), self.next.get_mut(row as usize), self.slots.get_mut(row as usize))
        {
            self.holders += u32::from(*first == NONE);
            *next = std::mem::replace(first, row);
            *owner = slot;
        }
        row
    }

    fn remove(&mut self, slot: u32) {
        let Some(first) = self.first.get_mut(slot as usize) else { return };
        let mut row = std::mem::replace(first, NONE);
        self.holders -= u32::from(row != NONE);
        while let Some(next) = self.next.get(row as usize) {
            self.free.push(row);
            row = *next;
        }
    }
}

impl Rows {
    /// A row for a slot of a growing segment, in front of those that it has; none in a sealed one.
    pub(crate) fn insert_first(&mut self, slot: u32) -> Option<u32> {
        match self {
            Rows::Growing(growing) => Some(growing.insert_first(slot)),
            Rows::Sealed(_) => None,
        }
    }

    /// Takes a slot's rows away; they go to others.
    pub(crate) fn remove(&mut self, slot: u32) {
        if let Rows::Growing(growing) = self {
            growing.remove(slot);
        }
    }

    /// The rows of a slot, in the order of its chunks.
    #[inline]
    pub(crate) fn of(&self, slot: u32) -> RowsOf<'_> {
        match self {
            Rows::Growing(growing) => {
                let at = growing.first.get(slot as usize).copied().unwrap_or(NONE);
                RowsOf { at, end: NONE, next: Some(&growing.next) }
            }
            Rows::Sealed(sealed) if sealed.offsets.is_empty() => {
                RowsOf { at: slot, end: slot + u32::from(slot < sealed.rows), next: None }
            }
            Rows::Sealed(sealed) => {
                let offset = |slot: usize| sealed.offsets.get(slot).copied();
                let (at, end) = offset(slot as usize).zip(offset(slot as usize + 1)).unwrap_or((0, 0));
                RowsOf { at, end, next: None }
            }
        }
    }

    /// The slot of a row that is not free.
    #[inline]
    pub(crate) fn slot(&self, row: u32) -> u32 {
        let slots = match self {
            Rows::Growing(growing) => &growing.slots,
            Rows::Sealed(sealed) => &sealed.slots,
        };
        slots.get(row as usize).copied().unwrap_or(row)
    }

    /// Whether some slot may have more than one row, of which `count` are not free.
    pub(crate) fn has_several(&self, count: u32) -> bool {
        match self {
            Rows::Growing(growing) => growing.holders < count,
            Rows::Sealed(sealed) => sealed.has_several,
        }
    }

    /// Slots that may have rows: those from here on have none.
    pub(crate) fn slots_end(&self) -> u32 {
        match self {
            Rows::Growing(growing) => growing.first.len() as u32,
            Rows::Sealed(sealed) if sealed.offsets.is_empty() => sealed.rows,
            Rows::Sealed(sealed) => sealed.offsets.len() as u32 - 1,
        }
    }

    /// Writes where the rows of `slots` begin, one behind the other in that order; nothing where each has one.
    pub(crate) fn write(&self, slots: &[u32], image: &mut Image) {
        let counts = slots.iter().map(|slot| self.of(*slot).count() as u32);
        let mut offsets = Vec::new();
        if counts.clone().any(|count| count != 1) && counts.clone().any(|count| count > 0) {
            offsets.reserve_exact(slots.len() + 1);
            offsets.push(0);
            let mut end = 0;
            offsets.extend(counts.map(|count| {
                end += count;
                end
            }));
        }
        image.put("vectors.offsets", offsets);
    }

    /// The rows of a sealed segment, which has `rows` of them for `slots` slots.
    pub(crate) fn read(image: &mut Image, rows: usize, slots: usize) -> Result<Rows, ImageError> {
        let wrong = Err(ImageError::Inconsistent("rows of vectors"));
        let offsets: Vec<u32> = image.take("vectors.offsets")?;
        if offsets.is_empty() {
            // No vectors at all, or one for each slot.
            let sealed = Sealed { rows: rows as u32, ..Sealed::default() };
            return if rows == 0 || rows == slots { Ok(Rows::Sealed(sealed)) } else { wrong };
        }
        let whole = offsets.len() == slots + 1
            && offsets.first() == Some(&0)
            && offsets.last().is_some_and(|end| *end as usize == rows)
            && offsets.is_sorted();
        if !whole {
            return wrong;
        }
        let mut slot_of_row = Vec::with_capacity(rows);
        let mut has_several = false;
        for (slot, pair) in (0..).zip(offsets.windows(2)) {
            let (start, end) = (pair.first().copied().unwrap_or(0), pair.last().copied().unwrap_or(0));
            slot_of_row.extend((start..end).map(|_| slot));
            has_several |= end - start > 1;
        }
        Ok(Rows::Sealed(Sealed { offsets, slots: slot_of_row, has_several, rows: rows as u32 }))
    }

    pub(crate) fn bytes(&self) -> u64 {
        let numbers = match self {
            Rows::Growing(growing) => growing.first.len() + 2 * growing.next.len() + growing.free.len(),
            Rows::Sealed(sealed) => sealed.offsets.len() + sealed.slots.len(),
        };
        (numbers * 4) as u64
    }
}

/// The rows of one slot.
#[derive(Debug, Clone)]
pub(crate) struct RowsOf<'a> {
    at: u32,
    end: u32,
    /// Where they are a chain; else they follow one another.
    next: Option<&'a [u32]>,
}

impl Iterator for RowsOf<'_> {
    type Item = u32;

    #[inline]
    fn next(&mut self) -> Option<u32> {
        if self.at == self.end {
            return None;
        }
        let row = self.at;
        self.at = match self.next {
            Some(next) => next.get(row as usize).copied().unwrap_or(NONE),
            None => row + 1,
        };
        Some(row)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Rows that were given back are used again before new ones are made, and each slot keeps its own in order.
    #[test]
    fn free_rows_are_used_again() {
        let mut rows = Rows::default();
        let mut insert = |slot, count| (0..count).for_each(|_| _ = rows.insert_first(slot));
        insert(0, 3);
        insert(2, 2);
        rows.remove(0);
        rows.remove(1);
        assert_eq!((rows.of(0).count(), rows.of(2).collect::<Vec<_>>()), (0, vec![4, 3]));
        assert!(rows.has_several(2));
        (0..4).for_each(|_| _ = rows.insert_first(1));
        let mut all: Vec<u32> = rows.of(1).chain(rows.of(2)).collect();
        assert!(rows.of(1).all(|row| rows.slot(row) == 1));
        all.sort_unstable();
        assert_eq!(all, [0, 1, 2, 3, 4, 5]);
        rows.remove(2);
        assert!(rows.has_several(4));
        rows.remove(1);
        rows.insert_first(7);
        assert!(!rows.has_several(1));
    }
}

//! For each node the links that it is a member of: rows that grow, in one array.

/// Room of a row when it first gets an element.
const ROOM_FIRST: u32 = 2;

#[derive(Debug, Clone, Copy, Default)]
struct Row {
    start: u32,
    held: u32,
    room: u32,
}

/// A list of numbers for each node. A row that is full moves to the end with double room; when more than half of the array is
/// abandoned, all rows are packed anew. Who puts an element in keeps its place, to take it out by. So an element costs a constant,
/// taken over many, however long its row is.
#[derive(Debug, Default)]
pub(crate) struct Incidence {
    rows: Vec<Row>,
    slots: Vec<u32>,
    abandoned: usize,
}

impl Incidence {
    pub(crate) fn row(&self, node: u32) -> &[u32] {
        let row = self.rows.get(node as usize).copied().unwrap_or_default();
        self.slots.get(row.start as usize..row.start as usize + row.held as usize).unwrap_or_default()
    }

    /// Puts an element in; answers its place in the row.
    pub(crate) fn push(&mut self, node: u32, slot: u32) -> u32 {
        if self.rows.len() <= node as usize {
            self.rows.resize(node as usize + 1, Row::default());
        }
        let Some(row) = self.rows.get_mut(node as usize) else { return 0 };
        let at = row.held;
        if row.held == row.room {
            let old = row.start as usize..row.start as usize + row.held as usize;
            self.abandoned += row.room as usize;
            row.start = self.slots.len() as u32;
            row.room = (row.room * 2).max(ROOM_FIRST);
            self.slots.extend_from_within(old);
            self.slots.resize(row.start as usize + row.room as usize, 0);
        }
        if let Some(place) = self.slots.get_mut(row.start as usize + row.held as usize) {
            *place = slot;
            row.held += 1;
        }
        if self.abandoned > self.slots.len() / 2 + 1024 {
            self.pack();
        }
        at
    }

    /// Takes out the element at a place; answers the one that stands there now, which was the last.
    pub(crate) fn remove(&mut self, node: u32, at: u32) -> Option<u32> {
        let row = self.rows.get_mut(node as usize)?;
        let held = row.start as usize..row.start as usize + row.held as usize;
        let (last, rest) = self.slots.get_mut(held)?.split_last_mut()?;
        row.held -= 1;
        let place = rest.get_mut(at as usize)?;
        *place = *last;
        Some(*last)
    }

    fn pack(&mut self) {
        let mut packed = Vec::with_capacity(self.slots.len() - self.abandoned);
        for row in &mut self.rows {
            let old = row.start as usize..row.start as usize + row.held as usize;
            row.start = packed.len() as u32;
            packed.extend_from_slice(self.slots.get(old).unwrap_or_default());
            // An empty row has no room at all.
            row.room = row.held;
        }
        (self.slots, self.abandoned) = (packed, 0);
    }

    pub(crate) fn bytes(&self) -> usize {
        self.rows.capacity() * size_of::<Row>() + self.slots.capacity() * 4
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use proptest::prelude::*;

    use super::*;

    proptest! {
        /// Rows hold what was put into them, whatever moved or was packed meanwhile.
        #[test]
        fn rows_hold_what_was_put_in(steps in proptest::collection::vec((0_u32..6, 0_u32..400, any::<bool>()), 0..3_000)) {
            let mut incidence = Incidence::default();
            // What each row holds, and where.
            let mut model = vec![BTreeMap::new(); 6];
            for (node, slot, put) in steps {
                let row: &mut BTreeMap<u32, u32> = &mut model[node as usize];
                if put && !row.contains_key(&slot) {
                    row.insert(slot, incidence.push(node, slot));
                } else if !put && let Some(at) = row.remove(&slot) && let Some(moved) = incidence.remove(node, at) {
                    row.insert(moved, at);
                }
            }
            for (node, row) in (0..).zip(&model) {
                let held: BTreeMap<u32, u32> = incidence.row(node).iter().copied().zip(0..).collect();
                prop_assert_eq!(&held, row);
                prop_assert_eq!(incidence.row(node).len(), row.len());
            }
        }
    }
}

//! The neighbours of a hub as columns, and which of them other nodes reach in one step or two.
#![allow(
    clippy::indexing_slicing,
    clippy::needless_range_loop,
    reason = "a kernel: indices are nodes, slots, columns and words that this file hands out"
)]

use crate::graph::Adjacency;

/// No slot, no column.
pub(super) const NONE: u32 = u32::MAX;

/// Words of rows that are kept from one edge of a hub to its next: 128 MiB.
const KEPT_WORDS: usize = 1 << 24;

/// A set of columns, whichever way takes less.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Row {
    /// Not known yet.
    Unknown,
    /// Every column.
    All,
    /// Bits, from this word of the arena on.
    Dense(u32),
    /// From, and until before, in the lists.
    Sparse(u32, u32),
}

/// What to do after a column was seen.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Seen {
    /// Takes it out of the set that is scanned.
    pub(super) clear: bool,
    /// Goes on with the next.
    pub(super) more: bool,
}

/// Columns are positions among the hub's neighbours; slots are given to all nodes that are next to one of them.
#[derive(Debug, Default)]
pub(super) struct Columns {
    hub: u32,
    /// Number of columns.
    pub(super) width: usize,
    /// Words of a set of columns.
    pub(super) words: usize,
    column_of: Vec<u32>,
    slot_of: Vec<u32>,
    /// Nodes with a slot, by slot.
    touched: Vec<u32>,
    /// Columns next to each node with a slot, ascending.
    starts: Vec<u32>,
    lists: Vec<u32>,
    lists_kept: usize,
    near: Vec<Row>,
    far: Vec<Row>,
    arena: Vec<u64>,
    scratch: Vec<u64>,
}

impl Columns {
    pub(super) fn new(nodes: usize) -> Columns {
        Columns { column_of: vec![NONE; nodes], slot_of: vec![NONE; nodes], ..Columns::default() }
    }

    /// Takes another node's neighbours as columns.
    pub(super) fn turn_to(&mut self, graph: &impl Adjacency, hub: u32) {
        for node in self.touched.drain(..) {
            self.slot_of[node as usize] = NONE;
            self.column_of[node as usize] = NONE;
        }
        // The graph may have grown.
        if self.slot_of.len() < graph.nodes() {
            self.slot_of.resize(graph.nodes(), NONE);
            self.column_of.resize(graph.nodes(), NONE);
        }
        self.hub = hub;
        self.width = graph.of(hub).len();
        self.words = self.width.div_ceil(64);
        self.starts.clear();
        self.starts.push(0);
        // Counts first, then places: every list is exactly as long as it has to be.
        for &neighbour in graph.of(hub) {
            for &node in graph.of(neighbour) {
                if node != hub {
                    let slot = self.slot(node) as usize;
                    self.starts[slot + 1] += 1;
                }
            }
        }
        for (column, &neighbour) in graph.of(hub).iter().enumerate() {
            self.slot(neighbour);
            self.column_of[neighbour as usize] = column as u32;
        }
        let mut total = 0;
        for start in &mut self.starts {
            total += *start;
            *start = total;
        }
        self.place(graph, total as usize);
        self.near.clear();
        self.far.clear();
        self.near.resize(self.touched.len(), Row::Unknown);
        self.far.resize(self.touched.len(), Row::Unknown);
        self.arena.clear();
    }

    fn place(&mut self, graph: &impl Adjacency, total: usize) {
        self.lists.clear();
        self.lists.resize(total, 0);
        self.lists_kept = total;
        // Filled from behind, so that the starts end up where they were.
        let ends = &mut self.starts[1..];
        for (column, &neighbour) in graph.of(self.hub).iter().enumerate().rev() {
            for &node in graph.of(neighbour) {
                if node != self.hub {
                    let end = &mut ends[self.slot_of[node as usize] as usize];
                    *end -= 1;
                    self.lists[*end as usize] = column as u32;
                }
            }
        }
        // Each end is now a start: the list of a slot is from its own to the next one's.
        self.starts.remove(0);
        self.starts.push(total as u32);
    }

    fn slot(&mut self, node: u32) -> u32 {
        let slot = &mut self.slot_of[node as usize];
        if *slot == NONE {
            *slot = self.touched.len() as u32;
            self.touched.push(node);
            self.starts.push(0);
        }
        *slot
    }

    /// The slot of a node that is next to a column.
    pub(super) fn slot_of(&self, node: u32) -> u32 {
        self.slot_of[node as usize]
    }

    /// The column of a neighbour of the hub, or [`NONE`].
    pub(super) fn column_of(&self, node: u32) -> u32 {
        self.column_of[node as usize]
    }

    fn list(&self, slot: u32) -> (u32, u32) {
        (self.starts[slot as usize], self.starts[slot as usize + 1])
    }

    /// Columns one step away.
    pub(super) fn near(&mut self, slot: u32) -> Row {
        if self.near[slot as usize] == Row::Unknown {
            let (from, until) = self.list(slot);
            let row = if (until - from) as usize <= 2 * self.words && self.words > 1 {
                Row::Sparse(from, until)
            } else {
                let at = self.arena.len();
                self.arena.resize(at + self.words, 0);
                for &column in &self.lists[from as usize..until as usize] {
                    self.arena[at + column as usize / 64] |= 1 << (column % 64);
                }
                Row::Dense(at as u32)
            };
            self.near[slot as usize] = row;
        }
        self.near[slot as usize]
    }

    /// Columns two steps away by another way than the hub. It may hold such that are one step away, too.
    pub(super) fn far(&mut self, graph: &impl Adjacency, slot: u32) -> Row {
        if self.far[slot as usize] == Row::Unknown {
            self.far[slot as usize] = self.reach(graph, slot);
        }
        self.far[slot as usize]
    }

    fn reach(&mut self, graph: &impl Adjacency, slot: u32) -> Row {
        let mut bits = std::mem::take(&mut self.scratch);
        bits.clear();
        bits.resize(self.words, 0);
        let mut most = 0;
        for &node in graph.of(self.touched[slot as usize]) {
            let between = self.slot_of[node as usize];
            if node == self.hub || between == NONE {
                continue;
            }
            let (from, until) = self.list(between);
            most += (until - from) as usize;
            if let Row::Dense(at) = self.near[between as usize] {
                let row = &self.arena[at as usize..at as usize + self.words];
                bits.iter_mut().zip(row).for_each(|(bits, row)| *bits |= row);
            } else {
                for &column in &self.lists[from as usize..until as usize] {
                    bits[column as usize / 64] |= 1 << (column % 64);
                }
                // Who is asked often as a way between is worth a row of bits.
                if (until - from) as usize > 2 * self.words {
                    self.near(between);
                }
            }
        }
        let row = self.keep(&bits, most);
        self.scratch = bits;
        row
    }

    fn keep(&mut self, bits: &[u64], most: usize) -> Row {
        let sparse = self.words > 1
            && (most <= 2 * self.words
                || bits.iter().map(|word| word.count_ones() as usize).sum::<usize>() <= self.words);
        if sparse {
            let from = self.lists.len();
            for (index, &word) in bits.iter().enumerate() {
                let mut word = word;
                while word != 0 {
                    self.lists.push(index as u32 * 64 + word.trailing_zeros());
                    word &= word - 1;
                }
            }
            return Row::Sparse(from as u32, self.lists.len() as u32);
        }
        let at = self.arena.len();
        self.arena.extend_from_slice(bits);
        Row::Dense(at as u32)
    }

    /// Forgets rows when they take too much memory. Rows that were handed out before are not valid after.
    pub(super) fn make_room(&mut self) {
        if self.arena.len() + (self.lists.len() - self.lists_kept) / 2 > KEPT_WORDS {
            self.near.fill(Row::Unknown);
            self.far.fill(Row::Unknown);
            self.arena.clear();
            self.lists.truncate(self.lists_kept);
        }
    }

    /// Shows every column that is in the row and in the set, ascending.
    pub(super) fn scan(&self, row: Row, set: &mut [u64], mut see: impl FnMut(u32) -> Seen) {
        match row {
            Row::Unknown => {}
            Row::Sparse(from, until) => {
                for &column in &self.lists[from as usize..until as usize] {
                    let (index, bit) = (column as usize / 64, 1_u64 << (column % 64));
                    if set[index] & bit != 0 {
                        let seen = see(column);
                        if seen.clear {
                            set[index] &= !bit;
                        }
                        if !seen.more {
                            return;
                        }
                    }
                }
            }
            Row::All | Row::Dense(_) => {
                for index in 0..self.words {
                    let mut word = self.word(row, index) & set[index];
                    while word != 0 {
                        let column = index as u32 * 64 + word.trailing_zeros();
                        let seen = see(column);
                        if seen.clear {
                            set[index] &= !(word & word.wrapping_neg());
                        }
                        if !seen.more {
                            return;
                        }
                        word &= word - 1;
                    }
                }
            }
        }
    }

    /// The first column from the cursor on that is in the row and in both sets. The cursor stays before it.
    pub(super) fn first(&self, row: Row, one: &[u64], other: &[u64], cursor: &mut u32) -> Option<u32> {
        match row {
            Row::Unknown => None,
            Row::Sparse(from, until) => {
                let list = &self.lists[from as usize..until as usize];
                while let Some(&column) = list.get(*cursor as usize) {
                    let (index, bit) = (column as usize / 64, 1_u64 << (column % 64));
                    if one[index] & other[index] & bit != 0 {
                        return Some(column);
                    }
                    *cursor += 1;
                }
                None
            }
            Row::All | Row::Dense(_) => {
                while (*cursor as usize) < self.words {
                    let index = *cursor as usize;
                    let word = self.word(row, index) & one[index] & other[index];
                    if word != 0 {
                        return Some(*cursor * 64 + word.trailing_zeros());
                    }
                    *cursor += 1;
                }
                None
            }
        }
    }

    /// Takes `count` columns of the row out of the set, if there are so many; leaves the set in any state if not.
    pub(super) fn take(&self, row: Row, set: &mut [u64], count: u64) -> bool {
        let mut left = count;
        if let Row::Sparse(..) = row {
            if left > 0 {
                self.scan(row, set, |_| {
                    left -= 1;
                    Seen { clear: true, more: left > 0 }
                });
            }
            return left == 0;
        }
        for index in 0..self.words {
            if left == 0 {
                return true;
            }
            let word = self.word(row, index) & set[index];
            let found = u64::from(word.count_ones());
            let mut taken = word;
            // The last word gives only as many as are wanted.
            for _ in left..found {
                taken &= taken - 1;
            }
            set[index] &= !taken;
            left -= found.min(left);
        }
        left == 0
    }

    fn word(&self, row: Row, index: usize) -> u64 {
        match row {
            Row::Dense(at) => self.arena[at as usize + index],
            Row::All => u64::MAX,
            Row::Unknown | Row::Sparse(..) => 0,
        }
    }
}

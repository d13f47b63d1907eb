//! The cheapest transport of integer masses over the distances 1, 2 and 3.
//!
//! Primal and dual by turns (Ford and Fulkerson, 1957): as many units as can go over distance 1; then, by the potentials that this
//! leaves, as many as can go for 2 each; the rest goes over 3, which is how far any two are apart at most. Each half is a
//! maximum flow by breadth-first searches, every one of which takes all paths that it found.
#![allow(
    clippy::indexing_slicing,
    reason = "a kernel: indices are sources, columns and entries that this file hands out"
)]

use super::columns::{Columns, NONE, Row, Seen};
use crate::graph::Adjacency;

const GO_ON: Seen = Seen { clear: true, more: true };

/// Who has mass to give.
#[derive(Debug, Clone, Copy)]
struct Source {
    slot: u32,
    left: u64,
    /// One step from every column but those that it is next to.
    beside: bool,
    near: Row,
    far: Row,
    /// Potential 0 rather than 1 in the second half.
    low: bool,
    seen: bool,
    /// The entry against which a search came here.
    by: u32,
    /// Where that search began.
    root: u32,
}

/// Mass on its way from a source to a column.
#[derive(Debug, Clone, Copy)]
struct Entry {
    source: u32,
    column: u32,
    amount: u64,
    next: u32,
}

/// The masses of one edge. What is emptied after use is empty for every column between two edges.
#[derive(Debug, Default)]
pub(super) struct Flow {
    sources: Vec<Source>,
    entries: Vec<Entry>,
    /// What each column has got.
    used: Vec<u64>,
    /// The first entry of each column.
    head: Vec<u32>,
    /// From which source a search came to the column.
    from: Vec<u32>,
    /// Columns with used or head.
    dirty: Vec<u32>,
    /// Columns that want something at all, and those that still do.
    wanted: Vec<u64>,
    open: Vec<u64>,
    /// Columns of potential 1, and of potential 2, that a search has not seen.
    low: Vec<u64>,
    high: Vec<u64>,
    queue: Vec<u32>,
    ends: Vec<u32>,
    /// What a column takes, and what the one of the other end does.
    capacity: u64,
    end_column: u32,
    end_capacity: u64,
}

impl Flow {
    /// Begins an edge: every column takes `capacity`, that of the edge's other end `end_capacity`.
    pub(super) fn begin(&mut self, columns: &Columns, capacity: u64, end_column: u32, end_capacity: u64) {
        for column in self.dirty.drain(..) {
            self.used[column as usize] = 0;
            self.head[column as usize] = NONE;
        }
        if self.used.len() < columns.width {
            self.used.resize(columns.width, 0);
            self.head.resize(columns.width, NONE);
            self.from.resize(columns.width, NONE);
        }
        self.sources.clear();
        self.entries.clear();
        self.wanted.clear();
        self.wanted.resize(columns.words, u64::MAX);
        if let Some(last) = self.wanted.last_mut()
            && !columns.width.is_multiple_of(64)
        {
            *last = (1 << (columns.width % 64)) - 1;
        }
        (self.capacity, self.end_column, self.end_capacity) = (capacity, end_column, end_capacity);
        if end_capacity == 0 {
            self.close(end_column);
        }
    }

    /// Takes a column out: mass is there already.
    pub(super) fn close(&mut self, column: u32) {
        self.wanted[column as usize / 64] &= !(1 << (column % 64));
    }

    /// Adds a source. One that is next to the hub is two steps from every column at most.
    pub(super) fn add(&mut self, columns: &mut Columns, slot: u32, mass: u64, beside: bool) {
        if mass > 0 {
            let near = columns.near(slot);
            let far = if beside { Row::All } else { Row::Unknown };
            self.sources.push(Source {
                slot,
                left: mass,
                beside,
                near,
                far,
                low: true,
                seen: false,
                by: NONE,
                root: NONE,
            });
        }
    }

    /// The least cost of sending all mass.
    pub(super) fn cost(&mut self, columns: &mut Columns, graph: &impl Adjacency) -> u64 {
        let total = self.left();
        if total == 0 || self.is_near(columns) {
            return total;
        }
        self.open.clone_from(&self.wanted);
        self.low.clone_from(&self.wanted);
        self.high.clear();
        self.high.resize(columns.words, 0);
        self.greedy(columns, false);
        self.saturate(columns);
        let after_one = self.left();
        if after_one == 0 {
            return total;
        }
        self.second_half(columns, graph);
        let after_two = self.left();
        (total - after_one) + 2 * (after_one - after_two) + 3 * after_two
    }

    fn left(&self) -> u64 {
        self.sources.iter().map(|source| source.left).sum()
    }

    /// A test that suffices, by whole columns: everybody finds enough of them one step away.
    fn is_near(&mut self, columns: &Columns) -> bool {
        self.open.clone_from(&self.wanted);
        // The other end takes less than a whole column does.
        self.open[self.end_column as usize / 64] &= !(1 << (self.end_column % 64));
        let Flow { sources, open, capacity, .. } = self;
        sources.iter().all(|source| columns.take(source.near, open, source.left.div_ceil(*capacity)))
    }

    /// Potentials after the first half: what its last search saw is cheaper by one than the rest.
    fn second_half(&mut self, columns: &mut Columns, graph: &impl Adjacency) {
        // `low` is what that search did not see.
        for ((low, high), wanted) in self.low.iter_mut().zip(&mut self.high).zip(&self.wanted) {
            *high = *low;
            *low = wanted & !*high;
        }
        for source in &mut self.sources {
            source.low = source.seen;
            if source.low && !source.beside {
                source.far = columns.far(graph, source.slot);
            }
        }
        let (low, high) = (self.low.clone(), self.high.clone());
        self.greedy(columns, true);
        loop {
            let found = self.search(columns);
            if !found {
                return;
            }
            self.low.clone_from(&low);
            self.high.clone_from(&high);
        }
    }

    /// Searches until there is no path; leaves what the last search saw in the sources and out of `low`.
    fn saturate(&mut self, columns: &Columns) {
        loop {
            self.low.clone_from(&self.wanted);
            if !self.search(columns) {
                return;
            }
        }
    }

    /// Every source fills columns with room, in order.
    fn greedy(&mut self, columns: &Columns, second: bool) {
        for index in 0..self.sources.len() {
            let source = self.sources[index];
            if source.left == 0 || (second && !source.low) {
                continue;
            }
            let row = if second { source.far } else { source.near };
            let mut open = std::mem::take(&mut self.open);
            columns.scan(row, &mut open, |column| {
                let room = self.capacity_of(column) - self.used[column as usize];
                let amount = room.min(self.sources[index].left);
                self.push(index as u32, column, amount);
                self.used[column as usize] += amount;
                self.sources[index].left -= amount;
                Seen { clear: amount == room, more: self.sources[index].left > 0 }
            });
            self.open = open;
        }
    }

    fn capacity_of(&self, column: u32) -> u64 {
        if column == self.end_column { self.end_capacity } else { self.capacity }
    }

    fn push(&mut self, source: u32, column: u32, amount: u64) {
        let at = column as usize;
        if self.head[at] == NONE {
            self.dirty.push(column);
        }
        let mut entry = self.head[at];
        while entry != NONE && self.entries[entry as usize].source != source {
            entry = self.entries[entry as usize].next;
        }
        if entry == NONE {
            self.entries.push(Entry { source, column, amount, next: self.head[at] });
            self.head[at] = self.entries.len() as u32 - 1;
        } else {
            self.entries[entry as usize].amount += amount;
        }
    }

    /// One breadth-first search from all that is left, and every path that it found. False when there was none.
    fn search(&mut self, columns: &Columns) -> bool {
        self.queue.clear();
        self.ends.clear();
        for (index, source) in self.sources.iter_mut().enumerate() {
            source.seen = source.left > 0;
            if source.seen {
                source.by = NONE;
                source.root = index as u32;
                self.queue.push(index as u32);
            }
        }
        let mut next = 0;
        while next < self.queue.len() {
            let index = self.queue[next];
            next += 1;
            self.expand(columns, index);
        }
        let ends = std::mem::take(&mut self.ends);
        for &column in &ends {
            self.augment(column);
        }
        let found = !ends.is_empty();
        self.ends = ends;
        found
    }

    /// Goes on from a source over the arcs of reduced cost 0.
    fn expand(&mut self, columns: &Columns, index: u32) {
        let source = self.sources[index as usize];
        let (mut low, mut high) = (std::mem::take(&mut self.low), std::mem::take(&mut self.high));
        if source.low {
            columns.scan(source.near, &mut low, |column| self.arrive(index, column));
            columns.scan(source.far, &mut high, |column| self.arrive(index, column));
        } else {
            columns.scan(source.near, &mut high, |column| self.arrive(index, column));
        }
        (self.low, self.high) = (low, high);
    }

    fn arrive(&mut self, index: u32, column: u32) -> Seen {
        let at = column as usize;
        self.from[at] = index;
        if self.open[at / 64] & (1 << (at % 64)) != 0 {
            self.ends.push(column);
            return GO_ON;
        }
        let root = self.sources[index as usize].root;
        let mut entry = self.head[at];
        while entry != NONE {
            let Entry { source, amount, next, .. } = self.entries[entry as usize];
            let other = &mut self.sources[source as usize];
            if amount > 0 && !other.seen {
                (other.seen, other.by, other.root) = (true, entry, root);
                self.queue.push(source);
            }
            entry = next;
        }
        GO_ON
    }

    /// Sends along the path that ends in a column as much as it still takes after the paths before it.
    fn augment(&mut self, column: u32) {
        let mut index = self.from[column as usize];
        let mut amount = self.capacity_of(column) - self.used[column as usize];
        amount = amount.min(self.sources[self.sources[index as usize].root as usize].left);
        while self.sources[index as usize].by != NONE {
            let entry = self.entries[self.sources[index as usize].by as usize];
            amount = amount.min(entry.amount);
            index = self.from[entry.column as usize];
        }
        if amount == 0 {
            return;
        }
        let (mut to, mut index) = (column, self.from[column as usize]);
        loop {
            self.push(index, to, amount);
            let by = self.sources[index as usize].by;
            if by == NONE {
                break;
            }
            let entry = &mut self.entries[by as usize];
            entry.amount -= amount;
            to = entry.column;
            index = self.from[to as usize];
        }
        self.sources[index as usize].left -= amount;
        let at = column as usize;
        self.used[at] += amount;
        if self.used[at] == self.capacity_of(column) {
            self.open[at / 64] &= !(1 << (at % 64));
        }
    }
}

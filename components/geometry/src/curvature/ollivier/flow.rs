//! The cheapest transport of integer masses over the distances 1, 2 and 3.
//!
//! Primal and dual by turns (Ford and Fulkerson, 1957): as many units as can go over distance 1; then, by the potentials that this
//! leaves, as many as can go for 2 each; the rest goes over 3, which is how far any two are apart at most. Each half is a
//! maximum flow in layers (Dinic, 1970), whose sets of columns are rows of bits.
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
    /// The layer that the last search found it in, or [`NONE`].
    layer: u32,
    /// Which of its rows, and from where on in it, may still have a way on.
    second_row: bool,
    cursor: u32,
}

/// Mass on its way from a source to a column.
#[derive(Debug, Clone, Copy)]
struct Entry {
    source: u32,
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
    /// The first entry of each column that may still have a way on.
    way: Vec<u32>,
    /// Columns with used or head.
    dirty: Vec<u32>,
    /// Columns that want something at all, and those that still do.
    wanted: Vec<u64>,
    open: Vec<u64>,
    /// Columns of potential 1, and of potential 2.
    low: Vec<u64>,
    high: Vec<u64>,
    /// Those of them that a search has not seen.
    low_unseen: Vec<u64>,
    high_unseen: Vec<u64>,
    /// Columns of each layer that may still have a way on, layer after layer.
    alive: Vec<u64>,
    sources_here: Vec<u32>,
    columns_here: Vec<u32>,
    /// Source, column and entry of each step of a path.
    path: Vec<(u32, u32, u32)>,
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
            self.way.resize(columns.width, NONE);
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
            let source =
                Source { slot, left: mass, beside, near, far, low: true, layer: NONE, second_row: false, cursor: 0 };
            self.sources.push(source);
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
        self.high.clone_from(&self.low_unseen);
        self.low.iter_mut().zip(&self.high).for_each(|(low, high)| *low &= !high);
        for source in &mut self.sources {
            source.low = source.layer != NONE;
            if source.low && !source.beside {
                source.far = columns.far(graph, source.slot);
            }
        }
        self.greedy(columns, true);
        self.saturate(columns);
    }

    /// Sends what can be sent over arcs of reduced cost 0; leaves what the last search, which found no way, saw.
    fn saturate(&mut self, columns: &Columns) {
        while self.search(columns) {
            self.send(columns);
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
            self.entries.push(Entry { source, amount, next: self.head[at] });
            self.head[at] = self.entries.len() as u32 - 1;
        } else {
            self.entries[entry as usize].amount += amount;
        }
    }

    /// Layers from all that is left, up to the first with an open column. False when there is none.
    fn search(&mut self, columns: &Columns) -> bool {
        self.low_unseen.clone_from(&self.low);
        self.high_unseen.clone_from(&self.high);
        self.alive.clear();
        self.sources_here.clear();
        for (index, source) in self.sources.iter_mut().enumerate() {
            source.layer = NONE;
            (source.second_row, source.cursor) = (false, 0);
            if source.left > 0 {
                source.layer = 0;
                self.sources_here.push(index as u32);
            }
        }
        let mut layer = 0;
        while !self.sources_here.is_empty() {
            let begin = self.alive.len();
            self.alive.resize(begin + columns.words, 0);
            if self.see(columns, begin) {
                return true;
            }
            layer += 1;
            self.next_layer(layer);
        }
        false
    }

    /// Columns next to this layer's sources that no layer before has. True when some are open; then only those stay.
    fn see(&mut self, columns: &Columns, begin: usize) -> bool {
        let Flow { sources, sources_here, columns_here, low_unseen, high_unseen, alive, open, way, head, .. } = self;
        let mut found = false;
        columns_here.clear();
        let mut arrive = |column: u32| {
            let (index, bit) = (column as usize / 64, 1 << (column % 64));
            found |= open[index] & bit != 0;
            alive[begin + index] |= bit;
            way[column as usize] = head[column as usize];
            columns_here.push(column);
            GO_ON
        };
        for &index in &*sources_here {
            let source = sources[index as usize];
            if source.low {
                columns.scan(source.near, low_unseen, &mut arrive);
                columns.scan(source.far, high_unseen, &mut arrive);
            } else {
                columns.scan(source.near, high_unseen, &mut arrive);
            }
        }
        if found {
            alive[begin..].iter_mut().zip(open).for_each(|(alive, open)| *alive &= *open);
        }
        found
    }

    /// Sources that could send less to the columns of the layer before.
    fn next_layer(&mut self, layer: u32) {
        self.sources_here.clear();
        for &column in &self.columns_here {
            let mut entry = self.head[column as usize];
            while entry != NONE {
                let Entry { source, amount, next } = self.entries[entry as usize];
                let other = &mut self.sources[source as usize];
                if amount > 0 && other.layer == NONE {
                    other.layer = layer;
                    self.sources_here.push(source);
                }
                entry = next;
            }
        }
    }

    /// All ways through the layers, depth first; what turns out to lead nowhere is not tried again.
    fn send(&mut self, columns: &Columns) {
        for root in 0..self.sources.len() as u32 {
            self.path.clear();
            let mut here = root;
            while self.sources[root as usize].left > 0 && self.sources[root as usize].layer == 0 {
                let Some(column) = self.next_column(columns, here) else {
                    // Nothing leads on from here.
                    let Some((before, column, entry)) = self.path.pop() else { break };
                    self.way[column as usize] = self.entries[entry as usize].next;
                    here = before;
                    continue;
                };
                if self.is_open(column) {
                    self.augment(root, here, column);
                    self.path.clear();
                    here = root;
                } else if let Some(entry) = self.next_entry(column, self.sources[here as usize].layer + 1) {
                    self.path.push((here, column, entry));
                    here = self.entries[entry as usize].source;
                } else {
                    self.kill(columns, here, column);
                }
            }
        }
    }

    fn is_open(&self, column: u32) -> bool {
        self.open[column as usize / 64] & (1 << (column % 64)) != 0
    }

    fn kill(&mut self, columns: &Columns, here: u32, column: u32) {
        let begin = self.sources[here as usize].layer as usize * columns.words;
        self.alive[begin + column as usize / 64] &= !(1 << (column % 64));
    }

    /// The first column of a source's layer that it may send to and that may have a way on.
    fn next_column(&mut self, columns: &Columns, index: u32) -> Option<u32> {
        let source = &mut self.sources[index as usize];
        let begin = source.layer as usize * columns.words;
        let alive = self.alive.get(begin..begin + columns.words)?;
        loop {
            let (row, mask) = match (source.low, source.second_row) {
                (true, false) => (source.near, &self.low),
                (true, true) => (source.far, &self.high),
                (false, false) => (source.near, &self.high),
                (false, true) => return None,
            };
            if let Some(column) = columns.first(row, alive, mask, &mut source.cursor) {
                return Some(column);
            }
            if source.second_row {
                return None;
            }
            (source.second_row, source.cursor) = (true, 0);
        }
    }

    /// The first entry of a column through which there may be a way on, to a source of the next layer.
    fn next_entry(&mut self, column: u32, layer: u32) -> Option<u32> {
        let mut entry = self.way[column as usize];
        while entry != NONE {
            let Entry { source, amount, next } = self.entries[entry as usize];
            if amount > 0 && self.sources[source as usize].layer == layer {
                self.way[column as usize] = entry;
                return Some(entry);
            }
            entry = next;
        }
        None
    }

    /// Sends along the path as much as it takes.
    fn augment(&mut self, root: u32, last: u32, column: u32) {
        let at = column as usize;
        let room = self.capacity_of(column) - self.used[at];
        let amount = room.min(self.sources[root as usize].left);
        let amount = self.path.iter().fold(amount, |least, step| least.min(self.entries[step.2 as usize].amount));
        let path = std::mem::take(&mut self.path);
        for &(source, column, entry) in &path {
            self.push(source, column, amount);
            self.entries[entry as usize].amount -= amount;
        }
        self.path = path;
        self.push(last, column, amount);
        self.sources[root as usize].left -= amount;
        self.used[at] += amount;
        if amount == room {
            self.open[at / 64] &= !(1 << (at % 64));
        }
    }
}

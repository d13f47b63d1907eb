//! Adjacency laid out flat: compressed sparse rows.
#![allow(clippy::indexing_slicing, reason = "a kernel: every index comes from the arrays' own lengths")]

/// For each node its neighbours.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Csr {
    /// Where each node's begin; one more than nodes.
    offsets: Vec<u32>,
    targets: Vec<u32>,
}

impl Csr {
    /// From arcs that `each` calls back with, twice the same.
    pub(crate) fn from_arcs(nodes: usize, each: impl Fn(&mut dyn FnMut(u32, u32))) -> Csr {
        let mut offsets = vec![0_u32; nodes + 1];
        each(&mut |from, _| offsets[from as usize] += 1);
        let total = begin(&mut offsets);
        let mut targets = vec![0; total];
        each(&mut |from, to| {
            let place = &mut offsets[from as usize];
            targets[*place as usize] = to;
            *place += 1;
        });
        shift(&mut offsets);
        Csr { offsets, targets }
    }

    pub(crate) fn nodes(&self) -> usize {
        self.offsets.len().saturating_sub(1)
    }

    pub(crate) fn arcs(&self) -> usize {
        self.targets.len()
    }

    pub(crate) fn bytes(&self) -> usize {
        (self.offsets.capacity() + self.targets.capacity()) * 4
    }

    #[inline]
    pub(crate) fn row(&self, node: u32) -> &[u32] {
        &self.targets[self.offsets[node as usize] as usize..self.offsets[node as usize + 1] as usize]
    }

    /// The same arcs the other way. Its rows are ascending, whatever the order here.
    pub(crate) fn transposed(&self) -> Csr {
        Csr::from_arcs(self.nodes(), |act| {
            for node in 0..self.nodes() as u32 {
                self.row(node).iter().for_each(|&to| act(to, node));
            }
        })
    }

    /// Keeps one of equal arcs; rows must be ascending.
    pub(crate) fn dedup(&mut self) {
        let (mut read, mut write) = (0, 0);
        for node in 0..self.nodes() {
            let end = self.offsets[node + 1] as usize;
            let begin = write;
            while read < end {
                let target = self.targets[read];
                if write == begin || self.targets[write - 1] != target {
                    self.targets[write] = target;
                    write += 1;
                }
                read += 1;
            }
            // What was the end of this row is the beginning of the next, which `read` knows already.
            self.offsets[node] = begin as u32;
        }
        if let Some(last) = self.offsets.last_mut() {
            *last = write as u32;
        }
        self.targets.truncate(write);
        self.targets.shrink_to_fit();
    }

    /// The arcs of both, each once; rows must be ascending.
    pub(crate) fn merged(&self, other: &Csr) -> Csr {
        let mut offsets = Vec::with_capacity(self.offsets.len());
        let mut targets = Vec::with_capacity(self.targets.len().max(other.targets.len()));
        offsets.push(0);
        for node in 0..self.nodes() as u32 {
            let (mut a, mut b) = (self.row(node), other.row(node));
            while let (Some(&x), Some(&y)) = (a.first(), b.first()) {
                targets.push(x.min(y));
                a = &a[usize::from(x <= y)..];
                b = &b[usize::from(y <= x)..];
            }
            targets.extend_from_slice(a);
            targets.extend_from_slice(b);
            offsets.push(targets.len() as u32);
        }
        Csr { offsets, targets }
    }
}

/// Turns counts into where each row begins; answers the sum. The last element must be 0.
pub(crate) fn begin(offsets: &mut [u32]) -> usize {
    let mut sum = 0;
    for offset in offsets {
        let count = *offset;
        *offset = sum;
        sum += count;
    }
    sum as usize
}

/// Turns where each row ends into where it begins.
pub(crate) fn shift(offsets: &mut [u32]) {
    if let Some(last) = offsets.len().checked_sub(1) {
        offsets.copy_within(..last, 1);
        offsets[0] = 0;
    }
}

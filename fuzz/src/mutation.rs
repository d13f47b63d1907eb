//! The ways in which bytes go wrong.

use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::Index;

/// Where an input comes from and what is done to it.
#[derive(Debug, Clone)]
pub(crate) enum Plan {
    /// An input of the corpus, changed.
    Changed { base: Index, changes: Vec<Change> },
    /// Bytes that nobody wrote.
    Noise(Vec<u8>),
}

#[derive(Debug, Clone)]
pub(crate) enum Change {
    Flip {
        at: Index,
        bit: u8,
    },
    Set {
        at: Index,
        value: u8,
    },
    /// A number of one to eight bytes, in either order.
    Number {
        at: Index,
        width: usize,
        value: u64,
        big: bool,
    },
    Truncate {
        at: Index,
    },
    Remove {
        from: Index,
        length: usize,
    },
    Double {
        from: Index,
        length: usize,
        times: usize,
    },
    /// A part of another input of the corpus.
    Splice {
        other: Index,
        from: Index,
        length: usize,
        at: Index,
        over: bool,
    },
    Word {
        word: Index,
        at: Index,
    },
}

pub(crate) fn plan(corpus: usize, words: usize) -> impl Strategy<Value = Plan> {
    let noise = vec(any::<u8>(), 0..64).prop_map(Plan::Noise);
    if corpus == 0 {
        return noise.boxed();
    }
    let changed =
        (any::<Index>(), vec(change(words), 0..6)).prop_map(|(base, changes)| Plan::Changed { base, changes });
    prop_oneof![15 => changed, 1 => noise].boxed()
}

fn change(words: usize) -> impl Strategy<Value = Change> {
    let at = any::<Index>;
    // Limits of the number types, and lengths that are out of all proportion.
    let limits = prop_oneof![
        Just(0),
        Just(1),
        Just(u64::MAX),
        (0_u32..64).prop_map(|bit| 1 << bit),
        (0_u32..64).prop_map(|bit| (1 << bit) - 1),
    ];
    let length = || prop_oneof![4 => 1_usize..16, 2 => 16_usize..256, 1 => Just(usize::MAX)];
    let width = prop_oneof![Just(1_usize), Just(2), Just(4), Just(8)];
    prop_oneof![
        4 => (at(), 0_u8..8).prop_map(|(at, bit)| Change::Flip { at, bit }),
        2 => (at(), any::<u8>()).prop_map(|(at, value)| Change::Set { at, value }),
        3 => (at(), width, limits, any::<bool>()).prop_map(|(at, width, value, big)| Change::Number { at, width, value, big }),
        1 => at().prop_map(|at| Change::Truncate { at }),
        2 => (at(), length()).prop_map(|(from, length)| Change::Remove { from, length }),
        2 => (at(), length(), 1_usize..4).prop_map(|(from, length, times)| Change::Double { from, length, times }),
        2 => (at(), at(), length(), at(), any::<bool>())
            .prop_map(|(other, from, length, at, over)| Change::Splice { other, from, length, at, over }),
        (if words == 0 { 0 } else { 4 }) => (at(), at()).prop_map(|(word, at)| Change::Word { word, at }),
    ]
}

/// Inputs stay below this: more changes make them longer, not better.
const BYTES_MAX: usize = 4 << 20;

pub(crate) fn apply(plan: &Plan, corpus: &[Vec<u8>], words: &[&str]) -> Vec<u8> {
    match plan {
        Plan::Noise(bytes) => bytes.clone(),
        Plan::Changed { base, changes } => {
            let mut bytes = corpus.get(base.index(corpus.len())).cloned().unwrap_or_default();
            for change in changes {
                change.apply(&mut bytes, corpus, words);
                bytes.truncate(BYTES_MAX);
            }
            bytes
        }
    }
}

impl Change {
    fn apply(&self, bytes: &mut Vec<u8>, corpus: &[Vec<u8>], words: &[&str]) {
        let place = |at: &Index, length: usize| at.index(length + 1);
        match self {
            Change::Flip { at, bit } => {
                let at = place(at, bytes.len());
                bytes.get_mut(at..).and_then(<[u8]>::first_mut).into_iter().for_each(|byte| *byte ^= 1 << bit);
            }
            Change::Set { at, value } => {
                let at = place(at, bytes.len());
                bytes.get_mut(at..).and_then(<[u8]>::first_mut).into_iter().for_each(|byte| *byte = *value);
            }
            Change::Number { at, width, value, big } => {
                let number =
                    if *big { value.rotate_right(*width as u32 * 8).to_be_bytes() } else { value.to_le_bytes() };
                let at = place(at, bytes.len());
                bytes.iter_mut().skip(at).zip(number).take(*width).for_each(|(to, from)| *to = from);
            }
            Change::Truncate { at } => bytes.truncate(place(at, bytes.len())),
            Change::Remove { from, length } => {
                let from = place(from, bytes.len());
                bytes.drain(from..from.saturating_add(*length).min(bytes.len()));
            }
            Change::Double { from, length, times } => {
                let from = place(from, bytes.len());
                let end = from.saturating_add(*length).min(bytes.len());
                let part = bytes.get(from..end).unwrap_or_default().repeat(*times);
                bytes.splice(end..end, part);
            }
            Change::Splice { other, from, length, at, over } => {
                let Some(other) = corpus.get(other.index(corpus.len())) else { return };
                let from = place(from, other.len());
                let part = other.get(from..from.saturating_add(*length).min(other.len())).unwrap_or_default();
                let at = place(at, bytes.len());
                let end = if *over { (at + part.len()).min(bytes.len()) } else { at };
                bytes.splice(at..end, part.iter().copied());
            }
            Change::Word { word, at } => {
                let Some(word) = words.get(word.index(words.len().max(1))) else { return };
                let at = place(at, bytes.len());
                bytes.splice(at..at, word.bytes());
            }
        }
    }
}

//! The records of one layer: a sorted list while they are few, a bit each when they are many.

use crate::bitset::Bitset;

/// A list costs 32 bits for each record in it, a set of bits one for each record that there is.
const BITS_OF_ONE: usize = 32;

/// Some records.
#[derive(Debug)]
pub(crate) enum Membership {
    Few(Vec<u32>),
    Many { set: Bitset, count: u32 },
}

impl Default for Membership {
    fn default() -> Self {
        Membership::Few(Vec::new())
    }
}

impl Membership {
    /// Puts a record in; there are `nodes` of them.
    pub(crate) fn insert(&mut self, record: u32, nodes: u32) {
        match self {
            Membership::Few(records) => {
                // Records come in the order of their numbers more often than not.
                match records.last() {
                    Some(&last) if last >= record => {
                        if let Err(at) = records.binary_search(&record) {
                            records.insert(at, record);
                        }
                    }
                    _ => records.push(record),
                }
                if records.len() * BITS_OF_ONE > nodes as usize + BITS_OF_ONE * 64 {
                    let mut set = Bitset::new(nodes as usize);
                    records.iter().for_each(|&record| set.insert(record));
                    let count = records.len() as u32;
                    *self = Membership::Many { set, count };
                }
            }
            Membership::Many { set, count } => {
                *count += u32::from(!set.contains(record));
                set.insert(record);
            }
        }
    }

    pub(crate) fn remove(&mut self, record: u32) {
        match self {
            Membership::Few(records) => {
                if let Ok(at) = records.binary_search(&record) {
                    records.remove(at);
                }
            }
            Membership::Many { set, count } => {
                *count -= u32::from(set.contains(record));
                set.remove(record);
                if *count == 0 {
                    *self = Membership::default();
                }
            }
        }
    }

    pub(crate) fn count(&self) -> u32 {
        match self {
            Membership::Few(records) => records.len() as u32,
            Membership::Many { count, .. } => *count,
        }
    }

    /// How many are in a set, too.
    pub(crate) fn count_in(&self, other: &Bitset) -> u32 {
        match self {
            Membership::Few(records) => records.iter().filter(|&&record| other.contains(record)).count() as u32,
            Membership::Many { set, .. } => set.count_in(other),
        }
    }

    pub(crate) fn add_to(&self, other: &mut Bitset) {
        match self {
            Membership::Few(records) => records.iter().for_each(|&record| other.insert(record)),
            Membership::Many { set, .. } => other.or(set),
        }
    }

    pub(crate) fn bytes(&self) -> usize {
        match self {
            Membership::Few(records) => records.capacity() * 4 + 24,
            Membership::Many { set, .. } => set.bytes() + 24,
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use proptest::prelude::*;

    use super::*;

    proptest! {
        /// Few or many, it is a set.
        #[test]
        fn it_is_a_set(steps in proptest::collection::vec((0_u32..300, any::<bool>()), 0..600)) {
            let (mut membership, mut model) = (Membership::default(), BTreeSet::new());
            for (record, put) in steps {
                if put {
                    membership.insert(record, 300);
                    model.insert(record);
                } else {
                    membership.remove(record);
                    model.remove(&record);
                }
                prop_assert_eq!(membership.count() as usize, model.len());
            }
            let mut set = Bitset::new(300);
            membership.add_to(&mut set);
            prop_assert_eq!(set.iter().collect::<BTreeSet<u32>>(), model.clone());
            let mut even = Bitset::new(300);
            (0..300).step_by(2).for_each(|record| even.insert(record));
            prop_assert_eq!(membership.count_in(&even) as usize, model.iter().filter(|record| *record % 2 == 0).count());
        }
    }
}

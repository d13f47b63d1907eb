//! Sorting with a comparison behind a pointer. Every sort of the standard library is 5 to 15 KB of code of its own, and each sealed
//! segment carries them all; this one is shared by whatever sorts little, or compares at greater cost than a call.

use std::cmp::Ordering;

/// Positions from 0 on in the order of what stands there; equal ones stay as they are.
#[inline(never)]
pub(crate) fn positions(count: usize, compare: &dyn Fn(usize, usize) -> Ordering) -> Vec<u32> {
    let mut positions: Vec<u32> = (0..count as u32).collect();
    positions.sort_unstable_by(|&a, &b| compare(a as usize, b as usize).then(a.cmp(&b)));
    positions
}

/// Sorts values; equal ones stay as they are.
pub(crate) fn sort_by<T>(values: &mut Vec<T>, compare: impl Fn(&T, &T) -> Ordering) {
    let order = positions(values.len(), &|a, b| match (values.get(a), values.get(b)) {
        (Some(a), Some(b)) => compare(a, b),
        _ => Ordering::Equal,
    });
    let mut old: Vec<Option<T>> = std::mem::take(values).into_iter().map(Some).collect();
    values.extend(order.into_iter().filter_map(|at| old.get_mut(at as usize)?.take()));
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        /// As the standard library's stable sort.
        #[test]
        fn it_is_a_stable_sort(values in proptest::collection::vec((0_u8..9, any::<u16>()), 0..200)) {
            let (mut ours, mut theirs) = (values.clone(), values);
            sort_by(&mut ours, |a, b| a.0.cmp(&b.0));
            theirs.sort_by_key(|value| value.0);
            prop_assert_eq!(ours, theirs);
        }
    }
}

//! Metapaths: how many paths of given types of links lead where.

use std::collections::BTreeMap;

use super::arcs::each_arc;
use super::filter::kinds;
use super::store::Store;
use super::types::{GraphError, Step};
use super::view::View;
use super::walk::known;

/// Steps of a metapath at most.
pub const METAPATH_STEPS_MAX: usize = 32;

/// Arcs that one metapath may go along.
const ARCS_MAX: usize = 50_000_000;

/// Nodes at the end and how many paths lead there, by name; counts that do not fit stay at the largest number.
pub(crate) fn metapath(view: &View, store: &Store, start: u32, steps: &[Step]) -> Result<Vec<(u32, u64)>, GraphError> {
    known(store, start)?;
    if steps.len() > METAPATH_STEPS_MAX {
        let what = format!("the metapath has {} steps, at most {METAPATH_STEPS_MAX} are allowed", steps.len());
        return Err(GraphError::Malformed(what));
    }
    let mut counts = BTreeMap::new();
    counts.insert(start, 1_u64);
    let mut arcs = 0;
    for step in steps {
        let kinds = kinds(store, &step.types)?;
        let mut next: BTreeMap<u32, u64> = BTreeMap::new();
        for (&node, &paths) in &counts {
            arcs += store.incident(node).len();
            if arcs > ARCS_MAX {
                let what = "the metapath goes along more than 50,000,000 arcs; name the types of its steps, or make it shorter";
                return Err(GraphError::TooMuch(what.to_owned()));
            }
            each_arc(store, &view.filter, (view.selection.expansion, step.direction), node, |arc| {
                let kind = store.slot(arc.slot).map(|slot| slot.kind as usize);
                let is_meant = |kinds: &Vec<bool>| kind.is_some_and(|kind| kinds.get(kind) == Some(&true));
                if kinds.as_ref().is_none_or(is_meant) {
                    let count = next.entry(arc.to).or_default();
                    *count = count.saturating_add(paths);
                }
            });
        }
        counts = next;
    }
    let counts: Vec<(u32, u64)> = counts.into_iter().collect();
    Ok(store.names.by_name(&counts, |one| one.0))
}

//! Which leaves changes touch, by what the changes themselves say. Automerge's patches do not tell: they are about the values
//! that win, and a deletion counts here also where its value loses (see [`crate::leaves::are_live`]).

use std::collections::{BTreeMap, BTreeSet};

use automerge::legacy::{Key, ObjectId, OpId};
use automerge::{Automerge, Change, ObjId, Prop, ReadDoc};

use crate::document::SEPARATOR;
use crate::record::RecordKey;

/// The leaves that changes touch, whole or inside of them.
pub(crate) fn leaves(document: &Automerge, map: &ObjId, changes: &[Change]) -> BTreeSet<String> {
    let mut leaves = BTreeSet::new();
    let mut nested: BTreeMap<(u64, Vec<u8>), Option<String>> = BTreeMap::new();
    for change in changes {
        for operation in change.decode().operations {
            let ObjectId::Id(OpId(counter, actor)) = operation.obj else { continue };
            let object = ObjId::Id(counter, actor, 0);
            if object == *map {
                if let Key::Map(leaf) = operation.key {
                    leaves.insert(leaf.to_string());
                }
            } else if let ObjId::Id(counter, actor, _) = &object {
                let name = (*counter, actor.to_bytes().to_vec());
                nested.entry(name).or_insert_with(|| leaf_above(document, map, &object));
            }
        }
    }
    leaves.extend(nested.into_values().flatten());
    leaves
}

/// The record that a leaf belongs to.
pub(crate) fn key_of(leaf: &str) -> Option<RecordKey> {
    RecordKey::parse(leaf.split_once(SEPARATOR)?.0).ok()
}

/// The leaf that an object (a text, a list, a map of another writer) is a part of.
fn leaf_above(document: &Automerge, map: &ObjId, object: &ObjId) -> Option<String> {
    let mut parents = document.parents(object).ok()?;
    parents.find(|parent| parent.obj == *map).and_then(|parent| match parent.prop {
        Prop::Map(leaf) => Some(leaf),
        Prop::Seq(_) => None,
    })
}

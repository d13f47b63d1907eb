//! A central store, as hubs keep it, retires documents of older epochs: nothing is lost, nothing erased stays, whatever
//! happens in between.

use std::collections::BTreeMap;

use automerge::{Automerge, ReadDoc};
use proptest::prelude::*;
use skerry_sync::document::{DocumentId, Slot, leaves_map};
use skerry_sync::epoch::retire::{RetireError, Retirement, retire};
use skerry_sync::epoch::{Epoch, documents_of};
use skerry_sync::{Record, Replica};

use crate::{NOW, key, project, replica, sync, text};

/// A store of chunks by document.
type Store = BTreeMap<DocumentId, Vec<Vec<u8>>>;

/// What a replica has, as whole documents: fetched by somebody who has nothing and is in its epoch.
fn chunks_of(replica: &Replica, epoch: &Epoch) -> Store {
    let mut store = Store::new();
    for slot in epoch.slots() {
        let document = replica.document_for_tests(&project(), epoch, slot).unwrap();
        let genesis = epoch.genesis(&project(), slot).unwrap().get_heads();
        let chunk = document.save_after(&genesis);
        if !chunk.is_empty() {
            store.insert(epoch.document_id(&project(), slot), vec![chunk]);
        }
    }
    store
}

fn put(store: &mut Store, chunks: Store) {
    for (id, chunks) in chunks {
        let stored = store.entry(id).or_default();
        stored.extend(chunks.into_iter().filter(|chunk| !stored.contains(chunk)).collect::<Vec<_>>());
    }
}

fn catalog_of(store: &Store) -> Vec<Vec<u8>> {
    store.get(&DocumentId::derive(&project(), Slot::Catalog)).cloned().unwrap_or_default()
}

fn load(store: &Store, epoch: &Epoch, slot: Slot) -> Automerge {
    let mut document = epoch.genesis(&project(), slot).unwrap();
    for chunk in store.get(&epoch.document_id(&project(), slot)).into_iter().flatten() {
        document.load_incremental(chunk).unwrap();
    }
    document
}

/// The texts that a store's documents of an epoch hold.
fn texts(store: &Store, epoch: &Epoch) -> BTreeMap<String, String> {
    let mut texts = BTreeMap::new();
    for slot in epoch.slots().skip(1) {
        let document = load(store, epoch, slot);
        let map = leaves_map(&document, slot).unwrap();
        for leaf in document.keys(&map) {
            let Some((key, "text")) = leaf.split_once('\u{1f}') else { continue };
            let (value, _) = document.get(&map, leaf.as_str()).unwrap().unwrap();
            texts.insert(key.to_owned(), value.as_str().unwrap().to_owned());
        }
    }
    texts
}

/// Does what is to be done, as far as `steps` go; a crash comes then.
fn carry_out(store: &mut Store, given: &Store, retirement: &Retirement, steps: usize) {
    let puts = retirement.store.iter().map(|(id, chunk)| (*id, Some(chunk.clone())));
    let deletes = retirement.delete.iter().map(|id| (*id, None));
    for (id, chunk) in puts.chain(deletes).take(steps) {
        if let Some(chunk) = chunk {
            put(store, BTreeMap::from([(id, vec![chunk])]));
        } else {
            let gone = given.get(&id).cloned().unwrap_or_default();
            store.entry(id).or_default().retain(|chunk| !gone.contains(chunk));
        }
    }
    store.retain(|_, chunks| !chunks.is_empty());
}

fn holds(store: &Store, marker: &str) -> bool {
    let documents = store.values().flatten();
    documents.into_iter().any(|chunk| {
        // Chunks of changes are compressed when they are long: look into them.
        let lenient = automerge::LoadOptions::new().on_partial_load(automerge::OnPartialLoad::Ignore);
        let saved = Automerge::load_with_options(chunk, lenient).unwrap_or_default().save_nocompress();
        [chunk, &saved].iter().any(|bytes| bytes.windows(marker.len()).any(|window| window == marker.as_bytes()))
    })
}

/// A store that holds the first epoch as two replicas left it, and the second as one of them cut it.
fn scene() -> (Store, Epoch) {
    let ((_a_dir, a), (_b_dir, b)) = (replica(), replica());
    let records: Vec<Record> = (0..40).map(|n| text(&format!("k{n}"), &format!("text {n}"))).collect();
    a.publish(&project(), &records, NOW).unwrap();
    a.publish(&project(), &[text("secret", "SECRET-ONE")], NOW).unwrap();
    sync(&a, &b);
    b.publish(&project(), &[text("secret", "SECRET-TWO"), text("k3", "late"), text("new", "late")], NOW).unwrap();
    b.delete(&project(), &[key("k4")], NOW).unwrap();
    let mut store = chunks_of(&a, &Epoch::FIRST);
    put(&mut store, chunks_of(&b, &Epoch::FIRST));
    a.erase(&project(), &[key("secret")], NOW).unwrap();
    a.publish(&project(), &[text("k5", "edited in the new epoch")], NOW).unwrap();
    let epoch = a.epoch(&project()).unwrap();
    put(&mut store, chunks_of(&a, &epoch));
    (store, epoch)
}

fn assert_retired(store: &Store, epoch: &Epoch) {
    let texts = texts(store, epoch);
    assert_eq!(texts.get("secret"), None);
    assert_eq!((&*texts["k3"], &*texts["new"], &*texts["k5"]), ("late", "late", "edited in the new epoch"));
    assert_eq!(texts.get("k4"), None);
    assert_eq!(texts.len(), 40);
    assert!(!holds(store, "SECRET"));
    let catalog = load(store, epoch, Slot::Catalog);
    let known = documents_of(&project(), &catalog);
    assert!(store.keys().all(|id| known[..65].contains(id)), "documents of the first epoch are still there");
}

/// What was written late goes over, what was erased does not, and the old documents go; a second time changes nothing.
#[test]
fn old_documents_are_carried_over_and_deleted() {
    let (mut store, epoch) = scene();
    assert!(holds(&store, "SECRET"));
    let given = store.clone();
    let retirement = retire(&project(), &catalog_of(&store), &store).unwrap();
    assert!(!retirement.store.is_empty() && !retirement.delete.is_empty());
    carry_out(&mut store, &given, &retirement, usize::MAX);
    assert_retired(&store, &epoch);
    assert_eq!(retire(&project(), &catalog_of(&store), &store).unwrap(), Retirement::default());
}

/// As long as a document of the new epoch is missing, or lacks a part, nothing is deleted.
#[test]
fn a_new_epoch_that_is_not_whole_is_waited_for() {
    let (store, epoch) = scene();
    for shard in [0, 17, 63] {
        let mut partial = store.clone();
        partial.remove(&epoch.document_id(&project(), Slot::Shard(shard)));
        assert_eq!(retire(&project(), &catalog_of(&store), &partial).unwrap(), Retirement::default());
    }
}

/// A chunk that cannot be read, or that builds on what is not there, is not deleted: it may hold acknowledged writes.
#[test]
fn what_cannot_be_read_is_not_deleted() {
    let (store, _) = scene();
    let Slot::Shard(shard) = Slot::of(&key("k3")) else { panic!() };
    let id = Epoch::FIRST.document_id(&project(), Slot::Shard(shard));
    let mut damaged = store.clone();
    damaged.get_mut(&id).unwrap()[0].truncate(20);
    let outcome = retire(&project(), &catalog_of(&store), &damaged);
    assert!(matches!(outcome, Err(RetireError::Document { document, .. }) if document == id), "{outcome:?}");
    let mut late = store;
    let document = load(&late, &Epoch::FIRST, Slot::Shard(shard));
    let last = document.get_changes(&[]).pop().unwrap();
    late.insert(id, vec![last.raw_bytes().to_vec()]);
    let retirement = retire(&project(), &catalog_of(&late), &late).unwrap();
    assert_eq!(retirement.incomplete, [id]);
    assert!(!retirement.delete.contains(&id) && !retirement.delete.is_empty());
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 12, ..ProptestConfig::default() })]

    /// Several hubs at it at once, each with what it read at some moment, each crashing somewhere, then one that does not:
    /// the same as if one had done it alone.
    #[test]
    fn hubs_may_do_it_at_once_and_crash(crashes in proptest::collection::vec((0_usize..160, any::<bool>()), 1..6)) {
        let (mut store, epoch) = scene();
        let mut read = store.clone();
        for (steps, again) in crashes {
            if again {
                read = store.clone();
            }
            let retirement = retire(&project(), &catalog_of(&read), &read).unwrap();
            carry_out(&mut store, &read, &retirement, steps);
        }
        let given = store.clone();
        let retirement = retire(&project(), &catalog_of(&store), &store).unwrap();
        carry_out(&mut store, &given, &retirement, usize::MAX);
        assert_retired(&store, &epoch);
        // Whoever did it made the same changes.
        let Slot::Shard(shard) = Slot::of(&key("k3")) else { panic!() };
        prop_assert_eq!(load(&store, &epoch, Slot::Shard(shard)).get_heads().len(), 1);
    }
}

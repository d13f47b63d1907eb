//! Many chunks become one, by many hubs at once, and nothing is lost.

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};
use std::rc::Rc;

use automerge::transaction::Transactable;
use automerge::{ActorId, Automerge, ChangeHash, ROOT, ReadDoc};
use proptest::prelude::{ProptestConfig, proptest};
use skerry_sync::document::DocumentId;
use skerry_sync::hub::{Access, Chunk, ChunkName, ConnectionId, Effect, Event, Limits};

use super::World;
use super::driver::{Store, any, free};

/// Chunks are replaced when there are enough of them, and the document stays what it was.
#[test]
fn chunks_become_a_snapshot() {
    let mut world = World::new(Limits { chunks_max: 5, ..Limits::default() });
    let a = world.connect("a", any(Access::Write));
    for number in 0..40 {
        world.write(a, free(1), &format!("k{number}"), "v");
        assert!(world.store.borrow().chunks[&free(1)].len() <= 5);
    }
    let stored = world.store.borrow().document(free(1));
    assert_eq!(stored.get_heads(), world.client(a).heads(free(1)));
    assert_eq!(stored.keys(ROOT).count(), 40);
}

/// Three changes of one writer, each as a chunk.
fn chunks() -> [Chunk; 3] {
    let mut document = Automerge::new().with_actor(ActorId::from([9]));
    [1, 2, 3].map(|value| {
        let before = document.get_heads();
        let mut transaction = document.transaction();
        transaction.put(ROOT, format!("late{value}"), value).unwrap();
        transaction.commit();
        Chunk::new(document.save_after(&before))
    })
}

/// Automerge keeps a change whose dependencies are missing in a queue that no snapshot holds. Its chunk must stay until they
/// come.
#[test]
fn a_chunk_that_waits_for_another_is_not_covered() {
    let mut world = World::new(Limits { chunks_max: 3, ..Limits::default() });
    let [first, second, third] = chunks();
    let put = |world: &World, chunk: &Chunk| {
        world.store.borrow_mut().chunks.entry(free(1)).or_default().insert(chunk.name, chunk.bytes.clone());
    };
    put(&world, &second);
    let a = world.connect("a", any(Access::Write));
    for number in 0..12 {
        world.write(a, free(1), &format!("k{number}"), "v");
        if number == 5 {
            put(&world, &third);
            world.event(Event::Noticed { document: free(1), chunk: third.name });
        }
    }
    assert!(world.store.borrow().chunks[&free(1)].len() <= 5, "the others became snapshots");
    for waiting in [&second, &third] {
        assert!(world.store.borrow().chunks[&free(1)].contains_key(&waiting.name), "it was not covered");
    }
    put(&world, &first);
    world.event(Event::Noticed { document: free(1), chunk: first.name });
    assert!(world.client(a).documents[&free(1)].0.get(ROOT, "late3").unwrap().is_some(), "all three are served");
    for number in 0..6 {
        world.write(a, free(1), &format!("l{number}"), "v");
    }
    let store = world.store.borrow();
    for covered in [&first, &second, &third] {
        assert!(!store.chunks[&free(1)].contains_key(&covered.name), "now it is covered");
    }
    assert!(store.document(free(1)).get(ROOT, "late2").unwrap().is_some());
}

/// A notice of a chunk that a snapshot has replaced meanwhile: everything is looked at, or its changes would never arrive.
#[test]
fn a_chunk_that_is_gone_is_found_in_its_snapshot() {
    let limits = Limits { chunks_max: 3, ..Limits::default() };
    let mut here = World::new(limits.clone());
    let mut there = World::on(limits, here.store.clone(), "hub");
    let (a, b) = (here.connect("a", any(Access::Write)), there.connect("b", any(Access::Write)));
    here.write(a, free(1), "k", "1");
    there.sync(b, free(1));
    for number in 0..10 {
        there.write(b, free(1), &format!("k{number}"), "v");
    }
    let gone = |chunk: &ChunkName| !here.store.borrow().chunks[&free(1)].contains_key(chunk);
    let (document, chunk) = *there.announced.iter().find(|(_, chunk)| gone(chunk)).unwrap();
    here.event(Event::Noticed { document, chunk });
    assert_eq!(here.client(a).heads(free(1)), there.client(b).heads(free(1)));
}

/// A snapshot that could not be stored is tried again later, and nothing is lost by it.
#[test]
fn a_failed_snapshot_loses_nothing() {
    let mut world = World::new(Limits { chunks_max: 4, ..Limits::default() });
    let a = world.connect("a", any(Access::Write));
    world.hold = |effect| matches!(effect, Effect::Replace { .. });
    for number in 0..6 {
        world.write(a, free(1), &format!("k{number}"), "v");
    }
    let Some(Effect::Replace { document, snapshot, covers }) = world.pending.pop_front() else { panic!("a snapshot") };
    // It fell over after the snapshot and one of the chunks that it covers.
    {
        let mut store = world.store.borrow_mut();
        let chunks = store.chunks.get_mut(&document).unwrap();
        chunks.insert(snapshot.name, snapshot.bytes);
        chunks.remove(&covers[0]).unwrap();
    }
    let outcome = Err(skerry_sync::hub::StoreFailure::Failed("gone".into()));
    world.event(Event::Replaced { document, outcome });
    for number in 6..9 {
        world.write(a, free(1), &format!("k{number}"), "v");
    }
    assert!(world.pending.is_empty(), "no snapshot at once");
    world.hold = |_| false;
    world.tick(60);
    world.write(a, free(1), "k9", "v");
    assert_eq!(world.store.borrow().chunks[&free(1)].len(), 2, "the snapshot, and the change that came with it");
    assert_eq!(world.store.borrow().document(free(1)).keys(ROOT).count(), 10);
}

/// Two hubs over one store, whose steps are carried out in any order; either may die at any step.
struct Cluster {
    worlds: Vec<World>,
    store: Rc<RefCell<Store>>,
    clients: Vec<ConnectionId>,
    /// Deletions that a `Replace` still has to do, by hub.
    deleting: Vec<Vec<(DocumentId, Vec<ChunkName>)>>,
    /// Changes that a client was told are durable.
    acknowledged: BTreeMap<DocumentId, BTreeSet<ChangeHash>>,
    writes: usize,
}

fn limits() -> Limits {
    Limits { chunks_max: 3, ..Limits::default() }
}

impl Cluster {
    fn new() -> Cluster {
        let store = Rc::<RefCell<Store>>::default();
        let mut worlds: Vec<World> = (0..2).map(|_| World::on(limits(), store.clone(), "hub")).collect();
        let clients = worlds.iter_mut().map(|world| world.connect("c", any(Access::Write))).collect();
        for world in &mut worlds {
            world.hold = steps;
        }
        let (deleting, acknowledged) = (vec![Vec::new(), Vec::new()], BTreeMap::new());
        Cluster { worlds, store, clients, deleting, acknowledged, writes: 0 }
    }

    fn write(&mut self, hub: usize) {
        self.writes += 1;
        let key = format!("k{}", self.writes);
        let client = self.clients[hub];
        if self.worlds[hub].clients[&client].closed.is_none() {
            self.worlds[hub].write(client, free(1), &key, "v");
        }
    }

    /// Carries out one of the effects that wait.
    fn step(&mut self, hub: usize, choice: usize) {
        let waiting = self.worlds[hub].pending.len();
        let deletions = self.deleting[hub].len();
        if waiting + deletions == 0 {
            return;
        }
        let choice = choice % (waiting + deletions);
        if choice >= waiting {
            let (document, names) = &mut self.deleting[hub][choice - waiting];
            let document = *document;
            if let Some(name) = names.pop() {
                self.store.borrow_mut().chunks.entry(document).or_default().remove(&name);
                return;
            }
            self.deleting[hub].remove(choice - waiting);
            self.worlds[hub].event(Event::Replaced { document, outcome: Ok(()) });
            return;
        }
        match self.worlds[hub].pending.remove(choice).unwrap() {
            Effect::Replace { document, snapshot, covers } => {
                self.store.borrow_mut().chunks.entry(document).or_default().insert(snapshot.name, snapshot.bytes);
                self.deleting[hub].push((document, covers));
            }
            effect => {
                self.worlds[hub].carry_out(effect);
                self.worlds[hub].settle();
            }
        }
    }

    /// A notice reaches the other hub, or is lost.
    fn notice(&mut self, hub: usize, lost: bool) {
        let Some((document, chunk)) = self.worlds[hub].announced.pop() else { return };
        if !lost {
            self.worlds[1 - hub].event(Event::Noticed { document, chunk });
        }
    }

    /// A hub dies with all that it was doing, and its client comes back to a new one with what it has.
    fn crash(&mut self, hub: usize) {
        let mut world = World::on(limits(), self.store.clone(), "hub");
        let old = self.worlds[hub].clients.remove(&self.clients[hub]).unwrap();
        let client = world.connect("c", any(Access::Write));
        for (id, (document, _)) in old.documents {
            world.client(client).documents.insert(id, (document, automerge::sync::State::new()));
        }
        world.hold = steps;
        self.deleting[hub].clear();
        self.clients[hub] = client;
        self.worlds[hub] = world;
        self.worlds[hub].sync(client, free(1));
    }

    fn check(&mut self) {
        for (world, client) in self.worlds.iter().zip(&self.clients) {
            let Some((document, state)) = world.clients[client].documents.get(&free(1)) else { continue };
            // What the hub says that it has is durable, whoever wrote it.
            let told = state.their_heads.iter().flatten().filter(|hash| document.get_change_by_hash(hash).is_some());
            self.acknowledged.entry(free(1)).or_default().extend(told);
        }
        let stored = self.store.borrow().document(free(1));
        for hash in self.acknowledged.values().flatten() {
            assert!(stored.get_change_by_hash(hash).is_some(), "{hash} was acknowledged and is gone");
        }
    }

    fn finish(&mut self) {
        for _ in 0..200 {
            for hub in 0..2 {
                self.step(hub, 0);
            }
            self.check();
        }
        for hub in 0..2 {
            let client = self.clients[hub];
            self.worlds[hub].hold = |_| false;
            self.worlds[hub].settle();
            self.worlds[hub].sync(client, free(1));
        }
        for _ in 0..3 {
            for hub in 0..2 {
                self.worlds[hub].event(Event::Missed);
                self.worlds[hub].tick(60);
            }
        }
        self.check();
        let heads: Vec<_> =
            self.worlds.iter().zip(&self.clients).map(|(world, client)| world.clients[client].heads(free(1))).collect();
        assert_eq!(heads[0], heads[1], "both clients have the same");
        let stored = self.store.borrow().document(free(1));
        assert_eq!(stored.get_heads(), heads[0], "and so has the store");
        assert_eq!(stored.keys(ROOT).count(), self.writes);
        assert_eq!(self.store.borrow().quarantine, []);
    }
}

/// Everything but what goes to sockets waits until it is chosen.
fn steps(effect: &Effect) -> bool {
    matches!(
        effect,
        Effect::Store { .. } | Effect::Replace { .. } | Effect::Fetch { .. } | Effect::Load { .. } | Effect::Work(_)
    )
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(100))]

    /// Whatever the order of the steps of two hubs, whatever notices get lost and whoever dies when: what was acknowledged
    /// stays, and all end up the same.
    #[test]
    fn two_hubs_that_compact_lose_nothing(choices in proptest::collection::vec((0..12_u8, proptest::num::u8::ANY), 10..120)) {
        let mut cluster = Cluster::new();
        cluster.write(0);
        cluster.write(1);
        for (kind, choice) in choices {
            let hub = usize::from(choice & 1);
            let choice = usize::from(choice >> 1);
            match kind {
                0..3 => cluster.write(hub),
                3..9 => cluster.step(hub, choice),
                9 => cluster.notice(hub, choice % 4 == 0),
                10 => cluster.worlds[hub].event(Event::Missed),
                _ if choice % 4 == 0 => cluster.crash(hub),
                _ => cluster.step(hub, choice),
            }
            cluster.check();
        }
        cluster.finish();
    }
}

//! What the hub acknowledges is durable, whatever the store does.

use skerry_sync::hub::{Access, CloseReason, Effect, Limits, StoreFailure};

use super::World;
use super::driver::{any, free};

/// Until the store says yes, neither the writer nor anybody else hears of a change.
#[test]
fn nothing_is_acknowledged_before_it_is_stored() {
    let mut world = World::new(Limits::default());
    let (a, b) = (world.connect("a", any(Access::Write)), world.connect("b", any(Access::Write)));
    world.write(a, free(1), "k", "1");
    world.sync(b, free(1));
    world.hold = |effect| matches!(effect, Effect::Store { .. });
    world.write(a, free(1), "k", "2");
    world.sync(b, free(1));
    world.write(b, free(1), "from-b", "x");
    assert!(!world.client(a).is_acknowledged(free(1)) && !world.client(b).is_acknowledged(free(1)));
    assert_eq!(world.client(b).value(free(1), "k").as_deref(), Some("1"));
    // A third that comes meanwhile sees what is durable only.
    let c = world.connect("c", any(Access::Read));
    world.sync(c, free(1));
    assert_eq!(world.client(c).documents[&free(1)].0.get_heads(), []);
    assert_eq!(world.pending.len(), 1, "one chunk of a document is on its way at once");
    world.hold = |_| false;
    world.settle();
    for client in [a, b] {
        assert!(world.client(client).is_acknowledged(free(1)));
    }
    for client in [a, b, c] {
        assert_eq!(world.client(client).value(free(1), "k").as_deref(), Some("2"));
        assert_eq!(world.client(client).value(free(1), "from-b").as_deref(), Some("x"));
    }
}

/// While one chunk is being stored, all that comes in goes into the next one.
#[test]
fn changes_gather_while_one_is_stored() {
    let mut world = World::new(Limits::default());
    let clients: Vec<_> = (0..5).map(|number| world.connect(&format!("c{number}"), any(Access::Write))).collect();
    world.write(clients[0], free(1), "base", "v");
    for client in &clients {
        world.sync(*client, free(1));
    }
    world.hold = |effect| matches!(effect, Effect::Store { .. });
    for client in &clients {
        world.write(*client, free(1), "k", "v");
    }
    world.hold = |_| false;
    world.settle();
    assert_eq!(world.store.borrow().chunks[&free(1)].len(), 3, "the first change, the next one, and all others");
    for client in &clients {
        assert!(world.client(*client).is_acknowledged(free(1)));
    }
}

/// A store that fails refuses the changes and says so; those who only read stay; the next change finds it well again.
#[test]
fn a_failing_store_refuses_and_recovers() {
    let mut world = World::new(Limits::default());
    let (a, b) = (world.connect("a", any(Access::Write)), world.connect("b", any(Access::Read)));
    world.write(a, free(1), "k", "1");
    world.sync(b, free(1));
    world.store.borrow_mut().failure = Some(StoreFailure::Full);
    world.write(a, free(1), "k", "2");
    let writer = world.client(a);
    assert!(matches!(&writer.closed, Some(CloseReason::Store(why)) if why.contains("full")), "{:?}", writer.closed);
    assert!(writer.told[0].contains("nothing of them counts"), "{:?}", writer.told);
    assert!(!writer.is_acknowledged(free(1)));
    assert_eq!(world.client(b).value(free(1), "k").as_deref(), Some("1"));
    assert_eq!(world.client(b).closed, None);
    assert_eq!(world.hub.status().store_failure.as_deref(), Some("the central store is full"));
    // It comes back, with the change that was refused.
    world.store.borrow_mut().failure = None;
    let mine = world.clients.remove(&a).unwrap().documents.remove(&free(1)).unwrap().0;
    let again = world.connect("a", any(Access::Write));
    world.client(again).documents.insert(free(1), (mine, automerge::sync::State::new()));
    world.sync(again, free(1));
    world.tick(5);
    assert!(world.client(again).is_acknowledged(free(1)));
    assert_eq!(world.client(b).value(free(1), "k").as_deref(), Some("2"));
    assert_eq!(world.hub.status().store_failure, None);
}

/// A chunk of which it is not known whether it was stored is looked for again.
#[test]
fn a_lost_answer_of_the_store_loses_nothing() {
    let mut world = World::new(Limits::default());
    let a = world.connect("a", any(Access::Write));
    world.write(a, free(1), "k", "1");
    world.hold = |effect| matches!(effect, Effect::Store { .. });
    world.write(a, free(1), "k", "2");
    let Some(Effect::Store { document, chunk }) = world.pending.pop_front() else { panic!("a chunk is on its way") };
    world.hold = |_| false;
    world.store.borrow_mut().chunks.get_mut(&document).unwrap().insert(chunk.name, chunk.bytes);
    let outcome = Err(StoreFailure::Failed("timeout".into()));
    world.event(skerry_sync::hub::Event::Stored { document, outcome });
    assert!(matches!(world.client(a).closed, Some(CloseReason::Store(_))));
    let b = world.connect("b", any(Access::Write));
    world.sync(b, free(1));
    assert_eq!(world.client(b).value(free(1), "k").as_deref(), Some("2"));
}

/// Chunks that cannot be read are set aside and reported; the rest of the document is served.
#[test]
fn broken_chunks_are_set_aside() {
    let mut world = World::new(Limits::default());
    let a = world.connect("a", any(Access::Write));
    world.write(a, free(1), "k", "1");
    world.sync(a, free(1));
    let first = *world.store.borrow().chunks[&free(1)].keys().next().unwrap();
    let other = world.connect("b", any(Access::Write));
    world.write(other, free(1), "other", "2");
    {
        let mut store = world.store.borrow_mut();
        let chunks = store.chunks.get_mut(&free(1)).unwrap();
        let broken = chunks.iter_mut().find(|(name, _)| **name != first).unwrap();
        broken.1[20] ^= 1;
        // One whose name is right and that is no Automerge chunk.
        let junk = skerry_sync::hub::Chunk::new(b"junk".to_vec());
        chunks.insert(junk.name, junk.bytes);
    }
    let mut world = World::on(Limits::default(), world.store.clone(), "hub");
    let c = world.connect("c", any(Access::Write));
    world.sync(c, free(1));
    assert_eq!(world.client(c).value(free(1), "k").as_deref(), Some("1"));
    assert_eq!(world.store.borrow().quarantine.len(), 2);
    assert_eq!(world.hub.status().quarantined.len(), 2);
    world.write(c, free(1), "after", "3");
    assert!(world.client(c).is_acknowledged(free(1)));
}

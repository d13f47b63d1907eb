//! Changes that wait for others are nobody's yet.

use automerge::sync::{State, SyncDoc};
use automerge::transaction::Transactable;
use automerge::{Automerge, ROOT, ReadDoc};
use skerry_sync::hub::{Access, Chunk, Event, Limits};
use skerry_sync::wire::message::Message;

use super::World;
use super::driver::{any, free};

/// A client sends a change and not the one that it builds on, which another hub stores a moment later. The simulator found that
/// the change, now whole, counted as if it had been in the other hub's chunk: it was passed on and never stored.
#[test]
fn a_change_that_another_hub_completes_is_stored_before_it_is_passed_on() {
    let mut world = World::new(Limits::default());
    let mut document = Automerge::new();
    let mut edit = |key: &str| {
        let before = document.get_heads();
        let mut transaction = document.transaction();
        transaction.put(ROOT, key, "v").unwrap();
        transaction.commit();
        document.save_after(&before)
    };
    let (first, second) = (edit("first"), edit("second"));
    let reader = world.connect("reader", any(Access::Read));
    world.sync(reader, free(1));
    let writer = world.connect("writer", any(Access::Write));
    let mut message = document.generate_sync_message(&mut State::new()).unwrap();
    message.changes = vec![second].into();
    let (sender, target) = ("writer".to_owned(), "hub".to_owned());
    let data = message.encode();
    world.say(writer, &Message::Sync { sender, target, document: free(1).to_string(), data, request: false });

    let chunk = Chunk::new(first);
    world.store.borrow_mut().chunks.entry(free(1)).or_default().insert(chunk.name, chunk.bytes);
    world.event(Event::Noticed { document: free(1), chunk: chunk.name });
    (0..5).for_each(|_| world.tick(1));
    assert_eq!(world.client(reader).value(free(1), "first").as_deref(), Some("v"));
    let stored = world.store.borrow().document(free(1));
    let passed_on = world.client(reader).value(free(1), "second").is_some();
    assert_eq!(stored.get(ROOT, "second").unwrap().is_some(), passed_on, "what is passed on is stored");
}

//! Epochs at the hub: erasing a record reaches every replica and every byte of the store, and what was written meanwhile is
//! not lost.

use std::collections::BTreeMap;
use std::time::Duration;

use automerge::Automerge;
use skerry_sync::document::{DocumentId, Slot};
use skerry_sync::epoch::Epoch;
use skerry_sync::hub::{Access, ConnectionId, Effect, Event, Grant, Limits};
use skerry_sync::wire::client::{Agreement, Client, ClientEffect, ClientEvent};
use skerry_sync::{Replica, WriteError};

use super::driver::{Store, World, any, of, shard};
use crate::{NOW, all, key, project, replica, text};

/// A replica that is connected to a hub.
struct Live {
    replica: Replica,
    client: Client,
    connection: ConnectionId,
}

impl Live {
    fn new(world: &mut World, replica: &Replica, grant: Grant) -> Live {
        let client = Client::new(replica.clone(), "ws://hub", "device");
        let mut live = Live { replica: replica.clone(), client, connection: world.line(grant) };
        live.event(world, ClientEvent::Subscribe(project()));
        live.event(world, ClientEvent::Opened);
        live
    }

    fn event(&mut self, world: &mut World, event: ClientEvent) {
        for effect in self.client.handle(Duration::from_secs(1_000), event) {
            match effect {
                ClientEffect::Send(frame) => {
                    world.event(Event::Received { connection: self.connection, frame });
                }
                ClientEffect::Close { reason } => panic!("{reason}"),
                _ => {}
            }
        }
    }

    /// Both sides have the same, and nothing was refused.
    fn settled(&mut self) -> bool {
        let status = self.client.status(Duration::from_secs(1_000)).unwrap();
        let settled = status.projects.iter().all(|project| project.agreement == Agreement::Settled);
        settled && status.complaint.is_none()
    }
}

/// Frames go back and forth until nobody has anything to say.
fn talk(world: &mut World, lives: &mut [&mut Live]) {
    for live in lives.iter_mut() {
        live.event(world, ClientEvent::Changed(project()));
    }
    for _ in 0..1_000 {
        let mut quiet = true;
        for live in lives.iter_mut() {
            let frames = std::mem::take(world.lines.get_mut(&live.connection).unwrap());
            if !frames.is_empty() {
                quiet = false;
                live.event(world, ClientEvent::Received(frames));
            }
        }
        if quiet {
            return;
        }
    }
    panic!("the conversation does not end");
}

/// A whole session of the exchange; whether it came to an end by itself.
fn session(world: &mut World, replica: &Replica) {
    let mut session = replica.session(&project());
    while let Some(request) = session.next_request().unwrap() {
        let answer = world.exchange(of("notes", Access::Write), &project(), request).unwrap();
        session.handle_response(&answer).unwrap();
    }
}

fn texts(replica: &Replica) -> BTreeMap<String, String> {
    all(replica).into_iter().map(|record| (record.key.to_string(), record.text)).collect()
}

fn expect(pairs: &[(&str, &str)]) -> BTreeMap<String, String> {
    pairs.iter().map(|(key, text)| ((*key).to_owned(), (*text).to_owned())).collect()
}

/// Whether any document of the store says it, in its bytes or in any of its changes.
fn holds(store: &Store, marker: &str) -> bool {
    let within = |bytes: &[u8]| bytes.windows(marker.len()).any(|window| window == marker.as_bytes());
    store.chunks.values().flat_map(BTreeMap::values).any(|chunk| {
        let mut document = Automerge::new();
        document.load_incremental(chunk).unwrap();
        let changes = document.get_changes(&[]);
        within(chunk) || within(&document.save_nocompress()) || changes.iter().any(|change| within(change.raw_bytes()))
    })
}

/// Nothing but the catalog and the shards of this epoch is in the store.
fn assert_only(store: &Store, epoch: Epoch) {
    let ids: Vec<DocumentId> = epoch.slots().map(|slot| epoch.document_id(&project(), slot)).collect();
    assert!(store.chunks.keys().all(|id| ids.contains(id)), "documents of older epochs are in the store");
}

/// Both replicas are connected while one of them erases: the other follows, nobody is refused anything, and the store holds
/// nothing of it.
#[test]
fn an_erasure_reaches_who_is_connected() {
    let ((_a_dir, a), (_b_dir, b)) = (replica(), replica());
    let mut world = World::new(Limits::default());
    a.publish(&project(), &[text("secret", "MARKER"), text("kept", "a")], NOW).unwrap();
    let mut a = Live::new(&mut world, &a, of("notes", Access::Write));
    let mut b = Live::new(&mut world, &b, of("notes", Access::Write));
    talk(&mut world, &mut [&mut a, &mut b]);
    assert_eq!(texts(&b.replica), expect(&[("secret", "MARKER"), ("kept", "a")]));
    assert!(holds(&world.store.borrow(), "MARKER"));
    a.replica.erase(&project(), &[key("secret")], NOW).unwrap();
    b.replica.publish(&project(), &[text("late", "b"), text("secret", "MARKER again")], NOW).unwrap();
    talk(&mut world, &mut [&mut a, &mut b]);
    let epoch = a.replica.epoch(&project()).unwrap();
    assert_eq!(b.replica.epoch(&project()).unwrap(), epoch);
    for live in [&mut a, &mut b] {
        assert_eq!(texts(&live.replica), expect(&[("late", "b"), ("kept", "a")]));
        assert!(live.settled());
    }
    world.retire();
    assert!(!holds(&world.store.borrow(), "MARKER"));
    assert_only(&world.store.borrow(), epoch);
    // What both write now goes on as ever, also through a hub that starts anew.
    b.replica.publish(&project(), &[text("later", "b")], NOW).unwrap();
    talk(&mut world, &mut [&mut a, &mut b]);
    assert_eq!(texts(&a.replica), texts(&b.replica));
    let mut world = World::on(Limits::default(), world.store, "hub");
    let (_c_dir, c) = replica();
    let mut c = Live::new(&mut world, &c, of("notes", Access::Write));
    talk(&mut world, &mut [&mut c]);
    assert_eq!(texts(&c.replica), texts(&a.replica));
}

/// The same by the stateless exchange, with a replica that was away during the erasure and wrote meanwhile.
#[test]
fn a_late_replica_brings_its_changes_and_not_the_erased_record() {
    for compacted in [false, true] {
        let ((_a_dir, a), (_b_dir, b)) = (replica(), replica());
        let mut world = World::new(Limits::default());
        a.publish(&project(), &[text("secret", "MARKER"), text("kept", "a"), text("gone", "a")], NOW).unwrap();
        session(&mut world, &a);
        session(&mut world, &b);
        b.publish(&project(), &[text("secret", "MARKER again"), text("kept", "b"), text("new", "b")], NOW).unwrap();
        b.delete(&project(), &[key("gone")], NOW).unwrap();
        a.erase(&project(), &[key("secret")], NOW).unwrap();
        session(&mut world, &a);
        if compacted {
            a.compact(&project(), NOW).unwrap();
            session(&mut world, &a);
        }
        world.retire();
        assert!(!holds(&world.store.borrow(), "MARKER"));
        session(&mut world, &b);
        session(&mut world, &a);
        assert_eq!(texts(&b), expect(&[("kept", "b"), ("new", "b")]));
        assert_eq!(texts(&a), texts(&b));
        world.retire();
        assert!(!holds(&world.store.borrow(), "MARKER"));
        assert_only(&world.store.borrow(), a.epoch(&project()).unwrap());
    }
}

/// The hub answers byte for byte as a replica does, in a later epoch, too.
#[test]
fn the_exchange_in_a_later_epoch_is_that_of_a_replica() {
    let ((_a_dir, a), (_b_dir, b), (_c_dir, c)) = (replica(), replica(), replica());
    let mut world = World::new(Limits::default());
    a.publish(&project(), &(0..200).map(|n| text(&format!("a{n}"), "x")).collect::<Vec<_>>(), NOW).unwrap();
    b.publish(&project(), &(0..200).map(|n| text(&format!("b{n}"), "y")).collect::<Vec<_>>(), NOW).unwrap();
    a.reshard(&project(), 16, NOW).unwrap();
    for replica in [&a, &c] {
        session(&mut world, replica);
    }
    assert_eq!(c.epoch(&project()).unwrap(), a.epoch(&project()).unwrap());
    a.publish(&project(), &[text("a1", "z"), text("new", "z")], NOW).unwrap();
    for replica in [&a, &b, &a] {
        let mut twin = replica.session(&project());
        let mut rounds = 0;
        while let Some(request) = twin.next_request().unwrap() {
            let expected = c.exchange(&project(), &request).unwrap();
            let answer = world.exchange(of("notes", Access::Write), &project(), request).unwrap();
            assert_eq!(answer, expected, "round {rounds}");
            twin.handle_response(&answer).unwrap();
            rounds += 1;
        }
    }
    assert_eq!(texts(&a), texts(&b));
    assert_eq!(texts(&a), texts(&c));
    assert_eq!(texts(&a).len(), 401);
}

/// Two hubs over one store; one has not heard of the new epoch and takes in changes to old documents. When it hears, they are
/// carried over, and nothing of the old documents stays.
#[test]
fn a_hub_that_does_not_know_the_epoch_yet_loses_nothing() {
    let ((_a_dir, a), (_b_dir, b)) = (replica(), replica());
    let mut here = World::new(Limits::default());
    let mut there = World::on(Limits::default(), here.store.clone(), "hub");
    a.publish(&project(), &[text("secret", "MARKER"), text("kept", "a")], NOW).unwrap();
    session(&mut here, &a);
    let mut b = Live::new(&mut there, &b, of("notes", Access::Write));
    talk(&mut there, &mut [&mut b]);
    a.erase(&project(), &[key("secret")], NOW).unwrap();
    session(&mut here, &a);
    here.retire();
    assert!(!holds(&here.store.borrow(), "MARKER"));
    b.replica.publish(&project(), &[text("late", "b"), text("secret", "MARKER again")], NOW).unwrap();
    talk(&mut there, &mut [&mut b]);
    assert!(holds(&here.store.borrow(), "MARKER"), "the test proves nothing: the late hub took in nothing");
    // What is there now builds on what is gone: it stays until the late hub knows, and stores the whole.
    here.retire.insert(project());
    here.retire();
    assert!(holds(&here.store.borrow(), "MARKER again"));
    drop(b.client);
    there.event(Event::Closed { connection: b.connection });
    there.event(Event::Missed);
    there.retire();
    assert!(!holds(&here.store.borrow(), "MARKER"));
    here.event(Event::Missed);
    session(&mut here, &a);
    assert_eq!(texts(&a), expect(&[("kept", "a"), ("late", "b")]));
    let mut b = Live::new(&mut there, &b.replica, of("notes", Access::Write));
    for (document, chunk) in std::mem::take(&mut here.announced) {
        there.event(Event::Noticed { document, chunk });
    }
    talk(&mut there, &mut [&mut b]);
    assert_eq!(texts(&b.replica), texts(&a));
    assert_eq!(b.replica.epoch(&project()).unwrap(), a.epoch(&project()).unwrap());
    there.retire();
    assert!(!holds(&here.store.borrow(), "MARKER"));
    assert_only(&here.store.borrow(), a.epoch(&project()).unwrap());
    b.replica.publish(&project(), &[text("later", "b")], NOW).unwrap();
    talk(&mut there, &mut [&mut b]);
    here.event(Event::Missed);
    session(&mut here, &a);
    assert_eq!(texts(&b.replica), texts(&a));
}

/// Whoever asks for a document of an epoch that is over gets the answer that it would get if there were none, and is told why
/// once.
#[test]
fn documents_of_an_epoch_that_is_over_are_not_there() {
    let (_dir, a) = replica();
    let mut world = World::new(Limits::default());
    let grants = [of("notes", Access::Write), any(Access::Write)];
    let before: Vec<_> = grants.iter().map(|grant| world.connect("client", grant.clone())).collect();
    for client in &before {
        world.sync(*client, shard("notes", 3));
    }
    a.publish(&project(), &[text("kept", "a")], NOW).unwrap();
    a.compact(&project(), NOW).unwrap();
    session(&mut world, &a);
    world.retire();
    let after: Vec<_> = grants.iter().map(|grant| world.connect("client", grant.clone())).collect();
    for client in before.into_iter().chain(after) {
        for number in [3, 4] {
            world.client(client).documents.remove(&shard("notes", number));
            world.sync(client, shard("notes", number));
        }
        let client = world.client(client);
        assert_eq!(client.unavailable, [shard("notes", 3), shard("notes", 4)].map(|id| id.to_string()));
        assert_eq!(client.told.len(), 1, "{:?}", client.told);
        assert!(client.told[0].contains("belongs to an epoch of the project that is over; read the catalog"));
        assert_eq!(client.closed, None);
    }
    assert_only(&world.store.borrow(), a.epoch(&project()).unwrap());
    assert_eq!(world.hub.status().waiting_frames, 0);
}

/// A hub that starts knows no epoch: frames and requests wait until the catalog is read, in bounded room; when it cannot be
/// read, whoever waits is shown out, and the next one finds it.
#[test]
fn whoever_comes_before_the_catalog_is_read_waits() {
    let (_dir, a) = replica();
    let mut world = World::new(Limits::default());
    a.publish(&project(), &[text("kept", "a")], NOW).unwrap();
    a.compact(&project(), NOW).unwrap();
    session(&mut world, &a);
    let epoch = a.epoch(&project()).unwrap();
    let new = epoch.document_id(&project(), epoch.slot_of(&key("kept")));
    let limits = Limits { waiting_frames_max: 4, ..Limits::default() };
    let mut world = World::on(limits, world.store, "hub");
    world.hold = |effect| matches!(effect, Effect::Load { .. });
    let (client, greedy) =
        (world.connect("a", of("notes", Access::Write)), world.connect("b", of("notes", Access::Write)));
    world.sync(client, new);
    world.sync(client, shard("notes", 1));
    assert_eq!(world.client(client).unavailable, [] as [String; 0]);
    let catalog = DocumentId::derive(&project(), Slot::Catalog);
    assert!(matches!(world.pending.make_contiguous(), [Effect::Load { document }] if *document == catalog));
    for _ in 0..5 {
        world.client(greedy).documents.clear();
        world.sync(greedy, new);
    }
    assert!(world.client(greedy).closed.is_some(), "waiting frames are not bounded");
    world.hold = |_| false;
    world.settle();
    assert_eq!(world.client(client).unavailable, [shard("notes", 1).to_string()]);
    assert!(!world.client(client).heads(new).is_empty());
    assert!(world.retire.contains(&project()), "a hub that starts looks for documents of older epochs");
    let mut world = World::on(Limits::default(), world.store, "hub");
    world.store.borrow_mut().failure = Some(skerry_sync::hub::StoreFailure::Full);
    let client = world.connect("a", of("notes", Access::Write));
    world.sync(client, new);
    assert!(world.client(client).closed.is_some());
    let mut world = World::on(Limits::default(), world.store, "hub");
    let mut opening = a.session(&project());
    let request = opening.next_request().unwrap().unwrap();
    world.exchange(of("notes", Access::Write), &project(), request.clone()).unwrap_err();
    world.store.borrow_mut().failure = None;
    world.tick(2);
    world.exchange(of("notes", Access::Write), &project(), request).unwrap();
    let client = world.connect("a", of("notes", Access::Write));
    world.sync(client, new);
    assert!(!world.client(client).heads(new).is_empty());
}

/// The epoch comes to an end while changes of a document are being stored, and while one is checked out: nobody is told that
/// they count, nobody waits for ever, and the replicas bring them to the new epoch themselves.
#[test]
fn an_epoch_may_end_in_the_middle_of_a_write() -> Result<(), WriteError> {
    for hold in [
        (|effect| matches!(effect, Effect::Store { document, .. } if *document != DocumentId::derive(&project(), Slot::Catalog)))
            as fn(&Effect) -> bool,
        |effect| matches!(effect, Effect::Work(work) if work.document != DocumentId::derive(&project(), Slot::Catalog)),
    ] {
        let ((_a_dir, a), (_b_dir, b)) = (replica(), replica());
        let mut world = World::new(Limits::default());
        a.publish(&project(), &[text("kept", "a")], NOW)?;
        session(&mut world, &a);
        let mut b = Live::new(&mut world, &b, of("notes", Access::Write));
        talk(&mut world, &mut [&mut b]);
        world.hold = hold;
        b.replica.publish(&project(), &[text("late", "b")], NOW)?;
        talk(&mut world, &mut [&mut b]);
        assert_eq!(world.pending.len(), 1);
        a.compact(&project(), NOW)?;
        let mut a = Live::new(&mut world, &a, of("notes", Access::Write));
        talk(&mut world, &mut [&mut a, &mut b]);
        world.hold = |_| false;
        world.settle();
        talk(&mut world, &mut [&mut a, &mut b]);
        world.retire.insert(project());
        world.retire();
        talk(&mut world, &mut [&mut a, &mut b]);
        assert_eq!(texts(&a.replica), expect(&[("kept", "a"), ("late", "b")]));
        assert_eq!(texts(&b.replica), texts(&a.replica));
        assert!(a.settled() && b.settled());
        assert_only(&world.store.borrow(), a.replica.epoch(&project()).unwrap());
    }
    Ok(())
}

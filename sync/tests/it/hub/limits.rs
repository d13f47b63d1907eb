//! What one client, and all documents together, may take.

use skerry_sync::hub::{Access, CloseReason, Effect, Event, Limits};
use skerry_sync::wire::message::Message;

use super::World;
use super::driver::{any, free, of, shard};

fn closed(world: &mut World, connection: skerry_sync::hub::ConnectionId) -> String {
    let client = world.client(connection);
    let reason = client.closed.clone().expect("the connection is closed");
    assert_eq!(client.told.last(), Some(&reason.to_string()), "it was told before");
    reason.to_string()
}

/// Connections above the limit are told and closed; when one leaves, there is room again.
#[test]
fn connections_are_limited() {
    let mut world = World::new(Limits { connections_max: 1, ..Limits::default() });
    let a = world.connect("a", any(Access::Write));
    let b = world.open("b", any(Access::Write));
    assert_eq!(closed(&mut world, b), "limit: this hub takes 1 connections; try again later");
    world.event(Event::Closed { connection: a });
    let c = world.connect("c", any(Access::Write));
    assert_eq!(world.client(c).closed, None);
}

/// A connection may have so many documents open, and no more.
#[test]
fn documents_of_a_connection_are_limited() {
    let mut world = World::new(Limits { documents_per_connection_max: 2, ..Limits::default() });
    let a = world.connect("a", any(Access::Write));
    for number in [1, 2, 1, 2] {
        world.sync(a, free(number));
    }
    assert_eq!(world.client(a).closed, None);
    world.sync(a, free(3));
    let told = closed(&mut world, a);
    assert_eq!(told, "limit: more than 2 documents on one connection; open another connection for the rest");
}

/// Frames above the limit, and too many of them, close the connection.
#[test]
fn frames_are_limited() {
    let mut world = World::new(Limits { frame_bytes_max: 500, ..Limits::default() });
    let a = world.connect("a", any(Access::Write));
    world.event(Event::Received { connection: a, frame: vec![0; 501] });
    assert_eq!(closed(&mut world, a), "limit: a message of 501 bytes; 500 are allowed");
    let mut world = World::new(Limits { messages_per_second: 1, ..Limits::default() });
    let a = world.connect("a", any(Access::Write));
    for _ in 0..10 {
        world.say(a, &Message::Ignored { kind: String::new() }.encode().map_or(leave_nothing(), |_| leave_nothing()));
    }
    assert_eq!(closed(&mut world, a), "limit: more than 1 messages a second; send fewer");
}

/// A message that needs no answer.
fn leave_nothing() -> Message {
    Message::Error { sender: "a".into(), target: "hub".into(), message: "nothing".into() }
}

/// Frames that wait for a document that is being read are bounded, in number and in bytes.
#[test]
fn waiting_frames_are_limited() {
    for (limits, why) in [
        (Limits { waiting_frames_max: 3, ..Limits::default() }, "more than 3 messages about one document wait"),
        (Limits { waiting_bytes_max: 30, ..Limits::default() }, "more than 30 bytes of messages wait"),
    ] {
        let mut world = World::new(limits);
        let a = world.connect("a", any(Access::Write));
        world.hold = |effect| matches!(effect, Effect::Load { .. });
        world.write(a, free(1), "k", "1");
        let message = world.next_message(a, free(2)).unwrap();
        for _ in 0..4 {
            world.say(a, &message);
        }
        let told = closed(&mut world, a);
        assert!(told.contains(why), "{told}");
        world.hold = |_| false;
        world.settle();
        assert_eq!(world.hub.status().waiting_frames, 0);
    }
}

/// Who does not say `join` in time is closed; so is who says anything else first, or speaks another version.
#[test]
fn the_handshake_is_checked() {
    let mut world = World::new(Limits::default());
    let a = world.open("a", any(Access::Write));
    world.tick(9);
    assert_eq!(world.client(a).closed, None);
    world.tick(2);
    assert_eq!(closed(&mut world, a), "limit: it took too long to say `join`");
    let b = world.open("b", any(Access::Write));
    world.sync(b, free(1));
    assert_eq!(closed(&mut world, b), "protocol error: the first message must be `join`");
    let c = world.open("c", any(Access::Write));
    let metadata = skerry_sync::wire::message::PeerMetadata::default();
    world.say(c, &Message::Join { sender: "c".into(), versions: vec!["7".into()], metadata });
    assert_eq!(closed(&mut world, c), "protocol error: unsupported protocol version; this hub speaks version 1");
    let d = world.connect("d", any(Access::Write));
    world.say(d, &Message::Leave { sender: "d".into() });
    assert_eq!(world.client(d).closed, Some(CloseReason::Left));
}

/// Bytes that are no message, no sync message or no document's id close the connection that sent them, and no other.
#[test]
fn what_cannot_be_read_closes_its_connection() {
    let mut world = World::new(Limits::default());
    let good = world.connect("good", any(Access::Write));
    world.write(good, free(1), "k", "1");
    let sync = |document: String, data: Vec<u8>| Message::Sync {
        sender: "bad".into(),
        target: "hub".into(),
        document,
        data,
        request: false,
    };
    for (message, why) in [
        (sync("not an id".into(), vec![]), "`documentId` is not an id: `not an id`"),
        (sync(free(1).to_string(), vec![]), "the sync message cannot be read"),
        (
            sync(free(1).to_string(), vec![0x42, 0, 0, 1, 0, 8, 1, 8, 0xff, 0xff, 0xff, 0xff, 0x0f, 0, 0]),
            "a Bloom filter that nobody would make",
        ),
    ] {
        let bad = world.connect("bad", any(Access::Write));
        world.say(bad, &message);
        let told = closed(&mut world, bad);
        assert!(told.contains(why), "{told}");
    }
    world.write(good, free(1), "k", "2");
    assert!(world.client(good).is_acknowledged(free(1)));
}

/// A change that does not belong to a project closes its connection; what others sent at the same time counts.
#[test]
fn foreign_changes_close_their_connection() {
    let mut world = World::new(Limits::default());
    let (good, bad) = (world.connect("good", of("p", Access::Write)), world.connect("bad", of("p", Access::Write)));
    let document = shard("p", 1);
    world.sync(good, document);
    world.client(bad).edit(document, "foreign", "x");
    world.sync(bad, document);
    let told = closed(&mut world, bad);
    assert!(told.contains("does not build on this project"), "{told}");
    assert_eq!(world.client(good).closed, None);
    assert!(world.store.borrow().chunks.is_empty());
}

/// A client that does not read: what waits for it stays bounded, and it gets everything when it reads again.
#[test]
fn a_slow_reader_stays_bounded() {
    let limits = Limits { queue_bytes_max: 10_000, ..Limits::default() };
    let mut world = World::new(limits);
    let (writer, slow) = (world.connect("writer", any(Access::Write)), world.connect("slow", any(Access::Read)));
    for number in 0..20 {
        world.sync(slow, free(number));
    }
    world.reading = false;
    world.clients.get_mut(&slow).unwrap().untaken.clear();
    for round in 0..30 {
        for number in 0..20 {
            world.reading = false;
            world.write(writer, free(number), &format!("k{round}"), &"x".repeat(300));
            world.read_all(writer);
            world.settle();
        }
    }
    let queued = world.hub.status().connections.iter().find(|one| one.connection == slow).unwrap().queue_bytes;
    // Above the limit by what was being made when it was reached: one frame for each of eight documents.
    assert!(queued < 10_000 + 8 * 12_000, "{queued} bytes wait");
    assert!(world.clients[&slow].value(free(19), "k29").is_none());
    world.reading = true;
    world.read_all(slow);
    world.settle();
    for number in 0..20 {
        assert_eq!(world.clients[&slow].heads(free(number)), world.clients[&writer].heads(free(number)), "{number}");
    }
}

/// A thousand documents with a budget for a few: memory stays within it, and everything arrives.
#[test]
fn a_thousand_documents_fit_a_small_budget() {
    let budget = 200_000;
    let mut world = World::new(Limits { documents_bytes_max: budget, ..Limits::default() });
    let (a, b) = (world.connect("a", any(Access::Write)), world.connect("b", any(Access::Write)));
    let documents: Vec<_> = (0..1_000_u16)
        .map(|number| {
            let [high, low] = number.to_be_bytes();
            skerry_sync::document::DocumentId([high, low, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1])
        })
        .collect();
    for document in &documents {
        world.write(a, *document, "k", &"x".repeat(1_000));
        world.sync(b, *document);
        let status = world.hub.status();
        assert!(status.documents_bytes <= budget, "{} bytes", status.documents_bytes);
    }
    for document in &documents {
        world.write(b, *document, "answer", "y");
        assert!(world.hub.status().documents_bytes <= budget);
    }
    for document in &documents {
        assert_eq!(world.clients[&a].value(*document, "answer").as_deref(), Some("y"));
        assert!(world.clients[&a].is_acknowledged(*document) && world.clients[&b].is_acknowledged(*document));
    }
    assert!(world.hub.status().documents < 50, "{}", world.hub.status().documents);
}

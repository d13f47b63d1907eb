//! Somebody who computes right checksums: whatever it sends, others' changes count, and what is stored can be read.

use automerge::sync::{ChunkList, Have, Message as SyncMessage, MessageVersion};
use automerge::transaction::Transactable;
use automerge::{ActorId, Automerge, ObjType, ROOT};
use proptest::prelude::{ProptestConfig, any as anything, prop_assert, prop_assert_eq, proptest};
use sha2::{Digest, Sha256};
use skerry_sync::document::DocumentId;
use skerry_sync::hub::{Access, Effect, Limits};
use skerry_sync::wire::message::Message;

use super::World;
use super::driver::{any, free};

/// Puts right the checksum of a saved chunk.
fn with_checksum(mut chunk: Vec<u8>) -> Vec<u8> {
    let digest = Sha256::digest(&chunk[8..]);
    chunk[4..8].copy_from_slice(&digest[..4]);
    chunk
}

fn message(document: DocumentId, heads: &Automerge, changes: Vec<u8>) -> Message {
    let message = SyncMessage {
        heads: heads.get_heads(),
        need: vec![],
        have: vec![Have::default()],
        changes: ChunkList::from(changes),
        flags: None,
        version: MessageVersion::V1,
    };
    let (sender, target) = ("bad".to_owned(), "hub".to_owned());
    Message::Sync { sender, target, document: document.to_string(), data: message.encode(), request: false }
}

/// A document with a text, a list and a map, and a change to all of them.
fn victim() -> (Automerge, Vec<u8>) {
    let mut document = Automerge::new().with_actor(ActorId::from([7; 16]));
    let mut transaction = document.transaction();
    let text = transaction.put_object(ROOT, "text", ObjType::Text).unwrap();
    transaction.splice_text(&text, 0, 0, "beginning").unwrap();
    let list = transaction.put_object(ROOT, "list", ObjType::List).unwrap();
    transaction.insert(&list, 0, 5).unwrap();
    transaction.commit();
    let before = document.get_heads();
    let mut transaction = document.transaction();
    transaction.splice_text(&text, 2, 3, "middle").unwrap();
    transaction.insert(&list, 1, 0.25).unwrap();
    transaction.delete(&list, 0).unwrap();
    transaction.put(ROOT, "key", "value").unwrap();
    transaction.commit();
    let change = document.save_after(&before);
    (document, change)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]

    /// Altered changes that arrive together with good ones: the good ones are stored and can be read by another hub.
    #[test]
    fn altered_changes_harm_nobody_else(
        edits in proptest::collection::vec((9_usize..400, anything::<u8>()), 1..4),
        whole in anything::<bool>(),
        first in anything::<bool>(),
    ) {
        let mut world = World::new(Limits::default());
        let (good, bad) = (world.connect("good", any(Access::Write)), world.connect("bad", any(Access::Write)));
        let (document, change) = victim();
        let before = with_checksum(document.save_nocompress());
        world.say(good, &message(free(1), &document, before.clone()));
        let mut chunk = if whole { before } else { change };
        let length = chunk.len();
        for (at, byte) in edits {
            chunk[9 + at % (length - 9)] ^= byte;
        }
        // Both wait in the same inbox while something else is stored.
        world.hold = |effect| matches!(effect, Effect::Store { .. });
        let third = world.connect("third", any(Access::Write));
        world.client(third).edit(free(1), "third", "x");
        let third_document = world.client(third).documents[&free(1)].0.clone();
        world.say(third, &message(free(1), &third_document, third_document.save_after(&[])));
        world.client(good).edit(free(1), "good", "y");
        let good_document = world.client(good).documents[&free(1)].0.clone();
        let hostile = message(free(1), &document, with_checksum(chunk));
        let friendly = message(free(1), &good_document, good_document.save_after(&[]));
        for (connection, message) in if first { [(bad, &hostile), (good, &friendly)] } else { [(good, &friendly), (bad, &hostile)] } {
            world.say(connection, message);
        }
        world.hold = |_| false;
        world.settle();
        prop_assert_eq!(&world.client(good).closed, &None);
        prop_assert!(world.client(good).is_acknowledged(free(1)));
        prop_assert_eq!(world.client(third).value(free(1), "good"), Some("y".to_owned()));
        let mut other = World::on(Limits::default(), world.store.clone(), "hub");
        let reader = other.connect("reader", any(Access::Read));
        other.sync(reader, free(1));
        prop_assert_eq!(&other.store.borrow().quarantine, &[]);
        prop_assert_eq!(other.client(reader).value(free(1), "good"), Some("y".to_owned()));
        prop_assert_eq!(other.client(reader).value(free(1), "third"), Some("x".to_owned()));
    }
}

//! What writers other than this program may send: it is read as what it means, passed over, or refused. It never makes
//! the stored records differ from what the documents say.

use automerge::transaction::Transactable;
use automerge::{Automerge, ObjType, ROOT, ReadDoc, ScalarValue};
use proptest::prelude::*;
use serde_json::{Value, json};
use skerry_sync::document::{DocumentId, SHARDS, Slot};
use skerry_sync::{ExchangeError, Replica};

use crate::peer::{Body, Peer};
use crate::{NOW, all, key, project, replica, sync, text};

fn leaf(key: &str, path: &str) -> String {
    format!("{key}\u{1f}{path}")
}

fn slot(name: &str) -> Slot {
    Slot::of(&key(name))
}

fn id(slot: Slot) -> [u8; 16] {
    DocumentId::derive(&project(), slot).0
}

fn assert_sound(replica: &Replica) {
    assert_eq!(replica.verify(&project()).unwrap().differing, [] as [String; 0]);
}

/// JavaScript clients write strings as Text objects and arrays as List objects, and edit them in place; both are read as
/// what they mean, and what cannot be understood is passed over.
#[test]
fn other_writers_are_read() {
    let (_dir, replica) = replica();
    let mut peer = Peer::new(1);
    peer.edit(slot("js"), |transaction, map| {
        transaction.put(map, leaf("js", "@live"), true)?;
        let title = transaction.put_object(map, leaf("js", "text"), ObjType::Text)?;
        transaction.splice_text(&title, 0, 0, "typed in a browser")?;
        let tags = transaction.put_object(map, leaf("js", "data/tags"), ObjType::List)?;
        transaction.insert(&tags, 0, "a")?;
        transaction.insert(&tags, 1, 2)?;
        let nested = transaction.insert_object(&tags, 2, ObjType::Map)?;
        transaction.put(&nested, "deep", 0.5)?;
        transaction.put(map, leaf("js", "data/broken"), ScalarValue::Bytes(b"[1,".to_vec()))?;
        transaction.put(map, leaf("js", "data/a"), "scalar")?;
        transaction.put(map, leaf("js", "data/a/b"), "object wins")?;
        transaction.put(map, leaf("js", "nonsense"), 1)?;
        Ok(())
    });
    peer.tell(&replica).unwrap();
    let record = replica.get(&project(), &key("js")).unwrap().unwrap();
    assert_eq!(record.text, "typed in a browser");
    let data = json!({"tags": ["a", 2, {"deep": 0.5}], "a": {"b": "object wins"}});
    assert_eq!(Value::Object(record.data), data);

    peer.edit(slot("js"), |transaction, map| {
        let (_, title) = transaction.get(map, leaf("js", "text"))?.unwrap();
        transaction.splice_text(&title, 0, 5, "written")?;
        let (_, tags) = transaction.get(map, leaf("js", "data/tags"))?.unwrap();
        let (_, nested) = transaction.get(&tags, 2)?.unwrap();
        transaction.put(&nested, "deep", 1)?;
        Ok(())
    });
    peer.tell(&replica).unwrap();
    let record = replica.get(&project(), &key("js")).unwrap().unwrap();
    assert_eq!(record.text, "written in a browser");
    assert_eq!(record.data.get("tags"), Some(&json!(["a", 2, {"deep": 1}])));
    assert_sound(&replica);
}

/// A record lives in the shard of its key. Leaves that stand in another document would make what is stored depend on
/// which document came last.
#[test]
fn leaves_in_a_wrong_document_are_passed_over() {
    let (_dir, replica) = replica();
    replica.publish(&project(), &[text("k", "right")], NOW).unwrap();
    let Slot::Shard(shard) = slot("k") else { panic!("a record in the catalog") };
    let mut peer = Peer::new(1);
    for wrong in [Slot::Catalog, Slot::Shard((shard + 1) % SHARDS as u16)] {
        for name in ["k", "elsewhere"] {
            peer.edit(wrong, |transaction, map| {
                transaction.put(map, leaf(name, "@live"), true)?;
                transaction.put(map, leaf(name, "text"), "wrong")
            });
        }
    }
    // "elsewhere" must not belong to the wrong shard by chance.
    assert_ne!(slot("elsewhere"), Slot::Shard((shard + 1) % SHARDS as u16));
    peer.tell(&replica).unwrap();
    assert_eq!(all(&replica), [text("k", "right")]);
    assert_sound(&replica);
}

/// Whoever replaces the map of the leaves hides every record of the shard from those who load it later, not from those
/// who have it in memory: the frame of a document is not to be changed.
#[test]
fn changes_to_the_frame_are_refused() {
    let (dir, replica) = replica();
    replica.publish(&project(), &[text("k", "kept")], NOW).unwrap();
    let version = replica.version(&project()).unwrap();
    for attack in 0..3 {
        let mut peer = Peer::new(1);
        peer.edit(slot("k"), |transaction, _| match attack {
            0 => transaction.put_object(ROOT, "records", ObjType::Map).map(drop),
            1 => transaction.delete(ROOT, "records"),
            _ => transaction.put(ROOT, "format", "skerry/9"),
        });
        let answer = peer.tell(&replica);
        assert!(matches!(answer, Err(ExchangeError::Foreign(_))), "{attack}: {answer:?}");
    }
    assert_eq!(replica.version(&project()).unwrap(), version);
    drop(replica);
    let replica = Replica::open(dir.path()).unwrap();
    replica.publish(&project(), &[text("k2", "more")], NOW).unwrap();
    assert_eq!(all(&replica), [text("k", "kept"), text("k2", "more")]);
    assert_sound(&replica);
}

/// A change that does not build on the project's first change began another document.
#[test]
fn another_beginning_is_refused() {
    let (_dir, replica) = replica();
    let mut other = Automerge::new();
    let mut transaction = other.transaction();
    let map = transaction.put_object(ROOT, "records", ObjType::Map).unwrap();
    transaction.put(&map, leaf("k", "@live"), true).unwrap();
    transaction.commit();
    let body = Body::new(&project()).sending(id(slot("k")), other.get_heads(), other.save());
    let answer = replica.exchange(&project(), &body.encode());
    assert!(matches!(answer, Err(ExchangeError::Foreign(_))), "{answer:?}");
    assert_eq!(all(&replica), []);
}

/// A body is refused as a whole: an entry about an unknown document, or a document that is named twice (a cheap way to
/// make a replica work), leaves nothing of the rest.
#[test]
fn a_refused_body_leaves_nothing() {
    let (_dir, replica) = replica();
    let mut peer = Peer::new(1);
    peer.edit(slot("k"), |transaction, map| transaction.put(map, leaf("k", "@live"), true));
    let document = peer.document(slot("k")).clone();
    let said = |body: Body| body.sending(id(slot("k")), document.get_heads(), document.save());
    let bodies = [
        peer.body().declaring([9; 16]),
        peer.body().declaring(id(slot("k"))).declaring(id(slot("k"))),
        said(peer.body()),
    ];
    for body in bodies {
        let answer = replica.exchange(&project(), &body.encode());
        assert!(matches!(answer, Err(ExchangeError::Foreign(_))), "{answer:?}");
        assert_eq!(all(&replica), []);
    }
    peer.tell(&replica).unwrap();
    assert_eq!(all(&replica).len(), 1);
}

/// Changes whose foundation is missing show nothing and are no error; once it comes, everything is there.
#[test]
fn changes_wait_for_their_foundation() {
    let (_dir, replica) = replica();
    let mut peer = Peer::new(1);
    peer.edit(slot("k"), |transaction, map| transaction.put(map, leaf("k", "@live"), true));
    let first = peer.document(slot("k")).get_heads();
    peer.edit(slot("k"), |transaction, map| transaction.put(map, leaf("k", "text"), "later"));
    let document = peer.document(slot("k")).clone();
    let late = Body::new(&project()).sending(id(slot("k")), document.get_heads(), document.save_after(&first));
    for _ in 0..3 {
        replica.exchange(&project(), &late.encode()).unwrap();
        assert_eq!(all(&replica), []);
    }
    peer.tell(&replica).unwrap();
    assert_eq!(all(&replica), [text("k", "later")]);
    assert_sound(&replica);
}

/// Keys are cut from leaves by their bytes; neighbours in the order of bytes must not run into one another.
#[test]
fn keys_that_begin_alike_stay_apart() {
    let (_a_dir, a) = replica();
    let (_b_dir, b) = replica();
    let names = ["k", "k ", "k!", "k\u{20}x", "k1", "kä", "漢", "漢字", "/", "~", "@live"];
    let records: Vec<_> = names.iter().map(|name| text(name, name)).collect();
    a.publish(&project(), &records, NOW).unwrap();
    sync(&b, &a);
    for name in names {
        assert_eq!(b.get(&project(), &key(name)).unwrap(), Some(text(name, name)), "{name:?}");
    }
    b.delete(&project(), &[key("k")], NOW).unwrap();
    sync(&b, &a);
    assert_eq!(all(&a).len(), names.len() - 1);
    assert_sound(&a);
    assert_sound(&b);
}

/// Puts right the checksum of a saved Automerge chunk, so that what changed inside it gets past the first gate.
fn with_checksum(mut chunk: Vec<u8>) -> Vec<u8> {
    use sha2::{Digest, Sha256};
    let digest = Sha256::digest(&chunk[8..]);
    chunk[4..8].copy_from_slice(&digest[..4]);
    chunk
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, ..ProptestConfig::default() })]

    /// Guarantee 3 of the design against somebody who computes right checksums: changes altered at any byte, with right
    /// checksums all the way, are refused or taken, and never make a process panic or a store unsound.
    #[test]
    fn altered_changes_do_no_harm(edits in proptest::collection::vec((9_usize..400, any::<u8>()), 1..4), whole in any::<bool>()) {
        let (_dir, replica) = replica();
        replica.publish(&project(), &[text("kept", "x")], NOW).unwrap();
        let mut peer = Peer::new(1);
        peer.edit(slot("js"), |transaction, map| {
            transaction.put(map, leaf("js", "@live"), true)?;
            transaction.put(map, leaf("js", "text"), "a text")?;
            let list = transaction.put_object(map, leaf("js", "data/list"), ObjType::List)?;
            transaction.insert(&list, 0, 5)?;
            transaction.put(map, leaf("js", "data/number"), 0.25)
        });
        let document = peer.document(slot("js")).clone();
        let genesis = skerry_sync::document::genesis(&project(), slot("js")).unwrap().get_heads();
        let mut chunk = if whole { document.save_nocompress() } else { document.save_after(&genesis) };
        let length = chunk.len();
        for (at, byte) in edits {
            chunk[9 + at % (length - 9)] ^= byte;
        }
        let body = Body::new(&project()).sending(id(slot("js")), document.get_heads(), with_checksum(chunk));
        let outcome = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| replica.exchange(&project(), &body.encode())));
        prop_assert!(outcome.is_ok(), "it panicked");
        prop_assert_eq!(replica.get(&project(), &key("kept")).unwrap(), Some(text("kept", "x")));
        prop_assert!(replica.verify(&project()).unwrap().differing.is_empty());
        replica.publish(&project(), &[text("js", "after")], NOW).unwrap();
        prop_assert!(replica.verify(&project()).unwrap().differing.is_empty());
    }
}

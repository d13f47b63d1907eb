//! Bodies of the exchange, whole and with changed messages inside, at both ends of it.

use ciborium::Value;
use skerry_fuzz::Target;
use skerry_sync::ExchangeError;

use crate::disk::Disk;
use crate::{NOW, assert_sound, project, text};

/// A store with two records, and the bodies of a conversation with it.
pub(crate) fn conversation() -> (Vec<u8>, Vec<Vec<u8>>) {
    let (disk, other) = (Disk::default(), Disk::default());
    let here = disk.replica().unwrap();
    here.create_project(&project(), "the sea", NOW).unwrap();
    here.publish(&project(), &[text("k0", "from here"), text("k1", "same shard or not")], NOW).unwrap();
    let before = disk.bytes();
    let there = other.replica().unwrap();
    there.publish(&there_project(&there), &[text("k0", "from there"), text("b", "more")], NOW).unwrap();
    let mut bodies = Vec::new();
    let mut session = there.session(&project());
    while let Some(request) = session.next_request().unwrap() {
        let answer = here.exchange(&project(), &request).unwrap();
        session.handle_response(&answer).unwrap();
        bodies.extend([request, answer]);
    }
    (before, bodies)
}

fn there_project(replica: &skerry_sync::Replica) -> skerry_sync::ProjectName {
    replica.create_project(&project(), "", NOW).unwrap();
    project()
}

/// Magic and checksum of a body, and the checksums of the changes in it.
pub(crate) fn repair(bytes: &mut [u8]) {
    skerry_fuzz::automerge::repair(bytes);
    if bytes.len() >= 9 {
        let checksum = crc32fast::hash(&bytes[9..]).to_be_bytes();
        bytes[..9].copy_from_slice(&[b"SKRX1".as_slice(), &checksum].concat());
    }
}

/// A body about one document, with this sync message.
pub(crate) fn body_with(document: &[u8], message: &[u8]) -> Vec<u8> {
    let text = |text: &str| Value::Text(text.to_owned());
    let entry = [("document", document), ("message", message)];
    let entry = entry.map(|(name, bytes)| (text(name), Value::Bytes(bytes.to_vec())));
    let body = Value::Map(vec![
        (text("project"), text("notes")),
        (text("heads"), Value::Array(Vec::new())),
        (text("messages"), Value::Array(vec![Value::Map(entry.to_vec())])),
    ]);
    let mut bytes = vec![0; 9];
    ciborium::into_writer(&body, &mut bytes).unwrap();
    repair(&mut bytes);
    bytes
}

/// Documents and sync messages in a body.
fn messages_in(body: &[u8]) -> Vec<(Vec<u8>, Vec<u8>)> {
    let body: Value = ciborium::from_reader(&body[9..]).unwrap();
    let member = |value: &Value, name: &str| {
        let found = value.as_map().unwrap().iter().find(|(found, _)| found.as_text() == Some(name)).unwrap();
        found.1.clone()
    };
    let messages = member(&body, "messages").into_array().unwrap();
    let bytes = |message: &Value, name: &str| member(message, name).into_bytes().unwrap();
    messages.iter().map(|message| (bytes(message, "document"), bytes(message, "message"))).collect()
}

/// What the server does with a body.
fn serve(store: &[u8], body: &[u8]) {
    let replica = Disk::of(store.to_vec()).replica().unwrap();
    match replica.exchange(&project(), body) {
        // An answer can be read by whoever asked.
        Ok(answer) => {
            let mut session = Disk::of(store.to_vec()).replica().unwrap().session(&project());
            session.next_request().unwrap();
            session.handle_response(&answer).unwrap();
        }
        Err(ExchangeError::Damaged(_) | ExchangeError::Foreign(_)) => {}
        Err(other) => panic!("a body from outside is damaged or foreign, not {other:?}"),
    }
    assert_sound(&replica);
}

/// Whole bodies as a server gets them: project, documents and heads change too.
#[test]
fn requests() {
    let (store, bodies) = conversation();
    Target::new("exchange requests", &bodies).repair(|bytes| repair(bytes)).cases(500).run(|body| serve(&store, body));
}

/// Whole bodies as a client gets them.
#[test]
fn answers() {
    let (store, bodies) = conversation();
    Target::new("exchange answers", &bodies).repair(|bytes| repair(bytes)).cases(500).run(|body| {
        let replica = Disk::of(store.clone()).replica().unwrap();
        let mut session = replica.session(&project());
        session.next_request().unwrap();
        let taken = session.handle_response(body);
        let refused = matches!(taken, Ok(()) | Err(ExchangeError::Damaged(_) | ExchangeError::Foreign(_)));
        assert!(refused, "a body from outside is damaged or foreign, not {taken:?}");
        assert_sound(&replica);
    });
}

/// Sync messages and the changes in them, in a body that is right otherwise.
#[test]
fn sync_messages() {
    let (store, bodies) = conversation();
    let parts: Vec<(Vec<u8>, Vec<u8>)> = bodies.iter().flat_map(|body| messages_in(body)).collect();
    let messages: Vec<Vec<u8>> = parts.iter().map(|(_, message)| message.clone()).collect();
    let documents: std::collections::BTreeSet<&Vec<u8>> = parts.iter().map(|(document, _)| document).collect();
    for document in documents {
        Target::new("sync messages", &messages)
            .repair(|bytes| skerry_fuzz::automerge::repair(bytes))
            .cases(250)
            .run(|message| serve(&store, &body_with(document, message)));
    }
}

//! Frames of a WebSocket.

use ciborium::Value;
use skerry_fuzz::Target;
use skerry_sync::wire::message::{Message, PeerMetadata};

/// One of each.
pub(crate) fn corpus() -> Vec<Message> {
    let (sender, target) = ("client-1".to_owned(), "hub".to_owned());
    let document = "3UVbMt3Z3wSgupTisuKdvzWHe9MK".to_owned();
    let metadata = PeerMetadata { storage: Some("store".into()), ephemeral: false };
    let (ids, data) = ((sender.clone(), target.clone(), document.clone()), vec![0x42, 0, 0, 0, 0]);
    let sync = |request| Message::Sync {
        sender: ids.0.clone(),
        target: ids.1.clone(),
        document: ids.2.clone(),
        data: data.clone(),
        request,
    };
    vec![
        Message::Join { sender: sender.clone(), versions: vec!["1".into()], metadata: metadata.clone() },
        Message::Peer { sender: target.clone(), target: sender.clone(), version: "1".into(), metadata },
        Message::Leave { sender: sender.clone() },
        sync(true),
        sync(false),
        Message::DocUnavailable { sender: sender.clone(), target: target.clone(), document: document.clone() },
        Message::Ephemeral {
            sender: sender.clone(),
            target: target.clone(),
            document,
            count: 1,
            session: "s".into(),
            data: vec![1, 2],
        },
        Message::Error { sender: target, target: sender, message: "no".into() },
    ]
}

/// What is understood is understood in the same way when it is said again.
#[test]
fn frames() {
    let corpus: Vec<Vec<u8>> = corpus().iter().map(|message| message.encode().unwrap()).collect();
    let words =
        ["type", "senderId", "targetId", "documentId", "data", "count", "sync", "request", "join", "\u{bf}", "\u{9f}"];
    Target::new("frames", &corpus).words(&words).cases(40_000).run(|bytes| {
        if let Ok(message) = Message::decode(bytes)
            && !matches!(message, Message::Ignored { .. })
        {
            assert_eq!(Message::decode(&message.encode().unwrap()).unwrap(), message);
        }
    });
}

/// Maps and lists inside each other do not take the stack: CBOR says how deep in a byte each.
#[test]
fn deep_frames() {
    for byte in [0x81_u8, 0xa1, 0x9f, 0xbf, 0xc1] {
        let mut frame = vec![byte; 1 << 20];
        assert!(Message::decode(&frame).is_err());
        let mut named = Vec::new();
        ciborium::into_writer(&Value::Text("type".into()), &mut named).unwrap();
        frame.splice(..0, [vec![0xa2], named].concat());
        assert!(Message::decode(&frame).is_err());
    }
}

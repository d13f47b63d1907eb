//! Frames of the automerge-repo protocol: what the JavaScript side writes is read, what is written it can read, and
//! nothing that comes in makes the reader panic.

use proptest::prelude::*;
use skerry_sync::wire::WireError;
use skerry_sync::wire::message::{Message, PeerMetadata};

const DOCUMENT: &str = "3UVbMt3Z3wSgupTisuKdvzWHe9MK";

/// A frame that cbor-x wrote (sync/tests/frames/generate.mjs).
fn golden(name: &str) -> Vec<u8> {
    std::fs::read(format!("{}/tests/frames/{name}.cbor", env!("CARGO_MANIFEST_DIR"))).unwrap()
}

fn metadata(storage: Option<&str>, ephemeral: bool) -> PeerMetadata {
    PeerMetadata { storage: storage.map(str::to_owned), ephemeral }
}

fn join(metadata: PeerMetadata) -> Message {
    Message::Join { sender: "peer-a".into(), versions: vec!["1".into()], metadata }
}

fn sync(data: Vec<u8>, request: bool) -> Message {
    Message::Sync { sender: "peer-a".into(), target: "hub".into(), document: DOCUMENT.into(), data, request }
}

fn ephemeral(count: u64) -> Message {
    Message::Ephemeral {
        sender: "peer-a".into(),
        target: "hub".into(),
        document: DOCUMENT.into(),
        count,
        session: "k3v9".into(),
        data: b"\xb9\x00\x01\x66cursor\x01".to_vec(),
    }
}

/// What the npm package writes, `undefined` members, doubles for large counts and typed arrays among it.
#[test]
fn frames_of_the_npm_package_are_read() {
    let data = vec![0x42, 0, 0, 1, 0, 0, 0, 2, 2, 0x84];
    let ignored = |kind: &str| Message::Ignored { kind: kind.into() };
    let expected = [
        ("join", join(metadata(Some("store-a"), false))),
        ("join-ephemeral", join(metadata(None, true))),
        ("join-bare", join(metadata(None, false))),
        (
            "peer",
            Message::Peer {
                sender: "hub".into(),
                target: "peer-a".into(),
                version: "1".into(),
                metadata: metadata(Some("store-hub"), false),
            },
        ),
        ("leave", Message::Leave { sender: "peer-a".into() }),
        ("sync", sync(data.clone(), false)),
        ("sync-tagged", sync(data.clone(), false)),
        ("sync-longer", sync(vec![7; 300], false)),
        ("request", sync(data, true)),
        (
            "doc-unavailable",
            Message::DocUnavailable { sender: "peer-a".into(), target: "hub".into(), document: DOCUMENT.into() },
        ),
        ("ephemeral", ephemeral(3)),
        ("ephemeral-far", ephemeral(1 << 40)),
        (
            "error",
            Message::Error {
                sender: "hub".into(),
                target: "peer-a".into(),
                message: "unsupported protocol version".into(),
            },
        ),
        ("remote-subscription-change", ignored("remote-subscription-change")),
        ("remote-heads-changed", ignored("remote-heads-changed")),
    ];
    for (name, message) in expected {
        assert_eq!(Message::decode(&golden(name)).as_ref(), Ok(&message), "{name}");
    }
}

/// A frame cut anywhere is refused; none of its beginnings is a message.
#[test]
fn cut_frames_are_refused() {
    for name in ["join", "peer", "sync-tagged", "ephemeral-far", "remote-heads-changed"] {
        let frame = golden(name);
        for length in 0..frame.len() {
            assert!(Message::decode(&frame[..length]).is_err(), "{name} cut to {length}");
        }
        let longer = [frame.as_slice(), &[0]].concat();
        assert!(matches!(Message::decode(&longer), Err(WireError::Damaged(_))), "{name} and a byte more");
    }
}

/// A map with these members, each already CBOR.
fn map(members: &[(&str, &[u8])]) -> Vec<u8> {
    let mut encoder = minicbor::Encoder::new(Vec::new());
    encoder.map(members.len() as u64).unwrap();
    for (name, value) in members {
        encoder.str(name).unwrap();
        encoder.writer_mut().extend_from_slice(value);
    }
    encoder.into_writer()
}

/// Errors name the member, so that whoever writes a client finds out what is wrong with it.
#[test]
fn wrong_members_are_named() {
    let told = |members: &[(&str, &[u8])]| Message::decode(&map(members)).unwrap_err().to_string();
    assert_eq!(told(&[("type", b"\x01")]), "member `type` must be a text");
    assert_eq!(told(&[("type", b"\x65leave")]), "a `leave` message needs the member `senderId`");
    assert_eq!(told(&[("type", b"\x65leave"), ("senderId", b"\xf7")]), told(&[("type", b"\x65leave")]));
    let twice: &[(&str, &[u8])] = &[("type", b"\x65leave"), ("senderId", b"\x61a"), ("senderId", b"\x61b")];
    assert_eq!(told(twice), "member `senderId` is there twice");
    assert_eq!(told(&[("type", b"\x64sync"), ("data", b"\x61a")]), "member `data` must be a byte string");
    assert_eq!(told(&[("count", b"\xf9\x38\x00")]), "member `count` must be a whole number");
    assert_eq!(told(&[("count", b"\x20")]), "member `count` must be a whole number");
    let versions = told(&[("supportedProtocolVersions", b"\x81\x01")]);
    assert_eq!(versions, "member `supportedProtocolVersions` must be a list of texts");
    assert_eq!(told(&[("peerMetadata", b"\xa1\x6bisEphemeral\x01")]), "member `isEphemeral` must be true or false");
    assert_eq!(told(&[("senderId", b"\x61a")]), "a message needs the member `type`");
}

/// Values that are passed over may not be nested as deep as they like: that would be the stack of this program.
#[test]
fn nesting_is_bounded() {
    let nested = |depth: usize, open: &[u8]| [open.repeat(depth), vec![0]].concat();
    let frame = |value: &[u8]| map(&[("extra", value), ("type", b"\x65leave"), ("senderId", b"\x61a")]);
    for open in [b"\x81".as_slice(), b"\xc1", b"\xa1\x00"] {
        assert!(Message::decode(&frame(&nested(8, open))).is_ok(), "{open:?}");
        let refused = Message::decode(&frame(&nested(1_000_000, open)));
        assert!(matches!(&refused, Err(WireError::Damaged(why)) if why.contains("nested")), "{refused:?}");
    }
}

fn messages() -> impl Strategy<Value = Message> {
    let name = || "\\PC{0,40}";
    let data = || proptest::collection::vec(any::<u8>(), 0..2_000);
    let metadata = || {
        let parts = (proptest::option::of(name()), any::<bool>());
        parts.prop_map(|(storage, ephemeral)| PeerMetadata { storage, ephemeral })
    };
    let join = (name(), proptest::collection::vec(name(), 0..4), metadata());
    let peer = (name(), name(), name(), metadata());
    let sync = (name(), name(), name(), data(), any::<bool>());
    let ephemeral = (name(), name(), name(), any::<u64>(), name(), data());
    let three = || (name(), name(), name());
    prop_oneof![
        join.prop_map(|(sender, versions, metadata)| Message::Join { sender, versions, metadata }),
        peer.prop_map(|(sender, target, version, metadata)| Message::Peer { sender, target, version, metadata }),
        name().prop_map(|sender| Message::Leave { sender }),
        sync.prop_map(|(sender, target, document, data, request)| Message::Sync {
            sender,
            target,
            document,
            data,
            request
        }),
        three().prop_map(|(sender, target, document)| Message::DocUnavailable { sender, target, document }),
        ephemeral.prop_map(|(sender, target, document, count, session, data)| Message::Ephemeral {
            sender,
            target,
            document,
            count,
            session,
            data
        }),
        three().prop_map(|(sender, target, message)| Message::Error { sender, target, message }),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(512))]

    /// What is written is read back as it was.
    #[test]
    fn messages_come_back(message in messages()) {
        prop_assert_eq!(Message::decode(&message.encode().unwrap()).unwrap(), message);
    }

    /// No bytes make the reader panic.
    #[test]
    fn any_bytes_are_read_or_refused(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
        let _ = Message::decode(&bytes);
    }

    /// Neither do messages with some bytes changed, which get further.
    #[test]
    fn changed_messages_are_read_or_refused(
        message in messages(),
        changes in proptest::collection::vec((any::<proptest::sample::Index>(), any::<u8>()), 1..6),
    ) {
        let mut frame = message.encode().unwrap();
        for (at, byte) in changes {
            let at = at.index(frame.len());
            frame[at] = byte;
        }
        let _ = Message::decode(&frame);
    }
}

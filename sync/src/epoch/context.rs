//! What a shard's document has seen of documents of older epochs.

use std::collections::BTreeMap;

use automerge::{ActorId, Automerge, ChangeHash, ChangeMetadata, ObjId, ROOT, ReadDoc, ScalarValue, Value};

use super::{BASE, Epoch, parse_name};

/// What the messages of changes that carry old content over begin with.
const MESSAGE: &str = "skerry:";

/// The entry of the base that is written last when a document is begun: with it, the beginning is whole.
pub(super) const WHOLE: &str = "@whole";

/// A writer of one document.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Origin {
    number: u64,
    nonce: [u8; 8],
    shard: u16,
    actor: ActorId,
}

impl Origin {
    pub(super) fn new(epoch: &Epoch, shard: u16, actor: ActorId) -> Origin {
        Origin { number: epoch.number, nonce: epoch.nonce, shard, actor }
    }

    /// `<epoch>/<shard>/<actor in hex>`.
    pub(super) fn text(&self) -> String {
        format!("{}-{}/{}/{}", self.number, hex::encode(self.nonce), self.shard, self.actor.to_hex_string())
    }

    fn parse(text: &str) -> Option<Origin> {
        let (epoch, rest) = text.split_once('/')?;
        let (shard, actor) = rest.split_once('/')?;
        let (number, nonce) = parse_name(epoch)?;
        let actor = ActorId::from(hex::decode(actor).ok()?);
        Some(Origin { number, nonce, shard: shard.parse().ok()?, actor })
    }
}

/// A change, by who made it: the same one in every document that it was carried to.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Dot {
    pub(super) origin: Origin,
    pub(super) sequence: u64,
}

impl Dot {
    /// The change's own name, or, when it was carried over, the name of what it was once.
    pub(super) fn of(epoch: &Epoch, shard: u16, change: &ChangeMetadata<'_>) -> Dot {
        change.message.as_deref().and_then(Dot::parse).unwrap_or_else(|| Dot {
            origin: Origin::new(epoch, shard, change.actor.as_ref().clone()),
            sequence: change.seq,
        })
    }

    /// The message of changes that carry it over.
    pub(super) fn message(&self) -> String {
        format!("{MESSAGE}{}/{}", self.origin.text(), self.sequence)
    }

    pub(super) fn parse(message: &str) -> Option<Dot> {
        let (origin, sequence) = message.strip_prefix(MESSAGE)?.rsplit_once('/')?;
        Some(Dot { origin: Origin::parse(origin)?, sequence: sequence.parse().ok()? })
    }
}

/// What a document has seen of older ones.
#[derive(Debug, Default)]
pub(super) struct Context {
    /// By the base: of each writer the last change, and the change of this document that says so.
    base: BTreeMap<Origin, (u64, Option<ChangeHash>)>,
    /// By the changes themselves: each one's name and its hash here.
    changes: BTreeMap<Dot, ChangeHash>,
}

/// How a document stands to a change of an older one.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Seen {
    /// What it did is part of this change, or of what came before it.
    In(ChangeHash),
    /// It is known and left no trace of its own.
    Gone,
    /// It is new.
    No,
}

impl Context {
    /// What the document says that it stands on, and what its changes are.
    pub(super) fn of(document: &Automerge, epoch: &Epoch, shard: u16) -> Context {
        let mut context = Context { base: base(document), changes: BTreeMap::new() };
        for change in document.get_changes_meta(&[]).iter().filter(|change| !change.deps.is_empty()) {
            context.changes.insert(Dot::of(epoch, shard, change), change.hash);
        }
        context
    }

    pub(super) fn seen(&self, dot: &Dot) -> Seen {
        // The base first: it stands for a whole beginning, of which the change that carries this one is a part.
        if let Some((sequence, hash)) = self.base.get(&dot.origin)
            && *sequence >= dot.sequence
        {
            return hash.map_or(Seen::Gone, Seen::In);
        }
        if let Some(hash) = self.changes.get(dot) {
            return Seen::In(*hash);
        }
        // A writer's changes follow one another: with a later one, the earlier ones are there.
        let later = dot..&Dot { origin: dot.origin.clone(), sequence: u64::MAX };
        if self.changes.range(later).next().is_some() { Seen::Gone } else { Seen::No }
    }

    pub(super) fn contains(&self, dot: &Dot) -> bool {
        self.seen(dot) != Seen::No
    }

    /// Of each writer the last change that is in the document.
    pub(super) fn clock(&self) -> BTreeMap<Origin, u64> {
        let base = self.base.iter().map(|(origin, (sequence, _))| (origin, *sequence));
        let mut clock: BTreeMap<Origin, u64> = BTreeMap::new();
        for (origin, sequence) in base.chain(self.changes.keys().map(|dot| (&dot.origin, dot.sequence))) {
            let last = clock.entry(origin.clone()).or_default();
            *last = sequence.max(*last);
        }
        clock
    }

    /// Takes an entry of the base.
    pub(super) fn stand_on(&mut self, key: &str, value: &ScalarValue) {
        if let (Some(origin), Some(sequence)) = (Origin::parse(key), number(value)) {
            self.base.insert(origin, (sequence, None));
        }
    }

    pub(super) fn remember(&mut self, dot: Dot, hash: ChangeHash) {
        self.changes.insert(dot, hash);
    }
}

pub(super) fn base_map(document: &Automerge) -> Option<ObjId> {
    match document.get(ROOT, BASE) {
        Ok(Some((Value::Object(_), id))) => Some(id),
        _ => None,
    }
}

/// The base, the greatest of concurrent values counting; what is not understood is passed over.
fn base(document: &Automerge) -> BTreeMap<Origin, (u64, Option<ChangeHash>)> {
    let Some(map) = base_map(document) else { return BTreeMap::new() };
    let entry = |key: String| {
        let origin = Origin::parse(&key)?;
        let values = document.get_all(&map, key).unwrap_or_default();
        let number = |value: &Value<'_>| match value {
            Value::Scalar(value) => number(value),
            Value::Object(_) => None,
        };
        let last = values.iter().filter_map(|(value, id)| Some((number(value)?, document.hash_for_opid(id))));
        Some((origin, last.max_by_key(|(sequence, hash)| (*sequence, *hash))?))
    };
    document.keys(&map).filter_map(entry).collect()
}

/// A sequence number, as we and JavaScript write it.
fn number(value: &ScalarValue) -> Option<u64> {
    match value {
        ScalarValue::Int(number) => u64::try_from(*number).ok(),
        ScalarValue::Uint(number) => Some(*number),
        _ => None,
    }
}

/// Whether a document of a later epoch has its whole beginning.
pub fn is_whole(document: &Automerge) -> bool {
    base_map(document).is_some_and(|map| matches!(document.get(&map, WHOLE), Ok(Some(_))))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The name of a change comes back from the message that carries it; other messages are nobody's.
    #[test]
    fn messages_are_reversible() {
        let epoch = Epoch::new(7, [9; 8], 64).unwrap();
        let dot = Dot { origin: Origin::new(&epoch, 63, ActorId::from([0xfe; 16])), sequence: 12 };
        assert_eq!(Dot::parse(&dot.message()), Some(dot.clone()));
        assert_eq!(dot.message(), format!("skerry:7-0909090909090909/63/{}/12", "fe".repeat(16)));
        for other in ["", "skerry:", "skerry:7-09/1/aa/1", "typed by hand", "skerry:7-0909090909090909/63/zz/1"] {
            assert_eq!(Dot::parse(other), None, "{other}");
        }
    }
}

//! Nodes and their names: keys of records and ids of links, numbered as they come.

use std::cmp::Ordering;
use std::hash::{BuildHasher, BuildHasherDefault, DefaultHasher};

use super::types::Name;
use crate::order;

/// No node, no link, no place.
pub(crate) const NONE: u32 = u32::MAX;

/// A link's id: 12 bytes, written as 24 hex digits.
pub(crate) type Id = [u8; 12];

/// Reads an id; none for any other text.
pub(crate) fn parse_id(text: &str) -> Option<Id> {
    let digit = |byte: u8| match byte {
        b'0'..=b'9' => Some(byte - b'0'),
        b'a'..=b'f' => Some(byte - b'a' + 10),
        _ => None,
    };
    let (pairs, rest) = text.as_bytes().as_chunks::<2>();
    let mut id = [0; 12];
    if pairs.len() != id.len() || !rest.is_empty() {
        return None;
    }
    for (byte, [high, low]) in id.iter_mut().zip(pairs) {
        *byte = digit(*high)? << 4 | digit(*low)?;
    }
    Some(id)
}

pub(crate) fn write_id(id: Id) -> String {
    let digit = |value: u8| char::from_digit(u32::from(value), 16).unwrap_or('0');
    id.iter().flat_map(|byte| [digit(byte >> 4), digit(byte & 15)]).collect()
}

fn hash(value: impl std::hash::Hash) -> u64 {
    BuildHasherDefault::<DefaultHasher>::default().hash_one(value)
}

/// Finds numbers by what they name, without holding the names a second time: open addressing, at most three quarters full.
#[derive(Debug, Default)]
struct Index {
    /// A number, or [`NONE`]; a power of two of them.
    places: Vec<u32>,
    held: usize,
}

impl Index {
    fn find(&self, hash: u64, is_it: impl Fn(u32) -> bool) -> Option<u32> {
        let mask = self.places.len().wrapping_sub(1);
        let mut place = hash as usize & mask;
        loop {
            match *self.places.get(place)? {
                NONE => return None,
                number if is_it(number) => return Some(number),
                _ => place = (place + 1) & mask,
            }
        }
    }

    /// Puts in a number that is not there.
    fn insert(&mut self, hash: u64, number: u32, hash_of: impl Fn(u32) -> u64) {
        if (self.held + 1) * 4 > self.places.len() * 3 {
            let larger = vec![NONE; (self.places.len() * 2).max(16)];
            let old = std::mem::replace(&mut self.places, larger);
            old.into_iter().filter(|&number| number != NONE).for_each(|number| self.put(hash_of(number), number));
        }
        self.put(hash, number);
        self.held += 1;
    }

    fn put(&mut self, hash: u64, number: u32) {
        let mask = self.places.len().wrapping_sub(1);
        let mut place = hash as usize & mask;
        while let Some(held) = self.places.get_mut(place) {
            if *held == NONE {
                *held = number;
                return;
            }
            place = (place + 1) & mask;
        }
    }

    fn bytes(&self) -> usize {
        self.places.capacity() * 4
    }
}

/// What the graph knows of a link's id: somebody states it, or somebody names it, or once did.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Entry {
    pub(crate) id: Id,
    /// The node that it is, if anybody asked for one.
    pub(crate) node: u32,
    /// The first of its statements.
    pub(crate) first: u32,
}

/// All names.
#[derive(Debug, Default)]
pub(crate) struct Names {
    /// The keys, one after another.
    text: String,
    /// Where a node's key begins and how long it is; or the entry of a link, with the length [`NONE`].
    spans: Vec<(u32, u32)>,
    keys: Index,
    entries: Vec<Entry>,
    ids: Index,
    /// Nodes in the order of their names, as far as anybody has asked.
    order: Vec<u32>,
    /// Of each node in `order`, its place there.
    ranks: Vec<u32>,
}

impl Names {
    /// Nodes that have a number.
    pub(crate) fn len(&self) -> usize {
        self.spans.len()
    }

    /// The key, where the node is a record.
    pub(crate) fn key(&self, node: u32) -> Option<&str> {
        let &(start, length) = self.spans.get(node as usize)?;
        if length == NONE {
            return None;
        }
        self.text.get(start as usize..start as usize + length as usize)
    }

    /// The entry, where the node is a link.
    pub(crate) fn entry_of(&self, node: u32) -> Option<u32> {
        self.spans.get(node as usize).filter(|(_, length)| *length == NONE).map(|(entry, _)| *entry)
    }

    pub(crate) fn name(&self, node: u32) -> Option<Name> {
        match self.entry_of(node).and_then(|entry| self.entry(entry)) {
            Some(entry) => Some(Name::Link(write_id(entry.id))),
            None => self.key(node).map(|key| Name::Key(key.to_owned())),
        }
    }

    pub(crate) fn find_key(&self, key: &str) -> Option<u32> {
        self.keys.find(hash(key), |node| self.key(node) == Some(key))
    }

    /// The node of a key; a new one if it has none.
    pub(crate) fn add_key(&mut self, key: &str) -> u32 {
        if let Some(node) = self.find_key(key) {
            return node;
        }
        let node = self.spans.len() as u32;
        self.spans.push((self.text.len() as u32, key.len() as u32));
        self.text.push_str(key);
        let Names { keys, spans, text, .. } = self;
        let key_of = |node: u32| {
            let (start, length) = spans.get(node as usize).copied().unwrap_or_default();
            text.get(start as usize..start as usize + length as usize).unwrap_or_default()
        };
        keys.insert(hash(key), node, |node| hash(key_of(node)));
        node
    }

    /// Bytes of all keys together: they are addressed with 32 bits.
    pub(crate) fn key_bytes(&self) -> usize {
        self.text.len()
    }

    pub(crate) fn entry(&self, entry: u32) -> Option<&Entry> {
        self.entries.get(entry as usize)
    }

    pub(crate) fn entry_mut(&mut self, entry: u32) -> Option<&mut Entry> {
        self.entries.get_mut(entry as usize)
    }

    pub(crate) fn find_entry(&self, id: Id) -> Option<u32> {
        self.ids.find(hash(id), |entry| self.entry(entry).is_some_and(|entry| entry.id == id))
    }

    pub(crate) fn add_entry(&mut self, id: Id) -> u32 {
        if let Some(entry) = self.find_entry(id) {
            return entry;
        }
        let entry = self.entries.len() as u32;
        self.entries.push(Entry { id, node: NONE, first: NONE });
        let Names { ids, entries, .. } = self;
        ids.insert(hash(id), entry, |entry| entries.get(entry as usize).map_or(0, |entry| hash(entry.id)));
        entry
    }

    /// The node of a link; a new one if it has none.
    pub(crate) fn add_link_node(&mut self, entry: u32) -> u32 {
        let next = self.spans.len() as u32;
        match self.entries.get_mut(entry as usize) {
            Some(held) if held.node == NONE => {
                held.node = next;
                self.spans.push((entry, NONE));
                next
            }
            Some(held) => held.node,
            None => NONE,
        }
    }

    /// Keys before ids, each by their bytes.
    #[inline(never)]
    pub(crate) fn compare(&self, a: u32, b: u32) -> Ordering {
        match (self.key(a), self.key(b)) {
            (Some(a), Some(b)) => a.cmp(b),
            (Some(_), None) => Ordering::Less,
            (None, Some(_)) => Ordering::Greater,
            (None, None) => {
                let id = |node| self.entry_of(node).and_then(|entry| self.entry(entry)).map(|entry| entry.id);
                id(a).cmp(&id(b))
            }
        }
    }

    /// Positions of nodes in the order of their names.
    #[inline(never)]
    pub(crate) fn positions_by_name(&self, nodes: &[u32]) -> Vec<u32> {
        let node = |position: usize| nodes.get(position).copied().unwrap_or(NONE);
        order::positions(nodes.len(), &|a, b| self.compare(node(a), node(b)))
    }

    /// Values in the order of the names of their nodes.
    pub(crate) fn by_name<T: Copy>(&self, values: &[T], node: impl Fn(&T) -> u32) -> Vec<T> {
        let nodes: Vec<u32> = values.iter().map(node).collect();
        let positions = self.positions_by_name(&nodes).into_iter();
        positions.filter_map(|position| values.get(position as usize).copied()).collect()
    }

    /// Brings [`Names::order`] up to date: new nodes are sorted and merged in.
    pub(crate) fn sort(&mut self) {
        let known = self.order.len();
        if known == self.len() {
            return;
        }
        let fresh: Vec<u32> = (known as u32..self.len() as u32).collect();
        let fresh = self.by_name(&fresh, |&node| node);
        let old = std::mem::take(&mut self.order);
        let mut merged = Vec::with_capacity(self.len());
        let (mut old, mut fresh) = (old.into_iter().peekable(), fresh.into_iter().peekable());
        while let (Some(&a), Some(&b)) = (old.peek(), fresh.peek()) {
            merged.extend(if self.compare(a, b).is_lt() { old.next() } else { fresh.next() });
        }
        merged.extend(old.chain(fresh));
        self.ranks.resize(merged.len(), 0);
        for (rank, &node) in merged.iter().enumerate() {
            if let Some(held) = self.ranks.get_mut(node as usize) {
                *held = rank as u32;
            }
        }
        self.order = merged;
    }

    /// All nodes in the order of their names, as of the last [`Names::sort`].
    pub(crate) fn order(&self) -> &[u32] {
        &self.order
    }

    /// Where a node is in [`Names::order`].
    pub(crate) fn rank(&self, node: u32) -> u32 {
        self.ranks.get(node as usize).copied().unwrap_or(NONE)
    }

    pub(crate) fn bytes(&self) -> usize {
        self.text.capacity()
            + self.spans.capacity() * 8
            + self.entries.capacity() * size_of::<Entry>()
            + (self.order.capacity() + self.ranks.capacity()) * 4
            + self.keys.bytes()
            + self.ids.bytes()
    }
}

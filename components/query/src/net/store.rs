//! What the graph holds: links as their records state them, by slot.

use std::cell::RefCell;

use super::incidence::Incidence;
use super::kept::Kept;
use super::layers::Layers;
use super::names::{Id, NONE, Names, parse_id, write_id};
use super::symbols::Symbols;
use super::types::{GraphError, Interval, Link, Member, Name, Scalar, Sizes, Source};
use super::work;
use crate::terms::FixedMap;

/// Members of one link at most.
pub const MEMBERS_MAX: usize = 64;

/// Layers of a record or a link at most.
pub const LAYERS_OF_ONE_MAX: usize = 64;

/// Bytes of a key, a type, a role or a layer's name at most.
pub const NAME_BYTES_MAX: usize = 512;

/// Bytes of all keys together at most.
const KEY_BYTES_MAX: u64 = u32::MAX as u64;

/// A link as one record states it.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Slot {
    pub(crate) weight: f64,
    /// What it is called.
    pub(crate) entry: u32,
    /// Who states it; [`NONE`] in a slot that is free.
    pub(crate) source: u32,
    pub(crate) kind: u32,
    pub(crate) layers: u32,
    pub(crate) valid: u32,
    start: u32,
    count: u32,
    /// The next that this record states.
    next: u32,
    /// The next that states the same link.
    pub(crate) twin: u32,
    /// The one before that states the same link; [`NONE`] in the first.
    twin_before: u32,
}

impl Slot {
    /// Nobody else states the same link.
    pub(crate) fn is_alone(&self) -> bool {
        self.twin == NONE && self.twin_before == NONE
    }
}

/// A record that is there.
#[derive(Debug, Clone, Copy)]
struct Stated {
    layers: u32,
    /// The first of its links.
    first: u32,
}

/// Absent records are in this set of layers.
const ABSENT: Stated = Stated { layers: NONE, first: NONE };

/// All records and links.
#[derive(Debug, Default)]
pub(crate) struct Store {
    pub(crate) names: Names,
    pub(crate) kinds: Symbols,
    pub(crate) roles: Symbols,
    pub(crate) layers: Layers,
    pub(crate) intervals: Vec<Interval>,
    interval_numbers: FixedMap<Interval, u32>,
    /// How many statements have each type.
    pub(crate) kind_counts: Vec<u32>,
    slots: Vec<Slot>,
    free: Vec<u32>,
    /// Node and role.
    members: Vec<(u32, u32)>,
    /// Of each member the place of its link among those of the node.
    places: Vec<u32>,
    members_abandoned: usize,
    qualifiers: FixedMap<u32, Box<[(String, Scalar)]>>,
    incidence: Incidence,
    stated: Vec<Stated>,
    records: u32,
    /// Different links.
    links: u32,
    /// Every link has a node, also each that comes: somebody walks over links.
    are_links_nodes: bool,
    pub(crate) kept: RefCell<Kept>,
    /// Grows with every change.
    pub(crate) revision: u64,
}

impl Store {
    /// Puts sources in the place of those with the same key, and removes others. The last of equal keys counts.
    pub(crate) fn apply(&mut self, upsert: &[Source], remove: &[String]) -> Result<(), GraphError> {
        upsert.iter().try_for_each(check)?;
        let new: u64 = upsert.iter().flat_map(bytes_of_keys).map(|bytes| bytes as u64).sum();
        if self.names.key_bytes() as u64 + new > KEY_BYTES_MAX {
            return Err(GraphError::TooMuch("one graph holds at most 4 GiB of keys".to_owned()));
        }
        let mut is_changed = false;
        for key in remove {
            if let Some(node) = self.names.find_key(key).filter(|&node| self.has_record(node)) {
                self.remove(node);
                is_changed = true;
            }
        }
        for source in upsert {
            let node = self.names.add_key(&source.key);
            // A record whose text has changed says the same of the graph as before, and what was laid out of it stays.
            if !self.says(node, source) {
                self.remove(node);
                self.put(node, source);
                is_changed = true;
            }
        }
        if is_changed {
            self.changed();
        }
        if self.members_abandoned > self.members.len() / 2 + 1024 {
            self.pack_members();
        }
        Ok(())
    }

    /// Whatever was laid out is not so any more.
    pub(crate) fn changed(&mut self) {
        self.revision += 1;
        self.kept.get_mut().drop_arcs();
    }

    /// Whether a record is there and says exactly this.
    fn says(&self, source: u32, what: &Source) -> bool {
        let Some(stated) = self.stated.get(source as usize).filter(|stated| stated.layers != NONE) else {
            return false;
        };
        if !self.layers.is_set(stated.layers, &what.layers) {
            return false;
        }
        let mut next = stated.first;
        for link in &what.links {
            let Some(slot) = self.slot(next).filter(|slot| self.is_stated(next, slot, link, stated.layers)) else {
                return false;
            };
            next = slot.next;
        }
        next == NONE
    }

    fn is_stated(&self, number: u32, slot: &Slot, link: &Link, layers_of_source: u32) -> bool {
        let members = self.members(slot);
        let is_member = |(&(node, role), member): (&(u32, u32), &Member)| {
            let is_target = match &member.target {
                Name::Key(key) => self.names.key(node) == Some(key),
                Name::Link(id) => {
                    self.names.entry_of(node).is_some_and(|entry| Some(self.raw_id(entry)) == parse_id(id))
                }
            };
            is_target && self.roles.name(role) == member.role
        };
        let are_layers = if link.layers.is_empty() {
            slot.layers == layers_of_source
        } else {
            self.layers.is_set(slot.layers, &link.layers)
        };
        Some(self.raw_id(slot.entry)) == parse_id(&link.id)
            && self.kinds.name(slot.kind) == link.kind
            && slot.weight.to_bits() == (link.weight + 0.0).to_bits()
            && are_layers
            && self.intervals.get(slot.valid as usize) == Some(&link.valid)
            && members.len() == link.members.len()
            && members.iter().zip(&link.members).all(is_member)
            && self.qualifiers(number) == link.qualifiers.as_slice()
    }

    fn put(&mut self, source: u32, what: &Source) {
        let layers = self.layers.set(&what.layers);
        self.layers.enter(source, layers);
        let mut first = NONE;
        for link in what.links.iter().rev() {
            first = self.put_link(source, link, layers, first);
        }
        if self.stated.len() <= source as usize {
            self.stated.resize(source as usize + 1, ABSENT);
        }
        if let Some(stated) = self.stated.get_mut(source as usize) {
            *stated = Stated { layers, first };
        }
        self.records += 1;
    }

    fn put_link(&mut self, source: u32, link: &Link, layers_of_source: u32, next: u32) -> u32 {
        // It was checked before.
        let Some(id) = parse_id(&link.id) else { return next };
        let entry = self.names.add_entry(id);
        // The last of equal ones counts, and they come last first.
        let twin = self.names.entry(entry).map_or(NONE, |entry| entry.first);
        if self.slot(twin).is_some_and(|twin| twin.source == source) {
            return next;
        }
        let start = self.members.len() as u32;
        for Member { role, target } in &link.members {
            let node = match target {
                Name::Key(key) => self.names.add_key(key),
                Name::Link(id) => match parse_id(id).map(|id| self.names.add_entry(id)) {
                    Some(entry) => self.names.add_link_node(entry),
                    None => continue,
                },
            };
            let role = self.roles.add(role);
            self.members.push((node, role));
            self.places.push(NONE);
        }
        let kind = self.kinds.add(&link.kind);
        if self.kind_counts.len() <= kind as usize {
            self.kind_counts.resize(kind as usize + 1, 0);
        }
        if let Some(count) = self.kind_counts.get_mut(kind as usize) {
            *count += 1;
        }
        let layers = if link.layers.is_empty() { layers_of_source } else { self.layers.set(&link.layers) };
        let count = self.members.len() as u32 - start;
        let valid = self.interval(link.valid);
        // -0.0 and 0.0 are one weight.
        let weight = link.weight + 0.0;
        let slot = Slot { weight, entry, source, kind, layers, valid, start, count, next, twin, twin_before: NONE };
        let number = self.free.pop().unwrap_or(self.slots.len() as u32);
        match self.slots.get_mut(number as usize) {
            Some(place) => *place = slot,
            None => self.slots.push(slot),
        }
        if let Some(entry) = self.names.entry_mut(entry) {
            entry.first = number;
        }
        if let Some(twin) = self.slots.get_mut(twin as usize) {
            twin.twin_before = number;
        }
        if self.are_links_nodes {
            self.names.add_link_node(entry);
        }
        self.links += u32::from(twin == NONE);
        self.layers.state(layers);
        if !link.qualifiers.is_empty() {
            self.qualifiers.insert(number, link.qualifiers.clone().into_boxed_slice());
        }
        self.each_member_once(number, |store, node, at| {
            let place = store.incidence.push(node, number);
            store.set_place(at, place);
        });
        number
    }

    fn remove(&mut self, source: u32) {
        let Some(stated) = self.stated.get_mut(source as usize) else { return };
        let Stated { layers, first } = std::mem::replace(stated, ABSENT);
        if layers == NONE {
            return;
        }
        self.records -= 1;
        self.layers.leave(source, layers);
        let mut next = first;
        while let Some(slot) = self.slots.get(next as usize).copied() {
            self.remove_link(next, slot);
            next = slot.next;
        }
    }

    fn remove_link(&mut self, number: u32, slot: Slot) {
        work::look_at(1);
        self.each_member_once(number, |store, node, at| {
            work::look_at(1);
            let place = store.places.get(at as usize).copied().unwrap_or(NONE);
            // The last link of the node has moved to where this one was.
            if let Some(moved) = store.incidence.remove(node, place)
                && let Some(&Slot { start, .. }) = store.slot(moved)
                && let Some(member) =
                    store.slot(moved).and_then(|moved| store.members(moved).iter().position(|one| one.0 == node))
            {
                store.set_place(start + member as u32, place);
            }
        });
        self.members_abandoned += slot.count as usize;
        self.qualifiers.remove(&number);
        self.layers.retract(slot.layers);
        if let Some(count) = self.kind_counts.get_mut(slot.kind as usize) {
            *count -= 1;
        }
        if let Some(before) = self.slots.get_mut(slot.twin_before as usize) {
            before.twin = slot.twin;
        } else {
            if let Some(entry) = self.names.entry_mut(slot.entry) {
                entry.first = slot.twin;
            }
            self.links -= u32::from(slot.twin == NONE);
        }
        if let Some(after) = self.slots.get_mut(slot.twin as usize) {
            after.twin_before = slot.twin_before;
        }
        if let Some(held) = self.slots.get_mut(number as usize) {
            (held.source, held.twin, held.twin_before, held.count) = (NONE, NONE, NONE, 0);
        }
        self.free.push(number);
    }

    fn set_place(&mut self, member: u32, place: u32) {
        if let Some(held) = self.places.get_mut(member as usize) {
            *held = place;
        }
    }

    /// Gives a node to every link that is there or comes.
    pub(crate) fn make_links_nodes(&mut self) {
        if !std::mem::replace(&mut self.are_links_nodes, true) {
            let entries: Vec<u32> = self.slots().map(|(_, slot)| slot.entry).collect();
            for entry in entries {
                self.names.add_link_node(entry);
            }
        }
    }

    /// Members are a range of one array: a link may name one node twice, which is next to the link once. `act` gets the node and
    /// where in the array it is.
    fn each_member_once(&mut self, slot: u32, act: impl Fn(&mut Store, u32, u32)) {
        let Some(&Slot { start, count, .. }) = self.slots.get(slot as usize) else { return };
        for at in start..start + count {
            let Some(&(node, _)) = self.members.get(at as usize) else { return };
            let earlier = self.members.get(start as usize..at as usize).unwrap_or_default();
            if !earlier.iter().any(|(earlier, _)| *earlier == node) {
                act(self, node, at);
            }
        }
    }

    fn interval(&mut self, interval: Interval) -> u32 {
        let next = self.intervals.len() as u32;
        let number = *self.interval_numbers.entry(interval).or_insert(next);
        if number == next {
            self.intervals.push(interval);
        }
        number
    }

    fn pack_members(&mut self) {
        let length = self.members.len() - self.members_abandoned;
        let (mut packed, mut places) = (Vec::with_capacity(length), Vec::with_capacity(length));
        for slot in &mut self.slots {
            let old = slot.start as usize..slot.start as usize + slot.count as usize;
            slot.start = packed.len() as u32;
            packed.extend_from_slice(self.members.get(old.clone()).unwrap_or_default());
            places.extend_from_slice(self.places.get(old).unwrap_or_default());
        }
        (self.members, self.places, self.members_abandoned) = (packed, places, 0);
    }

    /// Every statement, in no order that means anything.
    pub(crate) fn slots(&self) -> impl Iterator<Item = (u32, &Slot)> {
        (0..).zip(&self.slots).filter(|(_, slot)| slot.source != NONE)
    }

    pub(crate) fn slot(&self, slot: u32) -> Option<&Slot> {
        self.slots.get(slot as usize)
    }

    /// Slots in use or free.
    pub(crate) fn slot_count(&self) -> usize {
        self.slots.len()
    }

    /// Node and role of each member, in order.
    pub(crate) fn members(&self, slot: &Slot) -> &[(u32, u32)] {
        self.members.get(slot.start as usize..slot.start as usize + slot.count as usize).unwrap_or_default()
    }

    pub(crate) fn qualifiers(&self, slot: u32) -> &[(String, Scalar)] {
        self.qualifiers.get(&slot).map_or(&[], |qualifiers| qualifiers)
    }

    /// Statements that have a node as a member.
    pub(crate) fn incident(&self, node: u32) -> &[u32] {
        self.incidence.row(node)
    }

    /// The first statement of a link; [`NONE`] when nobody states it.
    pub(crate) fn first_statement(&self, entry: u32) -> u32 {
        self.names.entry(entry).map_or(NONE, |entry| entry.first)
    }

    pub(crate) fn link_id(&self, entry: u32) -> String {
        self.names.entry(entry).map(|entry| write_id(entry.id)).unwrap_or_default()
    }

    pub(crate) fn raw_id(&self, entry: u32) -> Id {
        self.names.entry(entry).map(|entry| entry.id).unwrap_or_default()
    }

    /// The record with this number is there.
    pub(crate) fn has_record(&self, node: u32) -> bool {
        self.stated.get(node as usize).is_some_and(|stated| stated.layers != NONE)
    }

    /// The record or the link with this number is there.
    pub(crate) fn is_there(&self, node: u32) -> bool {
        match self.names.entry_of(node) {
            Some(entry) => self.first_statement(entry) != NONE,
            None => self.has_record(node),
        }
    }

    /// Numbers of nodes; a link gets one when it is asked for.
    pub(crate) fn find(&mut self, name: &Name) -> Option<u32> {
        let node = match name {
            Name::Key(key) => self.names.find_key(key)?,
            Name::Link(id) => {
                let entry = self.names.find_entry(parse_id(id)?)?;
                let known = self.names.entry(entry).filter(|entry| entry.first != NONE || entry.node != NONE);
                known?;
                self.names.add_link_node(entry)
            }
        };
        (self.is_there(node) || !self.incident(node).is_empty()).then_some(node)
    }

    /// Members that are not there, and how many links name each.
    pub(crate) fn dangling(&self) -> Vec<(u32, u32)> {
        let nodes =
            (0..self.names.len() as u32).filter(|&node| !self.incident(node).is_empty() && !self.is_there(node));
        let count = |node| {
            let mut entries: Vec<u32> =
                self.incident(node).iter().filter_map(|&slot| self.slot(slot)).map(|slot| slot.entry).collect();
            entries.sort_unstable();
            entries.dedup();
            (node, entries.len() as u32)
        };
        let dangling: Vec<(u32, u32)> = nodes.map(count).collect();
        self.names.by_name(&dangling, |one| one.0)
    }

    /// Links in each layer, inherited ones too; a link that several records state counts once.
    pub(crate) fn links_by_layer(&self) -> Vec<u32> {
        let heirs = self.layers.heirs();
        let with: Vec<Vec<u32>> =
            (0..self.layers.set_count()).map(|set| self.layers.layers_with(set, &heirs)).collect();
        let mut counts = vec![0; heirs.len()];
        let mut count = |layers: &[u32]| {
            for &layer in layers {
                if let Some(count) = counts.get_mut(layer as usize) {
                    *count += 1;
                }
            }
        };
        for (number, slot) in self.slots().filter(|(number, slot)| self.first_statement(slot.entry) == *number) {
            if slot.twin == NONE {
                count(with.get(slot.layers as usize).map_or(&[], Vec::as_slice));
                continue;
            }
            let (mut all, mut next) = (Vec::new(), number);
            while let Some(slot) = self.slot(next) {
                all.extend(with.get(slot.layers as usize).into_iter().flatten().copied());
                next = slot.twin;
            }
            all.sort_unstable();
            all.dedup();
            count(&all);
        }
        counts
    }

    pub(crate) fn sizes(&self) -> Sizes {
        let (mut dangling, mut unused) = (0, 0);
        for node in 0..self.names.len() as u32 {
            if !self.is_there(node) {
                *if self.incident(node).is_empty() { &mut unused } else { &mut dangling } += 1;
            }
        }
        let members = self.slots().filter(|(_, slot)| slot.twin == NONE).map(|(_, slot)| u64::from(slot.count)).sum();
        Sizes {
            records: self.records,
            dangling,
            links: self.links,
            members,
            layers: self.layers.known() as u32,
            unused,
            bytes: self.bytes() as u64,
        }
    }

    fn bytes(&self) -> usize {
        self.names.bytes()
            + self.kinds.bytes()
            + self.roles.bytes()
            + self.layers.bytes()
            + self.slots.capacity() * size_of::<Slot>()
            + self.members.capacity() * 8
            + self.places.capacity() * 4
            + self.free.capacity() * 4
            + self.incidence.bytes()
            + self.kept.borrow().bytes()
            + self.stated.capacity() * size_of::<Stated>()
            + self.qualifiers.values().flat_map(|values| values.iter()).map(|(path, _)| path.len() + 64).sum::<usize>()
    }
}

fn bytes_of_keys(source: &Source) -> impl Iterator<Item = usize> {
    let members = source.links.iter().flat_map(|link| &link.members);
    members.map(|member| if let Name::Key(key) = &member.target { key.len() } else { 0 }).chain([source.key.len()])
}

fn check(source: &Source) -> Result<(), GraphError> {
    let malformed = |what: &str| {
        let key: String = source.key.chars().take(80).collect();
        Err(GraphError::Malformed(format!("`{key}`: {what}")))
    };
    let is_name = |name: &str| !name.is_empty() && name.len() <= NAME_BYTES_MAX;
    let are_layers = |layers: &[String]| layers.len() <= LAYERS_OF_ONE_MAX && layers.iter().all(|layer| is_name(layer));
    if !is_name(&source.key) {
        return malformed("a key has 1 to 512 bytes");
    }
    if !are_layers(&source.layers) {
        return malformed("a record is in at most 64 layers, whose names have 1 to 512 bytes");
    }
    for link in &source.links {
        let Link { id, kind, members, weight, layers, valid, .. } = link;
        if parse_id(id).is_none() {
            return malformed("the id of a link has 24 hex digits in lower case");
        }
        if !is_name(kind) || !are_layers(layers) {
            return malformed("the type of a link has 1 to 512 bytes, and it is in at most 64 layers");
        }
        if members.is_empty() || members.len() > MEMBERS_MAX {
            return malformed("a link has 1 to 64 members");
        }
        if !weight.is_finite() {
            return malformed("the weight of a link is a finite number");
        }
        if valid.since.zip(valid.until).is_some_and(|(since, until)| since >= until) {
            return malformed("the valid time of a link ends before it begins");
        }
        for Member { role, target } in members {
            let is_target = match target {
                Name::Key(key) => is_name(key),
                Name::Link(id) => parse_id(id).is_some(),
            };
            if !is_target || role.len() > NAME_BYTES_MAX {
                return malformed(
                    "a member is a key of 1 to 512 bytes or the id of a link, its role at most 512 bytes",
                );
            }
        }
    }
    Ok(())
}

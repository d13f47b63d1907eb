//! A hub and its driver: carries out the core's effects on the store, the network and the notice bus, with their faults.

use std::collections::BTreeMap;

use skerry_sync::document::DocumentId;
use skerry_sync::hub::{Chunk, ChunkName, DocumentWork, Effect, Event, ExchangeId, Hub, StoreFailure};

use crate::Planted;
use crate::central::changes_in;
use crate::trace::short;
use crate::world::{Happening, World};

/// How long a hub that died is away, in milliseconds at most.
const AWAY_MAX_MS: u64 = 8_000;

/// A hub's process.
#[derive(Debug)]
pub(crate) struct HubNode {
    /// None while it is dead.
    pub(crate) core: Option<Hub>,
    /// Counts its processes: what was on its way to an earlier one reaches nobody.
    pub(crate) life: u64,
    /// Who waits for an answer, by the number of the request.
    pub(crate) requests: BTreeMap<ExchangeId, (usize, u64)>,
    /// The bus does not reach it; it will be told when it does again.
    pub(crate) deaf: bool,
}

/// A step of an operation on the store. Between two of them anything may happen, also the death of whoever asked.
#[derive(Debug)]
pub(crate) enum StoreStep {
    Load {
        document: DocumentId,
    },
    Fetch {
        document: DocumentId,
        chunks: Vec<ChunkName>,
    },
    Put {
        document: DocumentId,
        chunk: Chunk,
    },
    Replace {
        document: DocumentId,
        snapshot: Chunk,
        covers: Vec<ChunkName>,
    },
    /// The rest of a replacement: names still to delete.
    Delete {
        document: DocumentId,
        covers: Vec<ChunkName>,
        then: Option<Chunk>,
    },
    Quarantine {
        document: DocumentId,
        chunk: ChunkName,
    },
}

impl World {
    pub(crate) fn add_hub(&mut self) {
        let node = HubNode { core: None, life: 0, requests: BTreeMap::new(), deaf: false };
        self.hubs.push(node);
        self.start_hub(self.hubs.len() - 1);
    }

    pub(crate) fn start_hub(&mut self, hub: usize) {
        let limits = self.plan.limits.clone();
        let Some(node) = self.hubs.get_mut(hub).filter(|node| node.core.is_none()) else { return };
        node.life += 1;
        node.core = Some(Hub::new(limits, "hub".to_owned()));
        node.deaf = false;
        let life = node.life;
        self.trace.note(self.now, "hub starts", format_args!("hub {hub}"));
        self.queue.at(self.now + 1_000, Happening::HubTick { hub, life });
    }

    /// The process dies: what it had in memory is gone, its connections break, what it asked the store for may still be done.
    pub(crate) fn kill_hub(&mut self, hub: usize) {
        let Some(node) = self.hubs.get_mut(hub).filter(|node| node.core.is_some()) else { return };
        node.core = None;
        node.life += 1;
        node.requests.clear();
        self.trace.note(self.now, "hub dies", format_args!("hub {hub}"));
        self.cut_connections_of(hub, "the hub died");
    }

    /// Kills a hub and has it come back.
    pub(crate) fn crash_hub(&mut self, hub: usize) {
        self.kill_hub(hub);
        let back = self.now + self.rng.between(1, AWAY_MAX_MS);
        self.queue.at(back, Happening::StartHub { hub });
    }

    pub(crate) fn tick_hub(&mut self, hub: usize, life: u64) {
        if self.hubs.get(hub).is_some_and(|node| node.life == life && node.core.is_some()) {
            self.queue.at(self.now + 1_000, Happening::HubTick { hub, life });
            self.tell_hub(hub, life, Event::Tick);
        }
    }

    /// Hands an event to a hub and begins what it asks for.
    pub(crate) fn tell_hub(&mut self, hub: usize, life: u64, event: Event) {
        let now = self.hub_time();
        let Some(node) = self.hubs.get_mut(hub).filter(|node| node.life == life) else { return };
        let Some(core) = &mut node.core else { return };
        let effects = core.handle(now, event);
        self.check_bounds(hub);
        for effect in effects {
            self.carry_out(hub, effect);
            // A crash may come between any two effects.
            if self.plan.hub_crashes && self.rng.per_mille(2) {
                self.trace.note(self.now, "crash between effects", format_args!("hub {hub}"));
                return self.crash_hub(hub);
            }
        }
    }

    fn carry_out(&mut self, hub: usize, effect: Effect) {
        let life = self.hubs.get(hub).map_or(0, |node| node.life);
        let delay = self.rng.between(1, self.plan.store_delay_max);
        let store = |world: &mut World, step| world.queue.at(world.now + delay, Happening::Store { hub, life, step });
        match effect {
            Effect::Send { connection, frame } => self.send_to_client(hub, connection, frame),
            Effect::Close { connection, reason } => {
                self.trace.note(self.now, "hub closes", format_args!("{} {reason}", connection.0));
                self.close_by_hub(hub, connection, &reason.to_string());
            }
            Effect::Answer { exchange, outcome } => self.send_answer(hub, exchange, outcome),
            Effect::Load { document } => store(self, StoreStep::Load { document }),
            Effect::Fetch { document, chunks } => store(self, StoreStep::Fetch { document, chunks }),
            Effect::Store { document, chunk } => {
                if self.plan.is_planted(Planted::AcknowledgesBeforeStored) {
                    let event = Box::new(Event::Stored { document, outcome: Ok(()) });
                    self.queue.at(self.now, Happening::ToHub { hub, life, event });
                }
                store(self, StoreStep::Put { document, chunk });
            }
            Effect::Replace { document, snapshot, covers } => {
                if self.plan.is_planted(Planted::DeletesBeforeSnapshot) {
                    store(self, StoreStep::Delete { document, covers, then: Some(snapshot) });
                } else {
                    store(self, StoreStep::Replace { document, snapshot, covers });
                }
            }
            Effect::Quarantine { document, chunk, reason } => {
                self.trace.note(self.now, "quarantine asked", format_args!("{document} {} {reason}", short(&chunk)));
                store(self, StoreStep::Quarantine { document, chunk });
            }
            Effect::Work(work) => {
                let delay = self.rng.between(0, 20);
                self.queue.at(self.now + delay, Happening::Work { hub, life, work });
            }
            Effect::Announce { document, chunk } => {
                self.trace.note(self.now, "announce", format_args!("hub {hub} {document} {}", short(&chunk)));
                self.publish(hub, || Event::Noticed { document, chunk });
            }
            Effect::Relay { document, frame } => {
                self.publish(hub, || Event::Relayed { document, frame: frame.clone() });
            }
            _ => self.fail("the simulator does not know an effect of the hub".to_owned()),
        }
    }

    pub(crate) fn finish_work(&mut self, hub: usize, life: u64, mut work: Box<DocumentWork>) {
        if self.hubs.get(hub).is_some_and(|node| node.life == life && node.core.is_some()) {
            work.run();
            self.tell_hub(hub, life, Event::Worked(work));
        }
    }

    /// What the store says to one operation: done, not done, or done and not told.
    fn draw(&mut self) -> Drawn {
        let down = self.now < self.central.down_until;
        if down || self.rng.per_mille(self.plan.store_fails) {
            return match (down, self.rng.below(3)) {
                (false, 0) => Drawn::DoneNotTold,
                // A request that was given up may still arrive.
                (false, 1) => Drawn::DoneLater,
                _ => Drawn::Failed,
            };
        }
        Drawn::Done
    }

    pub(crate) fn store_step(&mut self, hub: usize, life: u64, step: StoreStep) {
        let alive = self.hubs.get(hub).is_some_and(|node| node.life == life && node.core.is_some());
        // What a dead process asked for was on its way, or was not.
        if !alive && self.rng.per_mille(500) {
            return;
        }
        let failed = || StoreFailure::Failed("as drawn".to_owned());
        match step {
            StoreStep::Load { document } => {
                let outcome = match self.draw() {
                    Drawn::Done => Ok(self.central.read(document)),
                    _ => Err(failed()),
                };
                self.trace.note(self.now, "store load", format_args!("hub {hub} {document} {}", said(&outcome)));
                self.reply(hub, life, Event::Loaded { document, outcome });
            }
            StoreStep::Fetch { document, chunks } => {
                let outcome = match self.draw() {
                    Drawn::Done if chunks.is_empty() => Ok(self.central.read(document)),
                    Drawn::Done => Ok(self.central.read_some(document, &chunks)),
                    _ => Err(failed()),
                };
                self.trace.note(self.now, "store fetch", format_args!("hub {hub} {document} {}", said(&outcome)));
                self.reply(hub, life, Event::Fetched { document, outcome });
            }
            StoreStep::Put { document, chunk } => {
                let outcome = self.put(hub, document, chunk);
                if !self.plan.is_planted(Planted::AcknowledgesBeforeStored) {
                    self.reply(hub, life, Event::Stored { document, outcome });
                }
            }
            StoreStep::Replace { document, snapshot, mut covers } => {
                // As the driver does: a snapshot of nothing new has the name of what it replaces.
                covers.retain(|name| *name != snapshot.name);
                match self.put(hub, document, snapshot) {
                    Ok(()) => self.next_delete(hub, life, document, covers, None),
                    Err(why) => self.reply(hub, life, Event::Replaced { document, outcome: Err(why) }),
                }
            }
            StoreStep::Delete { document, covers, then } => self.delete_step(hub, life, document, covers, then),
            StoreStep::Quarantine { document, chunk } => {
                let bad = self.central.quarantine(document, chunk);
                self.trace.note(self.now, "store quarantine", format_args!("{document} {} {bad}", short(&chunk)));
            }
        }
    }

    /// Deletes one of the chunks that a snapshot covers, and goes on to the next.
    fn delete_step(
        &mut self,
        hub: usize,
        life: u64,
        document: DocumentId,
        mut covers: Vec<ChunkName>,
        then: Option<Chunk>,
    ) {
        let Some(name) = covers.pop() else {
            let outcome = then.map_or(Ok(()), |snapshot| self.put(hub, document, snapshot));
            return self.reply(hub, life, Event::Replaced { document, outcome });
        };
        if matches!(self.draw(), Drawn::Failed) {
            self.trace.note(self.now, "store delete fails", format_args!("{document} {}", short(&name)));
            let outcome = Err(StoreFailure::Failed("as drawn".to_owned()));
            return self.reply(hub, life, Event::Replaced { document, outcome });
        }
        let there = self.central.delete(document, name);
        self.trace.note(self.now, "store delete", format_args!("{document} {} {there}", short(&name)));
        self.check_kept(document);
        self.next_delete(hub, life, document, covers, then);
    }

    fn put(&mut self, hub: usize, document: DocumentId, chunk: Chunk) -> Result<(), StoreFailure> {
        let name = chunk.name;
        let drawn = if self.now < self.central.full_until { Drawn::Full } else { self.draw() };
        self.trace.note(self.now, drawn.kind(), format_args!("hub {hub} {document} {}", short(&name)));
        self.trace.detail(self.now, || {
            let changes: Vec<String> = changes_in(&chunk.bytes).iter().map(|change| short(change)).collect();
            format!("{} bytes, changes {changes:?}", chunk.bytes.len())
        });
        match drawn {
            Drawn::Done => {
                let changes = self.central.put(document, &chunk);
                self.check_stored(&changes);
            }
            Drawn::DoneNotTold => {
                let changes = self.central.put(document, &chunk);
                self.check_stored(&changes);
                return Err(StoreFailure::Failed("the answer is lost".to_owned()));
            }
            Drawn::DoneLater => {
                let later = self.now + self.rng.between(1, 3_000);
                // A request that nobody waits for any more: of a process that is as good as dead.
                let step = StoreStep::Put { document, chunk };
                self.queue.at(later, Happening::Store { hub, life: 0, step });
                return Err(StoreFailure::Failed("timed out".to_owned()));
            }
            Drawn::Failed => return Err(StoreFailure::Failed("as drawn".to_owned())),
            Drawn::Full => return Err(StoreFailure::Full),
        }
        Ok(())
    }

    fn next_delete(
        &mut self,
        hub: usize,
        life: u64,
        document: DocumentId,
        covers: Vec<ChunkName>,
        then: Option<Chunk>,
    ) {
        let delay = self.rng.between(0, self.plan.store_delay_max);
        let step = StoreStep::Delete { document, covers, then };
        self.queue.at(self.now + delay, Happening::Store { hub, life, step });
    }

    /// The way back of an answer of the store.
    fn reply(&mut self, hub: usize, life: u64, event: Event) {
        let delay = self.rng.between(0, self.plan.store_delay_max);
        self.queue.at(self.now + delay, Happening::ToHub { hub, life, event: Box::new(event) });
    }

    /// Tells the other hubs, as far as the bus does.
    fn publish(&mut self, from: usize, event: impl Fn() -> Event) {
        if self.plan.is_planted(Planted::ForgetsNotices) {
            return;
        }
        for hub in (0..self.hubs.len()).filter(|hub| *hub != from) {
            if self.rng.per_mille(self.plan.notices_lost) {
                self.deafen(hub);
            }
            let copies = if self.rng.per_mille(self.plan.notices_doubled) { 2 } else { 1 };
            for _ in 0..copies {
                let delay = self.rng.between(0, self.plan.network_delay_max);
                self.queue.at(self.now + delay, Happening::Notice { hub, event: Box::new(event()) });
            }
        }
    }

    /// The bus loses a hub for a while. As in the service, the hub is told when it is back that it may have missed something.
    pub(crate) fn deafen(&mut self, hub: usize) {
        let Some(node) = self.hubs.get_mut(hub).filter(|node| !node.deaf) else { return };
        node.deaf = true;
        self.trace.note(self.now, "bus loses", format_args!("hub {hub}"));
        let back = self.now + self.rng.between(10, 10_000);
        self.queue.at(back, Happening::Notice { hub, event: Box::new(Event::Missed) });
    }

    pub(crate) fn notice(&mut self, hub: usize, event: Event) {
        let Some(node) = self.hubs.get_mut(hub) else { return };
        if matches!(event, Event::Missed) {
            node.deaf = false;
        }
        let life = node.life;
        if node.deaf {
            self.trace.note(self.now, "notice lost", format_args!("hub {hub}"));
        } else {
            self.tell_hub(hub, life, event);
        }
    }
}

enum Drawn {
    Done,
    DoneNotTold,
    DoneLater,
    Failed,
    Full,
}

impl Drawn {
    fn kind(&self) -> &'static str {
        match self {
            Drawn::Done => "store put",
            Drawn::DoneNotTold => "store put, answer lost",
            Drawn::DoneLater => "store put, late",
            Drawn::Failed => "store put fails",
            Drawn::Full => "store is full",
        }
    }
}

fn said(outcome: &Result<Vec<Chunk>, StoreFailure>) -> String {
    match outcome {
        Ok(chunks) => format!("{} chunks", chunks.len()),
        Err(why) => why.to_string(),
    }
}

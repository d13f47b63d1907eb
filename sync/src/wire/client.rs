//! The replica's side of a connection to a hub, without sockets and without a clock.
//!
//! A driver feeds [`ClientEvent`]s to [`Client::handle`] and carries out the [`ClientEffect`]s that come back. The client
//! reads and writes its [`Replica`], so `handle` blocks as long as the disk does.
//!
//! On a new connection the client says of every document of the projects that it follows which heads it has, without loading
//! any; where the hub has the same, that is all. What the hub is known to have is noted down, so that after a time apart only
//! what is new goes over the wire, in both directions. What comes in is on disk before it is answered.

mod backoff;
mod followed;
mod known;
mod status;
mod talk;

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::time::Duration;

use automerge::sync::Message as SyncMessage;

use super::message::{Message, PeerMetadata};
use crate::document::Slot;
use crate::record::ProjectName;
use crate::replica::Replica;
use crate::replica::live::{Answer, Stance, Turn};
use crate::sync_message;

use backoff::Backoff;
use followed::{Followed, unreadable};
use known::Known;
pub use status::{Agreement, ClientStatus, Complaint, Link, ProjectSync};
use talk::{Document, Heard, Talk};

/// Documents about which the hub was asked and has not answered yet. More wait for their turn.
const OPENINGS_MAX: usize = 130;

/// How long the hub may take to say who it is.
const HANDSHAKE_MAX: Duration = Duration::from_secs(15);

/// Time from learning what the hub has to noting it down; each note is an fsync.
const NOTE_AFTER: Duration = Duration::from_secs(5);

/// A connection that held that long is no failure, even if the hub did not take everything.
const LASTING: Duration = Duration::from_mins(1);

/// The protocol version that the client speaks.
const PROTOCOL: &str = "1";

/// Something happened.
#[derive(Debug)]
#[non_exhaustive]
pub enum ClientEvent {
    /// The connection is open; nothing was sent on it yet.
    Opened,
    /// Frames came in. Those that come in together are stored together, which costs one fsync for each project.
    Received(Vec<Vec<u8>>),
    /// The connection is gone, or could not be made.
    Closed {
        /// Why, for people.
        reason: String,
        /// Any number, all equally likely: spreads replicas out that lost their hub at the same moment.
        random: u64,
    },
    /// A project may have changed on this replica.
    Changed(ProjectName),
    /// Follow a project. It need not be here yet.
    Subscribe(ProjectName),
    /// Follow a project no more. What is here stays.
    Unsubscribe(ProjectName),
    /// Some time has passed. Once a second is enough.
    Tick,
}

/// Something to do.
#[derive(Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum ClientEffect {
    /// Send a frame.
    Send(Vec<u8>),
    /// Close the connection; [`ClientEvent::Closed`] is expected afterwards.
    Close {
        /// Why, for people.
        reason: String,
    },
    /// Connect again at this time.
    ConnectAt(Duration),
    /// Changes from the hub are on disk: indexes may follow the feed.
    Arrived {
        /// The project.
        project: ProjectName,
    },
    /// The hub and this replica have the same of this project.
    Settled {
        /// The project.
        project: ProjectName,
    },
}

/// Where the connection is.
#[derive(Debug)]
enum Phase {
    /// There is none; the next one is due at this time.
    Apart { until: Duration },
    /// The hub was told who speaks.
    Joining { since: Duration },
    /// The hub said who it is.
    Connected { since: Duration, hub: String },
}

/// The replica's side of a connection to a hub.
#[derive(Debug)]
pub struct Client {
    replica: Replica,
    hub: String,
    peer_id: String,
    phase: Phase,
    backoff: Backoff,
    projects: BTreeMap<ProjectName, Followed>,
    /// Document names -> whose they are.
    names: BTreeMap<String, (ProjectName, Slot)>,
    /// Documents that nothing was said about yet on this connection.
    waiting: VecDeque<(ProjectName, Slot)>,
    /// Documents that the hub has not answered about yet.
    unanswered: BTreeSet<(ProjectName, Slot)>,
    complaint: Option<Complaint>,
    /// When to note down what is known.
    note_at: Option<Duration>,
}

impl Client {
    /// A client for the hub at an address, by which it remembers what the hub has. `peer_id` names this replica to the hub.
    pub fn new(replica: Replica, hub: &str, peer_id: &str) -> Client {
        Client {
            replica,
            hub: hub.to_owned(),
            peer_id: peer_id.to_owned(),
            phase: Phase::Apart { until: Duration::ZERO },
            backoff: Backoff::default(),
            projects: BTreeMap::new(),
            names: BTreeMap::new(),
            waiting: VecDeque::new(),
            unanswered: BTreeSet::new(),
            complaint: None,
            note_at: None,
        }
    }

    /// Takes an event and says what to do. `now` is the time since the Unix epoch; it must not go back.
    pub fn handle(&mut self, now: Duration, event: ClientEvent) -> Vec<ClientEffect> {
        let mut effects = Vec::new();
        match event {
            ClientEvent::Opened => self.opened(now, &mut effects),
            ClientEvent::Received(frames) => self.received(now, frames, &mut effects),
            ClientEvent::Closed { reason, random } => self.closed(now, reason, random, &mut effects),
            ClientEvent::Changed(project) => self.changed(now, &project, &mut effects),
            ClientEvent::Subscribe(project) => self.subscribe(now, &project, &mut effects),
            ClientEvent::Unsubscribe(project) => self.unsubscribe(&project),
            ClientEvent::Tick => self.tick(now, &mut effects),
        }
        effects
    }

    fn is_connected(&self) -> bool {
        matches!(self.phase, Phase::Connected { .. })
    }

    fn opened(&mut self, now: Duration, effects: &mut Vec<ClientEffect>) {
        self.phase = Phase::Joining { since: now };
        let join = Message::Join {
            sender: self.peer_id.clone(),
            versions: vec![PROTOCOL.to_owned()],
            metadata: PeerMetadata::default(),
        };
        self.send(now, &join, effects);
    }

    fn send(&mut self, now: Duration, message: &Message, effects: &mut Vec<ClientEffect>) {
        match message.encode() {
            Ok(frame) => effects.push(ClientEffect::Send(frame)),
            Err(error) => self.give_up(now, format!("a message could not be written: {error}"), effects),
        }
    }

    fn send_sync(&mut self, now: Duration, document: &str, data: Vec<u8>, effects: &mut Vec<ClientEffect>) {
        let Phase::Connected { hub, .. } = &self.phase else { return };
        let message = Message::Sync {
            sender: self.peer_id.clone(),
            target: hub.clone(),
            document: document.to_owned(),
            data,
            request: false,
        };
        self.send(now, &message, effects);
    }

    /// Ends a connection on which nothing sensible can be done.
    fn give_up(&mut self, now: Duration, reason: String, effects: &mut Vec<ClientEffect>) {
        tracing::warn!(hub = %self.hub, %reason, "the connection to the hub is given up");
        self.complaint = Some(Complaint { message: reason.clone(), at: now });
        effects.push(ClientEffect::Close { reason });
    }

    fn received(&mut self, now: Duration, frames: Vec<Vec<u8>>, effects: &mut Vec<ClientEffect>) {
        let mut heard: BTreeMap<ProjectName, BTreeMap<Slot, Vec<SyncMessage>>> = BTreeMap::new();
        for frame in frames {
            match Message::decode(&frame) {
                Ok(Message::Peer { sender, version, .. }) => self.joined(now, sender, &version, effects),
                Ok(Message::Sync { document, data, .. }) if self.is_connected() => {
                    let Some((project, slot)) = self.names.get(&document).cloned() else { continue };
                    match sync_message::read(&data) {
                        Ok(message) => heard.entry(project).or_default().entry(slot).or_default().push(message),
                        Err(error) => {
                            return self.give_up(now, format!("the hub sent a damaged message: {error}"), effects);
                        }
                    }
                }
                Ok(Message::DocUnavailable { document, .. }) => self.unavailable(&document),
                Ok(Message::Error { message, .. }) => {
                    tracing::warn!(hub = %self.hub, %message, "the hub refused something");
                    self.complaint = Some(Complaint { message, at: now });
                }
                // Passed over: what others say to one another, and what later versions of the protocol may add.
                Ok(_) => {}
                Err(error) => return self.give_up(now, format!("the hub sent a damaged frame: {error}"), effects),
            }
        }
        for (project, heard) in heard {
            self.hear(now, &project, heard, effects);
        }
        self.open_waiting(now, effects);
    }

    fn joined(&mut self, now: Duration, hub: String, version: &str, effects: &mut Vec<ClientEffect>) {
        if !matches!(self.phase, Phase::Joining { .. }) {
            return;
        }
        if version != PROTOCOL {
            return self.give_up(now, format!("the hub speaks protocol version `{version}`, not {PROTOCOL}"), effects);
        }
        self.phase = Phase::Connected { since: now, hub };
        let projects: Vec<ProjectName> = self.projects.keys().cloned().collect();
        for project in &projects {
            if let Err(error) = self.renew(project) {
                return self.give_up(now, unreadable(&error), effects);
            }
            self.begin(project);
        }
        self.open_waiting(now, effects);
    }

    /// Begins to talk about documents that wait for it, as many as may be open at once.
    fn open_waiting(&mut self, now: Duration, effects: &mut Vec<ClientEffect>) {
        while self.is_connected() && self.unanswered.len() < OPENINGS_MAX {
            let Some((project, _)) = self.waiting.front().cloned() else { return };
            let room = OPENINGS_MAX - self.unanswered.len();
            let mut slots = BTreeSet::new();
            while slots.len() < room
                && let Some((_, slot)) = self.waiting.pop_front_if(|(next, _)| *next == project)
            {
                slots.insert(slot);
            }
            self.open(now, &project, &slots, effects);
        }
    }

    /// Says which heads are here. Where the hub is known to lack something, it is sent at once.
    fn open(&mut self, now: Duration, project: &ProjectName, slots: &BTreeSet<Slot>, effects: &mut Vec<ClientEffect>) {
        let (epoch, documents) = match self.replica.live_documents(project) {
            Ok(live) => live,
            Err(error) => return self.give_up(now, unreadable(&error), effects),
        };
        // Documents of another epoch are gone over to first.
        let Some(followed) = self.projects.get_mut(project).filter(|followed| followed.epoch == epoch) else { return };
        let (mut turns, mut openings) = (Vec::new(), Vec::new());
        for live in documents.into_iter().filter(|live| slots.contains(&live.slot)) {
            let Some(document) = followed.documents.get_mut(&live.slot) else { continue };
            if !matches!(document.talk, Talk::Silent) {
                continue;
            }
            self.unanswered.insert((project.clone(), live.slot));
            let here = document.heads(live.heads);
            if let Some(there) = followed.known.get(&document.id).filter(|there| !there.is_empty() && **there != here) {
                turns.push(Turn { slot: live.slot, stance: Stance::Has(there.clone()), heard: Vec::new() });
            } else {
                openings.push((document.name.clone(), talk::opening(&here).encode()));
                document.talk = Talk::Opened(here);
            }
        }
        for (name, message) in openings {
            self.send_sync(now, &name, message, effects);
        }
        self.converse(now, project, turns, effects);
    }

    /// What the hub said about documents of a project.
    fn hear(
        &mut self,
        now: Duration,
        project: &ProjectName,
        heard: BTreeMap<Slot, Vec<SyncMessage>>,
        effects: &mut Vec<ClientEffect>,
    ) {
        let Some(followed) = self.projects.get_mut(project) else { return };
        let mut turns = Vec::new();
        for (slot, messages) in heard {
            self.unanswered.remove(&(project.clone(), slot));
            let Some(document) = followed.documents.get_mut(&slot) else { continue };
            let mut turn: Option<Turn> = None;
            for message in messages {
                // A message behind one that is yet to be taken in goes the same way.
                if let Some(turn) = &mut turn {
                    turn.heard.push(message);
                    continue;
                }
                turn = document.hear(&message).map(|found| match found {
                    Heard::Answer(stance) => Turn { slot, stance, heard: vec![message] },
                    Heard::Lost(heads) => Turn { slot, stance: Stance::Has(heads), heard: Vec::new() },
                });
            }
            match (turn, &document.talk) {
                (Some(turn), _) => turns.push(turn),
                (None, Talk::Agreed(heads)) => {
                    followed.noted &= !followed.known.set(document.id, heads.clone());
                }
                (None, _) => {}
            }
        }
        self.converse(now, project, turns, effects);
        // Something may have been written here between the opening and its answer.
        self.changed(now, project, effects);
        self.settle(now, project, effects);
    }

    /// Takes turns: stores what was heard, sends the answers, remembers where each conversation is.
    fn converse(&mut self, now: Duration, project: &ProjectName, turns: Vec<Turn>, effects: &mut Vec<ClientEffect>) {
        let Some(epoch) = self.projects.get(project).map(|followed| followed.epoch).filter(|_| !turns.is_empty())
        else {
            return;
        };
        let answers = match self.replica.converse(project, epoch, turns) {
            Ok(answers) => answers,
            Err(error) => {
                let reason = format!("what the hub sent could not be stored here: {error}");
                return self.give_up(now, reason, effects);
            }
        };
        let Some(followed) = self.projects.get_mut(project) else { return };
        let (mut arrived, mut replies) = (false, Vec::new());
        for Answer { slot, outcome } in answers {
            let Some(document) = followed.documents.get_mut(&slot) else { continue };
            match outcome {
                Ok(spoken) => {
                    arrived |= spoken.brought > 0;
                    let (reply, shared) = document.spoke(spoken);
                    followed.noted &= !followed.known.set(document.id, shared);
                    replies.extend(reply.map(|reply| (document.name.clone(), reply)));
                }
                Err(reason) => {
                    tracing::error!(%project, document = %document.name, %reason, "changes from the hub are refused");
                    document.talk = Talk::Stopped(reason);
                }
            }
        }
        if arrived {
            effects.push(ClientEffect::Arrived { project: project.clone() });
        }
        for (name, reply) in replies {
            self.send_sync(now, &name, reply, effects);
        }
    }

    /// Sends what the replica has and the hub was not sent yet.
    fn changed(&mut self, now: Duration, project: &ProjectName, effects: &mut Vec<ClientEffect>) {
        if !self.is_connected() {
            return;
        }
        let documents = match self.renew(project) {
            Ok((_, documents)) => documents,
            Err(error) => return self.give_up(now, unreadable(&error), effects),
        };
        let Some(followed) = self.projects.get_mut(project) else { return };
        let mut turns = Vec::new();
        for live in documents {
            let Some(document) = followed.documents.get_mut(&live.slot) else { continue };
            if let Some(stance) = document.push(&document.heads(live.heads)) {
                followed.settled = false;
                turns.push(Turn { slot: live.slot, stance, heard: Vec::new() });
            }
        }
        self.converse(now, project, turns, effects);
        // Behind what was just said of the catalog: the hub must have that before it knows the shards of a new epoch.
        self.begin(project);
        self.open_waiting(now, effects);
    }

    /// Tells once when both sides have the same of a project.
    fn settle(&mut self, now: Duration, project: &ProjectName, effects: &mut Vec<ClientEffect>) {
        let Some(followed) = self.projects.get_mut(project) else { return };
        let agreed = followed.documents.values().all(|document| matches!(document.talk, Talk::Agreed(_)));
        if agreed {
            followed.known.agreed = Some(now);
        }
        if agreed && !followed.settled {
            followed.noted = false;
            effects.push(ClientEffect::Settled { project: project.clone() });
        }
        followed.settled = agreed;
        if !followed.noted {
            self.note_at.get_or_insert(now + NOTE_AFTER);
        }
        if self.projects.values().all(|followed| followed.settled || followed.refused.is_some()) {
            self.backoff.settle();
            let Phase::Connected { since, .. } = self.phase else { return };
            // What went wrong before is mended; what was refused on this connection still is.
            self.complaint = self.complaint.take().filter(|complaint| complaint.at >= since);
        }
    }

    fn unavailable(&mut self, document: &str) {
        let Some((project, slot)) = self.names.get(document).cloned() else { return };
        self.unanswered.remove(&(project.clone(), slot));
        // The hub may have learnt that their epoch is over a moment before this side does. Of a project that is not there, the
        // catalog is not there.
        if slot != Slot::Catalog {
            return;
        }
        let Some(followed) = self.projects.get_mut(&project) else { return };
        if followed.refused.is_none() {
            tracing::warn!(hub = %self.hub, %project, "the hub has no such project for this token");
        }
        followed.refused = Some("the hub has no such project for this token".to_owned());
        self.waiting.retain(|(waiting, _)| *waiting != project);
    }

    fn closed(&mut self, now: Duration, reason: String, random: u64, effects: &mut Vec<ClientEffect>) {
        let since = match &self.phase {
            Phase::Apart { .. } => None,
            Phase::Joining { since } | Phase::Connected { since, .. } => Some(*since),
        };
        // What the hub said itself tells more than that the connection ended.
        let told = since.zip(self.complaint.as_ref()).is_some_and(|(since, complaint)| complaint.at >= since);
        if self.is_connected() && since.is_some_and(|since| now.saturating_sub(since) >= LASTING) {
            self.backoff.settle();
        }
        if !told {
            self.complaint = Some(Complaint { message: reason, at: now });
        }
        for followed in self.projects.values_mut() {
            followed.documents.values_mut().for_each(Document::hang_up);
            (followed.refused, followed.settled) = (None, false);
        }
        self.waiting.clear();
        self.unanswered.clear();
        self.note_down();
        let until = now + self.backoff.next(random);
        self.phase = Phase::Apart { until };
        effects.push(ClientEffect::ConnectAt(until));
    }

    fn tick(&mut self, now: Duration, effects: &mut Vec<ClientEffect>) {
        if let Phase::Joining { since } = self.phase
            && now.saturating_sub(since) > HANDSHAKE_MAX
        {
            self.give_up(now, "the hub did not say who it is; is it a hub?".to_owned(), effects);
        }
        if self.note_at.is_some_and(|due| due <= now) {
            self.note_down();
        }
    }

    /// Notes down what the hub is known to have. A note that cannot be written costs bytes at the next connection, no more.
    fn note_down(&mut self) {
        self.note_at = None;
        for (project, followed) in self.projects.iter_mut().filter(|(_, followed)| !followed.noted) {
            match self.replica.put_note(&Known::note_name(&self.hub, project), &followed.known.to_note()) {
                Ok(()) => followed.noted = true,
                Err(error) => tracing::warn!(%project, %error, "what the hub has could not be noted down"),
            }
        }
    }
}

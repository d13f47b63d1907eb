//! A hub, its store, and clients, run step by step.

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::rc::Rc;
use std::time::Duration;

use automerge::sync::{State, SyncDoc};
use automerge::transaction::Transactable;
use automerge::{Automerge, ChangeHash, ROOT, ReadDoc};
use skerry_sync::document::{DocumentId, Slot};
use skerry_sync::epoch::retire::retire;
use skerry_sync::hub::{
    Access, Chunk, ChunkName, CloseReason, ConnectionId, Effect, Event, ExchangeId, Grant, Hub, Limits, Scope,
    StoreFailure,
};
use skerry_sync::wire::message::{Message, PeerMetadata};
use skerry_sync::{ExchangeError, ProjectName};

pub(super) type Chunks = BTreeMap<DocumentId, BTreeMap<ChunkName, Vec<u8>>>;

/// A store that several hubs may share.
#[derive(Default)]
pub(super) struct Store {
    pub(super) chunks: Chunks,
    pub(super) failure: Option<StoreFailure>,
    pub(super) quarantine: Vec<(DocumentId, ChunkName, String)>,
}

impl Store {
    /// Everything that is stored of a document, read afresh.
    pub(super) fn document(&self, id: DocumentId) -> Automerge {
        let mut document = Automerge::new();
        for bytes in self.chunks.get(&id).into_iter().flat_map(BTreeMap::values) {
            document.load_incremental(bytes).unwrap();
        }
        document
    }

    fn list(&self, id: DocumentId) -> Vec<Chunk> {
        let chunks = self.chunks.get(&id).into_iter().flatten();
        chunks.map(|(name, bytes)| Chunk { name: *name, bytes: bytes.clone() }).collect()
    }
}

/// A hub and the world around it.
pub(super) struct World {
    pub(super) hub: Hub,
    pub(super) store: Rc<RefCell<Store>>,
    pub(super) now: Duration,
    pub(super) clients: BTreeMap<ConnectionId, Client>,
    /// Frames for connections that a test reads itself.
    pub(super) lines: BTreeMap<ConnectionId, Vec<Vec<u8>>>,
    pub(super) answers: BTreeMap<ExchangeId, Result<Vec<u8>, ExchangeError>>,
    /// Chunks that other hubs are to hear of, and ephemeral messages.
    pub(super) announced: Vec<(DocumentId, ChunkName)>,
    pub(super) relayed: Vec<(DocumentId, Vec<u8>)>,
    /// Projects of which documents of older epochs may be in the store.
    pub(super) retire: BTreeSet<ProjectName>,
    /// Effects that were not carried out yet.
    pub(super) pending: VecDeque<Effect>,
    /// Effects of these kinds wait in `pending`.
    pub(super) hold: fn(&Effect) -> bool,
    /// Whether sockets take what they are given.
    pub(super) reading: bool,
    next: u64,
}

/// A client of automerge-repo, as far as a test needs one.
pub(super) struct Client {
    pub(super) name: String,
    pub(super) documents: BTreeMap<DocumentId, (Automerge, State)>,
    pub(super) told: Vec<String>,
    pub(super) unavailable: Vec<String>,
    pub(super) ephemeral: Vec<Message>,
    pub(super) closed: Option<CloseReason>,
    /// Bytes that came and were not taken by the socket yet.
    pub(super) untaken: Vec<usize>,
    frames: usize,
}

impl Client {
    pub(super) fn heads(&self, id: DocumentId) -> Vec<ChangeHash> {
        self.documents[&id].0.get_heads()
    }

    /// Whether the hub has said that it has all that this client has.
    pub(super) fn is_acknowledged(&self, id: DocumentId) -> bool {
        let (document, state) = &self.documents[&id];
        state.their_heads.as_ref() == Some(&document.get_heads())
    }

    pub(super) fn edit(&mut self, id: DocumentId, key: &str, value: &str) -> ChangeHash {
        let (document, _) = self.documents.entry(id).or_default();
        let mut transaction = document.transaction();
        transaction.put(ROOT, key, value).unwrap();
        transaction.commit().0.unwrap()
    }

    pub(super) fn value(&self, id: DocumentId, key: &str) -> Option<String> {
        let (value, _) = self.documents.get(&id)?.0.get(ROOT, key).unwrap()?;
        value.as_str().map(str::to_owned)
    }
}

pub(super) fn any(access: Access) -> Grant {
    Grant { scope: Scope::Any, access }
}

pub(super) fn of(project: &str, access: Access) -> Grant {
    Grant { scope: Scope::Projects(BTreeSet::from([ProjectName::parse(project).unwrap()])), access }
}

/// A document that is no project's.
pub(super) fn free(number: u8) -> DocumentId {
    DocumentId([number; 16])
}

pub(super) fn shard(project: &str, shard: u16) -> DocumentId {
    DocumentId::derive(&ProjectName::parse(project).unwrap(), Slot::Shard(shard))
}

impl World {
    pub(super) fn new(limits: Limits) -> World {
        World::on(limits, Rc::default(), "hub")
    }

    pub(super) fn on(limits: Limits, store: Rc<RefCell<Store>>, name: &str) -> World {
        World {
            hub: Hub::new(limits, name.to_owned()),
            store,
            now: Duration::ZERO,
            clients: BTreeMap::new(),
            lines: BTreeMap::new(),
            answers: BTreeMap::new(),
            announced: Vec::new(),
            relayed: Vec::new(),
            retire: BTreeSet::new(),
            pending: VecDeque::new(),
            hold: |_| false,
            reading: true,
            next: 0,
        }
    }

    /// Everything happens, until nothing more does.
    pub(super) fn event(&mut self, event: Event) {
        self.take(event);
        self.settle();
    }

    /// An event, without what follows from it.
    pub(super) fn take(&mut self, event: Event) {
        let effects = self.hub.handle(self.now, event);
        self.pending.extend(effects);
    }

    /// Carries out what is not held, until nothing more happens.
    pub(super) fn settle(&mut self) {
        let mut position = 0;
        while let Some(effect) = self.pending.get(position) {
            if (self.hold)(effect) {
                position += 1;
                continue;
            }
            let effect = self.pending.remove(position).unwrap();
            self.carry_out(effect);
            position = 0;
        }
    }

    pub(super) fn carry_out(&mut self, effect: Effect) {
        match effect {
            Effect::Send { connection, frame } => self.deliver(connection, &frame),
            Effect::Close { connection, reason } => {
                if let Some(client) = self.clients.get_mut(&connection) {
                    client.closed = Some(reason);
                }
                self.take(Event::Closed { connection });
            }
            Effect::Answer { exchange, outcome } => drop(self.answers.insert(exchange, outcome)),
            Effect::Load { document } => {
                let outcome = self.try_store(|store| store.list(document));
                self.take(Event::Loaded { document, outcome });
            }
            Effect::Store { document, chunk } => {
                let outcome = self.try_store(|store| {
                    store.chunks.entry(document).or_default().insert(chunk.name, chunk.bytes);
                });
                self.take(Event::Stored { document, outcome });
            }
            Effect::Replace { document, snapshot, covers } => {
                let outcome = self.try_store(|store| {
                    let chunks = store.chunks.entry(document).or_default();
                    chunks.insert(snapshot.name, snapshot.bytes);
                    covers.iter().for_each(|name| drop(chunks.remove(name)));
                });
                self.take(Event::Replaced { document, outcome });
            }
            Effect::Fetch { document, chunks } => {
                let outcome = self.try_store(|store| store.list(document));
                let asked = |chunk: &Chunk| chunks.is_empty() || chunks.contains(&chunk.name);
                let outcome = outcome.map(|all| all.into_iter().filter(asked).collect());
                self.take(Event::Fetched { document, outcome });
            }
            Effect::Quarantine { document, chunk, reason } => {
                let mut store = self.store.borrow_mut();
                store.chunks.entry(document).or_default().remove(&chunk);
                store.quarantine.push((document, chunk, reason));
            }
            Effect::Work(mut work) => {
                work.run();
                self.take(Event::Worked(work));
            }
            Effect::Announce { document, chunk } => self.announced.push((document, chunk)),
            Effect::Relay { document, frame } => self.relayed.push((document, frame)),
            Effect::Retire { project } => drop(self.retire.insert(project)),
            other => panic!("an effect that the driver does not know: {other:?}"),
        }
    }

    fn try_store<T>(&self, work: impl FnOnce(&mut Store) -> T) -> Result<T, StoreFailure> {
        let mut store = self.store.borrow_mut();
        match &store.failure {
            Some(failure) => Err(failure.clone()),
            None => Ok(work(&mut store)),
        }
    }

    /// A client that has said `join`.
    pub(super) fn connect(&mut self, name: &str, grant: Grant) -> ConnectionId {
        let connection = self.open(name, grant);
        self.say_join(connection);
        connection
    }

    pub(super) fn say_join(&mut self, connection: ConnectionId) {
        let sender = self.clients[&connection].name.clone();
        let join = Message::Join { sender, versions: vec!["1".into()], metadata: PeerMetadata::default() };
        self.say(connection, &join);
    }

    /// A client that has said nothing yet.
    pub(super) fn open(&mut self, name: &str, grant: Grant) -> ConnectionId {
        self.next += 1;
        let connection = ConnectionId(self.next);
        let client = Client {
            name: name.to_owned(),
            documents: BTreeMap::new(),
            told: Vec::new(),
            unavailable: Vec::new(),
            ephemeral: Vec::new(),
            closed: None,
            untaken: Vec::new(),
            frames: 0,
        };
        self.clients.insert(connection, client);
        self.event(Event::Connected { connection, grant });
        connection
    }

    /// A connection whose frames the test reads.
    pub(super) fn line(&mut self, grant: Grant) -> ConnectionId {
        self.next += 1;
        let connection = ConnectionId(self.next);
        self.lines.insert(connection, Vec::new());
        self.event(Event::Connected { connection, grant });
        connection
    }

    /// Does what [`Effect::Retire`] asked for.
    pub(super) fn retire(&mut self) {
        for project in std::mem::take(&mut self.retire) {
            let read: Chunks = self.store.borrow().chunks.clone();
            let bytes = |chunks: &BTreeMap<ChunkName, Vec<u8>>| chunks.values().cloned().collect::<Vec<_>>();
            let documents = read.iter().map(|(id, chunks)| (*id, bytes(chunks))).collect();
            let catalog = read.get(&DocumentId::derive(&project, Slot::Catalog)).map(bytes).unwrap_or_default();
            let retirement = retire(&project, &catalog, &documents).unwrap();
            for (document, bytes) in retirement.store {
                let chunk = Chunk::new(bytes);
                let name = chunk.name;
                self.store.borrow_mut().chunks.entry(document).or_default().insert(name, chunk.bytes);
                self.announced.push((document, name));
                self.event(Event::Noticed { document, chunk: name });
            }
            for id in retirement.delete {
                let mut store = self.store.borrow_mut();
                store.chunks.entry(id).or_default().retain(|name, _| !read[&id].contains_key(name));
            }
        }
        self.store.borrow_mut().chunks.retain(|_, chunks| !chunks.is_empty());
    }

    pub(super) fn say(&mut self, connection: ConnectionId, message: &Message) {
        self.event(Event::Received { connection, frame: message.encode().unwrap() });
    }

    pub(super) fn client(&mut self, connection: ConnectionId) -> &mut Client {
        self.clients.get_mut(&connection).unwrap()
    }

    /// What a client would send about a document now.
    pub(super) fn next_message(&mut self, connection: ConnectionId, id: DocumentId) -> Option<Message> {
        let client = self.client(connection);
        let (document, state) = client.documents.entry(id).or_default();
        let data = document.generate_sync_message(state)?.encode();
        let (sender, target) = (client.name.clone(), "hub".to_owned());
        let request = client.documents[&id].0.get_heads().is_empty();
        Some(Message::Sync { sender, target, document: id.to_string(), data, request })
    }

    /// A client says what it has to say about a document, and everybody goes on until nothing more happens.
    pub(super) fn sync(&mut self, connection: ConnectionId, id: DocumentId) {
        if let Some(message) = self.next_message(connection, id) {
            self.say(connection, &message);
        }
    }

    /// A client changes a document and sends it.
    pub(super) fn write(&mut self, connection: ConnectionId, id: DocumentId, key: &str, value: &str) {
        self.client(connection).edit(id, key, value);
        self.sync(connection, id);
    }

    fn deliver(&mut self, connection: ConnectionId, frame: &[u8]) {
        if let Some(line) = self.lines.get_mut(&connection) {
            line.push(frame.to_vec());
            return self.take(Event::Sent { connection, bytes: frame.len() });
        }
        let Some(client) = self.clients.get_mut(&connection) else { return };
        client.untaken.push(frame.len());
        client.frames += 1;
        assert!(client.frames < 10_000, "a conversation does not end");
        let mut answer = None;
        match Message::decode(frame).unwrap() {
            Message::Sync { document, data, sender, target, .. } => {
                assert_eq!(target, client.name);
                let id = parse(&document);
                let (mine, state) = client.documents.entry(id).or_default();
                let message = automerge::sync::Message::decode(&data).unwrap();
                mine.receive_sync_message(state, message).unwrap();
                answer = mine.generate_sync_message(state).map(|message| {
                    let data = message.encode();
                    Message::Sync { sender: client.name.clone(), target: sender, document, data, request: false }
                });
            }
            Message::DocUnavailable { document, .. } => client.unavailable.push(document),
            Message::Error { message, .. } => client.told.push(message),
            message @ Message::Ephemeral { .. } => client.ephemeral.push(message),
            Message::Peer { sender, version, .. } => assert_eq!((sender.as_str(), version.as_str()), ("hub", "1")),
            other => panic!("a hub does not say {other:?}"),
        }
        if self.reading {
            self.read_all(connection);
        }
        if let Some(answer) = answer {
            self.take(Event::Received { connection, frame: answer.encode().unwrap() });
        }
    }

    /// A client's socket takes what it was given.
    pub(super) fn read_all(&mut self, connection: ConnectionId) {
        for bytes in std::mem::take(&mut self.client(connection).untaken) {
            self.take(Event::Sent { connection, bytes });
        }
    }

    pub(super) fn tick(&mut self, seconds: u64) {
        self.now += Duration::from_secs(seconds);
        self.event(Event::Tick);
    }

    pub(super) fn exchange(
        &mut self,
        grant: Grant,
        project: &ProjectName,
        body: Vec<u8>,
    ) -> Result<Vec<u8>, ExchangeError> {
        self.next += 1;
        let exchange = ExchangeId(self.next);
        self.event(Event::Exchange { exchange, grant, project: project.clone(), body });
        self.answers.remove(&exchange).expect("every request is answered")
    }
}

pub(super) fn parse(id: &str) -> DocumentId {
    DocumentId(bs58::decode(id).with_check(None).into_vec().unwrap().try_into().unwrap())
}

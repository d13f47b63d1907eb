//! Connections between clients and hubs: frames in order, late, and cut off anywhere.

use std::collections::BTreeMap;

use skerry_sync::hub::{ConnectionId, Event, Grant};

use crate::trace;
use crate::world::{Client, Happening, World};

/// All connections, and who cannot reach whom.
#[derive(Debug, Default)]
pub(crate) struct Network {
    pub(crate) connections: BTreeMap<ConnectionId, Connection>,
    next: u64,
    /// Bytes of the largest frame that a hub sent.
    pub(crate) largest_frame: usize,
    /// Requests of the exchange so far.
    pub(crate) exchanges: u64,
    /// Clients that cannot reach a hub, and until when.
    pub(crate) apart: BTreeMap<(Client, usize), u64>,
}

/// One connection. Each side may know that it is over before the other does.
#[derive(Debug)]
#[allow(clippy::struct_excessive_bools, reason = "each is true or not by itself")]
pub(crate) struct Connection {
    pub(crate) client: Client,
    pub(crate) hub: usize,
    /// The hub's process.
    life: u64,
    open_at_hub: bool,
    open_at_client: bool,
    /// Nothing arrives any more.
    broken: bool,
    /// When the last frame of each direction arrives: the next one does not overtake it.
    to_hub: u64,
    to_client: u64,
    socket: u64,
    /// The client takes its time with reading.
    slow: bool,
}

impl World {
    /// Opens a connection; none when the hub cannot be reached.
    pub(crate) fn connect(&mut self, client: Client, hub: usize, grant: Grant) -> Option<ConnectionId> {
        let life = self.hubs.get(hub).filter(|node| node.core.is_some())?.life;
        if self.are_apart(client, hub) {
            return None;
        }
        self.network.next += 1;
        let connection = ConnectionId(self.network.next);
        let slow = self.rng.per_mille(self.plan.slow_reader);
        let open = Connection {
            client,
            hub,
            life,
            open_at_hub: true,
            open_at_client: true,
            broken: false,
            to_hub: self.now,
            to_client: self.now,
            socket: self.now,
            slow,
        };
        self.network.connections.insert(connection, open);
        self.trace.note(self.now, "connect", format_args!("{client:?} to hub {hub} as {}", connection.0));
        self.tell_hub(hub, life, Event::Connected { connection, grant });
        Some(connection)
    }

    /// A frame of a client leaves.
    pub(crate) fn send_to_hub(&mut self, id: ConnectionId, frame: Vec<u8>) {
        let delay = self.rng.between(0, self.plan.network_delay_max);
        let Some(connection) = self.network.connections.get_mut(&id).filter(|open| !open.broken) else { return };
        connection.to_hub = connection.to_hub.max(self.now + delay);
        let at = connection.to_hub;
        self.queue.at(at, Happening::FrameToHub { connection: id, frame });
    }

    /// A frame of a hub: the socket takes it when the client reads, then it travels.
    pub(crate) fn send_to_client(&mut self, hub: usize, id: ConnectionId, frame: Vec<u8>) {
        let delay = self.rng.between(0, self.plan.network_delay_max);
        let wait = self.rng.between(0, 4_000);
        self.network.largest_frame = self.network.largest_frame.max(frame.len());
        let Some(connection) = self.network.connections.get_mut(&id) else { return };
        if !connection.open_at_hub || connection.hub != hub {
            return self.fail(format!("hub {hub} sends on connection {}, which it knows to be closed", id.0));
        }
        connection.socket = connection.socket.max(self.now + if connection.slow { wait } else { 0 });
        connection.to_client = connection.to_client.max(connection.socket + delay);
        let (client, life, broken) = (connection.client, connection.life, connection.broken);
        let (taken, arrives) = (connection.socket, connection.to_client);
        let event = Box::new(Event::Sent { connection: id, bytes: frame.len() });
        self.queue.at(taken, Happening::ToHub { hub, life, event });
        self.check_said(hub, client, &frame);
        if !broken {
            self.queue.at(arrives, Happening::FrameToClient { connection: id, frame });
        }
    }

    pub(crate) fn frame_to_hub(&mut self, id: ConnectionId, frame: Vec<u8>) {
        let Some(connection) = self.network.connections.get(&id).filter(|open| open.open_at_hub) else { return };
        let (hub, life) = (connection.hub, connection.life);
        self.trace.note(self.now, "frame to hub", format_args!("{} {} bytes", id.0, frame.len()));
        self.trace.detail(self.now, || trace::frame(&frame));
        self.tell_hub(hub, life, Event::Received { connection: id, frame });
    }

    pub(crate) fn frame_to_client(&mut self, id: ConnectionId, frame: &[u8]) {
        let Some(connection) = self.network.connections.get(&id).filter(|open| open.open_at_client) else { return };
        let client = connection.client;
        self.trace.note(self.now, "frame to client", format_args!("{} {} bytes", id.0, frame.len()));
        self.trace.detail(self.now, || trace::frame(frame));
        match client {
            Client::Device(device) => self.device_hears(device, id, frame),
            Client::Plain(peer) => self.plain_hears(peer, id, frame),
        }
    }

    /// The line breaks: both sides learn of it, each in its time, and nothing that is sent from here on arrives.
    pub(crate) fn cut(&mut self, id: ConnectionId, reason: &str) {
        let (one, other) = (self.rng.between(0, 4_000), self.rng.between(0, 4_000));
        let Some(connection) = self.network.connections.get_mut(&id).filter(|open| !open.broken) else { return };
        connection.broken = true;
        self.trace.note(self.now, "line breaks", format_args!("{} {reason}", id.0));
        self.queue.at(self.now + one, Happening::CutAtHub { connection: id });
        self.queue.at(self.now + other, Happening::CutAtClient { connection: id, reason: reason.to_owned() });
    }

    /// All connections of a hub whose process died.
    pub(crate) fn cut_connections_of(&mut self, hub: usize, reason: &str) {
        let of = self.network.connections.iter_mut().filter(|(_, open)| open.hub == hub && open.open_at_hub);
        let ids: Vec<ConnectionId> = of
            .map(|(id, open)| {
                open.open_at_hub = false;
                *id
            })
            .collect();
        ids.into_iter().for_each(|id| self.cut(id, reason));
    }

    /// The hub closes, behind what it sent before.
    pub(crate) fn close_by_hub(&mut self, hub: usize, id: ConnectionId, reason: &str) {
        let Some(connection) = self.network.connections.get_mut(&id) else { return };
        if connection.hub != hub || !connection.open_at_hub {
            return;
        }
        let (soon, arrives) = (self.now + 1, connection.to_client.max(self.now) + 1);
        self.queue.at(soon, Happening::CutAtHub { connection: id });
        self.queue.at(arrives, Happening::CutAtClient { connection: id, reason: reason.to_owned() });
    }

    /// The client closes, or its process died.
    pub(crate) fn close_by_client(&mut self, id: ConnectionId) {
        let Some(connection) = self.network.connections.get_mut(&id) else { return };
        connection.open_at_client = false;
        let arrives = connection.to_hub.max(self.now) + 1;
        self.queue.at(arrives, Happening::CutAtHub { connection: id });
    }

    pub(crate) fn cut_at_hub(&mut self, id: ConnectionId) {
        let Some(connection) = self.network.connections.get_mut(&id).filter(|open| open.open_at_hub) else { return };
        connection.open_at_hub = false;
        let (hub, life) = (connection.hub, connection.life);
        self.tell_hub(hub, life, Event::Closed { connection: id });
        self.forget_connection(id);
    }

    pub(crate) fn cut_at_client(&mut self, id: ConnectionId, reason: &str) {
        let Some(connection) = self.network.connections.get_mut(&id).filter(|open| open.open_at_client) else { return };
        connection.open_at_client = false;
        let client = connection.client;
        self.trace.note(self.now, "client is cut off", format_args!("{client:?} {} {reason}", id.0));
        match client {
            Client::Device(device) => self.device_is_cut_off(device, id, reason),
            Client::Plain(peer) => self.plain_is_cut_off(peer, id),
        }
        self.forget_connection(id);
    }

    fn forget_connection(&mut self, id: ConnectionId) {
        if self.network.connections.get(&id).is_some_and(|open| !open.open_at_hub && !open.open_at_client) {
            self.network.connections.remove(&id);
        }
    }

    pub(crate) fn are_apart(&self, client: Client, hub: usize) -> bool {
        self.network.apart.get(&(client, hub)).is_some_and(|until| self.now < *until)
    }

    /// Sets a client and a hub apart for a while.
    pub(crate) fn part(&mut self, client: Client, hub: usize) {
        let until = self.now + self.rng.between(100, 20_000);
        self.network.apart.insert((client, hub), until);
        self.trace.note(self.now, "partition", format_args!("{client:?} hub {hub} until {until}"));
        let between = self.network.connections.iter().filter(|(_, open)| open.client == client && open.hub == hub);
        let ids: Vec<ConnectionId> = between.map(|(id, _)| *id).collect();
        ids.into_iter().for_each(|id| self.cut(id, "partition"));
    }
}

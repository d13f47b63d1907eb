//! Devices: real replicas on disks that fail, speaking by the exchange or by a connection that stays.

use std::time::Duration;

use skerry_sync::hub::{Access, ConnectionId, Event, ExchangeId, Grant, Scope};
use skerry_sync::wire::client::{Client as LiveClient, ClientEffect, ClientEvent};
use skerry_sync::{ExchangeError, OpenError, Record, RecordKey, Replica, Session, Timestamp};

use crate::Planted;
use crate::disk::Disk;
use crate::model::FORBIDDEN;
use crate::world::{Client, Happening, World};

/// Milliseconds since the Unix epoch when a run begins.
const EPOCH_MS: u64 = 1_700_000_000_000;

/// Milliseconds after which a device gives up on an answer.
const PATIENCE_MS: u64 = 15_000;

/// A device.
#[derive(Debug)]
pub(crate) struct Device {
    disk: Disk,
    /// None while its process is dead.
    pub(crate) replica: Option<Replica>,
    pub(crate) life: u64,
    pub(crate) access: Access,
    /// The hub that it speaks with, while it has a choice.
    pub(crate) hub: usize,
    /// Speaks with this hub only.
    pinned: bool,
    speech: Speech,
    /// The version after the last write that was acknowledged; none before the first.
    acknowledged: Option<String>,
    /// It wrote something that it may not write.
    pub(crate) trespassed: bool,
}

#[derive(Debug)]
enum Speech {
    Exchange { number: u64, session: Option<Box<Session>> },
    Live { client: Option<Box<LiveClient>>, connection: Option<ConnectionId>, connect_at: Option<u64> },
}

impl World {
    fn time(&self) -> Timestamp {
        Timestamp((EPOCH_MS + self.now) as i64)
    }

    fn client_time(&self) -> Duration {
        Duration::from_millis(EPOCH_MS + self.now)
    }

    pub(crate) fn add_device(&mut self) -> Result<(), String> {
        let live = self.rng.per_mille(500);
        let access = if self.rng.per_mille(120) { Access::Read } else { Access::Write };
        self.make_device(live, access, None)
    }

    /// A device that begins with nothing and speaks with one hub only.
    pub(crate) fn add_probe(&mut self, hub: usize) -> Result<(), String> {
        self.make_device(hub.is_multiple_of(2), Access::Write, Some(hub))
    }

    fn make_device(&mut self, live: bool, access: Access, pinned: Option<usize>) -> Result<(), String> {
        let speech = if live {
            Speech::Live { client: None, connection: None, connect_at: None }
        } else {
            Speech::Exchange { number: 0, session: None }
        };
        let disk = Disk::default();
        if self.plan.is_planted(Planted::SkipsFsync) && pinned.is_none() {
            disk.lie();
        }
        let hub = pinned.unwrap_or_else(|| self.rng.below(self.plan.hubs));
        let device = Device {
            disk,
            replica: None,
            life: 0,
            access,
            hub,
            pinned: pinned.is_some(),
            speech,
            acknowledged: None,
            trespassed: false,
        };
        self.devices.push(device);
        let index = self.devices.len() - 1;
        self.trace.note(self.now, "device", format_args!("{index} live {live} {access:?} hub {hub}"));
        self.start_device(index);
        let (project, now) = (self.project.clone(), self.time());
        let replica = self.devices.get(index).and_then(|device| device.replica.clone()).ok_or("no replica")?;
        // Whoever only reads, and a device that begins, learns of the project from a hub.
        if access == Access::Write && pinned.is_none() {
            replica.create_project(&project, "", now).map_err(|error| error.to_string())?;
        }
        Ok(())
    }

    pub(crate) fn start_device(&mut self, index: usize) {
        let actor = self.rng.bytes();
        let Some(device) = self.devices.get_mut(index).filter(|device| device.replica.is_none()) else { return };
        match device.disk.open(actor) {
            Ok(replica) => device.replica = Some(replica),
            // An environment that does not let anybody write is no damage: it is tried again.
            Err(OpenError::Io { reason, .. }) if device.disk.refuses() => {
                return self.trace.note(self.now, "store does not open", format_args!("{index}: {reason}"));
            }
            Err(error) => return self.fail(format!("device {index} does not open its store again: {error}")),
        }
        device.life += 1;
        let (life, replica, acknowledged) = (device.life, device.replica.clone(), device.acknowledged.clone());
        self.trace.note(self.now, "device starts", format_args!("{index}"));
        if let (Some(replica), Some(version)) = (&replica, acknowledged)
            && !matches!(replica.sequence_of(&self.project, &version), Ok(Some(_)))
        {
            return self.fail(format!("device {index} lost the acknowledged version {version} when its power failed"));
        }
        let first = self.now + self.rng.between(1, 1_000);
        self.queue.at(first, Happening::ClientTick { client: Client::Device(index), life });
        let Some(device) = self.devices.get_mut(index) else { return };
        if let (Speech::Live { client, connect_at, .. }, Some(replica)) = (&mut device.speech, replica) {
            let mut fresh = LiveClient::new(replica, &format!("hub{}", device.hub), &format!("device{index}"));
            fresh.handle(Duration::from_millis(EPOCH_MS + self.now), ClientEvent::Subscribe(self.project.clone()));
            *client = Some(Box::new(fresh));
            *connect_at = Some(first);
        }
    }

    /// The process dies; what was not synced is lost in part.
    pub(crate) fn kill_device(&mut self, index: usize) {
        let Some(device) = self.devices.get_mut(index).filter(|device| device.replica.is_some()) else { return };
        let connection = match &mut device.speech {
            Speech::Exchange { session, .. } => {
                *session = None;
                None
            }
            Speech::Live { client, connection, connect_at } => {
                (*client, *connect_at) = (None, None);
                connection.take()
            }
        };
        device.disk.power_off_after(0);
        device.replica = None;
        device.life += 1;
        let lost = device.disk.crash(&mut self.rng);
        self.trace.note(self.now, "device dies", format_args!("{index}, {lost} steps lost"));
        if lost > 0 {
            self.trace.note(self.now, "unsynced steps lost", format_args!("{index} {lost}"));
        }
        connection.into_iter().for_each(|connection| self.close_by_client(connection));
    }

    /// Kills a device, now or amid its next writes; it is started again by the next act that wants it.
    pub(crate) fn crash_device(&mut self, index: usize) {
        let steps = self.rng.below(12) as u32;
        if steps < 3 {
            return self.kill_device(index);
        }
        let Some(device) = self.devices.get(index).filter(|device| device.replica.is_some()) else { return };
        device.disk.power_off_after(steps);
        self.trace.note(self.now, "power about to fail", format_args!("{index} in {steps} steps"));
    }

    pub(crate) fn fill_disk(&mut self, index: usize, full: bool) {
        let Some(device) = self.devices.get(index) else { return };
        device.disk.set_full(full);
        self.trace.note(self.now, if full { "disk fills up" } else { "disk has room" }, format_args!("{index}"));
    }

    /// A write: of a record, of a deletion (no text), or of the project's description (no key).
    pub(crate) fn write(&mut self, index: usize, key: Option<&str>, text: Option<&str>) {
        let (project, now) = (self.project.clone(), self.time());
        let Some(device) = self.devices.get(index) else { return };
        let (Some(replica), access) = (device.replica.clone(), device.access) else { return };
        if replica.project(&project).is_err() {
            return;
        }
        let text =
            text.map(|text| if access == Access::Read { format!("{FORBIDDEN} {text}") } else { text.to_owned() });
        let parsed = key.map(RecordKey::parse).transpose().ok().flatten();
        let outcome = match (&parsed, &text) {
            (Some(key), Some(text)) => {
                let mut record = Record::text(key.clone(), text);
                record.data.insert(format!("by{index}"), self.now.into());
                replica.publish(&project, &[record], now).map(drop)
            }
            (Some(key), None) => replica.delete(&project, std::slice::from_ref(key), now).map(drop),
            (None, text) => {
                let text = text.clone().unwrap_or_default();
                replica.create_project(&project, &text, now).map(drop)
            }
        };
        match outcome {
            Ok(()) if access == Access::Read => {
                self.trace.note(self.now, "write of a reader", format_args!("{index} {key:?} {text:?}"));
                self.devices.iter_mut().skip(index).take(1).for_each(|device| device.trespassed = true);
            }
            Ok(()) => {
                self.trace.note(self.now, "write acknowledged", format_args!("{index} {key:?} {text:?}"));
                self.note_durable(index);
            }
            Err(error) => {
                self.trace.note(self.now, "write refused", format_args!("{index} {error}"));
                return self.after_refusal(index);
            }
        }
        self.device_changed(index);
    }

    /// All that the device holds now was acknowledged to somebody and must not be lost.
    fn note_durable(&mut self, index: usize) {
        let Some(device) = self.devices.get_mut(index) else { return };
        let Some(version) = device.replica.as_ref().and_then(|replica| replica.version(&self.project).ok()) else {
            return;
        };
        device.acknowledged = Some(version.to_string());
        if device.access == Access::Write {
            for (shard, heads) in (0..).zip(version.heads()) {
                self.model.acknowledge(skerry_sync::document::Slot::Shard(shard), heads);
            }
        }
    }

    /// A write failed: the disk is full, or the machine is off.
    fn after_refusal(&mut self, index: usize) {
        if self.devices.get(index).is_some_and(|device| device.disk.is_off()) {
            self.kill_device(index);
        }
    }

    pub(crate) fn grant_of(&self, access: Access) -> Grant {
        let access = if self.plan.is_planted(Planted::IgnoresAccess) { Access::Write } else { access };
        Grant { scope: Scope::Projects([self.project.clone()].into()), access }
    }

    fn device_changed(&mut self, index: usize) {
        let now = self.client_time();
        let changed = ClientEvent::Changed(self.project.clone());
        let Some(Device { speech: Speech::Live { client: Some(client), .. }, .. }) = self.devices.get_mut(index) else {
            return;
        };
        let effects = client.handle(now, changed);
        self.carry_out_live(index, effects);
    }

    pub(crate) fn tick_client(&mut self, client: Client, life: u64) {
        match client {
            Client::Device(index) => self.tick_device(index, life),
            Client::Plain(peer) => self.tick_plain(peer, life),
        }
    }

    fn tick_device(&mut self, index: usize, life: u64) {
        let Some(device) = self.devices.get_mut(index) else { return };
        if device.life != life || device.replica.is_none() {
            return;
        }
        let again = self.now + 1_000;
        self.queue.at(again, Happening::ClientTick { client: Client::Device(index), life });
        let due = match &mut device.speech {
            Speech::Exchange { session, .. } => session.is_none(),
            Speech::Live { connect_at, .. } => {
                let due = connect_at.is_some_and(|at| at <= self.now);
                if due {
                    *connect_at = None;
                }
                due
            }
        };
        match (&device.speech, due) {
            (Speech::Exchange { .. }, true) if self.rng.per_mille(250) => self.begin_session(index),
            (Speech::Live { .. }, true) => self.connect_live(index),
            (Speech::Live { .. }, false) => self.tell_live(index, ClientEvent::Tick),
            _ => {}
        }
    }

    fn tell_live(&mut self, index: usize, event: ClientEvent) {
        let now = self.client_time();
        let Some(Device { speech: Speech::Live { client: Some(client), .. }, .. }) = self.devices.get_mut(index) else {
            return;
        };
        let effects = client.handle(now, event);
        self.carry_out_live(index, effects);
        // What came in is on disk; unless the disk said no.
        self.after_refusal(index);
    }

    fn connect_live(&mut self, index: usize) {
        let Some(device) = self.devices.get(index) else { return };
        let (hub, grant) = (device.hub, self.grant_of(device.access));
        let opened = self.connect(Client::Device(index), hub, grant);
        let Some(Device { speech: Speech::Live { connection, .. }, .. }) = self.devices.get_mut(index) else { return };
        *connection = opened;
        let event = match opened {
            Some(_) => ClientEvent::Opened,
            None => ClientEvent::Closed { reason: "no answer".to_owned(), random: self.rng.number() },
        };
        self.tell_live(index, event);
    }

    fn carry_out_live(&mut self, index: usize, effects: Vec<ClientEffect>) {
        for effect in effects {
            let Some(Device { speech: Speech::Live { connection, connect_at, .. }, .. }) = self.devices.get_mut(index)
            else {
                return;
            };
            match effect {
                ClientEffect::Send(frame) => {
                    let open = *connection;
                    open.into_iter().for_each(|id| self.send_to_hub(id, frame.clone()));
                }
                ClientEffect::Close { reason } => {
                    let open = connection.take();
                    self.trace.note(self.now, "device closes", format_args!("{index} {reason}"));
                    open.into_iter().for_each(|id| self.close_by_client(id));
                    let random = self.rng.number();
                    return self.tell_live(index, ClientEvent::Closed { reason, random });
                }
                ClientEffect::ConnectAt(at) => {
                    *connect_at = Some((at.as_millis() as u64).saturating_sub(EPOCH_MS));
                }
                ClientEffect::Arrived { .. } => self.note_durable(index),
                ClientEffect::Settled { .. } => {
                    self.trace.note(self.now, "live client settled", format_args!("{index}"));
                }
                _ => self.fail("the simulator does not know an effect of the client".to_owned()),
            }
        }
    }

    pub(crate) fn device_hears(&mut self, index: usize, id: ConnectionId, frame: &[u8]) {
        let known = self
            .devices
            .get(index)
            .is_some_and(|device| matches!(&device.speech, Speech::Live { connection, .. } if *connection == Some(id)));
        if known {
            self.tell_live(index, ClientEvent::Received(vec![frame.to_vec()]));
        }
    }

    pub(crate) fn device_is_cut_off(&mut self, index: usize, id: ConnectionId, reason: &str) {
        let random = self.rng.number();
        let Some(Device { speech: Speech::Live { connection, .. }, .. }) = self.devices.get_mut(index) else { return };
        if *connection == Some(id) {
            *connection = None;
            self.tell_live(index, ClientEvent::Closed { reason: reason.to_owned(), random });
        }
    }

    /// Begins to synchronise by the exchange, or has the live client connect now.
    pub(crate) fn begin_session(&mut self, index: usize) {
        let any = self.rng.below(self.plan.hubs);
        let project = self.project.clone();
        let Some(device) = self.devices.get_mut(index) else { return };
        let Some(replica) = device.replica.clone() else { return };
        if !device.pinned {
            device.hub = if matches!(device.speech, Speech::Exchange { .. }) { any } else { device.hub };
        }
        match &mut device.speech {
            Speech::Exchange { number, session } => {
                *number += 1;
                *session = Some(Box::new(replica.session(&project)));
                self.next_round(index);
            }
            Speech::Live { connection: None, connect_at, .. } => *connect_at = Some(self.now),
            Speech::Live { .. } => {}
        }
    }

    fn next_round(&mut self, index: usize) {
        let Some(device) = self.devices.get_mut(index) else { return };
        let hub = device.hub;
        let Speech::Exchange { number, session } = &mut device.speech else { return };
        let Some(talk) = session else { return };
        let number = *number;
        match talk.next_request() {
            Ok(Some(body)) => self.send_request(index, hub, number, &body),
            Ok(None) => {
                *session = None;
                self.trace.note(self.now, "exchange done", format_args!("device {index} with hub {hub}"));
            }
            Err(error) => {
                *session = None;
                self.trace.note(self.now, "exchange broken off", format_args!("device {index}: {error}"));
                self.after_refusal(index);
            }
        }
    }

    fn send_request(&mut self, device: usize, hub: usize, session: u64, body: &[u8]) {
        self.queue.at(self.now + PATIENCE_MS, Happening::GiveUp { device, session });
        let apart = self.are_apart(Client::Device(device), hub);
        if apart || self.rng.per_mille(self.plan.exchange_lost) {
            return self.trace.note(self.now, "request lost", format_args!("device {device}"));
        }
        let copies = if self.rng.per_mille(self.plan.exchange_doubled) { 2 } else { 1 };
        for copy in 0..copies {
            if copy > 0 {
                self.trace.note(self.now, "request doubled", format_args!("device {device}"));
            }
            let delay = self.rng.between(1, self.plan.network_delay_max);
            self.queue.at(self.now + delay, Happening::Request { hub, device, session, body: body.to_vec() });
        }
    }

    pub(crate) fn request(&mut self, hub: usize, device: usize, session: u64, body: Vec<u8>) {
        let exchange = self.exchange_id();
        let Some(access) = self.devices.get(device).map(|device| device.access) else { return };
        let (grant, project) = (self.grant_of(access), self.project.clone());
        let Some(node) = self.hubs.get_mut(hub).filter(|node| node.core.is_some()) else {
            self.queue.at(self.now + 1, Happening::Answer { device, session, body: None });
            return;
        };
        node.requests.insert(exchange, (device, session));
        let life = node.life;
        self.trace.note(self.now, "request", format_args!("device {device} to hub {hub}, {} bytes", body.len()));
        self.tell_hub(hub, life, Event::Exchange { exchange, grant, project, body });
    }

    pub(crate) fn send_answer(&mut self, hub: usize, exchange: ExchangeId, outcome: Result<Vec<u8>, ExchangeError>) {
        let waiting = self.hubs.get_mut(hub).and_then(|node| node.requests.remove(&exchange));
        let Some((device, session)) = waiting else {
            return self.fail(format!("hub {hub} answers request {} twice, or one that nobody made", exchange.0));
        };
        let body = match outcome {
            Ok(body) => {
                self.check_answer(hub, &body);
                Some(body)
            }
            Err(error) => {
                self.trace.note(self.now, "exchange refused", format_args!("device {device}: {error}"));
                None
            }
        };
        if self.rng.per_mille(self.plan.exchange_lost) {
            return self.trace.note(self.now, "answer lost", format_args!("device {device}"));
        }
        let delay = self.rng.between(1, self.plan.network_delay_max);
        self.queue.at(self.now + delay, Happening::Answer { device, session, body });
    }

    pub(crate) fn answer(&mut self, index: usize, number: u64, body: Option<&[u8]>) {
        let Some(device) = self.devices.get_mut(index) else { return };
        let Speech::Exchange { number: current, session } = &mut device.speech else { return };
        // The second answer to a request that was doubled, or one that comes too late.
        let Some(talk) = session.as_mut().filter(|_| *current == number) else { return };
        let Some(body) = body else {
            *session = None;
            return;
        };
        *current += 1;
        match talk.handle_response(body) {
            Ok(()) => {
                self.note_durable(index);
                self.next_round(index);
            }
            Err(error) => {
                *session = None;
                self.trace.note(self.now, "answer not taken", format_args!("device {index}: {error}"));
                if matches!(error, ExchangeError::Damaged(_) | ExchangeError::Foreign(_)) {
                    self.fail(format!("device {index} cannot take what a hub answered: {error}"));
                }
                self.after_refusal(index);
            }
        }
    }

    pub(crate) fn give_up(&mut self, index: usize, number: u64) {
        let Some(device) = self.devices.get_mut(index) else { return };
        if let Speech::Exchange { number: current, session } = &mut device.speech
            && *current == number
            && session.take().is_some()
        {
            self.trace.note(self.now, "no answer", format_args!("device {index}"));
        }
    }
}

impl Device {
    /// Whether its power fails soon, or has failed.
    pub(crate) fn power_fails(&self) -> bool {
        self.disk.power_fails()
    }
}

//! Replicas connected to a hub: what they wrote apart meets, whatever breaks on the way, and nothing goes over the wire twice.

use std::collections::VecDeque;
use std::time::Duration;

use automerge::ChangeHash;
use proptest::prelude::*;
use skerry_sync::document::{DocumentId, Slot, genesis};
use skerry_sync::hub::{Access, CloseReason};
use skerry_sync::wire::client::{Agreement, Client, ClientEffect, ClientEvent, Link, ProjectSync};
use skerry_sync::wire::message::Message;
use skerry_sync::{ProjectName, Record, Replica};

use crate::convergence::record;
use crate::core_hub::CoreHub;
use crate::small_hub::{Line, SmallHub};
use crate::{NOW, all, key, project, text};

/// A replica and its connection: frames under way in both directions.
struct Device {
    _dir: Option<tempfile::TempDir>,
    replica: Replica,
    client: Client,
    online: bool,
    to_hub: VecDeque<Vec<u8>>,
    to_client: VecDeque<Vec<u8>>,
    bytes_sent: usize,
    bytes_received: usize,
    arrived: usize,
    closes: Vec<String>,
}

struct World {
    now: Duration,
    hub: TestHub,
    devices: Vec<Device>,
}

/// One of two hubs: what every server of automerge-repo does, and what ours does.
enum TestHub {
    Small(SmallHub),
    Core(Box<CoreHub>),
}

impl TestHub {
    fn small(&mut self) -> &mut SmallHub {
        let TestHub::Small(hub) = self else { panic!("this test needs the small hub") };
        hub
    }

    fn core(&mut self) -> &mut CoreHub {
        let TestHub::Core(hub) = self else { panic!("this test needs the real hub") };
        hub
    }

    fn hang_up(&mut self, line: Line) {
        match self {
            TestHub::Small(hub) => hub.hang_up(line),
            TestHub::Core(hub) => hub.hang_up(line),
        }
    }

    fn receive(&mut self, line: Line, frame: &[u8]) -> Vec<(Line, Vec<u8>)> {
        match self {
            TestHub::Small(hub) => hub.receive(line, frame),
            TestHub::Core(hub) => hub.receive(line, frame),
        }
    }

    fn heads(&self, slot: Slot) -> Vec<ChangeHash> {
        match self {
            TestHub::Small(hub) => hub.documents[&DocumentId::derive(&project(), slot).to_string()].get_heads(),
            TestHub::Core(hub) => hub.heads(&project(), slot),
        }
    }
}

impl Device {
    fn new() -> Device {
        let dir = tempfile::tempdir().unwrap();
        let replica = Replica::open(dir.path()).unwrap();
        let client = Client::new(replica.clone(), "ws://hub", "device");
        Device {
            _dir: Some(dir),
            replica,
            client,
            online: false,
            to_hub: VecDeque::new(),
            to_client: VecDeque::new(),
            bytes_sent: 0,
            bytes_received: 0,
            arrived: 0,
            closes: Vec::new(),
        }
    }
}

impl World {
    fn new(projects: &[&str], devices: usize) -> World {
        World::on(TestHub::Small(SmallHub::with(projects)), devices)
    }

    /// The same on both hubs.
    fn both(projects: &[&str], devices: usize) -> [World; 2] {
        [World::new(projects, devices), World::core(projects, devices)]
    }

    fn core(projects: &[&str], devices: usize) -> World {
        World::on(TestHub::Core(Box::new(CoreHub::with(projects))), devices)
    }

    fn on(hub: TestHub, devices: usize) -> World {
        let devices = (0..devices).map(|_| Device::new()).collect();
        let mut world = World { now: Duration::from_secs(1_000), hub, devices };
        (0..world.devices.len()).for_each(|line| world.event(line, ClientEvent::Subscribe(project())));
        world
    }

    fn event(&mut self, line: Line, event: ClientEvent) {
        self.now += Duration::from_millis(1);
        let device = &mut self.devices[line];
        for effect in device.client.handle(self.now, event) {
            match effect {
                ClientEffect::Send(frame) => {
                    assert!(device.online, "nothing is sent without a connection");
                    device.bytes_sent += frame.len();
                    device.to_hub.push_back(frame);
                }
                ClientEffect::Arrived { .. } => device.arrived += 1,
                ClientEffect::Close { reason } => device.closes.push(reason),
                ClientEffect::ConnectAt(at) => assert!(at > self.now && at <= self.now + Duration::from_mins(1)),
                _ => {}
            }
        }
    }

    fn connect(&mut self, line: Line) {
        self.connect_with(line, Access::Write);
    }

    fn connect_with(&mut self, line: Line, access: Access) {
        if !self.devices[line].online {
            self.devices[line].online = true;
            match &mut self.hub {
                TestHub::Core(hub) => hub.connect(line, access),
                TestHub::Small(hub) if access == Access::Read => drop(hub.read_only.insert(line)),
                TestHub::Small(hub) => drop(hub.read_only.remove(&line)),
            }
            self.event(line, ClientEvent::Opened);
        }
    }

    /// Frames that are under way are lost.
    fn disconnect(&mut self, line: Line) {
        if self.devices[line].online {
            let device = &mut self.devices[line];
            device.online = false;
            device.to_hub.clear();
            device.to_client.clear();
            self.hub.hang_up(line);
            self.event(line, ClientEvent::Closed { reason: "cut".into(), random: 7 });
        }
    }

    /// Delivers at most so many frames of a device to the hub, and then at most so many together to the device.
    fn deliver(&mut self, line: Line, up: usize, down: usize) -> bool {
        let mut moved = false;
        for _ in 0..up {
            let Some(frame) = self.devices[line].to_hub.pop_front() else { break };
            moved = true;
            for (line, frame) in self.hub.receive(line, &frame) {
                self.devices[line].bytes_received += frame.len();
                self.devices[line].to_client.push_back(frame);
            }
        }
        let device = &mut self.devices[line];
        let frames: Vec<Vec<u8>> = (0..down).map_while(|_| device.to_client.pop_front()).collect();
        if !frames.is_empty() {
            moved = true;
            self.event(line, ClientEvent::Received(frames));
        }
        moved
    }

    /// Delivers everything until nobody has anything to say.
    fn run(&mut self) {
        for _ in 0..10_000 {
            let moved = (0..self.devices.len()).map(|line| self.deliver(line, usize::MAX, 64)).collect::<Vec<_>>();
            if !moved.contains(&true) {
                return;
            }
        }
        panic!("they never stop talking");
    }

    fn publish(&mut self, line: Line, records: &[Record]) {
        let replica = self.devices[line].replica.clone();
        replica.create_project(&project(), "", NOW).unwrap();
        replica.publish(&project(), records, NOW).unwrap();
        self.event(line, ClientEvent::Changed(project()));
    }

    fn delete(&mut self, line: Line, name: &str) {
        if self.devices[line].replica.delete(&project(), &[key(name)], NOW).is_ok() {
            self.event(line, ClientEvent::Changed(project()));
        }
    }

    fn status(&mut self, line: Line) -> ProjectSync {
        let status = self.devices[line].client.status(self.now).unwrap();
        status.projects.into_iter().find(|status| status.name == project()).unwrap()
    }

    fn unsent(&mut self, line: Line) -> (usize, usize) {
        let status = self.status(line);
        (status.records_unsent, status.documents_unsent)
    }

    fn assert_settled(&mut self, line: Line) {
        let status = self.status(line);
        assert_eq!((status.agreement, status.records_unsent, status.documents_unsent), (Agreement::Settled, 0, 0));
        let replica = &self.devices[line].replica;
        assert!(has_all_of(&self.hub, replica));
        assert_eq!(replica.verify(&project()).unwrap().differing, Vec::<String>::new());
        assert_eq!(self.devices[line].closes, Vec::<String>::new());
    }
}

/// Whether the hub has exactly what the replica has.
fn has_all_of(hub: &TestHub, replica: &Replica) -> bool {
    let version = replica.version(&project()).unwrap();
    version.heads().iter().zip(Slot::all().skip(1)).all(|(heads, slot)| {
        let nothing = genesis(&project(), slot).unwrap().get_heads();
        hub.heads(slot) == if heads.is_empty() { nothing } else { heads.clone() }
    })
}

fn many(range: std::ops::Range<usize>, words: &str) -> Vec<Record> {
    range.map(|number| text(&format!("k{number}"), &format!("{words} {number}"))).collect()
}

/// Offline edits on both sides, of the same and of other records: after both were connected they hold the same, without a
/// project having been made on the second one.
#[test]
fn what_was_written_apart_meets_at_the_hub() {
    for mut world in World::both(&["notes"], 2) {
        world.publish(0, &many(0..40, "from one"));
        world.delete(0, "k7");
        assert_eq!(world.unsent(0), (40, 64.min(world.unsent(0).1)));
        world.connect(0);
        world.run();
        world.assert_settled(0);
        assert!(world.devices[1].replica.version(&project()).is_err());
        world.connect(1);
        world.run();
        assert_eq!(
            world.devices[1].replica.version(&project()).unwrap(),
            world.devices[0].replica.version(&project()).unwrap()
        );
        assert_eq!(all(&world.devices[1].replica).len(), 39);

        (0..2).for_each(|line| world.disconnect(line));
        world.publish(0, &[text("k1", "changed by one"), text("only one", "x")]);
        world.publish(1, &[text("k1", "changed by two"), text("only two", "y")]);
        world.delete(1, "k2");
        assert_eq!(world.unsent(0).0, 2);
        assert_eq!(world.unsent(1).0, 3);
        (0..2).for_each(|line| world.connect(line));
        world.run();
        (0..2).for_each(|line| world.assert_settled(line));
        assert_eq!(all(&world.devices[0].replica), all(&world.devices[1].replica));
        assert_eq!(all(&world.devices[0].replica).len(), 40);
    }
}

/// Connected, a write goes to the other replica in one message and back to the hub in one: nobody asks first.
#[test]
fn a_write_is_pushed_at_once() {
    for mut world in World::both(&["notes"], 2) {
        world.publish(0, &many(0..200, "before"));
        (0..2).for_each(|line| world.connect(line));
        world.run();
        world.publish(0, &[text("k3", "the new words")]);
        assert_eq!(world.devices[0].to_hub.len(), 1);
        assert_eq!(world.unsent(0), (1, 1));
        world.deliver(0, 1, 0);
        assert_eq!(world.devices[1].to_client.len(), 1);
        world.deliver(1, 0, 1);
        assert_eq!(world.devices[1].replica.get(&project(), &key("k3")).unwrap().unwrap().text, "the new words");
        world.run();
        (0..2).for_each(|line| world.assert_settled(line));
    }
}

/// Frames that come in together are one commit: a first sync must not cost an fsync for each of 65 documents.
#[test]
fn frames_that_come_together_are_one_commit() {
    for mut world in World::both(&["notes"], 2) {
        world.publish(0, &many(0..500, "before"));
        world.connect(0);
        world.run();
        world.connect(1);
        world.deliver(1, usize::MAX, usize::MAX);
        world.deliver(1, usize::MAX, usize::MAX);
        assert_eq!(world.devices[1].arrived, 1);
        assert_eq!(world.devices[1].replica.versions(&project(), 100).unwrap().len(), 1);
        world.run();
        world.assert_settled(1);
    }
}

/// After a time apart only what is new is sent, up and down; a replica that comes back and has nothing to say says its heads.
#[test]
fn resuming_sends_only_what_is_new() {
    for mut world in World::both(&["notes"], 2) {
        let long = "word ".repeat(200);
        world.publish(0, &many(0..1_000, &long));
        (0..2).for_each(|line| world.connect(line));
        world.run();
        let first = world.devices[1].bytes_received;
        let count = |world: &mut World, line: Line| {
            let device = &mut world.devices[line];
            (std::mem::take(&mut device.bytes_sent), std::mem::take(&mut device.bytes_received))
        };
        (0..2).for_each(|line| world.disconnect(line));
        (0..2).for_each(|line| assert_ne!(count(&mut world, line), (0, 0)));

        (0..2).for_each(|line| world.connect(line));
        world.run();
        let (sent, received) = count(&mut world, 1);
        assert_eq!(count(&mut world, 0).0, sent);
        assert!(sent < 65 * 250 && received < 65 * 250, "{sent} and {received} bytes to say that nothing is new");

        (0..2).for_each(|line| world.disconnect(line));
        world.publish(0, &[text("k5", "up")]);
        world.publish(1, &[text("k6", "down")]);
        (0..2).for_each(|line| world.connect(line));
        world.run();
        (0..2).for_each(|line| world.assert_settled(line));
        for line in 0..2 {
            let (up, down) = count(&mut world, line);
            assert!(
                up < sent + 800 && down < received + 800,
                "{up} and {down} bytes for a record each, {sent} and {received} for nothing, {first} for all"
            );
        }
    }
}

/// What the hub has is known after a restart of the program, without a connection.
#[test]
fn what_is_unsent_is_known_offline_and_after_a_restart() {
    let mut world = World::new(&["notes"], 1);
    world.publish(0, &many(0..20, "before"));
    world.connect(0);
    world.run();
    world.disconnect(0);
    world.publish(0, &[text("k1", "offline")]);
    let replica = world.devices[0].replica.clone();
    let mut fresh = Client::new(replica.clone(), "ws://hub", "device");
    fresh.handle(world.now, ClientEvent::Subscribe(project()));
    let status = fresh.status(world.now).unwrap();
    assert_eq!((status.projects[0].records_unsent, status.projects[0].documents_unsent), (1, 1));
    assert!(status.projects[0].agreed.is_some());
    assert_eq!(status.projects[0].agreement, Agreement::Apart);
    let mut elsewhere = Client::new(replica, "ws://another", "device");
    elsewhere.handle(world.now, ClientEvent::Subscribe(project()));
    let status = elsewhere.status(world.now).unwrap();
    assert_eq!((status.projects[0].records_unsent, status.projects[0].agreed), (20, None));
}

/// Only projects that are followed are talked about, and one that is followed no more is left alone.
#[test]
fn only_subscribed_projects_go_over_the_wire() {
    for mut world in World::both(&["notes", "other"], 2) {
        let other = ProjectName::parse("other").unwrap();
        for line in 0..2 {
            world.devices[line].replica.create_project(&other, "", NOW).unwrap();
        }
        world.devices[0].replica.publish(&other, &[text("secret", "stays here")], NOW).unwrap();
        world.publish(0, &many(0..5, "shared"));
        (0..2).for_each(|line| world.connect(line));
        world.event(0, ClientEvent::Changed(other.clone()));
        world.run();
        assert_eq!(all(&world.devices[1].replica).len(), 5);
        assert_eq!(world.devices[1].replica.scan(&other, None, 9).unwrap(), []);

        (0..2).for_each(|line| world.event(line, ClientEvent::Subscribe(other.clone())));
        world.run();
        assert_eq!(world.devices[1].replica.scan(&other, None, 9).unwrap().len(), 1);
        world.event(1, ClientEvent::Unsubscribe(other.clone()));
        world.devices[0].replica.publish(&other, &[text("later", "not for two")], NOW).unwrap();
        world.event(0, ClientEvent::Changed(other.clone()));
        world.run();
        assert_eq!(world.devices[1].replica.scan(&other, None, 9).unwrap().len(), 1);
    }
}

/// A token that may only read: what is written here is refused and the user sees why, reading goes on, and the two do not
/// repeat themselves for ever. With a better token the same changes go through.
#[test]
fn a_refusal_is_shown_and_does_not_stop_reading() {
    for mut world in World::both(&["notes"], 2) {
        world.publish(0, &many(0..10, "from the writer"));
        world.connect(0);
        world.connect_with(1, Access::Read);
        world.run();
        assert_eq!(all(&world.devices[1].replica).len(), 10);
        world.publish(1, &[text("mine", "not allowed")]);
        world.run();
        let complaint = world.devices[1].client.status(world.now).unwrap().complaint.unwrap();
        assert!(complaint.message.contains("read"), "{complaint:?}");
        assert_eq!(world.unsent(1), (1, 1));
        assert_eq!(world.status(1).agreement, Agreement::Syncing);
        world.publish(0, &many(10..20, "more"));
        world.run();
        assert_eq!(all(&world.devices[1].replica).len(), 21);
        assert_eq!(all(&world.devices[0].replica).len(), 20);

        world.disconnect(1);
        world.connect(1);
        world.run();
        (0..2).for_each(|line| world.assert_settled(line));
        assert_eq!(world.devices[1].client.status(world.now).unwrap().complaint, None);
        assert_eq!(all(&world.devices[0].replica).len(), 21);
    }
}

/// A project that the token does not allow is shown as refused; the others sync, and the next connection asks again.
#[test]
fn a_project_that_the_token_does_not_allow_is_refused() {
    let mut world = World::new(&["notes"], 1);
    let hidden = ProjectName::parse("hidden").unwrap();
    world.event(0, ClientEvent::Subscribe(hidden.clone()));
    world.publish(0, &many(0..5, "x"));
    world.connect(0);
    world.run();
    world.assert_settled(0);
    let of = |world: &mut World| {
        let projects = world.devices[0].client.status(world.now).unwrap().projects;
        projects.into_iter().find(|status| status.name == hidden).unwrap().agreement
    };
    let refused = of(&mut world);
    assert!(matches!(&refused, Agreement::Refused(reason) if reason.contains("token")), "{refused:?}");
    world.disconnect(0);
    assert_eq!(of(&mut world), Agreement::Apart);
    world.hub.small().documents.extend(SmallHub::with(&["hidden"]).documents);
    world.connect(0);
    world.run();
    assert_eq!(of(&mut world), Agreement::Settled);
}

/// A hub that lost its store, or went back to a backup, gets everything again from those who have it.
#[test]
fn a_hub_that_lost_its_data_gets_it_again() {
    let mut world = World::new(&["notes"], 2);
    world.publish(0, &many(0..100, "kept on devices"));
    (0..2).for_each(|line| world.connect(line));
    world.run();
    (0..2).for_each(|line| world.disconnect(line));
    world.publish(1, &[text("new", "while the hub was away")]);
    world.hub = TestHub::Small(SmallHub::with(&["notes"]));
    (0..2).for_each(|line| world.connect(line));
    world.run();
    (0..2).for_each(|line| world.assert_settled(line));
    assert_eq!(all(&world.devices[0].replica).len(), 101);
}

/// The hub's store is full: nothing is taken for sent, the user is told, and when there is space again everything goes up. The
/// hub may also die between storing and answering.
#[test]
fn a_hub_that_cannot_store_is_tried_again() {
    let mut world = World::core(&["notes"], 2);
    (0..2).for_each(|line| world.connect(line));
    world.run();
    world.hub.core().full = true;
    world.publish(0, &many(0..10, "too much"));
    world.run();
    let closes = std::mem::take(&mut world.hub.core().closes);
    assert!(matches!(&closes[..], [(0, CloseReason::Store(_))]), "{closes:?}");
    world.disconnect(0);
    let complaint = world.devices[0].client.status(world.now).unwrap().complaint.unwrap();
    assert!(complaint.message.contains("full"), "{complaint:?}");
    assert_eq!(world.unsent(0).0, 10);
    assert!(world.devices[1].replica.version(&project()).is_err());

    world.hub.core().full = false;
    world.now += Duration::from_mins(1);
    world.connect(0);
    world.deliver(0, usize::MAX, 0);
    world.hub.core().restart();
    (0..2).for_each(|line| world.disconnect(line));
    (0..2).for_each(|line| world.connect(line));
    world.run();
    (0..2).for_each(|line| world.assert_settled(line));
    assert_eq!(all(&world.devices[1].replica).len(), 10);
}

/// A device restored from an old backup of its folder gets back what it sent since.
#[test]
fn a_replica_restored_from_a_backup_gets_its_changes_back() {
    let mut world = World::new(&["notes"], 1);
    world.publish(0, &many(0..10, "before the backup"));
    world.connect(0);
    world.run();
    world.disconnect(0);
    let backup = tempfile::tempdir().unwrap();
    let old = Device::new();
    // What the backup has, by way of the exchange; its note says more than its documents have.
    let mut session = old.replica.session(&project());
    while let Some(request) = session.next_request().unwrap() {
        session.handle_response(&world.devices[0].replica.exchange(&project(), &request).unwrap()).unwrap();
    }
    world.publish(0, &many(5..15, "behind the backup"));
    world.connect(0);
    world.run();
    world.disconnect(0);
    let all_of_it = all(&world.devices[0].replica);
    world.devices[0] = old;
    world.event(0, ClientEvent::Subscribe(project()));
    world.publish(0, &[text("k0", "written on the restored one")]);
    world.connect(0);
    world.run();
    world.assert_settled(0);
    assert_eq!(all(&world.devices[0].replica).len(), all_of_it.len());
    drop(backup);
}

/// A connection that says nothing, or nonsense, is closed with a reason and made again.
#[test]
fn nonsense_and_silence_end_the_connection() {
    let mut world = World::new(&["notes"], 1);
    world.connect(0);
    world.now += Duration::from_secs(20);
    world.event(0, ClientEvent::Tick);
    assert!(world.devices[0].closes[0].contains("did not say who it is"), "{:?}", world.devices[0].closes);
    world.disconnect(0);
    for frame in [&b""[..], b"\xff", b"GET / HTTP/1.1", &[0xa1; 40]] {
        world.connect(0);
        world.event(0, ClientEvent::Received(vec![frame.to_vec()]));
        let reason = world.devices[0].closes.pop().unwrap();
        assert!(reason.contains("damaged frame"), "{reason}");
        world.disconnect(0);
        let status = world.devices[0].client.status(world.now).unwrap();
        assert!(status.complaint.unwrap().message.contains("damaged frame"));
        assert!(matches!(status.link, Link::Waiting { .. }));
    }
    world.devices[0].closes.clear();
    world.publish(0, &many(0..3, "x"));
    world.connect(0);
    world.run();
    world.assert_settled(0);
}

/// Changes that begin another document in the place of the project's are refused, and only that document is left alone.
#[test]
fn foreign_changes_are_refused() {
    use automerge::transaction::Transactable;
    let mut world = World::new(&["notes"], 1);
    let (name, document) = world.hub.small().documents.iter_mut().next().unwrap();
    let name = name.clone();
    let mut foreign = automerge::Automerge::new();
    let mut transaction = foreign.transaction();
    transaction.put(automerge::ROOT, "format", "skerry/1").unwrap();
    transaction.commit();
    document.merge(&mut foreign).unwrap();
    world.publish(0, &many(0..200, "mine"));
    world.connect(0);
    world.run();
    let status = world.status(0);
    assert!(
        matches!(&status.agreement, Agreement::Refused(reason) if reason.contains("does not build")),
        "{name}: {status:?}"
    );
    assert_eq!(status.documents_unsent, 1);
    assert_eq!(world.devices[0].replica.verify(&project()).unwrap().differing, Vec::<String>::new());
}

/// The first frame is a join that any hub of automerge-repo understands.
#[test]
fn the_client_joins_as_automerge_repo_does() {
    let mut world = World::new(&["notes"], 1);
    world.connect(0);
    let Message::Join { sender, versions, .. } = Message::decode(&world.devices[0].to_hub[0]).unwrap() else {
        panic!("no join");
    };
    assert_eq!((sender.as_str(), versions), ("device", vec!["1".to_owned()]));
}

#[derive(Debug, Clone)]
enum Step {
    Publish(Line, Record),
    Delete(Line, u8),
    Connect(Line),
    Disconnect(Line),
    Deliver(Line, usize, usize),
    Restart(Line),
}

fn step() -> impl Strategy<Value = Step> {
    let line = 0_usize..3;
    prop_oneof![
        4 => (line.clone(), record()).prop_map(|(line, record)| Step::Publish(line, record)),
        1 => (line.clone(), 0_u8..5).prop_map(|(line, key)| Step::Delete(line, key)),
        3 => line.clone().prop_map(Step::Connect),
        1 => line.clone().prop_map(Step::Disconnect),
        6 => (line.clone(), 0_usize..40, 0_usize..40).prop_map(|(line, up, down)| Step::Deliver(line, up, down)),
        1 => line.prop_map(Step::Restart),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(96))]

    /// Whatever is written, wherever connections break with frames under way, whenever a program is started anew: once
    /// connected, all replicas and the hub have the same, and every one knows that.
    #[test]
    fn replicas_converge_wherever_connections_break(small: bool, steps in proptest::collection::vec(step(), 1..40)) {
        let mut world = if small { World::new(&["notes"], 3) } else { World::core(&["notes"], 3) };
        for step in steps {
            match step {
                Step::Publish(line, record) => world.publish(line, &[record]),
                Step::Delete(line, name) => world.delete(line, &format!("k{name}")),
                Step::Connect(line) => world.connect(line),
                Step::Disconnect(line) => world.disconnect(line),
                Step::Deliver(line, up, down) => drop(world.deliver(line, up, down)),
                Step::Restart(line) => {
                    // No goodbye: what the hub has is not noted down.
                    let device = &mut world.devices[line];
                    device.client = Client::new(device.replica.clone(), "ws://hub", "device");
                    device.online = false;
                    device.to_hub.clear();
                    device.to_client.clear();
                    world.hub.hang_up(line);
                    world.event(line, ClientEvent::Subscribe(project()));
                }
            }
        }
        (0..3).for_each(|line| world.connect(line));
        world.run();
        if world.devices[0].replica.version(&project()).is_ok() {
            let records = all(&world.devices[0].replica);
            for line in 0..3 {
                world.assert_settled(line);
                prop_assert_eq!(&all(&world.devices[line].replica), &records);
            }
        }
    }
}

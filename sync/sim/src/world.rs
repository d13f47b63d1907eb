//! One run: everything that there is, and the loop that makes things happen one after another.

use std::time::Duration;

use skerry_sync::ProjectName;
use skerry_sync::hub::{ConnectionId, Event, ExchangeId};

use crate::Options;
use crate::central::Central;
use crate::device::Device;
use crate::hub_node::{HubNode, StoreStep};
use crate::model::Model;
use crate::names;
use crate::network::Network;
use crate::plain::PlainPeer;
use crate::plan::Plan;
use crate::queue::Queue;
use crate::rng::Rng;
use crate::trace::Trace;

/// Steps of one run; more is a loop.
const STEPS_MAX: u64 = 400_000;

/// Time after the last fault within which all must be the same everywhere.
const QUIET_WITHIN_MS: u64 = 600_000;

/// How often it is looked whether it is.
const LOOK_EVERY_MS: u64 = 4_700;

/// Who speaks with a hub.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Client {
    Device(usize),
    Plain(usize),
}

/// Something that will happen.
#[derive(Debug)]
pub(crate) enum Happening {
    /// The next operation or fault.
    Act,
    /// A second has passed for a hub.
    HubTick {
        hub: usize,
        life: u64,
    },
    /// A hub that died comes back.
    StartHub {
        hub: usize,
    },
    /// A hub is told something; nobody is when it has died since.
    ToHub {
        hub: usize,
        life: u64,
        event: Box<Event>,
    },
    /// A hub's worker finishes.
    Work {
        hub: usize,
        life: u64,
        work: Box<skerry_sync::hub::DocumentWork>,
    },
    /// The store does something that a hub asked for, whether or not the hub lives.
    Store {
        hub: usize,
        life: u64,
        step: StoreStep,
    },
    /// A frame or the end of a connection reaches one of its sides.
    FrameToHub {
        connection: ConnectionId,
        frame: Vec<u8>,
    },
    FrameToClient {
        connection: ConnectionId,
        frame: Vec<u8>,
    },
    CutAtHub {
        connection: ConnectionId,
    },
    CutAtClient {
        connection: ConnectionId,
        reason: String,
    },
    /// A request of the exchange reaches a hub.
    Request {
        hub: usize,
        device: usize,
        session: u64,
        body: Vec<u8>,
    },
    /// Its answer reaches the device; none for a refusal.
    Answer {
        device: usize,
        session: u64,
        body: Option<Vec<u8>>,
    },
    /// A device gives up waiting.
    GiveUp {
        device: usize,
        session: u64,
    },
    /// A client does what it does from time to time.
    ClientTick {
        client: Client,
        life: u64,
    },
    /// The notice bus brings a hub what another one said.
    Notice {
        hub: usize,
        event: Box<Event>,
    },
}

/// All of it.
#[derive(Debug)]
pub(crate) struct World {
    pub(crate) rng: Rng,
    pub(crate) now: u64,
    pub(crate) queue: Queue<Happening>,
    pub(crate) plan: Plan,
    pub(crate) project: ProjectName,
    pub(crate) central: Central,
    pub(crate) hubs: Vec<HubNode>,
    pub(crate) devices: Vec<Device>,
    pub(crate) plain: Vec<PlainPeer>,
    pub(crate) network: Network,
    pub(crate) model: Model,
    pub(crate) trace: Trace,
    /// The first thing that went against a rule.
    pub(crate) failure: Option<String>,
    acts_left: usize,
    mended: bool,
}

impl World {
    pub(crate) fn new(seed: u64, options: Options) -> Result<World, String> {
        let mut rng = Rng::new(seed);
        let plan = Plan::new(&mut rng, options.planted);
        let project = ProjectName::parse(names::PROJECT).map_err(|error| error.to_string())?;
        let mut world = World {
            rng,
            now: 0,
            queue: Queue::default(),
            acts_left: plan.acts,
            plan,
            project,
            central: Central::default(),
            hubs: Vec::new(),
            devices: Vec::new(),
            plain: Vec::new(),
            network: Network::default(),
            model: Model::default(),
            trace: Trace::new(options.trace),
            failure: None,
            mended: false,
        };
        let what = format!("{:?}", world.plan);
        world.trace.note(0, "run", format_args!("seed {seed}: {what}"));
        (0..world.plan.hubs).for_each(|_| world.add_hub());
        for _ in 0..world.plan.devices {
            world.add_device()?;
        }
        for _ in 0..world.plan.plain_peers {
            world.add_plain_peer()?;
        }
        world.queue.at(1, Happening::Act);
        Ok(world)
    }

    /// Time as hubs are told it.
    pub(crate) fn hub_time(&self) -> Duration {
        Duration::from_millis(self.now)
    }

    /// Breaks off the run: a rule was broken.
    pub(crate) fn fail(&mut self, what: String) {
        self.trace.note(self.now, "FAILED", format_args!("{what}"));
        self.failure.get_or_insert(what);
    }

    /// Lets everything happen, then mends it and lets it come to rest, then checks it.
    pub(crate) fn run(&mut self) {
        let mut steps = 0;
        while self.failure.is_none() && !self.mended {
            self.step(&mut steps);
        }
        let end = self.now + QUIET_WITHIN_MS;
        let mut look_at = self.now + LOOK_EVERY_MS;
        while self.failure.is_none() {
            if self.now >= look_at || self.queue.next_time().is_none() {
                look_at = self.now + LOOK_EVERY_MS;
                match self.unsettled().or_else(|| self.over_budget()) {
                    None => return self.check_at_rest(),
                    Some(why) if self.now > end => return self.fail(format!("it does not come to rest: {why}")),
                    Some(_) => {}
                }
            }
            self.step(&mut steps);
        }
    }

    fn step(&mut self, steps: &mut u64) {
        *steps += 1;
        let Some((time, happening)) = self.queue.next() else {
            return self.fail("nothing happens any more".to_owned());
        };
        if *steps > STEPS_MAX {
            return self.fail(format!("more than {STEPS_MAX} steps; the next would be {happening:?}"));
        }
        self.now = time;
        match happening {
            Happening::Act if self.acts_left > 0 => {
                self.acts_left -= 1;
                self.act();
                let pause = self.rng.between(1, self.plan.pause_max);
                self.queue.at(self.now + pause, Happening::Act);
            }
            Happening::Act => {
                self.mend();
                self.mended = true;
            }
            Happening::HubTick { hub, life } => self.tick_hub(hub, life),
            Happening::StartHub { hub } => self.start_hub(hub),
            Happening::ToHub { hub, life, event } => self.tell_hub(hub, life, *event),
            Happening::Work { hub, life, work } => self.finish_work(hub, life, work),
            Happening::Store { hub, life, step } => self.store_step(hub, life, step),
            Happening::FrameToHub { connection, frame } => self.frame_to_hub(connection, frame),
            Happening::FrameToClient { connection, frame } => self.frame_to_client(connection, &frame),
            Happening::CutAtHub { connection } => self.cut_at_hub(connection),
            Happening::CutAtClient { connection, reason } => self.cut_at_client(connection, &reason),
            Happening::Request { hub, device, session, body } => self.request(hub, device, session, body),
            Happening::Answer { device, session, body } => self.answer(device, session, body.as_deref()),
            Happening::GiveUp { device, session } => self.give_up(device, session),
            Happening::ClientTick { client, life } => self.tick_client(client, life),
            Happening::Notice { hub, event } => self.notice(hub, *event),
        }
    }

    pub(crate) fn into_trace(self) -> Trace {
        self.trace
    }

    /// A new number for a request of the exchange.
    pub(crate) fn exchange_id(&mut self) -> ExchangeId {
        self.network.exchanges += 1;
        ExchangeId(self.network.exchanges)
    }
}

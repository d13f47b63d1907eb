//! The seeded simulator of the sync service.
//!
//! A run has one to three hubs (the core that the service runs, [`skerry_sync::hub::Hub`]) over one faulty store, replicas on
//! disks that fail (real ones, [`skerry_sync::Replica`]), and plain Automerge peers, all in one thread with a time of their own.
//! Everything that happens follows from the seed: who writes what, what is late, lost, doubled or cut off, where a process dies.
//! After the last fault everything is mended, and then it must come to rest: no acknowledged write lost, the same records
//! everywhere, nothing that somebody wrote who may not. docs/simulator.md says what is modelled and what is not.
//!
//! ```
//! let outcome = skerry_sim::run(7, &skerry_sim::Options::default());
//! assert_eq!(outcome.failure, None);
//! ```

mod acts;
mod central;
mod device;
mod disk;
mod hub_node;
mod model;
mod names;
mod network;
mod plain;
mod plan;
mod queue;
mod rng;
mod sweep;
mod trace;
mod world;

use std::collections::BTreeMap;
use std::panic::{AssertUnwindSafe, catch_unwind};

pub use sweep::{Summary, sweep};

/// How to run.
#[derive(Debug, Clone, Copy, Default)]
pub struct Options {
    /// Keep every line of what happened.
    pub trace: bool,
    /// A fault of the driver around the hubs and replicas: a simulator that does not find it is worth nothing.
    pub planted: Option<Planted>,
}

/// Faults that drivers could have.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Planted {
    /// The hub is told that a chunk is stored before it is.
    AcknowledgesBeforeStored,
    /// Chunks are deleted before the snapshot that covers them is stored.
    DeletesBeforeSnapshot,
    /// A device's disk says that it synced and did not.
    SkipsFsync,
    /// Hubs do not tell each other what they store.
    ForgetsNotices,
    /// Readers are let in as writers.
    IgnoresAccess,
}

/// What came of a run.
#[derive(Debug, Clone)]
pub struct Outcome {
    /// Its seed.
    pub seed: u64,
    /// The first rule that was broken.
    pub failure: Option<String>,
    /// What happened, how often.
    pub counts: BTreeMap<&'static str, u64>,
    /// SHA-256 of all that happened, line by line: the same for the same seed.
    pub digest: String,
    /// The lines, where they were asked for.
    pub trace: Vec<String>,
    /// How long it took in the run's own time, in milliseconds.
    pub simulated_ms: u64,
}

/// Runs one seed.
pub fn run(seed: u64, options: &Options) -> Outcome {
    let mut world = match world::World::new(seed, *options) {
        Ok(world) => world,
        Err(error) => return broken(seed, error),
    };
    // A panic anywhere in the core is a failure of this seed, not the end of the others.
    if let Err(payload) = catch_unwind(AssertUnwindSafe(|| world.run())) {
        let text = payload.downcast_ref::<&str>().map(|text| (*text).to_owned());
        let text = text.or_else(|| payload.downcast_ref::<String>().cloned()).unwrap_or_default();
        world.fail(format!("panic: {text}"));
    }
    let (failure, simulated_ms) = (world.failure.clone(), world.now);
    let (digest, counts, trace) = world.into_trace().finish();
    Outcome { seed, failure, counts, digest, trace, simulated_ms }
}

fn broken(seed: u64, error: String) -> Outcome {
    let (counts, digest, trace) = (BTreeMap::new(), String::new(), Vec::new());
    Outcome { seed, failure: Some(error), counts, digest, trace, simulated_ms: 0 }
}

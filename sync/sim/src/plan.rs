//! What a run is like: drawn from its seed before it begins.

use std::time::Duration;

use skerry_sync::hub::Limits;

use crate::Planted;
use crate::rng::Rng;

/// How often faults happen, in a thousand, and how long things take, in milliseconds of the run's own time.
#[derive(Debug)]
pub(crate) struct Plan {
    pub(crate) hubs: usize,
    pub(crate) devices: usize,
    pub(crate) plain_peers: usize,
    pub(crate) keys: Vec<String>,
    /// Operations and faults before everything is mended.
    pub(crate) acts: usize,
    /// Milliseconds between them at most.
    pub(crate) pause_max: u64,
    pub(crate) network_delay_max: u64,
    pub(crate) store_delay_max: u64,
    pub(crate) exchange_lost: u32,
    pub(crate) exchange_doubled: u32,
    pub(crate) store_fails: u32,
    pub(crate) notices_lost: u32,
    pub(crate) notices_doubled: u32,
    pub(crate) slow_reader: u32,
    pub(crate) bit_flips: bool,
    pub(crate) device_faults: bool,
    pub(crate) hub_crashes: bool,
    pub(crate) limits: Limits,
    pub(crate) planted: Option<Planted>,
}

impl Plan {
    pub(crate) fn new(rng: &mut Rng, planted: Option<Planted>) -> Plan {
        // A third of all runs is calm in one respect, so that faults also meet alone.
        let mut chance = |most: u64| if rng.per_mille(333) { 0 } else { rng.between(0, most) as u32 };
        let rates = [chance(300), chance(200), chance(250), chance(300), chance(200), chance(300)];
        let [exchange_lost, exchange_doubled, store_fails, notices_lost, notices_doubled, slow_reader] = rates;
        let limits = Limits {
            chunks_max: *rng.pick(&[2, 3, 5, 64]).unwrap_or(&64),
            documents_bytes_max: *rng.pick(&[1, 200_000, 64 << 20]).unwrap_or(&(64 << 20)),
            queue_bytes_max: *rng.pick(&[400, 4_000, 4 << 20]).unwrap_or(&(4 << 20)),
            handshake_max: Duration::from_secs(10),
            // A fault that is planted in the notices must not be made good by looking again.
            look_again_after: Duration::from_secs(if planted.is_some() { 100_000 } else { 120 }),
            ..Limits::default()
        };
        Plan {
            hubs: 1 + rng.below(3),
            devices: 2 + rng.below(2),
            plain_peers: 1 + rng.below(3),
            keys: keys(rng),
            acts: 20 + rng.below(40),
            pause_max: *rng.pick(&[100, 1_000, 4_000]).unwrap_or(&500),
            network_delay_max: *rng.pick(&[5, 100, 2_000]).unwrap_or(&100),
            store_delay_max: *rng.pick(&[2, 50, 1_500]).unwrap_or(&50),
            exchange_lost,
            exchange_doubled,
            store_fails,
            notices_lost,
            notices_doubled,
            slow_reader,
            bit_flips: rng.per_mille(150),
            device_faults: rng.per_mille(700),
            hub_crashes: rng.per_mille(700),
            limits,
            planted,
        }
    }

    pub(crate) fn is_planted(&self, fault: Planted) -> bool {
        self.planted == Some(fault)
    }

    /// Nothing more goes wrong from here on.
    pub(crate) fn calm(&mut self) {
        for chance in [
            &mut self.exchange_lost,
            &mut self.exchange_doubled,
            &mut self.store_fails,
            &mut self.notices_lost,
            &mut self.notices_doubled,
            &mut self.slow_reader,
        ] {
            *chance = 0;
        }
        (self.bit_flips, self.device_faults, self.hub_crashes) = (false, false, false);
        (self.network_delay_max, self.store_delay_max) = (self.network_delay_max.min(50), self.store_delay_max.min(20));
    }
}

/// A few keys in one or two shards, so that writers meet in the same documents.
fn keys(rng: &mut Rng) -> Vec<String> {
    use skerry_sync::RecordKey;
    use skerry_sync::document::Slot;
    let count = 2 + rng.below(3);
    let first = rng.below(64) as u16;
    let wanted = [Slot::Shard(first), Slot::Shard((first + 1) % 64)];
    let slot = |name: &String| RecordKey::parse(name).ok().map(|key| Slot::of(&key));
    let names = (0..10_000).map(|number| format!("k{number}"));
    names.filter(|name| slot(name).is_some_and(|slot| wanted.contains(&slot))).take(count).collect()
}

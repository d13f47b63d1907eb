//! What people and misfortune do, drawn one after another.

use crate::device::Device;
use crate::world::{Client, World};

impl World {
    /// One operation or fault.
    pub(crate) fn act(&mut self) {
        let device = self.rng.below(self.devices.len());
        let peer = self.rng.below(self.plain.len());
        let hub = self.rng.below(self.hubs.len());
        let key = self.rng.pick(&self.plan.keys).cloned().unwrap_or_default();
        let text = format!("words {}", self.now);
        // A device that is dead is started by whoever wants to use it.
        match self.rng.below(100) {
            0..22 => {
                self.start_device(device);
                self.write(device, Some(&key), Some(&text));
            }
            22..27 => self.write(device, Some(&key), None),
            27..30 => self.write(device, None, Some(&text)),
            30..44 => self.plain_writes(peer, &key, Some(&text)),
            44..47 => self.plain_writes(peer, &key, None),
            47..60 => {
                self.start_device(device);
                self.begin_session(device);
            }
            60..66 => self.connect_plain(peer, hub),
            66..68 => self.disconnect_plain(peer),
            68..70 => self.crash_plain(peer),
            70..75 if self.plan.device_faults => self.crash_device(device),
            75..78 if self.plan.device_faults => {
                let full = self.rng.per_mille(500);
                self.fill_disk(device, full);
            }
            78..83 if self.plan.hub_crashes => self.crash_hub(hub),
            83..90 => {
                let client = if self.rng.per_mille(500) { Client::Device(device) } else { Client::Plain(peer) };
                self.part(client, hub);
            }
            90..93 => {
                self.central.full_until = self.now + self.rng.between(100, 8_000);
                self.trace.note(self.now, "store fills up", format_args!("until {}", self.central.full_until));
            }
            93..95 => {
                self.central.down_until = self.now + self.rng.between(100, 8_000);
                self.trace.note(self.now, "store is down", format_args!("until {}", self.central.down_until));
            }
            95..98 if self.plan.bit_flips => {
                if let Some((document, chunk)) = self.central.flip(&mut self.rng) {
                    self.trace.note(self.now, "bit flips", format_args!("{document} {chunk}"));
                }
            }
            98..100 => self.deafen(hub),
            _ => {}
        }
    }

    /// Everything is mended: from here on all must come to rest.
    pub(crate) fn mend(&mut self) {
        self.trace.note(self.now, "mended", format_args!("{} chunks", self.central.chunk_count()));
        self.plan.calm();
        (self.central.full_until, self.central.down_until) = (0, 0);
        self.network.apart.clear();
        // Hubs start once more: what is in no store is nowhere, and what is in the store is read.
        for hub in 0..self.hubs.len() {
            self.kill_hub(hub);
            self.start_hub(hub);
        }
        for device in 0..self.devices.len() {
            self.fill_disk(device, false);
            if self.rng.per_mille(300) || self.devices.get(device).is_some_and(Device::power_fails) {
                self.kill_device(device);
            }
            self.start_device(device);
        }
        for hub in 0..self.hubs.len() {
            if let Err(error) = self.add_probe(hub) {
                self.fail(error);
            }
        }
    }
}

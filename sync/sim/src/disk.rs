//! A device's disk: what was synced outlives a crash, of the rest any part may.

use std::io;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use redb::{Database, DatabaseError, StorageBackend};
use skerry_sync::{OpenError, Replica};

use crate::rng::Rng;

/// Page cache of a store; the stores of a simulation are small.
const CACHE_BYTES: usize = 256 << 10;

/// A disk that a program has open, and that stays when the program dies.
#[derive(Debug, Clone, Default)]
pub(crate) struct Disk(Arc<Mutex<Platter>>);

#[derive(Debug, Default)]
struct Platter {
    /// As the program reads it.
    current: Vec<u8>,
    /// As it was at the last sync.
    durable: Vec<u8>,
    /// What was done since.
    pending: Vec<Step>,
    /// No step grows the file any more.
    full: bool,
    /// Steps that are still done; then the machine is off, and all that follows fails.
    steps_left: Option<u32>,
    /// A planted fault: says that it synced and did not.
    lies: bool,
}

#[derive(Debug)]
enum Step {
    Write(usize, Vec<u8>),
    Length(usize),
}

impl Step {
    fn apply(&self, bytes: &mut Vec<u8>) {
        match self {
            Step::Length(length) => bytes.resize(*length, 0),
            Step::Write(at, data) => {
                if bytes.len() < at + data.len() {
                    bytes.resize(at + data.len(), 0);
                }
                bytes.iter_mut().skip(*at).zip(data).for_each(|(to, from)| *to = *from);
            }
        }
    }
}

impl Disk {
    fn platter(&self) -> MutexGuard<'_, Platter> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Opens the replica on the disk. Its documents are written by this actor from here on.
    pub(crate) fn open(&self, actor: [u8; 16]) -> Result<Replica, OpenError> {
        let disk = self.clone();
        let open = move || -> Result<Database, DatabaseError> {
            Database::builder().set_cache_size(CACHE_BYTES).create_with_backend(disk.clone())
        };
        Replica::open_with_actor(Box::new(open), actor)
    }

    /// Whether there is room.
    pub(crate) fn set_full(&self, full: bool) {
        self.platter().full = full;
    }

    /// Has the disk say that it synced when it did not.
    pub(crate) fn lie(&self) {
        self.platter().lies = true;
    }

    /// The machine goes off after so many more steps.
    pub(crate) fn power_off_after(&self, steps: u32) {
        self.platter().steps_left = Some(steps);
    }

    /// The program has died; what was not synced is there in part. Answers how many steps were lost.
    pub(crate) fn crash(&self, rng: &mut Rng) -> usize {
        let mut guard = self.platter();
        let platter = &mut *guard;
        platter.steps_left = None;
        let pending = std::mem::take(&mut platter.pending);
        // All of it, nothing of it, or any part, each write for itself: disks do not keep to an order between syncs.
        let kept_per_mille = *rng.pick(&[0, 0, 500, 1_000]).unwrap_or(&0);
        let mut lost = 0;
        for step in pending {
            if rng.per_mille(kept_per_mille) {
                step.apply(&mut platter.durable);
            } else {
                lost += 1;
            }
        }
        platter.current.clone_from(&platter.durable);
        lost
    }

    /// Whether it takes nothing now.
    pub(crate) fn refuses(&self) -> bool {
        let platter = self.platter();
        platter.full || platter.steps_left == Some(0)
    }

    /// Whether the power fails soon, or has failed.
    pub(crate) fn power_fails(&self) -> bool {
        self.platter().steps_left.is_some()
    }

    /// Whether the power has failed.
    pub(crate) fn is_off(&self) -> bool {
        self.platter().steps_left == Some(0)
    }
}

impl Platter {
    /// Whether the machine still runs.
    fn powered(&mut self) -> Result<(), io::Error> {
        match &mut self.steps_left {
            None => Ok(()),
            Some(0) => Err(io::Error::other("the machine is off")),
            Some(left) => {
                *left -= 1;
                Ok(())
            }
        }
    }

    fn take(&mut self, step: Step) -> Result<(), io::Error> {
        self.powered()?;
        step.apply(&mut self.current);
        self.pending.push(step);
        Ok(())
    }
}

impl StorageBackend for Disk {
    fn len(&self) -> Result<u64, io::Error> {
        Ok(self.platter().current.len() as u64)
    }

    fn read(&self, offset: u64, out: &mut [u8]) -> Result<(), io::Error> {
        let platter = self.platter();
        let start = usize::try_from(offset).map_err(io::Error::other)?;
        let bytes = platter.current.get(start..start.saturating_add(out.len()));
        out.copy_from_slice(bytes.ok_or(io::ErrorKind::UnexpectedEof)?);
        Ok(())
    }

    fn set_len(&self, len: u64) -> Result<(), io::Error> {
        let mut platter = self.platter();
        let length = usize::try_from(len).map_err(io::Error::other)?;
        if platter.full && length > platter.current.len() {
            return Err(io::ErrorKind::StorageFull.into());
        }
        platter.take(Step::Length(length))
    }

    fn sync_data(&self) -> Result<(), io::Error> {
        let mut platter = self.platter();
        platter.powered()?;
        if platter.lies {
            return Ok(());
        }
        for step in std::mem::take(&mut platter.pending) {
            step.apply(&mut platter.durable);
        }
        Ok(())
    }

    fn write(&self, offset: u64, data: &[u8]) -> Result<(), io::Error> {
        let mut platter = self.platter();
        if platter.full {
            return Err(io::ErrorKind::StorageFull.into());
        }
        let start = usize::try_from(offset).map_err(io::Error::other)?;
        platter.take(Step::Write(start, data.to_vec()))
    }
}

//! A connection: what it may do, what it has done, what waits for it.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use super::types::{Access, Grant, Limits, Now};
use crate::document::DocumentId;
use crate::record::ProjectName;

/// Seconds' worth of messages and bytes that a connection may save up.
const BURST_SECONDS: f64 = 10.0;

/// Documents that answers for one connection may be made from at once. Each answer may be as large as its document, and is
/// counted only when it is there.
const ANSWERS_MAX: usize = 8;

/// A connection.
#[derive(Debug)]
pub(super) struct Connection {
    pub(super) grant: Grant,
    /// Who it says it is; none before it said so.
    pub(super) name: Option<Arc<str>>,
    pub(super) since: Now,
    messages: Bucket,
    bytes: Bucket,
    /// Bytes given out and not yet taken by the socket.
    pub(super) queued_bytes: usize,
    /// Documents that an answer for it is being made from.
    pub(super) answering: usize,
    /// Documents that have something for it, and were passed over for want of room.
    pub(super) blocked: BTreeSet<DocumentId>,
    /// Documents that it has open.
    pub(super) documents: BTreeSet<DocumentId>,
    /// Bytes of its frames that wait for documents.
    pub(super) waiting_bytes: usize,
    /// Frames that wait until it is known what the project consists of, by document.
    pub(super) early: BTreeMap<DocumentId, Vec<Vec<u8>>>,
    /// Projects of which it asked for documents whose epoch is over, and was told so.
    pub(super) told_over: BTreeSet<ProjectName>,
}

impl Connection {
    pub(super) fn new(grant: Grant, now: Now, limits: &Limits) -> Connection {
        let messages = Bucket::new(f64::from(limits.messages_per_second), 0.0, now);
        let bytes = Bucket::new(limits.bytes_per_second as f64, limits.frame_bytes_max as f64, now);
        Connection {
            grant,
            name: None,
            since: now,
            messages,
            bytes,
            queued_bytes: 0,
            answering: 0,
            blocked: BTreeSet::new(),
            documents: BTreeSet::new(),
            waiting_bytes: 0,
            early: BTreeMap::new(),
            told_over: BTreeSet::new(),
        }
    }

    /// Counts a frame that came in.
    ///
    /// # Errors
    /// The limit that it passes, for whoever sent it.
    pub(super) fn count(&mut self, bytes: usize, now: Now, limits: &Limits) -> Result<(), String> {
        if bytes > limits.frame_bytes_max {
            return Err(format!("a message of {bytes} bytes; {} are allowed", limits.frame_bytes_max));
        }
        if !self.messages.take(1.0, now) {
            return Err(format!("more than {} messages a second; send fewer", limits.messages_per_second));
        }
        if !self.bytes.take(bytes as f64, now) {
            return Err(format!("more than {} bytes a second; send less", limits.bytes_per_second));
        }
        Ok(())
    }

    /// Whether anything more may be made for it.
    pub(super) fn has_room(&self, limits: &Limits) -> bool {
        self.queued_bytes < limits.queue_bytes_max && self.answering < ANSWERS_MAX
    }

    pub(super) fn may_only_read(&self) -> bool {
        self.grant.access == Access::Read
    }
}

/// A token bucket.
#[derive(Debug)]
struct Bucket {
    per_second: f64,
    most: f64,
    level: f64,
    at: Now,
}

impl Bucket {
    fn new(per_second: f64, least: f64, now: Now) -> Bucket {
        let most = (per_second * BURST_SECONDS).max(least).max(1.0);
        Bucket { per_second, most, level: most, at: now }
    }

    fn take(&mut self, amount: f64, now: Now) -> bool {
        let passed = now.saturating_sub(self.at).as_secs_f64();
        (self.level, self.at) = ((self.level + passed * self.per_second).min(self.most), self.at.max(now));
        let enough = self.level >= amount;
        if enough {
            self.level -= amount;
        }
        enough
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::hub::Scope;

    fn connection(limits: &Limits) -> Connection {
        Connection::new(Grant { scope: Scope::Any, access: Access::Write }, Now::ZERO, limits)
    }

    /// Ten seconds' worth at once, then as many as come back with time.
    #[test]
    fn messages_are_counted_over_time() {
        let limits = Limits { messages_per_second: 2, ..Limits::default() };
        let mut connection = connection(&limits);
        for _ in 0..20 {
            connection.count(10, Now::ZERO, &limits).unwrap();
        }
        let told = connection.count(10, Now::ZERO, &limits).unwrap_err();
        assert_eq!(told, "more than 2 messages a second; send fewer");
        let later = Duration::from_millis(500);
        connection.count(10, later, &limits).unwrap();
        assert!(connection.count(10, later, &limits).is_err());
    }

    /// A frame of the greatest size always fits a rested connection, however low the rate is.
    #[test]
    fn bytes_are_counted_over_time() {
        let limits = Limits { bytes_per_second: 10, frame_bytes_max: 1_000, ..Limits::default() };
        let mut connection = connection(&limits);
        connection.count(1_000, Now::ZERO, &limits).unwrap();
        let told = connection.count(1, Now::ZERO, &limits).unwrap_err();
        assert_eq!(told, "more than 10 bytes a second; send less");
        let told = connection.count(1_001, Now::ZERO, &limits).unwrap_err();
        assert_eq!(told, "a message of 1001 bytes; 1000 are allowed");
        connection.count(1_000, Duration::from_secs(100), &limits).unwrap();
    }
}

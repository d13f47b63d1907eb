//! How fast a token's requests may come in over HTTP.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use crate::token::TokenDigest;

/// Seconds' worth that may be saved up.
const BURST_SECONDS: f64 = 10.0;

/// Tokens that are watched; beyond that, those that have saved up everything are forgotten.
const WATCHED_MAX: usize = 10_000;

/// The pace of requests, by token.
#[derive(Debug)]
pub(crate) struct Pace {
    per_second: Rates,
    buckets: Mutex<HashMap<TokenDigest, Bucket>>,
}

/// What is counted.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Rates {
    pub(crate) requests: f64,
    pub(crate) bytes: f64,
}

#[derive(Debug, Clone, Copy)]
struct Bucket {
    left: Rates,
    at: Instant,
}

impl Pace {
    pub(crate) fn new(per_second: Rates) -> Pace {
        Pace { per_second, buckets: Mutex::default() }
    }

    /// Counts a request of so many bytes. A body may go below zero once: what is owed has to come in before the next.
    ///
    /// # Errors
    /// How long to wait.
    pub(crate) fn count(&self, token: TokenDigest, bytes: usize, now: Instant) -> Result<(), Duration> {
        let full =
            Rates { requests: self.per_second.requests * BURST_SECONDS, bytes: self.per_second.bytes * BURST_SECONDS };
        let mut buckets = self.buckets.lock().unwrap_or_else(PoisonError::into_inner);
        if buckets.len() >= WATCHED_MAX && !buckets.contains_key(&token) {
            let burst = Duration::from_secs_f64(BURST_SECONDS);
            buckets.retain(|_, bucket| now.duration_since(bucket.at) < burst || bucket.left.bytes < 0.0);
        }
        let bucket = buckets.entry(token).or_insert(Bucket { left: full, at: now });
        let seconds = now.duration_since(bucket.at).as_secs_f64();
        bucket.at = now;
        bucket.left.requests = (bucket.left.requests + seconds * self.per_second.requests).min(full.requests);
        bucket.left.bytes = (bucket.left.bytes + seconds * self.per_second.bytes).min(full.bytes);
        let missing_requests = (1.0 - bucket.left.requests) / self.per_second.requests;
        let missing_bytes = -bucket.left.bytes / self.per_second.bytes;
        let wait = missing_requests.max(missing_bytes);
        if wait > 0.0 {
            return Err(Duration::from_secs_f64(wait.min(3_600.0)));
        }
        bucket.left.requests -= 1.0;
        bucket.left.bytes -= bytes as f64;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::token::Token;

    /// The issue: a rate limit with a clear error; who waits as told gets through, and others are not held up.
    #[test]
    fn a_token_waits_and_others_do_not() {
        let pace = Pace::new(Rates { requests: 1.0, bytes: 100.0 });
        let (one, other) = (Token::generate().unwrap().digest(), Token::generate().unwrap().digest());
        let start = Instant::now();
        for _ in 0..10 {
            pace.count(one, 0, start).unwrap();
        }
        let wait = pace.count(one, 0, start).unwrap_err();
        assert!(wait > Duration::ZERO && wait <= Duration::from_secs(1), "{wait:?}");
        pace.count(other, 5_000, start).unwrap();
        pace.count(one, 0, start + wait + Duration::from_millis(1)).unwrap();
        let owed = pace.count(other, 1, start).unwrap_err();
        assert!((owed.as_secs_f64() - 40.0).abs() < 0.1, "{owed:?}");
    }
}

//! The one place where the node reads the clock; everything below it gets the time as an argument.

use std::time::{SystemTime, UNIX_EPOCH};

use skerry_sync::Timestamp;

/// Now, in milliseconds since the Unix epoch. A clock set before 1970 reads as 0.
pub fn now() -> Timestamp {
    let since_epoch = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    Timestamp(i64::try_from(since_epoch.as_millis()).unwrap_or(i64::MAX))
}

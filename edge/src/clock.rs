//! The one place where the node reads the clock; everything below it gets the time as an argument.

use std::time::{SystemTime, UNIX_EPOCH};

use skerry_sync::Timestamp;

/// Now, in milliseconds since the Unix epoch. A clock set before 1970 reads as 0.
pub fn now() -> Timestamp {
    let since_epoch = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    Timestamp(i64::try_from(since_epoch.as_millis()).unwrap_or(i64::MAX))
}

/// A time for people: `2026-11-21T08:30:00Z`. None when it is beyond what calendars know.
pub fn format_ms(milliseconds: i64) -> Option<String> {
    let time = time::OffsetDateTime::from_unix_timestamp(milliseconds.div_euclid(1_000)).ok()?;
    time.format(&time::format_description::well_known::Rfc3339).ok()
}

/// A moment to the millisecond, as RFC 3339. None when it is beyond what calendars know (the years -9999 to 9999).
pub fn format_exactly(milliseconds: i64) -> Option<String> {
    let nanoseconds = i128::from(milliseconds) * 1_000_000;
    let time = time::OffsetDateTime::from_unix_timestamp_nanos(nanoseconds).ok()?;
    time.format(&time::format_description::well_known::Rfc3339).ok()
}

/// Reads RFC 3339; what is finer than a millisecond is cut off.
pub fn parse_ms(text: &str) -> Option<i64> {
    let time = time::OffsetDateTime::parse(text, &time::format_description::well_known::Rfc3339).ok()?;
    i64::try_from(time.unix_timestamp_nanos().div_euclid(1_000_000)).ok()
}

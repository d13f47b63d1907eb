//! Tests of the central store without a hub: replicas that read from it and write into it.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, reason = "tests")]

mod replica;
mod snapshots;

//! The real binary against a mock of the Lambda Runtime API, over a central store in a folder.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, reason = "tests")]

mod direct;
mod function;
mod http;
mod queue;
mod snapshots;
mod store;

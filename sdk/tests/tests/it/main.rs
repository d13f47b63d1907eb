//! The SDKs against our own host.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, reason = "tests")]

mod bundle;
#[path = "../../../../host/tests/it/bits/calls.rs"]
mod calls;
mod corpus;
mod file;
mod fixture;
mod npm;
mod python;

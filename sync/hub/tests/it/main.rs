//! Tests of the hub through its program.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, reason = "tests")]

mod interop;
mod samod;

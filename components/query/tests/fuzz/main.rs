//! Fuzz targets of the query component: images of segments, and the query language (docs/fuzzing.md).
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, reason = "tests")]

mod image;
mod language;

use skerry_fuzz::Bounded;

#[global_allocator]
static ALLOCATOR: Bounded = skerry_fuzz::bounded();

//! Fuzz targets of what people and programs give a node: files to publish, filters, lists of models (docs/fuzzing.md).
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, reason = "tests")]

mod files;
mod requests;

use skerry_fuzz::Bounded;

#[global_allocator]
static ALLOCATOR: Bounded = skerry_fuzz::bounded();

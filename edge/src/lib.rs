//! Skerry crate.

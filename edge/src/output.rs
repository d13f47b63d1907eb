//! Records as files of other formats: what `skerry export --format` writes.

pub mod hif;
pub mod ntriples;

//! Reads from published snapshots.

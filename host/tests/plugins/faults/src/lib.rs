//! A plugin of every kind that fails in the way that its settings name, for tests of whoever runs it. It is no example.
//!
//! Without settings it works: it keeps every record, gives candidates the opposite of their scores, and tells of changes whose
//! key contains the argument.

#[cfg(target_arch = "wasm32")]
mod guest;

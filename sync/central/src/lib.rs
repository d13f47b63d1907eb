//! The central store: documents in chunks, tokens and quarantine, behind any object store.
//!
//! A chunk is named by what it holds and never changed, so that any number of hubs and functions may write to one store
//! at once without asking each other. Nothing is deleted before something durable holds all of it.
//!
//! ```no_run
//! use skerry_central::{CentralStore, LocationOptions};
//!
//! # async fn example() -> Result<(), Box<dyn std::error::Error>> {
//! let store = CentralStore::open("file:///var/lib/skerry-hub", &LocationOptions::default())?;
//! println!("{} holds {} projects", store.shown(), store.projects().await?.len());
//! # Ok(())
//! # }
//! ```
//!
//! This crate holds no sockets of its own and decides nothing about documents: what a change means is said in [`skerry_sync`],
//! who may send one by the hub. Whoever writes to the store beside a hub tells it nothing: the hub finds the chunk when it looks.
//!
//! With the feature `s3` (on as usual) a store may be a bucket; without it, a folder or memory.

mod chunks;
mod health;
mod location;
mod projects;
mod replica;
pub mod snapshots;
mod store;
pub mod token;

pub use chunks::Quarantined;
pub use health::{Failing, Health};
#[cfg(feature = "s3")]
pub use location::use_ring;
pub use location::{LocationError, LocationOptions};
pub use replica::{FillError, Filled, fill, fill_covered, has_newer, push};
pub use store::{CentralStore, PROBE_EVERY, UseError};

//! The sync service: the hub's core ([`skerry_sync::hub`]) behind WebSockets and HTTP, over a central store.
//!
//! ```no_run
//! use std::sync::Arc;
//!
//! use skerry_hub::central::{CentralStore, LocationOptions};
//! use skerry_hub::serve::{HubConfig, RunningHub};
//!
//! # async fn example() -> anyhow::Result<()> {
//! let store = CentralStore::open("file:///var/lib/skerry-hub", &LocationOptions::default())?;
//! let hub = RunningHub::start("127.0.0.1:8788".parse()?, Arc::new(store), HubConfig::default()).await?;
//! println!("listening on {}", hub.address());
//! hub.stop().await
//! # }
//! ```
//!
//! This crate holds sockets, the store and the clock; what a message means and when a change counts is decided in the core.
//! It embeds nothing and answers no queries: that is the node's work, also where the worker of the feature `bake` has one do it.

mod api;
mod auth;
#[cfg(feature = "bake")]
pub mod bake;
pub mod cli;
mod connection;
mod driver;
mod logging;
mod metrics;
pub mod notices;
mod pace;
pub mod problem;
mod retire;
pub mod serve;
mod sessions;

pub use api::description;
// The store is a crate of its own, because functions and workers use it without a hub.
pub use skerry_central as central;
pub use skerry_central::token;

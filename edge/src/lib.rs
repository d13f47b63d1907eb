//! The edge node: Skerry's HTTP API over a replica and the components, and the `skerry` command line.
//!
//! A [`node::Node`] joins the two crates that do not know each other: `skerry-sync`, which holds the records, and
//! `skerry-host`, which runs the components that embed and search them. [`api::router`] is the whole HTTP API as one
//! `axum::Router`; the server, the command line (in-process) and the Lambda entry all call the same one.
//!
//! This crate is not a library for embedding Skerry into other programs: its Rust interface follows the needs of the
//! node and may change with every version. The stable interface is the HTTP API and its OpenAPI description.

mod alike;
pub mod api;
pub mod auth;
#[cfg(feature = "compile")]
pub mod bake;
pub mod baked;
pub mod body;
mod chart;
#[cfg(feature = "cli")]
pub mod cli;
pub mod clock;
mod convert;
mod erasure;
pub mod extract;
pub mod filter;
pub mod graph;
#[cfg(feature = "graphql")]
pub mod graphql;
#[cfg(feature = "network")]
pub mod hub;
pub mod index;
#[cfg(feature = "cli")]
pub mod input;
pub mod logging;
pub mod models;
pub mod moves;
pub mod node;
#[cfg(feature = "network")]
mod outbound;
#[cfg(feature = "cli")]
pub mod output;
pub mod pattern;
#[cfg(feature = "network")]
pub mod peer;
pub mod plugins;
pub mod problem;
pub mod reembed;
#[cfg(feature = "cli")]
pub mod serve;
#[cfg(feature = "compile")]
pub mod snapshots;
#[cfg(feature = "sparql")]
pub mod sparql;
pub use skerry_sync::ProjectName;

//! The part of Skerry's HTTP API that needs no node: queries over a project at one version, and its records.
//!
//! A node (`skerry serve`) calls [`query`], [`filter`], [`problem`] and the shapes in [`body`] on its own query path. A
//! snapshot (a baked query component, see `skerry bake`) is answered from by [`respond`], whoever runs it: a host of
//! `wasi:http`, for which this crate is built as a component, `skerry run`, or a function in the cloud. So both answer the
//! same bytes by construction.
//!
//! It knows no HTTP library, no runtime of WebAssembly and no documents, and it is no server.
//!
//! ```
//! use skerry_gateway::{Backend, Incoming, Problem, respond};
//! # use skerry_gateway::backend::Embedding;
//! # use skerry_gateway::types::*;
//!
//! struct Nothing;
//!
//! impl Backend for Nothing {
//!     fn describe(&mut self) -> Result<Vec<u8>, Problem> {
//!         Ok(Vec::new())
//!     }
//! #   fn search(&mut self, _: Request) -> Result<Response, Problem> { Err(Problem::internal()) }
//! #   fn parse(&mut self, _: &str) -> Result<Result<Parsed, SyntaxError>, Problem> { Err(Problem::internal()) }
//! #   fn excerpt(&mut self, _: &str, _: &str, _: u32) -> Result<Excerpt, Problem> { Err(Problem::internal()) }
//! #   fn embedding(&mut self) -> Result<Embedding, String> { Err("none".to_owned()) }
//! #   fn embed(&mut self, _: &[&str]) -> Result<Vec<Vec<f32>>, String> { Err("none".to_owned()) }
//! #   fn split(&mut self, _: &str, _: u32, _: u32) -> Result<Vec<Span>, String> { Err("none".to_owned()) }
//! }
//!
//! let request = Incoming { method: "GET", path: "/api/v1/projects", ..Incoming::default() };
//! assert_eq!(respond(&mut Nothing, &request).body, br#"{"projects":[]}"#);
//! ```

pub mod alike;
pub mod backend;
pub mod body;
mod conversions;
mod description;
pub mod filter;
#[cfg(all(target_arch = "wasm32", any(feature = "wasip2", feature = "wasip3")))]
mod guest;
mod highlight;
pub mod json;
pub mod names;
#[cfg(feature = "openapi")]
mod openapi;
pub mod problem;
pub mod query;
mod respond;
mod snapshot;
pub mod source;
pub mod types;

pub use backend::Backend;
pub use description::Description;
pub use problem::{Kind, Problem};
pub use respond::{Incoming, Page, Reply, respond};

/// Bytes of a request body at most.
pub const BODY_BYTES_MAX: usize = 64 << 20;

//! The query component: one segment of documents and the hybrid search over it.
//!
//! A [`Segment`] holds documents as vectors (int8), postings (BM25) and columns (filters), and answers a
//! [`Request`](types::Request). What it answers depends only on the documents it holds, never on the order in which they
//! came: so replicas with the same records give the same bytes. It is pure: no clock, no randomness, no I/O.
//!
//! ```
//! use skerry_query::types::{Document, Fusion, Request};
//!
//! let mut segment = skerry_query::Segment::default();
//! segment.upsert(vec![Document { key: "tide".into(), text: "High water at noon".into(), ..Document::default() }])?;
//! let request = Request { text: Some("waters".into()), k: 3, ..Request::default() };
//! assert_eq!(segment.query(&request)?.hits[0].key, "tide");
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! The same crate is the rlib that tests use natively and, on `wasm32`, the component with the world `skerry:query/query`.

mod bitset;
mod columns;
mod documents;
pub mod excerpt;
mod filter;
pub mod fuse;
mod graph;
#[cfg(target_arch = "wasm32")]
mod guest;
mod image;
mod kernel;
mod keywords;
pub mod net;
mod order;
mod postings;
mod rank;
mod rows;
mod search;
mod segment;
pub mod syntax;
mod terms;
pub mod tokenize;
pub mod types;
mod vectors;

pub use image::Image;
pub use segment::Segment;

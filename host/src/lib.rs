//! Runs Skerry's components: the engine, typed calls under limits, and baking.
//!
//! A component is a pure function. It is given no import at all, a bound on its memory and a deadline for every call; what it
//! answers is checked as far as types go and handed on. This crate knows no HTTP and no Automerge, and does not depend on the
//! crates that the components are built from: it knows them by `wit/` and by their bytes.
//!
//! - [`Engine`] compiles and runs, [`Components`] finds the built artefacts and keeps their native code.
//! - [`Embedder`] is a pool of instances of the embedding component, [`Segment`] one living instance of the query
//!   component, [`GraphInstance`] one that holds a project's graph, [`Geometry`] a few warm ones.
//! - [`snapshot`] puts a baked segment into a file that can be handed on, and reads it; [`artefact`] compiles for other machines,
//!   and loads what a trusted key signed.
//! - [`plugin`] runs what others wrote, each call in an instance of its own.
//! - [`bake`] turns an instance with data in it into a component of its own; [`inspect`] says what a component asks for.
//!
//! ```no_run
//! use skerry_host::{Components, Embedder, Engine, EngineConfig, Limits};
//!
//! let engine = Engine::new(&EngineConfig::default())?;
//! let components = Components::open("target/skerry/components".as_ref())?;
//! let embedder = Embedder::new(&engine, &components.embedding(&engine)?, 2, Limits::default())?;
//! let embeddings = embedder.embed(&["High water at noon", "The tide turns at twelve"])?;
//! assert_eq!(embeddings[0].vector.len(), embedder.model().dimensions as usize);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

pub mod artefact;
#[cfg(feature = "compile")]
pub mod bake;
mod bindings;
mod cache;
mod call;
mod cancel;
mod components;
#[doc(hidden)]
pub mod dot;
mod embedder;
mod engine;
mod geometry;
#[cfg(feature = "compile")]
mod graph;
mod graph_instance;
pub mod inspect;
pub mod keys;
mod mmap;
pub mod plugin;
mod segment;
pub mod snapshot;
mod ticker;
pub mod types;

pub use call::{CallError, Limits};
pub use cancel::{Cancel, CancelOnDrop};
pub use components::{ArtefactError, Component, Components, ManifestEntry};
pub use embedder::Embedder;
pub use engine::{Engine, EngineConfig, EngineError};
pub use geometry::{
    AnalysisError, CurvatureError, DistanceError, Geometry, GeometrySession, HypergraphError, ManifoldError,
    MeanSettings, Tracker, TrackerError, WarpPath,
};
pub use graph_instance::{GraphError, GraphInstance, GraphSession, Interrupted, View};
pub use segment::{DocumentError, QueryError, Segment};
pub use types::{Embedding, ModelInfo, TextSpan as Span};

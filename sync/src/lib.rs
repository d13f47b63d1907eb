//! Skerry's replicas: records in Automerge documents, kept durably, followed by a change feed, reconciled with others.
//!
//! A [`Replica`] is one device's copy of some projects. It works alone: publishing, deleting and reading need nobody
//! else. Two replicas that exchange messages ([`Session`] on one side, [`Replica::exchange`] on the other) end up at the
//! same [`Version`] with the same records, whatever happened on both before.
//!
//! ```
//! use skerry_sync::{ProjectName, Record, RecordKey, Replica, Timestamp};
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let (here, there) = (tempfile::tempdir()?, tempfile::tempdir()?);
//! let (here, there) = (Replica::open(here.path())?, Replica::open(there.path())?);
//! let notes = ProjectName::parse("notes")?;
//! here.create_project(&notes, "", Timestamp(0))?;
//! here.publish(&notes, &[Record::text(RecordKey::parse("tide")?, "High water at noon")], Timestamp(0))?;
//!
//! let mut session = here.session(&notes);
//! while let Some(request) = session.next_request()? {
//!     session.handle_response(&there.exchange(&notes, &request)?)?;
//! }
//! assert_eq!(here.version(&notes)?, there.version(&notes)?);
//! # Ok(())
//! # }
//! ```
//!
//! This crate knows no HTTP, no clock and no embedding; whoever calls it brings time and bytes.

mod admission;
mod chunks;
pub mod document;
pub mod epoch;
mod error;
mod exchange;
mod guard;
pub mod hub;
mod inflate;
mod layers;
mod leaves;
mod link_leaves;
mod materialise;
pub mod record;
mod replica;
mod session;
mod settings;
mod store;
mod sync_message;
mod touched;
mod vectors;
mod version;
mod view;
pub mod wire;

pub use error::{ExchangeError, OpenError, ReadError, StoreError, WriteError};
pub use layers::{
    AREA, INHERITS_MAX, LAYER_DATA_BYTES_MAX, LAYER_DESCRIPTION_BYTES_MAX, LAYERS_DECLARED_MAX, Layer, LayerError,
    LayerKind, circles, without_circles,
};
pub use record::{
    Interval, Link, Member, NAME_BYTES_MAX, NameError, PARENT, ProjectName, Record, RecordError, RecordKey, Target,
};
pub use replica::{
    Absorbed, CHART_BYTES_MAX, CHARTS_MAX, Change, ChartError, Commit, CutReport, ErasedRecord, Found, Health,
    Holdings, Past, ProjectChange, ProjectDocuments, ProjectInfo, PurgeReport, Replica, Timestamp, Unstored,
    VerifyReport, VersionInfo,
};
pub use session::{Session, SessionSummary};
pub use settings::{CHUNK_TOKENS_MAX, CHUNK_TOKENS_MIN, Chunking, MODEL_BYTES_MAX, Settings, SettingsError};
#[doc(hidden)]
pub use store::{BackendFactory, StoreFile};
pub use vectors::{Span, vector_keys};
pub use version::Version;

//! A graph that changes, with its curvature, in an instance of its own.

use wasmtime::component::ResourceAny;

use super::{Geometry, World};
use crate::bindings::geometry::exports::skerry::geometry::tracking;
use crate::call::{CallError, Sandbox};
use crate::types::{Change, Measure, Score};

/// Why a tracker did not do what it was told.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum TrackerError {
    /// The change at this position joins a node with itself.
    #[error("change {0} joins a node with itself")]
    SelfLoop(u32),
    /// The change at this position inserts an edge that is there.
    #[error("change {0} inserts an edge that is there already")]
    RepeatedEdge(u32),
    /// The change at this position removes an edge that is not there.
    #[error("change {0} removes an edge that is not there")]
    MissingEdge(u32),
    /// More than a tracker holds, or an argument out of its range; the text says which.
    #[error("{0}")]
    OutOfRange(String),
    /// Anything else, in the component's words.
    #[error("{0}")]
    Other(String),
    /// The component gave no answer. After one at its deadline or beyond its memory the tracker is lost.
    #[error(transparent)]
    Call(#[from] CallError),
}

impl From<tracking::Error> for TrackerError {
    fn from(error: tracking::Error) -> Self {
        match error {
            tracking::Error::SelfLoop(change) => TrackerError::SelfLoop(change),
            tracking::Error::RepeatedEdge(change) => TrackerError::RepeatedEdge(change),
            tracking::Error::MissingEdge(change) => TrackerError::MissingEdge(change),
            tracking::Error::OutOfRange(reason) => TrackerError::OutOfRange(reason),
            tracking::Error::Other(reason) => TrackerError::Other(reason),
        }
    }
}

/// A graph whose scores are kept up while edges come and go. Its instance is given back when it is dropped.
pub struct Tracker {
    sandbox: Sandbox,
    world: World,
    resource: ResourceAny,
}

impl std::fmt::Debug for Tracker {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Tracker").field("sandbox", &self.sandbox).finish_non_exhaustive()
    }
}

impl Geometry {
    /// A tracker of an empty graph.
    ///
    /// # Errors
    /// See [`TrackerError`].
    pub fn tracker(&self, measure: Measure) -> Result<Tracker, TrackerError> {
        let (mut sandbox, world) = self.instance()?;
        let interface = world.skerry_geometry_tracking().tracker();
        let tracker = sandbox.call(self.limits.deadline, |store| interface.call_open(store, measure))??;
        Ok(Tracker { sandbox, world, resource: tracker })
    }
}

impl Tracker {
    /// Makes all changes, in order, or none. Gives every edge whose score was computed anew.
    ///
    /// # Errors
    /// See [`TrackerError`].
    pub fn apply(&mut self, changes: &[Change]) -> Result<Vec<Score>, TrackerError> {
        let Tracker { sandbox, world, resource } = self;
        let interface = world.skerry_geometry_tracking().tracker();
        let deadline = sandbox.limits().deadline;
        Ok(sandbox.call(deadline, |store| interface.call_apply(store, *resource, changes))??)
    }

    /// Every edge and its score, by its ends.
    ///
    /// # Errors
    /// [`TrackerError::Call`].
    pub fn scores(&mut self) -> Result<Vec<Score>, TrackerError> {
        let Tracker { sandbox, world, resource } = self;
        let interface = world.skerry_geometry_tracking().tracker();
        let deadline = sandbox.limits().deadline;
        Ok(sandbox.call(deadline, |store| interface.call_scores(store, *resource))?)
    }

    /// How often a score was computed since the tracker was made.
    ///
    /// # Errors
    /// [`TrackerError::Call`].
    pub fn recomputed(&mut self) -> Result<u64, TrackerError> {
        let Tracker { sandbox, world, resource } = self;
        let interface = world.skerry_geometry_tracking().tracker();
        let deadline = sandbox.limits().deadline;
        Ok(sandbox.call(deadline, |store| interface.call_recomputed(store, *resource))?)
    }
}

//! Many small questions under one deadline, in one instance.

use wasmtime::Store;

use super::manifold::distance;
use super::{Geometry, ManifoldError};
use crate::bindings::geometry::exports::skerry::geometry::manifold::Guest;
use crate::call::{CallError, Guard};
use crate::graph_instance::Interrupted;
use crate::types::Factor;

/// The geometry component in the middle of a call: see [`Geometry::session`].
pub struct GeometrySession<'a> {
    manifold: &'a Guest,
    store: &'a mut Store<Guard>,
}

impl std::fmt::Debug for GeometrySession<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("GeometrySession").finish_non_exhaustive()
    }
}

impl Geometry {
    /// Asks many questions, each depending on the answers before, in one instance and under one deadline for all of them together.
    /// Where points are known beforehand, [`Geometry::distances`] is far faster than many questions.
    ///
    /// # Errors
    /// What `ask` passes on of its questions, as of one call: see [`CallError`].
    pub fn session<T>(
        &self,
        ask: impl FnOnce(&mut GeometrySession<'_>) -> Result<T, Interrupted>,
    ) -> Result<T, CallError> {
        self.warm(|world, store| {
            let manifold = world.skerry_geometry_manifold();
            ask(&mut GeometrySession { manifold, store }).map_err(|Interrupted(error)| error)
        })
    }
}

impl GeometrySession<'_> {
    /// As [`Geometry::distance`]: the distance, or why there is none.
    ///
    /// # Errors
    /// [`Interrupted`]: pass it on.
    pub fn distance(&mut self, on: &[Factor], x: &[f64], y: &[f64]) -> Result<Result<f64, ManifoldError>, Interrupted> {
        distance(self.manifold, self.store, on, x, y).map_err(Interrupted)
    }

    /// As [`Geometry::distances`].
    ///
    /// # Errors
    /// [`Interrupted`]: pass it on.
    pub fn distances(
        &mut self,
        on: &[Factor],
        x: &[f64],
        points: &[f64],
    ) -> Result<Result<Vec<f64>, ManifoldError>, Interrupted> {
        let answer = self.manifold.call_distances(&mut *self.store, on, x, points);
        answer.map(|answer| answer.map_err(ManifoldError::from)).map_err(Interrupted)
    }
}

//! Geometry: typed calls, each in a fresh instance. One file per interface.

mod anomaly;
mod curvature;
mod distance;
mod hypergraph;
mod tracker;

use wasmtime::component::Linker;

use crate::bindings::geometry::{Geometry as World, GeometryPre};
use crate::call::{CallError, Guard, Limits, Sandbox};
use crate::components::Component;
use crate::engine::Engine;

pub use curvature::CurvatureError;
pub use distance::DistanceError;
pub use hypergraph::HypergraphError;
pub use tracker::{Tracker, TrackerError};

/// Calls the geometry component. Each call has an instance of its own, so calls may run at once and leave nothing behind.
pub struct Geometry {
    engine: Engine,
    pre: GeometryPre<Guard>,
    limits: Limits,
}

impl std::fmt::Debug for Geometry {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Geometry").field("limits", &self.limits).finish_non_exhaustive()
    }
}

impl Geometry {
    /// Prepares the component. The deadline holds for each call.
    ///
    /// # Errors
    /// [`CallError::Instantiate`] when it is not a geometry component.
    pub fn new(engine: &Engine, component: &Component, limits: Limits) -> Result<Geometry, CallError> {
        let instantiate = |error: wasmtime::Error| CallError::Instantiate(format!("{error:#}"));
        let instance = Linker::new(engine.wasm()).instantiate_pre(component.wasm()).map_err(instantiate)?;
        Ok(Geometry { engine: engine.clone(), pre: GeometryPre::new(instance).map_err(instantiate)?, limits })
    }

    fn instance(&self) -> Result<(Sandbox, World), CallError> {
        Sandbox::new(&self.engine, self.limits, |store| self.pre.instantiate(store))
    }
}

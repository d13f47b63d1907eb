//! Geometry: typed calls, in instances that are kept warm. One file per interface.

mod anomaly;
mod cloud;
mod curvature;
mod distance;
mod hierarchy;
mod hypergraph;
mod manifold;
mod multilayer;
mod property;
mod series;
mod session;
mod spectral;
mod tracker;

use std::sync::{Mutex, MutexGuard, PoisonError};

use wasmtime::Store;
use wasmtime::component::Linker;

use crate::bindings::geometry::{Geometry as World, GeometryPre};
use crate::call::{CallError, Guard, Limits, Sandbox};
use crate::cancel::Cancel;
use crate::components::Component;
use crate::engine::Engine;

pub use curvature::CurvatureError;
pub use distance::DistanceError;
pub use hypergraph::HypergraphError;
pub use manifold::{AnalysisError, ManifoldError, MeanSettings};
pub use series::WarpPath;
pub use session::GeometrySession;
pub use tracker::{Tracker, TrackerError};

/// Instances that wait for the next call at most.
const WARM_MAX: usize = 8;

/// Bytes of memory that an instance may have grown to, to be kept.
const WARM_BYTES_MAX: usize = 64 << 20;

/// Calls the geometry component. Calls may run at once: each has an instance for itself while it runs. The component keeps no state,
/// so that an instance can serve the next call; one that failed or grew large is thrown away.
pub struct Geometry {
    engine: Engine,
    pre: GeometryPre<Guard>,
    limits: Limits,
    /// Ends calls about graphs, which take long.
    cancel: Option<Cancel>,
    warm: Mutex<Vec<(Sandbox, World)>>,
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
        let pre = GeometryPre::new(instance).map_err(instantiate)?;
        Ok(Geometry { engine: engine.clone(), pre, limits, cancel: None, warm: Mutex::default() })
    }

    /// The same, for one who may go away: when this is cancelled, calls about curvature, communities, hypergraphs and anomalies end with
    /// [`CallError::Cancelled`]. Others are short.
    #[must_use]
    pub fn while_wanted(&self, cancel: &Cancel) -> Geometry {
        let Geometry { engine, pre, limits, .. } = self;
        let (engine, pre, limits) = (engine.clone(), pre.clone(), *limits);
        Geometry { engine, pre, limits, cancel: Some(cancel.clone()), warm: Mutex::default() }
    }

    /// A call in an instance that may have served others before.
    fn warm<T>(&self, call: impl FnOnce(&World, &mut Store<Guard>) -> wasmtime::Result<T>) -> Result<T, CallError> {
        let kept = self.idle().pop();
        let (mut sandbox, world) = match kept {
            Some(kept) => kept,
            None => self.instance()?,
        };
        let answer = sandbox.call(self.limits.deadline, |store| call(&world, store));
        if !sandbox.is_poisoned() && sandbox.memory_bytes() <= WARM_BYTES_MAX {
            let mut idle = self.idle();
            if idle.len() < WARM_MAX {
                idle.push((sandbox, world));
            }
        }
        answer
    }

    /// What a panic left behind is whole: instances are pushed and popped in one step.
    fn idle(&self) -> MutexGuard<'_, Vec<(Sandbox, World)>> {
        self.warm.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// An instance of its own.
    fn instance(&self) -> Result<(Sandbox, World), CallError> {
        Sandbox::new(&self.engine, self.limits, |store| self.pre.instantiate(store))
    }
}

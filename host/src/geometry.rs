//! Geometry: typed calls, each in a fresh instance.

use wasmtime::component::Linker;

use crate::bindings::geometry::exports::skerry::geometry::{curvature, distance};
use crate::bindings::geometry::{Geometry as World, GeometryPre};
use crate::call::{CallError, Guard, Limits, Sandbox};
use crate::components::Component;
use crate::engine::Engine;
use crate::types::{Edge, Forman, Metric};

/// Why there is no distance.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum DistanceError {
    /// Points of different lengths, or empty ones.
    #[error("the points do not fit together: {0}")]
    Dimensions(String),
    /// The point at this position (0 is the first argument) has a number that is not finite.
    #[error("point {0} has a number that is not finite")]
    NotFinite(u32),
    /// The point at this position is not on the manifold.
    #[error("point {0} is not on the manifold")]
    OffManifold(u32),
    /// Anything else, in the component's words.
    #[error("{0}")]
    Other(String),
    /// The component gave no answer.
    #[error(transparent)]
    Call(#[from] CallError),
}

/// Why there is no curvature.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum CurvatureError {
    /// The edge at this position names a node that is not there.
    #[error("edge {0} names a node that is not there")]
    UnknownNode(u32),
    /// The edge at this position joins a node with itself.
    #[error("edge {0} joins a node with itself")]
    SelfLoop(u32),
    /// The edge at this position was given before, in either direction.
    #[error("edge {0} was given before")]
    RepeatedEdge(u32),
    /// Anything else, in the component's words.
    #[error("{0}")]
    Other(String),
    /// The component gave no answer.
    #[error(transparent)]
    Call(#[from] CallError),
}

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

    /// The distance of two points.
    ///
    /// # Errors
    /// See [`DistanceError`].
    pub fn between(&self, metric: Metric, x: &[f64], y: &[f64]) -> Result<f64, DistanceError> {
        let (mut sandbox, world) = self.instance()?;
        let distance = world.skerry_geometry_distance();
        Ok(sandbox.call(self.limits.deadline, |store| distance.call_between(store, metric, x, y))??)
    }

    /// The distance of `x` to each point of `points`, which holds whole points of `x`'s length one after another.
    ///
    /// # Errors
    /// See [`DistanceError`].
    pub fn to_many(&self, metric: Metric, x: &[f64], points: &[f64]) -> Result<Vec<f64>, DistanceError> {
        let (mut sandbox, world) = self.instance()?;
        let distance = world.skerry_geometry_distance();
        Ok(sandbox.call(self.limits.deadline, |store| distance.call_to_many(store, metric, x, points))??)
    }

    /// The Forman curvature of each edge of an undirected simple graph with the nodes `0..nodes`.
    ///
    /// # Errors
    /// See [`CurvatureError`].
    pub fn forman_curvature(&self, kind: Forman, nodes: u32, edges: &[Edge]) -> Result<Vec<f64>, CurvatureError> {
        let (mut sandbox, world) = self.instance()?;
        let curvature = world.skerry_geometry_curvature();
        Ok(sandbox.call(self.limits.deadline, |store| curvature.call_forman_curvature(store, kind, nodes, edges))??)
    }

    fn instance(&self) -> Result<(Sandbox, World), CallError> {
        Sandbox::new(&self.engine, self.limits, |store| self.pre.instantiate(store))
    }
}

impl From<distance::Error> for DistanceError {
    fn from(error: distance::Error) -> Self {
        match error {
            distance::Error::Dimensions(reason) => DistanceError::Dimensions(reason),
            distance::Error::NotFinite(point) => DistanceError::NotFinite(point),
            distance::Error::OffManifold(point) => DistanceError::OffManifold(point),
            distance::Error::Other(reason) => DistanceError::Other(reason),
        }
    }
}

impl From<curvature::Error> for CurvatureError {
    fn from(error: curvature::Error) -> Self {
        match error {
            curvature::Error::UnknownNode(edge) => CurvatureError::UnknownNode(edge),
            curvature::Error::SelfLoop(edge) => CurvatureError::SelfLoop(edge),
            curvature::Error::RepeatedEdge(edge) => CurvatureError::RepeatedEdge(edge),
            curvature::Error::Other(reason) => CurvatureError::Other(reason),
        }
    }
}

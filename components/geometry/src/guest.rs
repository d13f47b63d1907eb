//! The component: the functions of this crate behind the exports of `skerry:geometry/geometry`.
#![allow(
    unsafe_code,
    missing_docs,
    unreachable_pub,
    clippy::pedantic,
    reason = "generated bindings: the canonical ABI is raw memory"
)]

use crate::curvature as curvature_core;
use crate::distance as distance_core;

wit_bindgen::generate!({ path: "../../wit/geometry", world: "geometry" });

use exports::skerry::geometry::{curvature, distance};

struct Component;

export!(Component);

impl From<distance::Metric> for distance_core::Metric {
    fn from(metric: distance::Metric) -> Self {
        match metric {
            distance::Metric::Euclidean => distance_core::Metric::Euclidean,
            distance::Metric::Cosine => distance_core::Metric::Cosine,
            distance::Metric::Sphere => distance_core::Metric::Sphere,
            distance::Metric::Poincare => distance_core::Metric::Poincare,
        }
    }
}

impl From<distance_core::DistanceError> for distance::Error {
    fn from(error: distance_core::DistanceError) -> Self {
        match error {
            distance_core::DistanceError::Dimensions(reason) => distance::Error::Dimensions(reason),
            distance_core::DistanceError::NotFinite(point) => distance::Error::NotFinite(point),
            distance_core::DistanceError::OffManifold(point) => distance::Error::OffManifold(point),
        }
    }
}

impl distance::Guest for Component {
    fn between(metric: distance::Metric, x: Vec<f64>, y: Vec<f64>) -> Result<f64, distance::Error> {
        Ok(distance_core::between(metric.into(), &x, &y)?)
    }

    fn to_many(metric: distance::Metric, x: Vec<f64>, points: Vec<f64>) -> Result<Vec<f64>, distance::Error> {
        Ok(distance_core::to_many(metric.into(), &x, &points)?)
    }
}

impl curvature::Guest for Component {
    fn forman_curvature(
        kind: curvature::Forman,
        nodes: u32,
        edges: Vec<curvature::Edge>,
    ) -> Result<Vec<f64>, curvature::Error> {
        let kind = match kind {
            curvature::Forman::Plain => curvature_core::Forman::Plain,
            curvature::Forman::Augmented => curvature_core::Forman::Augmented,
            curvature::Forman::Balanced => curvature_core::Forman::Balanced,
        };
        let edge = |edge: &curvature::Edge| curvature_core::Edge { source: edge.source, target: edge.target };
        let edges: Vec<curvature_core::Edge> = edges.iter().map(edge).collect();
        curvature_core::forman_curvature(kind, nodes, &edges).map_err(|error| match error {
            curvature_core::CurvatureError::UnknownNode(edge) => curvature::Error::UnknownNode(edge),
            curvature_core::CurvatureError::SelfLoop(edge) => curvature::Error::SelfLoop(edge),
            curvature_core::CurvatureError::RepeatedEdge(edge) => curvature::Error::RepeatedEdge(edge),
        })
    }
}

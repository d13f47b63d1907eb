//! The export `distance`.

use super::Component;
use super::exports::skerry::geometry::distance;
use crate::distance as distance_core;

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

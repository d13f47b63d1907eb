//! The export `property`.

use super::Component;
use super::exports::skerry::geometry::{manifold, property};
use super::manifold::product;
use crate::fault::AnalysisError;
use crate::property::{self as core, Measure};

impl property::Guest for Component {
    fn nearest(
        on: Vec<manifold::Factor>,
        x: Vec<f64>,
        points: Vec<f64>,
        k: u32,
    ) -> Result<Vec<property::Neighbour>, manifold::Error> {
        let found = core::nearest(&product(&on)?, &x, &points, k)?;
        let neighbour = |near: core::Neighbour| property::Neighbour { point: near.point, distance: near.distance };
        Ok(found.into_iter().map(neighbour).collect())
    }

    fn outliers(
        on: Vec<manifold::Factor>,
        points: Vec<f64>,
        by: property::Measure,
    ) -> Result<property::Outlyingness, manifold::Fault> {
        let measure = match by {
            property::Measure::Mean => Measure::Mean,
            property::Measure::Neighbour(k) => Measure::Neighbour(k),
        };
        let found = core::outliers(&product(&on).map_err(AnalysisError::from)?, &points, measure)?;
        Ok(property::Outlyingness {
            distances: found.distances,
            scores: found.scores,
            centre: found.mean.map(Into::into),
        })
    }
}

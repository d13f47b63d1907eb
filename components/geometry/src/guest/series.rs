//! The export `series`.

use super::Component;
use super::exports::skerry::geometry::manifold::Fault;
use super::exports::skerry::geometry::series;
use crate::series::trajectory::{self as core, Moment, Shrinkage, Windows};
use crate::series::{Path, Warping, dtw};

fn warping(found: Warping) -> series::Warping {
    let path = found.path.into_iter().map(|(first, second)| series::Step { first, second }).collect();
    series::Warping { distance: found.distance, path }
}

fn moment(moment: series::Moment) -> Moment {
    match moment {
        series::Moment::Covariance => Moment::Covariance,
        series::Moment::Correlation => Moment::Correlation,
    }
}

fn shrinkage(shrinkage: series::Shrinkage) -> Shrinkage {
    match shrinkage {
        series::Shrinkage::LedoitWolf => Shrinkage::LedoitWolf,
        series::Shrinkage::Fixed(part) => Shrinkage::Fixed(part),
    }
}

impl series::Guest for Component {
    fn dtw(
        x: Vec<f64>,
        y: Vec<f64>,
        width: u32,
        window: Option<u32>,
        with_path: bool,
    ) -> Result<series::Warping, Fault> {
        let path = if with_path { Path::Wanted } else { Path::Left };
        Ok(warping(dtw(&x, &y, width, window, path)?))
    }

    fn moment_of(
        rows: Vec<f64>,
        columns: u32,
        which: series::Moment,
        how: series::Shrinkage,
    ) -> Result<series::Path, Fault> {
        let (matrices, part) = core::moment(&rows, columns, moment(which), shrinkage(how))?;
        Ok(series::Path { matrices, shrinkage: vec![part] })
    }

    fn trajectory(rows: Vec<f64>, columns: u32, windows: series::Windows) -> Result<series::Path, Fault> {
        let windows = Windows {
            length: windows.length,
            step: windows.step,
            moment: moment(windows.moment),
            shrinkage: shrinkage(windows.shrinkage),
        };
        let found = core::trajectory(&rows, columns, windows)?;
        Ok(series::Path { matrices: found.matrices, shrinkage: found.shrinkage })
    }

    fn path_distance(x: Vec<f64>, y: Vec<f64>, side: u32, window: Option<u32>) -> Result<series::Warping, Fault> {
        Ok(warping(core::distance(&x, &y, side, window)?))
    }

    fn changes(matrices: Vec<f64>, side: u32, threshold: f64) -> Result<series::Speeds, Fault> {
        let found = core::changes(&matrices, side, threshold)?;
        Ok(series::Speeds { speeds: found.speeds, scores: found.scores, changes: found.changes })
    }
}

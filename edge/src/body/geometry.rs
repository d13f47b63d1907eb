//! Geometry over records: charts, series, clouds, graphs.

mod chart;
mod cloud;
mod networks;
mod series;

pub use chart::*;
pub use cloud::*;
pub use networks::*;
pub use series::*;

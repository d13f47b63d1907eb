//! Geometry over records: charts, series, clouds, graphs.

mod anomalies;
mod chart;
mod cloud;
mod curvature;
mod hypergraph;
mod networks;
mod series;

pub use anomalies::*;
pub use chart::*;
pub use cloud::*;
pub use curvature::*;
pub use hypergraph::*;
pub use networks::*;
pub use series::*;

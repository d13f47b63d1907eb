//! Discrete Ricci curvature of the edges of undirected simple graphs.

pub mod assignment;
pub mod forman;
pub mod ollivier;
pub mod ratio;
pub mod resistance;
mod squares;
pub mod weighted;

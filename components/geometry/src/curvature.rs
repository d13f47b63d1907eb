//! Discrete Ricci curvature of the edges of undirected simple graphs.

pub mod forman;
pub mod ollivier;
pub mod ratio;

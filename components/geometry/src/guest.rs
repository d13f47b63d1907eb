//! The component: the functions of this crate behind the exports of `skerry:geometry/geometry`.
#![allow(
    unsafe_code,
    missing_docs,
    unreachable_pub,
    clippy::pedantic,
    reason = "generated bindings: the canonical ABI is raw memory"
)]

mod anomaly;
mod cloud;
mod community;
mod curvature;
mod distance;
mod hierarchy;
mod hypergraph;
mod manifold;
mod multilayer;
mod property;
mod series;
mod spectral;
mod tracker;

wit_bindgen::generate!({ path: "../../wit/geometry", world: "geometry" });

struct Component;

export!(Component);

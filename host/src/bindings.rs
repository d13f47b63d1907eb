//! Bindings generated from `wit/`: the typed shape of every component's exports.
#![allow(
    missing_docs,
    unreachable_pub,
    missing_debug_implementations,
    unsafe_code,
    clippy::pedantic,
    clippy::indexing_slicing,
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "generated code"
)]

pub mod embedding {
    wasmtime::component::bindgen!({ path: "../wit/embedding", world: "embedding", additional_derives: [PartialEq] });
}

pub mod provider {
    wasmtime::component::bindgen!({ path: "../wit/embedding", world: "provider", additional_derives: [PartialEq] });
}

pub mod query {
    wasmtime::component::bindgen!({ path: "../wit/query", world: "query", additional_derives: [PartialEq] });
}

pub mod geometry {
    wasmtime::component::bindgen!({ path: "../wit/geometry", world: "geometry", additional_derives: [PartialEq] });
}

pub mod transform {
    wasmtime::component::bindgen!({ path: "../wit/plugin", world: "transform", additional_derives: [PartialEq] });
}

pub mod reranker {
    wasmtime::component::bindgen!({
        path: "../wit/plugin",
        world: "reranker",
        additional_derives: [PartialEq],
        with: { "skerry:plugin/types": super::transform::skerry::plugin::types },
    });
}

pub mod subscription_filter {
    wasmtime::component::bindgen!({
        path: "../wit/plugin",
        world: "subscription-filter",
        additional_derives: [PartialEq],
        with: { "skerry:plugin/types": super::transform::skerry::plugin::types },
    });
}

//! Builds the gateway, once for each version of `wasi:http`. Hosts compose it with a snapshot; our own node does not run it.

use std::fs;

use anyhow::Context;
use wit_component::ComponentEncoder;

use super::{TARGET, add_target};
use crate::fetch::write_whole;
use crate::paths;
use crate::run::{cargo, run};

/// What the SDK of Spin is made for.
const WASI: &str = "wasm32-wasip2";

/// Builds `gateway.wasm` (0.3) and `gateway-wasip2.wasm` (0.2).
pub(super) fn build() -> anyhow::Result<()> {
    add_target(WASI)?;
    let component = compile(WASI, "wasip3")?;
    write_whole(&paths::components().join("gateway.wasm"), &component)?;
    // Without any library of the system: what it imports is wasi:http alone.
    let module = compile(TARGET, "wasip2")?;
    let mut encoder = ComponentEncoder::default();
    let component = encoder.validate(true).module(&module)?.encode().context("encode the gateway as a component")?;
    write_whole(&paths::components().join("gateway-wasip2.wasm"), &component)
}

fn compile(target: &str, feature: &str) -> anyhow::Result<Vec<u8>> {
    let target_dir = paths::target().join("guests").join(feature);
    let mut build = cargo();
    build.args(["build", "--quiet", "--lib", "--profile", "guest", "--target", target, "--package", "skerry-gateway"]);
    build.args(["--features", feature]).arg("--target-dir").arg(&target_dir);
    // It joins answers and computes nothing: a small one is opened and compiled sooner.
    build.env("CARGO_PROFILE_GUEST_OPT_LEVEL", "s");
    build.env("CARGO_TARGET_WASM32_UNKNOWN_UNKNOWN_RUSTFLAGS", "-C link-arg=-zstack-size=262144");
    run(&mut build).with_context(|| format!("build the gateway for {feature}"))?;
    let file = target_dir.join(target).join("guest").join("skerry_gateway.wasm");
    fs::read(&file).with_context(|| format!("read {}", file.display()))
}

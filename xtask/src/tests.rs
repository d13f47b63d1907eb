//! `cargo xtask test`: what the tests need, then every test.

use crate::run::{cargo, run};
use crate::{components, fetch, node, paths, plugins, sdk, sim};

/// Builds the components and runs the tests of the whole workspace, then the simulator.
pub(crate) fn test(arguments: &[String]) -> anyhow::Result<()> {
    components::build()?;
    let plugins = plugins::build()?;
    let sample = fetch::sample()?;
    let host = node::HOST_TESTS.install()?;
    let hub = node::HUB_TESTS.install()?;
    let npm = sdk::npm()?;
    let python = sdk::python()?;
    let mut test = cargo();
    test.args(["test", "--workspace"]).args(arguments);
    test.env("SKERRY_COMPONENTS", paths::components());
    test.env("SKERRY_MODEL_DIR", paths::model());
    test.env("SKERRY_BUILT_PLUGINS", plugins);
    test.env("SKERRY_SAMPLE", sample);
    test.env("SKERRY_NODE", host);
    test.env("SKERRY_HUB_NODE", hub);
    test.env("SKERRY_NPM", npm);
    test.env("SKERRY_SDK_NODE", node::SDK.install()?);
    test.env("SKERRY_PYTHON", python);
    run(&mut test)?;
    // Somebody who asks for one test does not wait for all seeds.
    if arguments.is_empty() { sim::many(0, sim::CI_SEEDS) } else { Ok(()) }
}

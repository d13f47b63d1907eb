//! `cargo xtask test`: what the tests need, then every test.

use crate::run::{cargo, run};
use crate::{bundle, components, fetch, node, paths, plugins, sdk, sim};

/// Builds the components and runs the tests of the whole workspace, then the simulator.
pub(crate) fn test(arguments: &[String]) -> anyhow::Result<()> {
    components::build()?;
    let plugins = plugins::build()?;
    let sample = fetch::sample()?;
    let host = node::HOST_TESTS.install()?;
    let hub = node::HUB_TESTS.install()?;
    let npm = sdk::npm()?;
    let python = sdk::python()?;
    // Somebody who asks for tests of one crate does not wait for programs that those do not start.
    let wants_bundle = arguments.is_empty() || arguments.iter().any(|argument| argument.contains("sdk"));
    let bundle = wants_bundle.then(bundle::for_tests).transpose()?;
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
    test.envs(bundle.map(|archive| ("SKERRY_BUNDLE", archive)));
    run(&mut test)?;
    // Somebody who asks for one test does not wait for all seeds.
    if arguments.is_empty() { sim::many(0, sim::CI_SEEDS) } else { Ok(()) }
}

//! Every test, over freshly built components.

use crate::run::{cargo, run, say};
use crate::workspace::Workspace;
use crate::{components, fetch};

#[derive(Debug, clap::Args)]
pub(crate) struct Arguments {
    /// Passed on, for instance `-p skerry-host` or `-- --nocapture`. With a package, only that one is tested.
    #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
    rest: Vec<String>,
}

pub(crate) fn test(workspace: &Workspace, arguments: &Arguments) -> anyhow::Result<()> {
    let components = components::build(workspace)?;
    fetch::sample(workspace)?;
    say("building the node");
    run(cargo().current_dir(workspace.root()).args(["build", "--package", "skerry-edge"]))?;
    let names_package = arguments.rest.iter().take_while(|word| *word != "--").any(|word| is_package(word));
    let mut command = cargo();
    command.current_dir(workspace.root()).arg("test");
    if !names_package {
        command.arg("--workspace");
    }
    command
        .args(&arguments.rest)
        .env("SKERRY_COMPONENTS", components)
        .env("SKERRY_MODEL_DIR", workspace.model())
        .env("SKERRY_DOWNLOADS", workspace.downloads())
        .env("SKERRY_PROGRAM", workspace.program("skerry"));
    run(&mut command)
}

fn is_package(word: &str) -> bool {
    word.starts_with("-p") || word.starts_with("--package")
}

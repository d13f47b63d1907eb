//! `cargo xtask`: the same commands at the desk and in CI. `cargo xtask --help` lists them.

mod bake;
mod components;
mod fetch;
mod files;
mod guests;
mod run;
mod test;
mod up;
mod workspace;

use clap::{Parser, Subcommand};

use crate::workspace::Workspace;

/// Builds, tests and starts Skerry.
#[derive(Debug, Parser)]
#[command(name = "cargo xtask", bin_name = "cargo xtask", arg_required_else_help = true)]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Builds everything, starts a node with sample data and asks it three questions. Start here.
    Up(up::Arguments),
    /// Runs every test; arguments go to `cargo test --workspace`.
    Test(test::Arguments),
    /// Builds the WebAssembly components, bakes the model in and compiles them for this machine.
    Components,
    /// Downloads the model and the sample data, by pinned hash; does nothing when they are there.
    Fetch,
}

fn main() -> anyhow::Result<()> {
    let arguments = Arguments::parse();
    let workspace = Workspace::find()?;
    match arguments.command {
        Command::Up(arguments) => up::up(&workspace, &arguments),
        Command::Test(arguments) => test::test(&workspace, &arguments),
        Command::Components => components::build(&workspace).map(|_| ()),
        Command::Fetch => {
            fetch::model(&workspace)?;
            fetch::sample(&workspace)?;
            Ok(())
        }
    }
}

//! `cargo xtask`: the same commands at the desk and in CI.
//!
//! `up` runs the main job, `test` runs every test, `sim` the simulator; `npm` and `bundle` make what is handed out;
//! `components`, `fetch` and `bench` are their parts and the benchmarks.

mod bench;
mod bundle;
mod components;
mod distill;
mod fetch;
mod lambda;
mod node;
mod paths;
mod plugins;
mod quality;
mod run;
mod sdk;
mod sim;
mod tests;
mod up;
mod wordnet;

use std::path::PathBuf;

use clap::{Parser, Subcommand};

/// Builds, runs, tests and measures Skerry.
#[derive(Debug, Parser)]
#[command(name = "cargo xtask", bin_name = "cargo xtask")]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Builds everything, starts a node, imports the sample, asks three questions, and keeps the node running.
    Up(up::UpArguments),
    /// Runs every test.
    Test {
        /// Passed on to `cargo test`.
        #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
        arguments: Vec<String>,
    },
    /// Runs the sync service in the seeded simulator (docs/simulator.md).
    Sim(sim::SimArguments),
    /// Measures what docs/benchmarks.md reports and writes target/skerry/bench.json.
    Bench(bench::BenchArguments),
    /// What one segment takes of memory, in a process of its own: a part of `bench --search`.
    #[command(hide = true)]
    BenchProbe { dir: PathBuf, sha256: String, queries: PathBuf },
    /// Builds and bakes the components into target/skerry/components.
    Components,
    /// Builds the plugins of examples and tests into target/skerry/plugins; the one in JavaScript needs npm.
    Plugins,
    /// Makes the static model from the embedding component, which `components` does too when it is not there.
    Distill {
        /// Measures it against the model that it was made from, and makes nothing.
        #[arg(long)]
        measure: bool,
    },
    /// Embeds the glosses of `WordNet` for the search benchmark.
    Wordnet,
    /// Fetches the model and the sample data by pinned hash into target/skerry.
    Fetch,
    /// Builds the npm package and the demo page into target/skerry/npm (docs/browser.md).
    Npm,
    /// Makes the package that AWS Lambda takes (docs/lambda.md).
    Lambda(lambda::LambdaArguments),
    /// Makes one archive that installs and runs without a network (docs/air-gap.md).
    Bundle(bundle::BundleArguments),
}

fn main() -> anyhow::Result<()> {
    match Arguments::parse().command {
        Command::Up(arguments) => up::up(&arguments),
        Command::Test { arguments } => tests::test(&arguments),
        Command::Sim(arguments) => sim::sim(&arguments),
        Command::Bench(arguments) => bench::bench(&arguments),
        Command::BenchProbe { dir, sha256, queries } => bench::search::probe_main(&dir, &sha256, &queries),
        Command::Distill { measure } => distill::distill(measure),
        Command::Wordnet => wordnet::vectors(&wordnet::glosses()?).map(drop),
        Command::Components => components::build(),
        Command::Plugins => plugins::build().map(drop),
        Command::Fetch => fetch::fetch(),
        Command::Lambda(arguments) => lambda::lambda(&arguments),
        Command::Bundle(arguments) => bundle::bundle(&arguments),
        Command::Npm => components::build().and_then(|()| sdk::npm()).map(|dir| println!("{}", dir.display())),
    }
}

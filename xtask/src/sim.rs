//! `cargo xtask sim`: the sync service in the seeded simulator.

use std::time::Instant;

use anyhow::bail;
use clap::Args;
use indicatif::{ProgressBar, ProgressStyle};
use skerry_sim::{Options, run, sweep};

/// Seeds that CI runs.
pub(crate) const CI_SEEDS: u64 = 2_000;

/// Failing seeds that are shown before the rest is not run any more.
const FAILURES_MAX: usize = 5;

/// Which seeds, and how much is said about them.
#[derive(Debug, Args)]
pub(crate) struct SimArguments {
    /// How many seeds.
    #[arg(long, default_value_t = CI_SEEDS)]
    seeds: u64,
    /// The first seed.
    #[arg(long, default_value_t = 0)]
    from: u64,
    /// This seed only.
    #[arg(long)]
    seed: Option<u64>,
    /// Shows everything that happens; with --seed.
    #[arg(long, requires = "seed")]
    trace: bool,
}

/// Runs the simulator.
pub(crate) fn sim(arguments: &SimArguments) -> anyhow::Result<()> {
    match arguments.seed {
        Some(seed) => one(seed, arguments.trace),
        None => many(arguments.from, arguments.seeds),
    }
}

fn one(seed: u64, trace: bool) -> anyhow::Result<()> {
    let outcome = run(seed, &Options { trace, ..Options::default() });
    outcome.trace.iter().for_each(|line| println!("{line}"));
    println!("seed {seed}: {} s simulated, digest {}", outcome.simulated_ms / 1_000, outcome.digest);
    match outcome.failure {
        Some(why) => bail!("seed {seed}: {why}"),
        None => Ok(()),
    }
}

/// Runs many seeds and says what happened in them.
pub(crate) fn many(from: u64, seeds: u64) -> anyhow::Result<()> {
    let start = Instant::now();
    let style = ProgressStyle::with_template("simulating {bar:40} {pos}/{len} seeds, {per_sec}, {eta} left")?;
    let bar = ProgressBar::new(seeds).with_style(style);
    let summary = sweep(from, seeds, FAILURES_MAX, Options::default(), |done| bar.set_position(done));
    bar.finish_and_clear();
    summary.counts.iter().for_each(|(kind, count)| println!("{count:>10} {kind}"));
    let seconds = start.elapsed().as_secs_f64();
    let rate = summary.runs as f64 / seconds;
    let hours = summary.simulated_ms as f64 / 3_600_000.0;
    println!("{} seeds from {from}, {seconds:.0} s, {rate:.1} seeds/s, {hours:.1} hours simulated", summary.runs);
    for outcome in &summary.failures {
        let why = outcome.failure.as_deref().unwrap_or_default();
        println!("seed {} failed: {why}\n  cargo xtask sim --seed {0} --trace", outcome.seed);
    }
    match summary.failures.first() {
        Some(outcome) => {
            bail!("{} of {} seeds failed, the first is {}", summary.failures.len(), summary.runs, outcome.seed)
        }
        None => Ok(()),
    }
}

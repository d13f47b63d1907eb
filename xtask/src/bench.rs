//! Benchmarks.

/// What `bench` can be told.
#[derive(Debug, clap::Args)]
pub(crate) struct BenchArguments {
    /// Records of the largest project.
    #[arg(long, default_value_t = 10_000)]
    records: usize,
}

/// Runs the benchmarks.
pub(crate) fn bench(arguments: &BenchArguments) -> anyhow::Result<()> {
    anyhow::bail!("{}", arguments.records)
}

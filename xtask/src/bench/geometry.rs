//! Geometry side by side with Python's libraries.

mod manifolds;

/// Runs the geometry benchmarks.
pub(super) fn bench() -> anyhow::Result<()> {
    manifolds::bench()
}

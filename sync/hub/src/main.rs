//! `skerry-hub`: serves the sync service.

fn main() -> anyhow::Result<()> {
    anyhow::bail!("not there yet")
}

//! The first minutes: a node with sample data that answers questions.

use crate::workspace::Workspace;

#[derive(Debug, clap::Args)]
pub(crate) struct Arguments {}

pub(crate) fn up(_: &Workspace, _: &Arguments) -> anyhow::Result<()> {
    anyhow::bail!("being written")
}

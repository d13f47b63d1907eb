//! The first synchronisation by replicas on disk over the stateless exchange: what `skerry sync` does.

use std::time::Instant;

use anyhow::{Context, ensure};
use serde_json::{Value, json};
use skerry_sync::{Replica, SessionSummary, Timestamp};

use super::data::{BATCH, Data};
use super::servers::Server;
use crate::{bench, paths};

/// A replica with everything to the hub, and from there to one with nothing.
pub(super) fn run(server: &Server, data: &Data) -> anyhow::Result<Value> {
    let dirs = [tempfile::tempdir_in(paths::products())?, tempfile::tempdir_in(paths::products())?];
    let [full, empty] = [Replica::open(dirs[0].path())?, Replica::open(dirs[1].path())?];
    let now = Timestamp(1_700_000_000_000);
    full.create_project(&data.project, "", now)?;
    for batch in data.records.chunks(BATCH) {
        full.publish(&data.project, batch, now)?;
    }
    let (up, up_s) = session(server, data, &full)?;
    let (down, down_s) = session(server, data, &empty)?;
    ensure!(full.version(&data.project)? == empty.version(&data.project)?, "the replicas differ");
    Ok(json!({
        "up_s": up_s, "down_s": down_s, "up_bytes": up.bytes_sent, "up_back_bytes": up.bytes_received,
        "down_bytes": down.bytes_received, "down_back_bytes": down.bytes_sent,
        "rounds": [up.rounds, down.rounds],
    }))
}

fn session(server: &Server, data: &Data, replica: &Replica) -> anyhow::Result<(SessionSummary, f64)> {
    let agent = bench::agent();
    let url = format!("http://{}/api/v1/projects/{}/sync", server.address, data.project);
    let token = server.token().context("the hub asks for a token")?;
    let begun = Instant::now();
    let mut session = replica.session(&data.project);
    while let Some(body) = session.next_request()? {
        let request = agent.post(&url).header("authorization", format!("Bearer {token}"));
        let request = request.content_type("application/octet-stream");
        let mut answer = request.send(&body[..]).context("exchange")?;
        session.handle_response(&answer.body_mut().with_config().limit(1 << 30).read_to_vec()?)?;
    }
    Ok((session.summary(), begun.elapsed().as_secs_f64()))
}

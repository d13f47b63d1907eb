//! The WebSocket of the automerge-repo protocol.

use std::sync::Arc;
use std::time::Duration;

use axum::extract::State;
use axum::extract::ws::WebSocketUpgrade;
use axum::extract::ws::rejection::WebSocketUpgradeRejection;
use axum::http::{HeaderMap, Uri};
use axum::response::Response;

use crate::auth;
use crate::connection::Connection;
use crate::problem::{Kind, Problem};
use crate::serve::Shared;

/// Bytes that each connection reads and writes at once. Ten thousand idle ones each have such a buffer.
const BUFFER_BYTES: usize = 4 << 10;

/// When to try again where there is no room.
const FULL_RETRY: Duration = Duration::from_secs(5);

/// Lets a client in whose token allows something.
pub(super) async fn connect(
    State(shared): State<Arc<Shared>>,
    uri: Uri,
    headers: HeaderMap,
    upgrade: Result<WebSocketUpgrade, WebSocketUpgradeRejection>,
) -> Result<Response, Problem> {
    let upgrade = upgrade.map_err(|_| {
        let detail = "Here a WebSocket speaks the automerge-repo protocol. See /api/v1/openapi.json for the rest.";
        Problem::new(Kind::UpgradeRequired, detail)
    })?;
    if shared.ending.draining.is_cancelled() {
        return Err(Problem::new(Kind::Stopping, "The hub is stopping; connect again.").retry_after(FULL_RETRY));
    }
    let shown = auth::from_headers(&headers).or_else(|| auth::from_query(&uri));
    let authorised = auth::authorise(&shared.sessions, shown).await.inspect_err(|_| {
        shared.metrics.refused.inc();
    })?;
    let place = Arc::clone(&shared.places).try_acquire_owned().map_err(|_| {
        let detail = format!("The hub has {} connections and takes no more; try again.", shared.limits.connections_max);
        Problem::new(Kind::HubFull, detail).retry_after(FULL_RETRY)
    })?;
    let connection = Connection {
        core: shared.core.clone(),
        metrics: Arc::clone(&shared.metrics),
        grant: authorised.record.grant(),
        session: shared.sessions.open(authorised.digest, &authorised.record),
        ending: shared.ending.clone(),
        frame_bytes_max: shared.limits.frame_bytes_max,
    };
    let tracker = shared.ending.connections.clone();
    Ok(upgrade
        .read_buffer_size(BUFFER_BYTES)
        .write_buffer_size(BUFFER_BYTES)
        .max_frame_size(shared.limits.frame_bytes_max)
        .max_message_size(shared.limits.frame_bytes_max)
        .on_upgrade(move |socket| {
            tracker.track_future(async move {
                connection.serve(socket).await;
                drop(place);
            })
        }))
}

//! Serves the API until the process is told to stop.

use std::io::Write;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context;
use serde::{Deserialize, Serialize};
use tokio::net::TcpListener;

use crate::api::{self, ApiConfig};
use crate::auth;
use crate::hub::HubConfig;
use crate::node::Node;

/// Where and how to serve.
#[derive(Debug, Clone)]
pub struct ServeConfig {
    /// The address to listen on.
    pub listen: SocketAddr,
    /// The API's configuration.
    pub api: ApiConfig,
    /// The hub to stay connected to.
    pub hub: Option<HubConfig>,
}

/// How long the connection to the hub may take to end in order.
const HUB_GOODBYE_MAX: Duration = Duration::from_secs(2);

/// What a serving node leaves in its data folder, so that commands on that folder find it.
#[derive(Debug, Serialize, Deserialize)]
pub struct Notice {
    /// The node's address.
    pub address: String,
    /// Its process.
    pub pid: u32,
    /// The node's own name for this run of it.
    pub instance: String,
}

impl Notice {
    fn path(data_dir: &Path) -> PathBuf {
        data_dir.join("node.json")
    }

    /// The notice in a folder. It may be that of a node that was killed.
    pub fn read(data_dir: &Path) -> Option<Notice> {
        serde_json::from_slice(&std::fs::read(Notice::path(data_dir)).ok()?).ok()
    }
}

/// Serves a node until Ctrl-C or a termination signal; answers what has been asked before it stops.
///
/// # Errors
/// When the address may not be used without a key, or cannot be listened on.
pub async fn serve(node: Arc<Node>, config: ServeConfig) -> anyhow::Result<()> {
    auth::check_listen(config.listen, &config.api.api_keys)?;
    let listener = TcpListener::bind(config.listen).await.with_context(|| {
        format!("listen on {}; is another node running there? Choose another address with --listen", config.listen)
    })?;
    let address = listener.local_addr().context("read the address that was given")?;
    let notice =
        Notice { address: format!("http://{address}"), pid: std::process::id(), instance: node.instance().to_owned() };
    let notice_path = Notice::path(node.data_dir());
    std::fs::write(&notice_path, serde_json::to_vec(&notice)?)
        .with_context(|| format!("write {}", notice_path.display()))?;
    let startup_ms = node.uptime().as_secs_f64() * 1e3;
    tracing::info!(address = %notice.address, startup_ms, data_dir = %node.data_dir().display(), "listening");
    // Whoever started the node may have closed the pipe; that is no reason to stop serving.
    writeln!(std::io::stdout(), "skerry listens on {}", notice.address).ok();
    let background = Arc::clone(&node);
    tokio::task::spawn_blocking(move || background.warm_up());
    let hub = match config.hub {
        Some(hub) => {
            let hub = node.join(hub).context("read what the hub has")?;
            Some((Arc::clone(&hub), tokio::spawn(hub.run(Arc::clone(&node)))))
        }
        None => None,
    };
    let router = api::router(Arc::clone(&node), &config.api);
    let stopping_node = Arc::clone(&node);
    let stopping = async move {
        stopped().await;
        // They would go on for ever, and the server waits for them.
        stopping_node.moves().end_subscriptions();
    };
    let served = axum::serve(listener, router).with_graceful_shutdown(stopping).await;
    if let Some((hub, connection)) = hub {
        hub.stop();
        if tokio::time::timeout(HUB_GOODBYE_MAX, connection).await.is_err() {
            tracing::warn!(
                "the connection to the hub did not end in order; what the hub has is asked again at the next start"
            );
        }
    }
    std::fs::remove_file(&notice_path).with_context(|| format!("remove {}", notice_path.display()))?;
    tracing::info!("stopped");
    served.context("serve")
}

pub(crate) async fn stopped() {
    let interrupt = tokio::signal::ctrl_c();
    #[cfg(unix)]
    {
        let mut terminate = match tokio::signal::unix::signal(tokio::signal::unix::SignalKind::terminate()) {
            Ok(terminate) => terminate,
            Err(error) => {
                tracing::warn!(%error, "termination signals end the process at once");
                return wait(interrupt).await;
            }
        };
        tokio::select! {
            () = wait(interrupt) => {}
            _ = terminate.recv() => {}
        }
    }
    #[cfg(not(unix))]
    wait(interrupt).await;
}

async fn wait(interrupt: impl Future<Output = std::io::Result<()>>) {
    if let Err(error) = interrupt.await {
        tracing::warn!(%error, "Ctrl-C ends the process at once");
        std::future::pending::<()>().await;
    }
}

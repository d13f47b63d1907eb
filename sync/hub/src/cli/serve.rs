//! `skerry-hub serve`.

use std::io::Write;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context;
use clap::Args;
use skerry_sync::hub::Limits;

use crate::central::CentralStore;
use crate::serve::{HubConfig, RunningHub};

/// What `serve` takes.
#[derive(Debug, Args)]
pub(super) struct ServeArguments {
    /// The address to listen on. Port 0 takes any free one. Put TLS in front of addresses that others reach.
    #[arg(long, env = "SKERRY_HUB_LISTEN", default_value = "127.0.0.1:8788", value_name = "ADDRESS")]
    listen: SocketAddr,
    /// A NATS server with JetStream, for several hubs over one store. Name each server of the cluster.
    #[arg(long, env = "SKERRY_HUB_NATS", value_delimiter = ',', hide_env_values = true, value_name = "URL")]
    nats: Vec<String>,
    /// A NATS credentials file.
    #[arg(long, env = "SKERRY_HUB_NATS_CREDENTIALS", value_name = "FILE")]
    nats_credentials: Option<PathBuf>,
    /// What clients know this hub by: the same at every start, another for every hub [default: made of the store, the
    /// machine's name and the address].
    #[arg(long, env = "SKERRY_HUB_NAME", value_name = "NAME")]
    name: Option<String>,
    #[command(flatten)]
    limits: LimitArguments,
}

/// Bounds, each with its default. Sizes may end in K, M or G.
#[derive(Debug, Args)]
#[command(next_help_heading = "Limits")]
struct LimitArguments {
    /// Connections at once [default: 20000].
    #[arg(long, env = "SKERRY_HUB_CONNECTIONS_MAX", value_name = "COUNT")]
    connections_max: Option<usize>,
    /// Documents that one connection may have open [default: 10000].
    #[arg(long, env = "SKERRY_HUB_DOCUMENTS_PER_CONNECTION_MAX", value_name = "COUNT")]
    documents_per_connection_max: Option<usize>,
    /// Bytes of one message or exchange body [default: 64M].
    #[arg(long, env = "SKERRY_HUB_FRAME_BYTES_MAX", value_parser = bytes, value_name = "SIZE")]
    frame_bytes_max: Option<usize>,
    /// Messages of a connection in a second, on average; ten seconds' worth may be saved up [default: 2000].
    #[arg(long, env = "SKERRY_HUB_MESSAGES_PER_SECOND", value_name = "COUNT")]
    messages_per_second: Option<u32>,
    /// Bytes of a connection, or of a token's exchanges, in a second, likewise [default: 64M].
    #[arg(long, env = "SKERRY_HUB_BYTES_PER_SECOND", value_parser = bytes, value_name = "SIZE")]
    bytes_per_second: Option<usize>,
    /// Exchanges of a token in a second, likewise [default: 100].
    #[arg(long, env = "SKERRY_HUB_EXCHANGES_PER_SECOND", value_name = "COUNT")]
    exchanges_per_second: Option<u32>,
    /// Bytes that may wait for a connection that reads slowly [default: 4M].
    #[arg(long, env = "SKERRY_HUB_QUEUE_BYTES_MAX", value_parser = bytes, value_name = "SIZE")]
    queue_bytes_max: Option<usize>,
    /// Messages that may wait for a document that is being loaded, for each connection [default: 256].
    #[arg(long, env = "SKERRY_HUB_WAITING_FRAMES_MAX", value_name = "COUNT")]
    waiting_frames_max: Option<usize>,
    /// Bytes of them, for each connection [default: 128M].
    #[arg(long, env = "SKERRY_HUB_WAITING_BYTES_MAX", value_parser = bytes, value_name = "SIZE")]
    waiting_bytes_max: Option<usize>,
    /// Documents that are read from the store at once [default: 32].
    #[arg(long, env = "SKERRY_HUB_LOADS_MAX", value_name = "COUNT")]
    loads_max: Option<usize>,
    /// Memory for documents, as estimated; those used longest ago go first [default: 64M].
    #[arg(long, env = "SKERRY_HUB_DOCUMENTS_BYTES_MAX", value_parser = bytes, value_name = "SIZE")]
    documents_bytes_max: Option<usize>,
    /// Chunks of a document that are replaced by one snapshot [default: 64].
    #[arg(long, env = "SKERRY_HUB_CHUNKS_MAX", value_name = "COUNT")]
    chunks_max: Option<usize>,
    /// Seconds that a new connection may take to say who it is [default: 10].
    #[arg(long, env = "SKERRY_HUB_HANDSHAKE_SECONDS_MAX", value_name = "SECONDS")]
    handshake_seconds_max: Option<u64>,
    /// Documents that are worked on at once [default: one for each core, two at least].
    #[arg(long, env = "SKERRY_HUB_WORKERS", value_name = "COUNT")]
    workers: Option<usize>,
    /// Seconds after which open documents are compared with the store even if nobody told of a change [default: 300].
    #[arg(long, env = "SKERRY_HUB_LOOK_AGAIN_SECONDS", value_name = "SECONDS")]
    look_again_seconds: Option<u64>,
}

impl LimitArguments {
    fn config(&self) -> HubConfig {
        let usual = HubConfig::default();
        let limits = Limits::default();
        let seconds =
            |seconds: Option<u64>, usual| seconds.map_or(usual, |seconds| Duration::from_secs(seconds.max(1)));
        HubConfig {
            limits: Limits {
                connections_max: self.connections_max.unwrap_or(limits.connections_max),
                documents_per_connection_max: self
                    .documents_per_connection_max
                    .unwrap_or(limits.documents_per_connection_max),
                frame_bytes_max: self.frame_bytes_max.unwrap_or(limits.frame_bytes_max),
                messages_per_second: self.messages_per_second.unwrap_or(limits.messages_per_second),
                bytes_per_second: self.bytes_per_second.map_or(limits.bytes_per_second, |bytes| bytes as u64),
                queue_bytes_max: self.queue_bytes_max.unwrap_or(limits.queue_bytes_max),
                waiting_frames_max: self.waiting_frames_max.unwrap_or(limits.waiting_frames_max),
                waiting_bytes_max: self.waiting_bytes_max.unwrap_or(limits.waiting_bytes_max),
                loads_max: self.loads_max.unwrap_or(limits.loads_max),
                documents_bytes_max: self.documents_bytes_max.unwrap_or(limits.documents_bytes_max),
                chunks_max: self.chunks_max.unwrap_or(limits.chunks_max),
                handshake_max: seconds(self.handshake_seconds_max, limits.handshake_max),
                look_again_after: seconds(self.look_again_seconds, limits.look_again_after),
            },
            exchanges_per_second: self.exchanges_per_second.unwrap_or(usual.exchanges_per_second),
            workers: self.workers.unwrap_or(usual.workers),
            ..usual
        }
    }
}

impl ServeArguments {
    pub(super) async fn run(&self, store: CentralStore) -> anyhow::Result<()> {
        let mut config = self.limits.config();
        config.nats.servers.clone_from(&self.nats);
        config.name.clone_from(&self.name);
        if let Some(path) = &self.nats_credentials {
            let text = std::fs::read_to_string(path).with_context(|| format!("read {}", path.display()))?;
            config.nats.credentials = Some(text);
        }
        let store = Arc::new(store);
        let mut hub = RunningHub::start(self.listen, Arc::clone(&store), config).await?;
        // Whoever started the hub may have closed the pipe; that is no reason to stop serving.
        writeln!(std::io::stdout(), "skerry-hub listens on http://{}", hub.address()).ok();
        if store.tokens().await?.is_empty() {
            let hint = "there is no token yet, so nobody is let in; make one with `skerry-hub token create`";
            writeln!(std::io::stderr(), "skerry-hub: {hint}").ok();
        }
        tokio::select! {
            outcome = stopped() => {
                outcome.context("wait for a signal")?;
                hub.stop().await
            }
            error = hub.failed() => Err(error),
        }
    }
}

/// Ends when the process is told to stop.
pub(super) async fn stopped() -> std::io::Result<()> {
    let interrupt = tokio::signal::ctrl_c();
    #[cfg(unix)]
    {
        let mut terminate = tokio::signal::unix::signal(tokio::signal::unix::SignalKind::terminate())?;
        tokio::select! {
            outcome = interrupt => outcome,
            _ = terminate.recv() => Ok(()),
        }
    }
    #[cfg(not(unix))]
    interrupt.await
}

/// A size: a number of bytes, of KiB (K), MiB (M) or GiB (G).
fn bytes(text: &str) -> Result<usize, String> {
    let (digits, unit) = match text.char_indices().next_back() {
        Some((at, 'k' | 'K')) => (text.get(..at), 1 << 10),
        Some((at, 'm' | 'M')) => (text.get(..at), 1 << 20),
        Some((at, 'g' | 'G')) => (text.get(..at), 1 << 30),
        _ => (Some(text), 1),
    };
    let number = digits.and_then(|digits| digits.parse::<usize>().ok());
    let bytes = number.and_then(|number| number.checked_mul(unit)).filter(|bytes| *bytes > 0);
    bytes.ok_or_else(|| "a size is a number like 65536, 64K, 64M or 1G".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A limit that is misread is no limit.
    #[test]
    fn sizes_have_units() {
        assert_eq!(bytes("65536"), Ok(65_536));
        assert_eq!(bytes("64K"), Ok(65_536));
        assert_eq!(bytes("2m"), Ok(2 << 20));
        assert_eq!(bytes("1G"), Ok(1 << 30));
        for wrong in ["", "K", "-1", "1.5M", "0", "99999999999999999999", "99999999999G", "64 M"] {
            assert!(bytes(wrong).is_err(), "{wrong}");
        }
    }
}

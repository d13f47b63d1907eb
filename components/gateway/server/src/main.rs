//! `skerry-gateway-server GATEWAY PART...`: joins the gateway with the components that it needs and serves it on a free port of
//! 127.0.0.1 until its input ends, so that it stops with whoever started it.

use std::io::Read;
use std::path::PathBuf;

use anyhow::Context;
use clap::Parser;
use skerry_gateway_server::{Server, ServerConfig, compose};

/// Serves the gateway over a snapshot, for trying and measuring.
#[derive(Debug, Parser)]
struct Arguments {
    /// The gateway, for `wasi:http` 0.2 or 0.3.
    gateway: PathBuf,
    /// Components that meet its imports: a snapshot, the embedding component.
    parts: Vec<PathBuf>,
    /// Requests that one instance answers; 1 for a fresh one each.
    #[arg(long, default_value_t = 1)]
    requests_per_instance: usize,
}

fn main() -> anyhow::Result<()> {
    let Arguments { gateway, parts, requests_per_instance } = Arguments::parse();
    let read = |path: &PathBuf| std::fs::read(path).with_context(|| format!("read {}", path.display()));
    let parts = parts.iter().map(read).collect::<anyhow::Result<Vec<_>>>()?;
    let parts: Vec<&[u8]> = parts.iter().map(Vec::as_slice).collect();
    let composed = compose(&read(&gateway)?, &parts).context("compose the gateway")?;
    let config = ServerConfig { requests_per_instance, ..ServerConfig::default() };
    let server = Server::start(&composed, &config).context("serve the gateway")?;
    println!("the gateway listens on http://{}", server.address());
    std::io::stdin().read_to_end(&mut Vec::new()).context("wait for the end of the input")?;
    Ok(())
}

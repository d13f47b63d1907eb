//! The Lambda entry: the router of the edge node behind the Lambda runtime.
//!
//! A function instance is a replica that may vanish at any moment. With `SKERRY_HUB`, the address of a Skerry node that
//! stays, it reads what the hub has before it answers and acknowledges a write only after the hub has stored it. Without,
//! `SKERRY_DATA` must name storage that stays (an EFS mount).
//!
//! Takes API Gateway (v1, v2), function URL and ALB events, as `lambda_http` does.

mod central;

use std::path::PathBuf;

use anyhow::Context;
use skerry_edge::api::{self, ApiConfig};
use skerry_edge::auth::ApiKeys;
use skerry_edge::logging;
use skerry_edge::node::{Node, NodeConfig, SEAL_AFTER};

use central::Central;

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    logging::init();
    let hub = std::env::var("SKERRY_HUB").ok().filter(|url| !url.is_empty());
    let data = std::env::var_os("SKERRY_DATA").map(PathBuf::from);
    let data_dir = match (&hub, data) {
        (_, Some(dir)) => dir,
        (Some(_), None) => PathBuf::from("/tmp/skerry"),
        (None, None) => anyhow::bail!(
            "set SKERRY_HUB to the address of a Skerry node that keeps the data, or SKERRY_DATA to a folder that stays"
        ),
    };
    // A function is reached from anywhere: like a node that listens elsewhere than on loopback, it asks for a key.
    let api_keys = ApiKeys::new([std::env::var("SKERRY_API_KEY").unwrap_or_default().as_str()]);
    anyhow::ensure!(!api_keys.is_open(), "set SKERRY_API_KEY: without a key anyone could read and change everything");
    let components_dir = std::env::var_os("SKERRY_COMPONENTS").map(PathBuf::from);
    let models_file = std::env::var_os("SKERRY_MODELS").filter(|path| !path.is_empty()).map(PathBuf::from);
    let plugins_file = std::env::var_os("SKERRY_PLUGINS").filter(|path| !path.is_empty()).map(PathBuf::from);
    let config = NodeConfig {
        data_dir,
        components_dir,
        embedder_instances: 1,
        seal_after: SEAL_AFTER,
        models_file,
        plugins_file,
    };
    let node = Node::open(&config).context("open the replica")?;
    // An answer that goes on is none for Lambda.
    node.moves().end_subscriptions();
    let mut router = api::router(node.clone(), &ApiConfig { api_keys });
    if let Some(url) = hub {
        let api_key = std::env::var("SKERRY_HUB_API_KEY").ok().filter(|key| !key.is_empty());
        router = central::behind(router, Central::new(node, url, api_key));
    }
    lambda_http::run(router).await.map_err(|error| anyhow::anyhow!("the Lambda runtime ended: {error}"))
}

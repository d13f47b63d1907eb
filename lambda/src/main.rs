//! The Lambda entry: the node's API as a function, over a central store that any number of hubs and functions share.
//!
//! An instance may vanish at any moment. It reads snapshots that a worker bakes (`skerry-hub bake`), which open in milliseconds and
//! answer queries without a replica; whatever is newer than the snapshot, and every write, goes through a replica in `/tmp` that is
//! filled from the store. A write is acknowledged when the store has it, as a chunk object.
//!
//! Takes events of API Gateway (REST and HTTP APIs), function URLs, load balancers, SQS, schedules (`EventBridge`), and direct calls.
//! docs/lambda.md says how to deploy it, what it costs, and what each setting does.

mod central;
mod event;
mod function;
mod invoke;
mod queue;
mod settings;
mod shelf;

use std::sync::Arc;

use lambda_http::lambda_runtime;
use skerry_edge::logging;

use function::Function;
use settings::Settings;

#[tokio::main(flavor = "current_thread")]
async fn main() -> anyhow::Result<()> {
    logging::init();
    let function = Function::new(Settings::read(|name| std::env::var(name).ok())?)?;
    let handle = lambda_runtime::service_fn(move |event| Arc::clone(&function).handle(event));
    lambda_runtime::run(handle).await.map_err(|error| anyhow::anyhow!("the Lambda runtime ended: {error}"))
}

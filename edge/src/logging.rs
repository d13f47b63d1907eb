//! Structured logs: one JSON object a line on standard error.

use tracing_subscriber::Layer;
use tracing_subscriber::filter::{LevelFilter, Targets};
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::SubscriberInitExt;

/// Starts logging for the process. `SKERRY_LOG` is a level, or levels of modules: `warn,skerry_edge=debug`; default `info`.
///
/// A second call changes nothing.
pub fn init() {
    let given = std::env::var("SKERRY_LOG").ok();
    // Without patterns: those would make a small program a tenth larger.
    let filter: Option<Targets> = given.and_then(|given| given.parse().ok());
    let layer = tracing_subscriber::fmt::layer()
        .json()
        .flatten_event(true)
        .with_current_span(true)
        .with_span_list(false)
        .with_writer(std::io::stderr)
        .with_filter(filter.unwrap_or_else(|| Targets::new().with_default(LevelFilter::INFO)));
    if tracing_subscriber::registry().with(layer).try_init().is_err() {
        tracing::debug!("logging was started before");
    }
}

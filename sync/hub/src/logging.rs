//! Structured logs: one JSON object a line on standard error.

use tracing_subscriber::EnvFilter;

/// Starts logging for the process. `SKERRY_LOG` takes the directives of `tracing_subscriber::EnvFilter`; default `info`.
///
/// A second call changes nothing.
pub(crate) fn init() {
    let filter = EnvFilter::try_from_env("SKERRY_LOG").unwrap_or_else(|_| EnvFilter::new("info"));
    let logs = tracing_subscriber::fmt()
        .json()
        .flatten_event(true)
        .with_current_span(true)
        .with_span_list(false)
        .with_env_filter(filter)
        .with_writer(std::io::stderr);
    if logs.try_init().is_err() {
        tracing::debug!("logging was started before");
    }
}

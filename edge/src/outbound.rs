//! Requests to nodes elsewhere: what every HTTP client of this crate has in common.

use std::time::Duration;

use ureq::config::ConfigBuilder;
use ureq::typestate::AgentScope;

use crate::auth::is_loopback;

/// How long a node may take to accept a connection.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);

/// Settings of a client of the node at an address. A status that is an error is an answer, not a failure.
///
/// Proxies are those of the environment (`ALL_PROXY`, `HTTPS_PROXY`, `HTTP_PROXY`, all but `NO_PROXY`). For a node on this
/// machine there is none: a proxy would look for the node on its own machine, and would be told the API key.
pub(crate) fn config_for(url: &str) -> ConfigBuilder<AgentScope> {
    let config = ureq::Agent::config_builder().timeout_connect(Some(CONNECT_TIMEOUT)).http_status_as_error(false);
    if is_on_this_machine(url) { config.proxy(None) } else { config }
}

/// Whether an address is that of this machine, by its name or number alone.
pub(crate) fn is_on_this_machine(url: &str) -> bool {
    let uri: Option<http::Uri> = url.parse().ok();
    let host = uri.as_ref().and_then(http::Uri::host).unwrap_or_default();
    is_loopback(host.trim_start_matches('[').trim_end_matches(']'))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The web's proxy must not come between this machine and itself; names that only look like it are elsewhere.
    #[test]
    fn this_machine_is_told_from_others() {
        let here =
            ["http://127.0.0.1:8787", "http://127.1.2.3", "http://[::1]:1/", "http://LOCALHOST", "https://localhost:1"];
        let elsewhere = ["http://example.com", "https://10.0.0.1:8787", "http://localhost.example", "http://a@b:1", ""];
        here.iter().for_each(|url| assert!(is_on_this_machine(url), "{url}"));
        elsewhere.iter().for_each(|url| assert!(!is_on_this_machine(url), "{url}"));
    }
}

//! Who may use the node.
//!
//! A node listens on the loopback interface without a key; anywhere else it refuses to start without one. A web page
//! that a user visits can reach loopback too, so a node without a key also checks the `Host` header: a page that
//! rebinds its own name to 127.0.0.1 is refused. (Plain cross-site requests fail by themselves: they cannot send JSON
//! without a preflight, which the node does not answer.)

use std::net::SocketAddr;

use axum::extract::{Request, State};
use axum::http::{HeaderMap, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use sha2::{Digest, Sha256};

use crate::problem::{Kind, Problem};

/// The keys a node accepts; only their SHA-256 digests are kept in memory.
///
/// Digests are compared, not keys: how long a comparison takes says nothing about a key.
#[derive(Clone, Default)]
pub struct ApiKeys {
    digests: Vec<[u8; 32]>,
}

impl std::fmt::Debug for ApiKeys {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("ApiKeys").field("count", &self.digests.len()).finish()
    }
}

impl ApiKeys {
    /// The given keys; empty ones are passed over, so that an unset variable is not a key.
    pub fn new<'a>(keys: impl IntoIterator<Item = &'a str>) -> Self {
        let digests = keys.into_iter().map(str::trim).filter(|key| !key.is_empty()).map(digest).collect();
        ApiKeys { digests }
    }

    /// True when the node asks nobody for a key.
    pub fn is_open(&self) -> bool {
        self.digests.is_empty()
    }

    /// Whether a request brings one of them, in whichever header.
    ///
    /// # Errors
    /// [`Kind::Unauthorized`].
    pub fn check(&self, headers: &HeaderMap) -> Result<(), Problem> {
        check_key(self, headers)
    }

    fn accepts(&self, key: &str) -> bool {
        self.digests.contains(&digest(key))
    }
}

fn digest(key: &str) -> [u8; 32] {
    Sha256::digest(key.as_bytes()).into()
}

/// Why a node will not listen.
#[derive(Debug, thiserror::Error)]
#[error(
    "will not listen on {address} without an API key: anyone who reaches it could read and change everything. \
     Set one with --api-key or SKERRY_API_KEY, or listen on 127.0.0.1"
)]
pub struct OpenToTheWorld {
    address: SocketAddr,
}

/// Checks that a node with these keys may listen on this address.
///
/// # Errors
/// [`OpenToTheWorld`] for an address off the loopback interface and no key.
pub fn check_listen(address: SocketAddr, keys: &ApiKeys) -> Result<(), OpenToTheWorld> {
    if keys.is_open() && !address.ip().is_loopback() {
        return Err(OpenToTheWorld { address });
    }
    Ok(())
}

/// Lets a request pass when it brings a key, or when no key is asked for and it was sent to this machine by name.
pub async fn require(State(keys): State<ApiKeys>, request: Request, next: Next) -> Response {
    let verdict = if keys.is_open() { check_host(&request) } else { check_key(&keys, request.headers()) };
    match verdict {
        Ok(()) => next.run(request).await,
        Err(problem) => problem.into_response(),
    }
}

fn check_key(keys: &ApiKeys, headers: &HeaderMap) -> Result<(), Problem> {
    let bearer = headers
        .get(header::AUTHORIZATION)
        .and_then(|value| value.to_str().ok())
        .and_then(|value| value.split_once(' '))
        .filter(|(scheme, _)| scheme.eq_ignore_ascii_case("bearer"))
        .map(|(_, key)| key.trim());
    let plain = headers.get("x-api-key").and_then(|value| value.to_str().ok()).map(str::trim);
    match bearer.or(plain) {
        Some(key) if keys.accepts(key) => Ok(()),
        Some(_) => Err(Problem::new(Kind::Unauthorized, "This API key is not known here.")),
        None => Err(Problem::new(
            Kind::Unauthorized,
            "Send an API key as `Authorization: Bearer KEY` or as `X-API-Key: KEY`.",
        )),
    }
}

fn check_host(request: &Request) -> Result<(), Problem> {
    let named = request
        .headers()
        .get(header::HOST)
        .and_then(|value| value.to_str().ok())
        .or_else(|| request.uri().authority().map(axum::http::uri::Authority::as_str));
    match named.map(host_of) {
        // In-process callers (the command line, tests, Lambda) name no host.
        None => Ok(()),
        Some(host) if is_loopback(host) => Ok(()),
        Some(host) => Err(Problem::new(
            Kind::ForeignHost,
            format!("This node has no API key and answers only to 127.0.0.1, [::1] and localhost, not to `{host}`."),
        )),
    }
}

/// Refuses a request that a web page of another origin than this machine makes. Pages cannot set `Authorization`, so with a
/// key none gets this far; programs name no origin.
///
/// # Errors
/// [`Kind::ForeignHost`].
pub fn check_origin(headers: &HeaderMap) -> Result<(), Problem> {
    let Some(origin) = headers.get(header::ORIGIN) else { return Ok(()) };
    let host =
        origin.to_str().ok().and_then(|origin| origin.split_once("://")).map(|(_, authority)| host_of(authority));
    match host {
        Some(host) if is_loopback(host) => Ok(()),
        _ => Err(Problem::new(
            Kind::ForeignHost,
            "A page of another origin must not open a connection here; serve the page from this machine.",
        )),
    }
}

/// The host of `host:port`, brackets of an IPv6 address removed.
fn host_of(authority: &str) -> &str {
    if let Some(rest) = authority.strip_prefix('[') {
        return rest.split(']').next().unwrap_or(rest);
    }
    authority.rsplit_once(':').map_or(authority, |(host, _)| host)
}

/// True for a name or address of the loopback interface; an IPv6 address stands without its brackets.
pub(crate) fn is_loopback(host: &str) -> bool {
    host.eq_ignore_ascii_case("localhost")
        || host.parse::<std::net::IpAddr>().is_ok_and(|address| address.is_loopback())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A node that anyone can reach must not start without a key (issue 2).
    #[test]
    fn listening_elsewhere_needs_a_key() {
        let world: SocketAddr = "0.0.0.0:8787".parse().unwrap();
        let loopback: SocketAddr = "127.0.0.1:8787".parse().unwrap();
        let loopback6: SocketAddr = "[::1]:8787".parse().unwrap();
        let open = ApiKeys::new(["", "  "]);
        assert!(open.is_open());
        let refusal = check_listen(world, &open).unwrap_err().to_string();
        assert!(refusal.contains("--api-key"), "{refusal}");
        assert!(check_listen(loopback, &open).is_ok());
        assert!(check_listen(loopback6, &open).is_ok());
        assert!(check_listen(world, &ApiKeys::new(["k"])).is_ok());
    }

    /// Both header forms of the issue, and nothing else, open the door.
    #[test]
    fn keys_come_in_two_headers() {
        let keys = ApiKeys::new(["secret"]);
        let check = |name: &'static str, value: &str| {
            let mut headers = HeaderMap::new();
            headers.insert(name, value.parse().unwrap());
            check_key(&keys, &headers).is_ok()
        };
        assert!(check("authorization", "Bearer secret"));
        assert!(check("authorization", "bearer secret"));
        assert!(check("x-api-key", "secret"));
        assert!(!check("authorization", "Basic secret"));
        assert!(!check("authorization", "Bearer secre"));
        assert!(!check("x-api-key", "secrett"));
        assert!(check_key(&keys, &HeaderMap::new()).is_err());
    }

    /// DNS rebinding: a page's own name in `Host` is not ours.
    #[test]
    fn only_loopback_names_are_ours() {
        for ours in ["127.0.0.1:8787", "localhost", "LOCALHOST:1", "[::1]:8787", "127.1.2.3"] {
            assert!(is_loopback(host_of(ours)), "{ours}");
        }
        for foreign in ["example.com", "127.0.0.1.example.com:80", "10.0.0.1", "localhost.evil:8787"] {
            assert!(!is_loopback(host_of(foreign)), "{foreign}");
        }
    }
}

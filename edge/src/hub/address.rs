//! Where a hub is, and the token for it.

use std::fmt;

/// The address of a hub: `ws://` or `wss://`, without secrets.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HubAddress(String);

/// Why an address is not one of a hub.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{address}` is not the address of a hub: {reason}. Give one like wss://hub.example or ws://127.0.0.1:8790")]
pub struct AddressError {
    address: String,
    reason: &'static str,
}

impl HubAddress {
    /// Reads an address. `http://` and `https://` stand for `ws://` and `wss://`.
    ///
    /// # Errors
    /// [`AddressError`]: also where it holds a secret, which would show up in status and logs.
    pub fn parse(text: &str) -> Result<HubAddress, AddressError> {
        // What stands before an @ may be a password; it is not repeated.
        let shown = text.rsplit_once('@').map_or(text, |(_, host)| host).split('?').next().unwrap_or_default();
        let refuse = |reason| AddressError { address: shown.to_owned(), reason };
        let uri: http::Uri = text.trim().parse().map_err(|_| refuse("it cannot be read"))?;
        let scheme = match uri.scheme_str() {
            Some("ws" | "http") => "ws",
            Some("wss" | "https") => "wss",
            _ => return Err(refuse("it does not begin with ws:// or wss://")),
        };
        let authority = uri.authority().ok_or_else(|| refuse("it names no host"))?;
        if authority.as_str().contains('@') || uri.query().is_some() {
            return Err(refuse("tokens are given by --hub-token or SKERRY_HUB_TOKEN, not in the address"));
        }
        if authority.host().is_empty() {
            return Err(refuse("it names no host"));
        }
        Ok(HubAddress(format!("{scheme}://{authority}{}", uri.path())))
    }

    /// The address.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Whether what goes to it can be read on the way.
    pub(crate) fn is_open_to_read(&self) -> bool {
        let plain = format!("http{}", self.0.trim_start_matches("ws"));
        self.0.starts_with("ws:") && !crate::outbound::is_on_this_machine(&plain)
    }
}

impl fmt::Display for HubAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// A token for a hub. Never shown.
#[derive(Clone)]
pub struct HubToken(String);

impl HubToken {
    /// The token; none for an empty text, so that an unset variable is not one.
    pub fn new(text: &str) -> Option<HubToken> {
        let text = text.trim();
        (!text.is_empty()).then(|| HubToken(text.to_owned()))
    }

    pub(super) fn header(&self) -> String {
        format!("Bearer {}", self.0)
    }
}

impl fmt::Debug for HubToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("HubToken(not shown)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Web addresses are taken for what is meant; what is no address of a hub is told so.
    #[test]
    fn addresses_are_read() {
        let read = |text: &str| HubAddress::parse(text).map(|address| address.to_string());
        assert_eq!(read("http://127.0.0.1:8790").unwrap(), "ws://127.0.0.1:8790/");
        assert_eq!(read("wss://hub.example/sync").unwrap(), "wss://hub.example/sync");
        assert_eq!(read(" https://hub.example ").unwrap(), "wss://hub.example/");
        for wrong in ["", "hub.example", "ftp://hub.example", "ws://", "ws:///path", "/tmp/hub"] {
            assert!(read(wrong).unwrap_err().to_string().contains("wss://hub.example"), "{wrong}");
        }
    }

    /// A secret in the address would stand in every status and every log.
    #[test]
    fn secrets_in_the_address_are_refused_and_not_repeated() {
        for wrong in ["ws://me:hunter2@hub.example", "wss://hub.example/?access_token=hunter2"] {
            let refusal = HubAddress::parse(wrong).unwrap_err().to_string();
            assert!(refusal.contains("--hub-token") && !refusal.contains("hunter2"), "{refusal}");
        }
        assert_eq!(format!("{:?}", HubToken::new("hunter2").unwrap()), "HubToken(not shown)");
        assert!(HubToken::new(" ").is_none());
    }

    /// A token over a plain connection is readable by everybody on the way, but for this machine.
    #[test]
    fn plain_connections_elsewhere_are_told_apart() {
        let open = |text: &str| HubAddress::parse(text).unwrap().is_open_to_read();
        assert!(open("ws://hub.example") && open("http://10.0.0.1:8790"));
        assert!(!open("wss://hub.example") && !open("ws://127.0.0.1:8790") && !open("ws://[::1]:1"));
    }
}

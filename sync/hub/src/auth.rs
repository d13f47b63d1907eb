//! Finds the token of a request and what it allows.

use axum::http::{HeaderMap, Uri, header};

use crate::problem::{Kind, Problem};
use crate::sessions::Sessions;
use crate::token::{Token, TokenDigest, TokenRecord};

/// A token that is known here, with what it allows.
#[derive(Debug, Clone)]
pub(crate) struct Authorised {
    pub(crate) digest: TokenDigest,
    pub(crate) record: TokenRecord,
}

/// The token in the headers, as `Authorization: Bearer TOKEN` or `X-API-Key: TOKEN`.
pub(crate) fn from_headers(headers: &HeaderMap) -> Option<&str> {
    let bearer = headers
        .get(header::AUTHORIZATION)
        .and_then(|value| value.to_str().ok())
        .and_then(|value| value.split_once(' '))
        .filter(|(scheme, _)| scheme.eq_ignore_ascii_case("bearer"))
        .map(|(_, token)| token.trim());
    bearer.or_else(|| headers.get("x-api-key").and_then(|value| value.to_str().ok()).map(str::trim))
}

/// The token in an address, as `?access_token=TOKEN`: WebSockets of browsers can set no headers.
pub(crate) fn from_query(uri: &Uri) -> Option<&str> {
    uri.query()?.split('&').find_map(|pair| pair.strip_prefix("access_token="))
}

/// What the token allows.
///
/// # Errors
/// [`Kind::Unauthorized`], without saying whether the token is damaged, unknown or revoked; [`Kind::StoreFailed`] when the
/// store cannot be asked: then nobody is let in.
pub(crate) async fn authorise(sessions: &Sessions, shown: Option<&str>) -> Result<Authorised, Problem> {
    let shown = shown.ok_or_else(|| {
        let detail = "Send a token as `Authorization: Bearer TOKEN` or `X-API-Key: TOKEN`; a WebSocket may bring it as \
                      `?access_token=TOKEN`. The hub's operator makes one with `skerry-hub token create`.";
        Problem::new(Kind::Unauthorized, detail)
    })?;
    let unknown = || Problem::new(Kind::Unauthorized, "This token is not known here. It may have been revoked.");
    let token = Token::parse(shown).ok_or_else(unknown)?;
    let record = sessions.look_up(&token).await?.ok_or_else(unknown)?;
    Ok(Authorised { digest: token.digest(), record })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The three ways of the issue, and no other.
    #[test]
    fn tokens_come_in_three_ways() {
        let headers = |name: &'static str, value: &str| {
            let mut headers = HeaderMap::new();
            headers.insert(name, value.parse().unwrap());
            headers
        };
        assert_eq!(from_headers(&headers("authorization", "Bearer abc")), Some("abc"));
        assert_eq!(from_headers(&headers("authorization", "bearer abc ")), Some("abc"));
        assert_eq!(from_headers(&headers("x-api-key", "abc")), Some("abc"));
        assert_eq!(from_headers(&headers("authorization", "Basic abc")), None);
        assert_eq!(from_query(&"/sync?a=b&access_token=abc".parse().unwrap()), Some("abc"));
        assert_eq!(from_query(&"/sync?token=abc".parse().unwrap()), None);
    }
}

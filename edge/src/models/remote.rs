//! A model behind an HTTP endpoint that speaks as `OpenAI` does: `POST {base}/embeddings`.
//!
//! Texts leave this machine only to hosts that the operator allowed. The key is read when the model is opened, goes into one
//! header, and is in no message: what an endpoint says is searched for it before it is passed on.

use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use http::StatusCode;
use serde_json::json;
use skerry_host::{CallError, Cancel};
use skerry_sync::{Chunking, Span};

use super::config::{ApiKeySource, EndpointConfig};
use super::pace::{Pace, WAIT_MAX, backoff, random_share, wait};
use super::{Model, ModelCard, ModelError, answer, approximate};
use crate::outbound;

/// Bytes of text in one request at most, unless a single text is longer.
const BATCH_BYTES_MAX: usize = 1 << 20;

/// Bytes that a number of a vector takes as JSON, with room to spare.
const NUMBER_BYTES_MAX: u64 = 32;

/// Bytes of an answer besides its vectors.
const ANSWER_BYTES_MORE: u64 = 64 << 10;

/// Bytes of a key at most.
const KEY_BYTES_MAX: usize = 4 << 10;

/// Characters of what an endpoint says that are passed on.
const SAID_CHARS_MAX: usize = 200;

/// An API key: never shown.
struct Secret(String);

impl std::fmt::Debug for Secret {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Secret(…)")
    }
}

/// An endpoint, ready to be asked.
#[derive(Debug)]
pub(super) struct RemoteModel {
    card: ModelCard,
    config: EndpointConfig,
    url: String,
    api_key: Option<Secret>,
    agent: ureq::Agent,
    pace: Pace,
    /// After all tries failed nobody asks until then, so that writers do not wait for an endpoint that is away.
    resting: Mutex<Option<(Instant, String)>>,
}

/// How one request ended without vectors.
enum Failure {
    /// Another try may help, after the time that the endpoint asked for.
    Passing(String, Option<Duration>),
    /// Nothing will change by itself.
    Lasting(String),
}

impl RemoteModel {
    /// # Errors
    /// Why it may not or cannot be asked, and what to do.
    pub(super) fn open(name: &str, config: &EndpointConfig, allowed_hosts: &[String]) -> Result<RemoteModel, String> {
        let url = format!("{}/embeddings", config.base);
        let host = check_host(&url, allowed_hosts)?;
        let api_key = read_key(&config.api_key)?;
        let is_plain = url.starts_with("http://");
        if api_key.is_some() && is_plain && !outbound::is_on_this_machine(&url) {
            return Err(format!("its key would go to {host} unencrypted; use https://"));
        }
        let agent = outbound::config_for(&url).timeout_global(Some(config.timeout)).max_redirects(0).build().into();
        let base = config.base.split_once("://").map_or(config.base.as_str(), |(_, rest)| rest);
        let card = ModelCard {
            name: name.to_owned(),
            id: format!("endpoint:{}/{}@{base}", config.model, config.dimensions),
            dimensions: config.dimensions,
            tokens_max: config.tokens_max,
            cutter: format!("characters/1/{}", config.characters_per_token),
        };
        let pace = Pace::new(config.requests_per_second);
        Ok(RemoteModel { card, config: config.clone(), url, api_key, agent, pace, resting: Mutex::default() })
    }

    fn failed(&self, reason: impl Into<String>) -> ModelError {
        ModelError::Failed { name: self.card.name.clone(), reason: reason.into() }
    }

    fn embed_batch(&self, texts: &[&str], cancel: Option<&Cancel>) -> Result<Vec<Vec<f32>>, ModelError> {
        let cancelled = || ModelError::Call(CallError::Cancelled);
        let mut failed = 0;
        loop {
            if !wait(self.pace.take(Instant::now()), cancel) {
                return Err(cancelled());
            }
            let (reason, asked) = match self.ask(texts) {
                Ok(vectors) => return Ok(vectors),
                Err(Failure::Lasting(reason)) => return Err(self.failed(reason)),
                Err(Failure::Passing(reason, asked)) => (reason, asked),
            };
            failed += 1;
            let tries = self.config.tries;
            tracing::warn!(model = self.card.name, reason, failed, tries, "an endpoint gave no vectors");
            let too_long = asked.is_some_and(|asked| asked > WAIT_MAX);
            if failed >= tries || too_long {
                let more = if too_long { " and wants to be left alone for longer than a minute" } else { "" };
                let reason = format!("{reason}{more}, at the last of {failed} tries");
                let rest = backoff(self.config.backoff, failed + 1, 1.0, asked);
                let until = Instant::now() + rest;
                *self.resting.lock().unwrap_or_else(PoisonError::into_inner) = Some((until, reason.clone()));
                return Err(self.failed(reason));
            }
            if !wait(backoff(self.config.backoff, failed, random_share(), asked), cancel) {
                return Err(cancelled());
            }
        }
    }

    fn ask(&self, texts: &[&str]) -> Result<Vec<Vec<f32>>, Failure> {
        let mut body = json!({ "model": self.config.model, "input": texts, "encoding_format": "float" });
        if self.config.send_dimensions
            && let Some(members) = body.as_object_mut()
        {
            members.insert("dimensions".to_owned(), self.config.dimensions.into());
        }
        let mut request = self.agent.post(&self.url).header("content-type", "application/json");
        if let Some(Secret(key)) = &self.api_key {
            request = request.header("authorization", format!("Bearer {key}"));
        }
        let passing = |error: ureq::Error| Failure::Passing(self.hushed(&error.to_string()), None);
        let mut response = request.send(body.to_string()).map_err(passing)?;
        let status = response.status();
        let asked = response.headers().get("retry-after").and_then(|value| value.to_str().ok()?.trim().parse().ok());
        let bytes_max = texts.len() as u64 * u64::from(self.config.dimensions) * NUMBER_BYTES_MAX + ANSWER_BYTES_MORE;
        let read = response.body_mut().with_config().limit(bytes_max).read_to_vec();
        if !status.is_success() {
            let said = self.hushed(&said(&read.unwrap_or_default()));
            let reason = format!("it answered {status}{said}");
            let passes = status.is_server_error()
                || [StatusCode::TOO_MANY_REQUESTS, StatusCode::REQUEST_TIMEOUT].contains(&status);
            return Err(if passes {
                Failure::Passing(reason, asked.map(Duration::from_secs))
            } else {
                Failure::Lasting(reason)
            });
        }
        let bytes = match read {
            Err(ureq::Error::BodyExceedsLimit(_)) => {
                let reason = format!("its answer has more than the {bytes_max} bytes that its vectors can take");
                return Err(Failure::Lasting(reason));
            }
            read => read.map_err(passing)?,
        };
        answer::read(&bytes, texts.len(), self.config.dimensions)
            .map_err(|reason| Failure::Lasting(self.hushed(&format!("its answer {reason}"))))
    }

    /// Words from elsewhere, without the key.
    fn hushed(&self, words: &str) -> String {
        match &self.api_key {
            Some(Secret(key)) => words.replace(key.as_str(), "…"),
            None => words.to_owned(),
        }
    }
}

impl Model for RemoteModel {
    fn card(&self) -> &ModelCard {
        &self.card
    }

    fn embed(&self, texts: &[&str], cancel: Option<&Cancel>) -> Result<Vec<Vec<f32>>, ModelError> {
        {
            let mut resting = self.resting.lock().unwrap_or_else(PoisonError::into_inner);
            match resting.as_ref() {
                Some((until, reason)) if Instant::now() < *until => return Err(self.failed(reason.clone())),
                _ => *resting = None,
            }
        }
        let mut vectors = Vec::with_capacity(texts.len());
        let mut rest = texts;
        while !rest.is_empty() {
            let (batch, behind) = rest.split_at(batch_length(rest, self.config.batch_texts));
            vectors.extend(self.embed_batch(batch, cancel)?);
            rest = behind;
        }
        Ok(vectors)
    }

    fn split(&self, text: &str, chunking: Chunking) -> Result<Vec<Span>, ModelError> {
        Ok(approximate::split(text, chunking, self.config.characters_per_token))
    }

    /// A character has one byte at least.
    fn bytes_of_one_chunk(&self, tokens: u32) -> usize {
        (f64::from(tokens) * self.config.characters_per_token) as usize
    }
}

/// How many of the first texts make one request.
fn batch_length(texts: &[&str], most: usize) -> usize {
    let mut bytes = 0;
    let fitting = texts.iter().take(most).take_while(|text| {
        bytes += text.len();
        bytes <= BATCH_BYTES_MAX
    });
    fitting.count().max(1)
}

/// The host of an address, if texts may be sent to it.
fn check_host(url: &str, allowed_hosts: &[String]) -> Result<String, String> {
    let uri: http::Uri = url.parse().map_err(|error| format!("`{url}` is no address: {error}"))?;
    let (scheme, host) = (uri.scheme_str().unwrap_or_default(), uri.host().unwrap_or_default());
    if !["http", "https"].contains(&scheme) || host.is_empty() {
        return Err(format!("`{url}` is not an address like https://api.example.com/v1"));
    }
    if uri.authority().is_some_and(|authority| authority.as_str().contains('@')) {
        return Err("its address has a user or a password in it; name the key with `api_key_env`".to_owned());
    }
    let wanted = uri.port_u16().map_or_else(|| host.to_owned(), |port| format!("{host}:{port}"));
    if allowed_hosts.iter().any(|allowed| allowed.eq_ignore_ascii_case(&wanted)) {
        return Ok(wanted);
    }
    Err(format!("texts may not be sent to `{wanted}`; add it to `allow_hosts` in the file given with --models"))
}

fn read_key(source: &ApiKeySource) -> Result<Option<Secret>, String> {
    let (key, place) = match source {
        ApiKeySource::None => return Ok(None),
        ApiKeySource::Environment(name) => {
            let key =
                std::env::var(name).map_err(|_| format!("the environment variable {name} with its key is not set"))?;
            (key, format!("the environment variable {name}"))
        }
        ApiKeySource::File(path) => {
            let key = std::fs::read_to_string(path)
                .map_err(|error| format!("the file {} with its key cannot be read: {error}", path.display()))?;
            (key, format!("the file {}", path.display()))
        }
    };
    let key = key.trim();
    if key.is_empty() || key.len() > KEY_BYTES_MAX || !key.bytes().all(|byte| (0x21..0x7f).contains(&byte)) {
        return Err(format!("{place} holds no key: one line of printable characters"));
    }
    Ok(Some(Secret(key.to_owned())))
}

/// The start of what an endpoint says about an error.
fn said(bytes: &[u8]) -> String {
    let json: serde_json::Value = serde_json::from_slice(bytes).unwrap_or_default();
    let message =
        json.pointer("/error/message").or_else(|| json.pointer("/error")).or_else(|| json.pointer("/message"));
    let words = message.and_then(|message| message.as_str().map(str::to_owned));
    let words = words.unwrap_or_else(|| String::from_utf8_lossy(bytes).into_owned());
    let words: String = words.chars().filter(|c| !c.is_control()).take(SAID_CHARS_MAX).collect();
    if words.trim().is_empty() { String::new() } else { format!(": {}", words.trim()) }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Only what the operator wrote down is asked, with its port; nothing that looks like it.
    #[test]
    fn hosts_are_allowed_by_name() {
        let allowed = ["api.example.com".to_owned(), "127.0.0.1:8080".to_owned()];
        for url in ["https://api.example.com/v1/embeddings", "http://127.0.0.1:8080/e", "https://API.example.com/e"] {
            assert!(check_host(url, &allowed).is_ok(), "{url}");
        }
        for url in [
            "https://api.example.com:8443/e",
            "http://127.0.0.1/e",
            "http://127.0.0.1:8081/e",
            "https://api.example.com.evil.org/e",
            "https://evil.org/api.example.com",
            "https://key@api.example.com/e",
            "ftp://api.example.com/e",
            "api.example.com",
            "",
        ] {
            assert!(check_host(url, &allowed).is_err(), "{url}");
        }
    }

    /// A request has a size, in texts and in bytes; a text that is longer alone goes alone.
    #[test]
    fn batches_have_a_size() {
        let long = "x".repeat(BATCH_BYTES_MAX);
        assert_eq!(batch_length(&["a", "b", "c"], 2), 2);
        assert_eq!(batch_length(&["a", &long], 8), 1);
        assert_eq!(batch_length(&[&long, "a"], 8), 1);
    }

    /// An error page must not steer a terminal or fill a log.
    #[test]
    fn what_is_said_is_clipped() {
        assert_eq!(said(br#"{"error": {"message": "no\u001b such model"}}"#), ": no such model");
        assert_eq!(said(b""), "");
        assert_eq!(said("x".repeat(5_000).as_bytes()).chars().count(), SAID_CHARS_MAX + 2);
    }

    /// A key that was logged is a key that was lost.
    #[test]
    fn a_key_is_not_shown() {
        assert!(!format!("{:?}", Secret("hunter2".to_owned())).contains("hunter2"));
    }
}

//! Tokens: what a client shows, and what the store keeps of it.
//!
//! A token is random and printed once. The store keeps its SHA-256 and what it allows, in `tokens/<sha256>.json`: whoever
//! reads the store cannot use the tokens.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use skerry_sync::ProjectName;
use skerry_sync::hub::{Access, Grant, Scope, StoreFailure};

use crate::store::CentralStore;

/// What every token begins with, so that people and scanners for leaked secrets know it.
const PREFIX: &str = "skt_";

/// Random bytes of a token.
const SECRET_BYTES: usize = 32;

/// Hex digits of a digest that name a token at least.
pub const ABBREVIATION_MIN: usize = 8;

/// A token as its holder has it. Not printed by `Debug`.
#[derive(Clone, PartialEq, Eq)]
pub struct Token(String);

impl std::fmt::Debug for Token {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("Token").field(&self.digest()).finish()
    }
}

/// SHA-256 of a token. Shown as 64 hex digits.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TokenDigest([u8; 32]);

impl std::fmt::Display for TokenDigest {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&hex::encode(self.0))
    }
}

impl std::fmt::Debug for TokenDigest {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{self}")
    }
}

/// What the store keeps of a token.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TokenRecord {
    /// The projects that it is for.
    #[serde(default)]
    pub projects: BTreeSet<String>,
    /// True when it is for everything. Then `projects` is empty.
    #[serde(default)]
    pub any: bool,
    /// What may be done.
    pub access: TokenAccess,
    /// Whose it is, for people.
    #[serde(default)]
    pub note: String,
    /// When it was made, in seconds since the Unix epoch.
    pub created: u64,
}

/// What may be done with a token.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum TokenAccess {
    /// Receive changes.
    Read,
    /// Receive and send changes.
    Write,
}

impl std::fmt::Display for TokenAccess {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(if *self == TokenAccess::Read { "read" } else { "write" })
    }
}

impl Token {
    /// A new token.
    ///
    /// # Errors
    /// When the system has no randomness.
    pub fn generate() -> Result<Token, getrandom::Error> {
        let mut secret = [0; SECRET_BYTES];
        getrandom::fill(&mut secret)?;
        Ok(Token(format!("{PREFIX}{}", hex::encode(secret))))
    }

    /// What somebody showed as a token; none when it cannot be one, so that the store need not be asked.
    pub fn parse(text: &str) -> Option<Token> {
        let secret = text.strip_prefix(PREFIX)?;
        let plausible = secret.len() == 2 * SECRET_BYTES && secret.bytes().all(|byte| byte.is_ascii_hexdigit());
        plausible.then(|| Token(text.to_owned()))
    }

    /// What the store knows it by.
    pub fn digest(&self) -> TokenDigest {
        TokenDigest(Sha256::digest(self.0.as_bytes()).into())
    }

    /// The token itself, to be shown once to whoever asked for it.
    pub fn reveal(&self) -> &str {
        &self.0
    }
}

impl TokenRecord {
    /// What it allows. A name that is no project's allows nothing.
    pub fn grant(&self) -> Grant {
        let projects = || self.projects.iter().filter_map(|name| ProjectName::parse(name).ok()).collect();
        Grant {
            scope: if self.any { Scope::Any } else { Scope::Projects(projects()) },
            access: if self.access == TokenAccess::Write { Access::Write } else { Access::Read },
        }
    }

    /// Whether it is about a project.
    pub fn covers(&self, project: &ProjectName) -> bool {
        self.any || self.projects.contains(project.as_str())
    }
}

impl CentralStore {
    /// Keeps a token. It counts at every hub at once, or within seconds where it was shown before it was made.
    ///
    /// # Errors
    /// [`StoreFailure`].
    pub async fn put_token(&self, digest: TokenDigest, record: &TokenRecord) -> Result<(), StoreFailure> {
        let bytes = serde_json::to_vec(record).map_err(|error| StoreFailure::Failed(error.to_string()))?;
        self.put(&self.token(&digest.to_string()), bytes).await
    }

    /// What a token allows; none when there is no such token, or its object is damaged: then it allows nothing.
    ///
    /// # Errors
    /// [`StoreFailure`].
    pub async fn get_token(&self, digest: TokenDigest) -> Result<Option<TokenRecord>, StoreFailure> {
        self.read_token(&digest.to_string()).await
    }

    /// All tokens, by digest in hex.
    ///
    /// # Errors
    /// [`StoreFailure`].
    pub async fn tokens(&self) -> Result<Vec<(String, TokenRecord)>, StoreFailure> {
        let mut tokens = Vec::new();
        for name in self.list(&self.folder("tokens")).await? {
            let Some(digest) = name.strip_suffix(".json") else { continue };
            if let Some(record) = self.read_token(digest).await? {
                tokens.push((digest.to_owned(), record));
            }
        }
        tokens.sort_by(|one, other| (one.1.created, &one.0).cmp(&(other.1.created, &other.0)));
        Ok(tokens)
    }

    /// Deletes a token by its digest in hex. Connections that it opened are closed within seconds.
    ///
    /// # Errors
    /// [`StoreFailure`].
    pub async fn revoke_token(&self, digest: &str) -> Result<(), StoreFailure> {
        self.delete(&self.token(digest)).await
    }

    async fn read_token(&self, digest: &str) -> Result<Option<TokenRecord>, StoreFailure> {
        let Some(bytes) = self.get(&self.token(digest)).await? else { return Ok(None) };
        match serde_json::from_slice(&bytes) {
            Ok(record) => Ok(Some(record)),
            Err(error) => {
                tracing::error!(token = digest, %error, "a token in the store cannot be read; it allows nothing");
                Ok(None)
            }
        }
    }

    fn token(&self, digest: &str) -> object_store::path::Path {
        self.folder("tokens").join(format!("{digest}.json"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A token is told from noise without asking the store, and does not show itself in logs.
    #[test]
    fn tokens_look_like_tokens() {
        let token = Token::generate().unwrap();
        assert_eq!(Token::parse(token.reveal()), Some(token.clone()));
        assert_ne!(Token::generate().unwrap(), token);
        assert!(!format!("{token:?}").contains(token.reveal()));
        for wrong in ["", "skt_", "skt_zz", &token.reveal()[4..], &format!("{}0", token.reveal())] {
            assert_eq!(Token::parse(wrong), None, "{wrong}");
        }
    }

    /// What a token's object says is part of the store's format.
    #[test]
    fn the_record_is_pinned() {
        let json = r#"{"projects":["notes"],"any":false,"access":"read","note":"Ada","created":1}"#;
        let record: TokenRecord = serde_json::from_str(json).unwrap();
        assert_eq!(serde_json::to_string(&record).unwrap(), json);
        let notes = ProjectName::parse("notes").unwrap();
        assert!(record.covers(&notes) && !record.covers(&ProjectName::parse("other").unwrap()));
        assert_eq!(record.grant(), Grant { scope: Scope::Projects([notes].into()), access: Access::Read });
    }
}

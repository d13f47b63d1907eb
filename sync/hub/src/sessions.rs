//! Who is let in: tokens as the store has them, a few seconds old at most, and the connections that each has open.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use skerry_sync::hub::StoreFailure;
use tokio_util::sync::CancellationToken;

use crate::central::CentralStore;
use crate::token::{Token, TokenDigest, TokenRecord};

/// How old what is known about a token may be, also that there is none.
const FRESH: Duration = Duration::from_secs(5);

/// Tokens that are remembered; beyond that all are forgotten and asked for again.
const REMEMBERED_MAX: usize = 10_000;

/// How often the tokens of open connections are looked up again.
pub(crate) const RECHECK_EVERY: Duration = Duration::from_secs(2);

/// Tokens in use.
#[derive(Debug)]
pub(crate) struct Sessions {
    store: Arc<CentralStore>,
    remembered: Mutex<BTreeMap<TokenDigest, Remembered>>,
    open: Mutex<BTreeMap<TokenDigest, Open>>,
}

#[derive(Debug, Clone)]
struct Remembered {
    at: Instant,
    record: Option<TokenRecord>,
}

#[derive(Debug)]
struct Open {
    record: TokenRecord,
    connections: usize,
    revoked: CancellationToken,
}

/// A connection's hold on its token. Dropped with the connection.
#[derive(Debug)]
pub(crate) struct Session {
    sessions: Arc<Sessions>,
    digest: TokenDigest,
    revoked: CancellationToken,
}

impl Sessions {
    /// Over the tokens of a store.
    pub(crate) fn new(store: Arc<CentralStore>) -> Arc<Sessions> {
        Arc::new(Sessions { store, remembered: Mutex::default(), open: Mutex::default() })
    }

    /// What a token allows; none when it allows nothing.
    ///
    /// # Errors
    /// [`StoreFailure`]: nobody is let in on what is older than a few seconds.
    pub(crate) async fn look_up(&self, token: &Token) -> Result<Option<TokenRecord>, StoreFailure> {
        let digest = token.digest();
        if let Some(known) = lock(&self.remembered).get(&digest).filter(|known| known.at.elapsed() < FRESH) {
            return Ok(known.record.clone());
        }
        // The age counts from before the store was asked.
        let at = Instant::now();
        let record = self.store.get_token(digest).await?;
        self.remember(digest, Remembered { at, record: record.clone() });
        Ok(record)
    }

    fn remember(&self, digest: TokenDigest, known: Remembered) {
        let mut remembered = lock(&self.remembered);
        if remembered.len() >= REMEMBERED_MAX {
            remembered.clear();
        }
        remembered.insert(digest, known);
    }

    /// Notes that a connection was opened with a token.
    pub(crate) fn open(self: &Arc<Self>, digest: TokenDigest, record: &TokenRecord) -> Session {
        let mut open = lock(&self.open);
        let entry = open.entry(digest).or_insert_with(|| Open {
            record: record.clone(),
            connections: 0,
            revoked: CancellationToken::new(),
        });
        entry.connections += 1;
        // Where the token changed between two connections, the next look at it closes the older ones.
        Session { sessions: Arc::clone(self), digest, revoked: entry.revoked.clone() }
    }

    /// Looks up the tokens of all open connections and closes those whose token is gone or says something else now. A
    /// store that fails closes nothing: no changes are accepted while it does.
    pub(crate) async fn recheck(&self) {
        let in_use: Vec<_> = lock(&self.open).iter().map(|(digest, open)| (*digest, open.record.clone())).collect();
        for (digest, record) in in_use {
            let at = Instant::now();
            let Ok(found) = self.store.get_token(digest).await else { continue };
            let same = found.as_ref() == Some(&record);
            self.remember(digest, Remembered { at, record: found });
            if !same && let Some(open) = lock(&self.open).remove(&digest) {
                tracing::info!(token = %digest, connections = open.connections, "token revoked; its connections are closed");
                open.revoked.cancel();
            }
        }
    }
}

impl Session {
    /// Ends when the token is revoked.
    pub(crate) async fn revoked(&self) {
        self.revoked.cancelled().await;
    }
}

impl Drop for Session {
    fn drop(&mut self) {
        let mut open = lock(&self.sessions.open);
        // After a revocation the entry may be that of later connections.
        if self.revoked.is_cancelled() {
            return;
        }
        if let Some(entry) = open.get_mut(&self.digest) {
            entry.connections -= 1;
            if entry.connections == 0 {
                open.remove(&self.digest);
            }
        }
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use object_store::memory::InMemory;

    use super::*;
    use crate::token::TokenAccess;

    fn record() -> TokenRecord {
        TokenRecord {
            projects: BTreeSet::from(["p".to_owned()]),
            any: false,
            access: TokenAccess::Read,
            note: String::new(),
            created: 0,
        }
    }

    /// The issue: nobody goes on reading with a token that was taken away.
    #[tokio::test]
    async fn revoking_ends_open_sessions() {
        let store = Arc::new(CentralStore::new(Arc::new(InMemory::new()), object_store::path::Path::default()));
        let sessions = Sessions::new(Arc::clone(&store));
        let token = Token::generate().unwrap();
        assert_eq!(sessions.look_up(&Token::generate().unwrap()).await, Ok(None));
        store.put_token(token.digest(), &record()).await.unwrap();
        let found = sessions.look_up(&token).await.unwrap().unwrap();
        let (one, two) = (sessions.open(token.digest(), &found), sessions.open(token.digest(), &found));
        drop(two);
        sessions.recheck().await;
        assert!(!one.revoked.is_cancelled());
        store.revoke_token(&token.digest().to_string()).await.unwrap();
        sessions.recheck().await;
        one.revoked().await;
        assert_eq!(sessions.look_up(&token).await, Ok(None), "the cache learnt it too");
        drop(one);
        assert!(lock(&sessions.open).is_empty());
    }
}

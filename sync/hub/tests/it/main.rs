//! Tests of the sync service: hubs in this process and as real processes, over folders, S3 and NATS, with clients that
//! speak the automerge-repo protocol frame by frame. Everything is on this machine.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, clippy::panic, reason = "tests")]

#[cfg(feature = "bake")]
mod bake;
mod client;
mod cluster;
mod crash;
mod erase;
mod faults;
mod http;
mod interop;
mod nats;
mod process;
mod s3;
mod samod;
mod sync;
mod tokens;

use std::sync::Arc;
use std::time::Duration;

use object_store::ObjectStore;
use object_store::memory::InMemory;
use object_store::path::Path;
use skerry_hub::central::CentralStore;
use skerry_hub::serve::{HubConfig, RunningHub};
use skerry_hub::token::{Token, TokenAccess, TokenRecord};

/// How long anything may take that happens by itself.
const DEADLINE: Duration = Duration::from_secs(30);

/// Asks until something is so.
async fn until<T>(what: &str, mut found: impl AsyncFnMut() -> Option<T>) -> T {
    let asked = async {
        loop {
            if let Some(found) = found().await {
                return found;
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    };
    tokio::time::timeout(DEADLINE, asked).await.unwrap_or_else(|_| panic!("not within {DEADLINE:?}: {what}"))
}

/// A hub in this process.
struct TestHub {
    hub: RunningHub,
    store: Arc<CentralStore>,
}

impl TestHub {
    async fn new() -> TestHub {
        TestHub::over(Arc::new(InMemory::new()), HubConfig::default()).await
    }

    async fn over(objects: Arc<dyn ObjectStore>, config: HubConfig) -> TestHub {
        let store = Arc::new(CentralStore::new(objects, Path::default()));
        let hub = RunningHub::start("127.0.0.1:0".parse().unwrap(), Arc::clone(&store), config).await.unwrap();
        TestHub { hub, store }
    }

    /// `127.0.0.1:port`.
    fn address(&self) -> String {
        self.hub.address().to_string()
    }

    async fn token(&self, projects: &[&str], access: TokenAccess) -> Token {
        new_token(&self.store, projects, access).await
    }

    /// A token for everything.
    async fn any_token(&self) -> Token {
        new_token(&self.store, &[], TokenAccess::Write).await
    }

    /// A request without a body, or with one of `bytes`; its status, headers and body.
    async fn request(&self, method: &str, path: &str, token: Option<&Token>, body: Option<Vec<u8>>) -> http::Answer {
        http::request(&self.address(), method, path, token.map(Token::reveal), body).await
    }
}

/// Makes a token; for everything when no project is named.
async fn new_token(store: &CentralStore, projects: &[&str], access: TokenAccess) -> Token {
    let token = Token::generate().unwrap();
    let projects = projects.iter().map(ToString::to_string).collect::<std::collections::BTreeSet<_>>();
    let record = TokenRecord { any: projects.is_empty(), projects, access, note: String::new(), created: 0 };
    store.put_token(token.digest(), &record).await.unwrap();
    token
}

//! A store that is full, fails, or holds damaged chunks.

use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};

use futures_util::StreamExt;
use futures_util::stream::BoxStream;
use object_store::memory::InMemory;
use object_store::path::Path;
use object_store::{
    CopyOptions, Error, GetOptions, GetResult, ListResult, MultipartUpload, ObjectMeta, ObjectStore,
    PutMultipartOptions, PutOptions, PutPayload, PutResult, Result,
};
use skerry_hub::serve::HubConfig;
use skerry_hub::token::TokenAccess;

use crate::client::{Client, Gone, put, shard, texts};
use crate::process::{self, Hub};
use crate::{TestHub, until};

/// Memory that can be made to fail.
#[derive(Debug)]
struct Faulty {
    inner: InMemory,
    fault: Arc<AtomicU8>,
}

const NONE: u8 = 0;
const FULL: u8 = 1;
const BROKEN: u8 = 2;

impl std::fmt::Display for Faulty {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("faulty memory")
    }
}

impl Faulty {
    fn check(&self, write: bool) -> Result<()> {
        let source: Box<dyn std::error::Error + Send + Sync> = match self.fault.load(Ordering::SeqCst) {
            FULL if write => Box::new(std::io::Error::from(std::io::ErrorKind::StorageFull)),
            BROKEN => "the wire is cut".into(),
            _ => return Ok(()),
        };
        Err(Error::Generic { store: "faulty", source })
    }
}

#[async_trait::async_trait]
impl ObjectStore for Faulty {
    async fn put_opts(&self, location: &Path, payload: PutPayload, options: PutOptions) -> Result<PutResult> {
        self.check(true)?;
        self.inner.put_opts(location, payload, options).await
    }

    async fn put_multipart_opts(&self, _: &Path, _: PutMultipartOptions) -> Result<Box<dyn MultipartUpload>> {
        Err(Error::Generic { store: "faulty", source: "nobody writes in parts".into() })
    }

    async fn get_opts(&self, location: &Path, options: GetOptions) -> Result<GetResult> {
        self.check(false)?;
        self.inner.get_opts(location, options).await
    }

    fn delete_stream(&self, locations: BoxStream<'static, Result<Path>>) -> BoxStream<'static, Result<Path>> {
        self.inner.delete_stream(locations)
    }

    fn list(&self, prefix: Option<&Path>) -> BoxStream<'static, Result<ObjectMeta>> {
        match self.check(false) {
            Ok(()) => self.inner.list(prefix),
            Err(error) => futures_util::stream::once(async { Err(error) }).boxed(),
        }
    }

    async fn list_with_delimiter(&self, prefix: Option<&Path>) -> Result<ListResult> {
        self.check(false)?;
        self.inner.list_with_delimiter(prefix).await
    }

    async fn copy_opts(&self, from: &Path, to: &Path, options: CopyOptions) -> Result<()> {
        self.check(true)?;
        self.inner.copy_opts(from, to, options).await
    }
}

/// The issue: a failing or full store refuses, reports health 503 and recovers by itself; nothing acknowledged is lost,
/// nothing refused is shown to others.
async fn refuses_and_recovers(fault: u8, words: &str) {
    let switch = Arc::new(AtomicU8::new(NONE));
    let objects = Arc::new(Faulty { inner: InMemory::new(), fault: Arc::clone(&switch) });
    let hub = TestHub::over(objects, HubConfig::default()).await;
    let token = hub.token(&["notes"], TokenAccess::Write).await;
    let (id, empty) = shard("notes", 0);
    let mut client = Client::connect(&hub.address(), token.reveal()).await.unwrap();
    client.open(&id, empty.clone()).await.unwrap();
    client.change(&id, |document| put(document, "before", "a")).await.unwrap();
    client.acknowledged(&id).await.unwrap();
    let mut witness = Client::connect(&hub.address(), token.reveal()).await.unwrap();
    witness.open(&id, empty).await.unwrap();
    witness.until("the first record", |client| texts(client.document(&id)).contains_key("before")).await.unwrap();

    switch.store(fault, Ordering::SeqCst);
    client.change(&id, |document| put(document, "during", "b")).await.unwrap();
    let gone = loop {
        assert!(!client.is_acknowledged(&id), "acknowledged by a store that failed");
        if let Err(gone) = client.step().await {
            break gone;
        }
    };
    assert!(matches!(&gone, Gone::Closed(Some((1013, _)))), "{gone:?}");
    assert!(!client.errors.is_empty(), "told before it was closed");
    let health = hub.request("GET", "/api/v1/health", None, None).await;
    assert_eq!(health.status, 503);
    let health = health.json();
    assert!(health["reason"].as_str().unwrap().contains(words) && health["since"].is_string(), "{health}");
    witness.listen(std::time::Duration::from_millis(300)).await.ok();
    assert!(!texts(witness.document(&id)).contains_key("during"), "others saw what was refused");

    switch.store(NONE, Ordering::SeqCst);
    let ok = async || (hub.request("GET", "/api/v1/health", None, None).await.status == 200).then_some(());
    until("health by itself", ok).await;
    let address = hub.address();
    let Ok(mut client) = Box::pin(client.reconnect(&address, token.reveal())).await else { panic!("let in again") };
    client.acknowledged(&id).await.unwrap();
    let Ok(mut witness) = Box::pin(witness.reconnect(&address, token.reveal())).await else { panic!("let in again") };
    witness.until("both records", |client| texts(client.document(&id)).len() == 2).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_full_store_refuses_and_recovers() {
    Box::pin(refuses_and_recovers(FULL, "full")).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_broken_store_refuses_and_recovers() {
    Box::pin(refuses_and_recovers(BROKEN, "the wire is cut")).await;
}

/// A hub whose store cannot be asked lets nobody in, whatever the token: it cannot know.
#[tokio::test(flavor = "multi_thread")]
async fn a_store_that_cannot_be_asked_lets_nobody_in() {
    let switch = Arc::new(AtomicU8::new(NONE));
    let objects = Arc::new(Faulty { inner: InMemory::new(), fault: Arc::clone(&switch) });
    let hub = TestHub::over(objects, HubConfig::default()).await;
    let token = hub.any_token().await;
    switch.store(BROKEN, Ordering::SeqCst);
    let refused = hub.request("GET", "/api/v1/projects", Some(&token), None).await;
    assert_eq!((refused.status, refused.problem().as_str()), (503, "store-failed"));
    assert!(refused.headers.contains_key("retry-after"));
}

/// The issue: a corrupt chunk is set aside and reported, the rest is served. A bit is flipped in a chunk on disk.
#[tokio::test(flavor = "multi_thread")]
async fn a_corrupt_chunk_goes_to_quarantine() {
    let folder = tempfile::tempdir().unwrap();
    let store = folder.path().to_str().unwrap().to_owned();
    let token = process::ok(&store, &["token", "create", "--all", "--access", "write"]);
    let (id, empty) = shard("notes", 0);
    let (other_id, other_empty) = shard("notes", 1);
    let mut hub = Hub::start(&store, &[]);
    let chunks = folder.path().join("documents").join(&id);
    {
        let mut client = Client::connect(&hub.address, &token).await.unwrap();
        client.open(&id, empty.clone()).await.unwrap();
        client.open(&other_id, other_empty.clone()).await.unwrap();
        client.change(&id, |document| put(document, "first", "a")).await.unwrap();
        client.acknowledged(&id).await.unwrap();
        client.change(&other_id, |document| put(document, "other", "a")).await.unwrap();
        client.acknowledged(&other_id).await.unwrap();
    }
    assert!(hub.stop().success());
    let flipped = std::fs::read_dir(&chunks).unwrap().next().unwrap().unwrap();
    let mut bytes = std::fs::read(flipped.path()).unwrap();
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    std::fs::write(flipped.path(), &bytes).unwrap();

    let hub = Hub::start(&store, &[]);
    let mut client = Client::connect(&hub.address, &token).await.unwrap();
    client.open(&other_id, other_empty).await.unwrap();
    client.until("the other document", |client| !texts(client.document(&other_id)).is_empty()).await.unwrap();
    client.open(&id, empty).await.unwrap();
    client.change(&id, |document| put(document, "second", "b")).await.unwrap();
    client.acknowledged(&id).await.unwrap();
    let reported = until("the report", async || {
        let status = crate::http::request(&hub.address, "GET", "/api/v1/status", Some(&token), None).await.json();
        status["store"]["quarantined"].get(0).cloned()
    });
    let reported = reported.await;
    let name = flipped.file_name().to_str().unwrap().to_owned();
    assert_eq!((&reported["document"], &reported["chunk"]), (&id.clone().into(), &name.clone().into()));
    assert!(!reported["reason"].as_str().unwrap().is_empty());
    assert_eq!(std::fs::read(folder.path().join("quarantine").join(&id).join(&name)).unwrap(), bytes);
    assert!(!flipped.path().exists());
}

//! Several hubs over one store, told of each other's changes by NATS.

use std::collections::BTreeSet;
use std::time::Duration;

use crate::client::{Client, put, shard, texts};
use crate::nats::Server;
use crate::process::{self, Hub};
use crate::until;

const HUBS: usize = 3;

struct Cluster {
    store: String,
    token: String,
    nats: String,
    servers: Vec<Server>,
    hubs: Vec<Hub>,
    /// A token for everything.
    any: String,
    _folder: tempfile::TempDir,
}

impl Cluster {
    fn new() -> Cluster {
        let folder = tempfile::tempdir().unwrap();
        let servers = Server::cluster(folder.path(), 3);
        let nats = servers.iter().map(Server::url).collect::<Vec<_>>().join(",");
        let store = format!("file://{}", folder.path().join("store").display());
        let token = process::ok(&store, &["token", "create", "-p", "notes", "--access", "write"]);
        let any = process::ok(&store, &["token", "create", "--all", "--access", "read"]);
        let mut cluster = Cluster { store, token, nats, servers, hubs: Vec::new(), any, _folder: folder };
        cluster.hubs = (0..HUBS).map(|_| cluster.hub()).collect();
        cluster
    }

    fn hub(&self) -> Hub {
        // Nothing is looked at again by itself within the test: what arrives was told, or was told to be missing.
        Hub::start(&self.store, &["--nats", &self.nats, "--chunks-max", "8", "--look-again-seconds", "3600"])
    }

    /// Waits until notices get through at every hub.
    async fn ready(&self) {
        for hub in &self.hubs {
            let up = async || {
                let status = crate::http::request(&hub.address, "GET", "/api/v1/status", Some(&self.any), None).await;
                (status.json()["notices"]["up"] == true).then_some(())
            };
            until("notices get through", up).await;
        }
    }
}

/// A client of one hub that writes and remembers what was acknowledged.
struct Writer {
    number: usize,
    client: Option<Client>,
    document: automerge::Automerge,
    written: usize,
    acknowledged: BTreeSet<String>,
}

impl Writer {
    /// Its connection, or a new one. None while its hub lets nobody in.
    async fn connected(&mut self, cluster: &Cluster) -> Option<Client> {
        if let Some(client) = self.client.take() {
            return Some(client);
        }
        let mut client = Client::connect(&cluster.hubs[self.number].address, &cluster.token).await.ok()?;
        client.open(&shard("notes", 0).0, self.document.clone()).await.ok()?;
        Some(client)
    }

    /// Writes a record at its hub, connecting anew for as long as it takes, until it is acknowledged.
    async fn write(&mut self, cluster: &Cluster) {
        let (id, _) = shard("notes", 0);
        let key = format!("w{}-{:03}", self.number, self.written);
        self.written += 1;
        put(&mut self.document, &key, "text");
        until("a write is acknowledged", async || {
            let mut client = self.connected(cluster).await?;
            client.change(&id, |document| drop(document.merge(&mut self.document).unwrap())).await.ok()?;
            client.acknowledged(&id).await.ok()?;
            self.document = client.document(&id).clone();
            self.client = Some(client);
            Some(())
        })
        .await;
        self.acknowledged.insert(key);
    }

    /// Waits until it sees all of some records.
    async fn sees(&mut self, cluster: &Cluster, wanted: &BTreeSet<String>) {
        let (id, _) = shard("notes", 0);
        until("all records at every hub", async || {
            let mut client = self.connected(cluster).await?;
            client.listen(Duration::from_millis(50)).await.ok()?;
            let found = texts(client.document(&id));
            let all = wanted.iter().all(|key| found.contains_key(key));
            self.document = client.document(&id).clone();
            self.client = Some(client);
            all.then_some(())
        })
        .await;
    }
}

/// The issue: three NATS servers and three hubs, clients on different hubs; each process is killed in turn and started
/// again while clients write. Nothing acknowledged is lost, and all converge after every kill.
#[tokio::test(flavor = "multi_thread")]
async fn any_one_process_may_die() {
    let mut cluster = Cluster::new();
    cluster.ready().await;
    let (_, empty) = shard("notes", 0);
    let mut writers: Vec<_> = (0..HUBS)
        .map(|number| Writer {
            number,
            client: None,
            document: empty.clone().with_actor(automerge::ActorId::random()),
            written: 0,
            acknowledged: BTreeSet::new(),
        })
        .collect();
    for victim in 0..2 * HUBS {
        let one_round = async |cluster: &Cluster, writers: &mut Vec<Writer>, skip: Option<usize>| {
            for _ in 0..3 {
                for writer in writers.iter_mut().filter(|writer| Some(writer.number) != skip) {
                    writer.write(cluster).await;
                }
            }
        };
        one_round(&cluster, &mut writers, None).await;
        if victim < HUBS {
            cluster.hubs[victim].kill();
            one_round(&cluster, &mut writers, Some(victim)).await;
            cluster.hubs[victim] = cluster.hub();
            writers[victim].client = None;
        } else {
            cluster.servers[victim - HUBS].kill();
            one_round(&cluster, &mut writers, None).await;
            cluster.servers[victim - HUBS].start();
        }
        one_round(&cluster, &mut writers, None).await;
        let wanted: BTreeSet<String> = writers.iter().flat_map(|writer| writer.acknowledged.clone()).collect();
        for writer in &mut writers {
            writer.sees(&cluster, &wanted).await;
        }
        cluster.ready().await;
    }
    let (id, empty) = shard("notes", 0);
    let fresh = Hub::start(&cluster.store, &[]);
    let mut client = Client::connect(&fresh.address, &cluster.token).await.unwrap();
    client.open(&id, empty).await.unwrap();
    let wanted: BTreeSet<String> = writers.iter().flat_map(|writer| writer.acknowledged.clone()).collect();
    assert_eq!(wanted.len(), (2 * HUBS * 3 * HUBS * 3) - HUBS * 3, "as many as were written");
    let all = |client: &Client| wanted.iter().all(|key| texts(client.document(&id)).contains_key(key));
    client.until("all records in the store", all).await.unwrap();
}

/// Without NATS hubs go on serving, and what they could not tell each other arrives once it is back.
#[tokio::test(flavor = "multi_thread")]
async fn hubs_serve_without_nats_and_catch_up() {
    let mut cluster = Cluster::new();
    cluster.ready().await;
    let (id, empty) = shard("notes", 0);
    let mut one = Client::connect(&cluster.hubs[0].address, &cluster.token).await.unwrap();
    let mut two = Client::connect(&cluster.hubs[1].address, &cluster.token).await.unwrap();
    one.open(&id, empty.clone()).await.unwrap();
    two.open(&id, empty).await.unwrap();
    one.change(&id, |document| put(document, "with", "a")).await.unwrap();
    one.acknowledged(&id).await.unwrap();
    two.until("told at once", |client| texts(client.document(&id)).contains_key("with")).await.unwrap();
    one.say(&id, 1, b"typing").await.unwrap();
    two.until("what was said at another hub", |client| client.ephemerals == [b"typing"]).await.unwrap();
    cluster.servers.iter_mut().for_each(Server::kill);
    one.change(&id, |document| put(document, "without", "a")).await.unwrap();
    one.acknowledged(&id).await.unwrap();
    cluster.servers.iter_mut().for_each(Server::start);
    cluster.ready().await;
    two.until("told afterwards", |client| texts(client.document(&id)).contains_key("without")).await.unwrap();
}

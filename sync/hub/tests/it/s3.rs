//! The central store in a bucket: a real S3 server, in this process, over a folder.

use std::path::Path;

use hyper_util::rt::{TokioExecutor, TokioIo};
use hyper_util::server::conn::auto;
use s3s::auth::SimpleAuth;
use s3s::service::S3ServiceBuilder;
use tokio::net::TcpListener;

use crate::client::{Client, put, shard, texts};
use crate::process::{self, Hub};
use crate::until;

const ACCESS_KEY: &str = "skerry";
const SECRET_KEY: &str = "only-for-tests";
const BUCKET: &str = "central";
const STORE: &str = "s3://central/some/prefix";

/// Serves a folder as S3; answers the endpoint.
async fn serve(folder: &Path) -> String {
    std::fs::create_dir_all(folder.join(BUCKET)).unwrap();
    let mut builder = S3ServiceBuilder::new(s3s_fs::FileSystem::new(folder).unwrap());
    builder.set_auth(SimpleAuth::from_single(ACCESS_KEY, SECRET_KEY));
    let service = builder.build();
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        while let Ok((socket, _)) = listener.accept().await {
            let service = service.clone();
            tokio::spawn(async move {
                // A connection that a killed hub leaves behind is no matter.
                auto::Builder::new(TokioExecutor::new()).serve_connection(TokioIo::new(socket), service).await.ok();
            });
        }
    });
    format!("http://{address}")
}

fn with_s3(mut command: std::process::Command, endpoint: &str) -> std::process::Command {
    command
        .env("AWS_ACCESS_KEY_ID", ACCESS_KEY)
        .env("AWS_SECRET_ACCESS_KEY", SECRET_KEY)
        .env("AWS_REGION", "eu-west-1")
        .env("SKERRY_HUB_S3_ENDPOINT", endpoint);
    command
}

fn hub(endpoint: &str) -> Hub {
    let mut command = with_s3(process::program(STORE), endpoint);
    command.args(["serve", "--listen", "127.0.0.1:0", "--chunks-max", "3", "--look-again-seconds", "1"]);
    Hub::spawn(command)
}

/// The issue: compaction by many writers at once never loses a change. Two hubs that know nothing of each other write to and
/// compact one document, over S3, at the same time; both restart in between.
#[tokio::test(flavor = "multi_thread")]
async fn two_hubs_compact_one_document() {
    let folder = tempfile::tempdir().unwrap();
    let endpoint = serve(folder.path()).await;
    let created = with_s3(process::program(STORE), &endpoint)
        .args(["token", "create", "-p", "notes", "--access", "write"])
        .output();
    let created = created.unwrap();
    assert!(created.status.success(), "{}", String::from_utf8_lossy(&created.stderr));
    let token = String::from_utf8(created.stdout).unwrap().trim().to_owned();
    let (id, empty) = shard("notes", 0);
    for round in 0..3 {
        let hubs = [hub(&endpoint), hub(&endpoint)];
        let writers = hubs.iter().enumerate().map(|(number, hub)| {
            let (address, token, id, empty) = (hub.address.clone(), token.clone(), id.clone(), empty.clone());
            tokio::spawn(async move {
                let mut client = Client::connect(&address, &token).await.unwrap();
                client.open(&id, empty).await.unwrap();
                for count in 0..12 {
                    let key = format!("r{round}-h{number}-{count:02}");
                    client.change(&id, |document| put(document, &key, "text")).await.unwrap();
                    client.acknowledged(&id).await.unwrap();
                }
            })
        });
        for writer in writers.collect::<Vec<_>>() {
            writer.await.unwrap();
        }
    }
    let hub = hub(&endpoint);
    let mut client = Client::connect(&hub.address, &token).await.unwrap();
    client.open(&id, empty).await.unwrap();
    client.until("all that was acknowledged", |client| texts(client.document(&id)).len() == 3 * 2 * 12).await.unwrap();
    let chunks = folder.path().join(BUCKET).join("some/prefix/documents").join(&id);
    until("a snapshot in the place of 72 chunks", async || {
        (std::fs::read_dir(&chunks).unwrap().count() < 6).then_some(())
    })
    .await;
}

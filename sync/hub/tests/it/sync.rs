//! Clients of the automerge-repo protocol through a hub.

use automerge::transaction::Transactable;
use automerge::{Automerge, ROOT};
use skerry_hub::serve::HubConfig;
use skerry_hub::token::TokenAccess;
use skerry_sync::hub::Limits;

use crate::client::{Client, Gone, put, shard, texts};
use crate::{TestHub, until};

/// The goal of the hub: two clients that change a document at the same time end up with the same.
#[tokio::test(flavor = "multi_thread")]
async fn two_clients_converge() {
    let hub = TestHub::new().await;
    let token = hub.token(&["notes"], TokenAccess::Write).await;
    let (id, empty) = shard("notes", 3);
    let mut one = Client::connect(&hub.address(), token.reveal()).await.unwrap();
    let mut two = Client::connect(&hub.address(), token.reveal()).await.unwrap();
    one.open(&id, empty.clone()).await.unwrap();
    two.open(&id, empty).await.unwrap();
    for round in 0..10 {
        one.change(&id, |document| put(document, &format!("one{round}"), "a")).await.unwrap();
        two.change(&id, |document| put(document, &format!("two{round}"), "b")).await.unwrap();
    }
    let all = |client: &Client| texts(client.document(&id)).len() == 20;
    let (first, second) = tokio::join!(one.until("all records", all), two.until("all records", all));
    first.and(second).unwrap();
    assert_eq!(one.document(&id).get_heads(), two.document(&id).get_heads());
    one.acknowledged(&id).await.unwrap();
    one.say(&id, 1, b"typing").await.unwrap();
    two.until("what was said in passing", |client| client.ephemerals == [b"typing"]).await.unwrap();
}

/// Capabilities: a reader's changes are refused and it is told; it goes on receiving, and nobody sees what it wrote.
#[tokio::test(flavor = "multi_thread")]
async fn a_reader_is_told_that_its_changes_are_refused() {
    let hub = TestHub::new().await;
    let (id, empty) = shard("notes", 3);
    let (write, read) =
        (hub.token(&["notes"], TokenAccess::Write).await, hub.token(&["notes"], TokenAccess::Read).await);
    let mut writer = Client::connect(&hub.address(), write.reveal()).await.unwrap();
    let mut reader = Client::connect(&hub.address(), read.reveal()).await.unwrap();
    writer.open(&id, empty.clone()).await.unwrap();
    reader.open(&id, empty).await.unwrap();
    reader.change(&id, |document| put(document, "mine", "not wanted")).await.unwrap();
    reader.until("the refusal", |client| !client.errors.is_empty()).await.unwrap();
    writer.change(&id, |document| put(document, "tide", "wanted")).await.unwrap();
    writer.acknowledged(&id).await.unwrap();
    reader.until("the writer's record", |client| texts(client.document(&id)).contains_key("tide")).await.unwrap();
    let mut third = Client::connect(&hub.address(), read.reveal()).await.unwrap();
    third.open(&id, Automerge::new()).await.unwrap();
    third.until("the document", |client| texts(client.document(&id)).contains_key("tide")).await.unwrap();
    assert!(!texts(third.document(&id)).contains_key("mine"));
}

/// A token for one project opens no document of another, and is told what it would be told of one that is not there.
#[tokio::test(flavor = "multi_thread")]
async fn documents_of_others_are_unavailable() {
    let hub = TestHub::new().await;
    let (id, empty) = shard("secret", 0);
    let any = hub.any_token().await;
    let mut owner = Client::connect(&hub.address(), any.reveal()).await.unwrap();
    owner.open(&id, empty).await.unwrap();
    owner.change(&id, |document| put(document, "tide", "a")).await.unwrap();
    owner.acknowledged(&id).await.unwrap();
    let mine = hub.token(&["mine"], TokenAccess::Write).await;
    let mut client = Client::connect(&hub.address(), mine.reveal()).await.unwrap();
    let nowhere = skerry_sync::document::DocumentId([9; 16]).to_string();
    client.open(&id, Automerge::new()).await.unwrap();
    client.open(&nowhere, Automerge::new()).await.unwrap();
    client.until("both answers", |client| client.unavailable.len() == 2).await.unwrap();
    assert!(client.errors.is_empty());
}

/// Documents that belong to no project: any client of automerge-repo may use a hub with a token for everything.
#[tokio::test(flavor = "multi_thread")]
async fn foreign_documents_are_kept() {
    let hub = TestHub::new().await;
    let any = hub.any_token().await;
    let id = skerry_sync::document::DocumentId([5; 16]).to_string();
    let mut document = Automerge::new();
    let mut transaction = document.transaction();
    transaction.put(ROOT, "title", "Pilot book").unwrap();
    transaction.commit();
    let mut one = Client::connect(&hub.address(), any.reveal()).await.unwrap();
    one.open(&id, document.clone()).await.unwrap();
    one.acknowledged(&id).await.unwrap();
    let mut two = Client::connect(&hub.address(), any.reveal()).await.unwrap();
    two.open(&id, Automerge::new()).await.unwrap();
    two.until("the document", |client| client.document(&id).get_heads() == document.get_heads()).await.unwrap();
}

/// A frame above the limit closes the connection, and the client learns the limit; others are served on.
#[tokio::test(flavor = "multi_thread")]
async fn a_frame_above_the_limit_is_refused() {
    let limits = Limits { frame_bytes_max: 10_000, ..Limits::default() };
    let config = HubConfig { limits, ..HubConfig::default() };
    let hub = TestHub::over(std::sync::Arc::new(object_store::memory::InMemory::new()), config).await;
    let token = hub.any_token().await;
    let mut client = Client::connect(&hub.address(), token.reveal()).await.unwrap();
    let mut other = Client::connect(&hub.address(), token.reveal()).await.unwrap();
    client.send_raw(vec![0; 20_000]).await.unwrap();
    match client.step().await {
        Err(Gone::Closed(Some((1009, reason)))) => assert!(reason.contains("10000"), "{reason}"),
        other => panic!("{other:?}"),
    }
    let (id, empty) = shard("notes", 1);
    other.open(&id, empty).await.unwrap();
    other.change(&id, |document| put(document, "tide", "a")).await.unwrap();
    other.acknowledged(&id).await.unwrap();
    let connections = async || {
        let status = hub.request("GET", "/api/v1/status", Some(&token), None).await.json();
        (status["connections"] == 1).then_some(())
    };
    until("the refused connection is forgotten", connections).await;
}

/// A hub that is told to stop sends its clients away to connect again, and has stored what it acknowledged.
#[tokio::test(flavor = "multi_thread")]
async fn a_stopping_hub_says_goodbye() {
    let hub = TestHub::new().await;
    let token = hub.any_token().await;
    let (id, empty) = shard("notes", 1);
    let mut client = Client::connect(&hub.address(), token.reveal()).await.unwrap();
    client.open(&id, empty.clone()).await.unwrap();
    client.change(&id, |document| put(document, "tide", "a")).await.unwrap();
    client.acknowledged(&id).await.unwrap();
    let gone = async {
        loop {
            if let Err(gone) = client.step().await {
                return gone;
            }
        }
    };
    let (stopped, gone) = tokio::join!(hub.hub.stop(), gone);
    stopped.unwrap();
    assert!(matches!(&gone, Gone::Closed(Some((1001, _)))), "{gone:?}");
    let store = std::sync::Arc::clone(&hub.store);
    let again = skerry_hub::serve::RunningHub::start("127.0.0.1:0".parse().unwrap(), store, HubConfig::default()).await;
    let again = again.unwrap();
    let mut late = Client::connect(&again.address().to_string(), token.reveal()).await.unwrap();
    late.open(&id, empty).await.unwrap();
    late.until("the record", |client| texts(client.document(&id)).contains_key("tide")).await.unwrap();
}

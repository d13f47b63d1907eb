//! Tokens: who is let in, and until when.

use skerry_hub::token::{Token, TokenAccess};

use crate::client::{Client, Gone, open};
use crate::process::{self, Hub};
use crate::{TestHub, until};

/// Closed by default: without a token there is nothing, not even from this machine.
#[tokio::test(flavor = "multi_thread")]
async fn nobody_is_let_in_without_a_token() {
    let hub = TestHub::new().await;
    let address = hub.address();
    assert_eq!(open(&address, None).await.err(), Some(401));
    assert_eq!(open(&address, Some("skt_guess")).await.err(), Some(401));
    assert_eq!(open(&address, Some(Token::generate().unwrap().reveal())).await.err(), Some(401));
    let known = hub.token(&["notes"], TokenAccess::Read).await;
    assert!(open(&address, Some(known.reveal())).await.is_ok());
    assert!(tokio_tungstenite::connect_async(format!("ws://{address}/?access_token={}", known.reveal())).await.is_ok());
    let elsewhere = format!("/api/v1/projects?access_token={}", known.reveal());
    assert_eq!(hub.request("GET", &elsewhere, None, None).await.problem(), "unauthorized", "for WebSockets only");
}

/// The life of a token by the command line, beside a running hub: made, listed without its secret, revoked; connections
/// that it opened are closed within seconds and told why.
#[tokio::test(flavor = "multi_thread")]
async fn a_revoked_token_closes_its_connections() {
    let folder = tempfile::tempdir().unwrap();
    let store = folder.path().to_str().unwrap().to_owned();
    let hub = Hub::start(&store, &[]);
    let token = process::ok(&store, &["token", "create", "-p", "notes", "--access", "write", "--note", "Ada"]);
    let other = process::ok(&store, &["token", "create", "--all", "--access", "read"]);
    let mut client = Client::connect(&hub.address, &token).await.unwrap();
    let mut stays = Client::connect(&hub.address, &other).await.unwrap();
    let listed = process::ok(&store, &["token", "list"]);
    let line = listed.lines().find(|line| line.contains("Ada")).unwrap();
    assert!(line.contains("notes") && line.contains("write") && !listed.contains(&token), "{listed}");
    let digest = Token::parse(&token).unwrap().digest().to_string();
    process::ok(&store, &["token", "revoke", &digest[..12]]);
    let gone = tokio::time::timeout(std::time::Duration::from_secs(10), async {
        loop {
            if let Err(gone) = client.step().await {
                return gone;
            }
        }
    });
    match gone.await.expect("closed within seconds") {
        Gone::Closed(Some((1008, reason))) => assert!(reason.contains("revoked"), "{reason}"),
        other => panic!("{other:?}"),
    }
    until("the hub forgets the token", async || open(&hub.address, Some(&token)).await.err().filter(|s| *s == 401))
        .await;
    stays.listen(std::time::Duration::from_millis(100)).await.unwrap();
    assert!(!process::run(&store, &["token", "revoke", "00000000"]).status.success());
}

/// The whole store must not have the token in it: whoever reads a backup cannot use it. Nor the log, whatever a client does.
#[tokio::test(flavor = "multi_thread")]
async fn the_token_is_nowhere() {
    let folder = tempfile::tempdir().unwrap();
    let store = folder.path().join("store").to_str().unwrap().to_owned();
    let token = process::ok(&store, &["token", "create", "--all", "--access", "write"]);
    let log = std::fs::File::create(folder.path().join("log")).unwrap();
    let mut command = process::program(&store);
    command.args(["serve", "--listen", "127.0.0.1:0"]).env("SKERRY_LOG", "debug").stderr(log);
    let mut hub = Hub::spawn(command);
    let address = format!("ws://{}/?access_token={token}", hub.address);
    drop(tokio_tungstenite::connect_async(address).await.unwrap());
    Client::connect(&hub.address, &token).await.unwrap();
    assert!(hub.stop().success());
    let mut files = 0;
    let mut folders = vec![folder.path().to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
                continue;
            }
            files += 1;
            let bytes = std::fs::read(&path).unwrap();
            let secret = token.as_bytes();
            assert!(!bytes.windows(secret.len()).any(|window| window == secret), "{}", path.display());
        }
    }
    assert!(files >= 3, "marker, token and log");
}

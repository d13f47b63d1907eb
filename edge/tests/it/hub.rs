//! Nodes connected to a hub: what is written on one is found on the other, whatever happens to the connection.

use std::path::Path;
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::erasure::holding;
use crate::process::{Server, fails, ok, skerry};
use crate::test_hub::{TestHub, nobody};

/// A node that stays connected to a hub.
fn serve(data: &Path, hub: &str, token: &str, subscribe: &[&str]) -> Server {
    let mut command = skerry();
    command.arg("--data").arg(data).args(["serve", "--listen", "127.0.0.1:0", "--hub", hub]);
    command.env("SKERRY_HUB_TOKEN", token);
    for project in subscribe {
        command.args(["--subscribe", project]);
    }
    Server::spawn(command)
}

fn hub_of(server: &Server) -> Value {
    server.request("GET", "/status", None).unwrap().1["hub"].clone()
}

/// Asks until it is as wanted; answers how long that took.
fn until(what: &str, limit: Duration, mut wanted: impl FnMut() -> bool) -> Duration {
    let started = Instant::now();
    while !wanted() {
        assert!(started.elapsed() < limit, "{what}");
        std::thread::sleep(Duration::from_millis(5));
    }
    started.elapsed()
}

const PATIENCE: Duration = Duration::from_mins(1);

fn settled(server: &Server) {
    until("the node and the hub have the same", PATIENCE, || {
        let hub = hub_of(server);
        let projects = hub["projects"].as_array().unwrap();
        !projects.is_empty() && projects.iter().all(|project| project["state"] == "settled")
    });
}

fn publish(server: &Server, key: &str, text: &str) {
    server.request("PUT", "/projects/notes", Some(&json!({}))).unwrap();
    let body = json!({"records": [{"key": key, "text": text}]});
    let (status, answer) = server.request("POST", "/projects/notes/records", Some(&body)).unwrap();
    assert_eq!(status, 200, "{answer}");
}

fn finds(server: &Server, query: &str, key: &str) -> bool {
    let body = json!({"text": query, "mode": "hybrid"});
    let (_, answer) = server.request("POST", "/projects/notes/query", Some(&body)).unwrap();
    answer["hits"][0]["key"] == key && answer.get("vectors_pending").is_none()
}

/// Issue 5: a write on one node is found by a query on the other within one second, by meaning, too. Of several tries the best
/// third counts: other tests share the machine.
#[test]
fn a_write_is_found_on_the_other_node_within_a_second() {
    let (a, b) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let hub = TestHub::start(&["notes"]);
    let a = serve(a.path(), &hub.url(), &hub.writer, &["notes"]);
    let b = serve(b.path(), &hub.url(), &hub.writer, &["notes"]);
    publish(&a, "first", "a first record to warm everything up");
    until("the first record", PATIENCE, || finds(&b, "first", "first"));
    let mut times: Vec<Duration> = (0..9)
        .map(|number| {
            let (key, words) = (format!("k{number}"), format!("lighthouse number{number}"));
            publish(&a, &key, &words);
            until("the record", PATIENCE, || finds(&b, &format!("number{number}"), &key))
        })
        .collect();
    times.sort_unstable();
    println!("from acknowledged to found on the other node: {times:?}");
    assert!(times[2] < Duration::from_secs(1), "{times:?}");
    settled(&a);
    settled(&b);
}

/// The hub goes away and comes back: both nodes work on meanwhile, status says what is not there yet, and afterwards both have
/// everything without anybody doing anything.
#[test]
fn a_hub_that_goes_away_loses_nothing() {
    let (a, b) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let mut hub = TestHub::start(&["notes"]);
    let (mut one, two) =
        (serve(a.path(), &hub.url(), &hub.writer, &[]), serve(b.path(), &hub.url(), &hub.writer, &["notes"]));
    publish(&one, "before", "before the hub went away");
    settled(&one);
    until("the first record", PATIENCE, || finds(&two, "before", "before"));
    assert_eq!(hub_of(&one)["records_unsent"], 0);

    hub.kill();
    publish(&one, "a", "written on one while the hub was away");
    publish(&two, "b", "written on two while the hub was away");
    publish(&two, "before", "changed on two while the hub was away");
    until("the loss is noticed", PATIENCE, || hub_of(&two)["state"] != "connected");
    assert_eq!((&hub_of(&one)["records_unsent"], &hub_of(&two)["records_unsent"]), (&json!(1), &json!(2)));
    let status = ok(b.path(), &["status"]);
    assert!(status.contains("2 records in 2 documents not yet sent"), "{status}");
    let waiting = fails(b.path(), &["status", "--wait-synced", "--timeout", "1"]);
    assert!(waiting.contains("2 records in 2 documents not yet sent after 1 s"), "{waiting}");

    hub.start_again();
    ok(b.path(), &["status", "--wait-synced"]);
    ok(a.path(), &["status", "--wait-synced"]);
    until("what one wrote", PATIENCE, || finds(&two, "written on one", "a"));
    until("what two wrote", PATIENCE, || finds(&one, "changed on two", "before"));
    settled(&one);
    settled(&two);
    let version =
        |server: &Server| server.request("GET", "/projects/notes/version", None).unwrap().1["version"].clone();
    assert_eq!(version(&one), version(&two));

    // Nobody serves the folder any more: what is unsent is still told.
    publish(&one, "late", "x");
    ok(a.path(), &["status", "--wait-synced"]);
    one.stop();
    ok(a.path(), &["-p", "notes", "delete", "late"]);
    let status = ok(a.path(), &["status"]);
    assert!(status.contains("nobody serves this folder; 1 record in 1 document not yet sent"), "{status}");
    let waiting = fails(a.path(), &["status", "--wait-synced"]);
    assert!(waiting.contains("skerry serve --hub"), "{waiting}");
}

/// An erasure on one connected node leaves it by itself: soon the record is on no node, and in no byte of the hub's store. (It
/// once stayed where it was: the shards of the new epoch were named before the hub had the catalog.)
#[test]
fn an_erasure_goes_through_the_hub() {
    let (a, b) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let hub = TestHub::start(&["notes"]);
    let one = serve(a.path(), &hub.url(), &hub.writer, &["notes"]);
    let two = serve(b.path(), &hub.url(), &hub.writer, &["notes"]);
    publish(&one, "SECRETKEY", "MARKERWORD");
    publish(&one, "other", "what stays");
    until("both have it", PATIENCE, || finds(&two, "MARKERWORD", "SECRETKEY") && finds(&two, "what stays", "other"));
    settled(&one);
    assert!(!holding(hub.store(), "SECRETKEY").is_empty(), "the hub has it");

    let (status, receipt) =
        one.request("POST", "/projects/notes/erase", Some(&json!({"keys": ["SECRETKEY"]}))).unwrap();
    assert_eq!(status, 200, "{receipt}");
    let gone = |dir: &Path| ["SECRETKEY", "MARKERWORD"].iter().all(|marker| holding(dir, marker).is_empty());
    until("the hub's store is without it", PATIENCE, || gone(hub.store()));
    until("the other node is without it", PATIENCE, || gone(b.path()));
    assert!(gone(a.path()));
    settled(&one);
    settled(&two);
    assert!(finds(&two, "what stays", "other"));
    assert_eq!(two.request("GET", "/projects/notes/records/SECRETKEY", None).unwrap().0, 404);
}

/// A project that is made while the node is connected is synced, too, unless only others were asked for.
#[test]
fn projects_that_are_made_later_are_synced() {
    let (a, b) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let hub = TestHub::start(&["notes", "private"]);
    let (one, two) =
        (serve(a.path(), &hub.url(), &hub.writer, &["notes"]), serve(b.path(), &hub.url(), &hub.writer, &[]));
    publish(&one, "a", "x");
    settled(&one);
    let (_, projects) = two.request("GET", "/projects", None).unwrap();
    assert_eq!(projects["projects"], json!([]));
    assert_eq!(two.request("PUT", "/projects/notes", Some(&json!({}))).unwrap().0, 201);
    until("the project's record", PATIENCE, || two.request("GET", "/projects/notes/records/a", None).unwrap().0 == 200);
    one.request("PUT", "/projects/private", Some(&json!({"description": "not for the hub"}))).unwrap();
    let names = |server: &Server| {
        let projects = hub_of(server)["projects"].as_array().unwrap().clone();
        projects.iter().map(|project| project["name"].as_str().unwrap().to_owned()).collect::<Vec<_>>()
    };
    assert_eq!((names(&one), names(&two)), (vec!["notes".to_owned()], vec!["notes".to_owned()]));
}

/// A token that the hub does not know, one that may only read, a hub that is not there, an address that is none: told what is
/// wrong, and the token is in no output.
#[test]
fn what_the_hub_refuses_is_shown() {
    let data = tempfile::tempdir().unwrap();
    let hub = TestHub::start(&["notes"]);
    let shown = |server: &Server, wanted: &str| {
        until(wanted, PATIENCE, || {
            hub_of(server)["problem"]["message"].as_str().is_some_and(|why| why.contains(wanted))
        });
        let status = ok(data.path(), &["status"]);
        assert!(status.contains(wanted), "{status}");
        let secrets = [hub.writer.as_str(), &hub.reader, "wrong-token"];
        assert!(!secrets.iter().any(|secret| status.contains(secret)), "{status}");
    };
    let server = serve(data.path(), &hub.url(), "wrong-token", &[]);
    shown(&server, "does not know this one (401): This token is not known here.");
    drop(server);
    let server = serve(data.path(), &nobody(), &hub.writer, &[]);
    shown(&server, "refused");
    drop(server);
    let server = serve(data.path(), &hub.url(), &hub.reader, &[]);
    publish(&server, "mine", "may not go up");
    shown(&server, "allows only reading");
    assert_eq!((&hub_of(&server)["state"], &hub_of(&server)["records_unsent"]), (&json!("connected"), &json!(1)));
    drop(server);
    for (address, wanted) in [("hub.example", "ws://"), ("ws://me:secret@hub.example", "--hub-token")] {
        let refused = fails(data.path(), &["serve", "--listen", "127.0.0.1:0", "--hub", address]);
        assert!(refused.contains(wanted) && !refused.contains("secret"), "{refused}");
    }
    let refused = fails(data.path(), &["serve", "--hub", "ws://127.0.0.1:1", "--subscribe", "Not A Name"]);
    assert!(refused.contains("--subscribe Not A Name"), "{refused}");
}

/// Terminating a node that is connected and has subscribers ends it at once and in order.
#[test]
#[cfg(unix)]
fn a_connected_node_stops_in_order() {
    let data = tempfile::tempdir().unwrap();
    let hub = TestHub::start(&["notes"]);
    let mut server = serve(data.path(), &hub.url(), &hub.writer, &[]);
    publish(&server, "a", "x");
    settled(&server);
    let url = format!("{}/api/v1/projects/notes/changes?since=0", server.url);
    let response = ureq::get(url).header("accept", "text/event-stream").call().unwrap();
    let started = Instant::now();
    server.stop();
    let text = response.into_body().read_to_string().unwrap();
    assert!(text.contains("\"key\":\"a\""), "{text}");
    assert!(started.elapsed() < Duration::from_secs(5), "{:?}", started.elapsed());
    // What the hub has was noted down on the way out.
    let status: Value = serde_json::from_str(&ok(data.path(), &["--json", "status"])).unwrap();
    assert_eq!((&status["hub"]["state"], &status["hub"]["records_unsent"]), (&json!("stopped"), &json!(0)));
    assert!(status["hub"]["projects"][0]["agreed_ms"].is_u64(), "{status}");
}

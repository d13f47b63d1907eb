//! The npm client of automerge-repo, 2.5, through our hub: nothing here is ours but the hub and the tests' steering.

mod client;
mod hub;
mod records;

pub(crate) use client::Client;
pub(crate) use hub::Hub;
pub(crate) use records::record;
use serde_json::{Value, json};

/// A hub and two clients that may see everything.
fn pair() -> (Hub, Client, Client) {
    let hub = Hub::start();
    let url = hub.url(&hub.any_token());
    let (here, there) = (Client::connected(&url), Client::connected(&url));
    (hub, here, there)
}

/// A document that both have; answers its URL.
fn share(here: &mut Client, there: &mut Client, name: &str) -> Value {
    let created = here.call("create", json!({ "name": name, "value": { "made": "here" } }));
    let found = there.call("find", json!({ "name": name, "url": created["url"] }));
    // Found is what was there when the request came in; what was on its way follows.
    there.call("says", json!({ "name": name, "values": { "made": "here" } }));
    assert_eq!(found["url"], created["url"]);
    created["url"].clone()
}

/// Both end at the same heads, and the document says this.
fn converge(one: &mut Client, other: &mut Client, name: &str, values: &Value) {
    let says = json!({ "name": name, "values": values });
    let (first, second) = (one.call("says", says.clone()), other.call("says", says));
    assert_eq!(first, second);
    let heads = one.call("heads", json!({ "name": name }));
    other.call("at_heads", json!({ "name": name, "heads": heads }));
}

fn set(client: &mut Client, name: &str, at: &str, value: impl Into<Value>) {
    client.call("set", json!({ "name": name, "path": [at], "value": value.into() }));
}

/// What one writes the other sees, in both directions.
#[test]
fn changes_go_both_ways() {
    let (_hub, mut here, mut there) = pair();
    share(&mut here, &mut there, "d");
    set(&mut here, "d", "from_here", 1);
    there.call("says", json!({ "name": "d", "values": { "from_here": 1 } }));
    set(&mut there, "d", "from_there", "zwei");
    converge(&mut here, &mut there, "d", &json!({ "from_here": 1, "from_there": "zwei" }));
}

/// Both edit while neither is connected, and meet again.
#[test]
fn offline_edits_on_both_sides_meet() {
    let (_hub, mut here, mut there) = pair();
    share(&mut here, &mut there, "d");
    let mut expected = json!({});
    for client in [&mut here, &mut there] {
        client.call("disconnect", json!({}));
    }
    for edit in 0..20 {
        for (name, client) in [("here", &mut here), ("there", &mut there)] {
            set(client, "d", &format!("{name}{edit}"), edit);
            expected[format!("{name}{edit}")] = edit.into();
        }
    }
    here.call("connect", json!({}));
    there.call("connect", json!({}));
    converge(&mut here, &mut there, "d", &expected);
}

/// The network breaks again and again in the middle of edits; the client comes back by itself each time.
#[test]
fn edits_survive_broken_connections() {
    let (_hub, mut here, mut there) = pair();
    share(&mut here, &mut there, "d");
    let mut expected = json!({});
    for round in 0..5 {
        let both = [("here", &mut here), ("there", &mut there)];
        for (number, (name, client)) in both.into_iter().enumerate() {
            for edit in 0..10 {
                if edit == 5 && (round + number) % 2 == 0 {
                    client.call("cut", json!({}));
                }
                set(client, "d", &format!("{name}{round}.{edit}"), edit);
                expected[format!("{name}{round}.{edit}")] = edit.into();
            }
        }
    }
    converge(&mut here, &mut there, "d", &expected);
}

/// The hub is killed and started again while clients edit. What had reached the other client was stored; what had not
/// comes again from whoever wrote it.
#[test]
fn edits_survive_a_killed_hub() {
    let (mut hub, mut here, mut there) = pair();
    let url = share(&mut here, &mut there, "d");
    let mut expected = json!({});
    for round in 0..3 {
        for edit in 0..15 {
            if edit == 5 {
                hub.kill();
            }
            if edit == 10 {
                hub.restart();
            }
            for (name, client) in [("here", &mut here), ("there", &mut there)] {
                set(client, "d", &format!("{name}{round}.{edit}"), edit);
                expected[format!("{name}{round}.{edit}")] = edit.into();
            }
        }
        converge(&mut here, &mut there, "d", &expected);
    }
    // Both clients gone: what the hub shows a third one is what it stored.
    drop((here, there));
    hub.kill();
    hub.restart();
    let mut third = Client::connected(&hub.url(&hub.any_token()));
    third.call("find", json!({ "name": "d", "url": url }));
    third.call("says", json!({ "name": "d", "values": expected }));
}

/// A client with files of its own is ended, edits after it was started again without a hub, and catches up.
#[test]
fn a_client_with_files_starts_again() {
    let (hub, mut here, mut there) = pair();
    let files = tempfile::tempdir().unwrap();
    let url = share(&mut here, &mut there, "d");
    let open = |retry: u64| json!({ "url": hub.url(&hub.any_token()), "storage": files.path(), "retry_ms": retry });
    let mut kept = Client::start();
    kept.call("open", open(100));
    kept.call("connected", json!({}));
    kept.call("find", json!({ "name": "d", "url": url }));
    kept.call("says", json!({ "name": "d", "values": { "made": "here" } }));
    set(&mut kept, "d", "first", 1);
    here.call("says", json!({ "name": "d", "values": { "first": 1 } }));
    kept.quit();
    set(&mut here, "d", "meanwhile", 2);

    let mut kept = Client::start();
    kept.call("open", open(100));
    kept.call("find", json!({ "name": "d", "url": url, "states": ["ready"] }));
    set(&mut kept, "d", "again", 3);
    converge(&mut kept, &mut there, "d", &json!({ "first": 1, "meanwhile": 2, "again": 3 }));
    kept.quit();

    // From its files alone, nobody to ask.
    let mut alone = Client::start();
    alone.call("open", json!({ "url": "ws://127.0.0.1:1", "storage": files.path() }));
    alone.call("find", json!({ "name": "d", "url": url, "states": ["ready"] }));
    alone.call("says", json!({ "name": "d", "values": { "first": 1, "meanwhile": 2, "again": 3 } }));
}

/// Ephemeral messages reach the other client, and not the one who sent them.
#[test]
fn ephemeral_messages_are_passed_on() {
    let (_hub, mut here, mut there) = pair();
    share(&mut here, &mut there, "d");
    for number in 0..3 {
        here.call("broadcast", json!({ "name": "d", "message": { "cursor": number } }));
    }
    let heard = there.call("ephemeral", json!({ "count": 3 }));
    assert_eq!(heard, json!([{ "cursor": 0 }, { "cursor": 1 }, { "cursor": 2 }]));
    there.call("broadcast", json!({ "name": "d", "message": "back" }));
    assert_eq!(here.call("ephemeral", json!({ "count": 1 })), json!(["back"]));
}

/// What the hub does not have is unavailable, and arrives when somebody brings it.
#[test]
fn an_absent_document_is_unavailable_until_somebody_brings_it() {
    let (_hub, mut here, mut there) = pair();
    here.call("disconnect", json!({}));
    let created = here.call("create", json!({ "name": "d", "value": { "made": "offline" } }));
    let found = there.call("find", json!({ "name": "d", "url": created["url"] }));
    assert_eq!(found["state"], "unavailable");
    let arrives = there.begin("state", json!({ "name": "d", "state": "ready" }));
    assert!(arrives.is_open(), "there is nothing that could make it ready");
    here.call("connect", json!({}));
    arrives.wait();
    converge(&mut here, &mut there, "d", &json!({ "made": "offline" }));
}

/// A client that may only read: what it writes reaches nobody, it is told so, and it goes on receiving.
#[test]
fn a_reader_is_told_that_its_changes_do_not_count() {
    let hub = Hub::start();
    let mut writer = Client::connected(&hub.url(&hub.token(&["--project", "notes", "--access", "write"])));
    let mut reader = Client::connected(&hub.url(&hub.token(&["--project", "notes", "--access", "read"])));
    for client in [&mut writer, &mut reader] {
        client.call("project", json!({ "project": "notes", "keys": ["tide"] }));
    }
    let write = |client: &mut Client, text: &str| {
        client.call("write", json!({ "project": "notes", "record": { "key": "tide", "text": text } }));
    };
    let reads = |client: &mut Client, text: &str| {
        let record = records::record("tide", text);
        client.call("reads", json!({ "project": "notes", "key": "tide", "record": record }));
    };
    write(&mut writer, "High water at noon");
    reads(&mut reader, "High water at noon");
    write(&mut reader, "Low water at noon");
    let refusals = reader.call("refusals", json!({ "count": 1 }));
    assert!(refusals[0].as_str().is_some_and(|text| text.contains("read")), "{refusals}");
    // The hub has judged the reader's change, so whatever was to come of it would be on its way before this.
    let mut other = Client::connected(&hub.url(&hub.token(&["--project", "notes", "--access", "read"])));
    other.call("project", json!({ "project": "notes", "keys": ["tide"] }));
    reads(&mut other, "High water at noon");
    reads(&mut writer, "High water at noon");
    writer.call("write", json!({ "project": "notes", "record": { "key": "tide", "data": { "still": "received" } } }));
    let shard = json!({ "project": "notes", "key": "tide" });
    let until = json!({ "key": "tide", "text": "", "data": { "still": "received" }, "metadata": {}, "layers": [], "links": [] });
    other.call("reads", json!({ "project": "notes", "key": "tide", "record": until }));
    // The reader keeps its own change beside what it receives.
    let received =
        reader.begin("reads_data", json!({ "project": "notes", "key": "tide", "data": { "still": "received" } }));
    received.wait();
    assert_eq!(other.call("read", shard)["text"], "");
}

/// A token for another project: its documents are as if they were not there.
#[test]
fn a_foreign_project_is_not_there() {
    let hub = Hub::start();
    let mut owner = Client::connected(&hub.url(&hub.token(&["--project", "notes", "--access", "write"])));
    let ids = owner.call("project", json!({ "project": "notes", "keys": ["tide"] }));
    owner.call("write", json!({ "project": "notes", "record": { "key": "tide", "text": "High water at noon" } }));
    let mut stranger = Client::connected(&hub.url(&hub.token(&["--project", "others", "--access", "write"])));
    let url = format!("automerge:{}", ids[0].as_str().unwrap());
    let found = stranger.call("find", json!({ "name": "theirs", "url": url }));
    assert_eq!(found["state"], "unavailable");
    // Its own are there.
    stranger.call("project", json!({ "project": "others", "keys": ["tide"] }));
    assert_eq!(stranger.call("read", json!({ "project": "others", "key": "tide" })), Value::Null);
}

/// Without a token, or with a wrong one, there is no connection.
#[test]
fn a_wrong_token_opens_nothing() {
    let hub = Hub::start();
    let mut client = Client::start();
    client.call("open", json!({ "url": hub.url(&format!("skt_{}", "0".repeat(64))), "retry_ms": 60_000 }));
    let errors = client.call("socket_errors", json!({ "count": 1 }));
    assert!(errors[0].as_str().is_some_and(|error| error.contains("401")), "{errors}");
}

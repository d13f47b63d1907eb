//! Guarantee 1 of the design: what was acknowledged survives kill -9 at any moment.

use std::collections::BTreeSet;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use serde_json::json;

use crate::process::Server;

/// Kills of one node, in a row, over one folder.
const KILLS: u64 = 50;

/// Numbers that look random and are the same in every run.
fn scrambled(seed: u64) -> u64 {
    let mixed = (seed.wrapping_add(0x9E37_79B9_7F4A_7C15)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    (mixed ^ (mixed >> 31)).wrapping_mul(0x94D0_49BB_1331_11EB) >> 33
}

/// A client writes all the time, one to five records a request; the node is killed 50 times. After each start every
/// record that was ever acknowledged is there, and in the end the index finds them.
#[test]
fn fifty_kills_lose_nothing() {
    let data = tempfile::tempdir().unwrap();
    let acknowledged = Arc::new(Mutex::new(BTreeSet::<String>::new()));
    let mut number = 0_u64;
    for round in 0..KILLS {
        let mut server = Server::start(data.path());
        server.request("PUT", "/projects/p", Some(&json!({}))).unwrap();
        assert_all_there(&server, &acknowledged.lock().unwrap(), round);
        let stop = Arc::new(AtomicBool::new(false));
        let first = number;
        let written = std::thread::scope(|scope| {
            let (server_ref, stopped, acknowledged) = (&server, Arc::clone(&stop), Arc::clone(&acknowledged));
            let writer = scope.spawn(move || {
                let mut number = first;
                while !stopped.load(Ordering::Relaxed) {
                    let batch: Vec<String> =
                        (0..=scrambled(number) % 5).map(|offset| format!("k{:06}", number + offset)).collect();
                    number += batch.len() as u64;
                    let records: Vec<_> =
                        batch.iter().map(|key| json!({"key": key, "text": format!("text {key}")})).collect();
                    match server_ref.request("POST", "/projects/p/records", Some(&json!({ "records": records }))) {
                        Ok((200, _)) => acknowledged.lock().unwrap().extend(batch),
                        Ok((status, answer)) => panic!("{status}: {answer}"),
                        // The node died under the request: nothing was promised about it.
                        Err(_) => break,
                    }
                }
                number
            });
            std::thread::sleep(Duration::from_millis(20 + scrambled(round) % 130));
            // The child is killed by its id: the writer still borrows the server.
            kill_nine(server_ref);
            stop.store(true, Ordering::Relaxed);
            writer.join().unwrap()
        });
        server.kill();
        number = written;
    }
    let acknowledged = acknowledged.lock().unwrap();
    assert!(acknowledged.len() > 50, "only {} records were acknowledged; the test proves little", acknowledged.len());
    let server = Server::start(data.path());
    assert_all_there(&server, &acknowledged, KILLS);
    let last = acknowledged.last().unwrap();
    let (_, answer) = server
        .request("POST", "/projects/p/query", Some(&json!({"text": format!("text {last}"), "mode": "keyword", "k": 1})))
        .unwrap();
    assert_eq!(answer["hits"][0]["key"], last.as_str());
}

fn kill_nine(server: &Server) {
    let status = std::process::Command::new("kill").args(["-9", &server.id().to_string()]).status().unwrap();
    assert!(status.success());
}

fn assert_all_there(server: &Server, acknowledged: &BTreeSet<String>, round: u64) {
    let mut found = BTreeSet::new();
    let mut after = String::new();
    loop {
        let (status, page) = server.request("GET", &format!("/projects/p/records?limit=1000{after}"), None).unwrap();
        assert_eq!(status, 200, "{page}");
        found.extend(
            page["records"].as_array().unwrap().iter().map(|record| record["key"].as_str().unwrap().to_owned()),
        );
        match page["next"].as_str() {
            Some(next) => after = format!("&after={next}"),
            None => break,
        }
    }
    let lost: Vec<_> = acknowledged.difference(&found).collect();
    assert!(lost.is_empty(), "after {round} kills {} acknowledged records are gone: {lost:?}", lost.len());
}

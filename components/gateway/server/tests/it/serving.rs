//! Both builds of the gateway behind HTTP, with fresh instances and with instances that are used again.

use std::time::Duration;

use serde_json::json;
use skerry_gateway_server::{Server, ServerConfig, compose};

use crate::asking::{Ask, ask, client, requests};
use crate::component;
use crate::fixture::FIXTURE;

/// The builds, for `wasi:http` 0.3 and 0.2.
const BUILDS: [&str; 2] = ["gateway.wasm", "gateway-wasip2.wasm"];

fn reusing(requests_per_instance: usize) -> ServerConfig {
    ServerConfig { requests_per_instance, deadline: Duration::from_mins(1), ..ServerConfig::default() }
}

/// The whole list of requests over real HTTP, each build, instances fresh and used again: always what the node answers.
#[test]
fn every_build_answers_as_the_node_does() {
    let asks = requests(&FIXTURE.version);
    let expected: Vec<_> = asks.iter().map(|asked| FIXTURE.node_says(asked)).collect();
    for build in BUILDS {
        let composed = FIXTURE.composed(build);
        for requests_per_instance in [1, 1_000] {
            let server = Server::start(&composed, &reusing(requests_per_instance)).unwrap();
            let client = client();
            for (asked, expected) in asks.iter().zip(&expected) {
                let told = ask(&client, server.address(), asked).unwrap();
                assert_eq!(told, *expected, "{build} {requests_per_instance}: {} {}", asked.method, asked.path);
            }
            let (made, asked) = (server.instances_made(), asks.len() as u64);
            match requests_per_instance {
                1 => assert_eq!(made, asked, "{build}: a fresh one for each"),
                // An instance may still be ending one request when the next comes; then there is another instance.
                _ => assert!(made < asked / 2, "{build}: {made} instances for {asked} requests"),
            }
        }
    }
}

/// Eight callers at once get what one gets.
#[test]
fn callers_do_not_disturb_one_another() {
    let asks: Vec<Ask> =
        requests(&FIXTURE.version).into_iter().filter(|asked| asked.method == "POST").take(24).collect();
    let expected: Vec<_> = asks.iter().map(|asked| FIXTURE.node_says(asked)).collect();
    for (build, requests_per_instance) in [(BUILDS[0], 1), (BUILDS[0], 7), (BUILDS[1], 1), (BUILDS[1], 7)] {
        let server = Server::start(&FIXTURE.composed(build), &reusing(requests_per_instance)).unwrap();
        std::thread::scope(|scope| {
            for caller in 0..8 {
                let (asks, expected, address) = (&asks, &expected, server.address());
                scope.spawn(move || {
                    let client = client();
                    for at in 0..asks.len() {
                        let at = (at + caller * 3) % asks.len();
                        let told = ask(&client, address, &asks[at]).unwrap();
                        assert_eq!(told, expected[at], "{build} {requests_per_instance}: caller {caller}");
                    }
                });
            }
        });
    }
}

/// A request whose instance runs out of memory is lost alone: the server goes on, and so do those who ask at the same time.
#[test]
fn a_trap_takes_nobody_else_along() {
    // More than the body below may grow to, less than it and its copy.
    let config = ServerConfig { memory_bytes_max: 48 << 20, ..reusing(1_000) };
    let large = Ask::text("/api/v1/projects/p/query", &format!("{{\"text\": \"{}\"}}", "a".repeat(60 << 20)));
    let small = Ask::query(&json!({"text": "tide", "k": 2}));
    let expected = FIXTURE.node_says(&small);
    for build in BUILDS {
        let server = Server::start(&FIXTURE.composed(build), &config).unwrap();
        let address = server.address();
        std::thread::scope(|scope| {
            scope.spawn(|| {
                // The connection may be cut while the rest of the body is on its way.
                if let Ok(told) = ask(&client(), address, &large) {
                    assert_eq!(told.status, 502, "{build}: {}", told.body);
                }
            });
            for _ in 0..3 {
                scope.spawn(|| {
                    let client = client();
                    for _ in 0..10 {
                        assert_eq!(ask(&client, address, &small).unwrap(), expected, "{build}");
                    }
                });
            }
        });
        assert_eq!(ask(&client(), address, &small).unwrap(), expected, "{build}");
    }
}

/// A component that has the description of a snapshot and counts in it how often it was asked for it.
fn counting() -> Vec<u8> {
    let json = r#"{"project":"p","description":"0","version":"v","records":0}"#;
    let digit = json.find("\"0\"").unwrap() + 1;
    let text = format!(
        r#"(component
            (core module $counter
                (memory (export "memory") 1)
                (global $count (mut i32) (i32.const 48))
                (data (i32.const 1024) {json:?})
                (func (export "describe") (result i32)
                    (i32.store8 (i32.const {at}) (global.get $count))
                    (global.set $count (i32.add (global.get $count) (i32.const 1)))
                    (i32.store (i32.const 0) (i32.const 1024))
                    (i32.store (i32.const 4) (i32.const {length}))
                    (i32.const 0)))
            (core instance $counter (instantiate $counter))
            (func $describe (result (list u8))
                (canon lift (core func $counter "describe") (memory $counter "memory")))
            (instance $snapshot (export "describe" (func $describe)))
            (export "skerry:query/snapshot@0.1.0" (instance $snapshot)))"#,
        at = 1_024 + digit,
        length = json.len(),
    );
    wat::parse_str(text).unwrap()
}

/// A fresh instance knows nothing of the request before it, whatever is composed in; one that is used again does.
#[test]
fn fresh_instances_remember_nothing() {
    for build in BUILDS {
        let parts = [counting(), component("query.wasm"), component("embedding.wasm")];
        let parts: Vec<&[u8]> = parts.iter().map(Vec::as_slice).collect();
        let composed = compose(&component(build), &parts).unwrap();
        for requests_per_instance in [1, 2, 1_000] {
            let server = Server::start(&composed, &reusing(requests_per_instance)).unwrap();
            let client = client();
            // '0' for the first request of an instance, the next character for its second, and so on.
            let most = (0..20)
                .map(|_| {
                    let told = ask(&client, server.address(), &Ask::get("/api/v1/projects/p")).unwrap();
                    told.json()["description"].as_str().unwrap().bytes().next().unwrap() - b'0'
                })
                .max()
                .unwrap();
            match requests_per_instance {
                1 => assert_eq!(most, 0, "{build}"),
                2 => assert_eq!(most, 1, "{build}"),
                _ => assert!(most > 1, "{build}: nothing was used again, so the others say nothing"),
            }
        }
    }
}

/// A gateway that nothing was baked for is empty, and says so in the node's words.
#[test]
fn an_empty_gateway_has_no_project() {
    let composed =
        compose(&component("gateway-wasip2.wasm"), &[&component("query.wasm"), &component("embedding.wasm")]);
    let server = Server::start(&composed.unwrap(), &reusing(1)).unwrap();
    let told = |path: &str| ask(&client(), server.address(), &Ask::get(path)).unwrap();
    assert_eq!(told("/api/v1/projects").body, r#"{"projects":[]}"#);
    assert_eq!(told("/api/v1/projects/other").body, FIXTURE.node_says(&Ask::get("/api/v1/projects/other")).body);
    assert_eq!(told("/api/v1/health").json()["status"], "ok");
}

/// Without an embedding model of the project beside it a snapshot still answers by keywords, and says what is missing.
#[test]
fn words_are_found_without_a_model() {
    let other = component("unbaked/embedding.wasm");
    let composed = compose(&component("gateway-wasip2.wasm"), &[&FIXTURE.snapshot, &other]).unwrap();
    let server = Server::start(&composed, &reusing(1_000)).unwrap();
    let told = |body| ask(&client(), server.address(), &Ask::query(&body)).unwrap();
    let hybrid = told(json!({"text": "water"})).json();
    assert!(hybrid["vectors_unavailable"].as_str().is_some_and(|reason| reason.contains("no weights")), "{hybrid}");
    let keyword = json!({"text": "water", "mode": "keyword"});
    assert_eq!(told(keyword.clone()), FIXTURE.node_says(&Ask::query(&keyword)));
    let vector = told(json!({"text": "water", "mode": "vector"}));
    assert_eq!((vector.status, &vector.json()["type"]), (503, &json!("urn:skerry:problem:model-unavailable")));
}

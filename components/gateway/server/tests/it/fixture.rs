//! A node with a project, over HTTP, and the snapshot that is baked from it.

use std::net::SocketAddr;
use std::path::Path;
use std::sync::{Arc, LazyLock};

use serde_json::{Value, json};
use skerry_edge::api::{ApiConfig, router};
use skerry_edge::body::RecordBody;
use skerry_edge::filter;
use skerry_edge::index::derive::Derivation;
use skerry_edge::node::{Node, NodeConfig, SEAL_AFTER};
use skerry_gateway_server::compose;
use skerry_host::bake;
use skerry_host::snapshot::{Chunking, FORMAT, Manifest, Model};
use skerry_host::types::Document;
use skerry_sync::ProjectName;

use crate::asking::{Ask, Told, ask, client};
use crate::{component, components_dir};

/// Everything that tests share; made once.
pub(crate) static FIXTURE: LazyLock<Fixture> = LazyLock::new(Fixture::new);

/// A node, and what is baked from it.
pub(crate) struct Fixture {
    pub(crate) address: SocketAddr,
    pub(crate) version: String,
    pub(crate) description: Vec<u8>,
    /// The baked query component.
    pub(crate) snapshot: Vec<u8>,
    _runtime: tokio::runtime::Runtime,
}

impl Fixture {
    fn new() -> Fixture {
        // What is static is never dropped, so a folder of its own would stay: this one is always the same.
        let data = Path::new(env!("CARGO_TARGET_TMPDIR")).join("gateway-node");
        let _ = std::fs::remove_dir_all(&data);
        let config = NodeConfig {
            data_dir: data,
            components_dir: Some(components_dir()),
            embedder_instances: 2,
            seal_after: SEAL_AFTER,
            models_file: None,
            plugins_file: None,
        };
        let node = Node::open(&config).expect("run `cargo xtask components` first");
        let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap();
        let listener = runtime.block_on(tokio::net::TcpListener::bind("127.0.0.1:0")).unwrap();
        let address = listener.local_addr().unwrap();
        let api = router(Arc::clone(&node), &ApiConfig::default());
        runtime.spawn(async move { axum::serve(listener, api).await });

        let told = |method, path: &str, body: &Value| {
            let told = ask(&client(), address, &Ask::post(path, body).with_method(method)).unwrap();
            assert!(told.status < 300, "{told:?}");
            told.json()
        };
        told("PUT", "/api/v1/projects/p", &json!({"description": "Tides and \"bread\""}));
        let published = told("POST", "/api/v1/projects/p/records", &json!({ "records": records() }));
        let version = published["version"].as_str().unwrap().to_owned();
        let (snapshot, description) = baked(&node, &version);
        Fixture { address, version, description, snapshot, _runtime: runtime }
    }

    /// What the node answers.
    pub(crate) fn node_says(&self, asked: &Ask) -> Told {
        ask(&client(), self.address, asked).unwrap()
    }

    /// A build of the gateway over the snapshot.
    pub(crate) fn composed(&self, gateway: &str) -> Vec<u8> {
        compose(&component(gateway), &[&self.snapshot, &component("embedding.wasm")]).unwrap()
    }
}

fn records() -> Vec<Value> {
    const TEXTS: [&str; 5] = [
        "High water at noon in the harbour; the tide turns after lunch.",
        "The full moon rises over still water.",
        "Knead flour, water and yeast into bread dough.",
        "The lighthouse keeper writes down wind, waves and the tide.",
        "A draft about nothing in particular.",
    ];
    let mut records: Vec<Value> = (0..40)
        .map(|at: usize| {
            json!({
                "key": format!("record-{at}"),
                "text": format!("{} Number {at}.", TEXTS[at % TEXTS.len()]),
                "data": {"number": at, "place": (["harbour", "beach", "bakery"])[at % 3], "half": at as f64 / 2.0, "none": null},
                "metadata": {"source": {"name": "log", "pages": [at, at + 1]}},
                "layers": if at.is_multiple_of(2) { vec!["sea"] } else { vec!["land", "draft"] },
                "links": if at.is_multiple_of(4) {
                    json!([{"type": "follows", "members": [
                        {"role": "later", "key": format!("record-{at}")}, {"role": "earlier", "key": format!("record-{}", at / 2)},
                    ], "weight": 0.1, "qualifiers": {"seen": true}, "valid": {"since": "2026-11-21T08:30:00Z"}}])
                } else { json!([]) },
            })
        })
        .collect();
    records.push(json!({"key": "käse/brot 7", "text": "Käse auf Brot – „lecker“ \u{1f9c0} \\ \"/\u{2028}", "data": {"zahl": 1e300, "klein": 5e-324}}));
    records.push(json!({"key": "empty", "data": {"deep": {"er": [[], {}, [{"x": -0.0}]]}}}));
    let long: Vec<String> =
        (0..120).map(|at| format!("Sentence {at} tells of the tide at pier {} and of gulls.", at % 9)).collect();
    records.push(json!({"key": "long", "text": long.join(" ")}));
    records
}

/// The project as `skerry bake` bakes it, in short.
fn baked(node: &Node, version: &str) -> (Vec<u8>, Vec<u8>) {
    let project = ProjectName::parse("p").unwrap();
    let info = node.replica().project(&project).unwrap();
    let derivation = Derivation::new(node.models(), &info.settings);
    let records = node.replica().scan(&project, None, 1_000).unwrap();
    let texts: Vec<&str> = records.iter().map(|record| record.text.as_str()).collect();
    let chunks = derivation.embedded(node.replica(), &texts, None).unwrap();
    let documents: Vec<Document> = records
        .iter()
        .zip(chunks)
        .map(|(record, chunks)| Document {
            key: record.key.as_str().to_owned(),
            text: record.text.clone(),
            chunks,
            fields: filter::fields(record),
            payload: serde_json::to_vec(&RecordBody::from(record.clone())).unwrap(),
        })
        .collect();
    let card = derivation.model().unwrap().card();
    let manifest = Manifest {
        format: FORMAT,
        project: project.to_string(),
        description: info.description,
        version: version.to_owned(),
        heads: std::collections::BTreeMap::new(),
        epoch: String::new(),
        model: Some(Model {
            id: card.id.clone(),
            name: card.name.clone(),
            dimensions: card.dimensions,
            tokens_max: card.tokens_max,
        }),
        chunking: Chunking { tokens: derivation.chunking().tokens, overlap: derivation.chunking().overlap },
        records: records.len() as u64,
        chunks: 0,
        has_records: true,
        has_model: false,
        parts: Vec::new(),
        made_by: String::new(),
    };
    let description = manifest.describe();
    let baked = description.clone();
    let snapshot = bake::snapshot(&component("query.wasm"), std::iter::once(documents), || baked, &|_| ()).unwrap();
    (snapshot, description)
}

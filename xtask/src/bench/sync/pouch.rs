//! The same work on `PouchDB`'s server, by what its replicator asks for: `_revs_diff`, `_bulk_docs`, `_changes`, `_bulk_get`.
//!
//! Bytes are those of bodies; the headers of HTTP come on top.

use std::io::{BufRead, BufReader};
use std::sync::mpsc::channel;
use std::time::{Duration, Instant};

use anyhow::{Context, ensure};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use skerry_sync::Record;

use super::data::Data;
use super::replicas::edited;
use super::servers::Server;
use crate::bench::percentile;

/// Documents in one request, as `PouchDB`'s replicator has it.
const BATCH: usize = 100;

/// A database on the server, and bytes that went there and came back.
struct Database<'a> {
    server: &'a Server,
    agent: ureq::Agent,
    sent: u64,
    received: u64,
}

/// Records as documents with their first or a later revision.
fn document(record: &Record, revision: usize) -> anyhow::Result<Value> {
    let mut document = serde_json::to_value(record)?;
    let object = document.as_object_mut().context("an object")?;
    object.remove("key");
    // The first revision is the same for whoever edits it.
    let digest = |revision: usize| {
        let text = if revision == 1 { "" } else { &record.text };
        let digest = Sha256::digest(format!("{} {revision} {text}", record.key));
        hex::encode(digest.get(..16).unwrap_or_default())
    };
    object.insert("_id".into(), record.key.as_str().into());
    object.insert("_rev".into(), format!("{revision}-{}", digest(revision)).into());
    let path: Vec<String> = (1..=revision).rev().map(digest).collect();
    object.insert("_revisions".into(), json!({ "start": revision, "ids": path }));
    Ok(document)
}

impl<'a> Database<'a> {
    fn new(server: &'a Server) -> Database<'a> {
        Database { server, agent: crate::bench::agent(), sent: 0, received: 0 }
    }

    fn call(&mut self, method: &str, path: &str, body: Option<&Value>) -> anyhow::Result<Value> {
        let body = body.map_or_else(String::new, Value::to_string);
        let request = ureq::http::Request::builder().method(method);
        let request = request.uri(format!("http://{}/bench{path}", self.server.address));
        self.sent += body.len() as u64;
        let mut response = self
            .agent
            .run(request.header("content-type", "application/json").body(body)?)
            .with_context(|| path.to_owned())?;
        let text = response.body_mut().with_config().limit(1 << 30).read_to_string()?;
        self.received += text.len() as u64;
        Ok(serde_json::from_str(&text)?)
    }

    /// What a replicator does to bring documents to the server.
    fn push(&mut self, documents: &[Value]) -> anyhow::Result<()> {
        for batch in documents.chunks(BATCH) {
            let revision =
                |document: &Value| (document["_id"].as_str().unwrap_or_default().to_owned(), json!([document["_rev"]]));
            let asked: serde_json::Map<String, Value> = batch.iter().map(revision).collect();
            let missing = self.call("POST", "/_revs_diff", Some(&Value::Object(asked)))?;
            ensure!(missing.as_object().is_some_and(|missing| missing.len() == batch.len()), "{missing}");
            self.call("POST", "/_bulk_docs", Some(&json!({ "docs": batch, "new_edits": false })))?;
        }
        Ok(())
    }

    /// What a replicator does to bring what is new from the server; answers how many documents, and where it is then.
    fn pull(&mut self, since: &Value) -> anyhow::Result<(usize, Value)> {
        let (mut since, mut count) = (since.clone(), 0);
        loop {
            let path = format!("/_changes?style=all_docs&limit={BATCH}&since={since}");
            let changes = self.call("GET", &path, None)?;
            let results = changes["results"].as_array().context("changes")?;
            if results.is_empty() {
                return Ok((count, since));
            }
            let revisions = results.iter().flat_map(|change| {
                let of = change["changes"].as_array().into_iter().flatten();
                of.map(|revision| json!({ "id": change["id"], "rev": revision["rev"] }))
            });
            let revisions: Vec<Value> = revisions.collect();
            let found = self.call("POST", "/_bulk_get?revs=true&latest=true", Some(&json!({ "docs": revisions })))?;
            let found = found["results"].as_array().map_or(0, Vec::len);
            ensure!(found >= results.len(), "{found} documents for {} changes", results.len());
            count += results.len();
            since = changes["last_seq"].clone();
        }
    }
}

/// The first synchronisation, changes made apart, and how soon a write is seen.
pub(super) fn run(server: &Server, data: &Data, writes: usize) -> anyhow::Result<Value> {
    let pss_started_mb = server.pss_mb()?;
    let mut here = Database::new(server);
    here.call("PUT", "", None)?;
    here.sent = 0;
    here.received = 0;
    let begun = Instant::now();
    let documents = data.records.iter().map(|record| document(record, 1)).collect::<anyhow::Result<Vec<Value>>>()?;
    here.push(&documents)?;
    let up_s = begun.elapsed().as_secs_f64();
    let begun = Instant::now();
    let mut there = Database::new(server);
    let (count, since) = there.pull(&json!(0))?;
    ensure!(count == data.records.len(), "{count} of {} documents arrived", data.records.len());
    let first = json!({
        "up_s": up_s, "down_s": begun.elapsed().as_secs_f64(),
        "up_bytes": here.sent, "up_back_bytes": here.received, "down_bytes": there.received, "down_back_bytes": there.sent,
    });
    let apart = apart(server, data, &since)?;
    let latency = latency(server, data, writes)?;
    Ok(json!({
        "pss_started_mb": pss_started_mb, "first": first, "apart": apart, "latency": latency,
        "after_work": { "pss_mb": server.pss_mb()?, "peak_mb": server.peak_mb()? },
    }))
}

fn apart(server: &Server, data: &Data, since: &Value) -> anyhow::Result<Value> {
    let (mut one, mut other) = (Database::new(server), Database::new(server));
    let of = |name: &str| {
        let edits = data.records.iter().take(100).map(|record| document(&edited(record, name), 2));
        edits.collect::<anyhow::Result<Vec<Value>>>()
    };
    let (by_one, by_other) = (of("one")?, of("other")?);
    let begun = Instant::now();
    one.push(&by_one)?;
    other.push(&by_other)?;
    one.pull(since)?;
    other.pull(since)?;
    Ok(json!({
        "s": begun.elapsed().as_secs_f64(), "sent_bytes": one.sent + other.sent,
        "received_bytes": one.received + other.received,
    }))
}

fn latency(server: &Server, data: &Data, writes: usize) -> anyhow::Result<Value> {
    let mut here = Database::new(server);
    let last = here.call("GET", "", None)?["update_seq"].clone();
    let url = format!(
        "http://{}/bench/_changes?feed=continuous&include_docs=true&heartbeat=1000&since={last}",
        server.address
    );
    let feed = crate::bench::agent().get(&url).call()?;
    let (seen, arrivals) = channel();
    std::thread::spawn(move || {
        for line in BufReader::new(feed.into_body().into_reader()).lines().map_while(Result::ok) {
            let change: Value = serde_json::from_str(&line).unwrap_or_default();
            if change["id"].is_string() && seen.send((change["id"].clone(), Instant::now())).is_err() {
                return;
            }
        }
    });
    let (mut visible, mut acknowledged) = (Vec::new(), Vec::new());
    let text = data.records.first().map(|record| record.text.clone());
    for number in 0..writes {
        let id = format!("written-{number}");
        let begun = Instant::now();
        here.call("PUT", &format!("/{id}"), Some(&json!({ "text": text })))?;
        acknowledged.push(begun.elapsed().as_secs_f64() * 1e3);
        loop {
            let (arrived, at) = arrivals.recv_timeout(Duration::from_secs(20)).context("await a change")?;
            if arrived == id.as_str() {
                visible.push(at.duration_since(begun).as_secs_f64() * 1e3);
                break;
            }
        }
    }
    Ok(json!({
        "writes": writes,
        "visible_p50_ms": percentile(&visible, 50), "visible_p95_ms": percentile(&visible, 95),
        "acknowledged_p50_ms": percentile(&acknowledged, 50), "acknowledged_p95_ms": percentile(&acknowledged, 95),
    }))
}

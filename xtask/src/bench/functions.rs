//! Functions: from the start of the process to the first answer, against the least that a function in Rust can be, on the same
//! mock of Lambda's Runtime API; what a warm call costs; and what a node takes that serves fifty snapshots.

use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, ensure};
use indicatif::ProgressBar;
use serde_json::{Value, json};
use skerry_central::{CentralStore, LocationOptions, push};
use skerry_lambda_mock::RuntimeApi;
use skerry_sync::{ProjectName, Record, RecordKey, Replica, Timestamp};

use super::{Client, agent, percentile, report, row, sentences};
use crate::run::run;
use crate::{fetch, lambda, paths};

/// What the benchmark of functions can be told.
#[allow(clippy::struct_field_names, reason = "they are the names of options, which those of all benchmarks share")]
#[derive(Debug, clap::Args)]
pub(crate) struct FunctionsArguments {
    /// Records of the snapshot that functions answer from.
    #[arg(long, default_value_t = 10_000)]
    function_records: usize,
    /// Starts of each kind.
    #[arg(long, default_value_t = 20)]
    function_starts: usize,
    /// Snapshots that one node serves.
    #[arg(long, default_value_t = 50)]
    function_snapshots: usize,
}

/// Calls of a warm function.
const CALLS: usize = 300;

/// Records of each of the many snapshots.
const SMALL: usize = 500;

/// Prices of Lambda on x86-64 in us-east-1, without the free tier, as Amazon lists them.
const CALL_DOLLARS_PER_MILLION: f64 = 0.20;
const DOLLARS_PER_GIB_SECOND: f64 = 0.000_016_666_7;

/// 1,769 MiB bring one virtual processor: milliseconds that were measured on one core are about those there.
const MEMORY_GIB: f64 = 1_769.0 / 1_024.0;

const KEY: &str = "key of the bench";

/// A kind of start.
struct Kind {
    name: &'static str,
    program: PathBuf,
    event: Option<Value>,
}

/// Measures and reports.
pub(super) fn bench(arguments: &FunctionsArguments) -> anyhow::Result<()> {
    let package = lambda::package("")?;
    lambda::build("skerry-lambda-mock", "hello-lambda")?;
    let texts = sentences(&fetch::sample()?)?;
    ensure!(texts.len() > arguments.function_records, "the sample has only {} sentences", texts.len());
    let (records, questions) = texts.split_at(arguments.function_records);
    let folder = tempfile::tempdir_in(paths::products()).context("make a folder for the bench")?;
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    let mut rows = Vec::new();
    let size = std::fs::metadata(package.join("bootstrap"))?.len() as f64 / 1e6;
    rows.push(row("the function's program", size, "MB"));

    runtime.block_on(fill(folder.path(), records))?;
    bake(folder.path())?;
    let question = questions.first().context("no question")?;
    let ask = |mode: &str| event(&json!({ "text": question, "mode": mode }));
    let kinds = [
        Kind { name: "hello", program: lambda::program("hello-lambda"), event: None },
        Kind { name: "keyword", program: package.join("bootstrap"), event: Some(ask("keyword")) },
        Kind { name: "hybrid", program: package.join("bootstrap"), event: Some(ask("hybrid")) },
    ];
    let mut starts = vec![Vec::new(); kinds.len()];
    let bar = ProgressBar::new((arguments.function_starts * kinds.len()) as u64).with_message("starting");
    for _ in 0..arguments.function_starts {
        // In turns, so that whatever else the machine does falls on all of them.
        for (kind, times) in kinds.iter().zip(&mut starts) {
            times.push(runtime.block_on(start(kind, folder.path(), &package))?);
            bar.inc(1);
        }
    }
    bar.finish_and_clear();
    let count = arguments.function_records;
    for (kind, times) in kinds.iter().zip(&starts) {
        for (what, percent) in [("p50", 50), ("p95", 95)] {
            let name = format!("process start to first answer, {}, {count} records, {what}", kind.name);
            rows.push(row(&name, percentile(times, percent), "ms"));
        }
    }
    if let [hello, keyword, hybrid] = starts.as_slice() {
        let against = |times: &[f64]| percentile(times, 50) / percentile(hello, 50);
        rows.push(row("the start against hello, keyword", against(keyword), "ratio"));
        rows.push(row("the start against hello, hybrid", against(hybrid), "ratio"));
    }
    let mut warm_p50 = Vec::new();
    for kind in &kinds {
        let (times, pss) = runtime.block_on(warm(kind, folder.path(), &package, questions))?;
        rows.push(row(&format!("a warm call, {}, p50", kind.name), percentile(&times, 50), "ms"));
        rows.push(row(&format!("a warm call, {}, p99", kind.name), percentile(&times, 99), "ms"));
        rows.push(row(&format!("memory (Pss) of that instance, {}", kind.name), pss, "MiB"));
        warm_p50.push(percentile(&times, 50));
    }
    for ((kind, cold), warm) in kinds.iter().zip(&starts).zip(warm_p50) {
        rows.push(row(&format!("a million warm calls, {}", kind.name), dollars_of_a_million(warm), "USD"));
        let cold = dollars_of_a_million(percentile(cold, 50));
        rows.push(row(&format!("a million cold starts, {}", kind.name), cold, "USD"));
    }
    rows.extend(many(folder.path(), &texts, arguments.function_snapshots)?);
    report(&rows)
}

/// What Lambda asks for a million calls of so many milliseconds, each rounded up, with the memory that brings one processor.
fn dollars_of_a_million(ms: f64) -> f64 {
    CALL_DOLLARS_PER_MILLION + ms.ceil() * 1e3 * MEMORY_GIB * DOLLARS_PER_GIB_SECOND
}

fn project() -> anyhow::Result<ProjectName> {
    Ok(ProjectName::parse("bench")?)
}

fn record(text: &str) -> anyhow::Result<Record> {
    Ok(Record::text(RecordKey::parse(&super::key_of(text))?, text))
}

/// Puts a project into a store in a folder.
async fn fill(folder: &Path, texts: &[String]) -> anyhow::Result<()> {
    let replica = Replica::open(&folder.join("writer"))?;
    let now = Timestamp(1_700_000_000_000);
    replica.create_project(&project()?, "", now)?;
    for batch in texts.chunks(1_000) {
        let records = batch.iter().map(|text| record(text)).collect::<anyhow::Result<Vec<_>>>()?;
        replica.publish(&project()?, &records, now)?;
    }
    let store = CentralStore::open(&location(folder), &LocationOptions::default())?;
    push(&replica, &project()?, &store).await?;
    Ok(())
}

fn location(folder: &Path) -> String {
    format!("file://{}", folder.join("store").display())
}

/// Has the worker bake it, with native code.
fn bake(folder: &Path) -> anyhow::Result<()> {
    eprintln!("baking; embedding takes a minute or two");
    let mut worker = Command::new(paths::target().join("debug/skerry-hub"));
    worker.args(["--store", &location(folder), "bake", "--all", "--profile", "x86-64-v3", "--sign"]);
    worker.arg(lambda::key_path()).arg("--work-dir").arg(folder.join("work"));
    run(worker.arg("--components").arg(paths::components()).env("SKERRY_LOG", "warn"))
}

/// A function URL's event with a query.
fn event(body: &Value) -> Value {
    json!({
        "version": "2.0", "routeKey": "$default", "rawPath": "/api/v1/projects/bench/query", "rawQueryString": "",
        "headers": { "content-type": "application/json", "x-api-key": KEY },
        "requestContext": {
            "accountId": "123456789012", "apiId": "a", "domainName": "a.lambda-url.test", "domainPrefix": "a",
            "http": { "method": "POST", "path": "/api/v1/projects/bench/query", "protocol": "HTTP/1.1", "sourceIp": "127.0.0.1",
                "userAgent": "bench" },
            "requestId": "r", "routeKey": "$default", "stage": "$default", "time": "12/Mar/2020:19:03:58 +0000", "timeEpoch": 1
        },
        "body": body.to_string(), "isBase64Encoded": false
    })
}

/// Starts a function with nothing that an earlier one has left behind.
fn spawn(
    api: &RuntimeApi,
    kind: &Kind,
    folder: &Path,
    package: &Path,
    own: &Path,
) -> anyhow::Result<tokio::process::Child> {
    let text = |path: PathBuf| path.display().to_string();
    let (store, components) = (location(folder), text(package.join("components")));
    let (trusted, data, temporary) = (text(package.join("trusted.keys")), text(own.join("r")), text(own.join("s")));
    let environment = [
        ("SKERRY_STORE", store.as_str()),
        ("SKERRY_COMPONENTS", &components),
        ("SKERRY_TRUSTED_KEYS", &trusted),
        ("SKERRY_DATA", &data),
        ("SKERRY_TEMPORARY", &temporary),
        ("SKERRY_API_KEY", KEY),
        ("SKERRY_LOG", "warn"),
    ];
    Ok(api.spawn(&kind.program, &environment)?)
}

/// Milliseconds from the start of a process to its first answer.
async fn start(kind: &Kind, folder: &Path, package: &Path) -> anyhow::Result<f64> {
    let own = tempfile::tempdir_in(folder)?;
    let api = RuntimeApi::start().await?;
    let begun = Instant::now();
    let mut child = spawn(&api, kind, folder, package, own.path())?;
    let answer = api.invoke(kind.event.clone().unwrap_or_else(|| json!({})).to_string()).await?;
    let took = answer.at - begun;
    check(&answer, kind)?;
    ensure!(!own.path().join("r").exists(), "the snapshot was not used");
    child.kill().await?;
    Ok(took.as_secs_f64() * 1e3)
}

fn check(answer: &skerry_lambda_mock::Answer, kind: &Kind) -> anyhow::Result<()> {
    let body = answer.json();
    ensure!(answer.is_ok() && body["statusCode"] == 200, "{}: {}", kind.name, String::from_utf8_lossy(&answer.body));
    let found: Value = serde_json::from_str(body["body"].as_str().unwrap_or_default()).unwrap_or_default();
    ensure!(kind.event.is_none() || found["hits"].as_array().is_some_and(|hits| !hits.is_empty()), "no hits: {found}");
    ensure!(found["vectors_unavailable"].is_null(), "without vectors: {found}");
    Ok(())
}

/// Milliseconds of warm calls, and the memory of the instance after them.
async fn warm(kind: &Kind, folder: &Path, package: &Path, questions: &[String]) -> anyhow::Result<(Vec<f64>, f64)> {
    let own = tempfile::tempdir_in(folder)?;
    let api = RuntimeApi::start().await?;
    let mut child = spawn(&api, kind, folder, package, own.path())?;
    let mut times = Vec::new();
    for call in 0..=CALLS {
        let body = questions.get(call % questions.len()).map(|text| json!({ "text": text, "mode": kind.name }));
        let event = kind.event.as_ref().and(body).map_or_else(|| json!({}), |body| event(&body));
        let begun = Instant::now();
        let answer = api.invoke(event.to_string()).await?;
        if call > 0 {
            times.push((answer.at - begun).as_secs_f64() * 1e3);
        }
        ensure!(answer.is_ok(), "{}", String::from_utf8_lossy(&answer.body));
    }
    let pss = pss_mib(child.id().context("the function has ended")?)?;
    child.kill().await?;
    Ok((times, pss))
}

fn pss_mib(process: u32) -> anyhow::Result<f64> {
    let rollup =
        std::fs::read_to_string(format!("/proc/{process}/smaps_rollup")).context("this system does not tell Pss")?;
    let line = rollup.lines().find_map(|line| line.strip_prefix("Pss:")).context("no Pss")?;
    let kib: f64 = line.trim().trim_end_matches("kB").trim().parse()?;
    Ok(kib / 1024.0)
}

/// What a node takes that serves many snapshots: after their check at the start, and after each was asked once.
fn many(folder: &Path, texts: &[String], count: usize) -> anyhow::Result<Vec<Value>> {
    let (data, files) = (folder.join("many"), folder.join("files"));
    std::fs::create_dir_all(&files)?;
    {
        let replica = Replica::open(&data)?;
        let now = Timestamp(1_700_000_000_000);
        for number in 0..count {
            let name = ProjectName::parse(&format!("p{number}"))?;
            replica.create_project(&name, "", now)?;
            // All of them have texts in common with the next, so that their vectors come from the cache.
            let some = texts.iter().cycle().skip(number * 10).take(SMALL);
            let records = some.map(|text| record(text)).collect::<anyhow::Result<Vec<_>>>()?;
            replica.publish(&name, &records, now)?;
        }
    }
    let bar = ProgressBar::new(count as u64).with_message("baking");
    for number in 0..count {
        let mut skerry = Command::new(paths::skerry());
        skerry.arg("--data").arg(&data).arg("--components").arg(paths::components());
        skerry.args(["bake", &format!("p{number}"), "-o"]).arg(files.join(format!("p{number}.wasm")));
        run(skerry.env("SKERRY_LOG", "error").stdout(Stdio::null()).stderr(Stdio::null()))?;
        bar.inc(1);
    }
    bar.finish_and_clear();
    let bytes: u64 = std::fs::read_dir(&files)?.filter_map(|file| Some(file.ok()?.metadata().ok()?.len())).sum();
    let (mut child, url) = serve(&files, folder)?;
    let client = Client { agent: agent(), url };
    let mut rows = vec![row(&format!("{count} snapshots of {SMALL} records, their files"), bytes as f64 / 1e6, "MB")];
    let begun = Instant::now();
    let question = json!({ "text": texts.first(), "mode": "keyword" }).to_string();
    for number in 0..count {
        client.post(&format!("/projects/p{number}/query"), &question)?;
    }
    let each = begun.elapsed() / count.max(1) as u32;
    rows.push(row("the first query of each, compiling it", each.as_secs_f64() * 1e3, "ms"));
    rows.push(row("memory (Pss) of the node that serves them", pss_mib(child.id())?, "MiB"));
    let hybrid = json!({ "text": texts.first() }).to_string();
    for number in 0..count {
        client.post(&format!("/projects/p{number}/query"), &hybrid)?;
    }
    rows.push(row("the same after a hybrid query of each, one model for all", pss_mib(child.id())?, "MiB"));
    child.kill()?;
    child.wait()?;
    Ok(rows)
}

fn serve(files: &Path, folder: &Path) -> anyhow::Result<(Child, String)> {
    let mut skerry = Command::new(paths::skerry());
    skerry.arg("--components").arg(paths::components()).arg("run").arg(files);
    skerry.args(["--listen", "127.0.0.1:0", "--cache"]).arg(folder.join("cache")).env("SKERRY_LOG", "error");
    let mut child = skerry.stdout(Stdio::piped()).spawn()?;
    let mut output = BufReader::new(child.stdout.take().context("no output")?);
    let mut line = String::new();
    let deadline = Instant::now() + Duration::from_mins(2);
    while !line.contains("http://") {
        ensure!(Instant::now() < deadline, "it does not listen");
        line.clear();
        ensure!(output.read_line(&mut line)? > 0, "it has ended");
    }
    let url = line.split_whitespace().find(|word| word.starts_with("http://")).context("no address")?;
    Ok((child, url.trim_end_matches('/').to_owned()))
}

//! The tables of docs/benchmarks.md, the goals, and the charts.

use std::path::Path;
use std::process::Command;

use serde_json::Value;

use crate::bench::python::{self, SYNC, script};
use crate::run::run;

/// A row of the table: what it is called, and where in a server's measurements it stands.
type Row = (&'static str, &'static str, Show);

/// How a number is shown.
#[derive(Clone, Copy)]
enum Show {
    Seconds,
    Milliseconds,
    Megabytes,
    Kilobytes,
    /// Bytes as a share of the raw JSON.
    Share,
    /// Bytes as kilobytes.
    Bytes,
    Count,
}

const ROWS: [Row; 33] = [
    ("first sync, to the server: bytes / raw JSON", "/first/up_bytes", Show::Share),
    ("first sync, from the server: bytes / raw JSON", "/first/down_bytes", Show::Share),
    ("first sync, the other way while going up", "/first/up_back_bytes", Show::Bytes),
    ("first sync, the other way while coming down", "/first/down_back_bytes", Show::Bytes),
    ("first sync, to the server", "/first/up_s", Show::Seconds),
    ("first sync, from the server", "/first/down_s", Show::Seconds),
    ("100 changes on each of two replicas: sent", "/apart/sent_bytes", Show::Bytes),
    ("100 changes on each of two replicas: received", "/apart/received_bytes", Show::Bytes),
    ("100 changes on each of two replicas: time to equal heads", "/apart/s", Show::Seconds),
    ("100 changes on each of two replicas: connected again because nothing came", "/apart/reconnects", Show::Count),
    ("write to visible at another replica, p50", "/latency/visible_p50_ms", Show::Milliseconds),
    ("write to visible at another replica, p95", "/latency/visible_p95_ms", Show::Milliseconds),
    ("write to the server's word that it has it, p50", "/latency/acknowledged_p50_ms", Show::Milliseconds),
    ("write to the server's word that it has it, p95", "/latency/acknowledged_p95_ms", Show::Milliseconds),
    ("memory (Pss) after start", "/pss_started_mb", Show::Megabytes),
    ("memory (Pss) after the work above", "/after_work/pss_mb", Show::Megabytes),
    ("peak memory (RSS) during the work above", "/after_work/peak_mb", Show::Megabytes),
    ("documents of 30 leaves that come at once", "/documents/documents", Show::Count),
    ("those documents, all at the server in", "/documents/s", Show::Seconds),
    ("memory (Pss) then", "/documents/arrived_mb", Show::Megabytes),
    ("memory (Pss) 5 s later", "/documents/pss_mb", Show::Megabytes),
    ("what each of those documents added by then", "/documents/kb_per_document", Show::Kilobytes),
    ("idle connections wanted", "/idle/wanted", Show::Count),
    ("idle connections held", "/idle/held", Show::Count),
    ("idle connections, opened in", "/idle/open_s", Show::Seconds),
    ("idle connections, each", "/idle/kb_per_connection", Show::Kilobytes),
    ("memory (Pss) with all idle connections", "/idle/pss_mb", Show::Megabytes),
    ("changes a second, few active connections", "/few/changes_per_s", Show::Count),
    ("few active connections are", "/few/connections", Show::Count),
    ("changes a second, many active connections", "/many/changes_per_s", Show::Count),
    ("many active connections are", "/many/connections", Show::Count),
    ("memory (Pss) with many active connections", "/many/pss_mb", Show::Megabytes),
    ("peak memory (RSS) over everything", "/peak_mb", Show::Megabytes),
];

fn number(row: &Value, pointer: &str) -> Option<f64> {
    row.pointer(pointer).and_then(Value::as_f64)
}

fn shown(report: &Value, value: f64, show: Show) -> String {
    match show {
        Show::Seconds => format!("{value:.2} s"),
        Show::Milliseconds => format!("{value:.2} ms"),
        Show::Megabytes => format!("{value:.1} MB"),
        Show::Kilobytes => format!("{value:.1} KB"),
        Show::Share => format!("{:.3}", value / report["raw_bytes"].as_f64().unwrap_or(f64::NAN)),
        Show::Bytes => format!("{:.1} KB", value / 1e3),
        Show::Count => format!("{value:.0}"),
    }
}

/// Prints what docs/benchmarks.md has.
pub(super) fn print(report: &Value) {
    let servers = report["servers"].as_array().map(Vec::as_slice).unwrap_or_default();
    let names: Vec<&str> = servers.iter().map(|row| row["name"].as_str().unwrap_or_default()).collect();
    println!("{} records, {} bytes as JSON\n", report["records"], report["raw_bytes"]);
    println!("| measurement | {} |\n| --- |{}", names.join(" | "), " --- |".repeat(names.len()));
    for (name, pointer, show) in ROWS {
        let cells = servers.iter().map(|row| {
            let value = number(row, pointer);
            value.map_or_else(|| "–".to_owned(), |value| shown(report, value, show))
        });
        println!("| {name} | {} |", cells.collect::<Vec<_>>().join(" | "));
    }
    for row in servers {
        print_errors(row["name"].as_str().unwrap_or_default(), "", row);
    }
    println!("\nBy replicas on disk over the stateless exchange:\n\n| measurement | value |\n| --- | --- |");
    for (name, pointer, show) in ROWS.iter().filter(|(_, pointer, _)| pointer.starts_with("/first/")) {
        if let Some(value) = number(&report["exchange"], pointer.trim_start_matches("/first")) {
            println!("| {name} | {} |", shown(report, value, *show));
        }
    }
    print_errors("exchange", "", &report["exchange"]);
    println!(
        "\nwrite and fsync of a small file and its folder here: p50 {:.2} ms, p95 {:.2} ms\n",
        report["fsync_p50_ms"].as_f64().unwrap_or(f64::NAN),
        report["fsync_p95_ms"].as_f64().unwrap_or(f64::NAN)
    );
    print_goals(report, servers);
}

fn print_errors(server: &str, step: &str, value: &Value) {
    if let Some(error) = value["error"].as_str() {
        println!("{server} {step} failed: {error}");
    }
    for (name, inner) in value.as_object().into_iter().flatten() {
        if inner.is_object() {
            print_errors(server, name, inner);
        }
    }
}

fn print_goals(report: &Value, servers: &[Value]) {
    let Some(ours) = servers.iter().find(|row| row["name"] == "skerry-hub") else { return };
    let raw = report["raw_bytes"].as_f64().unwrap_or(f64::NAN);
    println!("| goal | measured | met |\n| --- | --- | --- |");
    let line = |goal: &str, measured: Option<f64>, unit: &str, bound: f64| {
        let Some(measured) = measured else { return println!("| {goal} | not measured | no |") };
        println!("| {goal} | {measured:.3}{unit} | {} |", if measured <= bound { "yes" } else { "no" });
    };
    let of = |pointer: &str| number(ours, pointer);
    line("first sync up: <= 0.5 of the raw bytes", of("/first/up_bytes").map(|bytes| bytes / raw), "", 0.5);
    line("first sync down: <= 0.5 of the raw bytes", of("/first/down_bytes").map(|bytes| bytes / raw), "", 0.5);
    line("write to visible, p95: <= 50 ms", of("/latency/visible_p95_ms"), " ms", 50.0);
    for (name, pointer) in [("memory after the same work", "/after_work/pss_mb"), ("peak over everything", "/peak_mb")]
    {
        for peer in servers.iter().filter(|row| row["name"].as_str().is_some_and(|name| name.contains("repo"))) {
            let ratio = of(pointer).zip(number(peer, pointer)).map(|(ours, theirs)| ours / theirs);
            line(&format!("{name}: <= 0.5 of {}", peer["name"].as_str().unwrap_or_default()), ratio, "", 0.5);
        }
    }
    line("idle connections: 10,000 (missing)", of("/idle/held").map(|held| 10_000.0 - held), "", 0.0);
    line("active connections: 1,000 (missing)", of("/many/connections").map(|held| 1_000.0 - held), "", 0.0);
}

/// Draws the charts of a report into docs/images.
pub(super) fn chart(report: &Path) -> anyhow::Result<()> {
    let mut command = Command::new(SYNC.python()?);
    run(command.arg(script("sync_chart.py")).arg("--in").arg(report).arg("--out").arg(python::images()?))
}

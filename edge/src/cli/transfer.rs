//! `skerry export`, `skerry import`, `skerry sync`.
//!
//! An export is JSON Lines: a header, a record a line in the order of the keys, and a trailer with the count and the SHA-256
//! of all lines before it, so that a file cut short is found before anything of it is imported.

use std::io::{BufWriter, Write};
use std::path::{Path, PathBuf};

use anyhow::{Context, bail};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use super::client::{Client, segment};
use super::publish::{ensure_project, progress_bar, publish_all, text};
use super::{Globals, StandardOutput, print_json, print_line};
use crate::body::RecordBody;
use crate::input::{self, Found, Place, cwe};

const FORMAT: &str = "skerry-export/1";

/// What to import.
#[derive(Debug, clap::Args)]
pub(super) struct ImportArguments {
    /// The file.
    path: PathBuf,
    /// What it is: an export of `skerry export`, or the `PyPI` wheel `cwe2` with the CWE catalogue.
    #[arg(long, value_enum, default_value_t = ImportFormat::Auto)]
    format: ImportFormat,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
enum ImportFormat {
    /// By its name: .whl is the catalogue, anything else an export.
    Auto,
    /// An export.
    Skerry,
    /// The CWE catalogue.
    Cwe,
}

/// Where to export to.
#[derive(Debug, clap::Args)]
pub(super) struct ExportArguments {
    /// The file; standard output when absent or `-`.
    #[arg(short, long)]
    output: Option<PathBuf>,
}

/// With whom to sync.
#[derive(Debug, clap::Args)]
pub(super) struct SyncArguments {
    /// Address of the other node, for instance <http://127.0.0.1:8788>.
    peer: String,
    /// Only these projects; all of both nodes when absent.
    #[arg(long = "only", value_name = "PROJECT")]
    only: Vec<String>,
    /// API key of the other node.
    #[arg(long, env = "SKERRY_PEER_API_KEY", hide_env_values = true)]
    peer_api_key: Option<String>,
}

/// Runs `skerry import`.
pub(super) fn import(globals: &Globals, arguments: &ImportArguments) -> anyhow::Result<()> {
    let wheel = arguments.path.extension().is_some_and(|ending| ending == "whl");
    let (found, notice) = match arguments.format {
        ImportFormat::Cwe => read_cwe(&arguments.path)?,
        ImportFormat::Auto if wheel => read_cwe(&arguments.path)?,
        ImportFormat::Auto | ImportFormat::Skerry => read_export(&arguments.path)?,
    };
    if found.is_empty() {
        bail!("{} has no records", arguments.path.display());
    }
    input::check(&found)?;
    let records: Vec<RecordBody> = found.into_iter().map(|found| found.record).collect();
    let client = globals.client()?;
    ensure_project(globals, &client, &notice)?;
    let done = publish_all(globals, &client, &records)?;
    if globals.json {
        return print_json(&json!({ "imported": records.len(), "changed": done.changed, "version": done.version }));
    }
    print_line(format_args!(
        "imported {} records ({} changed) into {}, version {}",
        records.len(),
        done.changed,
        globals.project,
        done.short()
    ))?;
    Ok(())
}

fn read_cwe(path: &Path) -> anyhow::Result<(Vec<Found>, String)> {
    let catalogue = cwe::read_wheel(path)?;
    let records = (1..).map(Place::Number).zip(catalogue.records);
    Ok((input::found_in(&path.display().to_string(), records), catalogue.notice))
}

fn read_export(path: &Path) -> anyhow::Result<(Vec<Found>, String)> {
    let text = std::fs::read_to_string(path).with_context(|| format!("read {}", path.display()))?;
    let (records, description) = parse_export(&text).with_context(|| format!("{} was not imported", path.display()))?;
    // The header is line 1.
    let records = (2..).map(Place::Line).zip(records);
    Ok((input::found_in(&path.display().to_string(), records), description))
}

/// Records and description of an export that is whole.
fn parse_export(text: &str) -> anyhow::Result<(Vec<RecordBody>, String)> {
    let body = text.strip_suffix('\n').context("it was cut short: its last line has no end")?;
    let (content, trailer) = body.rsplit_once('\n').context("it is not an export")?;
    let trailer: Value =
        serde_json::from_str(trailer).context("it was cut short or changed: the last line is no trailer")?;
    let mut lines = content.lines();
    let header: Value =
        serde_json::from_str(lines.next().unwrap_or_default()).context("it is not an export of skerry")?;
    if header["format"] != FORMAT {
        bail!("it is not an export of skerry in the format {FORMAT}");
    }
    let digest = hex::encode(Sha256::digest(format!("{content}\n")));
    if trailer["sha256"] != digest.as_str() {
        bail!("it was cut short or changed: its digest differs from the one in its last line");
    }
    let records = lines
        .zip(2..)
        .map(|(line, number)| serde_json::from_str(line).with_context(|| format!("line {number} is not a record")));
    let records = records.collect::<anyhow::Result<Vec<RecordBody>>>()?;
    if trailer["records"] != records.len() {
        bail!("it has {} records, unlike its last line says", records.len());
    }
    Ok((records, header["description"].as_str().unwrap_or_default().to_owned()))
}

/// Runs `skerry export`.
pub(super) fn export(globals: &Globals, arguments: &ExportArguments) -> anyhow::Result<()> {
    let client = globals.client()?;
    let Some(path) = arguments.output.as_ref().filter(|path| *path != Path::new("-")) else {
        write_export(globals, &client, &mut BufWriter::new(StandardOutput))?;
        return Ok(());
    };
    // Beside the file, then renamed: an export that is cut off leaves no file that looks whole.
    let temporary = path.with_extension(format!("partial-{}", std::process::id()));
    let file = std::fs::File::create(&temporary).with_context(|| format!("write {}", temporary.display()))?;
    let mut out = BufWriter::new(file);
    let count = write_export(globals, &client, &mut out)?;
    out.into_inner().context("write the export")?.sync_all().context("write the export")?;
    std::fs::rename(&temporary, path).with_context(|| format!("write {}", path.display()))?;
    if globals.json {
        return print_json(&json!({ "exported": count }));
    }
    print_line(format_args!("exported {count} records of {} to {}", globals.project, path.display()))?;
    Ok(())
}

fn write_export(globals: &Globals, client: &Client, out: &mut impl Write) -> anyhow::Result<u64> {
    let base = format!("/api/v1/projects/{}", segment(&globals.project));
    let project = client.call("GET", &base, None)?;
    let total = project["records"].as_u64().unwrap_or(0);
    let mut digest = Sha256::new();
    let mut line = |value: &Value| -> anyhow::Result<()> {
        let line = format!("{value}\n");
        digest.update(&line);
        out.write_all(line.as_bytes()).context("write the export")
    };
    line(
        &json!({ "format": FORMAT, "project": project["name"], "version": project["version"], "description": project["description"] }),
    )?;
    let bar = progress_bar(total, "exporting");
    let (mut after, mut count) = (None::<String>, 0);
    loop {
        let query =
            after.as_deref().map(|key| format!("&after={}", segment(key).replace('&', "%26").replace('+', "%2B")));
        let page = client.call("GET", &format!("{base}/records?limit=500{}", query.unwrap_or_default()), None)?;
        for record in page["records"].as_array().into_iter().flatten() {
            line(record)?;
            count += 1;
        }
        bar.set_position(count);
        match page["next"].as_str() {
            Some(next) => after = Some(next.to_owned()),
            None => break,
        }
    }
    bar.finish_and_clear();
    let trailer = json!({ "records": count, "sha256": hex::encode(digest.finalize()) });
    writeln!(out, "{trailer}").context("write the export")?;
    out.flush().context("write the export")?;
    Ok(count)
}

/// Runs `skerry sync`.
pub(super) fn sync(globals: &Globals, arguments: &SyncArguments) -> anyhow::Result<()> {
    let mut body = json!({ "url": arguments.peer });
    if !arguments.only.is_empty() {
        body["projects"] = json!(arguments.only);
    }
    if let Some(key) = &arguments.peer_api_key {
        body["api_key"] = json!(key);
    }
    let report = globals.client()?.call("POST", "/api/v1/sync", Some(&body))?;
    if globals.json {
        return print_json(&report);
    }
    let projects = report["projects"].as_array().map(Vec::as_slice).unwrap_or_default();
    for project in projects {
        let number = |name: &str| project[name].as_u64().unwrap_or(0);
        print_line(format_args!(
            "{}: {} changes received, {} sent; {} KiB in, {} KiB out, {} requests; version {}",
            text(project, "name"),
            number("changes_received"),
            number("changes_sent"),
            number("bytes_received").div_ceil(1024),
            number("bytes_sent").div_ceil(1024),
            number("rounds"),
            text(project, "version").get(..12).unwrap_or_default()
        ))?;
    }
    if projects.is_empty() {
        print_line("neither node has a project yet")?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sample() -> String {
        let content = format!(
            "{}\n{}\n",
            json!({"format": FORMAT, "project": "p", "description": "d"}),
            json!({"key": "a", "text": "t"})
        );
        let trailer = json!({"records": 1, "sha256": hex::encode(Sha256::digest(&content))});
        format!("{content}{trailer}\n")
    }

    /// Wherever an export is cut or changed, nothing of it is imported.
    #[test]
    fn only_whole_exports_are_read() {
        let whole = sample();
        let (records, description) = parse_export(&whole).unwrap();
        assert_eq!((records.len(), records[0].key.as_str(), description.as_str()), (1, "a", "d"));
        for length in 0..whole.len() {
            assert!(parse_export(&whole[..length]).is_err(), "cut to {length}");
        }
        assert!(parse_export(&whole.replace("\"t\"", "\"T\"")).is_err());
    }

    /// A changed export whose digest was put right reads as what it says, or as an error; it is not believed about how much it has.
    #[test]
    fn any_export() {
        let whole = sample().into_bytes();
        let repair = |bytes: &mut Vec<u8>| {
            let Some(end) = bytes.strip_suffix(b"\n").and_then(|text| text.iter().rposition(|byte| *byte == b'\n'))
            else {
                return;
            };
            let trailer = json!({"records": 1, "sha256": hex::encode(Sha256::digest(&bytes[..=end]))});
            bytes.truncate(end + 1);
            bytes.extend(format!("{trailer}\n").bytes());
        };
        let words = ["\n", "{\"key\":\"b\"}\n", "null", "\"links\":[", "\u{1f}"];
        skerry_fuzz::Target::new("exports", &[whole]).repair(repair).words(&words).cases(10_000).run_text(|text| {
            if let Ok((records, _)) = parse_export(text) {
                assert_eq!(records.len(), 1);
            }
        });
    }
}

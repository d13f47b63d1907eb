//! `skerry chart`: charts that the project saves under names.

use std::io::Read;

use anyhow::Context;
use serde_json::{Value, json};

use super::client::segment;
use super::geometry::factor_body;
use super::{Globals, Misuse, note, print_json, print_line};

/// What to do with charts.
#[derive(Debug, clap::Subcommand)]
pub(super) enum ChartCommand {
    /// List the saved charts.
    List,
    /// Print a saved chart as JSON.
    Show {
        /// Its name.
        name: String,
    },
    /// Save a chart under a name, in the place of the one that was there. One that geometry cannot use is refused.
    Set(SetArguments),
    /// Delete a saved chart.
    Delete {
        /// Its name.
        name: String,
    },
}

/// A chart to save.
#[derive(Debug, clap::Args)]
pub(super) struct SetArguments {
    /// Its name.
    name: String,
    /// The file with the chart as JSON, `-` for standard input.
    #[arg(required_unless_present = "factor", conflicts_with = "factor")]
    file: Option<String>,
    /// A factor, as for `skerry geometry`. May be repeated.
    #[arg(long, value_name = "FACTOR")]
    factor: Vec<String>,
    /// Bring points onto spheres and simplices by dividing them.
    #[arg(long)]
    normalise: bool,
}

/// Runs `skerry chart`.
pub(super) fn chart(globals: &Globals, command: &ChartCommand) -> anyhow::Result<()> {
    let path = format!("/api/v1/projects/{}/charts", segment(&globals.project));
    let of = |name: &str| format!("{path}/{}", segment(name));
    match command {
        ChartCommand::List => {
            let answer = globals.client()?.call("GET", &path, None)?;
            if globals.json {
                return print_json(&answer);
            }
            let charts = answer["charts"].as_object().into_iter().flatten();
            charts.map(|(name, chart)| (name, manifolds(chart))).try_for_each(|(name, of)| {
                let name: String = name.chars().filter(|character| !character.is_control()).collect();
                print_line(format_args!("{name}  {of}"))
            })
        }
        ChartCommand::Show { name } => print_json(&globals.client()?.call("GET", &of(name), None)?),
        ChartCommand::Set(arguments) => {
            let answer = globals.client()?.call("PUT", &of(&arguments.name), Some(&arguments.chart()?))?;
            said(globals, &answer, if answer["changed"] == true { "saved" } else { "it was so already" })
        }
        ChartCommand::Delete { name } => {
            let answer = globals.client()?.call("DELETE", &of(name), None)?;
            said(globals, &answer, "deleted")
        }
    }
}

fn said(globals: &Globals, answer: &Value, words: &str) -> anyhow::Result<()> {
    if globals.json {
        return print_json(answer);
    }
    note(words);
    Ok(())
}

/// What a chart is made of, for people. One that came from elsewhere may be anything.
fn manifolds(chart: &Value) -> String {
    let factors = chart["factors"].as_array().into_iter().flatten();
    let names: Vec<&str> = factors.filter_map(|factor| factor["manifold"].as_str()).collect();
    names.join(" x ").chars().filter(|character| !character.is_control()).collect()
}

impl SetArguments {
    fn chart(&self) -> anyhow::Result<Value> {
        let Some(file) = &self.file else {
            let factors = self.factor.iter().map(|factor| factor_body(factor, self.normalise));
            return Ok(json!({ "factors": factors.collect::<anyhow::Result<Vec<_>>>()? }));
        };
        let text = if file == "-" {
            let mut text = String::new();
            std::io::stdin().read_to_string(&mut text).context("read standard input")?;
            text
        } else {
            std::fs::read_to_string(file).with_context(|| format!("read {file}"))?
        };
        serde_json::from_str(&text).map_err(|error| Misuse(format!("{file} is not JSON: {error}")).into())
    }
}

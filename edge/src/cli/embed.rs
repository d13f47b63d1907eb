//! `skerry embed`: vectors of texts, without a node, a project or a replica.

use std::io::{BufRead, Write};
use std::time::Duration;

use anyhow::Context;
use clap::Args;
use serde::Serialize;
use skerry_host::{Components, Embedder, Embedding, Engine, EngineConfig, Limits};

use super::{Globals, StandardOutput, print_line};
use crate::node;

/// What `embed` can be told.
#[derive(Debug, Args)]
pub(super) struct EmbedArguments {
    /// The texts; `-` reads them from standard input, one a line, and answers each as it comes.
    #[arg(required = true)]
    texts: Vec<String>,
}

/// A line of the answer. Not a `serde_json::Value`, which would give the digits of a double to every number.
#[derive(Serialize)]
struct Line<'a> {
    model: &'a str,
    tokens: u32,
    truncated: bool,
    vector: &'a [f32],
}

/// A text is cut to 256 tokens, so no call takes long.
const LIMITS: Limits = Limits { memory_bytes_max: 256 << 20, deadline: Duration::from_secs(30) };

/// Prints a line of JSON for each text.
pub(super) fn embed(globals: &Globals, arguments: &EmbedArguments) -> anyhow::Result<()> {
    let components = Components::open(&node::find_components(globals.components.as_deref())?)?;
    // One instance is all there will be.
    let engine = Engine::new(&EngineConfig { instances_max: 1 })?;
    let embedder = Embedder::new(&engine, &components.embedding(&engine)?, 1, LIMITS)?;
    for text in &arguments.texts {
        if text == "-" {
            for line in std::io::stdin().lock().lines() {
                print(&embedder, &line.context("read standard input")?)?;
            }
        } else {
            print(&embedder, text)?;
        }
    }
    Ok(())
}

fn print(embedder: &Embedder, text: &str) -> anyhow::Result<()> {
    for embedding in embedder.embed(&[text])? {
        let Embedding { tokens, truncated, vector } = &embedding;
        let line = Line { model: &embedder.model().id, tokens: *tokens, truncated: *truncated, vector };
        print_line(serde_json::to_string(&line)?)?;
    }
    // Whoever asks line by line waits for the answer.
    StandardOutput.flush().context("write the answer")
}

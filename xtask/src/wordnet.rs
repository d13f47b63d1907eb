//! The data of the search benchmark: glosses of `WordNet`, embedded by our own component.
//!
//! The order is that of a hash of the key, so that every prefix is a fair sample of all parts of speech. Vectors are kept
//! in target/skerry/wordnet and made only once; a run that was cut off goes on where it stopped.

use std::fs::{self, OpenOptions};
use std::io::{Read, Write};
use std::path::PathBuf;
use std::time::Duration;

use anyhow::{Context, ensure};
use indicatif::{ProgressBar, ProgressStyle};
use sha2::{Digest, Sha256};
use skerry_host::{Components, Embedder, Engine, EngineConfig, Limits};

use crate::{components, fetch, paths};

/// A synset.
#[derive(Debug, Clone)]
pub(crate) struct Gloss {
    /// Part of speech and offset, for instance `n-00001740`.
    pub(crate) key: String,
    /// Its words, joined by commas.
    pub(crate) words: String,
    /// Definition and examples.
    pub(crate) text: String,
    /// Lexicographer file, for instance `noun.animal`.
    pub(crate) lexname: &'static str,
}

/// Names of the lexicographer files by number (lexnames(5WN)).
const LEXNAMES: [&str; 45] = [
    "adj.all",
    "adj.pert",
    "adv.all",
    "noun.Tops",
    "noun.act",
    "noun.animal",
    "noun.artifact",
    "noun.attribute",
    "noun.body",
    "noun.cognition",
    "noun.communication",
    "noun.event",
    "noun.feeling",
    "noun.food",
    "noun.group",
    "noun.location",
    "noun.motive",
    "noun.object",
    "noun.person",
    "noun.phenomenon",
    "noun.plant",
    "noun.possession",
    "noun.process",
    "noun.quantity",
    "noun.relation",
    "noun.shape",
    "noun.state",
    "noun.substance",
    "noun.time",
    "verb.body",
    "verb.change",
    "verb.cognition",
    "verb.communication",
    "verb.competition",
    "verb.consumption",
    "verb.contact",
    "verb.creation",
    "verb.emotion",
    "verb.motion",
    "verb.perception",
    "verb.possession",
    "verb.social",
    "verb.stative",
    "verb.weather",
    "adj.ppl",
];

const DIMENSIONS: usize = 384;

/// All synsets of `WordNet` 3.1, in the order of a hash of their keys.
pub(crate) fn glosses() -> anyhow::Result<Vec<Gloss>> {
    let package = fetch::wordnet()?;
    let mut archive = tar::Archive::new(flate2::read::GzDecoder::new(fs::File::open(&package)?));
    let mut glosses = Vec::new();
    for entry in archive.entries().context("read the WordNet package")? {
        let mut entry = entry?;
        let name = entry.path()?.file_name().and_then(|name| name.to_str()).unwrap_or_default().to_owned();
        let Some(part) = name.strip_prefix("data.") else { continue };
        let part = match part {
            "noun" => 'n',
            "verb" => 'v',
            "adj" => 'a',
            "adv" => 'r',
            _ => continue,
        };
        let mut text = String::new();
        entry.read_to_string(&mut text)?;
        glosses.extend(text.lines().filter_map(|line| parse(part, line)));
    }
    ensure!(glosses.len() == 117_791, "the WordNet package has {} synsets, not 117,791", glosses.len());
    glosses.sort_by_cached_key(|gloss| Sha256::digest(&gloss.key));
    Ok(glosses)
}

/// A line of a data file (wndb(5WN)); none for the licence at the top.
fn parse(part: char, line: &str) -> Option<Gloss> {
    let (head, gloss) = line.split_once(" | ")?;
    let mut fields = head.split(' ');
    let offset = fields.next().filter(|offset| offset.len() == 8)?;
    let lexname = LEXNAMES.get(fields.next()?.parse::<usize>().ok()?)?;
    let count = usize::from_str_radix(fields.nth(1)?, 16).ok()?;
    let words: Vec<String> = fields.step_by(2).take(count).map(|word| word.replace('_', " ")).collect();
    Some(Gloss { key: format!("{part}-{offset}"), words: words.join(", "), text: gloss.trim().to_owned(), lexname })
}

fn path() -> PathBuf {
    paths::products().join("wordnet").join("vectors.f32")
}

/// The vectors of the first `count` glosses, 384 numbers each.
pub(crate) fn vectors(glosses: &[Gloss]) -> anyhow::Result<Vec<f32>> {
    components::build()?;
    let engine = Engine::new(&EngineConfig::default())?;
    let components = Components::open(&paths::components())?;
    let limits = Limits { memory_bytes_max: 256 << 20, deadline: Duration::from_mins(2) };
    let embedder = Embedder::new(&engine, &components.embedding(&engine)?, 2, limits)?;
    // Vectors of another model must not be taken for ours.
    let path = path().with_extension(format!("{}.f32", embedder.model().id.replace('/', "-")));
    fs::create_dir_all(paths::products().join("wordnet"))?;
    let mut file = OpenOptions::new().create(true).append(true).read(true).open(&path)?;
    let row = (DIMENSIONS * 4) as u64;
    let done = usize::try_from(file.metadata()?.len() / row)?;
    file.set_len(done as u64 * row)?;
    let style = "{msg} {wide_bar} {pos}/{len} texts, {per_sec}, {eta} left";
    let bar = ProgressBar::new(glosses.len() as u64).with_style(ProgressStyle::with_template(style)?);
    bar.set_message("embedding WordNet");
    bar.set_position(done as u64);
    bar.reset_eta();
    for batch in glosses.get(done..).unwrap_or_default().chunks(512) {
        let texts: Vec<&str> = batch.iter().map(|gloss| gloss.text.as_str()).collect();
        let mut bytes = Vec::with_capacity(batch.len() * DIMENSIONS * 4);
        for embedding in embedder.embed(&texts)? {
            bytes.extend(embedding.vector.iter().flat_map(|number| number.to_le_bytes()));
        }
        file.write_all(&bytes)?;
        bar.inc(batch.len() as u64);
    }
    bar.finish_and_clear();
    let bytes = fs::read(&path)?;
    let numbers = bytes.chunks_exact(4).filter_map(|chunk| chunk.try_into().ok().map(f32::from_le_bytes));
    Ok(numbers.take(glosses.len() * DIMENSIONS).collect())
}

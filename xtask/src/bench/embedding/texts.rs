//! Real texts: of exact lengths in tokens from the CWE catalogue, of natural lengths from `WordNet`.

use anyhow::{Context, ensure};
use skerry_host::Embedder;

use crate::bench::sentences;
use crate::{fetch, wordnet};

/// Lengths that latency is measured at, special tokens included.
pub(super) const LENGTHS: [usize; 6] = [8, 16, 32, 64, 128, 256];

/// Different texts of each length.
const TEXTS: usize = 12;

/// Texts that throughput is measured over.
pub(super) const MIX: usize = 256;

/// Texts of one length.
pub(super) struct Length {
    pub(super) tokens: usize,
    pub(super) texts: Vec<String>,
}

/// Texts of each length: sentences of the catalogue that follow each other, cut behind a word.
pub(super) fn exact(embedder: &Embedder) -> anyhow::Result<Vec<Length>> {
    let sentences = sentences(&fetch::sample()?)?;
    let of = |tokens: usize| -> anyhow::Result<Length> {
        let mut texts = Vec::new();
        // From places far apart, so that texts do not overlap.
        for start in (0..sentences.len()).step_by(sentences.len() / (8 * TEXTS)) {
            let following = sentences.get(start..).unwrap_or_default().iter().take(64);
            let words: Vec<&str> = following.flat_map(|sentence| sentence.split(' ')).collect();
            texts.extend(cut(embedder, &words, tokens)?);
            if texts.len() == TEXTS {
                return Ok(Length { tokens, texts });
            }
        }
        anyhow::bail!("the catalogue has only {} texts of {tokens} tokens", texts.len())
    };
    LENGTHS.into_iter().map(of).collect()
}

/// The words up to the one that makes it so many tokens; none when a word of several jumps over that.
fn cut(embedder: &Embedder, words: &[&str], tokens: usize) -> anyhow::Result<Option<String>> {
    for count in 1..=words.len() {
        let text = words.get(..count).context("no words")?.join(" ");
        let length = embedder.tokenize(&text)?.len();
        if length >= tokens {
            return Ok((length == tokens).then_some(text));
        }
    }
    Ok(None)
}

/// Glosses of natural lengths, by the order of a hash.
pub(super) fn mix() -> anyhow::Result<Vec<String>> {
    let glosses = wordnet::glosses()?;
    ensure!(glosses.len() >= MIX, "WordNet has {} glosses", glosses.len());
    Ok(glosses.into_iter().take(MIX).map(|gloss| gloss.text).collect())
}

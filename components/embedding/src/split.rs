//! Cuts a text that is longer than the model reads into chunks that are not.
//!
//! The text is read once, word by word; only the words of one chunk are held. Chunks end at words, at a sentence's end where
//! one is near, and share a few words with their neighbours, so that what is said across a cut is whole in one of them.

use std::collections::VecDeque;

use crate::tokenizer::Pieces;
use crate::vocabulary::Vocabulary;
use crate::words::{Word, Words, folded};

/// The smallest chunk that can be asked for, in tokens. Any one character fits into it.
pub const TOKENS_MIN: u32 = 8;

/// A part of a text in bytes, its end not included.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Span {
    /// First byte.
    pub start: u32,
    /// Behind the last byte.
    pub end: u32,
}

/// Limits that no chunk could keep.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum SplitError {
    /// Too few or too many tokens a chunk.
    #[error("a chunk has from {TOKENS_MIN} to {tokens_max} tokens, not {tokens}")]
    Tokens {
        /// What was asked for.
        tokens: u32,
        /// What the model reads.
        tokens_max: u32,
    },
    /// Too large an overlap.
    #[error("chunks of {tokens} tokens overlap by less than half of that, not by {overlap}")]
    Overlap {
        /// Tokens of a chunk.
        tokens: u32,
        /// What was asked for.
        overlap: u32,
    },
}

/// Limits that were checked.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Limits {
    /// Tokens of a chunk without the two special ones.
    room: usize,
    overlap: usize,
}

impl Limits {
    pub(crate) fn new(tokens: u32, overlap: u32, tokens_max: u32) -> Result<Limits, SplitError> {
        if !(TOKENS_MIN..=tokens_max).contains(&tokens) {
            return Err(SplitError::Tokens { tokens, tokens_max });
        }
        if overlap >= tokens.div_ceil(2) {
            return Err(SplitError::Overlap { tokens, overlap });
        }
        Ok(Limits { room: tokens as usize - 2, overlap: overlap as usize })
    }
}

/// A word, or a part of one that is too long: chunks are made of these.
#[derive(Debug, Clone, Copy)]
struct Unit {
    start: usize,
    tokens: usize,
    /// Whether a sentence ends before it.
    begins_sentence: bool,
}

/// Cuts a text. At least one span; see `wit/embedding/embedder.wit` for what it promises.
pub(crate) fn split(vocabulary: &impl Vocabulary, text: &str, limits: Limits) -> Vec<Span> {
    let mut chunks = Chunks::new(text, limits);
    let mut pieces = Pieces::new(vocabulary);
    let mut ids = Vec::new();
    let mut end = SentenceEnd::default();
    for word in Words::new(text) {
        ids.clear();
        pieces.of(text, word, &mut ids);
        let begins_sentence = end.next(text, word);
        if ids.len() <= limits.room {
            chunks.push(Unit { start: word.start, tokens: ids.len(), begins_sentence });
        } else {
            parts(text, word, limits.room, |start, tokens| {
                chunks.push(Unit { start, tokens, begins_sentence: begins_sentence && start == word.start });
            });
        }
    }
    chunks.finish()
}

/// Cuts a word between characters. A piece has at least one character, so counting those errs on the safe side.
fn parts(text: &str, word: Word, room: usize, mut push: impl FnMut(usize, usize)) {
    let characters = text.get(word.start..word.end).unwrap_or_default();
    let (mut start, mut tokens) = (word.start, 0);
    for (at, character) in characters.char_indices() {
        let more = folded(character.encode_utf8(&mut [0; 4])).count();
        if tokens + more > room {
            push(start, tokens);
            (start, tokens) = (word.start + at, 0);
        }
        tokens += more;
    }
    push(start, tokens);
}

/// Sees where sentences end.
#[derive(Debug, Default)]
struct SentenceEnd {
    /// End of the word before.
    end: usize,
    /// The word before closes a sentence if white space follows; or even if nothing does.
    closing: bool,
    closed: bool,
}

impl SentenceEnd {
    /// Whether a sentence ends before this word; they are given in order.
    fn next(&mut self, text: &str, word: Word) -> bool {
        let gap = text.get(self.end..word.start).unwrap_or_default();
        let begins = self.closed || gap.contains('\n') || (self.closing && gap.contains(char::is_whitespace));
        let last = text.get(word.start..word.end).unwrap_or_default();
        // A quotation mark or a bracket behind the full stop belongs to its sentence.
        let closes = matches!(last, "." | "!" | "?" | "…")
            || (self.closing && gap.is_empty() && matches!(last, "\"" | "'" | ")" | "]" | "”" | "’" | "»"));
        self.closed = matches!(last, "。" | "！" | "？");
        self.closing = closes;
        self.end = word.end;
        begins
    }
}

/// Gathers units into chunks.
#[derive(Debug)]
struct Chunks<'a> {
    text: &'a str,
    limits: Limits,
    spans: Vec<Span>,
    /// Units of the chunk that grows, the shared ones first.
    units: VecDeque<Unit>,
    /// Their tokens.
    tokens: usize,
    /// How many of them the chunk before has too.
    shared: usize,
}

impl<'a> Chunks<'a> {
    fn new(text: &'a str, limits: Limits) -> Self {
        Chunks { text, limits, spans: Vec::new(), units: VecDeque::new(), tokens: 0, shared: 0 }
    }

    fn push(&mut self, unit: Unit) {
        while self.tokens + unit.tokens > self.limits.room {
            self.end_chunk(unit);
        }
        self.tokens += unit.tokens;
        self.units.push_back(unit);
    }

    /// Ends a chunk before `next` or, better, at a sentence's end; units that are shared or left over stay. Each chunk takes in
    /// a unit that is in none before, and every call either makes a chunk or makes room, so there is an end to it.
    fn end_chunk(&mut self, next: Unit) {
        if self.units.len() == self.shared {
            // Shared units alone are no chunk: fewer of them.
            self.drop_front();
            return;
        }
        let count = self.sentence_end(next);
        let end = self.units.get(count).map_or(next.start, |unit| unit.start);
        let start = if self.spans.is_empty() { 0 } else { self.units.front().map_or(0, |unit| unit.start) };
        self.emit(start, end);
        let mut keep = 0;
        let mut overlap = 0;
        for unit in self.units.iter().take(count).rev() {
            overlap += unit.tokens;
            if overlap > self.limits.overlap {
                break;
            }
            keep += 1;
        }
        self.shared = count;
        while self.shared > keep {
            self.drop_front();
        }
    }

    fn drop_front(&mut self) {
        if let Some(unit) = self.units.pop_front() {
            self.tokens -= unit.tokens;
        }
        self.shared = self.shared.saturating_sub(1);
    }

    /// How many units the chunk has that ends at the last sentence's end in its last quarter, or where it is full.
    fn sentence_end(&self, next: Unit) -> usize {
        let mut tokens = self.tokens;
        let mut following = next;
        for (index, unit) in self.units.iter().enumerate().rev() {
            if following.begins_sentence && index >= self.shared {
                return index + 1;
            }
            tokens -= unit.tokens;
            if tokens * 4 < self.limits.room * 3 {
                break;
            }
            following = *unit;
        }
        self.units.len()
    }

    /// Appends the span without the white space around it.
    fn emit(&mut self, start: usize, end: usize) {
        let chunk = self.text.get(start..end).unwrap_or_default();
        let start = start + (chunk.len() - chunk.trim_start().len());
        let end = start + chunk.trim().len();
        self.spans.push(Span { start: start as u32, end: end as u32 });
    }

    fn finish(mut self) -> Vec<Span> {
        if self.spans.is_empty() {
            return vec![Span { start: 0, end: self.text.len() as u32 }];
        }
        let start = self.units.front().map_or(self.text.len(), |unit| unit.start);
        self.emit(start, self.text.len());
        self.spans
    }
}

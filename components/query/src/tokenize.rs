//! From text to the terms of keyword search: Unicode words (UAX #29), lower case, English stems (Snowball).

use rust_stemmers::{Algorithm, Stemmer};
use unicode_segmentation::UnicodeSegmentation;

/// Bytes of a term at most; longer words are cut at a character. Real words are far shorter.
pub const TERM_BYTES_MAX: usize = 64;

/// A part of a text, in bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Span {
    /// First byte.
    pub start: u32,
    /// Byte behind the last.
    pub end: u32,
}

/// Calls `each` with every term of the text, in order.
pub fn terms(text: &str, mut each: impl FnMut(&str)) {
    terms_with_spans(text, |term, _| each(term));
}

/// Calls `each` with every term of the text and where its word stands, in order.
pub fn terms_with_spans(text: &str, mut each: impl FnMut(&str, Span)) {
    let stemmer = Stemmer::create(Algorithm::English);
    let mut lower = String::new();
    for (start, word) in text.unicode_word_indices() {
        lower.clear();
        if word.is_ascii() {
            lower.extend(word.bytes().map(|byte| char::from(byte.to_ascii_lowercase())));
        } else {
            lower.push_str(&word.to_lowercase());
        }
        let stem = stemmer.stem(&lower);
        each(cut(&stem), Span { start: start as u32, end: (start + word.len()) as u32 });
    }
}

fn cut(term: &str) -> &str {
    let mut end = term.len().min(TERM_BYTES_MAX);
    while !term.is_char_boundary(end) {
        end -= 1;
    }
    term.get(..end).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(text: &str) -> Vec<String> {
        let mut all = Vec::new();
        terms(text, |term| all.push(term.to_owned()));
        all
    }

    /// A query must meet a text in another form of the word, another case, with punctuation around.
    #[test]
    fn forms_of_a_word_meet() {
        assert_eq!(of("Injection, INJECTED; injects!"), ["inject", "inject", "inject"]);
        assert_eq!(of("don't"), ["don't"]);
        assert_eq!(of("  \n\t...  "), [] as [&str; 0]);
        assert_eq!(of("CWE-79"), ["cwe", "79"]);
        assert_eq!(of("Übergröße"), ["übergröß"]);
        assert_eq!(of(&"é".repeat(1000))[0].len(), TERM_BYTES_MAX);
    }

    /// Highlights are cut out of the text at these places.
    #[test]
    fn spans_are_the_words() {
        let text = "Größe, INJECTED";
        let mut words = Vec::new();
        terms_with_spans(text, |_, span| words.push(&text[span.start as usize..span.end as usize]));
        assert_eq!(words, ["Größe", "INJECTED"]);
    }
}

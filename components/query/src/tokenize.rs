//! From text to the terms of keyword search: Unicode words (UAX #29), lower case, English stems (Snowball).

use rust_stemmers::{Algorithm, Stemmer};
use unicode_segmentation::UnicodeSegmentation;

/// Bytes of a term at most; longer words are cut at a character. Real words are far shorter.
pub const TERM_BYTES_MAX: usize = 64;

/// Calls `each` with every term of the text, in order.
pub fn terms(text: &str, mut each: impl FnMut(&str)) {
    let stemmer = Stemmer::create(Algorithm::English);
    for word in text.unicode_words() {
        let lower = word.to_lowercase();
        let stem = stemmer.stem(&lower);
        each(cut(&stem));
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
}

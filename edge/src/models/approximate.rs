//! Where to cut texts for a model whose tokens are not known here: by characters, at spaces where there are any.

use skerry_sync::{Chunking, Span};

/// Spans of at most `tokens` times `characters_per_token` characters, each beginning about `overlap` tokens before the end of
/// the one before it. Cuts stand in front of words, unless a word is longer than half a chunk.
pub(super) fn split(text: &str, chunking: Chunking, characters_per_token: f64) -> Vec<Span> {
    let characters = |tokens: u32| (f64::from(tokens) * characters_per_token).max(0.0) as usize;
    let most = characters(chunking.tokens).max(1);
    let overlap = characters(chunking.overlap).min(most / 2);
    // Byte positions of the characters, and of the end.
    let starts: Vec<usize> = text.char_indices().map(|(at, _)| at).chain([text.len()]).collect();
    let count = starts.len() - 1;
    let byte = |character: usize| starts.get(character).copied().unwrap_or(text.len());
    let is_word_start = |character: usize| {
        let before = text.get(..byte(character)).and_then(|before| before.chars().next_back());
        before.is_some_and(char::is_whitespace)
    };
    let mut spans = Vec::new();
    let mut from = 0;
    while count - from > most {
        let end = (from + most / 2 + 1..=from + most).rev().find(|&at| is_word_start(at)).unwrap_or(from + most);
        spans.push((byte(from) as u32, byte(end) as u32));
        let next = end - overlap;
        // A word that reaches back further than the overlap is not shared.
        from = (next..=end).find(|&at| at > from && is_word_start(at)).unwrap_or(next.max(from + 1));
    }
    spans.push((byte(from) as u32, text.len() as u32));
    spans
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cut(text: &str, tokens: u32, overlap: u32) -> Vec<&str> {
        let spans = split(text, Chunking { tokens, overlap }, 2.0);
        spans.iter().map(|&(start, end)| &text[start as usize..end as usize]).collect()
    }

    /// Nothing of a text is lost, no chunk is too long, chunks overlap and begin with words; whatever the characters are.
    #[test]
    fn chunks_cover_the_text() {
        assert_eq!(cut("short", 8, 2), ["short"]);
        assert_eq!(cut("", 8, 2), [""]);
        assert_eq!(cut("one two three four", 5, 0), ["one two ", "three four"]);
        assert_eq!(cut("one two three four", 5, 2), ["one two ", "two three ", "four"]);
        for text in ["wörter ünd \u{1f600} zeichen ".repeat(40), "x".repeat(500), "漢字".repeat(300), " ".repeat(99)]
        {
            for (tokens, overlap) in [(8, 0), (8, 4), (20, 3), (100, 50)] {
                let spans = split(&text, Chunking { tokens, overlap }, 2.0);
                assert_eq!((spans[0].0, spans[spans.len() - 1].1), (0, text.len() as u32));
                for pair in spans.windows(2) {
                    assert!(pair[1].0 > pair[0].0 && pair[1].0 <= pair[0].1 && pair[1].1 > pair[0].1, "{pair:?}");
                }
                for &(start, end) in &spans {
                    assert!(text[start as usize..end as usize].chars().count() <= tokens as usize * 2);
                }
            }
        }
    }
}

//! The part of a text that best shows why it was found, and where a query's words stand in it.

use std::collections::BTreeSet;

use crate::tokenize::{self, Span};

/// A part of a text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Excerpt {
    /// The part, cut at words.
    pub text: String,
    /// Words of the query in it: bytes of `text`, ascending.
    pub marks: Vec<Span>,
    /// Something stands before it.
    pub cut_before: bool,
    /// Something stands behind it.
    pub cut_after: bool,
}

/// The part of at most `bytes_max` bytes with the most of the query's different words, longer ones counting more, and of equal
/// parts the first; the beginning of the text when it has none.
pub fn excerpt(text: &str, query: &str, bytes_max: usize) -> Excerpt {
    let mut wanted = BTreeSet::new();
    tokenize::terms(query, |term| {
        wanted.insert(term.to_owned());
    });
    let (mut words, mut marks) = (Vec::new(), Vec::new());
    tokenize::terms_with_spans(text, |term, span| {
        words.push(span);
        if wanted.contains(term) {
            marks.push((term.to_owned(), span));
        }
    });
    let bytes_max = bytes_max.max(16);
    let first = best_start(&marks, bytes_max);
    // A little of what stands before the first mark helps to read it.
    let lead = first.map_or(0, |mark| (mark.start as usize).saturating_sub(bytes_max / 4));
    let fits = text.len() <= bytes_max;
    let start = if fits || lead == 0 { 0 } else { word_start(&words, lead, first) };
    let end = if fits { text.len() } else { word_end(text, &words, start, bytes_max) };
    let inside = |(_, span): (String, Span)| {
        let (from, to) = ((span.start as usize).checked_sub(start)?, span.end as usize);
        (to <= end).then_some(Span { start: from as u32, end: (to - start) as u32 })
    };
    Excerpt {
        text: text.get(start..end).unwrap_or_default().to_owned(),
        marks: marks.into_iter().filter_map(inside).collect(),
        cut_before: start > 0,
        cut_after: end < text.trim_end().len(),
    }
}

/// The mark from which on the most different terms stand close together.
fn best_start(marks: &[(String, Span)], bytes_max: usize) -> Option<Span> {
    let room = (bytes_max * 3 / 4) as u32;
    let mut best: Option<(usize, Span)> = None;
    // Short words are mostly those that every text has; the squares of lengths tell them from the others in any language.
    let weight = |term: &&String| term.len().min(8).pow(2);
    // Marks are many only in long texts with common words; the first thousand decide.
    for (index, (_, start)) in marks.iter().enumerate().take(1_000) {
        let near = marks.iter().skip(index).take_while(|(_, span)| span.end <= start.start + room);
        let mut seen = BTreeSet::new();
        let sum = near.map(|(term, _)| term).filter(|term| seen.insert(*term)).map(|term| weight(&term)).sum();
        if best.is_none_or(|(most, _)| sum > most) {
            best = Some((sum, *start));
        }
    }
    best.map(|(_, span)| span)
}

fn word_start(words: &[Span], from: usize, first: Option<Span>) -> usize {
    let at = words.partition_point(|span| (span.start as usize) < from);
    let start = words.get(at).map_or(from, |span| span.start as usize);
    first.map_or(start, |first| start.min(first.start as usize))
}

fn word_end(text: &str, words: &[Span], start: usize, bytes_max: usize) -> usize {
    let limit = start + bytes_max;
    if limit >= text.len() {
        return text.len();
    }
    let at = words.partition_point(|span| (span.end as usize) <= limit);
    let end = words.get(..at).and_then(<[Span]>::last).map_or(0, |span| span.end as usize);
    if end > start {
        return end;
    }
    // One word longer than the room: it is cut at a character.
    let mut end = limit;
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    end
}

#[cfg(test)]
mod tests {
    use super::*;

    fn marked(excerpt: &Excerpt) -> Vec<&str> {
        excerpt.marks.iter().map(|mark| &excerpt.text[mark.start as usize..mark.end as usize]).collect()
    }

    /// The words are marked in whatever form they stand there, and short texts are given whole.
    #[test]
    fn words_are_marked() {
        let excerpt = excerpt("Injected größe, then injections.", "INJECTION Größe", 100);
        assert_eq!(excerpt.text, "Injected größe, then injections.");
        assert_eq!(marked(&excerpt), ["Injected", "größe", "injections"]);
        assert!(!excerpt.cut_before && !excerpt.cut_after);
    }

    /// Of a long text the part with the most different words is shown, cut at words.
    #[test]
    fn the_densest_part_is_shown() {
        let filler = "lorem ipsum dolor ".repeat(40);
        let text = format!("{filler} tide {filler} high tide at the harbour {filler}");
        let excerpt = excerpt(&text, "harbour tide", 80);
        assert_eq!(marked(&excerpt), ["tide", "harbour"]);
        assert!(excerpt.text.len() <= 80 && excerpt.cut_before && excerpt.cut_after, "{excerpt:?}");
        assert!(text.contains(&excerpt.text));
    }

    /// A rare word is worth more than several that stand everywhere.
    #[test]
    fn long_words_count_more() {
        let filler = "lorem ipsum dolor ".repeat(20);
        let text = format!("it is in the way {filler} a JavaScript {filler}");
        assert_eq!(marked(&excerpt(&text, "is it the JavaScript in a way", 60)), ["a", "JavaScript"]);
    }

    /// No text and no query makes it panic or cut a character.
    #[test]
    fn odd_texts_are_cut_at_characters() {
        for text in ["", " ", "🦀🦀🦀🦀🦀🦀🦀🦀🦀🦀", &"é".repeat(500), "a b"] {
            for query in ["", "é", "🦀", "a"] {
                let excerpt = excerpt(text, query, 16);
                assert!(text.contains(&excerpt.text) && excerpt.text.len() <= 16, "{excerpt:?}");
            }
        }
    }
}

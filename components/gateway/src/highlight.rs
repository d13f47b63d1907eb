//! Which part of a hit's text is shown, and the words in it.

use crate::body::{Fragment, Highlight, SpanBody};
use crate::types::Excerpt;

/// Where something was found.
pub(crate) struct Shown<'a> {
    pub(crate) text: &'a str,
    /// The part of it that matched.
    pub(crate) chunk: Option<SpanBody>,
}

/// A part of a text that is not all of it.
struct Part<'a> {
    text: &'a str,
    cut_before: bool,
    cut_after: bool,
}

impl<'a> Shown<'a> {
    fn part(&self) -> Option<Part<'a>> {
        let SpanBody { start, end } = self.chunk?;
        let (before, rest) = self.text.split_at_checked(start as usize)?;
        let (text, after) = rest.split_at_checked(end.checked_sub(start)? as usize)?;
        let part = Part { text, cut_before: !before.is_empty(), cut_after: !after.trim_end().is_empty() };
        (part.cut_before || part.cut_after).then_some(part)
    }
}

/// The highlights of what was found; `excerpts` finds the best parts of texts for the query's words.
///
/// Where a part of a longer text matched, that is shown when it has words of the query, or when the whole text has none;
/// otherwise the best of the whole text. Without words there is a highlight only where a part matched: its beginning.
pub(crate) fn highlights<E>(
    found: &[Shown<'_>],
    has_words: bool,
    mut excerpts: impl FnMut(&[&str]) -> Result<Vec<Excerpt>, E>,
) -> Result<Vec<Option<Highlight>>, E> {
    let mut highlights: Vec<Option<Highlight>> = found.iter().map(|_| None).collect();
    let mut without_part: Vec<usize> = (0..found.len()).collect();
    let parts: Vec<(usize, Part<'_>)> = (0..).zip(found).filter_map(|(at, shown)| Some((at, shown.part()?))).collect();
    let texts: Vec<&str> = parts.iter().map(|(_, part)| part.text).collect();
    for ((at, part), excerpt) in parts.iter().zip(excerpts(&texts)?) {
        if !has_words || !excerpt.marks.is_empty() {
            without_part.retain(|other| other != at);
        }
        let cut = Excerpt {
            cut_before: excerpt.cut_before || part.cut_before,
            cut_after: excerpt.cut_after || part.cut_after,
            ..excerpt
        };
        if let Some(highlight) = highlights.get_mut(*at) {
            *highlight = Some(in_pieces(&cut));
        }
    }
    if !has_words {
        return Ok(highlights);
    }
    let texts: Vec<&str> = without_part.iter().filter_map(|at| found.get(*at)).map(|shown| shown.text).collect();
    for (at, excerpt) in without_part.iter().zip(excerpts(&texts)?) {
        if let Some(highlight) = highlights.get_mut(*at)
            && (highlight.is_none() || !excerpt.marks.is_empty())
        {
            *highlight = Some(in_pieces(&excerpt));
        }
    }
    Ok(highlights)
}

/// The text in pieces, so that nobody has to count bytes or characters.
fn in_pieces(excerpt: &Excerpt) -> Highlight {
    let mut fragments = Vec::new();
    let mut at = 0;
    let mut push = |text: Option<&str>, is_match: bool| {
        if let Some(text) = text.filter(|text| !text.is_empty()) {
            fragments.push(Fragment { text: text.to_owned(), is_match });
        }
    };
    for mark in &excerpt.marks {
        push(excerpt.text.get(at..mark.start as usize), false);
        push(excerpt.text.get(mark.start as usize..mark.end as usize), true);
        at = mark.end as usize;
    }
    push(excerpt.text.get(at..), false);
    Highlight { fragments, cut_before: excerpt.cut_before, cut_after: excerpt.cut_after }
}

#[cfg(test)]
mod tests {
    use std::convert::Infallible;

    use super::*;
    use crate::types::Mark;

    /// The word and all behind it; the beginning when it is not there.
    fn excerpt(text: &str, word: &str) -> Excerpt {
        let found = text.find(word).filter(|_| !word.is_empty());
        let text = &text[found.unwrap_or(0)..];
        let marks = found.map(|_| Mark { start: 0, end: word.len() as u32 }).into_iter().collect();
        Excerpt { text: text.to_owned(), marks, cut_before: found.is_some_and(|at| at > 0), cut_after: false }
    }

    /// What is shown of `text` where `chunk` of it matched: the text, and whether something stands before and behind it.
    fn shown(text: &str, chunk: Option<(u32, u32)>, word: &str) -> Option<(String, bool, bool)> {
        let chunk = chunk.map(|(start, end)| SpanBody { start, end });
        let excerpts = |texts: &[&str]| Ok::<_, Infallible>(texts.iter().map(|text| excerpt(text, word)).collect());
        // Between others, which must not get in its way.
        let other = || Shown { text: "tide", chunk: None };
        let all = [other(), Shown { text, chunk }, other()];
        let mut highlights = highlights(&all, !word.is_empty(), excerpts).unwrap();
        let text = |highlight: &Highlight| highlight.fragments.iter().map(|piece| piece.text.as_str()).collect();
        let highlight = highlights.remove(1)?;
        Some((text(&highlight), highlight.cut_before, highlight.cut_after))
    }

    /// The part that matched is shown where the query's words are in it, or nowhere.
    #[test]
    fn the_part_that_matched_comes_first() {
        let text = "ebb tide. high water. ebb again. ";
        let some = |text: &str, before, after| Some((text.to_owned(), before, after));
        assert_eq!(shown(text, Some((10, 21)), "water"), some("water.", true, true));
        assert_eq!(shown(text, Some((22, 32)), "ebb"), some("ebb again.", true, false));
        assert_eq!(shown(text, Some((10, 21)), "again"), some("again. ", true, false), "words elsewhere");
        assert_eq!(shown(text, Some((10, 21)), "moon"), some("high water.", true, true), "words nowhere");
        assert_eq!(shown(text, Some((0, 33)), "tide"), some("tide. high water. ebb again. ", true, false));
        assert_eq!(shown(text, None, "moon"), some(text, false, false));
    }

    /// Without words, only what is a part of more needs to be shown. A chunk that is no part of the text does no harm.
    #[test]
    fn without_words_the_part_is_shown() {
        let text = "aé tide";
        assert_eq!(shown(text, Some((4, 8)), ""), Some(("tide".to_owned(), true, false)));
        for chunk in [None, Some((0, 8)), Some((2, 8)), Some((4, 9)), Some((4, 3))] {
            assert_eq!(shown(text, chunk, ""), None, "{chunk:?}");
        }
    }
}

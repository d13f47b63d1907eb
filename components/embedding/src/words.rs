//! Where the words of a text are, before anything is looked up.
//!
//! A word is what BERT's pre-tokenization gives: a run of letters, a single punctuation character, a single ideograph, or the
//! literal name of a special token. Which of these a character is can be told from the character alone, so the text is never
//! rewritten as a whole: every word keeps its place in it, and can be folded by itself.

use unicode_categories::UnicodeCategories;
use unicode_normalization::UnicodeNormalization;
use unicode_normalization::char::decompose_canonical;

use crate::tokenizer::SPECIAL;

/// A word and its place.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Word {
    /// First byte of its first character that leaves a trace.
    pub(crate) start: usize,
    /// Behind the last byte of its last character that leaves a trace.
    pub(crate) end: usize,
    /// The special token that it is the name of.
    pub(crate) special: Option<u32>,
}

/// What a character does to the words around it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    /// Leaves no trace: dropped, or an accent that is stripped.
    Nothing,
    /// Ends the word before it.
    Space,
    /// Is a word.
    Alone,
    /// Is a part of a word.
    Letter,
}

/// The words of a text in order. Takes the time that reading the text once takes.
#[derive(Debug)]
pub(crate) struct Words<'a> {
    text: &'a str,
    at: usize,
}

impl<'a> Words<'a> {
    pub(crate) fn new(text: &'a str) -> Self {
        Words { text, at: 0 }
    }

    fn special(&self) -> Option<(usize, u32)> {
        let rest = self.text.get(self.at..)?;
        SPECIAL.iter().find(|(name, _)| rest.starts_with(name)).map(|(name, id)| (name.len(), *id))
    }
}

impl Iterator for Words<'_> {
    type Item = Word;

    fn next(&mut self) -> Option<Word> {
        let mut letters: Option<Word> = None;
        while let Some(character) = self.text.get(self.at..).and_then(|rest| rest.chars().next()) {
            let special = if character == '[' { self.special() } else { None };
            let kind = if special.is_some() { Kind::Alone } else { kind(character) };
            if letters.is_some() && kind == Kind::Alone {
                break;
            }
            let start = self.at;
            self.at += special.map_or(character.len_utf8(), |(length, _)| length);
            match kind {
                Kind::Space if letters.is_some() => break,
                Kind::Nothing | Kind::Space => {}
                Kind::Alone => return Some(Word { start, end: self.at, special: special.map(|(_, id)| id) }),
                Kind::Letter => letters.get_or_insert(Word { start, end: start, special: None }).end = self.at,
            }
        }
        letters
    }
}

fn kind(character: char) -> Kind {
    if character.is_ascii() {
        match character {
            '\t' | '\n' | '\r' | ' ' => Kind::Space,
            other if other.is_ascii_control() => Kind::Nothing,
            other if other.is_ascii_punctuation() => Kind::Alone,
            _ => Kind::Letter,
        }
    } else if is_dropped(character) {
        Kind::Nothing
    } else if character.is_whitespace() {
        Kind::Space
    } else if is_cjk(character) {
        Kind::Alone
    } else {
        let mut kind = Kind::Nothing;
        decompose_canonical(character, |part| {
            if is_punctuation(part) {
                kind = Kind::Alone;
            } else if kind == Kind::Nothing && !part.is_mark_nonspacing() {
                kind = Kind::Letter;
            }
        });
        kind
    }
}

/// The characters of a word as the vocabulary has them: without accents, in lower case.
pub(crate) fn folded(word: &str) -> impl Iterator<Item = char> + '_ {
    let kept = word.chars().filter(|character| !is_dropped(*character));
    kept.nfd().filter(|character| !character.is_mark_nonspacing()).flat_map(char::to_lowercase)
}

/// Control, format and private characters, which leave no trace.
fn is_dropped(character: char) -> bool {
    match character {
        '\0' | '\u{fffd}' => true,
        '\t' | '\n' | '\r' => false,
        other => other.is_other(),
    }
}

fn is_punctuation(character: char) -> bool {
    character.is_ascii_punctuation() || character.is_punctuation()
}

/// The ideograph blocks of BERT's reference code; not kana, not hangul.
fn is_cjk(character: char) -> bool {
    matches!(u32::from(character),
        0x4E00..=0x9FFF | 0x3400..=0x4DBF | 0x20000..=0x2A6DF | 0x2A700..=0x2B73F
        | 0x2B740..=0x2B81F | 0x2B920..=0x2CEAF | 0xF900..=0xFAFF | 0x2F800..=0x2FA1F)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(text: &str) -> Vec<&str> {
        Words::new(text).map(|word| &text[word.start..word.end]).collect()
    }

    /// Words keep their places through everything that folding changes.
    #[test]
    fn words_are_where_they_were() {
        assert_eq!(words(" Don't,\u{a0}ever… "), ["Don", "'", "t", ",", "ever", "…"]);
        assert_eq!(words("a[CLS]b[cls]\u{301}"), ["a", "[CLS]", "b", "[", "cls", "]"]);
        assert_eq!(words("漢字kana\u{0}x\u{301}\u{200d} \u{301}"), ["漢", "字", "kana\u{0}x"]);
        assert_eq!(words("\u{37e}x\u{226e}y"), ["\u{37e}", "x", "\u{226e}", "y"]);
        assert_eq!(words("\u{301}\u{0} \n").len() + words("").len(), 0);
        assert_eq!(folded("E\u{301}\u{0}İ").collect::<String>(), "ei");
    }

    /// A character that decomposes into punctuation and a letter would need two words of one place; there is none.
    #[test]
    fn no_character_is_two_words() {
        for character in ('\0'..=char::MAX).filter(|character| !is_dropped(*character)) {
            let mut parts = Vec::new();
            decompose_canonical(character, |part| parts.push(part));
            parts.retain(|part| !part.is_mark_nonspacing());
            let alone = parts.iter().filter(|part| is_punctuation(**part) || part.is_whitespace()).count();
            assert!(alone == 0 || parts.len() == 1, "{character:?} becomes {parts:?}");
        }
    }
}

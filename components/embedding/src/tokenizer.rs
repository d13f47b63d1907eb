//! BERT's uncased WordPiece tokenizer, token for token that of the model's `tokenizer.json`.
//!
//! Text is cleaned, CJK characters stand alone, accents are stripped after canonical decomposition, letters are lowered;
//! words end at white space and around punctuation; each word is split into the longest known pieces from the left
//! (Devlin et al., 2018). Work stops when enough tokens are there, so a long text costs no more than its beginning.

use crate::vocabulary::Vocabulary;
use crate::words::{Word, Words, folded};

const UNKNOWN: u32 = 100;
const START: u32 = 101;
const END: u32 = 102;

/// Characters of a word after which it is unknown as a whole.
const WORD_CHARS_MAX: usize = 100;

/// Literal names of special tokens, which stand for those tokens wherever they are in a text.
pub(crate) const SPECIAL: [(&str, u32); 5] =
    [("[PAD]", 0), ("[UNK]", UNKNOWN), ("[CLS]", START), ("[SEP]", END), ("[MASK]", 103)];

/// Splits text into token ids.
#[derive(Debug)]
pub struct Tokenizer<'a, V> {
    vocabulary: &'a V,
    tokens_max: usize,
}

/// Tokens of a text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Tokens {
    /// Ids, special tokens included.
    pub ids: Vec<u32>,
    /// True when the text had more tokens than fit.
    pub truncated: bool,
}

impl<'a, V: Vocabulary> Tokenizer<'a, V> {
    /// A tokenizer that gives at most `tokens_max` tokens, the two special ones included.
    pub fn new(vocabulary: &'a V, tokens_max: usize) -> Self {
        Tokenizer { vocabulary, tokens_max }
    }

    /// The tokens of a text.
    pub fn tokenize(&self, text: &str) -> Tokens {
        let mut pieces = Pieces::new(self.vocabulary);
        let mut ids = vec![START];
        for word in Words::new(text) {
            pieces.of(text, word, &mut ids);
            if ids.len() >= self.tokens_max {
                break;
            }
        }
        // The last word may have brought more than there is room for.
        let truncated = ids.len() >= self.tokens_max;
        ids.truncate(self.tokens_max - 1);
        ids.push(END);
        Tokens { ids, truncated }
    }
}

/// Cuts words into pieces, in room that is kept between words.
#[derive(Debug)]
pub(crate) struct Pieces<'a, V> {
    vocabulary: &'a V,
    folded: String,
}

impl<'a, V: Vocabulary> Pieces<'a, V> {
    pub(crate) fn new(vocabulary: &'a V) -> Self {
        Pieces { vocabulary, folded: String::new() }
    }

    /// Appends the ids of a word's pieces.
    pub(crate) fn of(&mut self, text: &str, word: Word, ids: &mut Vec<u32>) {
        if let Some(id) = word.special {
            return ids.push(id);
        }
        let characters = text.get(word.start..word.end).unwrap_or_default();
        self.folded.clear();
        if characters.is_ascii() && characters.len() <= WORD_CHARS_MAX {
            self.folded.extend(characters.chars().filter(|character| !character.is_control()));
            self.folded.make_ascii_lowercase();
        } else {
            let mut characters = folded(characters);
            self.folded.extend(characters.by_ref().take(WORD_CHARS_MAX));
            if characters.next().is_some() {
                return ids.push(UNKNOWN);
            }
        }
        if let Some(id) = self.vocabulary.id(&self.folded) {
            return ids.push(id);
        }
        let before = ids.len();
        let (mut prefix, mut rest) = ("", self.folded.as_str());
        while !rest.is_empty() {
            let Some((length, id)) = self.vocabulary.longest(prefix, rest) else {
                ids.truncate(before);
                return ids.push(UNKNOWN);
            };
            ids.push(id);
            (prefix, rest) = ("##", rest.get(length..).unwrap_or_default());
        }
    }
}

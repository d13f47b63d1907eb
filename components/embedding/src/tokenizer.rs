//! BERT's uncased WordPiece tokenizer, token for token that of the model's `tokenizer.json`.
//!
//! Text is cleaned, CJK characters stand alone, accents are stripped after canonical decomposition, letters are lowered;
//! words end at white space and around punctuation; each word is split into the longest known pieces from the left
//! (Devlin et al., 2018). Work stops when enough tokens are there, so a long text costs no more than its beginning.

use unicode_categories::UnicodeCategories;
use unicode_normalization::UnicodeNormalization;

const UNKNOWN: u32 = 100;
const START: u32 = 101;
const END: u32 = 102;

/// Characters of a word after which it is unknown as a whole.
const WORD_CHARS_MAX: usize = 100;

/// Literal names of special tokens, which stand for those tokens wherever they are in a text.
const SPECIAL: [(&str, u32); 5] = [("[PAD]", 0), ("[UNK]", UNKNOWN), ("[CLS]", START), ("[SEP]", END), ("[MASK]", 103)];

/// Looks words up.
pub trait Vocabulary {
    /// The id of a piece, which begins with `##` inside a word.
    fn id(&self, piece: &str) -> Option<u32>;
}

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
        let mut sink =
            Sink { vocabulary: self.vocabulary, ids: vec![START], room: self.tokens_max - 1, word: Word::default() };
        let mut rest = text;
        while !sink.full() {
            let next = SPECIAL.iter().filter_map(|(name, id)| Some((rest.find(name)?, *name, *id))).min();
            let Some((at, name, id)) = next else {
                sink.plain(rest);
                break;
            };
            let (before, after) = rest.split_at(at);
            sink.plain(before);
            sink.push(id);
            rest = after.get(name.len()..).unwrap_or_default();
        }
        // One token more than there is room for was taken, to know whether there was more.
        let truncated = sink.full();
        let mut ids = sink.ids;
        ids.truncate(self.tokens_max - 1);
        ids.push(END);
        Tokens { ids, truncated }
    }
}

/// A word that is being read. Of an overlong one only the fact is kept.
#[derive(Debug, Default)]
struct Word {
    text: String,
    chars: usize,
}

struct Sink<'a, V> {
    vocabulary: &'a V,
    ids: Vec<u32>,
    room: usize,
    word: Word,
}

impl<V: Vocabulary> Sink<'_, V> {
    fn full(&self) -> bool {
        self.ids.len() > self.room
    }

    fn push(&mut self, id: u32) {
        if !self.full() {
            self.ids.push(id);
        }
    }

    /// Text without special tokens.
    fn plain(&mut self, text: &str) {
        let spaced = text.chars().filter(|character| !is_dropped(*character)).flat_map(|character| {
            let character = if is_space(character) { ' ' } else { character };
            let around = is_cjk(character).then_some(' ');
            around.into_iter().chain([character]).chain(around)
        });
        let folded = spaced.nfd().filter(|character| !character.is_mark_nonspacing()).flat_map(char::to_lowercase);
        for character in folded {
            if character.is_whitespace() {
                self.end_word();
            } else if is_punctuation(character) {
                self.end_word();
                self.word.push(character);
                self.end_word();
            } else {
                self.word.push(character);
            }
            if self.full() {
                return;
            }
        }
        self.end_word();
    }

    fn end_word(&mut self) {
        let word = std::mem::take(&mut self.word);
        if word.chars == 0 {
            return;
        }
        if word.chars > WORD_CHARS_MAX {
            self.push(UNKNOWN);
        } else {
            self.pieces(&word.text);
        }
        self.word = Word { text: word.text, chars: 0 };
        self.word.text.clear();
    }

    fn pieces(&mut self, word: &str) {
        let mut found = Vec::new();
        let mut start = 0;
        let mut piece = String::with_capacity(word.len() + 2);
        while start < word.len() {
            let ends = word.char_indices().map(|(at, character)| at + character.len_utf8()).rev();
            let longest = ends.take_while(|&end| end > start).find_map(|end| {
                piece.clear();
                if start > 0 {
                    piece.push_str("##");
                }
                piece.push_str(word.get(start..end)?);
                Some((end, self.vocabulary.id(&piece)?))
            });
            let Some((end, id)) = longest else {
                return self.push(UNKNOWN);
            };
            found.push(id);
            start = end;
        }
        found.into_iter().for_each(|id| self.push(id));
    }
}

impl Word {
    fn push(&mut self, character: char) {
        self.chars += 1;
        if self.chars <= WORD_CHARS_MAX {
            self.text.push(character);
        }
    }
}

fn is_space(character: char) -> bool {
    matches!(character, '\t' | '\n' | '\r') || character.is_whitespace()
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

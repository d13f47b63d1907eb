//! Token ids against the reference implementation, the crate `tokenizers` with the model's own `tokenizer.json`.
//!
//! One other id is another meaning, and another program's vectors of the same text would no longer be ours. The reference's
//! truncation and padding are switched off; what it gives is cut as the model is meant to.

use std::collections::HashMap;
use std::sync::LazyLock;

use proptest::prelude::*;
use proptest::test_runner::RngSeed;
use skerry_embedding::{Model, Tokenizer};

use crate::{PACKED, VOCABULARY, model_file};

const TOKENS_MAX: usize = 256;

static REFERENCE: LazyLock<tokenizers::Tokenizer> = LazyLock::new(|| {
    let mut reference = tokenizers::Tokenizer::from_bytes(model_file("tokenizer.json")).unwrap();
    reference.with_padding(None).with_truncation(None).unwrap();
    reference
});

static MODEL: LazyLock<Model> = LazyLock::new(|| Model::load(PACKED.clone()).unwrap());

fn reference_ids(text: &str) -> Vec<u32> {
    REFERENCE.encode_fast(text, true).unwrap().get_ids().to_vec()
}

/// What the model reads of a text must be what the reference gives, cut.
fn check(text: &str) {
    let mut expected = reference_ids(text);
    let truncated = expected.len() > TOKENS_MAX;
    if truncated {
        expected.truncate(TOKENS_MAX - 1);
        expected.push(102);
    }
    let tokens = MODEL.tokenize(text);
    assert_eq!(tokens.ids, expected, "{text:?} ({})", text.escape_unicode());
    assert_eq!(tokens.truncated, truncated, "{text:?}");
}

/// Every character there is: alone, inside a word, and with an accent of its own, in words that are known when it leaves no
/// trace and others when it does.
#[test]
fn every_character_is_the_references() {
    let contexts = |character: char| format!("{character} a{character}b {character}\u{301}s ");
    let characters: Vec<char> = ('\0'..=char::MAX).collect();
    let mut wrong: Vec<char> = Vec::new();
    for some in characters.chunks(16) {
        let text: String = some.iter().copied().map(contexts).collect();
        if MODEL.tokenize(&text).ids != reference_ids(&text) {
            wrong.extend(some.iter().copied().filter(|&character| {
                let text = contexts(character);
                MODEL.tokenize(&text).ids != reference_ids(&text)
            }));
        }
    }
    let listed: Vec<String> = wrong.iter().take(400).map(|character| format!("{:X}", u32::from(*character))).collect();
    assert!(wrong.is_empty(), "{} characters differ: {}", wrong.len(), listed.join(" "));
}

/// Words, parts of words and characters that tokenizers stumble over.
const HARD: [&str; 62] = [
    "a",
    "tide",
    "Harbour",
    "UNBELIEVABLY",
    "##ing",
    "1234567890",
    "3.14",
    "e",
    "E",
    "ß",
    "ẞ",
    "İ",
    "I",
    "ı",
    "i\u{307}",
    "Σ",
    "ς",
    "ΌΔΟΣ",
    "ﬁ",
    "ﬀ",
    "Ǆ",
    "ŉ",
    "é",
    "e\u{301}",
    "\u{301}",
    "\u{327}\u{301}\u{323}",
    "\u{302e}",
    "\u{1d165}",
    "Å",
    "\u{212b}",
    "\u{1e9b}\u{323}",
    "が",
    "か\u{3099}",
    "ｶﾞ",
    "ー",
    "漢",
    "﨑",
    "\u{2f804}",
    "\u{30000}",
    "\u{31350}",
    "각",
    "\u{1100}\u{1161}\u{11a8}",
    "ᄀ",
    "नि",
    "ไทย",
    "العَرَبِيَّة",
    "עִבְרִית",
    "👩‍👩‍👧",
    "👍🏽",
    "❤\u{fe0f}",
    "🇨🇭",
    "[CLS]",
    "[SEP]",
    "[MASK]",
    "[PAD]",
    "[UNK]",
    "[cls]",
    "[Mask ]",
    "[unused1]",
    "[CLS",
    "don't",
    "…",
];

const BETWEEN: [&str; 24] = [
    "", "", "", "", " ", " ", " ", "\t", "\n", "\r\n", "\u{b}", "\u{c}", "\u{1c}", "\u{85}", "\u{a0}", "\u{1680}",
    "\u{2003}", "\u{2028}", "\u{202f}", "\u{3000}", "\u{feff}", "\u{200b}", "\u{0}", ".",
];

fn ingredient() -> impl Strategy<Value = String> {
    prop_oneof![
        10 => (prop::sample::select(HARD.to_vec()), prop::sample::select(BETWEEN.to_vec()))
            .prop_map(|(word, after)| format!("{word}{after}")),
        4 => any::<char>().prop_map(String::from),
        2 => (0x20_u32..0x3000).prop_filter_map("a surrogate", char::from_u32).prop_map(String::from),
        1 => (0xd700_u32..0x10100).prop_filter_map("a surrogate", char::from_u32).prop_map(String::from),
        1 => (98_usize..103, prop::sample::select(vec!["x", "é", "e\u{301}", "각", "\u{1e69}", "İ", "ß", "-", "\u{0}a"]))
            .prop_map(|(count, unit)| unit.repeat(count)),
        1 => "[a-zA-Z]{1,24}",
    ]
}

proptest! {
    #![proptest_config(ProptestConfig {
        cases: 5_000,
        rng_seed: RngSeed::Fixed(1),
        failure_persistence: None,
        ..ProptestConfig::default()
    })]

    #[test]
    fn hard_texts_are_the_references(parts in prop::collection::vec(ingredient(), 0..60)) {
        check(&parts.concat());
    }
}

/// Words about as long as a word may be, and long texts to their last token.
#[test]
fn long_texts_are_the_references() {
    for unit in [
        "x",
        "the",
        "é",
        "e\u{301}",
        "각",
        "\u{1e69}",
        "İ",
        "漢",
        "[CLS]",
        "\u{301}",
        "\u{302e}\u{301}",
        "a\u{0}",
        "🇨🇭",
        ".",
        "ﬁ",
    ] {
        for count in [33, 34, 49, 50, 51, 99, 100, 101, 10_000] {
            check(&unit.repeat(count));
            check(&format!("tide {} turns", unit.repeat(count)));
        }
    }
    let vocabulary: HashMap<String, u32> = VOCABULARY.lines().map(str::to_owned).zip(0..).collect();
    let ours = Tokenizer::new(&vocabulary, usize::MAX);
    let pieces = HARD.iter().enumerate().flat_map(|(n, hard)| [*hard, BETWEEN[n * 7 % BETWEEN.len()]]);
    let text = pieces.collect::<String>().repeat(300);
    assert_eq!(ours.tokenize(&text).ids, reference_ids(&text));
}

//! What splitting promises, on texts that are made to break it.

use proptest::prelude::*;
use skerry_embedding::{Model, Span, SplitError};

use crate::PACKED;

thread_local! {
    static MODEL: Model = Model::load(PACKED.clone()).unwrap();
}

/// Checks every promise, and gives the chunks.
fn chunks(text: &str, tokens: u32, overlap: u32) -> Vec<&str> {
    MODEL.with(|model| {
        let spans = model.split(text, tokens, overlap).unwrap();
        let slices: Vec<&str> =
            spans.iter().map(|span| text.get(span.start as usize..span.end as usize).expect("a border")).collect();
        for slice in &slices {
            let tokenized = model.tokenize(slice);
            assert!(!tokenized.truncated && tokenized.ids.len() <= tokens as usize, "{} tokens", tokenized.ids.len());
        }
        let whole = model.tokenize(text);
        if !whole.truncated && whole.ids.len() <= tokens as usize {
            assert_eq!(spans, [Span { start: 0, end: text.len() as u32 }]);
            return slices;
        }
        let mut covered = 0;
        let mut last = None;
        for (span, slice) in spans.iter().zip(&slices) {
            assert_eq!(slice.trim(), *slice);
            assert!(last.is_none_or(|last: Span| last.start < span.start && last.end < span.end), "{last:?}, {span:?}");
            let gap = text.get(covered..span.start as usize).unwrap_or_default();
            assert!(gap.trim().is_empty(), "{gap:?} is in no chunk");
            if let Some(shared) = text.get(span.start as usize..covered) {
                assert!(model.tokenize(shared).ids.len() <= overlap as usize + 2, "{shared:?} is shared");
            }
            covered = span.end as usize;
            last = Some(*span);
        }
        assert!(text.get(covered..).unwrap().trim().is_empty());
        slices
    })
}

/// Words of every awkward kind, and what may stand between them.
fn ingredient() -> impl Strategy<Value = String> {
    let hard = [
        "tide",
        "harbour",
        "Unglaublichkeitsbeweis",
        "漢字かな交じり文",
        "が\u{3099}か\u{3099}",
        "e\u{301}\u{301}\u{327}",
        "\u{301}",
        "\u{302e}\u{302f}x",
        "각힣",
        "\u{1112}\u{1161}\u{11ab}",
        "İi\u{307}ß",
        "ΣΑΣ",
        "ﬁﬀ",
        "👩🏽‍🚀",
        "🇨🇭",
        "\u{0}",
        "\u{200b}",
        "\u{fffd}",
        "[CLS]",
        "[cls]",
        "[SEP",
        "x[MASK]y",
        "[[PAD]]",
        "don't",
        "...",
        "?!",
        "3.14",
        "“End.”",
        "終わり。",
        "\u{37e}",
        "\u{226e}\u{338}",
        "\u{10ffff}",
        "\u{e000}",
        "\u{11099}\u{110ba}",
        "qzxjkvqzxjkvqzxjkvqzxjkv",
    ];
    let between =
        ["", "", " ", " ", " ", "\n", "\n\n", ". ", "\t", "\u{a0}", "\u{2003}", "\u{85}", "\u{3000}", "\u{301}"];
    prop_oneof![
        8 => (prop::sample::select(hard.to_vec()), prop::sample::select(between.to_vec()))
            .prop_map(|(word, after)| format!("{word}{after}")),
        2 => any::<char>().prop_map(String::from),
        1 => (95_usize..105, prop::sample::select(vec!["x", "é", "한", "\u{1e69}"])).prop_map(|(n, c)| c.repeat(n)),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    #[test]
    fn hostile_texts_keep_the_promises(
        parts in prop::collection::vec(ingredient(), 0..300),
        tokens in prop_oneof![8_u32..20, 8_u32..=256],
        overlap in 0.0..0.5,
    ) {
        chunks(&parts.concat(), tokens, (f64::from(tokens) * overlap) as u32);
    }
}

/// Texts of one kind only, where a loop would not end, a chunk be empty, or a word not fit.
#[test]
fn monotonous_texts_keep_the_promises() {
    for unit in [
        "",
        " ",
        "\u{301}",
        "\u{0}",
        ".",
        "漢",
        "[CLS]",
        "\u{302e}",
        "x",
        "word ",
        "한",
        "qzxj ",
        "a\n",
        "e\u{301}.",
        "🇨🇭",
    ] {
        for count in [1, 5, 254, 255, 5_000] {
            for (tokens, overlap) in [(8, 0), (8, 3), (9, 4), (31, 7), (256, 0), (256, 127)] {
                chunks(&unit.repeat(count), tokens, overlap);
            }
        }
    }
}

/// Prose is cut at sentences, and neighbours share about as many tokens as was asked for.
#[test]
fn prose_is_cut_at_sentences() {
    let sentence =
        |day: u32| format!("On day {day} the pilot comes aboard off the buoy. High water is at {day}! Is it clear? ");
    let text: String = (0..40).map(sentence).collect();
    let all = chunks(&text, 64, 16);
    for chunk in &all {
        assert!(chunk.ends_with(['.', '!', '?']), "{chunk:?}");
    }
    for pair in all.windows(2) {
        let shared = (1..pair[1].len()).rev().find(|&length| pair[0].ends_with(&pair[1][..length])).unwrap();
        let shared = MODEL.with(|model| model.tokenize(&pair[1][..shared]).ids.len() - 2);
        assert!((10..=16).contains(&shared), "{shared} tokens are shared");
    }
}

/// Time is in proportion to the text whatever it is: 4 MiB in seconds even where no word is known.
#[test]
fn long_texts_are_split_at_once() {
    for unit in ["The tide turns. ", "[CLS]", "[", "\u{301}", " ", "qzxjkv", "é", "漢"] {
        let text = unit.repeat((4 << 20) / unit.len());
        let begun = std::time::Instant::now();
        let spans = MODEL.with(|model| model.split(&text, 256, 127).unwrap().len());
        let seconds = begun.elapsed().as_secs_f64();
        println!("{unit:?}: {spans} chunks in {seconds:.2} s");
        assert!(seconds < 30.0, "{unit:?} took {seconds} s");
    }
}

#[test]
fn impossible_limits_are_refused() {
    MODEL.with(|model| {
        for tokens in [0, 7, 257, u32::MAX] {
            assert_eq!(model.split("x", tokens, 0), Err(SplitError::Tokens { tokens, tokens_max: 256 }));
        }
        assert_eq!(model.split("x", 9, 5), Err(SplitError::Overlap { tokens: 9, overlap: 5 }));
        assert_eq!(model.split("x", 9, u32::MAX), Err(SplitError::Overlap { tokens: 9, overlap: u32::MAX }));
    });
}

//! Fuzz targets of the embedding component: packed weights, and texts (docs/fuzzing.md).
//!
//! The transformer's weights have one size, 23 MB: too much for many cases. Both formats share header, checksum and vocabulary,
//! which the small static model here goes through too; the transformer's own part is a table of fixed lengths.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, reason = "tests")]

use skerry_embedding::Model;
use skerry_fuzz::{Bounded, Target};

#[global_allocator]
static ALLOCATOR: Bounded = skerry_fuzz::bounded();

/// A static model of a few words, laid out as docs/format.md says.
fn weights() -> Vec<u8> {
    let mut words: Vec<(&str, u32)> =
        [("[PAD]", 0), ("[UNK]", 1), ("[CLS]", 2), ("[SEP]", 3), ("tide", 4), ("##s", 5), ("water", 6)].to_vec();
    words.sort_unstable();
    let mut content = Vec::new();
    for number in [16_u32, 64, words.len() as u32] {
        content.extend_from_slice(&number.to_le_bytes());
    }
    for row in 0..words.len() as u8 {
        content.extend_from_slice(&0.5_f32.to_le_bytes());
        content.extend((0..16).map(|column| row.wrapping_mul(7).wrapping_add(column)));
    }
    content.extend_from_slice(&(words.len() as u32).to_le_bytes());
    let mut offset = 0_u32;
    for (word, id) in &words {
        for number in [offset, word.len() as u32, *id] {
            content.extend_from_slice(&number.to_le_bytes());
        }
        offset += word.len() as u32;
    }
    words.iter().for_each(|(word, _)| content.extend_from_slice(word.as_bytes()));
    let mut header = 7_u32.to_le_bytes().to_vec();
    header.extend_from_slice(b"small/1");
    header.resize(52, 0);
    let mut packed = b"SKRYSTA1\0\0\0\0".to_vec();
    packed.extend(header);
    packed.extend(content);
    repair(&mut packed);
    packed
}

fn repair(bytes: &mut [u8]) {
    if bytes.len() > 12 {
        let checksum = crc32fast::hash(&bytes[12..]);
        bytes[8..12].copy_from_slice(&checksum.to_le_bytes());
    }
}

const TEXT: &str = "Tides and waters, 漢字 and more tides unknownword";

/// Weights that are taken embed, cut and tokenize; what comes out is a direction.
#[test]
fn packed_weights() {
    let corpus = [weights(), b"SKRYEMB2".repeat(40)];
    let mut model = Model::load(corpus[0].clone()).unwrap();
    assert_eq!(model.embed("tide").tokens, 3);
    Target::new("packed weights", &corpus).repair(|bytes| repair(bytes)).cases(30_000).run(|bytes| {
        let Ok(mut model) = Model::load(bytes.to_vec()) else { return };
        let info = model.info();
        let embedding = model.embed(TEXT);
        assert_eq!(embedding.vector.len(), info.dimensions as usize);
        assert!(embedding.vector.iter().all(|number| number.is_finite()), "{:?}", embedding.vector);
        assert!(embedding.tokens <= info.tokens_max);
        for span in model.split(TEXT, 8, 2).unwrap() {
            assert!(TEXT.get(span.start as usize..span.end as usize).is_some(), "{span:?}");
        }
    });
}

/// Any text at all.
#[test]
fn texts() {
    let corpus =
        [TEXT, "a\u{301}\u{301} \u{200d}👩‍👩‍👧 \u{feff}\u{0}", "##s ##s [CLS] [SEP]"].map(|text| text.as_bytes().to_vec());
    let mut model = Model::load(weights()).unwrap();
    Target::new("texts", &corpus).words(&["##", "tide", "\u{301}", "漢"]).cases(20_000).run_text(|text| {
        assert!(model.embed(text).vector.iter().all(|number| number.is_finite()));
        for span in model.split(text, 8, 3).unwrap() {
            assert!(text.get(span.start as usize..span.end as usize).is_some(), "{span:?}");
        }
    });
}

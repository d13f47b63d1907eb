//! The same bits on every host: one digest over many vectors, committed, for every build of the component and every machine
//! that can be had here. Replicas that embed by themselves answer alike only if this holds.

mod bare;
mod node;

use sha2::{Digest, Sha256};
use skerry_host::Embedder;

use crate::artefacts::{ENGINE, LIMITS, PACKED, component, wasm};
use crate::embedding::golden_texts;
use bare::Bare;

/// SHA-256 of the vectors of [`calls`], as little-endian `f32` one after another.
///
/// It changes with the arithmetic, and then so must the revision in the model's id, because vectors of two kinds must not be
/// compared. The failing test prints the new one; put it here when all of them print the same.
const DIGEST: &str = "e7668107c7ff4fa712747979e3ecd6c79dacc08987e54ca74b169ae4b61fa3eb";

/// Calls with one text and with several: golden texts, long ones, and such that tokenizers stumble over.
fn calls() -> Vec<Vec<String>> {
    let golden: Vec<String> = golden_texts().into_iter().map(str::to_owned).collect();
    let long = |words: usize| golden.iter().flat_map(|text| text.split(' ')).cycle().take(words).collect::<Vec<_>>();
    let hard = [
        "",
        " \t\r\n",
        "\u{0}\u{1}\u{fffd}\u{200b}\u{ad}",
        "!!! ??? ... ,,, ((( )))",
        "Ünïcödé ÀÉÎÕÜ ﬁ ﬂ Ǆ İstanbul ß ẞ",
        "潮汐 漲潮 高潮 조수 潮の満ち引き",
        "مد وجزر גאות ושפל",
        "🌊🚢⚓️👩‍👩‍👧‍👦🇳🇴",
        "a\u{301}\u{302}\u{303}\u{304}\u{305}",
        "supercalifragilisticexpialidocious-antidisestablishmentarianism",
        "0123456789 3.14159e-10 0xdeadbeef 1/2 ½ ²",
        "fn main() { println!(\"{:?}\", [0u8; 16]); }",
    ];
    let mut texts: Vec<String> = hard.map(str::to_owned).into();
    texts.push("x".repeat(5_000));
    texts.push("the ".repeat(1_000));
    texts.extend([30, 62, 63, 64, 127, 400].map(|words| long(words).join(" ")));
    let mut calls: Vec<Vec<String>> = texts.iter().map(|text| vec![text.clone()]).collect();
    calls.push(golden);
    // Short and long ones by turns, since what one leaves behind must not reach the next.
    calls.push(vec![texts[1].clone(), texts[13].clone(), texts[0].clone(), texts[7].clone(), texts[16].clone()]);
    calls
}

/// The digest of what `embed` answers to every call.
fn digest(calls: &[Vec<String>], mut embed: impl FnMut(&[String]) -> Vec<Vec<f32>>) -> String {
    let mut digest = Sha256::new();
    for call in calls {
        for vector in embed(call) {
            assert_eq!(vector.len(), 384);
            vector.iter().for_each(|number| digest.update(number.to_le_bytes()));
        }
    }
    hex::encode(digest.finalize())
}

fn check(digest: &str, where_: &str) {
    assert_eq!(digest, DIGEST, "{where_}: the digest of the vectors is {digest}");
}

/// As a node runs it: the pool, all features of this processor.
#[test]
fn the_pool_gives_these_bits() {
    let pool = Embedder::new(&ENGINE, &component("embedding"), 2, LIMITS).unwrap();
    let embed = |texts: &[String]| {
        let texts: Vec<&str> = texts.iter().map(String::as_str).collect();
        pool.embed(&texts).unwrap().into_iter().map(|embedding| embedding.vector).collect()
    };
    check(&digest(&calls(), embed), "the pool");
}

/// Plain SIMD, all features of this processor.
#[test]
fn plain_simd_gives_these_bits() {
    let mut bare = Bare::new(&wasm("embedding-simd128"), None);
    check(&digest(&calls(), |texts| bare.embed(texts)), "plain SIMD");
}

/// The scalar twin of the kernel, natively.
fn scalar(calls: &[Vec<String>]) -> String {
    let mut model = skerry_embedding::Model::load(PACKED.clone()).unwrap();
    digest(calls, |texts| texts.iter().map(|text| model.embed(text).vector).collect())
}

/// Neither SIMD nor WebAssembly.
#[test]
fn scalar_code_gives_these_bits() {
    check(&scalar(&calls()), "native scalar code");
}

/// An old x86-64 without AVX, FMA and the rest: what relaxed SIMD leaves to the processor must make no difference. Code for it
/// is slow, so a part of the calls must do, against the scalar code that gives all of these bits.
#[test]
#[cfg(all(target_arch = "x86_64", target_os = "linux", target_env = "gnu"))]
fn a_processor_without_avx_gives_these_bits() {
    let mut calls = calls();
    calls.retain(|call| call.len() == 1 && call[0].len() < 500);
    assert!(calls.len() >= 12);
    let expected = scalar(&calls);
    for name in ["embedding", "embedding-simd128"] {
        let mut bare = Bare::new(&wasm(name), Some("x86_64-unknown-linux-gnu"));
        assert_eq!(digest(&calls, |texts| bare.embed(texts)), expected, "{name} without AVX");
    }
}

/// V8, by way of jco: another compiler and another runtime.
#[test]
fn node_gives_these_bits() {
    check(&node::digest("embedding-simd128", &[]), "Node");
}

/// V8 with relaxed SIMD, which Node 20 has behind a flag. Its baseline compiler gets `i32x4.relaxed_dot_i8x16_i7x16_add_s` wrong
/// (V8 11.3 adds the dot product to itself instead of the sum); the component must not depend on that instruction.
#[test]
fn node_gives_these_bits_with_relaxed_simd() {
    const FLAG: &str = "--experimental-wasm-relaxed-simd";
    let flags: &[&str] = if node::has_flag(FLAG) { &[FLAG] } else { &[] };
    check(&node::digest("embedding", flags), "Node with relaxed SIMD");
}

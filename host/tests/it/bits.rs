//! The same bits on every host: one digest over many vectors, committed, for every build of the component and every machine
//! that can be had here. Replicas that embed by themselves answer alike only if this holds.

mod bare;
pub(crate) mod calls;
mod node;

use sha2::{Digest, Sha256};
use skerry_host::Embedder;

use crate::artefacts::{ENGINE, LIMITS, PACKED, component, wasm};
use crate::embedding::golden_texts;
use bare::Bare;
use calls::DIGEST;

fn calls() -> Vec<Vec<String>> {
    calls::calls(golden_texts().into_iter().map(str::to_owned).collect())
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

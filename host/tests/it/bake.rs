use skerry_host::bake::{self, BakeError};
use skerry_host::inspect;

use crate::artefacts::{PACKED, documents, wasm};

/// Replicas that bake the same records must get the same file, or nothing could be compared or signed.
#[test]
fn baking_is_reproducible() {
    let segment = || bake::segment(&wasm("query"), (0..4).map(|batch| documents(batch * 50, 50)), &|_| ()).unwrap();
    assert!(segment() == segment());
    let embedding = || bake::embedding(&wasm("unbaked/embedding"), &PACKED, &mut |_, _| {}).unwrap();
    assert!(embedding() == wasm("embedding"), "another image than xtask's; run `cargo xtask components`");
}

/// A flipped bit in 23 MB of weights would give wrong vectors for ever: it must not get in.
#[test]
fn damaged_weights_are_refused() {
    let unbaked = wasm("unbaked/embedding");
    for position in [0, 100, PACKED.len() / 2, PACKED.len() - 1] {
        let mut damaged = PACKED.clone();
        damaged[position] ^= 1;
        let error = bake::embedding(&unbaked, &damaged, &mut |_, _| {}).unwrap_err();
        assert!(matches!(error, BakeError::Weights(_)), "{error:?} for a flipped bit at {position}");
    }
    for length in [0, 10, PACKED.len() - 1] {
        let error = bake::embedding(&unbaked, &PACKED[..length], &mut |_, _| {}).unwrap_err();
        assert!(matches!(error, BakeError::Weights(_)), "{error:?} for {length} bytes");
    }
}

/// Baking twice would bake over a model that vectors were already made with.
#[test]
fn a_baked_component_takes_no_weights() {
    let error = bake::embedding(&wasm("embedding"), &PACKED, &mut |_, _| {}).unwrap_err();
    assert!(matches!(error, BakeError::AlreadyLoaded), "{error:?}");
}

/// If the image were not mapped, every instance would silently copy 23 MB.
#[test]
fn the_embedding_image_is_mapped() {
    let image = inspect::memory_image(&wasm("embedding")).unwrap();
    assert!(image.span_bytes > 20 << 20 && image.is_mapped(), "{image:?}");
}

/// Documents refused while baking name their reason, and bytes that are no component are no reason to panic.
#[test]
fn what_cannot_be_baked_is_named() {
    let mut batch = documents(0, 2);
    batch[0].chunks[0].vector = vec![f32::NAN; 384];
    let error = bake::segment(&wasm("query"), std::iter::once(batch), &|_| ()).unwrap_err();
    assert!(matches!(error, BakeError::Document(_)), "{error:?}");
    let query = wasm("query");
    assert!(bake::segment(&query[..query.len() / 2], std::iter::empty(), &|_| ()).is_err());
    assert!(bake::segment(b"nonsense", std::iter::empty(), &|_| ()).is_err());
    assert!(bake::segment(&wasm("geometry"), std::iter::empty(), &|_| ()).is_err());
}

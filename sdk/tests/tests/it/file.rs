//! The snapshot format, written by hand from docs/format.md: what reads it must not only read what our own writer makes of it.

use ring::signature::{Ed25519KeyPair, KeyPair};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

/// What a component that holds others begins with.
const PREAMBLE: [u8; 8] = [0x00, 0x61, 0x73, 0x6d, 0x0d, 0x00, 0x01, 0x00];

/// A section: id, length, content.
fn section(id: u8, content: &[u8]) -> Vec<u8> {
    let mut bytes = vec![id];
    let mut length = content.len();
    loop {
        let digit = (length & 0x7f) as u8;
        length >>= 7;
        bytes.push(if length == 0 { digit } else { digit | 0x80 });
        if length == 0 {
            break;
        }
    }
    bytes.extend_from_slice(content);
    bytes
}

fn custom(name: &str, content: &[u8]) -> Vec<u8> {
    let mut bytes = vec![name.len() as u8];
    bytes.extend_from_slice(name.as_bytes());
    bytes.extend_from_slice(content);
    section(0, &bytes)
}

/// A snapshot of a baked query component, with the model's component in it where there is one.
pub(crate) fn snapshot(query: &[u8], embedding: Option<&[u8]>, model: &Value, records: usize) -> Vec<u8> {
    let part = |name: &str, bytes: &[u8]| json!({ "name": name, "sha256": hex::encode(Sha256::digest(bytes)), "bytes": bytes.len() });
    let mut parts = vec![part("query", query)];
    let mut file = match embedding {
        None => query.to_vec(),
        Some(embedding) => {
            parts.push(part("embedding", embedding));
            [&PREAMBLE[..], &section(4, query), &section(4, embedding)].concat()
        }
    };
    let manifest = json!({
        "format": 1, "project": "docs", "description": "paragraphs", "version": "00".repeat(32), "heads": {}, "epoch": "0-0000000000000000",
        "model": model, "chunking": { "tokens": 256, "overlap": 32 }, "records": records, "chunks": records, "has_records": true,
        "has_model": embedding.is_some(), "parts": parts, "made_by": "a test",
    });
    file.extend(custom("skerry-manifest", manifest.to_string().as_bytes()));
    file
}

/// The same signed.
pub(crate) fn signed(mut file: Vec<u8>, key: &Ed25519KeyPair) -> Vec<u8> {
    let signature = key.sign(&[&b"skerry snapshot v1\n"[..], &Sha256::digest(&file)].concat());
    let said = json!({
        "algorithm": "ed25519", "key": hex::encode(key.public_key()), "signature": hex::encode(signature),
    });
    file.extend(custom("skerry-signature", said.to_string().as_bytes()));
    file
}

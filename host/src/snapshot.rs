//! Snapshots: a project at a version as one file, which is a component.
//!
//! The file is the query component baked with the project's segment, or a composition of that and the embedding component.
//! Behind it stand two custom sections, which every WebAssembly tool passes over: a manifest that says what it is and names
//! the SHA-256 of its parts, and a signature. Any other host runs the file as it is. This one takes the parts out and compiles
//! each by itself, so that fifty snapshots share one compiled model.
//!
//! A snapshot is data and safe to take from anyone: its code imports nothing and runs under limits. The signature says whose
//! answers these are. Native code is another matter: [`crate::artefact`].

mod compose;
mod manifest;
mod reader;
mod sections;

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use crate::call::CallError;
use crate::inspect::InspectError;
use crate::keys::{PublicKey, SigningKey, TrustedKeys};

pub use manifest::{Chunking, FORMAT, Manifest, Model, Part};
pub use reader::SnapshotReader;
use sections::{COMPONENT, Section};

/// Names of the custom sections.
pub const MANIFEST_SECTION: &str = "skerry-manifest";
/// The one with the signature, which is the last.
pub const SIGNATURE_SECTION: &str = "skerry-signature";

/// Name of the part that is the baked query component.
pub const QUERY: &str = "query";
/// Name of the part that is the embedding component.
pub const EMBEDDING: &str = "embedding";

/// What a signature is over, before the digest.
const SIGNED: &[u8] = b"skerry snapshot v1\n";

/// Why a snapshot was not made, or is not used.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SnapshotError {
    /// The file is something else.
    #[error("this is no snapshot: {0}. `skerry bake` makes one")]
    NotASnapshot(String),
    /// It was made by a newer program.
    #[error("this snapshot has format {found}; this program knows format {FORMAT}. Use a newer skerry")]
    Format {
        /// Its format.
        found: u32,
    },
    /// It is not what was baked: a byte was changed, or some are missing.
    #[error("the snapshot was changed or damaged after it was baked: {0}. Get it anew from whoever baked it")]
    Changed(String),
    /// A signature is asked for, and there is none.
    #[error("the snapshot is not signed; ask whoever baked it for one that is (`skerry bake --sign`)")]
    Unsigned,
    /// Somebody signed it who is not trusted here.
    #[error(
        "the snapshot is signed by {key}, which is not among the trusted keys; add it to the list if you trust its owner"
    )]
    Untrusted {
        /// Who signed.
        key: PublicKey,
    },
    /// The signature is not one of this file.
    #[error(
        "the signature of {key} is not of this file: it was changed, or the signature is another file's. Get it anew"
    )]
    Forged {
        /// Who is said to have signed.
        key: PublicKey,
    },
    /// What the manifest says does not go with the parts that were given; a fault of the caller.
    #[error("the snapshot cannot be put together: {0}")]
    Inconsistent(String),
    /// A part is no component.
    #[error(transparent)]
    Inspect(#[from] InspectError),
    /// A part is a component, and not one that this host runs.
    #[error(transparent)]
    Call(#[from] CallError),
}

/// Puts the file together. `manifest.parts` is filled in; everything else must be as it was baked into `query`.
///
/// # Errors
/// [`SnapshotError::Inconsistent`] when `manifest.has_model` does not say whether there is an embedding component.
pub fn assemble(query: &[u8], embedding: Option<&[u8]>, manifest: &Manifest) -> Result<Vec<u8>, SnapshotError> {
    if manifest.has_model != embedding.is_some() {
        return Err(SnapshotError::Inconsistent("the manifest and the parts do not agree on a model".to_owned()));
    }
    let mut file = match embedding {
        None => query.to_vec(),
        Some(embedding) => compose::compose(query, embedding),
    };
    let parts = [(QUERY, Some(query)), (EMBEDDING, embedding)];
    let parts = parts.into_iter().filter_map(|(name, bytes)| bytes.map(|bytes| Part::of(name, bytes))).collect();
    let manifest = Manifest { parts, ..manifest.clone() };
    sections::append_custom(&mut file, MANIFEST_SECTION, &manifest.encode());
    Ok(file)
}

/// Signs a file, in the place of a signature that it has.
///
/// # Errors
/// As [`SnapshotFile::read`]: what is damaged is not signed.
pub fn sign(file: Vec<u8>, key: &SigningKey) -> Result<Vec<u8>, SnapshotError> {
    let unsigned = SnapshotFile::read(&file)?.unsigned.len();
    let mut file = file;
    file.truncate(unsigned);
    let signature = Signature {
        algorithm: Algorithm::Ed25519,
        key: key.public().to_string(),
        signature: key.sign(&message(&file)),
    };
    sections::append_custom(&mut file, SIGNATURE_SECTION, &signature.encode());
    Ok(file)
}

fn message(unsigned: &[u8]) -> Vec<u8> {
    [SIGNED, Sha256::digest(unsigned).as_slice()].concat()
}

/// What the last section holds.
#[allow(clippy::struct_field_names, reason = "the members' names are the format's")]
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct Signature {
    algorithm: Algorithm,
    key: String,
    signature: String,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Algorithm {
    Ed25519,
}

impl Signature {
    fn encode(&self) -> Vec<u8> {
        serde_json::to_vec(self).unwrap_or_default()
    }
}

/// A snapshot's file whose parts are what its manifest says.
#[derive(Debug)]
pub struct SnapshotFile<'a> {
    manifest: Manifest,
    query: &'a [u8],
    embedding: Option<&'a [u8]>,
    /// Everything before the signature.
    unsigned: &'a [u8],
    signature: Option<(PublicKey, Signature)>,
}

impl<'a> SnapshotFile<'a> {
    /// Reads a file and checks every byte of its parts. Whose it is says [`verify`].
    ///
    /// # Errors
    /// [`SnapshotError::NotASnapshot`], [`SnapshotError::Format`] and [`SnapshotError::Changed`].
    pub fn read(file: &'a [u8]) -> Result<SnapshotFile<'a>, SnapshotError> {
        let sections = sections::all(file)?;
        let named = |name: &str| sections.iter().position(|section| section.custom_name() == Some(name));
        let at = named(MANIFEST_SECTION)
            .ok_or_else(|| SnapshotError::NotASnapshot(format!("it has no section `{MANIFEST_SECTION}`")))?;
        let (before, rest) = sections.split_at(at);
        let (manifest, signature) = match rest {
            [manifest] => (manifest, None),
            [manifest, signature] if signature.custom_name() == Some(SIGNATURE_SECTION) => (manifest, Some(signature)),
            _ => return Err(changed("there is something behind its manifest")),
        };
        let component = file.get(..manifest.start).unwrap_or_default();
        let unsigned = file.get(..manifest.end).unwrap_or_default();
        let manifest = read_manifest(manifest)?;
        let (query, embedding) = parts(component, before, &manifest)?;
        let signature = signature.map(|section| read_signature(section)).transpose()?;
        let read = SnapshotFile { manifest, query, embedding, unsigned, signature };
        read.check()?;
        Ok(read)
    }

    fn check(&self) -> Result<(), SnapshotError> {
        let found = [(QUERY, Some(self.query)), (EMBEDDING, self.embedding)];
        let found = found.into_iter().filter_map(|(name, bytes)| bytes.map(|bytes| Part::of(name, bytes)));
        if !found.eq(self.manifest.parts.iter().cloned()) {
            return Err(changed("its parts are not those that its manifest names"));
        }
        Ok(())
    }

    /// What it is.
    pub fn manifest(&self) -> &Manifest {
        &self.manifest
    }

    /// Who is said to have signed it. Only [`verify`] tells whether that is so.
    pub fn signer(&self) -> Option<PublicKey> {
        self.signature.as_ref().map(|(key, _)| *key)
    }

    /// The component of a part, [`QUERY`] or [`EMBEDDING`].
    pub fn part(&self, name: &str) -> Option<&'a [u8]> {
        match name {
            QUERY => Some(self.query),
            EMBEDDING => self.embedding,
            _ => None,
        }
    }

    /// SHA-256 of a part, lowercase hex.
    pub fn part_sha256(&self, name: &str) -> Option<&str> {
        self.manifest.parts.iter().find(|part| part.name == name).map(|part| part.sha256.as_str())
    }
}

/// Whether a snapshot is one that somebody signed who is trusted.
///
/// # Errors
/// [`SnapshotError::Unsigned`], [`SnapshotError::Untrusted`] and [`SnapshotError::Forged`].
pub fn verify(file: &SnapshotFile<'_>, trusted: &TrustedKeys) -> Result<(), SnapshotError> {
    let (key, signature) = file.signature.as_ref().ok_or(SnapshotError::Unsigned)?;
    let key = *key;
    if !trusted.contains(&key) {
        return Err(SnapshotError::Untrusted { key });
    }
    let bytes = hex::decode(&signature.signature).unwrap_or_default();
    if key.signed(&message(file.unsigned), &bytes) { Ok(()) } else { Err(SnapshotError::Forged { key }) }
}

fn changed(what: &str) -> SnapshotError {
    SnapshotError::Changed(what.to_owned())
}

/// The parts of a component: itself, or the two that it is composed of.
fn parts<'a>(
    component: &'a [u8],
    sections: &[Section<'a>],
    manifest: &Manifest,
) -> Result<(&'a [u8], Option<&'a [u8]>), SnapshotError> {
    if !manifest.has_model {
        return Ok((component, None));
    }
    let nested: Vec<&'a [u8]> =
        sections.iter().filter(|section| section.id == COMPONENT).map(|section| section.body).collect();
    let [query, embedding] = nested.as_slice() else { return Err(changed("it does not hold two components")) };
    if compose::compose(query, embedding) != component {
        return Err(changed("its components are not put together as they were"));
    }
    Ok((query, Some(embedding)))
}

fn read_manifest(section: &Section<'_>) -> Result<Manifest, SnapshotError> {
    let manifest = Manifest::decode(section.custom_data().unwrap_or_default())?;
    // Sections may be written in more than one way, and JSON too: what is not as we write it was written by somebody else.
    let mut written = Vec::new();
    sections::append_custom(&mut written, MANIFEST_SECTION, &manifest.encode());
    if written == section.whole { Ok(manifest) } else { Err(changed("its manifest is not as it was written")) }
}

fn read_signature(section: &Section<'_>) -> Result<(PublicKey, Signature), SnapshotError> {
    let data = section.custom_data().unwrap_or_default();
    let signature: Signature = serde_json::from_slice(data).map_err(|_| changed("its signature cannot be read"))?;
    let key: PublicKey = signature.key.parse().map_err(|_| changed("its signature names no key"))?;
    // Digits in capitals would be read as the same, and be other bytes.
    let digits = hex::decode(&signature.signature).map(hex::encode);
    if key.to_string() != signature.key || digits.as_ref() != Ok(&signature.signature) {
        return Err(changed("its signature is not as it was written"));
    }
    let mut written = Vec::new();
    sections::append_custom(&mut written, SIGNATURE_SECTION, &signature.encode());
    if written != section.whole {
        return Err(changed("its signature is not as it was written"));
    }
    Ok((key, signature))
}

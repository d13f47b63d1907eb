//! Native code for machines that do not compile: made here, signed, and loaded there only by a trusted signature.
//!
//! An artefact is two files: `<name>.cwasm`, what wasmtime compiled, and `<name>.cwasm.json`, which names the hashes of both the
//! code and the component that it was compiled from, and is signed. Native code cannot be checked, only its origin: whoever
//! holds the key vouches for the compilation. What is not signed and was not compiled by this machine is never loaded.

use std::fmt;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::str::FromStr;

use serde::{Deserialize, Serialize};
#[cfg(feature = "compile")]
use sha2::{Digest, Sha256};

#[cfg(feature = "compile")]
use crate::bake::BakeError;
use crate::cache::file_sha256;
use crate::components::Component;
use crate::engine::Engine;
use crate::keys::{PublicKey, TrustedKeys};
use crate::mmap;

/// Version of the description.
pub const FORMAT: u32 = 1;

/// The wasmtime that compiles here; code of another one is not loaded.
pub const WASMTIME: &str = "48.0.8";

/// What the signature is over, before the description.
const SIGNED: &[u8] = b"skerry artefact v1\n";

/// A kind of machine.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Profile {
    /// `x86-64-v3`: 64-bit x86 with AVX2, FMA and BMI (Haswell, Zen and later; all x86 functions in the cloud).
    X86_64V3,
    /// `aarch64`: 64-bit Arm, every one of them (Graviton, Raspberry Pi 3 and later).
    Aarch64,
}

#[cfg(feature = "compile")]
/// Features of a processor that `x86-64-v3` promises, as cranelift names them.
const V3: [&str; 11] = [
    "has_sse3",
    "has_ssse3",
    "has_sse41",
    "has_sse42",
    "has_popcnt",
    "has_avx",
    "has_avx2",
    "has_fma",
    "has_bmi1",
    "has_bmi2",
    "has_lzcnt",
];

impl Profile {
    /// All of them.
    pub const ALL: [Profile; 2] = [Profile::X86_64V3, Profile::Aarch64];

    /// Its name.
    pub fn name(self) -> &'static str {
        match self {
            Profile::X86_64V3 => "x86-64-v3",
            Profile::Aarch64 => "aarch64",
        }
    }

    /// The target that is compiled for.
    pub fn target(self) -> &'static str {
        match self {
            Profile::X86_64V3 => "x86_64-unknown-linux-gnu",
            Profile::Aarch64 => "aarch64-unknown-linux-gnu",
        }
    }

    #[cfg(feature = "compile")]
    fn features(self) -> &'static [&'static str] {
        match self {
            Profile::X86_64V3 => &V3,
            Profile::Aarch64 => &[],
        }
    }

    /// The profile of the processors that this program was built for.
    pub fn here() -> Option<Profile> {
        match std::env::consts::ARCH {
            "x86_64" => Some(Profile::X86_64V3),
            "aarch64" => Some(Profile::Aarch64),
            _ => None,
        }
    }
}

impl fmt::Display for Profile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// That the text names no profile.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("there is no profile `{0}`; there are `x86-64-v3` and `aarch64`")]
pub struct UnknownProfile(String);

impl FromStr for Profile {
    type Err = UnknownProfile;

    fn from_str(text: &str) -> Result<Profile, UnknownProfile> {
        Profile::ALL.into_iter().find(|profile| profile.name() == text).ok_or_else(|| UnknownProfile(text.to_owned()))
    }
}

/// What an artefact is, without a signature. Its JSON, in the order of its members, is what is signed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Description {
    /// [`FORMAT`].
    pub format: u32,
    /// SHA-256 of the component that it was compiled from.
    pub wasm_sha256: String,
    /// SHA-256 of the code.
    pub cwasm_sha256: String,
    /// Length of the code.
    pub bytes: u64,
    /// The target's triple.
    pub target: String,
    /// The profile's name.
    pub profile: String,
    /// Version of wasmtime.
    pub wasmtime: String,
}

/// A description and whose it is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SignedDescription {
    /// What was signed.
    #[serde(flatten)]
    pub description: Description,
    /// The public key, hex.
    pub key: String,
    /// The signature, hex.
    pub signature: String,
}

/// Why native code is not loaded. Without it the component is compiled, where that can be done.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ArtefactError {
    /// A file cannot be read.
    #[error("cannot read {}: {source}", .path.display())]
    Io {
        /// Which.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// The description is none, or of another format.
    #[error("{} does not describe native code: {reason}; make the artefact anew", .path.display())]
    Malformed {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        reason: String,
    },
    /// Nobody who is trusted signed it.
    #[error(
        "the native code {} is signed by {key}, which is not among the trusted keys; it is not loaded. Add the key to the list \
         if you trust its owner with this machine",
        .path.display()
    )]
    Untrusted {
        /// The file.
        path: PathBuf,
        /// Who is said to have signed.
        key: PublicKey,
    },
    /// The signature is of something else.
    #[error("the signature of the native code {} is not of its description; it is not loaded. Get it anew", .path.display())]
    Forged {
        /// The file.
        path: PathBuf,
    },
    /// The code is not what was signed.
    #[error("the native code {} was changed after it was signed; it is not loaded. Get it anew", .path.display())]
    Changed {
        /// The file.
        path: PathBuf,
    },
    /// It was compiled from another component than the one that is wanted.
    #[error(
        "the native code {} was compiled from the component {found}, not from {wanted}; it is not loaded",
        .path.display()
    )]
    Foreign {
        /// The file.
        path: PathBuf,
        /// SHA-256 of the component that it is of.
        found: String,
        /// SHA-256 of the component that is wanted.
        wanted: String,
    },
    /// It is for another machine or another wasmtime.
    #[error("the native code {} does not run here: {reason}. Make it anew for this machine", .path.display())]
    Incompatible {
        /// The file.
        path: PathBuf,
        /// What differs.
        reason: String,
    },
}

/// Compiles a component for a kind of machine, whatever this one is.
///
/// # Errors
/// [`BakeError::Failed`] when the bytes are no component.
#[cfg(feature = "compile")]
pub fn compile_for(profile: Profile, wasm: &[u8]) -> Result<Vec<u8>, BakeError> {
    let engine = wasmtime::Engine::new(&crate::engine::for_target(profile.target(), profile.features())?)?;
    Ok(engine.precompile_component(wasm)?)
}

/// Compiles a component for a kind of machine and signs what came out: the code, and what goes beside it as JSON.
///
/// # Errors
/// As [`compile_for`].
#[cfg(feature = "compile")]
pub fn compile_and_sign(
    profile: Profile,
    wasm: &[u8],
    key: &crate::keys::SigningKey,
) -> Result<(Vec<u8>, SignedDescription), BakeError> {
    let code = compile_for(profile, wasm)?;
    let description = Description {
        format: FORMAT,
        wasm_sha256: hex::encode(Sha256::digest(wasm)),
        cwasm_sha256: hex::encode(Sha256::digest(&code)),
        bytes: code.len() as u64,
        target: profile.target().to_owned(),
        profile: profile.name().to_owned(),
        wasmtime: WASMTIME.to_owned(),
    };
    let signature = key.sign(&message(&description));
    Ok((code, SignedDescription { description, key: key.public().to_string(), signature }))
}

fn message(description: &Description) -> Vec<u8> {
    [SIGNED, &serde_json::to_vec(description).unwrap_or_default()].concat()
}

/// The file beside an artefact that describes it.
pub fn description_path(code: &Path) -> PathBuf {
    let mut path = code.as_os_str().to_owned();
    path.push(".json");
    PathBuf::from(path)
}

/// Writes an artefact's two files: the description last, so that code without one is unfinished.
///
/// # Errors
/// What the system says; the description is not there then.
pub fn write(code_path: &Path, code: &[u8], description: &SignedDescription) -> io::Result<()> {
    fs::write(code_path, code)?;
    fs::write(description_path(code_path), serde_json::to_vec(description)?)
}

/// Loads native code of a component when a trusted key has signed it: maps it, as the cache of this machine's own code does.
/// The file must not be written to while it is mapped; put another one in its place by renaming.
///
/// # Errors
/// [`ArtefactError`]; nothing of the code was used then.
pub fn load_signed(
    engine: &Engine,
    path: &Path,
    trusted: &TrustedKeys,
    wasm_sha256: &str,
) -> Result<Component, ArtefactError> {
    let beside = description_path(path);
    let json = fs::read(&beside).map_err(|source| ArtefactError::Io { path: beside.clone(), source })?;
    let malformed = |reason: String| ArtefactError::Malformed { path: beside.clone(), reason };
    let signed: SignedDescription = serde_json::from_slice(&json).map_err(|error| malformed(error.to_string()))?;
    check_signature(&signed, path, trusted)?;
    let Description { format, wasm_sha256: found, cwasm_sha256, bytes, wasmtime, .. } = signed.description;
    // From here on the description is what somebody who is trusted said.
    if format != FORMAT {
        return Err(malformed(format!("it has format {format}; this program knows format {FORMAT}")));
    }
    if found != wasm_sha256 {
        return Err(ArtefactError::Foreign { path: path.to_owned(), found, wanted: wasm_sha256.to_owned() });
    }
    let incompatible = |reason: String| ArtefactError::Incompatible { path: path.to_owned(), reason };
    if wasmtime != WASMTIME {
        return Err(incompatible(format!("it was compiled by wasmtime {wasmtime}, and this is {WASMTIME}")));
    }
    let unreadable = |source| ArtefactError::Io { path: path.to_owned(), source };
    let length = fs::metadata(path).map_err(unreadable)?.len();
    if length != bytes || file_sha256(path).map_err(unreadable)? != cwasm_sha256 {
        return Err(ArtefactError::Changed { path: path.to_owned() });
    }
    let loaded = mmap::load_file(engine.wasm(), path).map_err(|error| incompatible(format!("{error:#}")))?;
    Ok(Component::of(loaded))
}

fn check_signature(signed: &SignedDescription, path: &Path, trusted: &TrustedKeys) -> Result<(), ArtefactError> {
    let forged = || ArtefactError::Forged { path: path.to_owned() };
    let key: PublicKey = signed.key.parse().map_err(|_| forged())?;
    if !trusted.contains(&key) {
        return Err(ArtefactError::Untrusted { path: path.to_owned(), key });
    }
    let signature = hex::decode(&signed.signature).map_err(|_| forged())?;
    if key.signed(&message(&signed.description), &signature) { Ok(()) } else { Err(forged()) }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The version that stands in descriptions is the one that compiles: the lock file says which that is.
    #[test]
    fn the_version_of_wasmtime_is_right() {
        let lock = include_str!("../../Cargo.lock");
        assert!(lock.contains(&format!("name = \"wasmtime\"\nversion = \"{WASMTIME}\"\n")));
    }

    /// What is signed is part of the format: members, their order, no white space.
    #[test]
    fn the_message_is_pinned() {
        let description = Description {
            format: 1,
            wasm_sha256: "aa".to_owned(),
            cwasm_sha256: "bb".to_owned(),
            bytes: 3,
            target: Profile::Aarch64.target().to_owned(),
            profile: Profile::Aarch64.name().to_owned(),
            wasmtime: "48.0.8".to_owned(),
        };
        let expected = concat!(
            "skerry artefact v1\n",
            r#"{"format":1,"wasm_sha256":"aa","cwasm_sha256":"bb","bytes":3,"target":"aarch64-unknown-linux-gnu","#,
            r#""profile":"aarch64","wasmtime":"48.0.8"}"#
        );
        assert_eq!(String::from_utf8(message(&description)).unwrap(), expected);
        assert_eq!("x86-64-v3".parse(), Ok(Profile::X86_64V3));
        assert!("riscv".parse::<Profile>().is_err());
    }
}

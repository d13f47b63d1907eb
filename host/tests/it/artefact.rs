//! Native code that comes from elsewhere is loaded by a trusted signature, and every other way is closed.

use std::path::{Path, PathBuf};

use sha2::{Digest, Sha256};
use skerry_host::Segment;
use skerry_host::artefact::{
    self, ArtefactError, Profile, SignedDescription, compile_and_sign, compile_for, description_path, load_signed,
};
use skerry_host::keys::{SigningKey, TrustedKeys};

use crate::artefacts::{ENGINE, LIMITS, requests};
use crate::snapshot::small;

fn here() -> Profile {
    Profile::here().expect("tests run on a machine of a profile")
}

/// A component, its signed code for this machine in a folder, and who is trusted.
struct Signed {
    dir: tempfile::TempDir,
    wasm: Vec<u8>,
    key: SigningKey,
    trusted: TrustedKeys,
    description: SignedDescription,
}

impl Signed {
    fn new() -> Signed {
        let wasm = skerry_host::snapshot::SnapshotFile::read(&small(50).1).unwrap().part("query").unwrap().to_vec();
        let key = SigningKey::generate().unwrap();
        let (code, description) = compile_and_sign(here(), &wasm, &key).unwrap();
        let dir = tempfile::tempdir().unwrap();
        artefact::write(&dir.path().join("query.cwasm"), &code, &description).unwrap();
        Signed { dir, wasm, trusted: TrustedKeys::new([key.public()]), key, description }
    }

    fn code(&self) -> PathBuf {
        self.dir.path().join("query.cwasm")
    }

    fn sha256(&self) -> String {
        hex::encode(Sha256::digest(&self.wasm))
    }

    fn load(&self) -> Result<skerry_host::Component, ArtefactError> {
        load_signed(&ENGINE, &self.code(), &self.trusted, &self.sha256())
    }

    fn describe(&self, description: &SignedDescription) {
        std::fs::write(description_path(&self.code()), serde_json::to_vec(description).unwrap()).unwrap();
    }

    fn change(path: &Path, position: usize) {
        let mut bytes = std::fs::read(path).unwrap();
        bytes[position] ^= 1;
        std::fs::write(path, bytes).unwrap();
    }
}

/// Code that was compiled for a profile and signed runs here, and answers as code that was compiled here.
#[test]
fn signed_code_of_this_machine_runs() {
    let signed = Signed::new();
    let component = signed.load().unwrap();
    let mut loaded = Segment::new(&ENGINE, &component, LIMITS).unwrap();
    let compiled = skerry_host::Component::compile(&ENGINE, "query", &signed.wasm).unwrap();
    let mut compiled = Segment::new(&ENGINE, &compiled, LIMITS).unwrap();
    for request in requests() {
        assert_eq!(loaded.query(&request).unwrap(), compiled.query(&request).unwrap());
    }
}

/// Forged ones, each refused by its reason: a byte of the code, of the data, of the description; one byte too few; a file that
/// was moved.
#[test]
fn changed_code_is_never_loaded() {
    let signed = Signed::new();
    let whole = std::fs::read(signed.code()).unwrap();
    // The text section stands near the beginning, the data of memories behind it: bytes all over the file.
    for position in (64..whole.len()).step_by(whole.len() / 50) {
        Signed::change(&signed.code(), position);
        let refused = signed.load().unwrap_err();
        assert!(matches!(refused, ArtefactError::Changed { .. }), "byte {position}: {refused}");
        Signed::change(&signed.code(), position);
    }
    for length in [0, whole.len() - 1] {
        std::fs::write(signed.code(), &whole[..length]).unwrap();
        assert!(matches!(signed.load(), Err(ArtefactError::Changed { .. })), "cut to {length}");
    }
    std::fs::write(signed.code(), [&whole[..], b"x"].concat()).unwrap();
    assert!(matches!(signed.load(), Err(ArtefactError::Changed { .. })));
    std::fs::write(signed.code(), &whole).unwrap();
    signed.load().unwrap();

    let json = std::fs::read(description_path(&signed.code())).unwrap();
    for position in 0..json.len() {
        Signed::change(&description_path(&signed.code()), position);
        assert!(signed.load().is_err(), "byte {position} of the description");
        Signed::change(&description_path(&signed.code()), position);
    }
    std::fs::remove_file(description_path(&signed.code())).unwrap();
    assert!(matches!(signed.load(), Err(ArtefactError::Io { .. })), "without a signature there is nothing to trust");
}

/// Who signed: a key that nobody trusts, a trusted name under somebody else's signature, the signature of another artefact.
#[test]
fn code_that_nobody_trusted_signed_is_never_loaded() {
    let signed = Signed::new();
    let stranger = SigningKey::generate().unwrap();
    let (code, theirs) = compile_and_sign(here(), &signed.wasm, &stranger).unwrap();
    artefact::write(&signed.code(), &code, &theirs).unwrap();
    let refused = signed.load().unwrap_err();
    assert!(matches!(refused, ArtefactError::Untrusted { key, .. } if key == stranger.public()), "{refused}");

    let borrowed = SignedDescription { key: signed.key.public().to_string(), ..theirs };
    signed.describe(&borrowed);
    assert!(matches!(signed.load(), Err(ArtefactError::Forged { .. })));

    let other = skerry_host::snapshot::SnapshotFile::read(&small(51).1).unwrap().part("query").unwrap().to_vec();
    let (_, of_other) = compile_and_sign(here(), &other, &signed.key).unwrap();
    let moved = SignedDescription { signature: of_other.signature.clone(), ..signed.description.clone() };
    signed.describe(&moved);
    assert!(matches!(signed.load(), Err(ArtefactError::Forged { .. })));

    // Both of its files, in the place of these: right in themselves, and of another component.
    let (code, of_other) = compile_and_sign(here(), &other, &signed.key).unwrap();
    artefact::write(&signed.code(), &code, &of_other).unwrap();
    let refused = signed.load().unwrap_err();
    assert!(matches!(refused, ArtefactError::Foreign { .. }), "{refused}");

    let nobody = load_signed(&ENGINE, &signed.code(), &TrustedKeys::default(), &signed.sha256());
    assert!(matches!(nobody, Err(ArtefactError::Untrusted { .. })));
}

/// Code for the other kind of machine is made here, deterministic, and refused by the runtime itself.
#[test]
fn code_is_made_for_other_machines_and_does_not_run_here() {
    let signed = Signed::new();
    let there = Profile::ALL.into_iter().find(|profile| *profile != here()).unwrap();
    let (code, description) = compile_and_sign(there, &signed.wasm, &signed.key).unwrap();
    assert!(compile_for(there, &signed.wasm).unwrap() == code);
    artefact::write(&signed.code(), &code, &description).unwrap();
    let refused = signed.load().unwrap_err();
    assert!(matches!(refused, ArtefactError::Incompatible { .. }), "{refused}");
}

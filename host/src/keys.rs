//! Keys: one signs what is handed on, a list says whose signatures count. Ed25519, by ring.

use std::collections::BTreeSet;
use std::fmt;
use std::fs;
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::str::FromStr;

use ring::rand::{SecureRandom, SystemRandom};
use ring::signature::{ED25519, Ed25519KeyPair, KeyPair, UnparsedPublicKey};

/// What the line of a key file begins with.
const SECRET: &str = "skerry-ed25519-secret";

/// Why a key, or a list of keys, cannot be used.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum KeyError {
    /// The file cannot be read or written.
    #[error("cannot use the key file {}: {source}", .path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// What the system says.
        source: io::Error,
    },
    /// A secret key that others may read is no secret.
    #[error("others may read the key in {}; take that from them with `chmod 600`, or make a new key", .path.display())]
    Exposed {
        /// The file.
        path: PathBuf,
    },
    /// It is not what it should be.
    #[error("{}: {reason}", .path.display())]
    Malformed {
        /// The file.
        path: PathBuf,
        /// What is wrong, and what should be there.
        reason: String,
    },
    /// The system has no randomness.
    #[error("the system gives no random numbers to make a key of")]
    Random,
}

/// A public key: names who signed. 64 hex digits.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PublicKey([u8; 32]);

impl fmt::Display for PublicKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&hex::encode(self.0))
    }
}

impl fmt::Debug for PublicKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{self}")
    }
}

/// That the text is not 64 hex digits.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a public key is 64 hex digits, as `skerry keys show` prints it")]
pub struct NotAKey;

impl FromStr for PublicKey {
    type Err = NotAKey;

    fn from_str(text: &str) -> Result<PublicKey, NotAKey> {
        let mut bytes = [0; 32];
        hex::decode_to_slice(text, &mut bytes).map_err(|_| NotAKey)?;
        Ok(PublicKey(bytes))
    }
}

impl PublicKey {
    /// Whether the key's holder signed this message.
    pub(crate) fn signed(&self, message: &[u8], signature: &[u8]) -> bool {
        UnparsedPublicKey::new(&ED25519, self.0).verify(message, signature).is_ok()
    }
}

/// A secret key. Not printed by `Debug`.
pub struct SigningKey {
    seed: [u8; 32],
    pair: Ed25519KeyPair,
}

impl fmt::Debug for SigningKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("SigningKey").field(&self.public()).finish()
    }
}

impl SigningKey {
    /// A new key.
    ///
    /// # Errors
    /// [`KeyError::Random`].
    pub fn generate() -> Result<SigningKey, KeyError> {
        let mut seed = [0; 32];
        SystemRandom::new().fill(&mut seed).map_err(|_| KeyError::Random)?;
        SigningKey::of(seed).ok_or(KeyError::Random)
    }

    fn of(seed: [u8; 32]) -> Option<SigningKey> {
        Ed25519KeyPair::from_seed_unchecked(&seed).ok().map(|pair| SigningKey { seed, pair })
    }

    /// Reads a key from a file that nobody else may read.
    ///
    /// # Errors
    /// [`KeyError`].
    pub fn read(path: &Path) -> Result<SigningKey, KeyError> {
        let unreadable = |source| KeyError::Io { path: path.to_owned(), source };
        let text = fs::read_to_string(path).map_err(unreadable)?;
        #[cfg(unix)]
        {
            use std::os::unix::fs::MetadataExt;
            if fs::metadata(path).map_err(unreadable)?.mode() & 0o077 != 0 {
                return Err(KeyError::Exposed { path: path.to_owned() });
            }
        }
        let mut seed = [0; 32];
        let digits = text.trim().strip_prefix(SECRET).map(str::trim);
        let key =
            digits.and_then(|digits| hex::decode_to_slice(digits, &mut seed).ok()).and_then(|()| SigningKey::of(seed));
        key.ok_or_else(|| KeyError::Malformed {
            path: path.to_owned(),
            reason: "this is no signing key; make one with `skerry keys new`".to_owned(),
        })
    }

    /// Writes the key to a new file that nobody else may read. On disk when this returns.
    ///
    /// # Errors
    /// [`KeyError::Io`], also when the file is there already: a key that is written over is gone.
    pub fn write(&self, path: &Path) -> Result<(), KeyError> {
        let failed = |source| KeyError::Io { path: path.to_owned(), source };
        let mut options = fs::OpenOptions::new();
        options.write(true).create_new(true);
        #[cfg(unix)]
        {
            use std::os::unix::fs::OpenOptionsExt;
            options.mode(0o600);
        }
        let mut file = options.open(path).map_err(failed)?;
        writeln!(file, "{SECRET} {}", hex::encode(self.seed)).and_then(|()| file.sync_all()).map_err(failed)
    }

    /// The public half.
    pub fn public(&self) -> PublicKey {
        let mut bytes = [0; 32];
        bytes.iter_mut().zip(self.pair.public_key().as_ref()).for_each(|(to, from)| *to = *from);
        PublicKey(bytes)
    }

    /// The signature of a message, in hex.
    pub(crate) fn sign(&self, message: &[u8]) -> String {
        hex::encode(self.pair.sign(message))
    }
}

/// The keys whose signatures count here.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct TrustedKeys(BTreeSet<PublicKey>);

impl TrustedKeys {
    /// These keys.
    pub fn new(keys: impl IntoIterator<Item = PublicKey>) -> TrustedKeys {
        TrustedKeys(keys.into_iter().collect())
    }

    /// Reads a list: a key in hex on each line, `#` before comments.
    ///
    /// # Errors
    /// [`KeyError::Io`], and [`KeyError::Malformed`] with the number of the first line that is none: a list is read whole or
    /// not at all.
    pub fn read(path: &Path) -> Result<TrustedKeys, KeyError> {
        let text = fs::read_to_string(path).map_err(|source| KeyError::Io { path: path.to_owned(), source })?;
        TrustedKeys::parse(&text)
            .map_err(|line| KeyError::Malformed { path: path.to_owned(), reason: format!("line {line}: {NotAKey}") })
    }

    /// As [`TrustedKeys::read`], of text.
    ///
    /// # Errors
    /// The number of the first line that is no key, from 1.
    pub fn parse(text: &str) -> Result<TrustedKeys, usize> {
        let mut keys = BTreeSet::new();
        for (number, line) in text.lines().enumerate() {
            let key = line.split('#').next().unwrap_or_default().trim();
            if !key.is_empty() {
                keys.insert(key.parse().map_err(|NotAKey| number + 1)?);
            }
        }
        Ok(TrustedKeys(keys))
    }

    /// Whether a key is among them.
    pub fn contains(&self, key: &PublicKey) -> bool {
        self.0.contains(key)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A key comes back from its file, which others cannot read and nobody writes over.
    #[test]
    fn keys_are_kept() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("key");
        let key = SigningKey::generate().unwrap();
        key.write(&path).unwrap();
        assert_eq!(SigningKey::read(&path).unwrap().public(), key.public());
        assert!(matches!(SigningKey::generate().unwrap().write(&path), Err(KeyError::Io { .. })));
        assert_eq!(SigningKey::read(&path).unwrap().public(), key.public());
        assert!(!format!("{key:?}").contains(&hex::encode(key.seed)));
        #[cfg(unix)]
        {
            use std::os::unix::fs::PermissionsExt;
            assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
            fs::set_permissions(&path, fs::Permissions::from_mode(0o644)).unwrap();
            assert!(matches!(SigningKey::read(&path), Err(KeyError::Exposed { .. })));
        }
    }

    /// A line that is misread would trust nobody or, worse, somebody else: the list is refused.
    #[test]
    fn lists_have_comments_and_no_mistakes() {
        let (one, two) = (SigningKey::generate().unwrap().public(), SigningKey::generate().unwrap().public());
        let list = TrustedKeys::parse(&format!("# ours\n{one} # Ada\n\n  {two}\n")).unwrap();
        assert!(list.contains(&one) && list.contains(&two));
        assert!(!list.contains(&SigningKey::generate().unwrap().public()));
        assert_eq!(TrustedKeys::parse(&format!("{one}\nnonsense")), Err(2));
        assert_eq!(TrustedKeys::parse(&format!("{one}0")), Err(1));
    }

    /// What one key signed, another did not, and not of another message.
    #[test]
    fn signatures_are_of_one_key_and_one_message() {
        let (key, other) = (SigningKey::generate().unwrap(), SigningKey::generate().unwrap());
        let signature = hex::decode(key.sign(b"tide")).unwrap();
        assert!(key.public().signed(b"tide", &signature));
        assert!(!other.public().signed(b"tide", &signature) && !key.public().signed(b"ebb", &signature));
        assert!(!key.public().signed(b"tide", &signature[..63]));
    }
}

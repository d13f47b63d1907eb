//! The rules for names that requests are refused by. They are the documents' rules, which a snapshot has no documents to ask
//! for; a test of the node holds both against each other.

use crate::problem::{Kind, Problem};

/// Bytes of a project's name at most.
const PROJECT_BYTES_MAX: usize = 64;

/// Bytes of a record's key at most.
const KEY_BYTES_MAX: usize = 512;

/// Whether this can be a project's name.
///
/// # Errors
/// [`Kind::InvalidName`].
pub fn check_project(name: &str) -> Result<(), Problem> {
    let allowed = |byte: u8| matches!(byte, b'a'..=b'z' | b'0'..=b'9' | b'.' | b'_' | b'-');
    let starts_well = name.bytes().next().is_some_and(|byte| byte.is_ascii_alphanumeric());
    if name.len() > PROJECT_BYTES_MAX || !starts_well || !name.bytes().all(allowed) {
        let shown: String = name.chars().take(80).collect();
        return Err(invalid(format!(
            "a project name has 1 to 64 of a-z 0-9 . _ - and starts with a letter or digit, unlike {shown:?}"
        )));
    }
    Ok(())
}

/// Whether this can be a record's key.
///
/// # Errors
/// [`Kind::InvalidName`].
pub fn check_key(key: &str) -> Result<(), Problem> {
    if key.is_empty() {
        return Err(invalid("a record key must not be empty".to_owned()));
    }
    if key.len() > KEY_BYTES_MAX {
        let found = key.len();
        return Err(invalid(format!("a record key has at most {KEY_BYTES_MAX} bytes of UTF-8, this one has {found}")));
    }
    match key.char_indices().find(|(_, character)| character.is_control()) {
        Some((at, character)) => Err(invalid(format!("a record key must not contain {character:?} (at byte {at})"))),
        None => Ok(()),
    }
}

fn invalid(detail: String) -> Problem {
    Problem::new(Kind::InvalidName, detail)
}

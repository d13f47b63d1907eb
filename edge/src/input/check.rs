//! What must hold of everything that was read before any of it is sent.
//!
//! A node checks each request by itself: it would refuse the second batch of an input whose first batch is on disk.

use std::collections::BTreeMap;

use super::{Found, InputError, Source};
use crate::body::RecordBody;

/// Checks that every record keeps the limits that a node has, and that no two files have a record of one key.
///
/// # Errors
/// [`InputError::Invalid`] with the first bad record and how many there are, [`InputError::SameKey`].
pub fn check(found: &[Found]) -> Result<(), InputError> {
    let mut faults = found.iter().filter_map(|found| Some((found, limits(&found.record).err()?)));
    if let Some((first, reason)) = faults.next() {
        let (place, key) = (first.source.to_string(), shown(&first.record.key));
        return Err(InputError::Invalid { place, key, reason, others: faults.count() });
    }
    let mut earlier: BTreeMap<&str, &Source> = BTreeMap::new();
    for Found { record, source } in found {
        if let Some(other) = earlier.insert(&record.key, source).filter(|other| !same_file(other, source)) {
            let (one, other) = (other.to_string(), source.to_string());
            return Err(InputError::SameKey { key: shown(&record.key), one, other });
        }
    }
    Ok(())
}

/// The checks of the server.
fn limits(body: &RecordBody) -> Result<(), String> {
    body.clone().into_record().map(drop)
}

/// True when both are in one file, however it was named.
fn same_file(one: &Source, other: &Source) -> bool {
    let real = |source: &Source| std::fs::canonicalize(&*source.file).ok();
    one.file == other.file || real(one).is_some_and(|path| real(other) == Some(path))
}

/// A key in a message: short, and without what would steer a terminal.
fn shown(key: &str) -> String {
    key.chars().flat_map(char::escape_debug).take(80).collect()
}

#[cfg(test)]
mod tests {
    use super::super::{Format, Input, parse, read_path};
    use super::*;

    /// A record behind the first batch must not be found out to be wrong when the first batch is published.
    #[test]
    fn limits_are_checked_with_their_place() {
        let said = |text: &str, kind| check(&parse(text, kind, "f", "k").unwrap().records).unwrap_err().to_string();
        let listed = said("[{\"key\":\"a\"},{\"key\":\"b\\u0007\"},{\"key\":\"\"}]", Format::Json);
        assert!(listed.starts_with("f, record 2: the record `b\\u{7}` is refused: a record key must not"), "{listed}");
        assert!(listed.contains("1 more"), "{listed}");
        assert!(said("{\"key\":\"a\"}\n\n{\"key\":\"\"}", Format::Jsonl).starts_with("f:3: "));
        let long = said(&"x".repeat((1 << 20) + 1), Format::Text);
        assert!(long.starts_with("f: ") && long.contains("at most 1048576"), "{long}");
        let layers: Vec<String> = (0..65).map(|index| format!("\"l{index}\"")).collect();
        let many = said(&format!("{{\"key\":\"a\",\"layers\":[{}]}}", layers.join(",")), Format::Json);
        assert!(many.contains("at most 64 layers"), "{many}");
        let link = said("{\"key\":\"a\",\"links\":[{\"type\":\"t\",\"members\":[]}]}", Format::Json);
        assert!(link.contains("no members"), "{link}");
    }

    /// Two files with one name in two folders: publishing both would leave one of them.
    #[test]
    fn two_files_do_not_become_one_record() {
        let dir = tempfile::tempdir().unwrap();
        let mut input = Input::default();
        for folder in ["a", "b"] {
            std::fs::create_dir(dir.path().join(folder)).unwrap();
            std::fs::write(dir.path().join(folder).join("n.txt"), folder).unwrap();
            input.append(read_path(&dir.path().join(folder), Format::Auto, None).unwrap());
        }
        let said = check(&input.records).unwrap_err().to_string();
        let names = ["a", "b"].map(|folder| dir.path().join(folder).join("n.txt").display().to_string());
        assert!(names.iter().all(|name| said.contains(name.as_str())) && said.contains("--key"), "{said}");
        assert!(check(&read_path(dir.path(), Format::Auto, None).unwrap().records).is_ok());
    }

    /// One file named twice is one input; of records in one file the last wins.
    #[test]
    fn one_file_may_say_a_key_twice() {
        let dir = tempfile::tempdir().unwrap();
        std::fs::write(dir.path().join("r.jsonl"), "{\"key\":\"a\"}\n{\"key\":\"a\",\"text\":\"b\"}\n").unwrap();
        let mut input = read_path(&dir.path().join("r.jsonl"), Format::Auto, None).unwrap();
        input.append(read_path(&dir.path().join("./r.jsonl"), Format::Auto, None).unwrap());
        assert_eq!(input.records.len(), 4);
        assert!(check(&input.records).is_ok());
    }
}

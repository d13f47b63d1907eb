//! How large saved Automerge bytes become, found out before Automerge unpacks them.
//!
//! A chunk of changes may be compressed, whole (type 2) or column by column (types 0 and 3), and a column may say in a few
//! bytes that a value is repeated 2^60 times. Automerge takes both at their word. So chunks are walked here first, by the
//! layout that Automerge itself reads (its `storage` module, version 0.12; the published binary format), and refused where
//! they pass a limit. What cannot be walked is refused too: nothing that Automerge would read gets past unseen.

use std::io::Read;

use flate2::read::DeflateDecoder;

use crate::chunks::{BUNDLE, CHANGE, COMPRESSED_CHANGE, Chunk, DOCUMENT, HASH_BYTES, Input, Layout};

/// Bytes that the chunks of one message, or of one stored chunk, may inflate to.
pub(crate) const INFLATED_BYTES_MAX: usize = 256 << 20;

/// Rows of one column at most. An operation is a row in most columns, and takes about 100 bytes once it is unpacked.
pub(crate) const ROWS_MAX: u64 = 8 << 20;

/// The bit of a column's specification that says it is compressed.
const DEFLATED: u64 = 0b1000;

/// Why chunks are not given to Automerge.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(crate) enum InflateError {
    /// They pass the limit on bytes.
    #[error("it inflates to more than {0} bytes")]
    Bytes(usize),
    /// A column passes the limit on rows.
    #[error("it holds more than {0} operations")]
    Rows(u64),
    /// Not laid out as chunks are.
    #[error("it is not made of whole Automerge chunks")]
    Layout,
}

/// Walks saved Automerge chunks, one after another; answers what they inflate to.
///
/// # Errors
/// [`InflateError`]; Automerge must not see them then.
pub(crate) fn check(chunks: &[u8], bytes_max: usize) -> Result<usize, InflateError> {
    let mut walk = Walk { bytes: 0, bytes_max };
    let mut rest = Input(chunks);
    while let Some(chunk) = rest.chunk()? {
        walk.chunk(chunk)?;
    }
    Ok(walk.bytes)
}

impl From<Layout> for InflateError {
    fn from(_: Layout) -> Self {
        InflateError::Layout
    }
}

struct Walk {
    bytes: usize,
    bytes_max: usize,
}

impl Walk {
    fn chunk(&mut self, chunk: Chunk<'_>) -> Result<(), InflateError> {
        let Chunk { kind, mut data, .. } = chunk;
        match kind {
            DOCUMENT => {
                data.each(Input::prefixed)?;
                data.each(|data| data.take(HASH_BYTES))?;
                let (changes, operations) = (data.columns()?, data.columns()?);
                self.columns(&changes, &mut data)?;
                self.columns(&operations, &mut data)
            }
            CHANGE => {
                self.add(data.0.len())?;
                change(data)
            }
            COMPRESSED_CHANGE => {
                let inflated = self.inflate(data.0)?;
                change(Input(&inflated))
            }
            BUNDLE => {
                data.each(|data| data.take(HASH_BYTES))?;
                data.each(Input::prefixed)?;
                let changes = data.columns()?;
                self.columns(&changes, &mut data)?;
                let operations = data.columns()?;
                self.columns(&operations, &mut data)
            }
            _ => Err(InflateError::Layout),
        }
    }

    fn columns(&mut self, columns: &[(u64, usize)], data: &mut Input<'_>) -> Result<(), InflateError> {
        for &(specification, length) in columns {
            let column = data.take(length)?;
            if specification & DEFLATED == 0 {
                self.add(column.len())?;
                rows(specification, column)?;
            } else {
                rows(specification, &self.inflate(column)?)?;
            }
        }
        Ok(())
    }

    fn add(&mut self, bytes: usize) -> Result<(), InflateError> {
        self.bytes = self.bytes.saturating_add(bytes);
        if self.bytes > self.bytes_max { Err(InflateError::Bytes(self.bytes_max)) } else { Ok(()) }
    }

    /// Inflates until the limit and not a byte further.
    fn inflate(&mut self, deflated: &[u8]) -> Result<Vec<u8>, InflateError> {
        let room = self.bytes_max.saturating_sub(self.bytes);
        let mut inflated = Vec::new();
        let limit = u64::try_from(room).unwrap_or(u64::MAX).saturating_add(1);
        DeflateDecoder::new(deflated).take(limit).read_to_end(&mut inflated).map_err(|_| InflateError::Layout)?;
        self.add(inflated.len())?;
        Ok(inflated)
    }
}

/// Dependencies, actor, sequence, first operation, time, message, other actors, columns, whatever else.
fn change(mut data: Input<'_>) -> Result<(), InflateError> {
    data.each(|data| data.take(HASH_BYTES))?;
    data.prefixed()?;
    for _ in 0..3 {
        data.leb128()?;
    }
    data.prefixed()?;
    data.each(Input::prefixed)?;
    for (specification, length) in data.columns()? {
        // A change is compressed as a whole or not at all.
        if specification & DEFLATED != 0 {
            return Err(InflateError::Layout);
        }
        rows(specification, data.take(length)?)?;
    }
    Ok(())
}

/// Counts the rows of a column by its runs, without unpacking them.
fn rows(specification: u64, column: &[u8]) -> Result<(), InflateError> {
    let mut input = Input(column);
    let mut rows: u64 = 0;
    let mut add = |count: u64| {
        rows = rows.saturating_add(count);
        if rows > ROWS_MAX { Err(InflateError::Rows(ROWS_MAX)) } else { Ok(()) }
    };
    let kind = specification & 0b111;
    match kind {
        // Runs of false and true in turn.
        4 => {
            while !input.0.is_empty() {
                add(input.leb128()?)?;
            }
        }
        // The bytes of values; their lengths stand in another column.
        7 => {}
        _ => {
            while !input.0.is_empty() {
                match input.signed()? {
                    0 => add(input.leb128()?)?,
                    run @ 1.. => {
                        add(run.unsigned_abs())?;
                        value(&mut input, kind)?;
                    }
                    literals => {
                        for _ in 0..literals.unsigned_abs() {
                            value(&mut input, kind)?;
                            add(1)?;
                        }
                    }
                }
            }
        }
    }
    Ok(())
}

/// A value in a column: a number, or text behind its length.
fn value(input: &mut Input<'_>, kind: u64) -> Result<(), Layout> {
    if kind == 5 { input.prefixed().map(drop) } else { input.bits().map(drop) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use automerge::transaction::Transactable;
    use automerge::{Automerge, ObjType, ROOT, ReadDoc};
    use flate2::Compression;
    use flate2::write::DeflateEncoder;
    use proptest::prelude::*;
    use std::io::Write;

    use crate::chunks::MAGIC;

    fn deflated(bytes: &[u8]) -> Vec<u8> {
        let mut encoder = DeflateEncoder::new(Vec::new(), Compression::best());
        encoder.write_all(bytes).unwrap();
        encoder.finish().unwrap()
    }

    fn leb128(mut number: u64) -> Vec<u8> {
        let mut bytes = Vec::new();
        while number > 0x7f {
            bytes.push(number as u8 | 0x80);
            number >>= 7;
        }
        bytes.push(number as u8);
        bytes
    }

    fn chunk(kind: u8, data: &[u8]) -> Vec<u8> {
        [&MAGIC[..], &[0; 4], &[kind], &leb128(data.len() as u64), data].concat()
    }

    /// A change with one column, uncompressed.
    fn change(specification: u64, column: &[u8]) -> Vec<u8> {
        let head = [0, 1, 9, 1, 1, 0, 0, 0, 1];
        [&head[..], &leb128(specification), &leb128(column.len() as u64), column].concat()
    }

    fn document(edits: &[(u8, String)]) -> Automerge {
        let mut document = Automerge::new();
        for (name, text) in edits {
            let mut transaction = document.transaction();
            transaction.put(ROOT, format!("k{name}"), text.as_str()).unwrap();
            let list = transaction.put_object(ROOT, "list", ObjType::List).unwrap();
            transaction.insert(&list, 0, i64::from(*name) - 100).unwrap();
            transaction.insert(&list, 1, name % 2 == 0).unwrap();
            let text = transaction.put_object(ROOT, "text", ObjType::Text).unwrap();
            transaction.splice_text(&text, 0, 0, "some text").unwrap();
            transaction.delete(ROOT, "gone").ok();
            transaction.commit();
        }
        document
    }

    /// A few kilobytes that become gigabytes: compressed changes, compressed columns of documents and bundles.
    #[test]
    fn bombs_are_refused_without_inflating_them() {
        let gigabyte = {
            let mut encoder = DeflateEncoder::new(Vec::new(), Compression::best());
            let zeros = vec![0; 1 << 20];
            for _ in 0..1024 {
                encoder.write_all(&zeros).unwrap();
            }
            encoder.finish().unwrap()
        };
        assert!(gigabyte.len() < 2 << 20);
        let column = [&leb128(1)[..], &leb128(7 | DEFLATED), &leb128(gigabyte.len() as u64)].concat();
        let bombs = [
            chunk(COMPRESSED_CHANGE, &gigabyte),
            chunk(DOCUMENT, &[&[0, 0][..], &column, &[0], &gigabyte].concat()),
            chunk(DOCUMENT, &[&[0, 0, 0][..], &column, &gigabyte].concat()),
            chunk(BUNDLE, &[&[0, 0][..], &column, &gigabyte, &[0]].concat()),
        ];
        for bomb in &bombs {
            assert_eq!(check(bomb, INFLATED_BYTES_MAX), Err(InflateError::Bytes(INFLATED_BYTES_MAX)));
        }
        // Many that are small each.
        let small = chunk(COMPRESSED_CHANGE, &deflated(&change(7, &vec![0; 1 << 20])));
        assert!(check(&small, INFLATED_BYTES_MAX).is_ok());
        let many: Vec<u8> = std::iter::repeat_n(small, 300).flatten().collect();
        assert_eq!(check(&many, INFLATED_BYTES_MAX), Err(InflateError::Bytes(INFLATED_BYTES_MAX)));
    }

    /// Ten bytes that say "a thousand billion times the same", in each way that a column has to say so.
    #[test]
    fn endless_runs_are_refused() {
        let endless = leb128(1 << 40);
        let run = [&endless[..], &[1]].concat();
        let null = [&[0][..], &endless].concat();
        let text = [&endless[..], &[1, b'a']].concat();
        for (specification, column) in
            [(0, &run), (1, &run), (2, &null), (3, &run), (4, &endless), (5, &text), (6, &run)]
        {
            let refused = check(&chunk(CHANGE, &change(specification, column)), INFLATED_BYTES_MAX);
            assert_eq!(refused, Err(InflateError::Rows(ROWS_MAX)), "column of type {specification}");
            let deflated = chunk(COMPRESSED_CHANGE, &deflated(&change(specification, column)));
            assert_eq!(check(&deflated, INFLATED_BYTES_MAX), Err(InflateError::Rows(ROWS_MAX)));
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig { cases: 64, ..ProptestConfig::default() })]

        /// Whatever Automerge writes is let through, in every form it has; what is cut short is not, and any bytes at all do
        /// not panic.
        #[test]
        fn what_automerge_writes_passes(edits in proptest::collection::vec((any::<u8>(), ".{0,400}"), 1..6), at in any::<prop::sample::Index>()) {
            let document = document(&edits);
            let hashes = document.get_changes(&[]).iter().map(automerge::Change::hash).collect::<Vec<_>>();
            let compressed: Vec<u8> =
                document.get_changes(&[]).into_iter().flat_map(|mut change| change.bytes().into_owned()).collect();
            let forms = [
                document.save(),
                document.save_nocompress(),
                document.save_after(&[]),
                compressed,
                document.bundle(hashes).unwrap().bytes().to_vec(),
            ];
            for form in &forms {
                let inflated = check(form, INFLATED_BYTES_MAX);
                prop_assert!(inflated.is_ok(), "{inflated:?}");
                prop_assert!(inflated.unwrap() <= form.len().max(400) * 100);
                let mut altered = form.clone();
                *at.get_mut(&mut altered) ^= 0x55;
                let _ = check(&altered, INFLATED_BYTES_MAX);
                let cut = at.index(form.len());
                if cut > 0 {
                    let boundary = forms[2].starts_with(&form[..cut]) || forms[3].starts_with(&form[..cut]);
                    prop_assert!(check(&form[..cut], INFLATED_BYTES_MAX).is_err() || boundary);
                }
            }
            let mut loaded = Automerge::new();
            loaded.load_incremental(&forms[4]).unwrap();
            prop_assert_eq!(loaded.get_heads(), document.get_heads());
            prop_assert_eq!(loaded.keys(ROOT).count(), document.keys(ROOT).count());
        }

        /// Any bytes behind a right header.
        #[test]
        fn any_bytes_do_not_panic(kind in 0_u8..5, bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
            let _ = check(&chunk(kind, &bytes), 1 << 20);
            let _ = check(&bytes, 1 << 20);
        }
    }
}

//! The sections of a component at its top level: read without looking into them, and written behind it.

use super::SnapshotError;

/// Id of a custom section.
const CUSTOM: u8 = 0;
/// Id of a section that is a component.
pub(super) const COMPONENT: u8 = 4;

/// What every component begins with: the magic number, version 13, layer 1.
const HEADER: &[u8] = b"\0asm\x0d\0\x01\0";

/// A section.
#[derive(Debug, Clone, Copy)]
pub(super) struct Section<'a> {
    pub(super) id: u8,
    /// Where it starts and ends in the file, header included.
    pub(super) start: usize,
    pub(super) end: usize,
    pub(super) whole: &'a [u8],
    pub(super) body: &'a [u8],
}

impl<'a> Section<'a> {
    fn custom(&self) -> Option<(&'a str, &'a [u8])> {
        let mut rest = Reader { bytes: self.body, at: 0 };
        let length = (self.id == CUSTOM).then(|| rest.length()).flatten()?;
        let name = std::str::from_utf8(rest.take(length)?).ok()?;
        Some((name, self.body.get(rest.at..)?))
    }

    /// Its name, when it is a custom section.
    pub(super) fn custom_name(&self) -> Option<&'a str> {
        self.custom().map(|(name, _)| name)
    }

    /// What is behind its name.
    pub(super) fn custom_data(&self) -> Option<&'a [u8]> {
        self.custom().map(|(_, data)| data)
    }
}

/// All sections of a file.
pub(super) fn all(file: &[u8]) -> Result<Vec<Section<'_>>, SnapshotError> {
    if !file.starts_with(HEADER) {
        return Err(SnapshotError::NotASnapshot("it is no WebAssembly component".to_owned()));
    }
    let cut = || SnapshotError::Changed(format!("it ends in the middle of a section, after {} bytes", file.len()));
    let mut reader = Reader { bytes: file, at: HEADER.len() };
    let mut sections = Vec::new();
    while reader.at < file.len() {
        let start = reader.at;
        let id = reader.take(1).and_then(|id| id.first().copied()).ok_or_else(cut)?;
        let length = reader.length().ok_or_else(cut)?;
        let body = reader.take(length).ok_or_else(cut)?;
        let whole = file.get(start..reader.at).ok_or_else(cut)?;
        sections.push(Section { id, start, end: reader.at, whole, body });
    }
    Ok(sections)
}

struct Reader<'a> {
    bytes: &'a [u8],
    at: usize,
}

impl<'a> Reader<'a> {
    fn take(&mut self, length: usize) -> Option<&'a [u8]> {
        let end = self.at.checked_add(length)?;
        let taken = self.bytes.get(self.at..end)?;
        self.at = end;
        Some(taken)
    }

    /// A LEB128 number of at most 32 bits.
    fn length(&mut self) -> Option<usize> {
        let mut value = 0_u64;
        for shift in (0..35).step_by(7) {
            let byte = *self.take(1)?.first()?;
            value |= u64::from(byte & 0x7f) << shift;
            if byte & 0x80 == 0 {
                return usize::try_from(u32::try_from(value).ok()?).ok();
            }
        }
        None
    }
}

/// Writes a custom section behind a component.
pub(super) fn append_custom(component: &mut Vec<u8>, name: &str, data: &[u8]) {
    let mut body = Vec::with_capacity(data.len() + name.len() + 8);
    write_length(&mut body, name.len());
    body.extend_from_slice(name.as_bytes());
    body.extend_from_slice(data);
    component.push(CUSTOM);
    write_length(component, body.len());
    component.extend_from_slice(&body);
}

fn write_length(bytes: &mut Vec<u8>, length: usize) {
    let mut rest = length;
    while rest >= 0x80 {
        bytes.push((rest & 0x7f) as u8 | 0x80);
        rest >>= 7;
    }
    bytes.push(rest as u8);
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What is written is read, of any length; a file that ends early is told from one that is none.
    #[test]
    fn sections_come_back() {
        let mut file = HEADER.to_vec();
        for length in [0, 1, 110, 127, 128, 16_383, 16_384, 70_000] {
            append_custom(&mut file, "skerry-test", &vec![7; length]);
        }
        let sections = all(&file).unwrap();
        assert_eq!(sections.len(), 8);
        assert_eq!(sections[7].custom_name(), Some("skerry-test"));
        assert_eq!(sections[7].custom_data(), Some(vec![7; 70_000].as_slice()));
        assert!(matches!(all(&file[..file.len() - 1]), Err(SnapshotError::Changed(_))));
        assert!(matches!(all(&file[1..]), Err(SnapshotError::NotASnapshot(_))));
        assert!(matches!(all(b""), Err(SnapshotError::NotASnapshot(_))));
    }

    /// Lengths that no memory holds, and numbers without an end, are damage and no reason to panic.
    #[test]
    fn hostile_lengths_are_refused() {
        for length in [&[0xff, 0xff, 0xff, 0xff, 0x0f][..], &[0xff; 12], &[0x80; 12], &[0xff, 0xff, 0xff, 0xff, 0x7f]] {
            let file = [HEADER, &[CUSTOM], length].concat();
            assert!(matches!(all(&file), Err(SnapshotError::Changed(_))), "{length:?}");
        }
    }
}

//! The layout of saved Automerge bytes, as its `storage` module (version 0.12) and the published binary format have it: chunks
//! one after another, and the numbers and lists in them.

/// What chunks begin with.
pub(crate) const MAGIC: [u8; 4] = [0x85, 0x6f, 0x4a, 0x83];
const CHECKSUM_BYTES: usize = 4;

/// Bytes of a change's hash.
pub(crate) const HASH_BYTES: usize = 32;

/// A whole document.
pub(crate) const DOCUMENT: u8 = 0;
/// A change.
pub(crate) const CHANGE: u8 = 1;
/// A change, compressed as a whole.
pub(crate) const COMPRESSED_CHANGE: u8 = 2;
/// Several changes, column by column.
pub(crate) const BUNDLE: u8 = 3;

/// Bytes that are not laid out as chunks are.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("it is not made of whole Automerge chunks")]
pub(crate) struct Layout;

/// A chunk.
#[derive(Debug)]
pub(crate) struct Chunk<'a> {
    /// Its type.
    pub(crate) kind: u8,
    /// All of it.
    pub(crate) whole: &'a [u8],
    /// What is behind its header.
    pub(crate) data: Input<'a>,
}

/// Bytes that are still to be read.
#[derive(Debug)]
pub(crate) struct Input<'a>(pub(crate) &'a [u8]);

impl<'a> Input<'a> {
    /// The next chunk; none at the end. Its checksum is not looked at.
    pub(crate) fn chunk(&mut self) -> Result<Option<Chunk<'a>>, Layout> {
        let before = self.0;
        if before.is_empty() {
            return Ok(None);
        }
        if self.take(MAGIC.len())? != MAGIC {
            return Err(Layout);
        }
        self.take(CHECKSUM_BYTES)?;
        let kind = self.byte()?;
        let data = Input(self.prefixed()?);
        let whole = before.get(..before.len() - self.0.len()).ok_or(Layout)?;
        Ok(Some(Chunk { kind, whole, data }))
    }

    pub(crate) fn take(&mut self, bytes: usize) -> Result<&'a [u8], Layout> {
        let (taken, rest) = self.0.split_at_checked(bytes).ok_or(Layout)?;
        self.0 = rest;
        Ok(taken)
    }

    fn byte(&mut self) -> Result<u8, Layout> {
        self.take(1)?.first().copied().ok_or(Layout)
    }

    /// A LEB128 number's bits, of at most 64.
    pub(crate) fn bits(&mut self) -> Result<(u64, u32), Layout> {
        let (mut value, mut shift) = (0_u64, 0);
        loop {
            let byte = self.byte()?;
            value |= u64::from(byte & 0x7f).checked_shl(shift).unwrap_or(0);
            shift += 7;
            if byte & 0x80 == 0 {
                return Ok((value, shift));
            }
            if shift > 63 {
                return Err(Layout);
            }
        }
    }

    pub(crate) fn leb128(&mut self) -> Result<u64, Layout> {
        Ok(self.bits()?.0)
    }

    pub(crate) fn signed(&mut self) -> Result<i64, Layout> {
        let (value, bits) = self.bits()?;
        let negative = bits < 64 && value >> (bits - 1) & 1 == 1;
        Ok((if negative { value | (u64::MAX << bits) } else { value }).cast_signed())
    }

    pub(crate) fn length(&mut self) -> Result<usize, Layout> {
        usize::try_from(self.leb128()?).map_err(|_| Layout)
    }

    pub(crate) fn prefixed(&mut self) -> Result<&'a [u8], Layout> {
        let length = self.length()?;
        self.take(length)
    }

    pub(crate) fn each<T>(&mut self, mut item: impl FnMut(&mut Self) -> Result<T, Layout>) -> Result<(), Layout> {
        let count = self.leb128()?;
        for _ in 0..count {
            // Every item has a byte at least, so this ends with the input.
            item(self)?;
        }
        Ok(())
    }

    pub(crate) fn columns(&mut self) -> Result<Vec<(u64, usize)>, Layout> {
        let mut columns = Vec::new();
        self.each(|input| {
            columns.push((input.leb128()?, input.length()?));
            Ok(())
        })?;
        Ok(columns)
    }
}

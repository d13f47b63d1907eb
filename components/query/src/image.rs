//! A segment laid out flat: named arrays, in the order of the keys, each exactly as long as it must be.
//!
//! A growing segment gives its image away section by section; an empty one takes an image in and is sealed then. Between the
//! two the host adds the graph. Numbers are little-endian. docs/format.md has the table.

use std::collections::BTreeMap;

use crate::types::ImageError;

/// An array of one of the types that sections have.
#[derive(Debug)]
enum Array {
    Bytes(Vec<u8>),
    Signed(Vec<i8>),
    Short(Vec<u16>),
    Word(Vec<u32>),
    Single(Vec<f32>),
    Double(Vec<f64>),
}

/// What a section holds.
#[derive(Debug, Clone, Copy)]
enum Kind {
    Bytes,
    Signed,
    Short,
    Word,
    Single,
    Double,
}

/// Every section there is. Those of the graph may be absent.
const SECTIONS: [(&str, Kind); 34] = [
    ("keys.offsets", Kind::Word),
    ("keys.bytes", Kind::Bytes),
    ("payloads.offsets", Kind::Word),
    ("payloads.bytes", Kind::Bytes),
    ("vectors.rows", Kind::Signed),
    ("vectors.inverse-norms", Kind::Single),
    ("vectors.spans", Kind::Word),
    ("vectors.offsets", Kind::Word),
    ("terms.offsets", Kind::Word),
    ("terms.bytes", Kind::Bytes),
    ("postings.offsets", Kind::Word),
    ("postings.slots", Kind::Word),
    ("postings.counts", Kind::Short),
    ("postings.counts-max", Kind::Short),
    ("postings.lengths-min", Kind::Word),
    ("postings.documents", Kind::Word),
    ("streams.offsets", Kind::Word),
    ("streams.terms", Kind::Word),
    ("texts.offsets", Kind::Word),
    ("texts.bytes", Kind::Bytes),
    ("texts.stream-offsets", Kind::Word),
    ("texts.stream-terms", Kind::Word),
    ("texts.posting-offsets", Kind::Word),
    ("texts.posting-texts", Kind::Word),
    ("columns.path-offsets", Kind::Word),
    ("columns.path-bytes", Kind::Bytes),
    ("columns.bounds", Kind::Word),
    ("columns.slots", Kind::Word),
    ("columns.numbers", Kind::Double),
    ("columns.texts", Kind::Word),
    ("graph.offsets", Kind::Word),
    ("graph.links", Kind::Word),
    ("graph.layers", Kind::Word),
    ("snapshot.description", Kind::Bytes),
];

/// A segment's arrays by name.
#[derive(Debug, Default)]
pub struct Image {
    arrays: BTreeMap<&'static str, Array>,
    reserved: BTreeMap<&'static str, usize>,
}

/// An element of a section.
pub(crate) trait Element: Sized {
    fn wrap(values: Vec<Self>) -> AnyArray;
    fn unwrap(array: AnyArray) -> Option<Vec<Self>>;
}

/// An array of any type, opaque outside of this module.
#[derive(Debug)]
pub(crate) struct AnyArray(Array);

macro_rules! element {
    ($type:ty, $variant:ident) => {
        impl Element for $type {
            fn wrap(values: Vec<Self>) -> AnyArray {
                AnyArray(Array::$variant(values))
            }

            fn unwrap(array: AnyArray) -> Option<Vec<Self>> {
                match array.0 {
                    Array::$variant(values) => Some(values),
                    _ => None,
                }
            }
        }
    };
}

element!(u8, Bytes);
element!(i8, Signed);
element!(u16, Short);
element!(u32, Word);
element!(f32, Single);
element!(f64, Double);

impl Array {
    /// None when there is no such amount of memory: the length is what somebody said.
    fn with_capacity(kind: Kind, bytes: usize) -> Option<Array> {
        fn room<T>(elements: usize) -> Option<Vec<T>> {
            let mut values = Vec::new();
            values.try_reserve_exact(elements).ok()?;
            Some(values)
        }
        Some(match kind {
            Kind::Bytes => Array::Bytes(room(bytes)?),
            Kind::Signed => Array::Signed(room(bytes)?),
            Kind::Short => Array::Short(room(bytes / 2)?),
            Kind::Word => Array::Word(room(bytes / 4)?),
            Kind::Single => Array::Single(room(bytes / 4)?),
            Kind::Double => Array::Double(room(bytes / 8)?),
        })
    }

    fn bytes(&self) -> usize {
        match self {
            Array::Bytes(values) => values.len(),
            Array::Signed(values) => values.len(),
            Array::Short(values) => values.len() * 2,
            Array::Word(values) => values.len() * 4,
            Array::Single(values) => values.len() * 4,
            Array::Double(values) => values.len() * 8,
        }
    }

    fn size(&self) -> usize {
        match self {
            Array::Bytes(_) | Array::Signed(_) => 1,
            Array::Short(_) => 2,
            Array::Word(_) | Array::Single(_) => 4,
            Array::Double(_) => 8,
        }
    }

    fn append(&mut self, chunk: &[u8]) {
        match self {
            Array::Bytes(values) => values.extend_from_slice(chunk),
            Array::Signed(values) => values.extend(chunk.iter().map(|byte| byte.cast_signed())),
            Array::Short(values) => values.extend(chunk.as_chunks().0.iter().map(|bytes| u16::from_le_bytes(*bytes))),
            Array::Word(values) => values.extend(chunk.as_chunks().0.iter().map(|bytes| u32::from_le_bytes(*bytes))),
            Array::Single(values) => values.extend(chunk.as_chunks().0.iter().map(|bytes| f32::from_le_bytes(*bytes))),
            Array::Double(values) => values.extend(chunk.as_chunks().0.iter().map(|bytes| f64::from_le_bytes(*bytes))),
        }
    }

    fn read(&self, offset: usize, length: usize) -> Vec<u8> {
        fn part<T: Copy, const N: usize>(
            values: &[T],
            offset: usize,
            length: usize,
            bytes: impl Fn(T) -> [u8; N],
        ) -> Vec<u8> {
            let start = (offset / N).min(values.len());
            let end = (start + length / N).min(values.len());
            values.get(start..end).unwrap_or_default().iter().flat_map(|value| bytes(*value)).collect()
        }
        match self {
            Array::Bytes(values) => part(values, offset, length, |value| [value]),
            Array::Signed(values) => part(values, offset, length, |value| [value.cast_unsigned()]),
            Array::Short(values) => part(values, offset, length, u16::to_le_bytes),
            Array::Word(values) => part(values, offset, length, u32::to_le_bytes),
            Array::Single(values) => part(values, offset, length, f32::to_le_bytes),
            Array::Double(values) => part(values, offset, length, f64::to_le_bytes),
        }
    }
}

impl Image {
    /// Names and lengths in bytes of the sections.
    pub fn sections(&self) -> Vec<(String, u64)> {
        self.arrays.iter().map(|(name, array)| ((*name).to_owned(), array.bytes() as u64)).collect()
    }

    /// At most `length` bytes of a section from `offset` on, in whole numbers; empty behind its end.
    pub fn read(&self, section: &str, offset: u64, length: u32) -> Vec<u8> {
        let array = self.arrays.get(section);
        array
            .map(|array| array.read(usize::try_from(offset).unwrap_or(usize::MAX), length as usize))
            .unwrap_or_default()
    }

    /// Makes exact room for sections; `append` fills it.
    ///
    /// # Errors
    /// [`ImageError::Section`] for a name that this version does not know, or a length for which there is no room.
    pub fn reserve(sections: &[(String, u64)]) -> Result<Image, ImageError> {
        let mut image = Image::default();
        for (name, bytes) in sections {
            let unknown = || ImageError::Section(name.clone());
            let (name, kind) = SECTIONS.iter().find(|(known, _)| known == name).ok_or_else(unknown)?;
            let bytes = usize::try_from(*bytes).map_err(|_| unknown())?;
            image.arrays.insert(name, Array::with_capacity(*kind, bytes).ok_or_else(unknown)?);
            image.reserved.insert(name, bytes);
        }
        Ok(image)
    }

    /// Appends to a section. The length of a chunk is a multiple of 8, unless it is the last.
    ///
    /// # Errors
    /// [`ImageError::Section`] when the section was not reserved, or is longer than was said.
    pub fn append(&mut self, section: &str, chunk: &[u8]) -> Result<(), ImageError> {
        let wrong = || ImageError::Section(section.to_owned());
        let array = self.arrays.get_mut(section).ok_or_else(wrong)?;
        let reserved = self.reserved.get(section).copied().unwrap_or(0);
        if !chunk.len().is_multiple_of(array.size()) || array.bytes() + chunk.len() > reserved {
            return Err(wrong());
        }
        array.append(chunk);
        Ok(())
    }

    /// Whether every section is as long as was said.
    ///
    /// # Errors
    /// [`ImageError::Section`] names the first that is not.
    pub(crate) fn check(&self) -> Result<(), ImageError> {
        let wrong = self.arrays.iter().find(|(name, array)| self.reserved.get(*name) != Some(&array.bytes()));
        wrong.map_or(Ok(()), |(name, _)| Err(ImageError::Section((*name).to_owned())))
    }

    pub(crate) fn put<T: Element>(&mut self, section: &'static str, values: Vec<T>) {
        self.arrays.insert(section, T::wrap(values).0);
    }

    pub(crate) fn take<T: Element>(&mut self, section: &'static str) -> Result<Vec<T>, ImageError> {
        let array = self.arrays.remove(section).and_then(|array| T::unwrap(AnyArray(array)));
        array.ok_or_else(|| ImageError::Section(section.to_owned()))
    }

    pub(crate) fn take_optional<T: Element>(&mut self, section: &'static str) -> Vec<T> {
        self.take(section).unwrap_or_default()
    }
}

/// Strings one behind the other, with where each ends; in ascending order where that is said.
#[derive(Debug, Default)]
pub(crate) struct Strings {
    offsets: Vec<u32>,
    bytes: Vec<u8>,
}

impl Strings {
    pub(crate) fn build<'a>(strings: impl Iterator<Item = &'a str>) -> (Vec<u32>, Vec<u8>) {
        let (mut offsets, mut bytes) = (vec![0], Vec::new());
        for string in strings {
            bytes.extend_from_slice(string.as_bytes());
            offsets.push(bytes.len() as u32);
        }
        (offsets, bytes)
    }

    pub(crate) fn new(offsets: Vec<u32>, bytes: Vec<u8>) -> Result<Strings, ImageError> {
        if offsets.last().is_none_or(|end| *end as usize != bytes.len()) || !offsets.is_sorted() {
            return Err(ImageError::Inconsistent("string offsets"));
        }
        Ok(Strings { offsets, bytes })
    }

    pub(crate) fn len(&self) -> usize {
        self.offsets.len().saturating_sub(1)
    }

    pub(crate) fn get(&self, index: u32) -> &str {
        std::str::from_utf8(self.get_bytes(index)).unwrap_or_default()
    }

    pub(crate) fn get_bytes(&self, index: u32) -> &[u8] {
        row(&self.offsets, &self.bytes, index)
    }

    /// The position of a string among ascending ones.
    pub(crate) fn find(&self, string: &str) -> Option<u32> {
        let at = self.lower_bound(string);
        (at < self.len() as u32 && self.get_bytes(at) == string.as_bytes()).then_some(at)
    }

    /// The first position whose string is not less.
    pub(crate) fn lower_bound(&self, string: &str) -> u32 {
        self.partition_point(|other| other < string.as_bytes())
    }

    /// The first position at which `before` does not hold any more.
    pub(crate) fn partition_point(&self, before: impl Fn(&[u8]) -> bool) -> u32 {
        let (mut low, mut high) = (0, self.len() as u32);
        while low < high {
            let middle = low + (high - low) / 2;
            if before(self.get_bytes(middle)) {
                low = middle + 1;
            } else {
                high = middle;
            }
        }
        low
    }

    pub(crate) fn size(&self) -> u64 {
        (self.offsets.len() * 4 + self.bytes.len()) as u64
    }
}

/// Whether offsets are those of so many rows, one behind the other, that end at the last of the values.
pub(crate) fn are_offsets(offsets: &[u32], rows: usize, values: usize) -> bool {
    offsets.len() == rows + 1 && offsets.last().is_some_and(|end| *end as usize == values) && offsets.is_sorted()
}

/// Whether all numbers are positions in something so long. A number that is none would have sets grow to hold it.
pub(crate) fn are_positions(numbers: &[u32], length: usize) -> bool {
    numbers.iter().all(|number| (*number as usize) < length)
}

/// A part of `values`; none when it does not lie within.
pub(crate) fn part<T>(values: &[T], start: usize, length: usize) -> Option<&[T]> {
    values.get(start..start.checked_add(length)?)
}

/// The part of `values` that belongs to `index`, by offsets with one more element than there are rows.
pub(crate) fn row<'a, T>(offsets: &[u32], values: &'a [T], index: u32) -> &'a [T] {
    let start = offsets.get(index as usize).copied().unwrap_or(0) as usize;
    let end = offsets.get(index as usize + 1).copied().unwrap_or(0) as usize;
    values.get(start..end).unwrap_or_default()
}

/// Rows one behind the other, with where each ends.
pub(crate) fn flatten<T: Copy>(rows: impl Iterator<Item = impl AsRef<[T]>>) -> (Vec<u32>, Vec<T>) {
    let (mut offsets, mut values) = (vec![0], Vec::new());
    for row in rows {
        values.extend_from_slice(row.as_ref());
        offsets.push(values.len() as u32);
    }
    (offsets, values)
}

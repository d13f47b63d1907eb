//! What a component asks for, offers, and carries in its memory: read from its bytes, without running it.

use wasmparser::{ComponentExternalKind, Encoding, Parser, Payload};

/// Why bytes cannot be inspected.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum InspectError {
    /// The bytes are not WebAssembly, or damaged.
    #[error("this is not a WebAssembly component: {0}")]
    Malformed(String),
    /// The bytes are a core module.
    #[error("this is a core module, not a component")]
    CoreModule,
}

impl From<wasmparser::BinaryReaderError> for InspectError {
    fn from(error: wasmparser::BinaryReaderError) -> Self {
        InspectError::Malformed(error.to_string())
    }
}

/// The names of everything a component imports, in order. A pure component has none.
///
/// ```
/// let empty_component = b"\0asm\x0d\0\x01\0";
/// assert!(skerry_host::inspect::imports(empty_component)?.is_empty());
/// # Ok::<(), skerry_host::inspect::InspectError>(())
/// ```
///
/// # Errors
/// See [`InspectError`].
pub fn imports(wasm: &[u8]) -> Result<Vec<String>, InspectError> {
    let mut names = Vec::new();
    visit(wasm, |depth, payload| {
        if let (0, Payload::ComponentImportSection(section)) = (depth, payload) {
            for import in section.clone() {
                names.push(import?.name.name.to_owned());
            }
        }
        Ok(())
    })?;
    Ok(names)
}

/// The names of everything a component exports, types aside, in order.
///
/// # Errors
/// See [`InspectError`].
pub fn exports(wasm: &[u8]) -> Result<Vec<String>, InspectError> {
    let mut names = Vec::new();
    visit(wasm, |depth, payload| {
        if let (0, Payload::ComponentExportSection(section)) = (depth, payload) {
            for export in section.clone() {
                let export = export?;
                if export.kind != ComponentExternalKind::Type {
                    names.push(export.name.name.to_owned());
                }
            }
        }
        Ok(())
    })?;
    Ok(names)
}

/// The initial memory of a component's core modules.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct MemoryImage {
    /// From the first byte that is initialised to the last.
    pub span_bytes: u64,
    /// Bytes that are initialised.
    pub data_bytes: u64,
}

impl MemoryImage {
    /// The engine maps images up to this span whatever they hold (`memory_guaranteed_dense_image_size`).
    const ALWAYS_MAPPED_BYTES: u64 = 16 << 20;

    /// Whether the engine maps this memory copy-on-write. If not, every new instance silently copies all of it.
    pub fn is_mapped(&self) -> bool {
        self.span_bytes <= Self::ALWAYS_MAPPED_BYTES || self.data_bytes > self.span_bytes / 2
    }
}

/// The initial memory of a component's largest core module.
///
/// # Errors
/// See [`InspectError`].
pub fn memory_image(wasm: &[u8]) -> Result<MemoryImage, InspectError> {
    let mut largest = MemoryImage::default();
    visit(wasm, |_, payload| {
        if let Payload::DataSection(section) = payload {
            let image = image_of(section.clone())?;
            if image.span_bytes > largest.span_bytes {
                largest = image;
            }
        }
        Ok(())
    })?;
    Ok(largest)
}

fn image_of(section: wasmparser::DataSectionReader<'_>) -> Result<MemoryImage, InspectError> {
    let (mut first, mut last, mut data_bytes) = (u64::MAX, 0, 0);
    for segment in section {
        let segment = segment?;
        let wasmparser::DataKind::Active { offset_expr, .. } = segment.kind else { continue };
        let wasmparser::Operator::I32Const { value } = offset_expr.get_operators_reader().read()? else { continue };
        let (start, length) = (u64::from(value.cast_unsigned()), segment.data.len() as u64);
        first = first.min(start);
        last = last.max(start + length);
        data_bytes += length;
    }
    Ok(MemoryImage { span_bytes: last.saturating_sub(first), data_bytes })
}

/// Walks over every part; `depth` counts the modules and components around it.
fn visit<'a>(
    wasm: &'a [u8],
    mut see: impl FnMut(usize, &Payload<'a>) -> Result<(), InspectError>,
) -> Result<(), InspectError> {
    let mut depth = 0_usize;
    let mut opened = false;
    for payload in Parser::new(0).parse_all(wasm) {
        let payload = payload?;
        match &payload {
            Payload::Version { encoding: Encoding::Module, .. } if !opened => return Err(InspectError::CoreModule),
            Payload::Version { .. } if !opened => opened = true,
            Payload::Version { .. } => depth += 1,
            Payload::End(_) => depth = depth.saturating_sub(1),
            _ => see(depth, &payload)?,
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Whatever bytes someone hands us, the answer is an error and not a panic.
    #[test]
    fn refuses_what_is_not_a_component() {
        assert_eq!(imports(b"\0asm\x01\0\0\0"), Err(InspectError::CoreModule));
        assert!(matches!(imports(b"nonsense"), Err(InspectError::Malformed(_))));
        assert!(matches!(imports(b""), Err(InspectError::Malformed(_))));
    }

    /// The boundary of the engine's rule: half is not enough.
    #[test]
    fn large_sparse_images_are_not_mapped() {
        let span_bytes = 64 << 20;
        assert!(!MemoryImage { span_bytes, data_bytes: span_bytes / 2 }.is_mapped());
        assert!(MemoryImage { span_bytes, data_bytes: span_bytes / 2 + 1 }.is_mapped());
        assert!(MemoryImage { span_bytes: 1 << 20, data_bytes: 1 }.is_mapped());
    }
}

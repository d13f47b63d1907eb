//! A segment: documents in slots, each slot's parts in the vectors, postings and columns.

use crate::bitset::Bitset;
use crate::columns::{self, Columns};
use crate::documents::{self, Documents};
use crate::graph::Graph;
use crate::image::Image;
use crate::postings::{self, Postings};
use crate::search::Scratch;
use crate::terms::{FixedMap, Terms};
use crate::types::{Chunk, Document, DocumentError, ImageError, Span, Stats};
use crate::vectors::Vectors;

/// Bytes of a key at most.
const KEY_BYTES_MAX: usize = 512;

/// Chunks of a document at most.
const CHUNKS_MAX: usize = 4_096;

/// An index over documents: growing, or sealed with everything laid out flat.
#[derive(Debug)]
pub struct Segment {
    documents: Documents,
    terms: Terms,
    postings: Postings,
    columns: Columns,
    vectors: Vectors,
    graph: Option<Graph>,
    /// What it is a snapshot of; empty for nothing. It came with the image and no query reads it.
    description: Vec<u8>,
    live: Bitset,
    count: u32,
    /// Removed from a sealed segment, where they still have their slots.
    removed: u32,
    pub(crate) scratch: Scratch,
}

impl Default for Segment {
    fn default() -> Self {
        Segment {
            documents: Documents::Growing(documents::Growing::default()),
            terms: Terms::Growing(FixedMap::default()),
            postings: Postings::Growing(postings::Growing::default()),
            columns: Columns::Growing(columns::Growing::default()),
            vectors: Vectors::default(),
            graph: None,
            description: Vec::new(),
            live: Bitset::default(),
            count: 0,
            removed: 0,
            scratch: Scratch::default(),
        }
    }
}

impl Segment {
    /// Adds documents, replacing those with the same key; all or none. The last of equal keys wins.
    ///
    /// # Errors
    /// [`DocumentError`]; nothing was changed then.
    pub fn upsert(&mut self, documents: Vec<Document>) -> Result<(), DocumentError> {
        self.check(&documents)?;
        for document in documents {
            self.remove_one(&document.key);
            let (Documents::Growing(growing), Postings::Growing(postings), Columns::Growing(columns)) =
                (&mut self.documents, &mut self.postings, &mut self.columns)
            else {
                return Err(DocumentError::Sealed);
            };
            let slot = growing.insert(&document.key, document.payload);
            self.vectors.insert(slot, &document.chunks);
            postings.insert(slot, self.terms.stream(&document.text));
            columns.insert(slot, &document.fields, &mut self.terms);
            self.live.insert(slot);
            self.count += 1;
        }
        Ok(())
    }

    fn check(&self, documents: &[Document]) -> Result<(), DocumentError> {
        if matches!(self.documents, Documents::Sealed(_)) {
            return Err(DocumentError::Sealed);
        }
        // Documents about to be replaced do not fix the number of dimensions when no vector would be left.
        let mut dimensions = (self.vectors.count() > 0).then_some(self.vectors.dimensions());
        for document in documents {
            let key = &document.key;
            if key.is_empty() || key.len() > KEY_BYTES_MAX {
                return Err(DocumentError::KeyLength(key.chars().take(80).collect()));
            }
            if document.chunks.len() > CHUNKS_MAX {
                return Err(DocumentError::TooManyChunks(key.clone()));
            }
            for Chunk { span: Span { start, end }, vector } in &document.chunks {
                let cuts = |at: u32| document.text.is_char_boundary(at as usize);
                if start > end || !cuts(*start) || !cuts(*end) {
                    return Err(DocumentError::Span(key.clone()));
                }
                if vector.is_empty() || vector.len() != *dimensions.get_or_insert(vector.len()) {
                    return Err(DocumentError::VectorDimensions(key.clone()));
                }
                if vector.iter().any(|value| !value.is_finite()) {
                    return Err(DocumentError::VectorNotFinite(key.clone()));
                }
            }
        }
        Ok(())
    }

    /// Removes documents; keys that are not there are passed over. Answers how many were removed.
    pub fn remove(&mut self, keys: &[String]) -> u32 {
        keys.iter().map(|key| u32::from(self.remove_one(key))).sum()
    }

    fn remove_one(&mut self, key: &str) -> bool {
        let Some(slot) = self.documents.find(key).filter(|slot| self.live.contains(*slot)) else { return false };
        self.live.remove(slot);
        self.count -= 1;
        self.postings.remove(slot);
        self.columns.remove(slot);
        match &mut self.documents {
            Documents::Growing(growing) => {
                growing.remove(key);
                self.vectors.remove(slot);
            }
            // The graph walks over removed documents: their vectors stay.
            Documents::Sealed(_) => self.removed += 1,
        }
        true
    }

    /// The segment laid out flat, in the order of the keys; none for one that is sealed.
    pub fn image(&self) -> Option<Image> {
        let (Documents::Growing(documents), Postings::Growing(postings), Columns::Growing(columns)) =
            (&self.documents, &self.postings, &self.columns)
        else {
            return None;
        };
        let mut image = Image::default();
        let slots = documents.ordered();
        documents.write(&mut image);
        let renumbered = self.terms.write(&mut image);
        postings.write(&slots, &renumbered, &mut image);
        columns.write(&slots, &renumbered, &mut image);
        self.vectors.write(&slots, &mut image);
        Some(image)
    }

    /// A sealed segment from its image.
    ///
    /// # Errors
    /// [`ImageError`] when a section is missing or they do not fit together.
    pub fn sealed(mut image: Image) -> Result<Segment, ImageError> {
        image.check()?;
        let documents = Documents::Sealed(documents::Sealed::read(&mut image)?);
        let slots = documents.slots();
        let terms = Terms::read(&mut image)?;
        let postings = Postings::Sealed(postings::Sealed::read(&mut image, slots, terms.len())?);
        let columns = Columns::Sealed(columns::Sealed::read(&mut image, slots, terms.len())?);
        let vectors = Vectors::read(&mut image, slots)?;
        let graph = Graph::read(&mut image, vectors.rows_count())?;
        let description = image.take_optional("snapshot.description");
        let mut live = Bitset::new(slots);
        (0..slots as u32).for_each(|slot| live.insert(slot));
        let (count, scratch) = (slots as u32, Scratch::default());
        Ok(Segment {
            documents,
            terms,
            postings,
            columns,
            vectors,
            graph,
            description,
            live,
            count,
            removed: 0,
            scratch,
        })
    }

    /// Sizes of the segment.
    pub fn describe(&self) -> Stats {
        let graph_bytes = self.graph.as_ref().map_or(0, Graph::bytes);
        let vector_bytes = self.vectors.bytes() + graph_bytes;
        let postings = &self.postings;
        Stats {
            documents: self.count,
            removed: self.removed,
            vectors: self.vectors.count(),
            dimensions: if self.vectors.count() == 0 { 0 } else { self.vectors.dimensions() as u32 },
            terms: postings.terms(),
            postings: postings.totals().postings,
            bytes: self.documents.bytes() + self.terms.bytes() + postings.bytes() + self.columns.bytes() + vector_bytes,
            vector_bytes,
            sealed: matches!(self.documents, Documents::Sealed(_)),
            graph: self.graph.is_some(),
        }
    }

    /// What the segment is a snapshot of, as it was baked in; empty for nothing.
    pub fn description(&self) -> &[u8] {
        &self.description
    }

    pub(crate) fn documents_count(&self) -> u32 {
        self.count
    }

    pub(crate) fn live(&self) -> &Bitset {
        &self.live
    }

    /// The slots that may be answered when there is no filter; none when every slot with anything in it may.
    pub(crate) fn accept(&self) -> Option<&Bitset> {
        (self.removed > 0).then_some(&self.live)
    }

    pub(crate) fn documents(&self) -> &Documents {
        &self.documents
    }

    pub(crate) fn terms(&self) -> &Terms {
        &self.terms
    }

    pub(crate) fn postings(&self) -> &Postings {
        &self.postings
    }

    pub(crate) fn columns(&self) -> &Columns {
        &self.columns
    }

    pub(crate) fn vectors(&self) -> &Vectors {
        &self.vectors
    }

    pub(crate) fn graph(&self) -> Option<&Graph> {
        self.graph.as_ref()
    }
}

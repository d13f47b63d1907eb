//! The end of documents of older epochs in a central store.
//!
//! What is stored of them is carried over into the newest ones, then they may go. Without I/O: the caller reads chunks, stores
//! what comes out, and deletes only then. Whatever happens in between, and however many hubs do it at once, doing it again
//! ends in the same.

use std::collections::BTreeMap;

use automerge::{Automerge, ReadDoc};

use super::replay::{Shard, is_whole, replay};
use super::{Epoch, Epochs};
use crate::admission::{self, Refusal};
use crate::document::{DocumentId, Slot};
use crate::guard::guarded;
use crate::record::ProjectName;

/// Shards with the heads that they had.
type Whole = BTreeMap<Slot, (Vec<automerge::ChangeHash>, Automerge)>;

/// A document's chunks, in any order.
pub type Chunks = Vec<Vec<u8>>;

/// What is to be done in the store, in this order.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Retirement {
    /// Chunks to add to documents. All must be durable before anything is deleted.
    pub store: Vec<(DocumentId, Vec<u8>)>,
    /// Documents whose chunks, set-aside ones included, are to be deleted; only those chunks that were given here.
    pub delete: Vec<DocumentId>,
    /// Documents that stay, as they lack changes that others build on: somebody who did not know of the new epoch wrote to them
    /// when the rest of them had been retired. Whoever wrote that has the rest in memory and stores it ([`crate::hub`]).
    pub incomplete: Vec<DocumentId>,
}

/// Why nothing can be retired.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum RetireError {
    /// A document's chunks cannot be read.
    #[error("the document {document} cannot be read: {reason}")]
    Document {
        /// The document.
        document: DocumentId,
        /// What is wrong with it.
        reason: String,
    },
    /// A document's chunks build on changes that are in none of them.
    #[error("the document {0} lacks changes that others build on; it stays until they are there")]
    Incomplete(DocumentId),
}

/// What can be retired of a project, given its catalog's chunks and those of its other documents ([`super::documents_of`]
/// names them; documents without chunks may be left out). Nothing as long as the newest epoch's documents are not all there.
///
/// # Errors
/// [`RetireError`]; nothing must be deleted then.
pub fn retire(
    project: &ProjectName,
    catalog: &Chunks,
    documents: &BTreeMap<DocumentId, Chunks>,
) -> Result<Retirement, RetireError> {
    let first = Epoch::FIRST;
    let epochs = Epochs::read(project, &load(&first, project, Slot::Catalog, catalog)?);
    let newest = epochs.newest();
    let older: Vec<(Epoch, Slot, &Chunks)> = epochs
        .all()
        .filter(|epoch| *epoch != newest)
        .flat_map(|epoch| epoch.slots().skip(1).map(move |slot| (epoch, slot)))
        .filter_map(|(epoch, slot)| {
            let chunks = documents.get(&epoch.document_id(project, slot)).filter(|chunks| !chunks.is_empty());
            chunks.map(|chunks| (epoch, slot, chunks))
        })
        .collect();
    let mut retirement = Retirement::default();
    if older.is_empty() {
        return Ok(retirement);
    }
    let Some(mut new) = whole(project, &newest, documents)? else { return Ok(retirement) };
    for (epoch, slot, chunks) in older {
        let Slot::Shard(shard) = slot else { continue };
        let id = epoch.document_id(project, slot);
        let old = match load(&epoch, project, slot, chunks) {
            Err(RetireError::Incomplete(document)) => {
                retirement.incomplete.push(document);
                continue;
            }
            old => old?,
        };
        let old = Shard { epoch, shard, document: &old };
        let erased = epochs.erased_since(epoch);
        for related in newest.related(&epoch, shard) {
            let Some((_, document)) = new.get_mut(&Slot::Shard(related)) else { continue };
            guarded(|| replay(old, document, (newest, related), &erased))
                .map_err(|error| error.to_string())
                .and_then(|outcome| outcome.map_err(|error| error.to_string()))
                .map_err(|reason| RetireError::Document { document: id, reason })?;
        }
        retirement.delete.push(id);
    }
    for (slot, (before, document)) in new {
        let chunk = document.save_after(&before);
        if !chunk.is_empty() {
            retirement.store.push((newest.document_id(project, slot), chunk));
        }
    }
    Ok(retirement)
}

/// Whether all documents of the newest epoch are there: nobody needs any other.
///
/// # Errors
/// [`RetireError`].
pub fn is_complete(
    project: &ProjectName,
    catalog: &Chunks,
    documents: &BTreeMap<DocumentId, Chunks>,
) -> Result<bool, RetireError> {
    let epochs = Epochs::read(project, &load(&Epoch::FIRST, project, Slot::Catalog, catalog)?);
    Ok(whole(project, &epochs.newest(), documents)?.is_some())
}

/// The epochs that a catalog's chunks name.
///
/// # Errors
/// [`RetireError`].
pub fn epochs(project: &ProjectName, catalog: &Chunks) -> Result<Epochs, RetireError> {
    Ok(Epochs::read(project, &load(&Epoch::FIRST, project, Slot::Catalog, catalog)?))
}

/// The shards of an epoch with their heads, if all of them are there.
fn whole(
    project: &ProjectName,
    epoch: &Epoch,
    documents: &BTreeMap<DocumentId, Chunks>,
) -> Result<Option<Whole>, RetireError> {
    let mut new = Whole::new();
    for slot in epoch.slots().skip(1) {
        let Some(chunks) = documents.get(&epoch.document_id(project, slot)) else { return Ok(None) };
        let document = load(epoch, project, slot, chunks)?;
        if !is_whole(&document) {
            return Ok(None);
        }
        new.insert(slot, (document.get_heads(), document));
    }
    Ok(Some(new))
}

/// A document from its chunks, which may come in any order.
fn load(epoch: &Epoch, project: &ProjectName, slot: Slot, chunks: &Chunks) -> Result<Automerge, RetireError> {
    let id = epoch.document_id(project, slot);
    let failed = |reason: String| RetireError::Document { document: id, reason };
    let mut document = epoch.genesis(project, slot).map_err(|error| failed(error.to_string()))?;
    for chunk in chunks {
        admission::load(&mut document, chunk).map_err(|refusal: Refusal| failed(refusal.to_string()))?;
    }
    if !document.get_missing_deps(&[]).is_empty() {
        return Err(RetireError::Incomplete(id));
    }
    Ok(document)
}

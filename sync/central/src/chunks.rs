//! Chunks of documents: load, store, replace, set aside.

use std::collections::BTreeMap;
use std::time::SystemTime;

use futures_util::{StreamExt, TryStreamExt, stream};
use object_store::path::Path;
use serde::{Deserialize, Serialize};
use skerry_sync::document::DocumentId;
use skerry_sync::hub::{Chunk, ChunkName, StoreFailure};

use crate::store::CentralStore;

/// Chunks of one document that are read or deleted at once.
const CHUNKS_AT_ONCE: usize = 8;

/// How often a document is listed anew because chunks vanished while they were read.
const LOAD_ATTEMPTS: usize = 8;

/// Names that every store answers in one look at the folder. Longer lists come in several, between which a snapshot may
/// appear in the part already seen while what it covers goes from the part still to come: both would be missed.
const LIST_AT_ONCE: usize = 100;

/// Documents that are listed at once.
pub(crate) const LISTS_AT_ONCE: usize = 16;

/// Documents from which on one list of all that the store has is tried before a list of each.
const TOGETHER_FROM: usize = 8;

/// Objects that a service answers in one list: more come in several, see [`LIST_AT_ONCE`].
const TOGETHER_MAX: usize = 1_000;

/// Extension of the note beside a chunk in quarantine.
const NOTE: &str = "json";

/// A chunk that was set aside because it cannot be read.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Quarantined {
    /// The document's id.
    pub document: String,
    /// The chunk's name.
    pub chunk: String,
    /// What is wrong with it.
    pub reason: String,
    /// When it was set aside, in seconds since the Unix epoch.
    pub at: u64,
}

impl CentralStore {
    /// All chunks of a document; none when there is no such document. The bytes are as they were read: whether they are
    /// those that the name promises is for the caller to see.
    ///
    /// # Errors
    /// [`StoreFailure`]: a document is loaded whole or not at all.
    pub async fn load(&self, document: DocumentId) -> Result<Vec<Chunk>, StoreFailure> {
        let _permit = self.permit().await;
        let folder = self.document(document);
        for _ in 0..LOAD_ATTEMPTS {
            let names = self.names(&folder).await?;
            let wanted = names.len();
            let chunks = self.read_chunks(&folder, names).await?;
            // A chunk that is listed and gone was replaced by a snapshot: that one has to be listed too.
            if chunks.len() == wanted {
                return Ok(chunks);
            }
        }
        Err(StoreFailure::Failed(format!("the document {document} is replaced again and again while it is read")))
    }

    /// The named chunks; those that are gone are left out.
    ///
    /// # Errors
    /// [`StoreFailure`].
    pub async fn fetch(&self, document: DocumentId, chunks: Vec<ChunkName>) -> Result<Vec<Chunk>, StoreFailure> {
        if chunks.is_empty() {
            return self.load(document).await;
        }
        let _permit = self.permit().await;
        self.read_chunks(&self.document(document), chunks).await
    }

    /// Stores a chunk durably.
    ///
    /// # Errors
    /// [`StoreFailure`]; whether the chunk is there is not known then, and it does no harm if it is.
    pub async fn store(&self, document: DocumentId, chunk: Chunk) -> Result<(), StoreFailure> {
        let _permit = self.permit().await;
        self.put(&self.document(document).join(chunk.name.to_string()), chunk.bytes).await
    }

    /// Stores a snapshot durably, reads it back, and only then deletes what it covers.
    ///
    /// # Errors
    /// [`StoreFailure`]; nothing is lost, some of the covered chunks may be gone.
    pub async fn replace(
        &self,
        document: DocumentId,
        snapshot: Chunk,
        covers: Vec<ChunkName>,
    ) -> Result<(), StoreFailure> {
        let _permit = self.permit().await;
        let folder = self.document(document);
        let (location, name) = (folder.clone().join(snapshot.name.to_string()), snapshot.name);
        self.put(&location, snapshot.bytes).await?;
        let read = self.get(&location).await?.map(|bytes| Chunk { name, bytes });
        if !read.is_some_and(|read| read.is_whole()) {
            let reason = format!("the snapshot {name} of {document} reads otherwise than it was written");
            return Err(self.health.note(StoreFailure::Failed(reason), 0));
        }
        // A snapshot of nothing new has the name of what it replaces.
        let covered = covers.into_iter().filter(|covered| *covered != name);
        stream::iter(covered)
            .map(|covered| {
                let location = folder.clone().join(covered.to_string());
                async move { self.delete(&location).await }
            })
            .buffer_unordered(CHUNKS_AT_ONCE)
            .try_collect()
            .await
    }

    /// Copies a chunk to the quarantine, with a note of the reason, and takes it out of the document.
    ///
    /// # Errors
    /// [`StoreFailure`]; the chunk is still in its document then.
    pub async fn quarantine(&self, document: DocumentId, chunk: ChunkName, reason: &str) -> Result<(), StoreFailure> {
        let _permit = self.permit().await;
        let from = self.document(document).join(chunk.to_string());
        let Some(bytes) = self.get(&from).await? else { return Ok(()) };
        let folder = self.folder("quarantine").join(document.to_string());
        let at = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default().as_secs();
        let (document, chunk, reason) = (document.to_string(), chunk.to_string(), reason.to_owned());
        self.put(&folder.clone().join(chunk.as_str()), bytes).await?;
        let location = folder.join(format!("{chunk}.{NOTE}"));
        let note = Quarantined { document, chunk, reason, at };
        let bytes = serde_json::to_vec(&note).map_err(|error| StoreFailure::Failed(error.to_string()))?;
        self.put(&location, bytes).await?;
        self.delete(&from).await
    }

    /// Names of a document's chunks.
    ///
    /// # Errors
    /// [`StoreFailure`].
    pub async fn chunk_names(&self, document: DocumentId) -> Result<Vec<ChunkName>, StoreFailure> {
        let _permit = self.permit().await;
        self.names(&self.document(document)).await
    }

    /// Names of the chunks of documents; none for a document that is not there. One list, where the store is small.
    ///
    /// # Errors
    /// [`StoreFailure`].
    pub async fn list_chunks(
        &self,
        documents: &[DocumentId],
    ) -> Result<BTreeMap<DocumentId, Vec<ChunkName>>, StoreFailure> {
        let mut known = BTreeMap::new();
        if documents.len() >= TOGETHER_FROM {
            known = self.list_together(documents).await?.unwrap_or_default();
        }
        let rest: Vec<_> = documents
            .iter()
            .filter(|document| known.get(document).is_none_or(|names| names.len() > LIST_AT_ONCE))
            .map(|document| async move { Ok::<_, StoreFailure>((*document, self.chunk_names(*document).await?)) })
            .collect();
        let rest: Vec<_> = stream::iter(rest).buffer_unordered(LISTS_AT_ONCE).try_collect().await?;
        known.extend(rest);
        Ok(known)
    }

    /// As [`CentralStore::list_chunks`], by one list of all documents; none when there are too many objects for one.
    async fn list_together(
        &self,
        documents: &[DocumentId],
    ) -> Result<Option<BTreeMap<DocumentId, Vec<ChunkName>>>, StoreFailure> {
        let _permit = self.permit().await;
        let mut found: BTreeMap<DocumentId, Vec<ChunkName>> = documents.iter().map(|id| (*id, Vec::new())).collect();
        let folder = self.folder("documents");
        let objects = self.objects.list(Some(&folder)).take(TOGETHER_MAX + 1);
        let objects: Vec<_> = objects.try_collect().await.map_err(|error| self.health().read_failed(&error))?;
        if objects.len() > TOGETHER_MAX {
            return Ok(None);
        }
        for object in objects {
            let Some(parts) = object.location.prefix_match(&folder) else { continue };
            let parts: Vec<_> = parts.collect();
            if let [document, name] = parts.as_slice()
                && let Some(names) = DocumentId::parse(document.as_ref()).and_then(|document| found.get_mut(&document))
            {
                names.extend(parse(&folder, name.as_ref()));
            }
        }
        found.values_mut().for_each(|names| names.sort_unstable());
        Ok(Some(found))
    }

    /// Whether anything of a document is in quarantine.
    ///
    /// # Errors
    /// [`StoreFailure`].
    pub async fn has_quarantined(&self, document: DocumentId) -> Result<bool, StoreFailure> {
        let _permit = self.permit().await;
        Ok(!self.list(&self.folder("quarantine").join(document.to_string())).await?.is_empty())
    }

    /// Deletes chunks of a document that nobody needs any more, and before them what was set aside of it: whoever is
    /// interrupted finds the chunks, and does it again.
    ///
    /// # Errors
    /// [`StoreFailure`]; some of it may be gone.
    pub async fn discard(&self, document: DocumentId, chunks: &[ChunkName]) -> Result<(), StoreFailure> {
        let _permit = self.permit().await;
        let quarantine = self.folder("quarantine").join(document.to_string());
        for name in self.list(&quarantine).await? {
            self.delete(&quarantine.clone().join(name)).await?;
        }
        let folder = self.document(document);
        let locations: Vec<Path> = chunks.iter().map(|chunk| folder.clone().join(chunk.to_string())).collect();
        stream::iter(locations)
            .map(|location| async move { self.delete(&location).await })
            .buffer_unordered(CHUNKS_AT_ONCE)
            .try_collect()
            .await
    }

    /// What is in quarantine.
    ///
    /// # Errors
    /// [`StoreFailure`].
    pub async fn quarantined(&self) -> Result<Vec<Quarantined>, StoreFailure> {
        let folder = self.folder("quarantine");
        let listed: Result<Vec<_>, _> = self.objects.list(Some(&folder)).try_collect().await;
        let objects = listed.map_err(|error| self.health.read_failed(&error))?;
        let mut notes = Vec::new();
        for object in objects.iter().filter(|object| object.location.extension() == Some(NOTE)) {
            let note = self.get(&object.location).await?;
            notes.extend(note.and_then(|bytes| serde_json::from_slice::<Quarantined>(&bytes).ok()));
        }
        notes.sort_by(|one, other| (one.at, &one.chunk).cmp(&(other.at, &other.chunk)));
        Ok(notes)
    }

    fn document(&self, document: DocumentId) -> Path {
        self.folder("documents").join(document.to_string())
    }

    /// The semaphore is never closed; without a permit the operation goes on all the same.
    async fn permit(&self) -> Option<tokio::sync::SemaphorePermit<'_>> {
        self.permits.acquire().await.ok()
    }

    async fn names(&self, folder: &Path) -> Result<Vec<ChunkName>, StoreFailure> {
        let mut names = self.names_once(folder).await?;
        for _ in 0..LOAD_ATTEMPTS {
            if names.len() <= LIST_AT_ONCE {
                return Ok(names);
            }
            let again = self.names_once(folder).await?;
            if again == names {
                return Ok(names);
            }
            names = again;
        }
        Err(StoreFailure::Failed(format!("{folder} changes all the time while it is listed")))
    }

    async fn names_once(&self, folder: &Path) -> Result<Vec<ChunkName>, StoreFailure> {
        let mut names: Vec<ChunkName> =
            self.list(folder).await?.iter().filter_map(|name| parse(folder, name)).collect();
        names.sort_unstable();
        Ok(names)
    }

    async fn read_chunks(&self, folder: &Path, names: Vec<ChunkName>) -> Result<Vec<Chunk>, StoreFailure> {
        let read = stream::iter(names).map(|name| {
            let location = folder.clone().join(name.to_string());
            async move { Ok::<_, StoreFailure>(self.get(&location).await?.map(|bytes| Chunk { name, bytes })) }
        });
        read.buffer_unordered(CHUNKS_AT_ONCE).try_filter_map(async |chunk| Ok(chunk)).try_collect().await
    }
}

/// The name of a chunk. What somebody else put beside the chunks is passed over and named in the log.
fn parse(folder: &Path, name: &str) -> Option<ChunkName> {
    let mut bytes = [0; 32];
    let parsed = hex::decode_to_slice(name, &mut bytes).ok().map(|()| ChunkName(bytes));
    if parsed.is_none() {
        tracing::warn!(%folder, name, "an object that is no chunk lies in a document's folder; it is passed over");
    }
    parsed
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use object_store::memory::InMemory;

    use super::*;

    fn store() -> CentralStore {
        CentralStore::new(Arc::new(InMemory::new()), Path::from("some/prefix"))
    }

    const DOCUMENT: DocumentId = DocumentId([7; 16]);

    /// What goes in comes out, a document that is not there has no chunks, and covered chunks go when the snapshot is in.
    #[tokio::test]
    async fn chunks_come_back_and_snapshots_replace_them() {
        let store = store();
        assert_eq!(store.load(DOCUMENT).await.unwrap(), []);
        let (one, two, both) = (Chunk::new(b"one".into()), Chunk::new(b"two".into()), Chunk::new(b"both".into()));
        store.store(DOCUMENT, one.clone()).await.unwrap();
        store.store(DOCUMENT, two.clone()).await.unwrap();
        assert_eq!(store.load(DOCUMENT).await.unwrap().len(), 2);
        store.replace(DOCUMENT, both.clone(), vec![one.name, two.name]).await.unwrap();
        assert_eq!(store.load(DOCUMENT).await.unwrap(), std::slice::from_ref(&both));
        assert_eq!(store.fetch(DOCUMENT, vec![one.name, both.name]).await.unwrap(), [both]);
    }

    /// Two hubs that compact the same chunks make the same snapshot; the second must not delete it as covered.
    #[tokio::test]
    async fn a_snapshot_never_deletes_itself() {
        let store = store();
        let chunk = Chunk::new(b"all".into());
        store.replace(DOCUMENT, chunk.clone(), vec![chunk.name]).await.unwrap();
        assert_eq!(store.load(DOCUMENT).await.unwrap(), [chunk]);
    }

    /// A chunk in quarantine is kept for people to look at and no longer loaded.
    #[tokio::test]
    async fn quarantine_keeps_the_bytes_and_the_reason() {
        let store = store();
        let chunk = Chunk { bytes: b"flipped".into(), ..Chunk::new(b"whole".into()) };
        store.store(DOCUMENT, chunk.clone()).await.unwrap();
        store.quarantine(DOCUMENT, chunk.name, "checksum").await.unwrap();
        assert_eq!(store.load(DOCUMENT).await.unwrap(), []);
        let kept = store.folder("quarantine").join(DOCUMENT.to_string()).join(chunk.name.to_string());
        assert_eq!(store.get(&kept).await.unwrap().unwrap(), b"flipped");
        let notes = store.quarantined().await.unwrap();
        assert_eq!((notes.len(), notes[0].reason.as_str()), (1, "checksum"));
    }
}

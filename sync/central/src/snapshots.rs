//! Baked snapshots in the store: files named by what they hold, and one small object for each project that says which is the
//! newest. A reader who has that needs no list, and what it names never changes.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, SystemTime};

use futures_util::TryStreamExt;
use object_store::path::Path;
use object_store::{ObjectMeta, ObjectStore, ObjectStoreExt};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use skerry_sync::ProjectName;
use skerry_sync::document::DocumentId;
use skerry_sync::hub::{ChunkName, StoreFailure};

use crate::store::CentralStore;

/// Version of `latest.json`.
pub const LATEST_FORMAT: u32 = 1;

/// Objects younger than this are not collected: somebody may be about to name them, or has just read that they are there.
const GRACE: Duration = Duration::from_hours(1);

const LATEST: &str = "latest.json";

/// What the newest snapshot of a project is, and what was read for it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Latest {
    /// [`LATEST_FORMAT`].
    pub format: u32,
    /// The project.
    pub project: String,
    /// The version of it.
    pub version: String,
    /// The epoch of its documents.
    #[serde(default)]
    pub epoch: String,
    /// SHA-256 of the file, which names it.
    pub sha256: String,
    /// Its length.
    pub bytes: u64,
    /// SHA-256 of the query component that it was baked into: only a node with the same one can go on from it.
    #[serde(default)]
    pub unbaked_sha256: String,
    /// Records in it.
    #[serde(default)]
    pub records: u64,
    /// SHA-256 of the embedding component, where one is inside: it also lies in `models/`.
    pub model_sha256: Option<String>,
    /// Of each document of the epoch, by its id as text, the chunks that the store had. As long as it lists no others, there is
    /// nothing newer.
    pub covers: BTreeMap<String, Vec<String>>,
    /// Native code, by part and profile.
    pub artefacts: Vec<StoredArtefact>,
    /// Names everything that it was made of and how: whoever would bake by the same recipe need not.
    #[serde(default)]
    pub recipe: String,
}

/// Native code of a part of a snapshot.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct StoredArtefact {
    /// `query` or `embedding`.
    pub part: String,
    /// Its object, below the store's prefix.
    pub object: String,
    /// Its signed description, as it lies beside native code.
    #[serde(flatten)]
    pub description: serde_json::Map<String, serde_json::Value>,
}

impl StoredArtefact {
    /// A member of the description; empty where it is not text.
    pub fn member(&self, name: &str) -> &str {
        self.description.get(name).and_then(serde_json::Value::as_str).unwrap_or_default()
    }
}

impl Latest {
    /// [`Latest::covers`] as names of documents and chunks. What is no name is left out: it covers nothing.
    pub fn covered(&self) -> BTreeMap<DocumentId, Vec<ChunkName>> {
        let chunk = |name: &String| {
            let mut bytes = [0; 32];
            hex::decode_to_slice(name, &mut bytes).ok().map(|()| ChunkName(bytes))
        };
        let document = |(id, names): (&String, &Vec<String>)| {
            Some((DocumentId::parse(id)?, names.iter().filter_map(chunk).collect::<Vec<_>>()))
        };
        self.covers.iter().filter_map(document).collect()
    }

    /// SHA-256 of its native code.
    fn code(&self) -> impl Iterator<Item = &str> {
        self.artefacts.iter().map(|artefact| artefact.member("cwasm_sha256"))
    }

    /// [`Latest::covers`] of what was read.
    pub fn covers_of(read: &BTreeMap<DocumentId, Vec<ChunkName>>) -> BTreeMap<String, Vec<String>> {
        let names = |names: &Vec<ChunkName>| names.iter().map(ToString::to_string).collect();
        read.iter().map(|(document, chunks)| (document.to_string(), names(chunks))).collect()
    }
}

/// What is collected, and what is not.
#[derive(Default)]
struct Collection {
    /// SHA-256 of native code and models that belong to a snapshot that stays.
    used: BTreeSet<String>,
    /// SHA-256 of native code that was of an epoch which is over.
    outlived: BTreeSet<String>,
    goes: Vec<Path>,
    /// What describes snapshots that go.
    notes: Vec<Path>,
}

impl CentralStore {
    /// What the newest snapshot of a project is; none when there is none, or when it was written by a newer program.
    ///
    /// # Errors
    /// [`StoreFailure`].
    pub async fn latest_snapshot(&self, project: &ProjectName) -> Result<Option<Latest>, StoreFailure> {
        let Some(bytes) = self.get(&self.snapshot(project.as_str(), LATEST)).await? else { return Ok(None) };
        let latest = serde_json::from_slice::<Latest>(&bytes).ok();
        Ok(latest.filter(|latest| latest.format == LATEST_FORMAT))
    }

    /// A snapshot's file, whole and unchanged; none when it is not there any more: read again which is the newest.
    ///
    /// # Errors
    /// [`StoreFailure`], also when its bytes are not those that the name promises.
    pub async fn read_snapshot(&self, project: &ProjectName, sha256: &str) -> Result<Option<Vec<u8>>, StoreFailure> {
        self.read_named(&self.snapshot(project.as_str(), &format!("{sha256}.wasm")), sha256).await
    }

    /// The object of [`StoredArtefact::object`], whole and unchanged; none when it is not there.
    ///
    /// # Errors
    /// As [`CentralStore::read_snapshot`].
    pub async fn read_artefact(&self, artefact: &StoredArtefact) -> Result<Option<Vec<u8>>, StoreFailure> {
        let sha256 = artefact.member("cwasm_sha256");
        self.read_named(&self.artefact(sha256), sha256).await
    }

    /// The same as it was read: whoever loads native code checks it against what was signed, and need not read it twice.
    ///
    /// # Errors
    /// [`StoreFailure`].
    pub async fn read_unchecked(&self, artefact: &StoredArtefact) -> Result<Option<Vec<u8>>, StoreFailure> {
        self.get(&self.artefact(artefact.member("cwasm_sha256"))).await
    }

    /// The embedding component of [`Latest::model_sha256`].
    ///
    /// # Errors
    /// As [`CentralStore::read_snapshot`].
    pub async fn read_model(&self, sha256: &str) -> Result<Option<Vec<u8>>, StoreFailure> {
        self.read_named(&self.folder("models").join(format!("{sha256}.wasm")), sha256).await
    }

    /// Whether the object of [`StoredArtefact::object`] is there.
    ///
    /// # Errors
    /// [`StoreFailure`].
    pub async fn has_artefact(&self, artefact: &StoredArtefact) -> Result<bool, StoreFailure> {
        self.is_there(&self.artefact(artefact.member("cwasm_sha256"))).await
    }

    async fn read_named(&self, location: &Path, sha256: &str) -> Result<Option<Vec<u8>>, StoreFailure> {
        let Some(bytes) = self.get(location).await? else { return Ok(None) };
        if hex::encode(Sha256::digest(&bytes)) == sha256 {
            return Ok(Some(bytes));
        }
        Err(self.health().note(StoreFailure::Failed(format!("{location} holds other bytes than its name promises")), 0))
    }

    /// Stores native code; answers its object's name.
    ///
    /// # Errors
    /// [`StoreFailure`].
    pub async fn store_artefact(&self, code: Vec<u8>) -> Result<String, StoreFailure> {
        let sha256 = hex::encode(Sha256::digest(&code));
        self.put_once(&self.artefact(&sha256), code).await?;
        Ok(format!("artefacts/{sha256}.cwasm"))
    }

    /// Stores an embedding component, by its SHA-256.
    ///
    /// # Errors
    /// [`StoreFailure`].
    pub async fn store_model(&self, component: Vec<u8>) -> Result<(), StoreFailure> {
        let name = format!("{}.wasm", hex::encode(Sha256::digest(&component)));
        self.put_once(&self.folder("models").join(name), component).await
    }

    /// Stores a snapshot's file and what belongs to it, and only then says that it is the newest. Everything that `latest`
    /// names must be stored before.
    ///
    /// # Errors
    /// [`StoreFailure`]; the one before is still the newest.
    pub async fn publish_snapshot(
        &self,
        project: &ProjectName,
        file: Option<Vec<u8>>,
        latest: &Latest,
    ) -> Result<(), StoreFailure> {
        let json = serde_json::to_vec(latest).map_err(|error| StoreFailure::Failed(error.to_string()))?;
        if let Some(file) = file {
            self.put_once(&self.snapshot(project.as_str(), &format!("{}.wasm", latest.sha256)), file).await?;
        }
        // Beside the file, so that whoever collects knows what belongs to it when it is not the newest any more.
        self.put(&self.snapshot(project.as_str(), &format!("{}.json", latest.sha256)), json.clone()).await?;
        self.put(&self.snapshot(project.as_str(), LATEST), json).await
    }

    /// Whether a snapshot's file, and the native code of the same, are all there.
    ///
    /// # Errors
    /// [`StoreFailure`].
    pub async fn has_snapshot(&self, project: &ProjectName, latest: &Latest) -> Result<bool, StoreFailure> {
        let mut wanted = vec![self.snapshot(project.as_str(), &format!("{}.wasm", latest.sha256))];
        wanted.extend(latest.code().map(|sha256| self.artefact(sha256)));
        wanted.extend(latest.model_sha256.iter().map(|sha256| self.folder("models").join(format!("{sha256}.wasm"))));
        for location in wanted {
            if !self.is_there(&location).await? {
                return Ok(false);
            }
        }
        Ok(true)
    }

    /// Deletes snapshots but the newest `keep` of each project and those younger than an hour; then native code and models that
    /// belong to none. What is of an epoch before the newest one's goes at once, native code too: records may have been erased
    /// since. Answers how many objects went.
    ///
    /// # Errors
    /// [`StoreFailure`]; some may be gone.
    pub async fn collect_snapshots(&self, keep: usize, now: SystemTime) -> Result<usize, StoreFailure> {
        let listed = self.list_below(&self.folder("snapshots")).await?;
        let mut projects: BTreeMap<String, Vec<ObjectMeta>> = BTreeMap::new();
        for object in listed {
            let parts: Vec<String> = self.parts_below("snapshots", &object.location);
            if let [project, _] = parts.as_slice() {
                projects.entry(project.clone()).or_default().push(object);
            }
        }
        let mut collection = Collection::default();
        for (project, objects) in projects {
            self.sort_project(&project, objects, keep.max(1), now, &mut collection).await?;
        }
        let Collection { used, outlived, mut goes, notes } = collection;
        for folder in ["artefacts", "models"] {
            for object in self.list_below(&self.folder(folder)).await? {
                let name = object.location.filename().unwrap_or_default();
                let sha256 = name.split('.').next().unwrap_or_default();
                if !used.contains(sha256) && (outlived.contains(sha256) || is_old(&object, now)) {
                    goes.push(object.location);
                }
            }
        }
        // Notes last: what is left when this is cut off is found again by them.
        for location in goes.iter().chain(&notes) {
            self.delete(location).await?;
        }
        Ok(goes.len())
    }

    /// Tells what goes of one project's snapshots from what stays.
    async fn sort_project(
        &self,
        project: &str,
        objects: Vec<ObjectMeta>,
        keep: usize,
        now: SystemTime,
        collection: &mut Collection,
    ) -> Result<(), StoreFailure> {
        let Some(newest) = self.read_latest(&self.snapshot(project, LATEST)).await? else { return Ok(()) };
        // Of each snapshot its file, and whether it has a note.
        let mut snapshots: BTreeMap<String, (Option<ObjectMeta>, bool)> = BTreeMap::new();
        for object in objects {
            let name = object.location.filename().unwrap_or_default().to_owned();
            match name.split_once('.') {
                Some((sha256, "wasm")) => snapshots.entry(sha256.to_owned()).or_default().0 = Some(object),
                Some((sha256, "json")) if name != LATEST => snapshots.entry(sha256.to_owned()).or_default().1 = true,
                _ => {}
            }
        }
        let mut by_age: Vec<(String, (Option<ObjectMeta>, bool))> = snapshots.into_iter().collect();
        // The newest is the newest also where a clock says otherwise.
        by_age.sort_by_key(|(sha256, (file, _))| {
            (*sha256 != newest.sha256, Reverse(file.as_ref().map(|file| file.last_modified)))
        });
        for (at, (sha256, (file, has_note))) in by_age.into_iter().enumerate() {
            let note = self.snapshot(project, &format!("{sha256}.json"));
            let described = if has_note { self.read_latest(&note).await? } else { None };
            let is_of_epoch = described.as_ref().is_none_or(|described| described.epoch == newest.epoch);
            let is_kept = file.as_ref().is_some_and(|file| at < keep || !is_old(file, now));
            if sha256 == newest.sha256 || (is_of_epoch && is_kept) {
                let described = described.as_ref().unwrap_or(&newest);
                collection.used.extend(described.code().map(str::to_owned));
                collection.used.extend(described.model_sha256.clone());
                continue;
            }
            if let Some(described) = described.filter(|_| !is_of_epoch) {
                collection.outlived.extend(described.code().map(str::to_owned));
            }
            collection.goes.extend(file.map(|file| file.location));
            collection.notes.extend(has_note.then_some(note));
        }
        Ok(())
    }

    async fn read_latest(&self, location: &Path) -> Result<Option<Latest>, StoreFailure> {
        Ok(self.get(location).await?.and_then(|bytes| serde_json::from_slice(&bytes).ok()))
    }

    /// Writes an object whose name says what it holds, unless it is there.
    async fn put_once(&self, location: &Path, bytes: Vec<u8>) -> Result<(), StoreFailure> {
        if self.is_there(location).await? { Ok(()) } else { self.put(location, bytes).await }
    }

    async fn is_there(&self, location: &Path) -> Result<bool, StoreFailure> {
        match self.objects.head(location).await {
            Ok(_) => Ok(true),
            Err(object_store::Error::NotFound { .. }) => Ok(false),
            Err(error) => Err(self.health.read_failed(&error)),
        }
    }

    async fn list_below(&self, folder: &Path) -> Result<Vec<ObjectMeta>, StoreFailure> {
        self.objects.list(Some(folder)).try_collect().await.map_err(|error| self.health.read_failed(&error))
    }

    fn parts_below(&self, folder: &str, location: &Path) -> Vec<String> {
        let below = location.prefix_match(&self.folder(folder));
        below.map(|parts| parts.map(|part| part.as_ref().to_owned()).collect()).unwrap_or_default()
    }

    fn artefact(&self, sha256: &str) -> Path {
        self.folder("artefacts").join(format!("{sha256}.cwasm"))
    }

    fn snapshot(&self, project: &str, name: &str) -> Path {
        self.folder("snapshots").join(project).join(name)
    }
}

fn is_old(object: &ObjectMeta, now: SystemTime) -> bool {
    let written = SystemTime::from(object.last_modified);
    now.duration_since(written).is_ok_and(|age| age > GRACE)
}

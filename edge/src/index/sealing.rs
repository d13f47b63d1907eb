//! Sealed segments: which there are, how they are made and merged, and how they are found again.
//!
//! Segments cover adjacent ranges of the feed, the oldest first. Sealing makes one of the live segment and of every segment
//! before it that is not more than twice as large as all behind it: so there are few, each at least twice as large as
//! the next, and a record is baked again about once for each doubling of the project.
//!
//! They are derived data: native code under `index/`, and a manifest that says which belong together. The manifest names the
//! version of the project that it was made at. A store that was restored from a backup does not know that version, or
//! knows it at another position, and the segments are not used.
#![cfg_attr(
    not(feature = "compile"),
    allow(dead_code, unused_imports, reason = "nothing is sealed without a compiler")
)]

use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};

use serde::{Deserialize, Serialize};
use skerry_host::Component;
#[cfg(feature = "compile")]
use skerry_host::bake;
use skerry_host::keys::TrustedKeys;
use skerry_host::types::Document;
use skerry_sync::{ProjectName, RecordKey};

use super::derive::Derivation;
use super::reader::Position;
use super::{FEED_PAGE, IndexError, Sources, lock};

/// A segment is merged when it is at most this many times as large as all that comes behind it.
const MERGE_RATIO: u64 = 2;

const MANIFEST: &str = "manifest.json";

/// Name of the files of segments.
const NAME: &str = "segment";

/// Version of the manifest.
const FORMAT: u32 = 1;

/// A sealed segment: the records whose last change, when it was made, lay behind `from` and not behind `to`.
#[derive(Debug)]
pub(super) struct Sealed {
    pub(super) component: Component,
    sha256: String,
    from: u64,
    pub(super) to: u64,
    documents: u64,
}

#[derive(Debug, Serialize, Deserialize)]
struct Manifest {
    format: u32,
    model: String,
    query_sha256: String,
    /// The version of the project when the last segment was taken in. Its records were read before that, some of them later
    /// than the end of its range: a store that does not know this version may not know those either.
    version: String,
    sequence: u64,
    segments: Vec<Entry>,
}

#[derive(Debug, Serialize, Deserialize)]
struct Entry {
    sha256: String,
    from: u64,
    to: u64,
    documents: u64,
}

/// A snapshot that somebody else baked, for a replica that is at its version.
#[derive(Debug, Clone, Copy)]
pub struct Adopted<'a> {
    /// The version.
    pub version: &'a str,
    /// The position of the feed at which the replica came to it.
    pub sequence: u64,
    /// Records in it.
    pub documents: u64,
    /// SHA-256 of its query component.
    pub wasm_sha256: &'a str,
    /// SHA-256 of the query component that it was baked into.
    pub unbaked_sha256: &'a str,
    /// Its model and how texts were cut, as the index labels them.
    pub label: &'a str,
    /// Its native code, with the signed description beside it.
    pub code: &'a Path,
    /// Whose signatures count.
    pub trusted: &'a TrustedKeys,
}

/// What is to be sealed.
#[derive(Debug)]
pub(super) struct Plan {
    from: u64,
    pub(super) to: u64,
}

/// What is looked at before a segment is opened.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Checked {
    /// The code, which is quick.
    Code,
    /// The data, too.
    Everything,
}

/// The sealed segments of one project.
#[derive(Debug)]
pub(super) struct SealedSegments {
    dir: PathBuf,
    derivation: Derivation,
    segments: Mutex<Vec<Arc<Sealed>>>,
    busy: AtomicBool,
}

/// Ends a sealing, however it ends.
pub(super) struct Busy<'a>(&'a AtomicBool);

impl Drop for Busy<'_> {
    fn drop(&mut self) {
        self.0.store(false, Ordering::Release);
    }
}

impl SealedSegments {
    pub(super) fn new(project: &ProjectName, derivation: &Derivation, sources: &Sources) -> SealedSegments {
        let dir = sources.index_dir.join(derivation.folder(project));
        SealedSegments { dir, derivation: derivation.clone(), segments: Mutex::default(), busy: AtomicBool::new(false) }
    }

    pub(super) fn is_busy(&self) -> bool {
        self.busy.load(Ordering::Acquire)
    }

    /// Keeps others from sealing at the same time; none when one is.
    pub(super) fn begin(&self) -> Option<Busy<'_>> {
        (!self.busy.swap(true, Ordering::AcqRel)).then_some(Busy(&self.busy))
    }

    /// The segments that were kept, as far as they are whole and belong to what is stored.
    /// The caller holds the lock under which segments are installed.
    pub(super) fn open(
        &self,
        sources: &Sources,
        project: &ProjectName,
        checked: Checked,
    ) -> Result<Vec<Arc<Sealed>>, IndexError> {
        let mut opened = Vec::new();
        if let Some(manifest) = self.manifest(sources, project)? {
            let mut end = 0;
            for Entry { sha256, from, to, documents } in manifest.segments {
                let follows = from == end && from < to && to <= manifest.sequence;
                end = to;
                let looked_at = |sha256: &str| {
                    checked == Checked::Code || Component::is_whole(&sources.engine, &self.dir, NAME, sha256)
                };
                let found = (follows && looked_at(&sha256))
                    .then(|| Component::open_compiled(&sources.engine, &self.dir, NAME, &sha256))
                    .flatten();
                let Some(component) = found else {
                    tracing::warn!(%project, "a segment cannot be used; the index is read from the feed from there on");
                    break;
                };
                opened.push(Arc::new(Sealed { component, sha256, from, to, documents }));
            }
        }
        lock(&self.segments).clone_from(&opened);
        // What a crash has left behind, and what cannot be used. A sealing's files are in no manifest yet.
        if let Some(_busy) = self.begin() {
            self.discard_unused(&opened);
        }
        Ok(opened)
    }

    /// Segments whose files are not, byte for byte, what was written. Reads all of them.
    pub(super) fn damaged(&self, sources: &Sources) -> Vec<Arc<Sealed>> {
        let mut segments = lock(&self.segments).clone();
        segments.retain(|segment| !Component::is_whole(&sources.engine, &self.dir, NAME, &segment.sha256));
        segments
    }

    /// Deletes the files of those of `damaged` that are still in use, so that they are not opened again; answers whether there
    /// are any. The caller holds the lock under which segments are installed.
    pub(super) fn discard_damaged(&self, sources: &Sources, project: &ProjectName, damaged: &[Arc<Sealed>]) -> bool {
        let segments = lock(&self.segments);
        let used = |one: &&Arc<Sealed>| segments.iter().any(|other| Arc::ptr_eq(one, other));
        let mut discarded = false;
        for segment in damaged.iter().filter(used) {
            tracing::error!(
                %project,
                sha256 = segment.sha256,
                "a segment's file is damaged; the index is read from the feed from there on"
            );
            Component::discard(&sources.engine, &self.dir, NAME, &segment.sha256);
            discarded = true;
        }
        discarded
    }

    fn manifest(&self, sources: &Sources, project: &ProjectName) -> Result<Option<Manifest>, IndexError> {
        let Ok(bytes) = fs::read(self.dir.join(MANIFEST)) else { return Ok(None) };
        let Ok(manifest) = serde_json::from_slice::<Manifest>(&bytes) else {
            tracing::warn!(%project, "the index's manifest is damaged; the index is read from the feed");
            return Ok(None);
        };
        let known = sources.replica.sequence_of(project, &manifest.version)?;
        let usable = manifest.format == FORMAT
            && manifest.model == self.derivation.label()
            && manifest.query_sha256 == sources.query_sha256
            && known == Some(manifest.sequence);
        Ok(Some(manifest).filter(|_| usable))
    }

    /// What to seal now; none when there is nothing new.
    pub(super) fn plan(&self, sources: &Sources, project: &ProjectName, to: u64) -> Result<Option<Plan>, IndexError> {
        let segments = lock(&self.segments).clone();
        let mut from = segments.last().map_or(0, |last| last.to);
        if from >= to {
            return Ok(None);
        }
        let mut gathered = 0;
        let mut since = from;
        while let Some(keys) = next_keys(sources, project, &mut since, to)? {
            gathered += keys.len() as u64;
        }
        for segment in segments.iter().rev() {
            if segment.documents > MERGE_RATIO * gathered {
                break;
            }
            gathered += segment.documents;
            from = segment.from;
        }
        Ok(Some(Plan { from, to }))
    }

    /// Bakes a segment of a range of the feed and keeps it. None when no record is in that range.
    #[cfg(feature = "compile")]
    pub(super) fn bake(
        &self,
        sources: &Sources,
        project: &ProjectName,
        plan: &Plan,
    ) -> Result<Option<Sealed>, IndexError> {
        let begun = std::time::Instant::now();
        let failed = |error: String| IndexError::Call(skerry_host::CallError::Instantiate(error));
        let wasm = fs::read(&sources.query_wasm).map_err(|error| failed(error.to_string()))?;
        let told = |step: bake::Step| tracing::debug!(%project, ?step, "sealing");
        // Page by page, so that a large segment need not be in memory twice. An iterator has no way to fail but to end.
        let (mut since, mut failure, mut documents) = (plan.from, None, 0);
        let batches = std::iter::from_fn(|| match self.next_batch(sources, project, &mut since, plan.to) {
            Ok(batch) => {
                documents += batch.as_ref().map_or(0, Vec::len) as u64;
                batch
            }
            Err(error) => {
                failure = Some(error);
                None
            }
        });
        let baked = bake::segment(&wasm, batches, &told).map_err(|error| failed(error.to_string()))?;
        if let Some(failure) = failure {
            return Err(failure);
        }
        if documents == 0 {
            return Ok(None);
        }
        fs::create_dir_all(&self.dir).map_err(|error| failed(error.to_string()))?;
        let (component, sha256) =
            Component::keep(&sources.engine, &self.dir, NAME, &baked).map_err(|error| failed(error.to_string()))?;
        let seconds = begun.elapsed().as_secs_f64();
        tracing::info!(%project, documents, bytes = baked.len(), seconds, "sealed a segment");
        Ok(Some(Sealed { component, sha256, from: plan.from, to: plan.to, documents }))
    }

    /// The documents of the next page of the feed behind `since`, which moves on; none behind `to`.
    fn next_batch(
        &self,
        sources: &Sources,
        project: &ProjectName,
        since: &mut u64,
        to: u64,
    ) -> Result<Option<Vec<Document>>, IndexError> {
        let Some(keys) = next_keys(sources, project, since, to)? else { return Ok(None) };
        self.derivation.documents(sources, project, &keys).map(Some)
    }

    /// Lays a snapshot down as the one sealed segment of a project that has none, for [`SealedSegments::open`] to find: whoever holds
    /// the project at the snapshot's version need not embed and bake what somebody else has.
    ///
    /// # Errors
    /// In words: it is of another model, another query component, or its code is not to be trusted.
    pub(super) fn adopt(&self, sources: &Sources, snapshot: &Adopted<'_>) -> Result<(), String> {
        if snapshot.unbaked_sha256 != sources.query_sha256 {
            return Err("it was baked into another query component".to_owned());
        }
        if snapshot.label != self.derivation.label() {
            return Err(format!("it is of the model {}, the project's is {}", snapshot.label, self.derivation.label()));
        }
        let adopted =
            Component::adopt(&sources.engine, &self.dir, NAME, snapshot.wasm_sha256, snapshot.code, snapshot.trusted);
        adopted.map_err(|error| error.to_string())?;
        let sha256 = snapshot.wasm_sha256.to_owned();
        let manifest = Manifest {
            format: FORMAT,
            model: self.derivation.label(),
            query_sha256: sources.query_sha256.clone(),
            version: snapshot.version.to_owned(),
            sequence: snapshot.sequence,
            segments: vec![Entry { sha256, from: 0, to: snapshot.sequence, documents: snapshot.documents }],
        };
        write(&self.dir.join(MANIFEST), &manifest).map_err(|error| error.to_string())
    }

    /// Deletes everything that it has on disk; what is mapped stays usable. What cannot be deleted is derived data that is
    /// deleted when the project's index is next opened.
    pub(super) fn delete_files(&self) {
        if let Err(error) = fs::remove_dir_all(&self.dir)
            && error.kind() != std::io::ErrorKind::NotFound
        {
            tracing::warn!(path = %self.dir.display(), %error, "an index that is not needed any more stays behind");
        }
    }

    /// Puts a new segment in the place of those whose ranges it covers, and writes it down. None when it does not follow on
    /// what is there: a segment before it was found to be damaged while it was baked.
    pub(super) fn install(
        &self,
        sources: &Sources,
        project: &ProjectName,
        new: Option<Sealed>,
        at: &Position,
    ) -> Option<Vec<Arc<Sealed>>> {
        let mut segments = lock(&self.segments);
        if let Some(new) = new {
            let mut before = segments.clone();
            before.retain(|segment| segment.to <= new.from);
            if before.last().map_or(0, |last| last.to) != new.from {
                tracing::warn!(%project, "a sealed segment is thrown away: one before it is gone");
                return None;
            }
            before.push(Arc::new(new));
            *segments = before;
        }
        let entry = |segment: &Arc<Sealed>| Entry {
            sha256: segment.sha256.clone(),
            from: segment.from,
            to: segment.to,
            documents: segment.documents,
        };
        let manifest = Manifest {
            format: FORMAT,
            model: self.derivation.label(),
            query_sha256: sources.query_sha256.clone(),
            version: at.version.clone(),
            sequence: at.sequence,
            segments: segments.iter().map(entry).collect(),
        };
        if let Err(error) = write(&self.dir.join(MANIFEST), &manifest) {
            tracing::warn!(%project, %error, "the index cannot be kept; it will be read from the feed at the next start");
        }
        Some(segments.clone())
    }

    /// Deletes every file but the manifest and those of these segments. The caller keeps others from sealing.
    pub(super) fn discard_unused(&self, segments: &[Arc<Sealed>]) {
        let Ok(files) = fs::read_dir(&self.dir) else { return };
        for path in files.flatten().map(|file| file.path()) {
            let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
            let sha = name.strip_prefix("segment-").and_then(|rest| rest.get(..16));
            let used = sha.is_some_and(|sha| segments.iter().any(|segment| segment.sha256.starts_with(sha)));
            let unfinished = path.extension().is_some_and(|extension| extension == "tmp");
            if name != MANIFEST && (!used || unfinished) {
                // What cannot be deleted now is tried again at the next sealing.
                let _ = fs::remove_file(&path);
            }
        }
    }
}

fn write(path: &Path, manifest: &Manifest) -> std::io::Result<()> {
    let temporary = path.with_extension("partial");
    let mut file = fs::File::create(&temporary)?;
    file.write_all(&serde_json::to_vec_pretty(manifest)?)?;
    file.sync_all()?;
    fs::rename(&temporary, path)
}

/// For each segment the keys that have changed behind its range: what it holds of them is not true any more.
pub(super) fn stale_keys(
    sources: &Sources,
    project: &ProjectName,
    sealed: &[Arc<Sealed>],
) -> Result<Vec<Vec<String>>, IndexError> {
    let mut stale: Vec<Vec<String>> = sealed.iter().map(|_| Vec::new()).collect();
    let (Some(first), Some(last)) = (sealed.first(), sealed.last()) else { return Ok(stale) };
    let mut since = first.to;
    while since < last.to {
        let changes = sources.replica.changes(project, since, FEED_PAGE)?;
        let Some(end) = changes.last().map(|change| change.sequence) else { break };
        for change in changes.iter().filter(|change| change.sequence <= last.to) {
            for (segment, stale) in sealed.iter().zip(&mut stale) {
                if change.sequence > segment.to {
                    stale.push(change.key.as_str().to_owned());
                }
            }
        }
        since = end;
    }
    Ok(stale)
}

/// The keys of records that are there, of the next page of the feed behind `since`, which moves on; none behind `to`.
fn next_keys(
    sources: &Sources,
    project: &ProjectName,
    since: &mut u64,
    to: u64,
) -> Result<Option<Vec<RecordKey>>, IndexError> {
    if *since >= to {
        return Ok(None);
    }
    let changes = sources.replica.changes(project, *since, FEED_PAGE)?;
    let Some(last) = changes.last().map(|change| change.sequence) else { return Ok(None) };
    *since = last;
    let inside = changes.into_iter().filter(|change| change.sequence <= to && !change.deleted);
    Ok(Some(inside.map(|change| change.key).collect()))
}

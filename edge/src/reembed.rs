//! Takes a project to another model while its queries go on being answered by the one that it has.
//!
//! Which model a project names is in its catalog document, the same on every replica. Which one answers is this replica's own
//! affair, noted in its store. Where the two differ, a thread embeds every record by the named model into the cache; then
//! it builds an index from the cache beside the old one, notes the change down, and puts the new index in the place of the old.
//! All progress is in the cache: whatever stops the work, the next start goes on where it was.

use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::time::Duration;

use skerry_host::Cancel;
use skerry_sync::{ProjectName, ReadError, Record, Replica, Settings, WriteError};

use crate::index::derive::Derivation;
use crate::index::{IndexError, ProjectIndex, Sources};
use crate::node::Node;

/// Records embedded between two looks at whether the work is still wanted.
const PAGE: usize = 32;

/// Time until a page that failed is tried again, at first and at most.
const RETRY_FIRST: Duration = Duration::from_secs(1);
const RETRY_MAX: Duration = Duration::from_mins(5);

/// How often a pause looks whether the work is still wanted.
const LOOKED_AT: Duration = Duration::from_millis(50);

/// A project on its way to another model.
#[derive(Debug)]
pub struct Reembedding {
    target: Derivation,
    cancel: Cancel,
    progress: Mutex<ReembedProgress>,
}

/// How far it is.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ReembedProgress {
    /// Records that have their vectors by the new model.
    pub records_done: u64,
    /// Records of the project when it was last counted.
    pub records_total: u64,
    /// What stops it for now; tried again.
    pub error: Option<String>,
}

impl Reembedding {
    /// What it leads to.
    pub fn target(&self) -> &Derivation {
        &self.target
    }

    /// How far it is.
    pub fn progress(&self) -> ReembedProgress {
        self.lock().clone()
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, ReembedProgress> {
        self.progress.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Node {
    /// The project's way to another model, if it is on one.
    pub fn reembedding(&self, project: &ProjectName) -> Option<Arc<Reembedding>> {
        self.reembeddings.lock().unwrap_or_else(PoisonError::into_inner).get(project).map(Arc::clone)
    }

    /// Stops the project's way to another model; [`reconcile`] begins it again.
    pub(crate) fn cancel_reembedding(&self, project: &ProjectName) {
        if let Some(job) = self.reembeddings.lock().unwrap_or_else(PoisonError::into_inner).remove(project) {
            job.cancel.cancel();
        }
    }

    /// Does what a changed name of the project's model asks for.
    ///
    /// # Errors
    /// [`IndexError`] when the project's index cannot be opened.
    pub fn model_changed(&self, project: &ProjectName) -> Result<(), IndexError> {
        self.index(project)?;
        reconcile(self, project);
        Ok(())
    }
}

fn note_name(project: &ProjectName) -> String {
    format!("serving/{project}")
}

/// The settings that the project's queries were last answered with on this replica.
pub(crate) fn serving(replica: &Replica, project: &ProjectName) -> Result<Option<Settings>, ReadError> {
    let note = replica.note_of(&note_name(project))?;
    Ok(note.and_then(|note| serde_json::from_str(&note).ok()))
}

/// Notes down what the project's queries are answered with, if that is news.
pub(crate) fn note_serving(replica: &Replica, project: &ProjectName, settings: &Settings) -> Result<(), WriteError> {
    if serving(replica, project)?.as_ref() == Some(settings) {
        return Ok(());
    }
    let json = serde_json::to_string(settings).unwrap_or_default();
    replica.put_note(&note_name(project), &json)
}

/// Deletes indexes of the project that are made with other models: what a crash during a change has left behind.
pub(crate) fn discard_other_folders(sources: &Sources, project: &ProjectName, kept: &Derivation) {
    let kept = kept.folder(project);
    let Ok(folders) = std::fs::read_dir(&sources.index_dir) else { return };
    for folder in folders.flatten() {
        let name = folder.file_name();
        let Some(name) = name.to_str().filter(|name| *name != kept) else { continue };
        if name.split('@').next() == Some(project.as_str())
            && let Err(error) = std::fs::remove_dir_all(folder.path())
        {
            tracing::warn!(%project, folder = name, %error, "an index that is not needed any more stays behind");
        }
    }
}

/// Begins, changes or ends the project's way to another model, as what it names asks for.
pub(crate) fn reconcile(node: &Node, project: &ProjectName) {
    let named = match node.replica().project(project) {
        Ok(info) => info.settings,
        Err(error) => {
            tracing::error!(%project, %error, "the project's model could not be read");
            return;
        }
    };
    let mut jobs = node.reembeddings.lock().unwrap_or_else(PoisonError::into_inner);
    // Looked up under the lock that a change of the index is made under.
    let Some(index) = node.index_if_open(project) else { return };
    let running = jobs.get(project);
    // Nearly always: nothing runs, and the settings are those of the index. No model is looked at then.
    if running.is_none() && named == *index.derivation().settings() {
        return;
    }
    if running.is_some_and(|job| *job.target.settings() == named) {
        return;
    }
    if let Some(old) = jobs.remove(project) {
        old.cancel.cancel();
    }
    let target = Derivation::new(&node.sources().models, &named);
    if target.is_same(index.derivation()) {
        return;
    }
    let job = Arc::new(Reembedding { target, cancel: Cancel::new(), progress: Mutex::default() });
    jobs.insert(project.clone(), Arc::clone(&job));
    drop(jobs);
    tracing::info!(%project, model = job.target.model_name(), "embedding the project anew");
    let (node, project) = (node.weak(), project.clone());
    let work = move || run(&node, &project, &job);
    if let Err(error) = std::thread::Builder::new().name("re-embedding".to_owned()).spawn(work) {
        tracing::error!(%error, "no thread to embed a project anew in; tried again at the next start");
    }
}

/// Works until the project is there, or nobody wants it any more.
fn run(node: &Weak<Node>, project: &ProjectName, job: &Arc<Reembedding>) {
    let (mut since, mut pause) = (0, RETRY_FIRST);
    loop {
        // Held for one page: a node that ends is not kept.
        let Some(held) = node.upgrade().filter(|_| !job.cancel.is_cancelled()) else { return };
        match step(&held, project, job, &mut since) {
            Ok(Step::Switched) => return,
            Ok(Step::Embedded) => {
                pause = RETRY_FIRST;
                job.lock().error = None;
                continue;
            }
            Err(_) if job.cancel.is_cancelled() => return,
            Err(error) => {
                tracing::warn!(%project, %error, "embedding the project anew is held up");
                job.lock().error = Some(error.to_string());
            }
        }
        drop(held);
        let mut left = pause;
        while !left.is_zero() && !job.cancel.is_cancelled() && node.strong_count() > 0 {
            std::thread::sleep(LOOKED_AT);
            left = left.saturating_sub(LOOKED_AT);
        }
        pause = (pause * 2).min(RETRY_MAX);
    }
}

enum Step {
    /// Some more records have their vectors.
    Embedded,
    /// All have, and the new index is in its place.
    Switched,
}

fn step(node: &Node, project: &ProjectName, job: &Arc<Reembedding>, since: &mut u64) -> Result<Step, IndexError> {
    let replica = node.replica();
    let changes = replica.changes(project, *since, PAGE)?;
    let Some(last) = changes.last().map(|change| change.sequence) else { return switch(node, project, job) };
    let keys: Vec<_> = changes.into_iter().filter(|change| !change.deleted).map(|change| change.key).collect();
    let records: Vec<Record> = replica.get_many(project, &keys)?.into_iter().flatten().collect();
    let texts: Vec<&str> = records.iter().map(|record| record.text.as_str()).collect();
    job.target.embedded(replica, &texts, Some(&job.cancel))?;
    *since = last;
    let mut progress = job.lock();
    progress.records_total = replica.project(project)?.records;
    // A record that was changed meanwhile is done twice.
    progress.records_done = (progress.records_done + records.len() as u64).min(progress.records_total);
    Ok(Step::Embedded)
}

/// Builds the new index from the cache and puts it in the place of the old one.
fn switch(node: &Node, project: &ProjectName, job: &Arc<Reembedding>) -> Result<Step, IndexError> {
    let sources = node.sources();
    // Also what was written since the last page; and then sealed, so that the next start need not read it all.
    let fresh = Arc::new(ProjectIndex::new(project.clone(), job.target.clone(), sources));
    job.target.model()?;
    fresh.catch_up(sources)?;
    #[cfg(feature = "compile")]
    while fresh.wants_sealing(sources) && !job.cancel.is_cancelled() {
        if !fresh.seal(sources)? {
            break;
        }
    }
    fresh.catch_up(sources)?;
    {
        // Under the lock that a cancellation takes: it comes before the change or after it.
        let mut jobs = node.reembeddings.lock().unwrap_or_else(PoisonError::into_inner);
        if job.cancel.is_cancelled() {
            fresh.retire();
            return Ok(Step::Switched);
        }
        note_serving(node.replica(), project, job.target.settings())?;
        node.replace_index(project, Arc::clone(&fresh));
        jobs.remove(project);
    }
    tracing::info!(%project, model = job.target.model_name(), "the project has another model");
    node.follow(project);
    Ok(Step::Switched)
}

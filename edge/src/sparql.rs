//! SPARQL 1.1 over a project: its records and links as RDF, held in memory and kept up with the change feed.
//!
//! What a record says as RDF is in [`mapping`]; how it is held and looked up in [`triples`]; how a query is answered in
//! [`answer`]. Queries only: a project is written through its records.

pub mod answer;
mod mapping;
mod size;
mod terms;
mod triples;

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use skerry_sync::{ProjectName, ReadError, RecordKey, Replica};

pub use answer::{Answer, Limits, Wanted};
pub use triples::Triples;

/// Changes read from the feed at a time.
const FEED_PAGE: usize = 1_000;

/// Quads of one project at most, those in named graphs counted, too; about 150 bytes each. A larger project is refused.
pub const QUADS_MAX: usize = 4_000_000;

/// A view from which more than this, and more than it holds, was removed is made anew: terms that nothing says any more stay
/// in it until then.
const REMOVED_MAX: usize = 100_000;

/// Why a project cannot be asked.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ViewError {
    /// The replica could not be read.
    #[error(transparent)]
    Read(#[from] ReadError),
    /// More than [`QUADS_MAX`].
    #[error("the project says more than {QUADS_MAX} statements, which SPARQL here does not hold")]
    TooLarge,
}

/// The projects that were asked, as RDF.
#[derive(Debug, Default)]
pub struct Views {
    projects: Mutex<BTreeMap<ProjectName, Arc<Mutex<View>>>>,
}

/// One project, up to a position of its feed.
#[derive(Debug, Default)]
struct View {
    triples: Arc<Triples>,
    sequence: u64,
    removed: usize,
}

impl Views {
    /// The project as it is now. Whoever holds an earlier answer goes on with that.
    ///
    /// # Errors
    /// See [`ViewError`].
    pub fn get(&self, replica: &Replica, project: &ProjectName) -> Result<Arc<Triples>, ViewError> {
        // Before a view is made: an unknown project must leave nothing.
        replica.sequence(project)?;
        let view = Arc::clone(lock(&self.projects).entry(project.clone()).or_default());
        let mut view = lock(&view);
        let followed = view.follow(replica, project);
        if followed.is_err() {
            // Half a page may be in it.
            *view = View::default();
        }
        followed.map(|()| Arc::clone(&view.triples))
    }

    /// Forgets the project, what was erased from it included; the next who asks makes the view anew.
    pub fn forget(&self, project: &ProjectName) {
        lock(&self.projects).remove(project);
    }
}

impl View {
    fn follow(&mut self, replica: &Replica, project: &ProjectName) -> Result<(), ViewError> {
        if self.sequence > replica.sequence(project)? || self.removed > REMOVED_MAX.max(self.triples.len()) {
            *self = View::default();
        }
        loop {
            let changes = replica.changes(project, self.sequence, FEED_PAGE)?;
            let Some(last) = changes.last().map(|change| change.sequence) else { return Ok(()) };
            let keys: Vec<RecordKey> = changes.into_iter().map(|change| change.key).collect();
            let records = replica.get_many(project, &keys)?;
            // Copies what is held only while somebody is asking it.
            let triples = Arc::make_mut(&mut self.triples);
            for (key, record) in keys.iter().zip(records) {
                self.removed += triples.remove(key.as_str());
                if let Some(record) = record {
                    triples.insert(key.as_str(), &mapping::quads(&record));
                }
                if triples.len() > QUADS_MAX {
                    return Err(ViewError::TooLarge);
                }
            }
            self.sequence = last;
        }
    }
}

/// A view whose holder panicked is followed from an earlier position; inserting twice changes nothing.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

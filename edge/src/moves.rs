//! Who waits for a project to change on this node: subscriptions.
//!
//! Waiting costs a position in the durable change feed and a wake-up, nothing else: a slow reader holds nothing back, and what
//! it has not read yet is read from the feed.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use skerry_sync::ProjectName;
use tokio::sync::watch;

/// Wakes whoever waits for changes.
#[derive(Debug)]
pub struct Moves {
    projects: Mutex<BTreeMap<ProjectName, watch::Sender<()>>>,
    ended: watch::Sender<bool>,
}

impl Default for Moves {
    fn default() -> Self {
        Moves { projects: Mutex::default(), ended: watch::Sender::new(false) }
    }
}

impl Moves {
    fn projects(&self) -> MutexGuard<'_, BTreeMap<ProjectName, watch::Sender<()>>> {
        self.projects.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Wakes those who wait for the project, in this process.
    pub(crate) fn tell(&self, project: &ProjectName) {
        let mut projects = self.projects();
        if projects.get(project).is_some_and(|sender| sender.send(()).is_err()) {
            projects.remove(project);
        }
    }

    /// Is woken at every change of the project from now on.
    pub(crate) fn wait_for(&self, project: &ProjectName) -> watch::Receiver<()> {
        self.projects().entry(project.clone()).or_insert_with(|| watch::Sender::new(())).subscribe()
    }

    /// Ends subscriptions where they are: the node stops, or it is one that cannot keep a connection open, as in Lambda. Who
    /// asks afterwards gets what the feed has, and then the end.
    pub fn end_subscriptions(&self) {
        self.ended.send_replace(true);
    }

    /// Becomes true when subscriptions are to end.
    pub(crate) fn ended(&self) -> watch::Receiver<bool> {
        self.ended.subscribe()
    }
}

//! Whoever wants to know that a project has changed here.

use std::sync::{PoisonError, RwLock};

use super::Replica;
use crate::record::ProjectName;

type Watcher = Box<dyn Fn(&ProjectName) + Send + Sync>;

/// Those who want to know.
#[derive(Default)]
pub(super) struct Watchers(RwLock<Vec<Watcher>>);

impl std::fmt::Debug for Watchers {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("Watchers").field(&self.0.read().map_or(0, |watchers| watchers.len())).finish()
    }
}

impl Watchers {
    pub(super) fn tell(&self, project: &ProjectName) {
        self.0.read().unwrap_or_else(PoisonError::into_inner).iter().for_each(|watcher| watcher(project));
    }
}

impl Replica {
    /// Calls `watcher` after every commit to a project, whoever made it: a publish here, an exchange, a hub. The commit is on
    /// disk then. The caller is whoever wrote, and others wait: the watcher must be quick and must not use the replica.
    pub fn on_change(&self, watcher: impl Fn(&ProjectName) + Send + Sync + 'static) {
        self.inner.watchers.0.write().unwrap_or_else(PoisonError::into_inner).push(Box::new(watcher));
    }
}

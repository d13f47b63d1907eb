//! Makes what came from the hub findable, beside the connection.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use skerry_sync::ProjectName;

use crate::node::Node;

/// Lets indexes follow: one thread for a project at most, however fast changes come.
#[derive(Debug, Clone)]
pub(super) struct Follower {
    node: Arc<Node>,
    /// Projects being followed, and whether more has come since.
    busy: Arc<Mutex<BTreeMap<ProjectName, bool>>>,
}

impl Follower {
    pub(super) fn new(node: Arc<Node>) -> Follower {
        Follower { node, busy: Arc::default() }
    }

    /// Lets the project's index follow, now or when it is done with what came before.
    pub(super) fn follow(&self, project: ProjectName) {
        {
            let mut busy = self.busy.lock().unwrap_or_else(PoisonError::into_inner);
            if let Some(more) = busy.get_mut(&project) {
                *more = true;
                return;
            }
            busy.insert(project.clone(), false);
        }
        let follower = self.clone();
        tokio::task::spawn_blocking(move || {
            loop {
                follower.node.follow(&project);
                let mut busy = follower.busy.lock().unwrap_or_else(PoisonError::into_inner);
                match busy.get_mut(&project) {
                    Some(more) if *more => *more = false,
                    _ => {
                        busy.remove(&project);
                        return;
                    }
                }
            }
        });
    }
}

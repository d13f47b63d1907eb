//! What the client tells about itself: where the connection is, and what is not yet at the hub.

use std::time::Duration;

use super::talk::Counted;
use super::{Client, Phase, Talk};
use crate::error::ReadError;
use crate::record::ProjectName;
use crate::replica::live::LiveDocument;

/// A client's state.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ClientStatus {
    /// Where the connection is.
    pub link: Link,
    /// What the hub refused last, or why the last connection ended.
    pub complaint: Option<Complaint>,
    /// The projects that the client follows, in the order of their names.
    pub projects: Vec<ProjectSync>,
}

/// Where the connection is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Link {
    /// There is none; the next attempt is at this time.
    Waiting {
        /// Since the Unix epoch.
        until: Duration,
    },
    /// It is being made.
    Connecting,
    /// It is open.
    Connected {
        /// Since the Unix epoch.
        since: Duration,
    },
}

/// Something that went wrong, for people.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Complaint {
    /// What.
    pub message: String,
    /// When, since the Unix epoch.
    pub at: Duration,
}

/// How a project stands with the hub.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ProjectSync {
    /// The project.
    pub name: ProjectName,
    /// Whether both have the same.
    pub agreement: Agreement,
    /// Records changed here that the hub is not known to have.
    pub records_unsent: usize,
    /// Documents whose changes the hub is not known to have.
    pub documents_unsent: usize,
    /// When both had the same last, since the Unix epoch.
    pub agreed: Option<Duration>,
}

/// Whether hub and replica have the same of a project.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Agreement {
    /// There is no connection.
    Apart,
    /// They are talking about it.
    Syncing,
    /// They do.
    Settled,
    /// One of them does not take it; said why. Tried again with the next connection.
    Refused(String),
}

impl Client {
    /// The client's state. Counting what is unsent reads documents, each once after it has changed.
    ///
    /// # Errors
    /// [`ReadError`].
    pub fn status(&mut self, now: Duration) -> Result<ClientStatus, ReadError> {
        let link = match &self.phase {
            Phase::Apart { until } if *until > now => Link::Waiting { until: *until },
            Phase::Apart { .. } | Phase::Joining { .. } => Link::Connecting,
            Phase::Connected { since, .. } => Link::Connected { since: *since },
        };
        let names: Vec<ProjectName> = self.projects.keys().cloned().collect();
        let projects = names.iter().map(|name| self.project_status(name)).collect::<Result<_, _>>()?;
        Ok(ClientStatus { link, complaint: self.complaint.clone(), projects })
    }

    fn project_status(&mut self, name: &ProjectName) -> Result<ProjectSync, ReadError> {
        let connected = self.is_connected();
        let (epoch, live) = self.renew(name)?;
        let mut status = ProjectSync {
            agreement: Agreement::Apart,
            records_unsent: 0,
            documents_unsent: 0,
            agreed: None,
            name: name.clone(),
        };
        let Some(followed) = self.projects.get_mut(name) else { return Ok(status) };
        let mut stopped = None;
        for LiveDocument { slot, heads: stored, .. } in live {
            let Some(document) = followed.documents.get_mut(&slot) else { continue };
            if let Talk::Stopped(reason) = &document.talk {
                stopped = Some(format!("changes from the hub are refused: {reason}"));
            }
            let here = document.heads(stored);
            let there = followed.known.get(&document.id).cloned().unwrap_or_default();
            if there == here {
                continue;
            }
            let counted = document.counted.take().filter(|counted| counted.here == here && counted.there == there);
            let counted = match counted {
                Some(counted) => counted,
                None => Counted { beyond: self.replica.beyond(name, epoch, slot, &there)?, here, there },
            };
            status.records_unsent += counted.beyond.records;
            status.documents_unsent += usize::from(counted.beyond.changes > 0);
            document.counted = Some(counted);
        }
        status.agreed = followed.known.agreed;
        status.agreement = match (followed.refused.clone().or(stopped), connected) {
            (Some(reason), _) => Agreement::Refused(reason),
            (None, false) => Agreement::Apart,
            (None, true) if followed.settled && status.documents_unsent == 0 => Agreement::Settled,
            (None, true) => Agreement::Syncing,
        };
        Ok(status)
    }
}

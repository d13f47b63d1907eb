//! The export `tracking`.

use std::cell::RefCell;

use super::Component;
use super::curvature::transport;
use super::exports::skerry::geometry::tracking::{self as wit, Error};
use crate::graph::Edge;
use crate::tracker::{Change, Measure, Score, Tracker, TrackerError};

impl From<TrackerError> for Error {
    fn from(error: TrackerError) -> Self {
        match error {
            TrackerError::SelfLoop(change) => Error::SelfLoop(change),
            TrackerError::RepeatedEdge(change) => Error::RepeatedEdge(change),
            TrackerError::MissingEdge(change) => Error::MissingEdge(change),
            TrackerError::TooLarge(reason) => Error::OutOfRange(reason),
        }
    }
}

fn edge(edge: wit::Edge) -> Edge {
    Edge { source: edge.source, target: edge.target }
}

fn score((edge, score): (Edge, Score)) -> wit::Score {
    let edge = wit::Edge { source: edge.source, target: edge.target };
    wit::Score { edge, value: score.value, exact: score.exact.map(wit::Ratio::from) }
}

impl wit::Guest for Component {
    type Tracker = RefCell<Tracker>;
}

impl wit::GuestTracker for RefCell<Tracker> {
    fn open(measure: wit::Measure) -> Result<wit::Tracker, Error> {
        let measure = match measure {
            wit::Measure::Forman(kind) => Measure::Forman(kind.into()),
            wit::Measure::Transport(kind) => {
                Measure::Transport(transport(kind).map_err(|error| Error::OutOfRange(error.to_string()))?)
            }
        };
        Ok(wit::Tracker::new(RefCell::new(Tracker::new(measure))))
    }

    fn apply(&self, changes: Vec<wit::Change>) -> Result<Vec<wit::Score>, Error> {
        let change = |change| match change {
            wit::Change::Insert(inserted) => Change::Insert(edge(inserted)),
            wit::Change::Remove(removed) => Change::Remove(edge(removed)),
        };
        let changes: Vec<Change> = changes.into_iter().map(change).collect();
        Ok(self.borrow_mut().apply(&changes)?.into_iter().map(score).collect())
    }

    fn scores(&self) -> Vec<wit::Score> {
        self.borrow().scores().map(score).collect()
    }

    fn recomputed(&self) -> u64 {
        self.borrow().recomputed()
    }
}

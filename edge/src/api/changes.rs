//! What has changed in a project: pages of the change feed, or a subscription that goes on.

use std::collections::VecDeque;
use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use axum::Json;
use axum::extract::State;
use axum::http::{HeaderMap, header};
use axum::response::sse::{Event, KeepAlive, Sse};
use axum::response::{IntoResponse, Response};
use futures_util::stream::{self, Stream};
use serde::Deserialize;
use skerry_sync::{ProjectName, RecordKey};
use tokio::sync::watch;

use super::{blocking, project_name};
use crate::body::{ChangeBody, ChangesPage};
use crate::extract::{PathParameters, QueryParameters};
use crate::node::Node;
use crate::plugins::filter::Chosen;
use crate::problem::{Kind, Problem};

/// Changes on one page at most, and when nothing is said.
const PAGE_MAX: usize = 1_000;
const PAGE_DEFAULT: usize = 100;

/// Changes that a subscription reads from the feed at a time: what it holds in memory.
const READ_MAX: usize = 64;

/// How often a subscription gives a sign of life.
const KEEP_ALIVE: Duration = Duration::from_secs(15);

/// The media type of a subscription.
const EVENT_STREAM: &str = "text/event-stream";

/// Which changes.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Wanted {
    since: Option<u64>,
    limit: Option<usize>,
    #[serde(default)]
    record: bool,
    filter: Option<String>,
    argument: Option<String>,
}

/// Changes behind a position of the feed, of each record the last one. With `Accept: text/event-stream` a subscription:
/// server-sent events, one for each change, first those behind `since`, then new ones as they come, whether they were
/// written here or came from the hub or another node. The event's `id` is its position, so that `Last-Event-ID` goes on
/// where a lost connection ended. Without `since` a subscription begins with what comes next, and a page with the first change.
#[utoipa::path(get, path = "/projects/{project}/changes", tag = "sync", params(("project" = String, Path),
    ("since" = Option<u64>, Query, description = "Position behind which to begin: the `sequence` of an earlier answer"),
    ("limit" = Option<usize>, Query, description = "Changes on the page, 1 to 1,000; 100 when absent. Not for subscriptions"),
    ("record" = Option<bool>, Query, description = "With the records as they are now"),
    ("filter" = Option<String>, Query, description = "Only changes that this plugin keeps: a subscription filter of `GET /plugins`. A page may have fewer than `limit` then, or none, and go on at its `next`"),
    ("argument" = Option<String>, Query, description = "What the filter is told; what it means is the plugin's")), responses(
    (status = 200, content((ChangesPage = "application/json"), (String = "text/event-stream"))),
    (status = 400, description = "urn:skerry:problem:invalid-parameter: also when the feed has not come to `since` yet"),
    (status = 404, description = "urn:skerry:problem:unknown-project"),
    (status = 422, description = "urn:skerry:problem:unknown-plugin")))]
pub(super) async fn changes(
    State(node): State<Arc<Node>>,
    PathParameters(project): PathParameters<String>,
    QueryParameters(wanted): QueryParameters<Wanted>,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let project = project_name(&project)?;
    let accepted = headers.get(header::ACCEPT).and_then(|value| value.to_str().ok()).unwrap_or_default();
    if !accepted.contains(EVENT_STREAM) {
        let limit = wanted.limit.unwrap_or(PAGE_DEFAULT);
        if !(1..=PAGE_MAX).contains(&limit) {
            let detail = format!("`limit` is {limit}; it goes from 1 to {PAGE_MAX}.");
            return Err(Problem::new(Kind::InvalidParameter, detail));
        }
        let since = wanted.since.unwrap_or(0);
        let page = blocking(move || {
            check_since(&node, &project, since)?;
            let filter = Chosen::new(&node, &project, wanted.filter, wanted.argument)?;
            page(&node, &project, since, limit, Telling { record: wanted.record, filter })
        });
        return Ok(Json(page.await?).into_response());
    }
    let since = match headers.get("last-event-id") {
        Some(last) => Some(last_event(last)?),
        None => wanted.since,
    };
    let (asked, name) = (Arc::clone(&node), project.clone());
    let filter = blocking(move || {
        // A project that there is not is told before a plugin that there is not.
        asked.replica().sequence(&name)?;
        Chosen::new(&asked, &name, wanted.filter, wanted.argument)
    });
    let telling = Telling { record: wanted.record, filter: filter.await? };
    let subscription = Subscription::open(node, project, since, telling).await?;
    Ok(Sse::new(subscription.events()).keep_alive(KeepAlive::new().interval(KEEP_ALIVE)).into_response())
}

fn last_event(value: &axum::http::HeaderValue) -> Result<u64, Problem> {
    let number = value.to_str().ok().and_then(|text| text.trim().parse().ok());
    number.ok_or_else(|| Problem::new(Kind::InvalidParameter, "`Last-Event-ID` is not an id of these events."))
}

/// A position that the feed has not come to is one of another node, or of this one before it lost something: waiting there
/// would pass over changes.
fn check_since(node: &Node, project: &ProjectName, since: u64) -> Result<(), Problem> {
    let sequence = node.replica().sequence(project)?;
    if since <= sequence {
        return Ok(());
    }
    let detail = format!(
        "`since` is {since}, and this node's feed ends at {sequence}. Positions are each node's own; begin with `since=0`."
    );
    Err(Problem::new(Kind::InvalidParameter, detail).with("sequence", sequence))
}

/// What a reader of the feed is told.
#[derive(Debug, Clone)]
pub(crate) struct Telling {
    /// With the records.
    pub(crate) record: bool,
    /// Which changes; all of them without one.
    pub(crate) filter: Option<Chosen>,
}

fn page(
    node: &Node,
    project: &ProjectName,
    since: u64,
    limit: usize,
    telling: Telling,
) -> Result<ChangesPage, Problem> {
    let Some(filter) = telling.filter else { return whole_page(node, project, since, limit, telling.record) };
    let mut page = filter.apply(node, project, whole_page(node, project, since, limit, true)?)?;
    if !telling.record {
        page.changes.iter_mut().for_each(|change| change.record = None);
    }
    Ok(page)
}

fn whole_page(
    node: &Node,
    project: &ProjectName,
    since: u64,
    limit: usize,
    record: bool,
) -> Result<ChangesPage, Problem> {
    let changes = node.replica().changes(project, since, limit)?;
    let next = changes.last().map_or(since, |change| change.sequence);
    let keys: Vec<RecordKey> = changes.iter().map(|change| change.key.clone()).collect();
    let records = if record { node.replica().get_many(project, &keys)? } else { vec![None; keys.len()] };
    let body = |(change, record): (skerry_sync::Change, Option<skerry_sync::Record>)| ChangeBody {
        sequence: change.sequence,
        key: change.key.as_str().to_owned(),
        deleted: change.deleted,
        record: record.filter(|_| !change.deleted).map(Into::into),
        filter_failed: None,
    };
    Ok(ChangesPage { changes: changes.into_iter().zip(records).map(body).collect(), next })
}

/// Somebody who reads the feed at a pace of their own. It holds a position and a few changes that were read.
#[derive(Debug)]
pub(crate) struct Subscription {
    node: Arc<Node>,
    project: ProjectName,
    since: u64,
    telling: Telling,
    read: VecDeque<ChangeBody>,
    moves: watch::Receiver<()>,
    ended: watch::Receiver<bool>,
}

impl Subscription {
    /// A subscription to what comes behind a position; behind what is there now without one.
    ///
    /// # Errors
    /// [`Kind::InvalidParameter`] when the feed has not come to the position yet; [`Kind::UnknownProject`].
    pub(crate) async fn open(
        node: Arc<Node>,
        project: ProjectName,
        since: Option<u64>,
        telling: Telling,
    ) -> Result<Subscription, Problem> {
        // Before the position is looked up: what comes in between wakes the subscription.
        let (moves, ended) = (node.moves().wait_for(&project), node.moves().ended());
        let (asked, name) = (Arc::clone(&node), project.clone());
        let since = blocking(move || match since {
            Some(since) => check_since(&asked, &name, since).map(|()| since),
            None => Ok(asked.replica().sequence(&name)?),
        })
        .await?;
        Ok(Subscription { node, project, since, telling, read: VecDeque::new(), moves, ended })
    }

    fn events(self) -> impl Stream<Item = Result<Event, Infallible>> {
        stream::unfold(Some(self), async |subscription| {
            let mut subscription = subscription?;
            match subscription.next().await {
                Ok(Some(change)) => {
                    let event = Event::default().id(change.sequence.to_string());
                    let event = event.data(serde_json::to_string(&change).unwrap_or_default());
                    Some((Ok(event), Some(subscription)))
                }
                Ok(None) => None,
                Err(problem) => {
                    let event = Event::default().event("problem").data(problem.to_json(None).to_string());
                    Some((Ok(event), None))
                }
            }
        })
    }

    /// The next change; none when subscriptions end.
    pub(crate) async fn next(&mut self) -> Result<Option<ChangeBody>, Problem> {
        loop {
            if let Some(change) = self.read.pop_front() {
                return Ok(Some(change));
            }
            self.moves.borrow_and_update();
            let (node, project) = (Arc::clone(&self.node), self.project.clone());
            let (since, telling) = (self.since, self.telling.clone());
            let page = blocking(move || page(&node, &project, since, READ_MAX, telling)).await?;
            // A page that a filter left nothing of is not the end of the feed.
            let is_end = page.next == self.since;
            self.since = page.next;
            self.read = page.changes.into();
            if is_end {
                tokio::select! {
                    moved = self.moves.changed() => if moved.is_err() { return Ok(None) },
                    _ = self.ended.wait_for(|ended| *ended) => return Ok(None),
                }
            }
        }
    }
}

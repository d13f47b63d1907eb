//! A replica that follows the central store: what the store has is read before it is asked, and what is written counts only when
//! the store has it. The instance may vanish at any moment, and a thousand others may write at the same time: chunks commute.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use axum::Router;
use axum::body::Body;
use axum::http::{Method, Request};
use axum::response::{IntoResponse, Response};
use skerry_central::{CentralStore, FillError};
use skerry_edge::ProjectName;
use skerry_edge::index::Adopted;
use skerry_edge::node::Node;
use skerry_edge::problem::{Kind, Problem};
use skerry_sync::hub::StoreFailure;
use tokio::sync::Mutex;
use tower::ServiceExt;

use crate::shelf::{Seed, Shelf};

/// The node of this instance, and how far it has followed the store.
pub(crate) struct Following {
    node: Arc<Node>,
    router: Router,
    /// The store, and the snapshots that a replica begins with.
    source: Option<(Arc<CentralStore>, Arc<Shelf>)>,
    fresh: Duration,
    embed: Duration,
    /// When each project was last read from the store. Held while it is read: two requests at once read it once.
    looked: Mutex<BTreeMap<ProjectName, Instant>>,
}

/// What a request does to a project.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Effect {
    Reads,
    Searches,
    Writes,
}

impl Following {
    pub(crate) fn new(
        node: Arc<Node>,
        router: Router,
        source: Option<(Arc<CentralStore>, Arc<Shelf>)>,
        fresh: Duration,
        embed: Duration,
    ) -> Following {
        Following { node, router, source, fresh, embed, looked: Mutex::default() }
    }

    pub(crate) fn node(&self) -> &Arc<Node> {
        &self.node
    }

    /// Answers a request from the replica, which is brought up to date before, and from which what was written is stored after.
    pub(crate) async fn call(&self, request: Request<Body>) -> Response {
        let project = project_of(request.uri().path());
        let effect = effect_of(request.method(), request.uri().path());
        let prepared = match &project {
            Some(project) => self.follow(project).await,
            None => self.follow_all().await,
        };
        if let Err(problem) = prepared {
            return problem.into_response();
        }
        if let (Effect::Searches, Some(project)) = (effect, &project) {
            self.embed_for_a_while(project).await;
        }
        let Ok(response) = self.router.clone().oneshot(request).await;
        if effect == Effect::Writes
            && response.status().is_success()
            && let Some(project) = &project
            && let Err(problem) = self.store(project).await
        {
            return problem.into_response();
        }
        response
    }

    /// Reads what the store has of a project, unless that was done a moment ago.
    ///
    /// # Errors
    /// [`Kind::StoreFailed`] when the store cannot be read: an answer from what happens to be here would look like the truth.
    pub(crate) async fn follow(&self, project: &ProjectName) -> Result<(), Problem> {
        let Some((store, shelf)) = &self.source else { return Ok(()) };
        let mut looked = self.looked.lock().await;
        if looked.get(project).is_some_and(|looked| looked.elapsed() < self.fresh) {
            return Ok(());
        }
        if self.node.replica().sequence(project).is_err()
            && let Some(seed) = shelf.seed(project).await
        {
            self.begin_with(project, store, &seed).await?;
        }
        let filled = skerry_central::fill(self.node.replica(), project, store).await.map_err(|error| failed(&error))?;
        if filled.changes > 0 {
            let (node, project) = (Arc::clone(&self.node), project.clone());
            // Embeds nothing: the node was told to wait for that until somebody searches.
            tokio::task::spawn_blocking(move || node.follow(&project))
                .await
                .map_err(|error| Problem::internal(&error))?;
        }
        looked.insert(project.clone(), Instant::now());
        Ok(())
    }

    /// Reads what the snapshot was baked from, and lays the snapshot down as the index of it: only what is newer is embedded then.
    async fn begin_with(&self, project: &ProjectName, store: &CentralStore, seed: &Seed) -> Result<(), Problem> {
        let replica = self.node.replica();
        let Seed { published, query_sha256, code, label, trusted } = seed;
        let whole = skerry_central::fill_covered(replica, project, store, &published.covered()).await;
        let whole = whole.map_err(|error| failed(&error))?;
        let version = replica.version(project).map_err(Problem::from)?.to_string();
        if !whole || version != published.version {
            tracing::warn!(%project, version, snapshot = published.version, "the chunks of the snapshot are not there any more");
            return Ok(());
        }
        let snapshot = Adopted {
            version: &version,
            sequence: replica.sequence(project).map_err(Problem::from)?,
            documents: published.records,
            wasm_sha256: query_sha256,
            unbaked_sha256: &published.unbaked_sha256,
            label,
            code,
            trusted,
        };
        let index = self.node.index(project).map_err(Problem::from)?;
        if let Err(reason) = index.adopt(self.node.sources(), &snapshot) {
            tracing::warn!(%project, reason, "the snapshot does not fit; records will be embedded anew");
        }
        Ok(())
    }

    async fn follow_all(&self) -> Result<(), Problem> {
        let Some((store, _)) = &self.source else { return Ok(()) };
        for project in store.projects().await.map_err(|error| failed(&error.into()))? {
            self.follow(&project).await?;
        }
        Ok(())
    }

    /// Stores what the replica has and the store has not.
    ///
    /// # Errors
    /// [`Kind::StoreFull`], [`Kind::StoreFailed`]: what was written is not acknowledged. It may get into the store with the next
    /// write of this instance, or be gone with it.
    pub(crate) async fn store(&self, project: &ProjectName) -> Result<(), Problem> {
        let Some((store, _)) = &self.source else { return Ok(()) };
        skerry_central::push(self.node.replica(), project, store).await.map(drop).map_err(|error| failed(&error))
    }

    /// Embeds what was written since the snapshot, as long as a query may wait; the answer tells how many are still missing. What
    /// is not done goes on, with the next call too.
    async fn embed_for_a_while(&self, project: &ProjectName) {
        let (node, name) = (Arc::clone(&self.node), project.clone());
        let embedding = tokio::task::spawn_blocking(move || node.catch_up(&name));
        match tokio::time::timeout(self.embed, embedding).await {
            Ok(Ok(Err(error))) => tracing::warn!(%project, %error, "some records have no vectors yet"),
            Ok(Err(error)) => tracing::error!(%project, %error, "embedding failed"),
            Ok(Ok(Ok(()))) => {}
            Err(_) => tracing::info!(%project, "a query does not wait any longer for vectors"),
        }
    }
}

fn failed(error: &FillError) -> Problem {
    tracing::error!(%error, "the central store");
    match error {
        FillError::Store(StoreFailure::Full) => Problem::new(
            Kind::StoreFull,
            "The central store is full. The write is not acknowledged; make room and send it again.",
        ),
        FillError::Store(_) => Problem::new(
            Kind::StoreFailed,
            "The central store could not be read or written. A write is not acknowledged; send it again.",
        ),
        other => Problem::internal(&other),
    }
}

/// The project that a path of the API is about.
pub(crate) fn project_of(path: &str) -> Option<ProjectName> {
    let rest = path.strip_prefix("/api/v1/projects/")?;
    ProjectName::parse(rest.split('/').next()?).ok()
}

fn effect_of(method: &Method, path: &str) -> Effect {
    if *method == Method::GET || *method == Method::HEAD {
        return Effect::Reads;
    }
    let below: Vec<&str> = path.strip_prefix("/api/v1/projects/").unwrap_or_default().split('/').skip(1).collect();
    match below.as_slice() {
        ["query" | "duplicates"] => Effect::Searches,
        ["graph" | "geometry", ..] | ["layers", "query" | "overlaps"] => Effect::Reads,
        _ => Effect::Writes,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Everything that may change something is stored before it is acknowledged; questions that come as POST are no writes.
    #[test]
    fn writes_are_told_from_questions() {
        let of = |method: &str, path: &str| effect_of(&method.parse().unwrap(), &format!("/api/v1/projects/p{path}"));
        for (method, path) in [
            ("PUT", ""),
            ("POST", "/records"),
            ("POST", "/deletions"),
            ("DELETE", "/records/k"),
            ("PUT", "/layers/x"),
            ("POST", "/layers/x/add"),
            ("POST", "/erase"),
            ("POST", "/sync"),
            ("PUT", "/charts/c"),
        ] {
            assert_eq!(of(method, path), Effect::Writes, "{method} {path}");
        }
        for (method, path) in
            [("GET", "/records"), ("POST", "/graph/path"), ("POST", "/geometry/curvature"), ("POST", "/layers/query")]
        {
            assert_eq!(of(method, path), Effect::Reads, "{method} {path}");
        }
        assert_eq!(of("POST", "/query"), Effect::Searches);
        assert_eq!(project_of("/api/v1/projects/p/query").unwrap().as_str(), "p");
        assert_eq!(project_of("/api/v1/health"), None);
    }
}

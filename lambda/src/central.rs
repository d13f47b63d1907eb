//! Keeps a function instance and the hub equal: reads see what the hub has, writes are acknowledged by the hub.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use axum::Router;
use axum::extract::{Request, State};
use axum::http::Method;
use axum::middleware::{self, Next};
use axum::response::{IntoResponse, Response};
use skerry_edge::body::SyncBody;
use skerry_edge::node::Node;
use skerry_edge::peer;
use skerry_edge::problem::Problem;

/// How old the instance's view of the hub may be when it answers a read.
const FRESH: Duration = Duration::from_secs(2);

/// The hub, and when this instance last heard from it.
pub(crate) struct Central {
    node: Arc<Node>,
    url: String,
    api_key: Option<String>,
    heard: Mutex<Option<Instant>>,
}

impl Central {
    pub(crate) fn new(node: Arc<Node>, url: String, api_key: Option<String>) -> Arc<Central> {
        Arc::new(Central { node, url, api_key, heard: Mutex::default() })
    }

    fn is_fresh(&self) -> bool {
        let heard = self.heard.lock().unwrap_or_else(PoisonError::into_inner);
        heard.is_some_and(|heard| heard.elapsed() < FRESH)
    }

    fn sync(&self) -> Result<(), Problem> {
        let body = SyncBody { url: self.url.clone(), projects: None, api_key: self.api_key.clone() };
        peer::sync(&self.node, &body)?;
        *self.heard.lock().unwrap_or_else(PoisonError::into_inner) = Some(Instant::now());
        Ok(())
    }
}

/// Puts the hub behind a router.
pub(crate) fn behind(router: Router, central: Arc<Central>) -> Router {
    router.layer(middleware::from_fn_with_state(central, through))
}

async fn through(State(central): State<Arc<Central>>, request: Request, next: Next) -> Response {
    let writes = is_write(request.method(), request.uri().path());
    if !central.is_fresh()
        && let Err(problem) = run(&central).await
    {
        // A hub that is away does not stop reads: the instance answers with what it has, and says so in its log.
        tracing::warn!(%problem, "answering without the hub");
        if writes {
            return problem.into_response();
        }
    }
    let response = next.run(request).await;
    if writes && response.status().is_success() {
        // The instance may vanish: what it stored counts only when the hub has it.
        if let Err(problem) = run(&central).await {
            return problem.into_response();
        }
    }
    response
}

async fn run(central: &Arc<Central>) -> Result<(), Problem> {
    let central = Arc::clone(central);
    tokio::task::spawn_blocking(move || central.sync()).await.unwrap_or_else(|error| Err(Problem::internal(&error)))
}

/// Everything but reads; a query is a read that comes as POST.
fn is_write(method: &Method, path: &str) -> bool {
    let reads = *method == Method::GET || *method == Method::HEAD || path.ends_with("/query");
    !reads
}

//! A stand-in for the Lambda Runtime API on 127.0.0.1, for tests and for the benchmark of cold starts.
//!
//! It speaks the part of the API that a function needs (the paths under `/2018-06-01/runtime`, AWS documentation "Using the Lambda
//! runtime API"): hands out events one at a time, takes answers, whole or streamed, and errors. It is no sandbox: the function is an
//! ordinary process with the environment variables that Lambda sets, and with the memory and processors of this machine.
//!
//! ```no_run
//! # async fn example() -> std::io::Result<()> {
//! let api = skerry_lambda_mock::RuntimeApi::start().await?;
//! let function = api.spawn("target/debug/skerry-lambda".as_ref(), &[("SKERRY_STORE", "file:///srv/skerry")])?;
//! let answer = api.invoke(br#"{"skerry":"ping"}"#.to_vec()).await?;
//! assert!(answer.is_ok());
//! # drop(function);
//! # Ok(())
//! # }
//! ```

use std::collections::HashMap;
use std::io;
use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use axum::Router;
use axum::body::Body;
use axum::extract::{Path as PathParameter, State};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use bytes::Bytes;
use http_body_util::BodyExt;
use tokio::process::{Child, Command};
use tokio::sync::{mpsc, oneshot};

/// How long a function may take to answer.
const ANSWER_MAX: Duration = Duration::from_mins(1);

/// When events expire, in milliseconds since 1970: far away.
const DEADLINE_MS: &str = "4102444800000";

/// Memory that functions are told they have, in MiB.
const MEMORY_MIB: &str = "1024";

/// The API, on a port of its own, until it is dropped.
#[derive(Debug)]
pub struct RuntimeApi {
    address: String,
    state: Arc<Shared>,
    events: mpsc::UnboundedSender<(String, Vec<u8>)>,
    next_id: AtomicU64,
    server: tokio::task::JoinHandle<()>,
}

/// What a function said to an event.
#[derive(Debug, Clone)]
pub struct Answer {
    /// Whether it was sent to the path for answers, and not to that for errors.
    success: bool,
    /// The bytes.
    pub body: Bytes,
    /// It came by `Lambda-Runtime-Function-Response-Mode: streaming`.
    pub is_streamed: bool,
    /// When each part of the body came.
    pub parts: Vec<(Instant, usize)>,
    /// When the last byte came.
    pub at: Instant,
}

impl Answer {
    /// Whether the function answered, rather than failed.
    pub fn is_ok(&self) -> bool {
        self.success
    }

    /// The body as JSON; null when it is none.
    pub fn json(&self) -> serde_json::Value {
        serde_json::from_slice(&self.body).unwrap_or_default()
    }
}

struct Shared {
    waiting: tokio::sync::Mutex<mpsc::UnboundedReceiver<(String, Vec<u8>)>>,
    asked: Mutex<HashMap<String, oneshot::Sender<Answer>>>,
    failed_to_start: Mutex<Option<String>>,
}

impl std::fmt::Debug for Shared {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Shared").finish_non_exhaustive()
    }
}

impl Shared {
    fn asked(&self) -> MutexGuard<'_, HashMap<String, oneshot::Sender<Answer>>> {
        self.asked.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn failed_to_start(&self) -> MutexGuard<'_, Option<String>> {
        self.failed_to_start.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl RuntimeApi {
    /// Starts to listen.
    ///
    /// # Errors
    /// When no port is to be had.
    pub async fn start() -> io::Result<RuntimeApi> {
        let (events, waiting) = mpsc::unbounded_channel();
        let state = Arc::new(Shared {
            waiting: tokio::sync::Mutex::new(waiting),
            asked: Mutex::default(),
            failed_to_start: Mutex::default(),
        });
        let router = Router::new()
            .route("/2018-06-01/runtime/invocation/next", get(next))
            .route("/2018-06-01/runtime/invocation/{id}/response", post(answered))
            .route("/2018-06-01/runtime/invocation/{id}/error", post(failed))
            .route("/2018-06-01/runtime/init/error", post(not_started))
            .with_state(Arc::clone(&state));
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await?;
        let address = listener.local_addr()?.to_string();
        let server = tokio::spawn(async move {
            // It ends with the test that started it; what it could say then interests nobody.
            let _ = axum::serve(listener, router).await;
        });
        Ok(RuntimeApi { address, state, events, next_id: AtomicU64::new(1), server })
    }

    /// Starts a program as Lambda starts a function, with further environment variables. It is killed when the handle is dropped.
    ///
    /// # Errors
    /// When it cannot be started.
    pub fn spawn(&self, program: &Path, environment: &[(&str, &str)]) -> io::Result<Child> {
        let mut command = Command::new(program);
        command
            .env("AWS_LAMBDA_RUNTIME_API", &self.address)
            .env("AWS_LAMBDA_FUNCTION_NAME", "skerry")
            .env("AWS_LAMBDA_FUNCTION_VERSION", "1")
            .env("AWS_LAMBDA_FUNCTION_MEMORY_SIZE", MEMORY_MIB)
            .env("AWS_LAMBDA_LOG_GROUP_NAME", "/aws/lambda/skerry")
            .env("AWS_LAMBDA_LOG_STREAM_NAME", "test")
            .envs(environment.iter().copied())
            .kill_on_drop(true);
        command.spawn()
    }

    /// Hands an event to whichever function asks next, and waits for what it says.
    ///
    /// # Errors
    /// When no function answers within a minute, or one reports that it could not start.
    pub async fn invoke(&self, event: impl Into<Vec<u8>>) -> io::Result<Answer> {
        let id = format!("00000000-0000-0000-0000-{:012}", self.next_id.fetch_add(1, Ordering::Relaxed));
        let (tell, told) = oneshot::channel();
        self.state.asked().insert(id.clone(), tell);
        let gone = || io::Error::other("the mock of the Runtime API has ended");
        self.events.send((id, event.into())).map_err(|_| gone())?;
        match tokio::time::timeout(ANSWER_MAX, told).await {
            Ok(Ok(answer)) => Ok(answer),
            Ok(Err(_)) => Err(gone()),
            Err(_) => {
                let reason = self.state.failed_to_start().clone();
                Err(io::Error::other(reason.unwrap_or_else(|| "no function answered within a minute".to_owned())))
            }
        }
    }

    /// What a function said of why it could not start; none as long as none did.
    pub fn init_error(&self) -> Option<String> {
        self.state.failed_to_start().clone()
    }
}

impl Drop for RuntimeApi {
    fn drop(&mut self) {
        self.server.abort();
    }
}

async fn next(State(state): State<Arc<Shared>>) -> Response {
    let event = state.waiting.lock().await.recv().await;
    let Some((id, event)) = event else { return StatusCode::GONE.into_response() };
    let headers = [
        ("content-type", "application/json".to_owned()),
        ("lambda-runtime-aws-request-id", id),
        ("lambda-runtime-deadline-ms", DEADLINE_MS.to_owned()),
        ("lambda-runtime-invoked-function-arn", "arn:aws:lambda:eu-central-1:123456789012:function:skerry".to_owned()),
        ("lambda-runtime-trace-id", "Root=1-5759e988-bd862e3fe1be46a994272793;Sampled=0".to_owned()),
    ];
    (headers, event).into_response()
}

async fn answered(
    State(state): State<Arc<Shared>>,
    PathParameter(id): PathParameter<String>,
    headers: HeaderMap,
    body: Body,
) -> StatusCode {
    take(&state, &id, true, &headers, body).await
}

async fn failed(
    State(state): State<Arc<Shared>>,
    PathParameter(id): PathParameter<String>,
    headers: HeaderMap,
    body: Body,
) -> StatusCode {
    take(&state, &id, false, &headers, body).await
}

async fn take(state: &Shared, id: &str, success: bool, headers: &HeaderMap, mut body: Body) -> StatusCode {
    let mode = headers.get("lambda-runtime-function-response-mode");
    let is_streamed = mode.is_some_and(|mode| mode.as_bytes().eq_ignore_ascii_case(b"streaming"));
    let (mut bytes, mut parts) = (Vec::new(), Vec::new());
    while let Some(frame) = body.frame().await {
        let Ok(frame) = frame else { return StatusCode::BAD_REQUEST };
        if let Some(data) = frame.data_ref() {
            parts.push((Instant::now(), data.len()));
            bytes.extend_from_slice(data);
        }
    }
    let Some(tell) = state.asked().remove(id) else { return StatusCode::NOT_FOUND };
    let answer = Answer { success, body: bytes.into(), is_streamed, parts, at: Instant::now() };
    // Whoever asked may have given up.
    let _ = tell.send(answer);
    StatusCode::ACCEPTED
}

async fn not_started(State(state): State<Arc<Shared>>, body: String) -> StatusCode {
    *state.failed_to_start() = Some(body);
    StatusCode::ACCEPTED
}

//! The function: answers events, opening what each needs when it first needs it.

use std::sync::Arc;

use axum::Router;
use axum::body::{Body, BodyDataStream};
use axum::http::{Method, Request, header};
use axum::response::{IntoResponse, Response};
use http_body_util::BodyExt;
use lambda_http::aws_lambda_events::encodings::Body as EventBody;
use lambda_http::lambda_runtime::{Diagnostic, FunctionResponse, LambdaEvent, MetadataPrelude, StreamResponse};
use lambda_http::request::LambdaRequest;
use lambda_http::{Adapter, RequestExt};
use serde::Serialize;
use serde_json::value::RawValue;
use serde_json::{Value, json};
use skerry_central::{CentralStore, LocationOptions};
use skerry_edge::api::{self, ApiConfig};
use skerry_edge::auth::ApiKeys;
use skerry_edge::node::{Node, NodeConfig, SEAL_AFTER};
use skerry_edge::problem::Problem;
use skerry_host::keys::TrustedKeys;
use skerry_host::types::{Embedding, ModelInfo};
use tokio::sync::OnceCell;
use tower::ServiceExt;

use crate::central::{Following, project_of};
use crate::event::Event;
use crate::queue;
use crate::settings::Settings;
use crate::shelf::Shelf;

/// Bytes of an answer to a direct call at most; Lambda takes 6 MiB.
const ANSWER_BYTES_MAX: usize = 6 << 20;

/// What is answered whole.
#[derive(Serialize)]
#[serde(untagged)]
pub(crate) enum Answer {
    /// In the shape that whoever sent the request expects.
    Http(Box<RawValue>),
    Json(Value),
}

/// What is answered.
pub(crate) type Answered = FunctionResponse<Answer, BodyDataStream>;

/// One instance of the function.
pub(crate) struct Function {
    settings: Settings,
    api_keys: ApiKeys,
    store: Option<Arc<CentralStore>>,
    shelf: Option<Arc<Shelf>>,
    following: OnceCell<Following>,
}

impl Function {
    /// Opens the store, and nothing else: most calls need no replica.
    ///
    /// # Errors
    /// When the address of the store names none.
    pub(crate) fn new(settings: Settings) -> anyhow::Result<Arc<Function>> {
        let options = LocationOptions { s3_endpoint: settings.s3_endpoint.clone(), tidies: false };
        let store = match &settings.store {
            Some(location) => Some(Arc::new(CentralStore::open(location, &options)?)),
            None => None,
        };
        let shelf = store.as_ref().map(|store| Arc::new(Shelf::new(Arc::clone(store), &settings)));
        let api_keys = ApiKeys::new([settings.api_key.as_str()]);
        Ok(Arc::new(Function { settings, api_keys, store, shelf, following: OnceCell::new() }))
    }

    /// Answers an event.
    ///
    /// # Errors
    /// Lambda reports it as the function's error: the event is not known, or a direct call failed.
    pub(crate) async fn handle(self: Arc<Self>, event: LambdaEvent<Box<RawValue>>) -> Result<Answered, Diagnostic> {
        let LambdaEvent { payload, context } = event;
        let diagnostic =
            |error_type: &str, error_message: String| Diagnostic { error_type: error_type.to_owned(), error_message };
        let event = Event::read(&payload).map_err(|error| {
            let source = std::error::Error::source(&error).map(|source| format!(": {source}")).unwrap_or_default();
            diagnostic("UnknownEvent", format!("{error}{source}"))
        })?;
        match event {
            Event::Http(request) => self.http(LambdaEvent::new(*request, context)).await,
            Event::Queue(batch) => {
                let following = self.following().await.map_err(|problem| diagnostic("Skerry", problem.to_string()))?;
                Ok(whole(queue::handle(following, batch).await))
            }
            Event::Ping => Ok(whole(self.ping().await)),
            Event::Invoke(invocation) => invocation.answer(&self).await.map(whole).map_err(|problem| {
                let text = |name: &str| problem.get(name).and_then(Value::as_str).unwrap_or_default().to_owned();
                diagnostic(&text("type"), text("detail"))
            }),
        }
    }

    async fn http(self: Arc<Self>, event: LambdaEvent<LambdaRequest>) -> Result<Answered, Diagnostic> {
        let streams = self.settings.streams;
        let service = lambda_http::tower::service_fn(move |request: lambda_http::Request| {
            let function = Arc::clone(&self);
            async move { Ok::<_, Diagnostic>(function.serve(plain(request)).await) }
        });
        if !streams {
            let answer = Adapter::from(service).oneshot(event).await?;
            let answer = serde_json::value::to_raw_value(&answer)
                .map_err(|error| Diagnostic { error_type: "Skerry".to_owned(), error_message: error.to_string() })?;
            return Ok(FunctionResponse::BufferedResponse(Answer::Http(answer)));
        }
        let LambdaEvent { payload, context } = event;
        let request: lambda_http::Request = payload.into();
        let response = service.oneshot(request.with_lambda_context(context)).await?;
        let (mut parts, body) = response.into_parts();
        let cookies = parts.headers.get_all(header::SET_COOKIE).iter();
        let cookies = cookies.filter_map(|cookie| cookie.to_str().ok().map(str::to_owned)).collect();
        parts.headers.remove(header::SET_COOKIE);
        let metadata_prelude = MetadataPrelude { status_code: parts.status, headers: parts.headers, cookies };
        Ok(FunctionResponse::StreamingResponse(StreamResponse { metadata_prelude, stream: body.into_data_stream() }))
    }

    /// Answers a request of the API: from a snapshot when one has everything that the store has, else from the replica.
    async fn serve(&self, request: Request<Body>) -> Response {
        if let Some(shelf) = &self.shelf
            && let Some(project) = project_of(request.uri().path())
            && Shelf::takes(request.method(), request.uri().path())
        {
            let (parts, body) = request.into_parts();
            let bytes = match body.collect().await {
                Ok(body) => body.to_bytes(),
                Err(error) => return Problem::internal(&error).into_response(),
            };
            if let Err(problem) = self.api_keys.check(&parts.headers) {
                return problem.into_response();
            }
            if let Some(response) = shelf.answer(&project, &parts, &bytes).await {
                return response;
            }
            return self.ask_replica(Request::from_parts(parts, Body::from(bytes))).await;
        }
        self.ask_replica(request).await
    }

    async fn ask_replica(&self, request: Request<Body>) -> Response {
        match self.following().await {
            Ok(following) => following.call(request).await,
            Err(problem) => problem.into_response(),
        }
    }

    /// The replica, opened by the first who asks.
    async fn following(&self) -> Result<&Following, Problem> {
        self.following.get_or_try_init(|| self.open_replica()).await
    }

    async fn open_replica(&self) -> Result<Following, Problem> {
        let settings = self.settings.clone();
        let trusted = match &settings.trusted_keys {
            Some(path) => TrustedKeys::read(path).map_err(|error| Problem::internal(&error))?,
            None => TrustedKeys::default(),
        };
        let opened = tokio::task::spawn_blocking(move || {
            let config = NodeConfig {
                data_dir: settings.data_dir,
                components_dir: settings.components_dir,
                embedder_instances: 1,
                seal_after: SEAL_AFTER,
                models_file: settings.models_file,
                plugins_file: None,
            };
            Node::open_trusting(&config, trusted)
        });
        let node =
            opened.await.map_err(|error| Problem::internal(&error))?.map_err(|error| Problem::internal(&error))?;
        // An answer that goes on for ever is none for Lambda.
        node.moves().end_subscriptions();
        if self.store.is_some() {
            node.follow_when_asked();
        }
        let router: Router = api::router(Arc::clone(&node), &ApiConfig { api_keys: self.api_keys.clone() });
        let source = self.store.clone().zip(self.shelf.clone());
        Ok(Following::new(node, router, source, self.settings.fresh, self.settings.embed))
    }

    /// Opens the snapshots that the next calls will want.
    pub(crate) async fn ping(&self) -> Value {
        let mut opened = Vec::new();
        if let Some(shelf) = &self.shelf {
            for project in &self.settings.warm {
                opened.push(json!({ "project": project.as_str(), "version": shelf.warm(project).await }));
            }
        }
        json!({ "pong": env!("CARGO_PKG_VERSION"), "snapshots": opened })
    }

    /// Vectors of texts, by the built-in model.
    ///
    /// # Errors
    /// The model cannot be opened, or failed.
    pub(crate) async fn embed(&self, texts: Vec<String>) -> Result<(ModelInfo, Vec<Embedding>), Problem> {
        let shelf = self.shelf.as_ref().ok_or_else(|| Problem::internal(&"embedding by direct calls wants a store"))?;
        shelf.embed(texts).await
    }

    /// Asks the API, for a direct call: its answer, or its problem.
    pub(crate) async fn ask(&self, path: &str, body: Value) -> Result<Value, Value> {
        let request = Request::builder()
            .method(Method::POST)
            .uri(path)
            .header(header::CONTENT_TYPE, "application/json")
            .header("x-api-key", self.settings.api_key.as_str())
            .body(Body::from(body.to_string()));
        let internal = |error: &dyn std::fmt::Display| Problem::internal(error).to_json(None);
        let response = self.serve(request.map_err(|error| internal(&error))?).await;
        let status = response.status();
        let bytes =
            axum::body::to_bytes(response.into_body(), ANSWER_BYTES_MAX).await.map_err(|error| internal(&error))?;
        let answer: Value = serde_json::from_slice(&bytes).map_err(|error| internal(&error))?;
        if status.is_success() { Ok(answer) } else { Err(answer) }
    }
}

fn whole(answer: Value) -> Answered {
    FunctionResponse::BufferedResponse(Answer::Json(answer))
}

/// The request as the API's router takes it. Behind API Gateway the stage is no part of the path.
fn plain(request: lambda_http::Request) -> Request<Body> {
    let path = request.raw_http_path().to_owned();
    let (mut parts, body) = request.into_parts();
    let query = parts.uri.query().map(|query| format!("?{query}")).unwrap_or_default();
    if let Ok(uri) = format!("{path}{query}").parse() {
        parts.uri = uri;
    }
    let body = match body {
        EventBody::Text(text) => Body::from(text),
        EventBody::Binary(bytes) => Body::from(bytes),
        _ => Body::empty(),
    };
    Request::from_parts(parts, body)
}

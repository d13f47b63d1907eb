//! The HTTP interface: what is refused and how, the exchange, and what operators look at.

use serde_json::Value;
use skerry_hub::serve::HubConfig;
use skerry_hub::token::TokenAccess;
use skerry_sync::hub::Limits;
use skerry_sync::{ProjectName, Record, RecordKey, Replica, Timestamp};

use crate::TestHub;

/// What a request was answered with.
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) headers: ureq::http::HeaderMap,
    pub(crate) body: Vec<u8>,
}

impl Answer {
    pub(crate) fn json(&self) -> Value {
        serde_json::from_slice(&self.body)
            .unwrap_or_else(|_| panic!("no JSON: {}", String::from_utf8_lossy(&self.body)))
    }

    /// The last part of a problem's type; everything that a problem must have is there.
    pub(crate) fn problem(&self) -> String {
        let problem = self.json();
        assert_eq!(self.headers["content-type"], "application/problem+json");
        assert_eq!(problem["status"], self.status, "{problem}");
        assert!(problem["detail"].as_str().is_some_and(|detail| !detail.is_empty()), "{problem}");
        assert!(problem["request_id"].is_string(), "{problem}");
        problem["type"].as_str().unwrap().trim_start_matches("urn:skerry:problem:").to_owned()
    }
}

/// Sends a request and waits for its answer.
pub(crate) async fn request(
    address: &str,
    method: &str,
    path: &str,
    token: Option<&str>,
    body: Option<Vec<u8>>,
) -> Answer {
    let mut request = ureq::http::Request::builder().method(method).uri(format!("http://{address}{path}"));
    if let Some(token) = token {
        request = request.header("authorization", format!("Bearer {token}"));
    }
    if body.is_some() {
        request = request.header("content-type", "application/octet-stream");
    }
    let request = request.body(body.unwrap_or_default()).unwrap();
    let config = ureq::Agent::config_builder().http_status_as_error(false).proxy(None).build();
    let answered = tokio::task::spawn_blocking(move || ureq::Agent::new_with_config(config).run(request));
    let response = answered.await.unwrap().unwrap();
    let (parts, mut body) = response.into_parts();
    let body = body.read_to_vec().unwrap();
    Answer { status: parts.status.as_u16(), headers: parts.headers, body }
}

/// A round of the exchange about `notes`; none when the hub is gone.
pub(crate) async fn try_exchange(address: &str, token: &str, body: Vec<u8>) -> Option<Vec<u8>> {
    let request = ureq::http::Request::builder()
        .method("POST")
        .uri(format!("http://{address}/api/v1/projects/notes/sync"))
        .header("authorization", format!("Bearer {token}"))
        .header("content-type", "application/octet-stream")
        .body(body)
        .unwrap();
    let config = ureq::Agent::config_builder().proxy(None).build();
    let asked = move || ureq::Agent::new_with_config(config).run(request).ok()?.body_mut().read_to_vec().ok();
    tokio::task::spawn_blocking(asked).await.unwrap()
}

/// A replica with a record in each of some projects.
fn replica(projects: &[&str]) -> (tempfile::TempDir, Replica) {
    let folder = tempfile::tempdir().unwrap();
    let replica = Replica::open(folder.path()).unwrap();
    for project in projects {
        let project = ProjectName::parse(project).unwrap();
        replica.create_project(&project, "", Timestamp(0)).unwrap();
        let record = Record::text(RecordKey::parse("tide").unwrap(), "High water at noon");
        replica.publish(&project, &[record], Timestamp(0)).unwrap();
    }
    (folder, replica)
}

/// Syncs as a node does; answers the status of the first refusal.
async fn sync(hub: &TestHub, replica: &Replica, project: &str, token: &skerry_hub::token::Token) -> Result<(), Answer> {
    let mut session = replica.session(&ProjectName::parse(project).unwrap());
    while let Some(body) = session.next_request().unwrap() {
        let path = format!("/api/v1/projects/{project}/sync");
        let answer = hub.request("POST", &path, Some(token), Some(body)).await;
        if answer.status != 200 {
            return Err(answer);
        }
        session.handle_response(&answer.body).unwrap();
    }
    Ok(())
}

/// The goal: nodes that know nothing of hubs sync with one as with each other.
#[tokio::test(flavor = "multi_thread")]
async fn replicas_meet_through_the_exchange() {
    let hub = TestHub::new().await;
    let token = hub.token(&["notes"], TokenAccess::Write).await;
    let (_one, one) = replica(&["notes"]);
    let (_two, two) = replica(&[]);
    sync(&hub, &one, "notes", &token).await.ok().unwrap();
    sync(&hub, &two, "notes", &token).await.ok().unwrap();
    let notes = ProjectName::parse("notes").unwrap();
    assert_eq!(one.version(&notes).unwrap(), two.version(&notes).unwrap());
    assert_eq!(two.projects().unwrap()[0].records, 1);
    let any = hub.any_token().await;
    let projects = hub.request("GET", "/api/v1/projects", Some(&any), None).await.json();
    assert_eq!(projects["projects"], serde_json::json!([{ "name": "notes" }]));
}

/// The issue: nobody learns that a project exists without a token for it. One that is there, one that is not and one that
/// cannot be are answered alike.
#[tokio::test(flavor = "multi_thread")]
async fn projects_of_others_are_not_there() {
    let hub = TestHub::new().await;
    let (_folder, there) = replica(&["secret"]);
    sync(&hub, &there, "secret", &hub.token(&["secret"], TokenAccess::Write).await).await.ok().unwrap();
    let token = hub.token(&["mine"], TokenAccess::Write).await;
    let ask = async |project: &str| {
        hub.request("POST", &format!("/api/v1/projects/{project}/sync"), Some(&token), Some(vec![])).await
    };
    let (there, not_there) = (ask("secret").await, ask("nosuch").await);
    assert_eq!((there.status, there.problem().as_str()), (404, "unknown-project"));
    let words =
        |answer: &crate::http::Answer, name: &str| answer.json()["detail"].as_str().unwrap().replace(name, "NAME");
    assert_eq!(words(&there, "secret"), words(&not_there, "nosuch"));
    let projects = hub.request("GET", "/api/v1/projects", Some(&token), None).await.json();
    assert_eq!(projects["projects"], serde_json::json!([{ "name": "mine" }]));
}

/// The issue: a read-only peer's changes are refused and it is told; what it reads it goes on reading.
#[tokio::test(flavor = "multi_thread")]
async fn a_read_only_token_reads() {
    let hub = TestHub::new().await;
    let (_one, one) = replica(&["notes"]);
    sync(&hub, &one, "notes", &hub.token(&["notes"], TokenAccess::Write).await).await.ok().unwrap();
    let reader = hub.token(&["notes"], TokenAccess::Read).await;
    let (_two, two) = replica(&[]);
    sync(&hub, &two, "notes", &reader).await.ok().unwrap();
    let notes = ProjectName::parse("notes").unwrap();
    assert_eq!(one.version(&notes).unwrap(), two.version(&notes).unwrap());
    let record = Record::text(RecordKey::parse("mine").unwrap(), "not wanted");
    two.publish(&notes, &[record], Timestamp(0)).unwrap();
    let refusal = sync(&hub, &two, "notes", &reader).await.unwrap_err();
    assert_eq!((refusal.status, refusal.problem().as_str()), (403, "forbidden"));
    sync(&hub, &one, "notes", &reader).await.ok().unwrap();
    assert_eq!(one.projects().unwrap()[0].records, 1, "nothing of it came through");
}

/// Each limit of the exchange with its own problem, and when to come again.
#[tokio::test(flavor = "multi_thread")]
async fn limits_have_problems_of_their_own() {
    let limits = Limits { frame_bytes_max: 10_000, connections_max: 0, ..Limits::default() };
    let config = HubConfig { limits, exchanges_per_second: 1, ..HubConfig::default() };
    let hub = TestHub::over(std::sync::Arc::new(object_store::memory::InMemory::new()), config).await;
    let token = hub.token(&["notes"], TokenAccess::Write).await;
    let path = "/api/v1/projects/notes/sync";
    let large = hub.request("POST", path, Some(&token), Some(vec![0; 10_001])).await;
    assert_eq!((large.status, large.problem().as_str()), (413, "body-too-large"));
    let damaged = hub.request("POST", path, Some(&token), Some(b"SKRX1 and then nonsense".to_vec())).await;
    assert_eq!((damaged.status, damaged.problem().as_str()), (400, "damaged-exchange"));
    for _ in 0..20 {
        let answer = hub.request("POST", path, Some(&token), Some(vec![])).await;
        if answer.status == 429 {
            assert_eq!(answer.problem(), "too-many-requests");
            assert_eq!(answer.headers["retry-after"], "1");
            assert_eq!(
                crate::client::open(&hub.address(), Some(token.reveal())).await.err(),
                Some(503),
                "no connections"
            );
            return;
        }
    }
    panic!("twenty requests in a moment at one a second were all let through");
}

/// Operators look at health without a token, at the rest with one for everything; nothing else is open.
#[tokio::test(flavor = "multi_thread")]
async fn only_health_is_open() {
    let hub = TestHub::new().await;
    let health = hub.request("GET", "/api/v1/health", None, None).await;
    assert_eq!((health.status, health.json()["status"].as_str()), (200, Some("ok")));
    let (any, one) = (hub.any_token().await, hub.token(&["notes"], TokenAccess::Write).await);
    for path in ["/api/v1/status", "/metrics"] {
        assert_eq!(hub.request("GET", path, None, None).await.problem(), "unauthorized", "{path}");
        assert_eq!(hub.request("GET", path, Some(&one), None).await.problem(), "forbidden", "{path}");
        assert_eq!(hub.request("GET", path, Some(&any), None).await.status, 200, "{path}");
    }
    let metrics = hub.request("GET", "/metrics", Some(&any), None).await;
    let metrics = String::from_utf8(metrics.body).unwrap();
    assert!(metrics.contains("skerry_hub_store_up 1") && metrics.contains("skerry_hub_refused_total 2"), "{metrics}");
    assert_eq!(hub.request("GET", "/api/v1/projects", None, None).await.problem(), "unauthorized");
    assert_eq!(hub.request("GET", "/", Some(&any), None).await.problem(), "upgrade-required");
    assert_eq!(hub.request("GET", "/nosuch", Some(&any), None).await.problem(), "unknown-path");
    assert_eq!(hub.request("POST", "/api/v1/health", Some(&any), None).await.problem(), "method-not-allowed");
    let described = hub.request("GET", "/api/v1/openapi.json", None, None).await.json();
    let paths: Vec<&String> = described["paths"].as_object().unwrap().keys().collect();
    let known = ["/api/v1/health", "/api/v1/projects", "/api/v1/projects/{project}/sync", "/api/v1/status"];
    assert_eq!(paths, known);
}

//! A hub in this process: the documents of [`SmallHub`] behind WebSockets, with a token, that can be stopped and started.

use std::collections::BTreeMap;
use std::net::{SocketAddr, TcpListener};
use std::sync::{Arc, Mutex};

use futures_util::{SinkExt, StreamExt};
use tokio::runtime::Runtime;
use tokio::sync::mpsc;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::handshake::server::{ErrorResponse, Request, Response};

use crate::small_hub::{Line, SmallHub};

pub(crate) const TOKEN: &str = "a-token-that-nobody-prints";
pub(crate) const READER: &str = "a-token-that-only-reads";

#[derive(Default)]
struct State {
    hub: SmallHub,
    lines: BTreeMap<Line, mpsc::UnboundedSender<Vec<u8>>>,
    next: Line,
}

pub(crate) struct TestHub {
    address: SocketAddr,
    state: Arc<Mutex<State>>,
    runtime: Option<Runtime>,
}

impl TestHub {
    /// A hub that has these projects, for whoever brings [`TOKEN`].
    pub(crate) fn start(projects: &[&str]) -> TestHub {
        let state = Arc::new(Mutex::new(State { hub: SmallHub::with(projects), ..State::default() }));
        let mut hub = TestHub { address: "127.0.0.1:0".parse().unwrap(), state, runtime: None };
        hub.start_again();
        hub
    }

    pub(crate) fn url(&self) -> String {
        format!("ws://{}", self.address)
    }

    /// Connections break; what was stored stays.
    pub(crate) fn stop(&mut self) {
        if let Some(runtime) = self.runtime.take() {
            runtime.shutdown_timeout(std::time::Duration::from_secs(5));
        }
        let mut state = self.state.lock().unwrap();
        let lines: Vec<Line> = std::mem::take(&mut state.lines).into_keys().collect();
        lines.into_iter().for_each(|line| state.hub.hang_up(line));
    }

    pub(crate) fn start_again(&mut self) {
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
        let state = Arc::clone(&self.state);
        let address = self.address;
        let listener = runtime.block_on(async move { tokio::net::TcpListener::bind(address).await.unwrap() });
        self.address = listener.local_addr().unwrap();
        runtime.spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                tokio::spawn(serve(stream, Arc::clone(&state)));
            }
        });
        self.runtime = Some(runtime);
    }
}

#[allow(clippy::result_large_err, reason = "the signature that the handshake asks for")]
async fn serve(stream: tokio::net::TcpStream, state: Arc<Mutex<State>>) {
    let mut read_only = false;
    let check = |request: &Request, response: Response| {
        let token = request.headers().get("authorization").and_then(|value| value.to_str().ok()).unwrap_or_default();
        read_only = token == format!("Bearer {READER}");
        if read_only || token == format!("Bearer {TOKEN}") {
            return Ok(response);
        }
        let mut refusal = ErrorResponse::new(Some("{\"detail\":\"This token is not known here.\"}".to_owned()));
        *refusal.status_mut() = http::StatusCode::UNAUTHORIZED;
        Err(refusal)
    };
    let Ok(socket) = tokio_tungstenite::accept_hdr_async(stream, check).await else { return };
    let (mut sink, mut stream) = socket.split();
    let (sender, mut to_send) = mpsc::unbounded_channel();
    let line = {
        let mut state = state.lock().unwrap();
        state.next += 1;
        let line = state.next;
        state.lines.insert(line, sender);
        if read_only {
            state.hub.read_only.insert(line);
        }
        line
    };
    let writing = async {
        while let Some(frame) = to_send.recv().await {
            if sink.send(Message::Binary(frame.into())).await.is_err() {
                break;
            }
        }
    };
    let reading = async {
        while let Some(Ok(message)) = stream.next().await {
            let Message::Binary(frame) = message else { continue };
            let mut state = state.lock().unwrap();
            for (line, said) in state.hub.receive(line, &frame) {
                state.lines.get(&line).map(|sender| sender.send(said));
            }
        }
    };
    tokio::select! { () = writing => {}, () = reading => {} }
    let mut state = state.lock().unwrap();
    state.lines.remove(&line);
    state.hub.hang_up(line);
}

/// An address where nobody listens.
pub(crate) fn nobody() -> String {
    let address = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    format!("ws://{address}")
}

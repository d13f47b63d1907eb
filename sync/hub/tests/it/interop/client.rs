//! A client of automerge-repo in a Node process of its own, told what to do line by line (tests/node/client.mjs).

use std::collections::HashMap;
use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use serde_json::{Value, json};

/// Far beyond what anything takes: a test that gets here has failed.
const PATIENCE: Duration = Duration::from_mins(1);

type Waiting = Arc<Mutex<HashMap<u64, Sender<Value>>>>;

/// A running client; ended when dropped.
pub(crate) struct Client {
    child: Child,
    stdin: ChildStdin,
    waiting: Waiting,
    calls: u64,
    _scripts: tempfile::TempDir,
}

/// A call that was made and not yet answered.
#[must_use]
pub(crate) struct Pending {
    answer: Receiver<Value>,
    what: String,
}

impl Client {
    /// Starts a process that does nothing yet.
    pub(crate) fn start() -> Client {
        let scripts = scripts();
        let mut command = Command::new("node");
        command.arg("client.mjs").current_dir(scripts.path()).stdin(Stdio::piped()).stdout(Stdio::piped());
        let child = command.spawn();
        let mut child =
            child.unwrap_or_else(|error| panic!("node does not start ({error}): install Node.js 20 or newer"));
        let (stdin, stdout) = (child.stdin.take().unwrap(), child.stdout.take().unwrap());
        let waiting = Waiting::default();
        let answers = Arc::clone(&waiting);
        std::thread::spawn(move || {
            for line in BufReader::new(stdout).lines().map_while(Result::ok) {
                match serde_json::from_str::<Value>(&line) {
                    Ok(answer) => {
                        let waiting = answer["call"].as_u64().and_then(|call| answers.lock().unwrap().remove(&call));
                        waiting.map(|waiting| waiting.send(answer));
                    }
                    // automerge-repo prints to standard output when it is surprised.
                    Err(_) => eprintln!("client: {line}"),
                }
            }
            // Whoever still waits is told that there will be no answer.
            answers.lock().unwrap().clear();
        });
        Client { child, stdin, waiting, calls: 0, _scripts: scripts }
    }

    /// A client that is connected to a hub.
    pub(crate) fn connected(url: &str) -> Client {
        let mut client = Client::start();
        client.call("open", json!({ "url": url }));
        client.call("connected", json!({}));
        client
    }

    /// Does something and waits for it.
    pub(crate) fn call(&mut self, what: &str, arguments: Value) -> Value {
        self.begin(what, arguments).wait()
    }

    /// Does something while others go on.
    pub(crate) fn begin(&mut self, what: &str, arguments: Value) -> Pending {
        self.calls += 1;
        let mut line = arguments;
        line["call"] = self.calls.into();
        line["do"] = what.into();
        let (answered, answer) = channel();
        self.waiting.lock().unwrap().insert(self.calls, answered);
        writeln!(self.stdin, "{line}").expect("the client reads");
        Pending { answer, what: line.to_string() }
    }

    /// Ends it as a person would, its files written.
    pub(crate) fn quit(mut self) {
        self.call("flush", json!({}));
        self.call("quit", json!({}));
        assert!(self.child.wait().unwrap().success());
    }
}

impl Pending {
    /// The answer.
    pub(crate) fn wait(self) -> Value {
        match self.answer.recv_timeout(PATIENCE) {
            Ok(mut answer) => {
                assert!(answer["error"].is_null(), "{}: {}", self.what, answer["error"]);
                answer["ok"].take()
            }
            Err(RecvTimeoutError::Timeout) => panic!("no answer to {} within {PATIENCE:?}", self.what),
            Err(RecvTimeoutError::Disconnected) => panic!("the client ended during {}", self.what),
        }
    }

    /// Whether there is no answer until now.
    pub(crate) fn is_open(&self) -> bool {
        self.answer.try_recv().is_err()
    }
}

impl Drop for Client {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A folder with our scripts beside the packages that they import. `cargo xtask test` installs those.
fn scripts() -> tempfile::TempDir {
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    let installed = || here.join("../../target/skerry/hub-node");
    let modules = std::env::var_os("SKERRY_HUB_NODE").map_or_else(installed, PathBuf::from).join("node_modules");
    assert!(
        modules.is_dir(),
        "{} is not there: install Node.js 20 or newer with npm, and run `cargo xtask test`, which installs the packages",
        modules.display()
    );
    let dir = tempfile::tempdir().unwrap();
    for script in ["client.mjs", "records.mjs"] {
        std::fs::copy(here.join("tests/node").join(script), dir.path().join(script)).unwrap();
    }
    std::os::unix::fs::symlink(modules.canonicalize().unwrap(), dir.path().join("node_modules")).unwrap();
    dir
}

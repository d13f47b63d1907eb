//! The program `skerry-hub` as people run it: a process over a folder.

use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Child, Command, Stdio};

use skerry_sync::{ProjectName, Replica};

/// A running hub and its store; the process is killed when dropped.
pub(crate) struct Hub {
    child: Child,
    address: String,
    store: tempfile::TempDir,
}

impl Hub {
    /// Starts one over an empty store.
    pub(crate) fn start() -> Hub {
        let store = tempfile::tempdir().unwrap();
        let (child, address) = spawn(store.path(), "127.0.0.1:0");
        Hub { child, address, store }
    }

    /// Ends it without a word, as a power cut would.
    pub(crate) fn kill(&mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }

    /// Starts it again where it was.
    pub(crate) fn restart(&mut self) {
        let (child, address) = spawn(self.store.path(), &self.address);
        assert_eq!(address, self.address);
        self.child = child;
    }

    /// A new token, for instance with `["--project", "notes", "--access", "read"]`.
    pub(crate) fn token(&self, arguments: &[&str]) -> String {
        let mut command = hub();
        command.args(["token", "create", "--store", &url(self.store.path())]).args(arguments);
        let output = command.stderr(Stdio::inherit()).output().unwrap();
        assert!(output.status.success(), "{arguments:?}");
        let printed = String::from_utf8(output.stdout).unwrap();
        let token = printed.split_whitespace().find(|word| word.starts_with("skt_"));
        token.unwrap_or_else(|| panic!("no token in {printed}")).to_owned()
    }

    /// A token that allows everything.
    pub(crate) fn any_token(&self) -> String {
        self.token(&["--any", "--access", "write"])
    }

    /// Where clients of automerge-repo connect.
    pub(crate) fn url(&self, token: &str) -> String {
        format!("ws://{}/?access_token={token}", self.address)
    }

    /// Brings a project of a replica and the hub to the same state, over HTTP.
    pub(crate) fn exchange(&self, replica: &Replica, project: &ProjectName, token: &str) {
        let agent: ureq::Agent = ureq::Agent::config_builder().proxy(None).build().into();
        let mut session = replica.session(project);
        while let Some(body) = session.next_request().unwrap() {
            let url = format!("http://{}/api/v1/projects/{project}/sync", self.address);
            let request = agent.post(url).header("authorization", format!("Bearer {token}"));
            let mut answer = request.send(&body[..]).unwrap();
            session.handle_response(&answer.body_mut().read_to_vec().unwrap()).unwrap();
        }
    }
}

impl Drop for Hub {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn hub() -> Command {
    Command::new(env!("CARGO_BIN_EXE_skerry-hub"))
}

fn url(store: &Path) -> String {
    format!("file://{}", store.display())
}

/// Starts a hub; answers when it serves.
fn spawn(store: &Path, listen: &str) -> (Child, String) {
    let mut command = hub();
    command.args(["serve", "--store", &url(store), "--listen", listen]).stdout(Stdio::piped());
    let mut child = command.spawn().unwrap();
    let mut line = String::new();
    BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
    let address = line.trim().rsplit("http://").next().filter(|address| address.contains(':'));
    let address = address.unwrap_or_else(|| panic!("the hub did not start: {line:?}")).to_owned();
    (child, address)
}

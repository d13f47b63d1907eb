//! A hub as people run it, which can be killed and started again where it was.

use skerry_sync::{ProjectName, Replica};

use crate::process::{self, ok};

/// A running hub over a folder of its own.
pub(crate) struct Hub {
    process: process::Hub,
    store: tempfile::TempDir,
}

impl Hub {
    /// Starts one over an empty store.
    pub(crate) fn start() -> Hub {
        let store = tempfile::tempdir().unwrap();
        let process = process::Hub::start(store.path().to_str().unwrap(), &[]);
        Hub { process, store }
    }

    /// Ends it without a word, as a power cut would.
    pub(crate) fn kill(&mut self) {
        self.process.kill();
    }

    /// Starts it again where it was.
    pub(crate) fn restart(&mut self) {
        let mut command = process::program(self.folder());
        command.args(["serve", "--listen", &self.process.address]);
        self.process = process::Hub::spawn(command);
    }

    /// A new token, for instance with `["--project", "notes", "--access", "read"]`.
    pub(crate) fn token(&self, arguments: &[&str]) -> String {
        let printed = ok(self.folder(), &[&["token", "create"], arguments].concat());
        printed.trim().to_owned()
    }

    /// A token that allows everything.
    pub(crate) fn any_token(&self) -> String {
        self.token(&["--all", "--access", "write"])
    }

    /// Where clients of automerge-repo connect.
    pub(crate) fn url(&self, token: &str) -> String {
        format!("ws://{}/?access_token={token}", self.process.address)
    }

    /// Brings a project of a replica and the hub to the same state, over HTTP.
    pub(crate) fn exchange(&self, replica: &Replica, project: &ProjectName, token: &str) {
        let agent: ureq::Agent = ureq::Agent::config_builder().proxy(None).build().into();
        let mut session = replica.session(project);
        while let Some(body) = session.next_request().unwrap() {
            let url = format!("http://{}/api/v1/projects/{project}/sync", self.process.address);
            let request = agent.post(url).header("authorization", format!("Bearer {token}"));
            let request = request.content_type("application/octet-stream");
            let mut answer = request.send(&body[..]).unwrap();
            session.handle_response(&answer.body_mut().read_to_vec().unwrap()).unwrap();
        }
    }

    fn folder(&self) -> &str {
        self.store.path().to_str().unwrap()
    }
}

//! A real hub: the program `skerry-hub` over a folder, killed and started again.

use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

pub(crate) struct TestHub {
    store: tempfile::TempDir,
    address: String,
    process: Option<Child>,
    /// Tokens that may write and read, and only read, the projects that the hub was started with.
    pub(crate) writer: String,
    pub(crate) reader: String,
}

/// The program, which is built beside `skerry`.
fn program() -> PathBuf {
    let program = PathBuf::from(env!("CARGO_BIN_EXE_skerry")).with_file_name("skerry-hub");
    assert!(program.is_file(), "{} is not there; run `cargo build -p skerry-hub` first", program.display());
    program
}

impl Drop for TestHub {
    fn drop(&mut self) {
        self.kill();
    }
}

impl TestHub {
    pub(crate) fn start(projects: &[&str]) -> TestHub {
        let store = tempfile::tempdir().unwrap();
        let address = "127.0.0.1:0".to_owned();
        let mut hub = TestHub { store, address, process: None, writer: String::new(), reader: String::new() };
        hub.writer = hub.token(projects, "write");
        hub.reader = hub.token(projects, "read");
        hub.start_again();
        hub
    }

    fn command(&self) -> Command {
        let mut command = Command::new(program());
        command
            .arg("--store")
            .arg(self.store.path())
            .env_remove("SKERRY_HUB_NATS")
            .env("SKERRY_LOG", "warn")
            .stdout(Stdio::piped());
        command
    }

    fn token(&self, projects: &[&str], access: &str) -> String {
        let mut command = self.command();
        command.args(["token", "create", "--access", access]);
        for project in projects {
            command.args(["--project", project]);
        }
        let output = command.output().unwrap();
        assert!(output.status.success(), "{output:?}");
        String::from_utf8(output.stdout).unwrap().trim().to_owned()
    }

    /// The folder that is its store.
    pub(crate) fn store(&self) -> &Path {
        self.store.path()
    }

    pub(crate) fn url(&self) -> String {
        format!("ws://{}", self.address)
    }

    /// SIGKILL: what is acknowledged is in the store, and nothing else.
    pub(crate) fn kill(&mut self) {
        if let Some(mut process) = self.process.take() {
            process.kill().ok();
            process.wait().ok();
        }
    }

    /// Starts it, at the same address as before.
    pub(crate) fn start_again(&mut self) {
        let mut process = self.command().args(["serve", "--listen", &self.address]).spawn().unwrap();
        let mut line = String::new();
        BufReader::new(process.stdout.take().unwrap()).read_line(&mut line).unwrap();
        let address = line.trim().strip_prefix("skerry-hub listens on http://");
        self.address = address.map_or_else(|| panic!("no address in {line:?}"), str::to_owned);
        self.process = Some(process);
    }
}

/// An address where nobody listens.
pub(crate) fn nobody() -> String {
    let address = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    format!("ws://{address}")
}

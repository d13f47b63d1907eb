//! Real processes: a node that is started, asked and killed.

use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Child, Command, Output, Stdio};

use serde_json::Value;

use crate::components_dir;

/// The `skerry` binary with the built components.
pub(crate) fn skerry() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_skerry"));
    command.env("SKERRY_COMPONENTS", components_dir()).env("SKERRY_LOG", "warn").env("NO_COLOR", "1");
    command
        .env_remove("SKERRY_URL")
        .env_remove("SKERRY_DATA")
        .env_remove("SKERRY_API_KEY")
        .env_remove("SKERRY_PROJECT")
        .env_remove("SKERRY_PLUGINS")
        .env_remove("SKERRY_HUB")
        .env_remove("SKERRY_HUB_TOKEN")
        .env_remove("SKERRY_SUBSCRIBE");
    command
}

/// A serving node, killed when dropped.
pub(crate) struct Server {
    child: Child,
    pub(crate) url: String,
}

impl Drop for Server {
    fn drop(&mut self) {
        self.kill();
    }
}

impl Server {
    pub(crate) fn start(data: &Path) -> Server {
        let mut command = skerry();
        command.arg("--data").arg(data).args(["serve", "--listen", "127.0.0.1:0"]);
        Server::spawn(command)
    }

    pub(crate) fn spawn(mut command: Command) -> Server {
        let mut child = command.stdout(Stdio::piped()).spawn().unwrap();
        let mut line = String::new();
        BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
        let url = line.trim().strip_prefix("skerry listens on ").unwrap_or_else(|| panic!("no address in {line:?}"));
        Server { url: url.to_owned(), child }
    }

    /// The process.
    pub(crate) fn id(&self) -> u32 {
        self.child.id()
    }

    /// SIGKILL: the process has no chance to do anything more.
    pub(crate) fn kill(&mut self) {
        self.child.kill().ok();
        self.child.wait().ok();
    }

    /// Asks it to end, and waits until it has.
    #[cfg(unix)]
    pub(crate) fn stop(&mut self) {
        assert!(Command::new("kill").arg(self.id().to_string()).status().unwrap().success());
        assert!(self.child.wait().unwrap().success());
    }

    pub(crate) fn request(&self, method: &str, path: &str, body: Option<&Value>) -> Result<(u16, Value), String> {
        let request = http::Request::builder().method(method).uri(format!("{}/api/v1{path}", self.url));
        let request = request.header("content-type", "application/json");
        let config = ureq::Agent::config_builder().http_status_as_error(false).build();
        let agent = ureq::Agent::new_with_config(config);
        let sent = agent.run(request.body(body.map(Value::to_string).unwrap_or_default()).unwrap());
        let mut response = sent.map_err(|error| error.to_string())?;
        let text = response.body_mut().read_to_string().map_err(|error| error.to_string())?;
        Ok((response.status().as_u16(), serde_json::from_str(&text).map_err(|error| error.to_string())?))
    }

    /// The bytes that a query is answered with.
    pub(crate) fn query_bytes(&self, project: &str, body: &Value) -> Vec<u8> {
        let url = format!("{}/api/v1/projects/{project}/query", self.url);
        let mut response = ureq::post(url).header("content-type", "application/json").send(body.to_string()).unwrap();
        response.body_mut().read_to_vec().unwrap()
    }
}

/// Runs a command of the command line to its end.
pub(crate) fn run(data: &Path, arguments: &[&str]) -> Output {
    skerry().arg("--data").arg(data).args(arguments).output().unwrap()
}

/// As [`run`], expecting success; answers what it printed.
pub(crate) fn ok(data: &Path, arguments: &[&str]) -> String {
    let output = run(data, arguments);
    let errors = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(output.status.success(), "{arguments:?}: {errors}");
    String::from_utf8(output.stdout).unwrap()
}

/// As [`run`], expecting failure; answers what it complained.
pub(crate) fn fails(data: &Path, arguments: &[&str]) -> String {
    let output = run(data, arguments);
    assert!(!output.status.success(), "{arguments:?} should have failed");
    String::from_utf8_lossy(&output.stderr).into_owned()
}

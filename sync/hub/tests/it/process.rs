//! Real processes: hubs that are started, asked and killed.

use std::io::{BufRead, BufReader};
use std::process::{Child, Command, Output, Stdio};

/// The program, with nothing of this process' settings.
pub(crate) fn program(store: &str) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_skerry-hub"));
    command.env_clear().env("SKERRY_LOG", "warn").env("SKERRY_HUB_STORE", store);
    command
}

/// A hub, killed when dropped.
pub(crate) struct Hub {
    child: Child,
    pub(crate) address: String,
}

impl Drop for Hub {
    fn drop(&mut self) {
        self.kill();
    }
}

impl Hub {
    pub(crate) fn start(store: &str, arguments: &[&str]) -> Hub {
        let mut command = program(store);
        command.args(["serve", "--listen", "127.0.0.1:0"]).args(arguments);
        Hub::spawn(command)
    }

    pub(crate) fn spawn(mut command: Command) -> Hub {
        let mut child = command.stdout(Stdio::piped()).spawn().unwrap();
        let mut line = String::new();
        BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
        let address = line.trim().strip_prefix("skerry-hub listens on http://");
        Hub { address: address.unwrap_or_else(|| panic!("no address in {line:?}")).to_owned(), child }
    }

    /// SIGKILL: the process has no chance to do anything more.
    pub(crate) fn kill(&mut self) {
        self.child.kill().ok();
        self.child.wait().ok();
    }

    /// SIGTERM, and what the process makes of it.
    pub(crate) fn stop(&mut self) -> std::process::ExitStatus {
        let sent = Command::new("kill").args(["-TERM", &self.child.id().to_string()]).status().unwrap();
        assert!(sent.success());
        self.child.wait().unwrap()
    }
}

/// Runs a command of the command line to its end.
pub(crate) fn run(store: &str, arguments: &[&str]) -> Output {
    program(store).args(arguments).output().unwrap()
}

/// As [`run`], expecting success; answers what it printed.
pub(crate) fn ok(store: &str, arguments: &[&str]) -> String {
    let output = run(store, arguments);
    assert!(output.status.success(), "{arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap().trim().to_owned()
}

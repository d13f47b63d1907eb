//! `cargo xtask up`: the main job on real data.

use std::io::{BufRead, Write};
use std::net::TcpStream;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, bail};

use crate::run::{cargo, run};
use crate::{components, fetch, paths};

/// What `up` can be told.
#[derive(Debug, clap::Args)]
pub(crate) struct UpArguments {
    /// Stop the node after the answers, instead of keeping it running.
    #[arg(long)]
    once: bool,
    /// Where the node listens.
    #[arg(long, default_value = "127.0.0.1:8787")]
    listen: std::net::SocketAddr,
}

/// Questions that a person might ask of the sample, whose words are mostly not those of the answers.
const QUESTIONS: [&str; 3] = [
    "an attacker runs JavaScript in another user's browser",
    "the program keeps using memory after it was given back",
    "passwords that are written in the source code",
];

/// How long a node may take to answer for the first time.
const START_MAX: Duration = Duration::from_mins(1);

/// Runs the main job.
pub(crate) fn up(arguments: &UpArguments) -> anyhow::Result<()> {
    let started = Instant::now();
    if TcpStream::connect_timeout(&arguments.listen, Duration::from_millis(200)).is_ok() {
        bail!("something listens on {} already; stop it, or choose another address with --listen", arguments.listen);
    }
    println!("1/4  building (the first time takes some minutes)");
    run(cargo().args(["build", "--workspace", "--bins"]))?;
    println!("2/4  components: fetch the model, build, bake");
    components::build()?;
    let sample = fetch::sample()?;
    println!("3/4  starting a node on http://{}", arguments.listen);
    let node = Node::start(arguments.listen)?;
    println!("4/4  importing the sample: the CWE catalogue of software weaknesses");
    run(node.skerry().args(["import", "--format", "cwe"]).arg(&sample))?;
    for question in QUESTIONS {
        println!("\n$ skerry query --project cwe \"{question}\"");
        run(node.skerry().args(["query", question, "-k", "3"]))?;
    }
    println!("\nready after {:.1} s.", started.elapsed().as_secs_f64());
    if arguments.once {
        return node.stop();
    }
    explain(arguments);
    wait_for_end()?;
    node.stop()
}

fn explain(arguments: &UpArguments) {
    let skerry = paths::skerry();
    println!(
        "The node runs until you press Enter or Ctrl-C. In another terminal:

  {skerry} --url http://{listen} --project cwe query \"your question\"
  {skerry} --url http://{listen} --project notes publish README.md
  {skerry} --data /tmp/other sync http://{listen}      # a second replica
  {skerry} --help

The API is described at http://{listen}/api/v1/openapi.json. CWE is a trademark of The MITRE Corporation; the catalogue's
terms of use are in the project's description: {skerry} --url http://{listen} status",
        skerry = skerry.display(),
        listen = arguments.listen,
    );
}

/// Waits for Enter. Without a terminal (standard input closed) it waits for a signal.
fn wait_for_end() -> anyhow::Result<()> {
    let mut line = String::new();
    if std::io::stdin().lock().read_line(&mut line)? == 0 {
        loop {
            std::thread::park();
        }
    }
    Ok(())
}

/// A running node, stopped when dropped.
pub(crate) struct Node {
    child: Child,
    listen: std::net::SocketAddr,
}

impl Node {
    fn start(listen: std::net::SocketAddr) -> anyhow::Result<Node> {
        let data = paths::products().join("up");
        std::fs::create_dir_all(&data)?;
        let log_path = data.join("node.log");
        let log = std::fs::File::create(&log_path)?;
        let mut command = Command::new(paths::skerry());
        command.arg("--data").arg(&data).arg("--components").arg(paths::components());
        command.args(["serve", "--listen"]).arg(listen.to_string());
        let child = command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(log).spawn().context("start the node")?;
        let mut node = Node { child, listen };
        let begun = Instant::now();
        while TcpStream::connect_timeout(&listen, Duration::from_millis(100)).is_err() {
            if node.child.try_wait()?.is_some() || begun.elapsed() > START_MAX {
                let log = std::fs::read_to_string(&log_path).unwrap_or_default();
                std::io::stderr().write_all(log.as_bytes())?;
                bail!("the node did not start; its log is above and in {}", log_path.display());
            }
            std::thread::sleep(Duration::from_millis(20));
        }
        Ok(node)
    }

    fn skerry(&self) -> Command {
        let mut command = Command::new(paths::skerry());
        command.arg("--url").arg(format!("http://{}", self.listen)).args(["--project", "cwe"]);
        command
    }

    fn stop(mut self) -> anyhow::Result<()> {
        // An interrupt lets it finish what it answers; dropping it would kill it, which loses nothing either.
        #[cfg(unix)]
        run(Command::new("kill").args(["-INT", &self.child.id().to_string()]))?;
        self.child.wait().context("wait for the node")?;
        Ok(())
    }
}

impl Drop for Node {
    fn drop(&mut self) {
        if matches!(self.child.try_wait(), Ok(None)) {
            let _ = self.child.kill();
            let _ = self.child.wait();
        }
    }
}

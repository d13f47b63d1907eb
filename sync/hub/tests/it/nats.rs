//! A cluster of real NATS servers with JetStream, on this machine.

use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

/// One server of a cluster. Killed when dropped.
pub(crate) struct Server {
    name: String,
    port: u16,
    cluster_port: u16,
    folder: PathBuf,
    routes: String,
    child: Option<Child>,
}

impl Drop for Server {
    fn drop(&mut self) {
        self.kill();
    }
}

/// The program; Debian's package puts it where not everybody looks.
fn program() -> PathBuf {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let folders = std::env::split_paths(&path).chain([PathBuf::from("/usr/sbin")]);
    let found = folders.map(|folder| folder.join("nats-server")).find(|file| file.is_file());
    found.expect("there is no nats-server: apt-get install nats-server")
}

/// Ports that were free a moment ago. All are held until all are found, so that they differ.
fn free_ports(count: usize) -> Vec<u16> {
    let listeners: Vec<_> = (0..count).map(|_| TcpListener::bind("127.0.0.1:0").unwrap()).collect();
    listeners.iter().map(|listener| listener.local_addr().unwrap().port()).collect()
}

impl Server {
    /// A cluster of so many servers, started.
    pub(crate) fn cluster(folder: &Path, count: usize) -> Vec<Server> {
        let ports = free_ports(2 * count);
        let (clients, clusters) = ports.split_at(count);
        let routes: Vec<String> = clusters.iter().map(|port| format!("nats://127.0.0.1:{port}")).collect();
        let mut servers: Vec<_> = (0..count)
            .map(|number| Server {
                name: format!("n{number}"),
                port: clients[number],
                cluster_port: clusters[number],
                folder: folder.join(format!("n{number}")),
                routes: routes.join(","),
                child: None,
            })
            .collect();
        servers.iter_mut().for_each(Server::start);
        servers
    }

    pub(crate) fn url(&self) -> String {
        format!("nats://127.0.0.1:{}", self.port)
    }

    pub(crate) fn start(&mut self) {
        std::fs::create_dir_all(&self.folder).unwrap();
        let log = std::fs::File::options().create(true).append(true).open(self.folder.join("log")).unwrap();
        let child = Command::new(program())
            .args(["--name", &self.name, "--addr", "127.0.0.1", "--port", &self.port.to_string(), "--jetstream"])
            .arg("--store_dir")
            .arg(&self.folder)
            .args(["--cluster_name", "skerry", "--cluster", &format!("nats://127.0.0.1:{}", self.cluster_port)])
            .args(["--routes", &self.routes])
            .stdout(Stdio::null())
            .stderr(log)
            .spawn();
        self.child = Some(child.unwrap());
    }

    pub(crate) fn kill(&mut self) {
        if let Some(mut child) = self.child.take() {
            child.kill().ok();
            child.wait().ok();
        }
    }
}

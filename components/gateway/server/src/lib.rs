//! A small host of `wasi:http` on this machine, for tests and benchmarks of the gateway: what Spin and `wasmtime serve` do
//! with it, without either. Both versions of `wasi:http` are served, with a fresh instance for each request or with instances
//! that are used again.
//!
//! [`compose`] joins the gateway with a snapshot, [`Server`] serves the result on a port of the loopback interface. It is no
//! server for the world: no TLS, no limits per caller, nothing but 127.0.0.1.
//!
//! ```no_run
//! use skerry_gateway_server::{Server, ServerConfig, compose};
//!
//! let gateway = std::fs::read("target/skerry/components/gateway.wasm")?;
//! let snapshot = std::fs::read("cwe.wasm")?;
//! let server = Server::start(&compose(&gateway, &[&snapshot])?, &ServerConfig::default())?;
//! println!("http://{}/api/v1/projects", server.address());
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod compose;
mod instances;
mod listener;
mod server;

pub use compose::{ComposeError, compose};
pub use listener::{Listener, Respond};
pub use server::{Server, ServerConfig, ServerError};

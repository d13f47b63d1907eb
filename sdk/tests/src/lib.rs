//! Nothing: this crate holds the tests of what people get besides the programs, namely the npm package, the demo page, the Python
//! example and the archive for machines without a network. Each test gives the same snapshot to them and to our own host, and the
//! answers must be the same.
//!
//! `cargo xtask test` makes what they need; see xtask/src/sdk.rs.

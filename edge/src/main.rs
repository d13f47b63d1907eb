//! `skerry`: the node and its command line.

use std::process::ExitCode;

fn main() -> ExitCode {
    skerry_edge::cli::main()
}

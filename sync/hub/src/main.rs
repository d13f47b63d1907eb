//! `skerry-hub`: serves the sync service and keeps its tokens.

use std::process::ExitCode;

fn main() -> ExitCode {
    skerry_hub::cli::main()
}

//! The program: reads the command line and starts the window, the headless collector or one command.

use std::process::ExitCode;

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    belvedere::cli::run()
}

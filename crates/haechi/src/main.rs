//! Haechi, an API gateway that decides who is calling and what they may do.

mod cli;
mod config;
mod wire;

use clap::Parser;
use cli::{Cli, Command};
use std::process::ExitCode;

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    use_small_pages();
    log_events();
    wire::panics::tell();
    let Cli { command, common } = Cli::parse();
    let done = common.of(&command).and_then(|common| match command {
        Command::Check => cli::check::check(&common),
        Command::Health(arguments) => cli::health::health(&common, arguments),
        Command::User(command) => cli::user::user(&common, command),
        Command::Key(command) => cli::key::key(&common, command),
        Command::Schema(command) => cli::schema::schema(command, &common),
        Command::Completions { shell } => cli::completions::completions(shell),
        Command::Run => cli::run::run(&common),
        Command::Demo(arguments) => cli::demo::demo(arguments, common.output),
        Command::Explain(arguments) => cli::explain::explain(&common, &arguments),
        Command::Prove(arguments) => cli::prove::prove(&common, &arguments),
        Command::Diff(arguments) => cli::diff::diff(&common, &arguments),
        Command::Test(arguments) => cli::test::test(&common, &arguments),
        Command::Matrix(arguments) => cli::matrix::matrix(&common, &arguments),
    });
    done.map_or_else(
        |failure| {
            failure.tell();
            ExitCode::from(failure.code())
        },
        |()| ExitCode::SUCCESS,
    )
}

/// What the process has to say about itself goes to stderr, one JSON object a line; secrets are not in it by construction.
fn log_events() {
    tracing_subscriber::fmt()
        .json()
        .flatten_event(true)
        .with_max_level(tracing::Level::INFO)
        .with_writer(std::io::stderr)
        .init();
}

/// Each thread's heap would otherwise begin with a huge page of 2 MiB, most of which nobody uses.
fn use_small_pages() {
    #[cfg(target_os = "linux")]
    if let Err(error) = rustix::thread::disable_transparent_huge_pages(true) {
        tracing::debug!(%error, "cannot turn off transparent huge pages");
    }
}

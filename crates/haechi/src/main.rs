//! Haechi, an API gateway that decides who is calling and what they may do.

mod authenticators;
mod cli;
mod config;
mod diagnostics;
mod evidence;
mod inspect;
mod shell;
mod wire;

use clap::FromArgMatches;
use cli::{Cli, Command};
use std::process::ExitCode;
use std::time::Duration;

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// How long the end waits for standard error to take what was said.
const LAST_WORDS: Duration = Duration::from_secs(1);

fn main() -> ExitCode {
    use_small_pages();
    diagnostics::install();
    wire::panics::tell();
    let typed = cli::forms::commands().get_matches();
    let name = cli::forms::typed(&typed);
    let Cli { command, common } = Cli::from_arg_matches(&typed).unwrap_or_else(|error| error.exit());
    let done = common.of(&name).and_then(|common| match command {
        Command::Init => cli::init::init(&common),
        Command::Check(arguments) => cli::check::check(&common, &arguments),
        Command::Decisions(arguments) => cli::decisions::decisions(&common, &arguments),
        Command::Health(arguments) => cli::health::health(&common, arguments),
        Command::User(command) => cli::user::user(&common, command),
        Command::Key(command) => cli::key::key(&common, command),
        Command::Client(command) => cli::client::client(&common, command),
        Command::Token(command) => cli::token::token(&common, command),
        Command::Review(arguments) => cli::audit::review::review(&common, &arguments),
        Command::Audit(command) => cli::audit::audit(&common, command),
        Command::Policy(command) => cli::policy::policy(&common, command),
        Command::Approval(command) => cli::approval::approval(&common, command),
        Command::Session(command) => cli::session::session(&common, command),
        Command::SigningKey(command) => cli::signing_key::signing_key(&common, command),
        Command::Store(command) => cli::schema_version::store(&common, command),
        Command::Schema(command) => cli::schema::schema(command, &common),
        Command::Man { folder } => cli::man::man(folder.as_deref()),
        Command::Completions { shell } => cli::completions::completions(shell),
        Command::Run => cli::run::run(&common),
        Command::Demo(arguments) => cli::demo::demo(arguments, common.output),
        Command::Explain(arguments) => cli::explain::explain(&common, &arguments),
        Command::Prove(arguments) => cli::prove::prove(&common, &arguments),
        Command::Diff(arguments) => cli::diff::diff(&common, &arguments),
        Command::Test(arguments) => cli::test::test(&common, &arguments),
        Command::Matrix(arguments) => cli::matrix::matrix(&common, &arguments),
    });
    // Nobody may be reading what is left to say.
    diagnostics::flush(LAST_WORDS);
    done.map_or_else(
        |failure| {
            failure.tell();
            ExitCode::from(failure.code())
        },
        |()| ExitCode::SUCCESS,
    )
}

/// Each thread's heap would otherwise begin with a huge page of 2 MiB, most of which nobody uses.
fn use_small_pages() {
    #[cfg(target_os = "linux")]
    if let Err(error) = rustix::thread::disable_transparent_huge_pages(true) {
        tracing::debug!(%error, "cannot turn off transparent huge pages");
    }
}

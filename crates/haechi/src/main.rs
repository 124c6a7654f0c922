//! Haechi, an API gateway that decides who is calling and what they may do.

mod cli;
mod config;

use clap::Parser;
use cli::{Cli, Command, Failure};
use std::process::ExitCode;

fn main() -> ExitCode {
    let Cli { command, common } = Cli::parse();
    let done = match command {
        Command::Check => cli::check::check(&common),
        Command::User(command) => cli::user::user(&common, command),
        Command::Key(command) => cli::key::key(&common, command),
        Command::Schema(command) => cli::schema::schema(command),
        Command::Completions { shell } => cli::completions::completions(shell),
        Command::Run | Command::Demo(_) | Command::Explain(_) => {
            Err(Failure::fault("this command is not wired"))
        }
    };
    done.map_or_else(
        |failure| {
            failure.tell();
            ExitCode::from(failure.code())
        },
        |()| ExitCode::SUCCESS,
    )
}

//! Commands that go to a running gate: over its Unix socket where one is configured and answers, or to the address of `--admin`. Else they work on the
//! store themselves.

mod connection;
mod imports;
mod operator;

use super::files::unreadable;
use connection::is_here;
pub(crate) use connection::{Answered, Gate};
pub(crate) use imports::Import;

use super::{Common, Failure, configuration, input};
use crate::config::Config;
use clap::Args;
use haechi_core::Secret;
use reqwest::Url;
use std::future::Future;
use std::os::unix::fs::MetadataExt;
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// No token is longer, in bytes.
const MAX_TOKEN: u64 = 64 * 1024;

/// A command whose work a running gate does, where there is one.
#[derive(Debug, Args)]
pub(crate) struct Managed<C: clap::Subcommand> {
    /// What to do.
    #[command(subcommand)]
    pub(crate) command: C,
    /// Which gate.
    #[command(flatten)]
    pub(crate) gate: GateArgs,
}

/// Which running gate does the work.
#[derive(Clone, Debug, Default, Args)]
#[command(next_help_heading = "A running gate")]
pub(crate) struct GateArgs {
    /// The admin API of a running gate. Where this is left out, `admin.socket` of the configuration is used if a gate answers there, and else the store
    /// itself.
    #[arg(long, global = true, value_name = "URL", value_parser = input::admin_url)]
    pub(crate) admin: Option<Url>,
    /// An operator's token, for `--admin`.
    #[arg(
        long = "token",
        id = "admin_token",
        global = true,
        env = "HAECHI_ADMIN_TOKEN",
        hide_env_values = true,
        value_name = "T"
    )]
    pub(crate) token: Option<String>,
    /// A file with the token.
    #[arg(long = "token-file", global = true, value_name = "FILE", conflicts_with = "admin_token")]
    pub(crate) token_file: Option<PathBuf>,
    /// A PEM file with the certificates of authorities to believe besides the system's, for `--admin https://…`.
    #[arg(long = "admin-ca", global = true, value_name = "FILE")]
    pub(crate) authorities: Option<PathBuf>,
}

impl GateArgs {
    /// The gate that does the work; `None` where the store itself is to be worked on.
    pub(crate) fn connect(&self, common: &Common) -> Result<Option<Gate>, Failure> {
        match &self.admin {
            Some(url) => Gate::at(url.clone(), self.token()?, self.authorities.as_deref()).map(Some),
            None => at_socket(&configuration(&common.config)?),
        }
    }

    /// For what no gate can do by call: it is done on the store, and not where `--admin` asks for it.
    pub(crate) fn refuse(&self) -> Result<(), Failure> {
        match &self.admin {
            Some(_) => {
                Err(Failure::usage("this works on the store itself, not over `--admin`; see `--help`"))
            }
            None => Ok(()),
        }
    }

    /// The token, from wherever it was given.
    pub(crate) fn token(&self) -> Result<Option<Secret<String>>, Failure> {
        let text = match (&self.token_file, &self.token) {
            (Some(file), _) => Some(Secret::new(read(file)?)),
            (None, Some(token)) => Some(Secret::new(token.clone())),
            (None, None) => None,
        };
        let token = text.map(|text| Secret::new(text.expose().trim().to_owned()));
        match token {
            Some(token)
                if token.expose().is_empty()
                    || !token.expose().bytes().all(|byte| byte.is_ascii_graphic()) =>
            {
                Err(Failure::usage(
                    "what `--token`, `HAECHI_ADMIN_TOKEN` or `--token-file` gives is not a token",
                ))
            }
            token => Ok(token),
        }
    }
}

fn read(file: &Path) -> Result<String, Failure> {
    use std::io::Read;
    let unreadable = unreadable(file);
    let mut text = String::new();
    let opened = std::fs::File::open(file).map_err(&unreadable)?;
    opened.take(MAX_TOKEN).read_to_string(&mut text).map_err(&unreadable)?;
    Ok(text)
}

/// The gate at the configured socket, if one answers there.
pub(crate) fn at_socket(config: &Config) -> Result<Option<Gate>, Failure> {
    let Some(path) = config.admin.as_ref().and_then(|admin| admin.socket.as_deref()) else { return Ok(None) };
    if UnixStream::connect(path).is_err() {
        return Ok(None);
    }
    trusted(path)?;
    Gate::over(path).map(Some)
}

/// Somebody else's socket is told no password.
fn trusted(path: &Path) -> Result<(), Failure> {
    let us = rustix::process::geteuid().as_raw();
    match std::fs::symlink_metadata(path) {
        Ok(about) if us == 0 || about.uid() == us || about.uid() == 0 => Ok(()),
        Ok(_) => Err(Failure::fault(format!("`{}` is the socket of another account", path.display()))),
        Err(error) => Err(unreadable(path)(error)),
    }
}

/// Waits for what is asked of a gate.
pub(crate) fn wait<T>(work: impl Future<Output = Result<T, Failure>>) -> Result<T, Failure> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    runtime.map_err(Failure::fault)?.block_on(work)
}

/// A token that is made for one question need not live long.
pub(crate) const ONE_QUESTION: Duration = Duration::from_secs(60);

/// The gate to look into: `--admin`, or the socket, or the address of the configuration. Where no token is given, one is made with the store's keys that
/// is valid for `lifetime`.
pub(crate) fn looking(common: &Common, arguments: &GateArgs, lifetime: Duration) -> Result<Gate, Failure> {
    let token = arguments.token()?;
    if let Some(url) = &arguments.admin {
        let token = match token {
            Some(token) => Some(token),
            // Another gate knows other keys.
            None if is_here(url) => Some(operator::made(&configuration(&common.config)?, lifetime)?),
            None => None,
        };
        return Gate::at(url.clone(), token, arguments.authorities.as_deref());
    }
    let config = configuration(&common.config)?;
    if let Some(gate) = at_socket(&config)? {
        return Ok(gate);
    }
    let base = address(&config)?;
    let token = match token {
        Some(token) => token,
        None => operator::made(&config, lifetime)?,
    };
    Gate::at(base, Some(token), arguments.authorities.as_deref())
}

/// Where the configuration has its admin listener.
fn address(config: &Config) -> Result<Url, Failure> {
    let address = super::admin::address(config)?;
    let scheme =
        if config.admin.as_ref().is_some_and(|admin| admin.tls.is_some()) { "https" } else { "http" };
    Url::parse(&format!("{scheme}://{address}/")).map_err(Failure::fault)
}

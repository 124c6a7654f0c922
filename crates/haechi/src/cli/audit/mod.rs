//! `haechi audit`: the audit trail, read (docs/audit.md).

mod erase;
mod export;
mod page;
mod replay;
pub(crate) mod review;
mod search;
mod subjects;
mod tail;
mod verify;

use super::files::unreadable;
use super::input;
use super::output;
use super::{Common, Failure, configuration};
use crate::config::Config;
use crate::config::meant::Audit;
use clap::{Args, Subcommand};
use haechi_audit::SigningKey;
use haechi_core::Timestamp;
use std::path::PathBuf;

/// `haechi audit …`.
#[derive(Debug, Subcommand)]
pub(crate) enum AuditCommand {
    /// Tell whether anything was removed, added, altered or moved; exit 1 where it was.
    Verify(VerifyArgs),
    /// Print the last records, and with `-f` those that come.
    Tail {
        /// So many.
        #[arg(short = 'n', long, value_name = "N", default_value_t = 10)]
        lines: usize,
        /// Go on with those that come.
        #[arg(short, long)]
        follow: bool,
    },
    /// Find records.
    Search(SearchArgs),
    /// Print everything about a person, as JSON lines or as a page.
    Export {
        /// Who.
        #[command(flatten)]
        who: SubjectArgs,
        /// Write a page that stands alone into this file instead.
        #[arg(long, value_name = "FILE")]
        html: Option<PathBuf>,
    },
    /// Destroy a person's key: what the trail has of them cannot be read any more, and the trail still verifies.
    Erase {
        /// Who.
        #[command(flatten)]
        who: SubjectArgs,
        /// Do it: it cannot be undone.
        #[arg(long)]
        yes: bool,
    },
    /// Decide every recorded decision again by the configuration that `--config` names, and tell what would come out otherwise.
    Replay(ReplayArgs),
    /// Print the public key that checkpoints are verified with, to be kept elsewhere.
    Key,
}

/// `haechi audit verify`.
#[derive(Debug, Args)]
pub(crate) struct VerifyArgs {
    /// The files, in the order of time; those of the configuration where none is named.
    #[arg(value_name = "FILES")]
    files: Vec<PathBuf>,
    /// The public key (PEM) that `haechi audit key` has printed; the one beside the trail where this is left out.
    #[arg(long, value_name = "PEM")]
    key: Option<PathBuf>,
    /// Checkpoints that were kept elsewhere: each must be in the trail.
    #[arg(long, value_name = "FILE")]
    checkpoints: Option<PathBuf>,
    /// Some of the files are not here; chains may begin in the middle.
    #[arg(long)]
    partial: bool,
}

/// `haechi audit search`.
#[derive(Debug, Args)]
pub(crate) struct SearchArgs {
    /// Not before this time, such as `2026-11-23T10:00:00Z`.
    #[arg(long, value_name = "T", value_parser = input::time)]
    since: Option<Timestamp>,
    /// Before this time.
    #[arg(long, value_name = "T", value_parser = input::time)]
    until: Option<Timestamp>,
    /// What they tell of: `decision`, `refusal`, `login`, …
    #[arg(long, value_name = "EVENT")]
    event: Option<String>,
    /// The route.
    #[arg(long, value_name = "NAME")]
    route: Option<String>,
    /// What it came to: `allow`, `deny`, `error`, `unavailable`, `done`, `refused`, `failed`.
    #[arg(long, value_name = "OUTCOME")]
    outcome: Option<String>,
    /// A person: the subject, or a user's name.
    #[arg(long, value_name = "SUBJECT")]
    subject: Option<String>,
    /// Who vouches for the subject; everybody where this is left out.
    #[arg(long, value_name = "ISSUER", requires = "subject")]
    issuer: Option<String>,
    /// A credential's id: an API key's, a token's.
    #[arg(long = "key", value_name = "ID")]
    credential: Option<String>,
    /// A request's id.
    #[arg(long, value_name = "ID")]
    request: Option<String>,
    /// A decision's id.
    #[arg(long, value_name = "ID")]
    decision: Option<String>,
    /// The files; those of the configuration where none is named.
    #[arg(value_name = "FILES")]
    files: Vec<PathBuf>,
}

/// `haechi audit replay`.
#[derive(Debug, Args)]
pub(crate) struct ReplayArgs {
    /// Decide by the configurations that decided then, which are kept beside the trail; exit 1 where one does not agree.
    #[arg(long)]
    recorded: bool,
    /// The files; those of the configuration where none is named.
    #[arg(value_name = "FILES")]
    files: Vec<PathBuf>,
}

/// A person.
#[derive(Debug, Args)]
pub(crate) struct SubjectArgs {
    /// The subject, or a user's name.
    #[arg(long, value_name = "SUBJECT")]
    subject: String,
    /// Who vouches for the subject; everybody where this is left out.
    #[arg(long, value_name = "ISSUER")]
    issuer: Option<String>,
}

/// Does it.
pub(crate) fn audit(common: &Common, command: AuditCommand) -> Result<(), Failure> {
    match command {
        AuditCommand::Verify(arguments) => verify::verify(common, &arguments),
        AuditCommand::Tail { lines, follow } => tail::tail(common, lines, follow),
        AuditCommand::Search(arguments) => search::search(common, &arguments),
        AuditCommand::Export { who, html } => export::export(common, &who, html.as_deref()),
        AuditCommand::Erase { who, yes } => erase::erase(common, &who, yes),
        AuditCommand::Replay(arguments) => replay::replay(common, &arguments),
        AuditCommand::Key => key(common),
    }
}

fn key(common: &Common) -> Result<(), Failure> {
    let (_, audit) = configured(common)?;
    let path = &audit.options.key;
    if !path.exists() {
        return Err(Failure::fault(format!(
            "`{}` is not there yet: the gate makes it when it first starts",
            path.display()
        )));
    }
    let key = SigningKey::open(path).map_err(Failure::fault)?;
    output::said(&format!("key {}", key.id()));
    output::line(key.public_pem().trim_end())
}

/// The configuration, and what it says of the trail.
fn configured(common: &Common) -> Result<(Config, Audit), Failure> {
    let config = configuration(&common.config)?;
    let missing = || format!("`{}` has no `audit`; name the files", common.config.display());
    let audit = config.audit.clone().ok_or_else(|| Failure::fault(missing()))?;
    Ok((config, audit))
}

/// The files that were named, or those of the configuration.
fn files(common: &Common, named: &[PathBuf]) -> Result<Vec<PathBuf>, Failure> {
    if !named.is_empty() {
        return Ok(named.to_vec());
    }
    let (_, audit) = configured(common)?;
    let file = &audit.options.file;
    let files = haechi_audit::files_of(file);
    let files = files.map_err(unreadable(file))?;
    if files.is_empty() {
        return Err(Failure::fault(format!("`{}` is not there", file.display())));
    }
    Ok(files)
}

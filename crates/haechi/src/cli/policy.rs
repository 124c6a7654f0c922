//! `haechi policy`: policies of the store, which count on all nodes beside those of the files.

mod remote;
mod view;

use super::files::unreadable;
use super::output::{self, said};
use super::remote::{Managed, wait};
use super::store::{Opened, with_store};
use super::{Common, Failure, Format};
use crate::config::{Config, StorePolicies};
use crate::inspect::policy_change::{PolicyChangeError, check};
use crate::wire::policy_control::{files, refused};
use clap::{Args, Subcommand};
use haechi_admin::PolicyControl;
use haechi_admin::policies::{
    Checked, Expected, FilePolicy, PolicyDesk, PolicyEdit, PolicyError, PolicyRefused, Prepared,
};
use haechi_core::ports::{Author, BoxFuture, PoliciesInForce};
use haechi_core::{Clock, SystemClock};
use serde_json::Map;
use std::io::{self, Read};
use std::path::{Path, PathBuf};
use std::sync::Arc;
pub(super) use view::named;
use view::{PolicyView, print, print_all};

/// No text of a policy is longer than the store takes.
const MAX_TEXT: u64 = 1024 * 1024;

/// `haechi policy …`.
#[derive(Debug, Subcommand)]
pub(crate) enum PolicyCommand {
    /// List the policies of the files and of the store.
    List,
    /// Print the text of a policy.
    Show {
        /// Its name.
        name: String,
        /// An earlier version, of a policy of the store.
        #[arg(long, value_name = "N")]
        version: Option<i64>,
    },
    /// Put a policy into the store, or give it another text. It counts on all nodes within a second, once it is valid and every property is proved.
    Put {
        /// Its name.
        name: String,
        /// The file with its text; `-` is standard input.
        #[arg(value_name = "FILE")]
        file: PathBuf,
        #[command(flatten)]
        how: ChangeArgs,
    },
    /// Take a policy of the store out of force. Its versions are kept.
    Delete {
        /// Its name.
        name: String,
        #[command(flatten)]
        how: ChangeArgs,
    },
    /// List all versions of a policy of the store, newest first.
    Versions {
        /// Its name.
        name: String,
    },
    /// Give a policy of the store the text of an earlier version.
    Rollback {
        /// Its name.
        name: String,
        /// The version.
        #[arg(value_name = "N")]
        version: i64,
        #[command(flatten)]
        how: ChangeArgs,
    },
}

/// How a policy is changed.
#[derive(Clone, Copy, Debug, Args)]
pub(crate) struct ChangeArgs {
    /// Only while the policy has this version; 0 where it is not there. The one that it has now where this is left out.
    #[arg(long, value_name = "N")]
    if_version: Option<i64>,
    /// Say what would happen, and change nothing.
    #[arg(long)]
    dry_run: bool,
}

impl PolicyCommand {
    /// What the audit trail calls it; nothing where nothing is changed.
    const fn action(&self) -> &'static str {
        match self {
            Self::List | Self::Show { .. } | Self::Versions { .. } => "",
            Self::Put { .. } => "policy.put",
            Self::Delete { .. } => "policy.delete",
            Self::Rollback { .. } => "policy.rollback",
        }
    }
}

/// Does it.
pub(crate) fn policy(
    common: &Common,
    Managed { command, gate }: Managed<PolicyCommand>,
) -> Result<(), Failure> {
    if let Some(gate) = gate.connect(common)? {
        return wait(remote::policy(&gate, common, command));
    }
    with_store(common, command.action(), async |opened| stored(&opened, common, command).await)
}

async fn stored(opened: &Opened, common: &Common, command: PolicyCommand) -> Result<(), Failure> {
    let policies = &opened.store.policies;
    match command {
        PolicyCommand::List => {
            let of_files = files(&opened.config).into_iter().map(PolicyView::of_file);
            let of_store = policies.in_force().await?.policies.into_iter();
            let of_store = of_store.map(|one| PolicyView::of(one, "stored"));
            print_all(common, of_files.chain(of_store).collect())
        }
        PolicyCommand::Show { name, version: None } => {
            let file = files(&opened.config).into_iter().find(|file| file.name == name);
            let stored = policies.in_force().await?.policies.into_iter().find(|one| one.name == name);
            let found = file.map(PolicyView::of_file).or(stored.map(|one| PolicyView::of(one, "stored")));
            let missing = || Failure::fault(format!("there is no policy `{name}`"));
            print(found.ok_or_else(missing)?, common.output)
        }
        PolicyCommand::Show { name, version: Some(version) } => {
            let missing = || Failure::fault(format!("there is no version {version} of the policy `{name}`"));
            let found = policies.version(&name, version).await?.ok_or_else(missing)?;
            print(PolicyView::of(found, "stored"), common.output)
        }
        PolicyCommand::Versions { name } => {
            let found = policies.versions(&name, None, usize::MAX).await?;
            if found.is_empty() {
                return Err(Failure::fault(format!("there is no policy `{name}` in the store")));
            }
            print_all(common, found.into_iter().map(|one| PolicyView::of(one, "stored")).collect())
        }
        PolicyCommand::Put { name, file, how } => {
            let edit = PolicyEdit::Put(read(&file)?);
            change(opened, common, (&name, edit, how)).await
        }
        PolicyCommand::Delete { name, how } => change(opened, common, (&name, PolicyEdit::Delete, how)).await,
        PolicyCommand::Rollback { name, version, how } => {
            change(opened, common, (&name, PolicyEdit::Rollback(version), how)).await
        }
    }
}

/// Changes a policy without a gate: it is looked at in the same way.
async fn change(
    opened: &Opened,
    common: &Common,
    (name, edit, how): (&str, PolicyEdit, ChangeArgs),
) -> Result<(), Failure> {
    if !how.dry_run {
        one_is_enough(&opened.config)?;
    }
    let control = Arc::new(Offline { file: common.config.clone(), config: opened.config.clone() });
    let desk = PolicyDesk { policies: opened.store.policies.clone(), control };
    let expected = match how.if_version {
        Some(0) => Expected::Absent,
        Some(version) => Expected::OneOf(vec![version]),
        None => {
            let newest = desk.policies.versions(name, None, 1).await?.into_iter().next();
            newest.filter(|one| one.text.is_some()).map_or(Expected::Absent, |_| Expected::Present)
        }
    };
    let prepared = desk.prepare(name, &edit, &expected, SystemClock.now()).await.map_err(failure)?;
    let by = Author {
        authenticator: "command".to_owned(),
        issuer: None,
        subject: None,
        uid: Some(rustix::process::getuid().as_raw()),
    };
    let version = prepared.by(by, None);
    if !how.dry_run {
        let recorded = opened.policies_with(details(name, &prepared));
        recorded.add(&version).await.map_err(|error| failure(PolicyError::from(error)))?;
    }
    told(common.output, PolicyView::of(version, "stored"), how.dry_run)
}

fn details(name: &str, prepared: &Prepared) -> Map<String, serde_json::Value> {
    let [before, after] = prepared.hashes();
    let details = [
        ("policy", name.into()),
        ("sha256_before", before.into()),
        ("sha256_after", after.into()),
        ("proved", prepared.checked.proved.clone().into()),
    ];
    details.into_iter().map(|(name, value)| (name.to_owned(), value)).collect()
}

/// Says what was done, or would be.
fn told(format: Format, view: PolicyView, dry_run: bool) -> Result<(), Failure> {
    let (name, revision) = (&view.name, view.revision.unwrap_or_default());
    let (does, did) = match view.sha256 {
        Some(_) => ("would count", "counts"),
        None => ("would count no more", "counts no more"),
    };
    said(&match dry_run {
        true => format!("policy `{name}` {does}, as version {revision}; nothing was changed"),
        false => format!("policy `{name}` {did}; this is version {revision}"),
    });
    match format {
        Format::Json => output::json(&PolicyView { text: None, ..view }),
        Format::Text => Ok(()),
    }
}

/// Where a second person is asked for, nobody goes around by working on the store.
pub(super) fn one_is_enough(config: &Config) -> Result<(), Failure> {
    match config.admin.as_ref().and_then(|admin| admin.second_person) {
        None => Ok(()),
        Some(_) => Err(Failure::fault(
            "the configuration has `approvals: 2`, so this needs a second person, and is done by way of a running gate: start it, or name it with `--admin`",
        )),
    }
}

fn read(file: &Path) -> Result<String, Failure> {
    let unreadable = unreadable(file);
    let mut text = String::new();
    if file == Path::new("-") {
        io::stdin().lock().take(MAX_TEXT).read_to_string(&mut text).map_err(&unreadable)?;
    } else {
        let opened = std::fs::File::open(file).map_err(&unreadable)?;
        opened.take(MAX_TEXT).read_to_string(&mut text).map_err(&unreadable)?;
    }
    Ok(text)
}

/// Looks at policies by the files of the configuration, where no gate runs.
struct Offline {
    file: PathBuf,
    config: Arc<Config>,
}

impl PolicyControl for Offline {
    fn files(&self) -> Vec<FilePolicy> {
        files(&self.config)
    }

    fn in_force(&self) -> Option<i64> {
        None
    }

    fn check(&self, next: PoliciesInForce, name: String) -> BoxFuture<'_, Result<Checked, PolicyRefused>> {
        Box::pin(async move {
            let (file, config) = (self.file.clone(), Config::clone(&self.config));
            let next = StorePolicies::of_store(next);
            let runtime = tokio::runtime::Handle::current();
            // What is asked of the solver stays on one thread.
            let checked =
                tokio::task::spawn_blocking(move || runtime.block_on(check(&file, config, next, &name)));
            let stopped = |_| {
                Err(PolicyChangeError::Undecided("looking at the policies stopped unexpectedly".to_owned()))
            };
            let found = checked.await.unwrap_or_else(stopped).map_err(refused)?;
            Ok(Checked { proved: found.proved, odd: found.odd })
        })
    }

    fn follow(&self) -> BoxFuture<'_, ()> {
        Box::pin(std::future::ready(()))
    }
}

fn failure(error: PolicyError) -> Failure {
    match error {
        PolicyError::Invalid(why) => Failure::usage(why),
        PolicyError::Missing(what) => Failure::fault(format!("there is no {what}")),
        PolicyError::Changed => {
            Failure::fault("the policy is not as expected: somebody else changed it; look at it again")
        }
        PolicyError::Store(error) => Failure::fault(error),
        PolicyError::Refused(refused) => Failure::fault(match refused {
            PolicyRefused::Faults(refused) => {
                format!("the policies would be invalid; nothing has changed\n{}", refused.report.trim_end())
            }
            PolicyRefused::Properties(refused) => format!(
                "a property of the configuration would not hold; nothing has changed\n{}",
                refused.report.trim_end()
            ),
            PolicyRefused::Unproved(why) => format!("{why}; nothing has changed"),
            PolicyRefused::Busy => "too much is under way; try again".to_owned(),
            PolicyRefused::Failed(why) => why,
        }),
    }
}

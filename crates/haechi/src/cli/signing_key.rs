//! `haechi signing-key`: the keys that tokens are signed with.

mod remote;

use super::output::{self, said};
use super::remote::{Managed, wait};
use super::store::{Opened, with_store};
use super::{Common, Failure, Format, input};
use crate::wire::{PUBLISHED_AHEAD, signing_keys};
use clap::Subcommand;
use haechi_authn::identity::{RotationError, SOONEST, SigningKeyAccounts, sealed_with};
use haechi_core::ports::SigningKeyRecord;
use haechi_core::{Clock, SystemClock, Timestamp};
use serde::{Deserialize, Serialize};
use std::sync::Arc;
use std::time::Duration;

/// `haechi signing-key …`.
#[derive(Debug, Subcommand)]
pub(crate) enum SigningKeyCommand {
    /// List the keys, oldest first.
    List,
    /// Make the next key. It is published at once and signs later; the one that signs now stays published until its last token has expired.
    Rotate {
        /// After how long it signs: at least as long as others keep the key set, and at least 30s.
        #[arg(long = "in", value_name = "SPAN", value_parser = input::span, conflicts_with = "at_once")]
        lead: Option<Duration>,
        /// As soon as every node knows it: for a key that has leaked.
        #[arg(long)]
        at_once: bool,
    },
    /// Withdraw a key whose successor signs: what it signed holds no more, on every node within 5 s.
    Retire {
        /// The key's id (`kid`).
        kid: String,
    },
    /// Seal all keys anew with the first seal of the configuration.
    Reseal,
}

impl SigningKeyCommand {
    /// What the audit trail calls it; nothing where nothing is changed.
    const fn action(&self) -> &'static str {
        match self {
            Self::List => "",
            Self::Rotate { .. } => "signing_key.rotate",
            Self::Retire { .. } => "signing_key.retire",
            Self::Reseal => "signing_key.reseal",
        }
    }
}

/// Does it.
pub(crate) fn signing_key(
    common: &Common,
    Managed { command, gate }: Managed<SigningKeyCommand>,
) -> Result<(), Failure> {
    if let Some(gate) = gate.connect(common)? {
        return wait(remote::signing_key(&gate, common, command));
    }
    let format = common.output;
    with_store(common, command.action(), async |opened| match command {
        SigningKeyCommand::List => list(&opened, common).await,
        SigningKeyCommand::Rotate { lead, at_once } => {
            let lead = if at_once { SOONEST } else { lead.unwrap_or(PUBLISHED_AHEAD) };
            let next = accounts(&opened)?.rotate(lead).await?;
            told_next(format, &KeyView::of(&next, SystemClock.now()))
        }
        SigningKeyCommand::Retire { kid } => {
            accounts(&opened)?.retire(&kid).await?;
            said(&format!("signing key `{kid}` is withdrawn"));
            Ok(())
        }
        SigningKeyCommand::Reseal => {
            let resealed = accounts(&opened)?.reseal().await?;
            said(&format!("sealed {}", output::counted(resealed, "signing key")));
            Ok(())
        }
    })
}

fn told_next(format: Format, next: &KeyView) -> Result<(), Failure> {
    match format {
        Format::Json => output::json(next),
        Format::Text => {
            said(&format!("signing key `{}` is published, and signs from {}", next.kid, next.active_from));
            Ok(())
        }
    }
}

fn accounts(opened: &Opened) -> Result<SigningKeyAccounts, Failure> {
    let identity = opened.config.identity.as_ref();
    let missing =
        || Failure::fault("no `identity` is configured that would sign; add `identity: { issuer: … }`");
    Ok(signing_keys(identity.ok_or_else(missing)?, &opened.store, Arc::new(SystemClock)))
}

async fn list(opened: &Opened, common: &Common) -> Result<(), Failure> {
    let now = SystemClock.now();
    let records = opened.store.signing_keys.list().await?;
    let keys: Vec<KeyView> = records.iter().map(|record| KeyView::of(record, now)).collect();
    print(common, &keys)
}

fn print(common: &Common, keys: &[KeyView]) -> Result<(), Failure> {
    let heads = ["id", "algorithm", "state", "signs from", "signs until", "published until", "seal"];
    let fields = ["kid", "algorithm", "state", "active_from", "retired_at", "published_until", "seal"];
    output::list(common, keys, (&heads, &fields), |key| {
        let or = |text: &Option<String>, none: &str| text.clone().unwrap_or_else(|| none.to_owned());
        vec![
            key.kid.clone(),
            key.algorithm.clone(),
            key.state.clone(),
            key.active_from.clone(),
            or(&key.retired_at, "-"),
            or(&key.published_until, "-"),
            or(&key.seal, "not sealed"),
        ]
    })
}

/// A signing key as printed: nothing of its private half.
#[derive(Debug, Serialize, Deserialize)]
struct KeyView {
    kid: String,
    algorithm: String,
    /// `next`, `signs`, `published` (it signs no more), or `withdrawn`.
    state: String,
    active_from: String,
    retired_at: Option<String>,
    published_until: Option<String>,
    /// What it is sealed with.
    seal: Option<String>,
}

impl KeyView {
    fn of(record: &SigningKeyRecord, now: Timestamp) -> Self {
        let shown = |at: Timestamp| at.rfc3339().to_string();
        let state = match record {
            SigningKeyRecord { published_until: Some(until), .. } if *until <= now => "withdrawn",
            SigningKeyRecord { retired_at: Some(at), .. } if *at <= now => "published",
            SigningKeyRecord { active_from, .. } if *active_from > now => "next",
            _ => "signs",
        };
        Self {
            kid: record.id.clone(),
            algorithm: record.algorithm.clone(),
            state: state.to_owned(),
            active_from: shown(record.active_from),
            retired_at: record.retired_at.map(shown),
            published_until: record.published_until.map(shown),
            seal: sealed_with(record),
        }
    }
}

impl From<RotationError> for Failure {
    fn from(error: RotationError) -> Self {
        match error {
            RotationError::TooSoon | RotationError::Missing(_) | RotationError::Signs(_) => {
                Self::usage(error)
            }
            _ => Self::fault(error),
        }
    }
}

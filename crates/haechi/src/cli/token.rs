//! `haechi token`: what an access token says, and an end to it.

use super::output::{self, said};
use super::remote::{Gate, Managed, wait};
use super::store::{Opened, with_store};
use super::{Common, Failure, Format};
use crate::config::LONGEST_ACCESS_TOKEN;
use crate::wire::empty_keyring;
use clap::Subcommand;
use haechi_authn::identity::{TokenDesk, TokenDeskError};
use haechi_core::{Clock, Secret, SystemClock, Timestamp};
use reqwest::Method;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};
use std::io::Read;
use std::sync::Arc;

/// No token is longer, in bytes.
const MAX_TOKEN: u64 = 64 * 1024;

/// `haechi token …`.
#[derive(Debug, Subcommand)]
pub(crate) enum TokenCommand {
    /// Tell what a token says, whether one of this store's keys signed it, and whether it works; exit 1 where it does not.
    Inspect {
        /// The token; `-` reads it from stdin.
        token: String,
    },
    /// Revoke one access token, on every node within 5 s.
    Revoke {
        /// The token, or its id (`jti`); `-` reads it from stdin.
        token: String,
    },
}

impl TokenCommand {
    /// What the audit trail calls it; nothing where nothing is changed.
    const fn action(&self) -> &'static str {
        match self {
            Self::Inspect { .. } => "",
            Self::Revoke { .. } => "token.revoke",
        }
    }
}

/// What a token says, and whether it works.
#[derive(Debug, Serialize, Deserialize)]
struct TokenView {
    active: bool,
    reason: Option<String>,
    claims: Map<String, Value>,
}

/// Does it.
pub(crate) fn token(
    common: &Common,
    Managed { command, gate }: Managed<TokenCommand>,
) -> Result<(), Failure> {
    let format = common.output;
    if let Some(gate) = gate.connect(common)? {
        return wait(at_gate(&gate, format, command));
    }
    with_store(common, command.action(), async |opened| match command {
        TokenCommand::Inspect { token } => {
            let found = desk(&opened).inspect(given(token)?.expose()).await?;
            print(
                &TokenView { active: found.reason.is_none(), reason: found.reason, claims: found.claims },
                format,
            )
        }
        TokenCommand::Revoke { token } => {
            let desk = desk(&opened);
            let (id, until) = desk.named(given(token)?.expose())?;
            desk.revoke(&id, until).await?;
            said(&format!("revoked the token `{id}`"));
            Ok(())
        }
    })
}

async fn at_gate(gate: &Gate, format: Format, command: TokenCommand) -> Result<(), Failure> {
    match command {
        TokenCommand::Inspect { token } => {
            let body = json!({ "token": given(token)?.expose() });
            print(&gate.change(Method::POST, &["tokens", "inspect"], &body).await?, format)
        }
        TokenCommand::Revoke { token } => {
            let body = json!({ "token": given(token)?.expose() });
            let done: Value = gate.change(Method::POST, &["tokens", "revoke"], &body).await?;
            let id = done.get("jti").and_then(Value::as_str).unwrap_or_default();
            said(&format!("revoked the token `{id}`"));
            Ok(())
        }
    }
}

fn given(token: String) -> Result<Secret<String>, Failure> {
    let mut text = token;
    if text == "-" {
        text.clear();
        let read = std::io::stdin().lock().take(MAX_TOKEN).read_to_string(&mut text);
        read.map_err(|_| Failure::fault("stdin is not UTF-8 text"))?;
    }
    let token = text.trim().trim_start_matches("Bearer ").trim();
    if token.is_empty() { Err(Failure::usage("there is no token")) } else { Ok(Secret::from(token)) }
}

fn desk(opened: &Opened) -> TokenDesk {
    let (config, store) = (&*opened.config, &opened.store);
    let clock: Arc<dyn Clock> = Arc::new(SystemClock);
    let identity = config.identity.as_ref();
    TokenDesk {
        identity: identity
            .map(|known| (empty_keyring(known, store, clock.clone()), Arc::from(&*known.issuer))),
        signing_keys: store.signing_keys.clone(),
        revocations: store.revocations.clone(),
        clock,
        longest: LONGEST_ACCESS_TOKEN,
    }
}

fn print(view: &TokenView, format: Format) -> Result<(), Failure> {
    match format {
        Format::Json => output::json(view)?,
        Format::Text => {
            said_of(&view.claims)?;
            match &view.reason {
                None => output::line("works         yes")?,
                Some(why) => output::line(&format!("works         no: {}", output::shown(why)))?,
            }
        }
    }
    if view.active { Ok(()) } else { Err(Failure::Told) }
}

fn said_of(claims: &Map<String, Value>) -> Result<(), Failure> {
    for (name, value) in claims {
        let shown = match value {
            Value::String(text) => text.clone(),
            Value::Number(seconds) if ["iat", "nbf", "exp"].contains(&name.as_str()) => seconds
                .as_i64()
                .map_or_else(|| seconds.to_string(), |at| Timestamp::from_seconds(at).rfc3339().to_string()),
            other => other.to_string(),
        };
        output::line(&format!("{:<13} {}", output::shown(name), output::shown(&shown)))?;
    }
    Ok(())
}

impl From<TokenDeskError> for Failure {
    fn from(error: TokenDeskError) -> Self {
        match error {
            TokenDeskError::NoToken | TokenDeskError::Refresh | TokenDeskError::Neither => Self::usage(error),
            _ => Self::fault(error),
        }
    }
}

//! `haechi token`: what an access token says, and an end to it.

use super::output::{self, said};
use super::store::{Opened, with_store};
use super::{Common, Failure, Format};
use crate::config::{Config, LONGEST_ACCESS_TOKEN};
use crate::wire::empty_keyring;
use clap::Subcommand;
use haechi_authn::identity::{OwnToken, payload, tokens_expire_at};
use haechi_core::ports::{Change, Revoked};
use haechi_core::{Clock, Secret, SystemClock, Timestamp};
use serde_json::{Map, Value, json};
use std::io::Read;
use std::sync::Arc;
use std::time::Duration;

/// How many changes are read at once.
const CHANGES_AT_ONCE: usize = 10_000;
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

/// Does it.
pub(crate) fn token(common: &Common, command: TokenCommand) -> Result<(), Failure> {
    let format = common.output;
    with_store(common, command.action(), async |opened| match command {
        TokenCommand::Inspect { token } => inspect(&opened, &given(token)?, format).await,
        TokenCommand::Revoke { token } => revoke(&opened, &given(token)?).await,
    })
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

/// Why a token does not work; `None` where it does.
async fn verdict(opened: &Opened, token: &str) -> Result<Option<String>, Failure> {
    let (config, store) = (&*opened.config, &opened.store);
    let Some(identity) = &config.identity else {
        return Ok(Some("no `identity` is configured that could have made it".to_owned()));
    };
    let clock: Arc<dyn Clock> = Arc::new(SystemClock);
    let keyring = empty_keyring(identity, store, clock.clone());
    if !store.signing_keys.list().await?.is_empty() {
        keyring.reload().await.map_err(Failure::fault)?;
    }
    let keys = keyring.verifying();
    match OwnToken::read(token, &identity.issuer, &keys.load(), clock.uptime(), clock.now()) {
        Err(fault) => Ok(Some(fault.to_string())),
        Ok(token) => Ok(is_revoked(opened, &token).await?.then(|| "it or its login was revoked".to_owned())),
    }
}

async fn is_revoked(opened: &Opened, token: &OwnToken) -> Result<bool, Failure> {
    let mut since = 0;
    loop {
        let page = opened.store.revocations.changes_since(since, CHANGES_AT_ONCE).await?;
        let ours = |change: &Change| match change {
            Change::Revoked { what: Revoked::Token(id), .. } => *id == token.id,
            Change::Revoked { what: Revoked::Session(id), .. } => Some(id) == token.session.as_ref(),
            _ => false,
        };
        if page.changes.iter().any(ours) {
            return Ok(true);
        }
        if page.epoch >= page.newest || page.epoch <= since {
            return Ok(false);
        }
        since = page.epoch;
    }
}

async fn inspect(opened: &Opened, token: &Secret<String>, format: Format) -> Result<(), Failure> {
    let token = token.expose();
    let Some(claims) = payload(token) else {
        return Err(Failure::usage(
            "this is no access token: it is not three parts in base64url with claims",
        ));
    };
    let why = verdict(opened, token).await?;
    match format {
        Format::Json => output::json(&json!({ "active": why.is_none(), "reason": why, "claims": claims }))?,
        Format::Text => {
            said_of(&claims)?;
            match &why {
                None => output::line("works         yes")?,
                Some(why) => output::line(&format!("works         no: {}", output::shown(why)))?,
            }
        }
    }
    if why.is_none() { Ok(()) } else { Err(Failure::Told) }
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

async fn revoke(opened: &Opened, token: &Secret<String>) -> Result<(), Failure> {
    let token = token.expose();
    let (id, expires_at) = named(&opened.config, token)?;
    let longest = tokens_expire_at(SystemClock.now(), LONGEST_ACCESS_TOKEN);
    let until = expires_at.map_or(longest, |ends| longest.max(tokens_expire_at(ends, Duration::ZERO)));
    opened.store.revocations.revoke(&Revoked::Token(id.clone()), until).await?;
    said(&format!("revoked the token `{id}`"));
    Ok(())
}

/// The `jti` of a token, and when it expires; or the text itself, where it is a `jti`.
fn named(config: &Config, token: &str) -> Result<(String, Option<Timestamp>), Failure> {
    if token.starts_with("hr_") {
        return Err(Failure::usage("this is a refresh token; end its login with `haechi session end`"));
    }
    if !token.contains('.') {
        let is_id = token.len() == 32 && token.bytes().all(|byte| byte.is_ascii_hexdigit());
        let id = is_id.then(|| (token.to_owned(), None));
        return id
            .ok_or_else(|| Failure::usage("this is neither a token nor a `jti`, which is 32 hex digits"));
    }
    let claims = payload(token).ok_or_else(|| Failure::usage("this is no access token"))?;
    let issuer = config.identity.as_ref().map(|identity| &*identity.issuer);
    if claims.get("iss").and_then(Value::as_str) != issuer {
        return Err(Failure::fault(
            "the token is of another issuer: only the issuer can revoke it, and this store knows nothing of it",
        ));
    }
    let id = claims.get("jti").and_then(Value::as_str);
    let id = id.ok_or_else(|| Failure::fault("the token has no `jti` to revoke it by"))?;
    let expires_at = claims.get("exp").and_then(Value::as_i64).map(Timestamp::from_seconds);
    Ok((id.to_owned(), expires_at))
}

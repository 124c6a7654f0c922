//! `haechi explain --decision ID`: what a running gate remembers of a decision that it made.

mod text;

use crate::cli::{Common, DecisionArgs, Failure, Format, admin, configuration, output};
use crate::config::Config;
use crate::wire::{empty_keyring, open_store};
use haechi_admin::decisions::DecisionRecord;
use haechi_authn::identity::operator_token;
use haechi_core::id::DecisionId;
use haechi_core::{Clock, Secret, SystemClock, role};
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

/// A token that is made for one question need not live long.
const TOKEN_LIFETIME: Duration = Duration::from_secs(60);
/// Who asks, in a token that no user logged in for.
const SUBJECT: &str = "haechi explain";

/// Asks the admin listener, and prints the record.
pub(crate) fn decision(
    common: &Common,
    id: &str,
    arguments: &DecisionArgs,
    token: Option<&str>,
) -> Result<(), Failure> {
    let id = DecisionId::parse(id)
        .ok_or_else(|| Failure::usage("a decision's id is 32 hex digits, as `decision_id` has it"))?;
    let config = configuration(&common.config)?;
    let address = match arguments.admin {
        Some(address) => address,
        None => admin::address(&config)?,
    };
    let token = match token {
        Some(token) => Secret::new(token.to_owned()),
        None => made(&config)?,
    };
    let record = fetch(address, id, &token)?;
    match common.output {
        Format::Json => output::json(&record),
        Format::Text => output::line(text::render(&record, &common.config).trim_end()),
    }
}

fn fetch(address: SocketAddr, id: DecisionId, token: &Secret<String>) -> Result<DecisionRecord, Failure> {
    let token = token.expose();
    if !token.bytes().all(|byte| byte.is_ascii_graphic()) {
        return Err(Failure::usage("`--token` is not a token"));
    }
    if !address.ip().is_loopback() {
        return Err(Failure::usage(format!(
            "{address} is not an address of this machine, and a token does not travel unencrypted; ask there"
        )));
    }
    let answer = admin::ask(address, &format!("/api/v1/decisions/{id}"), Some(token))?;
    match answer.status {
        200 => serde_json::from_str(&answer.body)
            .map_err(|error| Failure::fault(format!("the answer of {address} cannot be read: {error}"))),
        404 => Err(Failure::fault(format!(
            "the gate on {address} does not remember the decision {id}: it keeps the newest since it started, \
             and an allowed one from when its request is over; the access log has its line"
        ))),
        401 | 403 => Err(Failure::fault(format!(
            "the gate on {address} does not let this caller look: it needs a token with the role `{}` or `{}`",
            role::AUDITOR,
            role::ADMIN
        ))),
        status => Err(Failure::fault(format!("the gate on {address} answers {status}: {}", answer.body))),
    }
}

/// A token for a minute. Whoever can read the store's signing keys can make any; this one can only look.
fn made(config: &Config) -> Result<Secret<String>, Failure> {
    let Some(identity) = &config.identity else {
        return Err(Failure::usage(
            "no `identity` is configured that could vouch for you: `--token` takes a token with the role `haechi-auditor`",
        ));
    };
    let unmade = |error: String| {
        let what = "no token could be made with the store's signing keys";
        Failure::fault(format!("{what} ({error}); `--token` takes one with the role `haechi-auditor`"))
    };
    let runtime =
        tokio::runtime::Builder::new_current_thread().enable_all().build().map_err(Failure::fault)?;
    runtime.block_on(async {
        let store = open_store(config).await.map_err(|error| unmade(error.to_string()))?;
        let store = store.ok_or_else(|| unmade("there is no `store`".to_owned()))?;
        let clock: Arc<dyn Clock> = Arc::new(SystemClock);
        let keyring = empty_keyring(identity, &store, clock.clone());
        let loaded = keyring.reload().await.map_err(|error| unmade(error.to_string()));
        store.close().await;
        loaded?;
        let signer = keyring.signer().ok_or_else(|| unmade("there is none".to_owned()))?;
        let now = clock.now();
        operator_token(&signer, &identity.issuer, SUBJECT, role::AUDITOR, now, TOKEN_LIFETIME)
            .map_err(|error| unmade(error.to_string()))
    })
}

//! A token for somebody who may look: made with the store's signing keys.

use crate::cli::Failure;
use crate::config::Config;
use crate::wire::{empty_keyring, open_store};
use haechi_authn::identity::operator_token;
use haechi_core::{Clock, Secret, SystemClock, role};
use std::sync::Arc;
use std::time::Duration;

/// Who asks, in a token that no user logged in for.
const SUBJECT: &str = "haechi explain";

/// A token for so long. Whoever can read the store's signing keys can make any; this one can only look.
pub(super) fn made(config: &Config, lifetime: Duration) -> Result<Secret<String>, Failure> {
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
        operator_token(&signer, &identity.issuer, SUBJECT, role::AUDITOR, now, lifetime)
            .map_err(|error| unmade(error.to_string()))
    })
}

//! Wrong passwords, counted by one script in one step.

use crate::link::{Link, hex};
use haechi_core::ports::{
    BoxFuture, GuessBounds, GuessKeys, GuessState, OtherBounds, SharedGuesses, SharedStateError,
};
use redis::Script;
use std::num::NonZeroU32;
use std::sync::{Arc, LazyLock};
use std::time::Duration;

static GUESSES: LazyLock<Script> = LazyLock::new(|| Script::new(include_str!("guesses.lua")));

/// Failures of a name and an address since their last success are remembered for so long after the last of them.
const REMEMBERED: Duration = Duration::from_secs(24 * 60 * 60);
/// So long after a login an address is known for a name.
const KNOWN: Duration = Duration::from_secs(30 * 24 * 60 * 60);

/// The counts of wrong passwords.
pub(crate) struct Guesses(pub(crate) Arc<Link>);

impl Guesses {
    fn call(
        &self,
        what: &'static str,
        keys: GuessKeys,
        bounds: Option<GuessBounds>,
    ) -> BoxFuture<'static, Result<GuessState, SharedStateError>> {
        let link = self.0.clone();
        Box::pin(async move {
            let GuessKeys { pair, address, account } = keys;
            let key = |kind: &str, of: &[u8; 16]| link.key(&format!("guess:{kind}:{}", hex(of)));
            let mut call = GUESSES.key(key("pair", &pair));
            call.key(key("address", &address)).key(key("account", &account)).key(key("known", &pair));
            call.key(key("unlocked", &account));
            let others = bounds.and_then(|bounds| bounds.others);
            let most = |number: Option<NonZeroU32>| number.map_or(0, NonZeroU32::get);
            call.arg(what).arg(bounds.map_or(0, |bounds| millis(bounds.lasts)));
            call.arg(most(bounds.map(|bounds| bounds.pair)));
            call.arg(most(others.map(|OtherBounds { address, .. }| address)));
            call.arg(most(others.map(|OtherBounds { account, .. }| account)));
            call.arg(millis(REMEMBERED)).arg(millis(KNOWN));
            let answer: (u32, u64, u64, u64, bool) = link.call(&call, link.patience()).await?;
            let (failures, pair, address, account, is_known) = answer;
            Ok(GuessState {
                failures,
                pair_locked: Duration::from_millis(pair),
                address_locked: Duration::from_millis(address),
                account_locked: Duration::from_millis(account),
                is_known,
            })
        })
    }
}

impl SharedGuesses for Guesses {
    fn look(&self, keys: GuessKeys) -> BoxFuture<'static, Result<GuessState, SharedStateError>> {
        self.call("look", keys, None)
    }

    fn failed(
        &self,
        keys: GuessKeys,
        bounds: GuessBounds,
    ) -> BoxFuture<'static, Result<GuessState, SharedStateError>> {
        self.call("failed", keys, Some(bounds))
    }

    fn succeeded(&self, keys: GuessKeys) -> BoxFuture<'static, Result<(), SharedStateError>> {
        let done = self.call("succeeded", keys, None);
        Box::pin(async move { done.await.map(drop) })
    }

    fn unlocked(&self, account: [u8; 16]) -> BoxFuture<'static, Result<(), SharedStateError>> {
        // No pair and no address: only the name's are touched.
        let done = self.call("unlocked", GuessKeys { pair: [0; 16], address: [0; 16], account }, None);
        Box::pin(async move { done.await.map(drop) })
    }

    fn is_reachable(&self) -> bool {
        self.0.answers()
    }
}

fn millis(span: Duration) -> u64 {
    // Beyond a thousand years nobody counts.
    u64::try_from(span.as_millis()).unwrap_or(u64::MAX).min(1 << 45)
}

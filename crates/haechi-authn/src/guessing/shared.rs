//! Counting with other nodes. Where they cannot be asked this node counts alone, and nobody waits.

use super::{BY_ADDRESS, BY_NAME, Guess, GuessGuard, Lockout, Pair, Tables, Tally};
use crate::shared_key::shared_key;
use haechi_core::ports::{GuessBounds, GuessKeys, GuessState, OtherBounds, SharedGuesses};
use std::sync::Arc;
use std::time::Duration;

impl GuessGuard {
    /// Counts with whoever counts in `shared`, from now on. Only the first call counts.
    pub fn count_with(&self, shared: Arc<dyn SharedGuesses>) {
        let _ = self.shared.set(shared);
    }

    /// Puts into the tables what other nodes know, and says how they know the pair.
    pub(super) async fn ask_others(
        &self,
        (realm, name): (&str, &str),
        pair: Pair,
        now: &impl Fn() -> Duration,
    ) -> Option<GuessKeys> {
        let shared = self.shared.get()?;
        let address = pair.1;
        let (text, [realm, name]) = (address.to_string(), [realm, name].map(str::as_bytes));
        let from = text.as_bytes();
        let keys = GuessKeys {
            pair: shared_key([&b"guess: name and address"[..], realm, name, from]),
            address: shared_key([&b"guess: address"[..], from]),
            account: account_key(realm, name),
        };
        if shared.is_reachable()
            && let Ok(state) = shared.look(keys).await
        {
            self.tables().believe(pair, &state, now());
        }
        Some(keys)
    }
}

impl GuessGuard {
    pub(super) async fn tell_unlock(&self, (realm, name): (&str, &str)) {
        let shared = self.shared.get();
        if shared.is_some_and(|shared| !shared.is_reachable()) {
            tracing::warn!("a user is unlocked on this node only: the shared state does not answer");
        } else if let Some(shared) = shared
            && let Err(error) = shared.unlocked(account_key(realm.as_bytes(), name.as_bytes())).await
        {
            tracing::warn!(%error, "a user is unlocked on this node only: the shared state does not answer");
        }
    }
}

fn account_key(realm: &[u8], name: &[u8]) -> [u8; 16] {
    shared_key([&b"guess: name"[..], realm, name])
}

impl Guess {
    pub(super) async fn tell_success(&self) {
        if let Some((shared, keys)) = self.others() {
            // Where it fails the others go on counting, and lock too early rather than too late.
            let _ = shared.succeeded(keys).await;
        }
    }

    pub(super) async fn tell_failure(&self, now: Duration) {
        let Some((shared, keys)) = self.others() else { return };
        let Lockout { failures, lasts } = self.lockout;
        let others = OtherBounds {
            address: failures.saturating_mul(nonzero(BY_ADDRESS)),
            account: failures.saturating_mul(nonzero(BY_NAME)),
        };
        let others = (!self.is_known).then_some(others);
        if let Ok(state) = shared.failed(keys, GuessBounds { pair: failures, others, lasts }).await {
            self.guard.tables().believe(self.pair, &state, now);
        }
    }

    fn others(&self) -> Option<(&Arc<dyn SharedGuesses>, GuessKeys)> {
        let shared = self.guard.shared.get().filter(|shared| shared.is_reachable())?;
        Some((shared, self.keys?))
    }
}

impl Tables {
    /// Takes what all nodes know together for what is. A lock of this node alone stays until it is over.
    fn believe(&mut self, pair: Pair, state: &GuessState, now: Duration) {
        let (account, address) = pair;
        let locked = |left: Duration| (!left.is_zero()).then(|| now.saturating_add(left));
        let tally = self.pairs.get(&pair).copied().unwrap_or(Tally { since: now, ..Tally::default() });
        if !tally.is_locked(now) {
            let tally = Tally { failures: state.failures, locked_until: locked(state.pair_locked), ..tally };
            self.pairs.insert(pair, tally);
        }
        if let Some(until) = locked(state.address_locked) {
            self.addresses.insert(address, Tally { failures: 0, since: now, locked_until: Some(until) });
        }
        if let Some(until) = locked(state.account_locked) {
            self.accounts.insert(account, Tally { failures: 0, since: now, locked_until: Some(until) });
        }
        if state.is_known {
            self.known.insert(pair, ());
        }
    }
}

fn nonzero(number: u32) -> std::num::NonZeroU32 {
    std::num::NonZeroU32::new(number).unwrap_or(std::num::NonZeroU32::MIN)
}

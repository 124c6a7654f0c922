//! Brute-force protection and lockout: who guesses passwords, and what is done about it before one is hashed.
//!
//! Failures are counted for a name and an address together, so that a stranger locks out nobody but the stranger. An address that fails at many
//! names is refused at names that it never logged in with. A name at which the whole world fails is locked for addresses that are not known for it.
//! Where nodes share a state they count together (`guessing/shared.rs`): what the others know is put into the tables here before anybody is let try.
//!
//! Names count as they are typed, whether there is such a user or not: nothing here tells which ones there are.

mod shared;

use haechi_core::address_block;
use haechi_core::ports::{GuessKeys, SharedGuesses};
use quick_cache::unsync::Cache;
use std::collections::HashMap;
use std::hash::{BuildHasher, RandomState};
use std::net::IpAddr;
use std::num::NonZeroU32;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::Duration;
use tokio::sync::Notify;

/// Entries of each table. What was not seen for longest is forgotten first. About 8 MiB when all are full.
const ENTRIES: usize = 65_536;
/// An address is refused at names that are new to it after so many times [`Lockout::failures`] within [`Lockout::lasts`].
const BY_ADDRESS: u32 = 10;
/// A name is locked for unknown addresses after so many times [`Lockout::failures`] within [`Lockout::lasts`].
pub(crate) const BY_NAME: u32 = 20;
/// How many wait for one name and address while others are verified; the next is turned away.
const WAITING: usize = 32;

/// When a user is locked, and for how long.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Lockout {
    /// So many failures of one address since its last success.
    pub failures: NonZeroU32,
    /// For so long.
    pub lasts: Duration,
}

/// Numbers for metrics.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct GuessStats {
    /// Locks of a name for one address.
    pub locked_pairs: u64,
    /// Locks of an address for all names that are new to it.
    pub locked_addresses: u64,
    /// Locks of a name for all addresses that are not known.
    pub locked_accounts: u64,
    /// Passwords that were refused without being hashed.
    pub unhashed: u64,
}

/// Counts failures, and says who may try. One for the process: it outlives configurations.
pub struct GuessGuard {
    tables: Mutex<Tables>,
    /// Somebody who was trying has ended.
    ended: Notify,
    hasher: RandomState,
    /// Where all nodes count.
    shared: OnceLock<Arc<dyn SharedGuesses>>,
    /// How many may try at once; past the half of it nobody gets more than a share.
    places: usize,
    locked_pairs: AtomicU64,
    locked_addresses: AtomicU64,
    locked_accounts: AtomicU64,
    unhashed: AtomicU64,
}

type Pair = (u64, IpAddr);

struct Tables {
    pairs: Cache<Pair, Tally>,
    addresses: Cache<IpAddr, Tally>,
    accounts: Cache<u64, Tally>,
    /// Addresses from which somebody has logged in under a name.
    known: Cache<Pair, ()>,
    /// Who is trying now; as many entries as there are places, and those that wait.
    trying: HashMap<Pair, GuessesInFlight>,
    trying_by_address: HashMap<IpAddr, usize>,
    total: usize,
}

#[derive(Clone, Copy, Default)]
struct GuessesInFlight {
    running: usize,
    waiting: usize,
}

/// Times are uptimes: whoever sets the clock unlocks nobody, and locks nobody for longer.
#[derive(Clone, Copy, Default)]
struct Tally {
    failures: u32,
    since: Duration,
    locked_until: Option<Duration>,
}

/// Why somebody may not try.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Refused {
    /// Too many failures; for the operator.
    Locked(&'static str),
    /// Too many at once.
    Busy,
}

/// Somebody is trying a password. Dropped without an outcome, it counts for nothing.
pub(crate) struct Guess {
    guard: Arc<GuessGuard>,
    pair: Pair,
    lockout: Lockout,
    /// How other nodes know the pair, where they count together.
    keys: Option<GuessKeys>,
    /// Whether somebody has logged in with this name from this address.
    pub(crate) is_known: bool,
}

impl GuessGuard {
    /// Nobody has failed yet; `places` may try at once.
    pub(crate) fn new(places: usize) -> Self {
        let tables = Tables {
            pairs: Cache::new(ENTRIES),
            addresses: Cache::new(ENTRIES),
            accounts: Cache::new(ENTRIES),
            known: Cache::new(ENTRIES),
            trying: HashMap::new(),
            trying_by_address: HashMap::new(),
            total: 0,
        };
        Self {
            tables: Mutex::new(tables),
            ended: Notify::new(),
            hasher: RandomState::new(),
            shared: OnceLock::new(),
            places,
            locked_pairs: AtomicU64::new(0),
            locked_addresses: AtomicU64::new(0),
            locked_accounts: AtomicU64::new(0),
            unhashed: AtomicU64::new(0),
        }
    }

    /// Numbers for metrics.
    pub fn stats(&self) -> GuessStats {
        GuessStats {
            locked_pairs: self.locked_pairs.load(Relaxed),
            locked_addresses: self.locked_addresses.load(Relaxed),
            locked_accounts: self.locked_accounts.load(Relaxed),
            unhashed: self.unhashed.load(Relaxed),
        }
    }

    /// Lets somebody try a password for `name` (among the users of `realm`), or says why not. Guesses made at once count as much as guesses in
    /// turn: whoever would be one too many if all that are under way failed waits for them.
    pub(crate) async fn admit(
        self: &Arc<Self>,
        (realm, name): (&str, &str),
        from: IpAddr,
        lockout: Lockout,
        now: impl Fn() -> Duration,
    ) -> Result<Guess, Refused> {
        let pair = (self.hasher.hash_one((realm, name)), address_block(from));
        let keys = self.ask_others((realm, name), pair, &now).await;
        let mut place = None;
        loop {
            // Made before the look, so that no end in between is missed.
            let ended = self.ended.notified();
            match self.try_admit(pair, lockout, now()) {
                Ok(Some(mut guess)) => {
                    guess.keys = keys;
                    return Ok(guess);
                }
                Ok(None) => {}
                Err(refused) => {
                    self.unhashed.fetch_add(1, Relaxed);
                    return Err(refused);
                }
            }
            if place.is_none() {
                place = Some(Place::take(self, pair).ok_or(Refused::Busy)?);
            }
            ended.await;
        }
    }

    /// `None` where the outcome of those that are under way decides.
    fn try_admit(
        self: &Arc<Self>,
        pair: Pair,
        lockout: Lockout,
        now: Duration,
    ) -> Result<Option<Guess>, Refused> {
        let mut tables = self.tables();
        let is_known = tables.known.get(&pair).is_some();
        let (account, address) = pair;
        let failures = match tables.pairs.get(&pair) {
            Some(tally) if tally.is_locked(now) => {
                return Err(Refused::Locked("the user is locked for this address"));
            }
            Some(tally) if tally.locked_until.is_none() => tally.failures,
            _ => 0,
        };
        if !is_known {
            if tables.addresses.get(&address).is_some_and(|tally| tally.is_locked(now)) {
                return Err(Refused::Locked("too many wrong passwords from this address"));
            }
            if tables.accounts.get(&account).is_some_and(|tally| tally.is_locked(now)) {
                return Err(Refused::Locked("the user is locked for addresses that are not known"));
            }
        }
        let running = tables.trying.get(&pair).map_or(0, |trying| trying.running);
        if usize::try_from(failures).unwrap_or(usize::MAX).saturating_add(running) >= allowed(lockout) {
            return Ok(None);
        }
        let of_address = tables.trying_by_address.get(&address).copied().unwrap_or(0);
        if tables.total >= self.places / 2 && of_address >= (self.places / 8).max(1) {
            return Err(Refused::Busy);
        }
        tables.total += 1;
        tables.trying.entry(pair).or_default().running += 1;
        *tables.trying_by_address.entry(address).or_default() += 1;
        Ok(Some(Guess { guard: self.clone(), pair, lockout, keys: None, is_known }))
    }

    /// Forgets what was counted against `name` (among the users of `realm`), here and where all nodes count. Addresses stay as they are.
    pub(crate) async fn unlock(&self, (realm, name): (&str, &str)) {
        let account = self.hasher.hash_one((realm, name));
        {
            let mut tables = self.tables();
            tables.pairs.retain(|(of, _), _| *of != account);
            tables.accounts.remove(&account);
        }
        self.tell_unlock((realm, name)).await;
        self.ended.notify_waiters();
    }

    fn tables(&self) -> MutexGuard<'_, Tables> {
        self.tables.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn allowed(lockout: Lockout) -> usize {
    usize::try_from(lockout.failures.get()).unwrap_or(usize::MAX)
}

impl Guess {
    /// The password was right, and the user may log in.
    pub(crate) async fn succeeded(self) {
        {
            let mut tables = self.guard.tables();
            tables.pairs.remove(&self.pair);
            tables.known.insert(self.pair, ());
        }
        self.tell_success().await;
    }

    /// It was not. `name` is for the operator.
    pub(crate) async fn failed(self, name: &str, now: Duration) {
        self.count_here(name, now);
        self.tell_failure(now).await;
    }

    fn count_here(&self, name: &str, now: Duration) {
        let (account, address) = self.pair;
        let Lockout { failures, lasts } = self.lockout;
        let mut tables = self.guard.tables();
        let Tables { pairs, addresses, accounts, .. } = &mut *tables;
        let pair = count(pairs, self.pair, failures.get(), None, (lasts, now));
        let (by_address, by_account) = if self.is_known {
            (false, false)
        } else {
            let most = |times: u32| failures.get().saturating_mul(times);
            (
                count(addresses, address, most(BY_ADDRESS), Some(lasts), (lasts, now)),
                count(accounts, account, most(BY_NAME), Some(lasts), (lasts, now)),
            )
        };
        drop(tables);
        if pair {
            self.guard.locked_pairs.fetch_add(1, Relaxed);
            tracing::warn!(user = name, client = %address, "too many wrong passwords: the user is locked for this address");
        }
        if by_address {
            self.guard.locked_addresses.fetch_add(1, Relaxed);
            tracing::warn!(client = %address, "too many wrong passwords from one address: it is refused at names that are new to it");
        }
        if by_account {
            self.guard.locked_accounts.fetch_add(1, Relaxed);
            tracing::warn!(
                user = name,
                "too many wrong passwords from many addresses: the user is locked for addresses that are not known"
            );
        }
    }
}

impl Drop for Guess {
    fn drop(&mut self) {
        let mut tables = self.guard.tables();
        tables.total = tables.total.saturating_sub(1);
        if let Some(trying) = tables.trying.get_mut(&self.pair) {
            trying.running = trying.running.saturating_sub(1);
        }
        tables.forget_if_idle(self.pair);
        let address = self.pair.1;
        if let Some(count) = tables.trying_by_address.get_mut(&address) {
            *count = count.saturating_sub(1);
            if *count == 0 {
                tables.trying_by_address.remove(&address);
            }
        }
        drop(tables);
        self.guard.ended.notify_waiters();
    }
}

impl Tables {
    fn forget_if_idle(&mut self, pair: Pair) {
        if self.trying.get(&pair).is_some_and(|trying| trying.running + trying.waiting == 0) {
            self.trying.remove(&pair);
        }
    }
}

impl Tally {
    fn is_locked(&self, now: Duration) -> bool {
        self.locked_until.is_some_and(|until| now < until)
    }
}

/// Counts a failure, within `window` where there is one. Returns whether it was one too many just now.
fn count<K: Eq + std::hash::Hash>(
    table: &mut Cache<K, Tally>,
    key: K,
    most: u32,
    window: Option<Duration>,
    (lasts, now): (Duration, Duration),
) -> bool {
    let mut tally = table.get(&key).copied().unwrap_or(Tally { since: now, ..Tally::default() });
    let is_over = window.is_some_and(|window| now.saturating_sub(tally.since) > window);
    if is_over || tally.locked_until.is_some_and(|until| until <= now) {
        tally = Tally { since: now, ..Tally::default() };
    }
    tally.failures = tally.failures.saturating_add(1);
    let locks = tally.failures >= most && tally.locked_until.is_none();
    if locks {
        tally.locked_until = Some(now.saturating_add(lasts));
    }
    table.insert(key, tally);
    locks
}

/// One who waits for the outcome of others.
struct Place<'a> {
    guard: &'a GuessGuard,
    pair: Pair,
}

impl<'a> Place<'a> {
    fn take(guard: &'a GuessGuard, pair: Pair) -> Option<Self> {
        let mut tables = guard.tables();
        let trying = tables.trying.entry(pair).or_default();
        let free = trying.waiting < WAITING;
        if free {
            trying.waiting += 1;
        }
        tables.forget_if_idle(pair);
        drop(tables);
        // Not made in vain: its end takes the lock.
        free.then(|| Self { guard, pair })
    }
}

impl Drop for Place<'_> {
    fn drop(&mut self) {
        let mut tables = self.guard.tables();
        if let Some(trying) = tables.trying.get_mut(&self.pair) {
            trying.waiting = trying.waiting.saturating_sub(1);
        }
        tables.forget_if_idle(self.pair);
    }
}

impl std::fmt::Debug for GuessGuard {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("GuessGuard").field("stats", &self.stats()).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests;

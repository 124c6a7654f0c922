//! The keys of one issuer, wherever they come from.

use super::fetch::Fetch;
use super::refresh::{self, FetchAttempts, Origin, Refresh, Shared};
use super::set::{KeySet, Keys};
use super::web::AddressFault;
use crate::supervisor::supervise;
use arc_swap::{ArcSwap, Guard};
use haechi_core::ports::BoxFuture;
use haechi_core::{Clock, Timestamp};
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;
use tokio::runtime::Handle;
use tokio::sync::{Notify, watch};
use tokio::task::AbortHandle;

/// The current keys of one issuer. Shared by all workers, and by all authenticators of the issuer.
pub struct KeySource {
    issuer: Arc<str>,
    current: Arc<ArcSwap<KeySet>>,
    refresher: Option<Refresher>,
}

struct Refresher {
    shared: Arc<Shared>,
    rounds: watch::Receiver<FetchAttempts>,
    task: AbortHandle,
}

/// Why a source cannot be set up as configured.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SourceFault {
    /// Its address is not one to contact.
    #[error(transparent)]
    Address(#[from] AddressFault),
    /// Its file holds no usable keys.
    #[error("{0}")]
    File(String),
}

/// Whether there may be a newer set than the one that a worker looked at.
pub enum KeyUpdate {
    /// No: the set does not come from elsewhere, or was confirmed moments ago.
    No,
    /// Could not be found out, moments ago, for this reason.
    Unknown(Arc<str>),
    /// It is being found out: `Ok` once the source has answered. Needs no particular runtime to be awaited on.
    Pending(BoxFuture<'static, Result<(), Arc<str>>>),
}

/// Numbers about a source, for metrics.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeyStats {
    /// Whose keys.
    pub issuer: Arc<str>,
    /// How many times the set was fetched.
    pub fetched: u64,
    /// How many times it could not be.
    pub failed: u64,
    /// How long ago the keys in force were last confirmed; `None` without keys.
    pub age: Option<Duration>,
    /// How many keys of the set cannot be used.
    pub skipped: usize,
    /// The file that a certificate with the key stands in, and the last instant at which it holds.
    pub certificate: Option<(PathBuf, Timestamp)>,
}

/// How a source is, for operators.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeyReport {
    /// `discovery`, `jwks_url`, `jwks_file` or `pem_file`, and the address or file; `None` for what is not fetched.
    pub from: Option<(&'static str, String)>,
    /// Each key's id, where it has one, and what it verifies.
    pub keys: Vec<(Option<String>, &'static str)>,
    /// Numbers.
    pub stats: KeyStats,
    /// Which keys of the set cannot be used, and why.
    pub skipped: Vec<String>,
    /// Why there are no keys that hold.
    pub fault: Option<String>,
    /// How long ago the keys were last asked for.
    pub last_fetch: Option<Duration>,
    /// Why that failed.
    pub last_error: Option<Arc<str>>,
}

impl KeySource {
    /// Keys that do not change while this configuration is in force: a shared secret.
    pub fn fixed(issuer: &str, keys: Keys) -> Self {
        Self::embedded(issuer, Arc::new(ArcSwap::from_pointee(KeySet::standing(keys))))
    }

    /// Keys that somebody else in this process replaces: the embedded identity provider's own.
    pub fn embedded(issuer: &str, current: Arc<ArcSwap<KeySet>>) -> Self {
        Self { issuer: issuer.into(), current, refresher: None }
    }

    /// Keys that are fetched, at once and then again and again, on the runtime behind `control`. What is in a file is read at once.
    ///
    /// # Errors
    /// [`SourceFault`] when an address may not be contacted or a file holds no usable keys. A source that is down is no error: it is
    /// not ready until it is up.
    pub fn refreshed(
        issuer: &str,
        plan: Refresh,
        fetch: Arc<dyn Fetch>,
        clock: Arc<dyn Clock>,
        control: &Handle,
    ) -> Result<Self, SourceFault> {
        plan.origin.check(plan.allow_http)?;
        let issuer: Arc<str> = issuer.into();
        let set = match plan.origin.read_now(clock.now()).map_err(SourceFault::File)? {
            Some(keys) => {
                let now = clock.uptime();
                refresh::tell_skipped(&issuer, None, keys.skipped());
                KeySet::none().followed_by(keys, now, now.saturating_add(plan.max_age))
            }
            None => KeySet::none(),
        };
        let current = Arc::new(ArcSwap::from_pointee(set));
        let shared = Arc::new(Shared {
            issuer: issuer.clone(),
            plan,
            fetch,
            clock,
            current: current.clone(),
            wanted: Notify::new(),
            fetched: AtomicU64::new(0),
            failed: AtomicU64::new(0),
        });
        let (sender, rounds) = watch::channel(FetchAttempts::default());
        let supervised = shared.clone();
        let task = supervise(control, "key sets", move || refresh::run(supervised.clone(), sender.clone()));
        Ok(Self { issuer, current, refresher: Some(Refresher { shared, rounds, task }) })
    }

    /// Whose keys these are.
    pub const fn issuer(&self) -> &Arc<str> {
        &self.issuer
    }

    /// The set now; one atomic load.
    pub fn load(&self) -> Guard<Arc<KeySet>> {
        self.current.load()
    }

    /// What of the document that the keys came in is not used, and why, for an operator.
    pub fn skipped(&self) -> Vec<String> {
        self.load().skipped().map(|skipped| skipped.told.clone()).unwrap_or_default()
    }

    /// Asks for a newer set because none of this one verifies a token that might hold. However many ask, one fetch runs at a time, and at most one in
    /// [`refresh::SPACING`].
    pub fn newer(&self) -> KeyUpdate {
        let Some(refresher) = &self.refresher else {
            return KeyUpdate::No;
        };
        let mut rounds = refresher.rounds.clone();
        let seen = {
            let last = rounds.borrow();
            if last.is_recent() {
                return last.fault.clone().map_or(KeyUpdate::No, KeyUpdate::Unknown);
            }
            last.number
        };
        refresher.shared.wanted.notify_one();
        KeyUpdate::Pending(Box::pin(async move {
            let next = rounds.wait_for(|round| round.number > seen).await;
            let next = next.map_err(|_| Arc::from("the key set is no longer refreshed"))?;
            next.fault.clone().map_or(Ok(()), Err)
        }))
    }

    /// The keys of a set of this source, if they still hold.
    pub fn usable<'a>(&self, set: &'a KeySet) -> Option<&'a Keys> {
        let now = self.refresher.as_ref().map(|refresher| refresher.shared.clock.now());
        set.keys(self.uptime(), now.unwrap_or(Timestamp::from_millis(0)))
    }

    /// What does not come from elsewhere has no age.
    fn uptime(&self) -> Duration {
        self.refresher.as_ref().map_or(Duration::ZERO, |refresher| refresher.shared.clock.uptime())
    }

    /// `Ok` once there are keys that hold.
    ///
    /// # Errors
    /// Why there are none, for an operator.
    pub fn readiness(&self) -> Result<(), String> {
        let set = self.load();
        if self.usable(&set).is_some() {
            return Ok(());
        }
        let fault = self.refresher.as_ref().and_then(|refresher| refresher.rounds.borrow().fault.clone());
        let why = fault.unwrap_or_else(|| "they have not been fetched yet".into());
        let what = if set.confirmed_at().is_some() { "too old" } else { "missing" };
        Err(format!("the keys of `{}` are {what}: {why}", self.issuer))
    }

    /// Resolves when the first attempt to fetch has ended, well or not; at once for what is not fetched.
    pub async fn first_attempt(&self) {
        if self.load().confirmed_at().is_some() {
            return;
        }
        if let Some(refresher) = &self.refresher {
            let ended = refresher.rounds.clone().wait_for(|round| round.number > 0).await.is_ok();
            tracing::debug!(issuer = %self.issuer, ended, "first attempt to fetch keys");
        }
    }

    /// How it is, for operators.
    pub fn report(&self) -> KeyReport {
        let last = self.refresher.as_ref().map(|refresher| refresher.rounds.borrow().clone());
        let last = last.unwrap_or_default();
        let stats = self.stats();
        KeyReport {
            from: self.refresher.as_ref().map(|refresher| refresher.shared.plan.origin.named()),
            keys: self.load().listed(),
            // What does not come from elsewhere has no age.
            stats: KeyStats { age: stats.age.filter(|_| self.refresher.is_some()), ..stats },
            skipped: self.skipped(),
            fault: self.readiness().err(),
            last_fetch: last.began.map(|began| began.elapsed()),
            last_error: last.fault,
        }
    }

    /// Numbers for metrics.
    pub fn stats(&self) -> KeyStats {
        let count = |counter: fn(&Shared) -> &AtomicU64| {
            self.refresher.as_ref().map_or(0, |refresher| counter(&refresher.shared).load(Ordering::Relaxed))
        };
        KeyStats {
            issuer: self.issuer.clone(),
            fetched: count(|shared| &shared.fetched),
            failed: count(|shared| &shared.failed),
            age: self.load().confirmed_at().map(|confirmed| self.uptime().saturating_sub(confirmed)),
            skipped: self.load().skipped().map_or(0, |skipped| skipped.count),
            certificate: self.certificate(),
        }
    }

    fn certificate(&self) -> Option<(PathBuf, Timestamp)> {
        match &self.refresher.as_ref()?.shared.plan.origin {
            Origin::PemFile(path) => Some((path.clone(), self.load().not_after()?)),
            _ => None,
        }
    }
}

impl std::fmt::Debug for KeySource {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("KeySource")
            .field("issuer", &self.issuer)
            .field("set", &**self.load())
            .finish_non_exhaustive()
    }
}

impl Drop for Refresher {
    fn drop(&mut self) {
        self.task.abort();
    }
}

//! Reloading: another configuration comes into force while the gate runs, whole or not at all.

use super::assembly::{Assembly, AssemblyFault, ProcessState};
use super::authenticators::Built;
use super::history::{CameIntoForce, History, START};
use super::notify::Notify;
use super::policy_standing::PolicyStanding;
use super::replaced_file::replace;
use super::stamp::Stamp;
use crate::config::meant::CertificateFile;
use crate::config::{self, Config, Report, StorePolicies};
use crate::diagnostics;
use arc_swap::ArcSwap;
use haechi_admin::context::NotApplied;
use haechi_admin::{Configuration, InForce, Refused};
use haechi_audit::Trail;
use haechi_authn::quotas::QuotaKeeper;
use haechi_core::ports::{AuditActor, AuditError, BoxFuture, StoreError};
use haechi_proxy::{Plan, Upkeep};
use haechi_store::Store;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed, Ordering::SeqCst};
use std::time::{Duration, Instant};
use tokio::sync::Mutex;
use tokio::task::spawn_blocking;

/// How long a reload waits for keys that were never fetched, so that no request meets an authenticator without them.
const KEYS_WITHIN: Duration = Duration::from_secs(5);
/// Why a change of the store's policies is one of the configuration.
const STORE_CHANGED: &str = "a policy of the store changed";
/// Somebody called.
const BY_CALL: &str = "the admin API";
/// How often the store is asked whether its policies have changed.
const ASK_EVERY: Duration = Duration::from_millis(300);
/// How long it is left alone after it did not answer: whoever asks holds up others, and readiness, which says why.
const ASK_AGAIN: Duration = Duration::from_secs(4);
/// How often files are looked at.
const LOOK_EVERY: Duration = Duration::from_secs(1);

/// Puts configurations into force, one at a time.
pub(crate) struct Reloader {
    file: PathBuf,
    process: Arc<ProcessState>,
    config: ArcSwap<Config>,
    /// Whoever holds it is the only one to reload.
    read: Mutex<LastRead>,
    /// How many reloads have begun.
    begun: AtomicU64,
    notify: Arc<Notify>,
    plan: Arc<ArcSwap<Plan>>,
    built: Arc<ArcSwap<Built>>,
    record: Arc<Record>,
    upkeep: Upkeep,
    /// Where it is recorded what comes into force.
    audit: Option<Arc<Trail>>,
    /// What came into force, and by whom.
    history: History,
    /// A signal came since the last reload for one began.
    signalled: tokio::sync::Notify,
}

/// The last time that the files were read.
struct LastRead {
    /// What they looked like.
    seen: Stamp,
    /// Which reload it was, and what came of it; `None` before the first.
    outcome: Option<(u64, ReloadOutcome)>,
}

/// What came of a reload, for everybody whom it answers.
pub(crate) type ReloadOutcome = Result<Reloaded, Arc<ReloadFault>>;

/// What became of reloads, for metrics.
#[derive(Debug)]
pub(crate) struct Record {
    pub(crate) generation: AtomicU64,
    pub(crate) last_succeeded: AtomicBool,
    pub(crate) succeeded: AtomicU64,
    pub(crate) failed: AtomicU64,
    /// The certificates of the configuration in force.
    pub(crate) certificates: ArcSwap<Vec<CertificateFile>>,
    /// Whether the policies of the store are in force.
    pub(crate) policies: PolicyStanding,
}

/// Why a configuration did not come into force.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ReloadFault {
    #[error("{0}")]
    Config(Box<Report>),
    #[error("error: {0}\n")]
    Assembly(#[from] AssemblyFault),
    #[error("error: {0}\n")]
    Unrecorded(AuditError),
    #[error("error: the reload stopped unexpectedly\n")]
    Broken,
}

/// Why a configuration did not take the place of the one in force.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ApplyFault {
    /// It does not come into force.
    #[error("{0}")]
    Reload(ReloadFault),
    /// Another one is in force than somebody has seen.
    #[error("another configuration is in force")]
    Changed,
    /// As things are, it cannot be done.
    #[error("{0}")]
    Impossible(String),
}

/// What came into force.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Reloaded {
    pub(crate) generation: u64,
    pub(crate) routes: usize,
    pub(crate) services: usize,
    pub(crate) authenticators: usize,
}

impl Record {
    /// The start is the first time that a configuration is loaded.
    pub(crate) fn new(config: &Config) -> Self {
        Self {
            certificates: ArcSwap::from_pointee(config.certificates.clone()),
            policies: PolicyStanding::new(&config.stored),
            generation: AtomicU64::new(1),
            last_succeeded: AtomicBool::new(true),
            succeeded: AtomicU64::new(0),
            failed: AtomicU64::new(0),
        }
    }
}

impl Reloader {
    /// Follows on `config`, which was read from `file` when it looked like `seen`.
    pub(crate) fn new(
        (file, config, seen): (PathBuf, Config, Stamp),
        process: Arc<ProcessState>,
        plan: Arc<ArcSwap<Plan>>,
        built: Arc<ArcSwap<Built>>,
        record: Arc<Record>,
        (upkeep, notify, audit): (Upkeep, Arc<Notify>, Option<Arc<Trail>>),
    ) -> Self {
        let first = (record.generation.load(Relaxed), process.clock.now());
        let history = History::new(CameIntoForce::new(&config.bundle, first, (START, None)));
        let config = ArcSwap::from_pointee(config);
        let (read, begun) = (Mutex::new(LastRead { seen, outcome: None }), AtomicU64::new(0));
        let signalled = tokio::sync::Notify::new();
        Self {
            file,
            process,
            config,
            read,
            begun,
            notify,
            plan,
            built,
            record,
            upkeep,
            audit,
            history,
            signalled,
        }
    }

    /// The configuration in force.
    pub(crate) fn config(&self) -> Arc<Config> {
        self.config.load_full()
    }

    /// The file that it stands in.
    pub(crate) fn file(&self) -> &Path {
        &self.file
    }

    /// What came into force in this process.
    pub(crate) const fn history(&self) -> &History {
        &self.history
    }

    /// The authenticators in force.
    pub(crate) fn built(&self) -> Arc<Built> {
        self.built.load_full()
    }

    /// Everything that judges requests now, for whoever judges one that nobody has sent.
    pub(crate) fn assembly(&self) -> Assembly {
        Assembly { process: self.process.clone(), built: self.built.load_full(), plan: self.plan.load_full() }
    }

    /// Where users, keys and clients are kept.
    pub(crate) fn store(&self) -> Option<&Store> {
        self.process.store.as_ref()
    }

    /// The counts of API keys' quotas, which are told to the store once more at the end.
    pub(crate) fn quotas(&self) -> Option<&QuotaKeeper> {
        self.process.quotas.as_deref()
    }

    /// A signal asks for a reload. However many come while one is under way, they ask for one more: it reads what they all mean.
    pub(crate) fn wanted(&self) {
        self.signalled.notify_one();
    }

    /// Reloads when signals ask for it.
    pub(crate) async fn follow_signals(self: Arc<Self>) {
        loop {
            self.signalled.notified().await;
            // Told already, either way.
            let _ = self.reload("SIGHUP", None).await;
        }
    }

    /// Reads the file again. What is wrong with it changes nothing; either outcome is told on standard error. However many ask while a reload is under
    /// way, one more answers them all: it reads what they all mean.
    pub(crate) async fn reload(&self, because: &'static str, by: Option<AuditActor>) -> ReloadOutcome {
        let begun_before = self.begun.load(SeqCst);
        let mut read = self.read.lock().await;
        if let Some((number, outcome)) = &read.outcome
            && *number > begun_before
        {
            return outcome.clone();
        }
        let number = self.begun.fetch_add(1, SeqCst) + 1;
        let outcome = self.reload_now((because, by), &mut read.seen).await.map_err(Arc::new);
        read.outcome = Some((number, outcome.clone()));
        outcome
    }

    async fn reload_now(
        &self,
        (because, by): (&'static str, Option<AuditActor>),
        seen: &mut Stamp,
    ) -> Result<Reloaded, ReloadFault> {
        self.notify.say("RELOADING=1");
        let begun = Instant::now();
        let outcome = self.follow(seen, because).await;
        self.record.last_succeeded.store(outcome.is_ok(), Relaxed);
        match &outcome {
            Ok(reloaded) => {
                self.record.succeeded.fetch_add(1, Relaxed);
                let now = (reloaded.generation, self.process.clock.now());
                self.history.push(CameIntoForce::new(&self.config().bundle, now, (because, by)));
                tell_reloaded(because, reloaded, begun.elapsed());
                diagnostics::line(&self.config().warnings.to_string());
                self.notify.say(&format!("READY=1\nSTATUS=generation {}", reloaded.generation));
            }
            Err(fault) => {
                self.record.failed.fetch_add(1, Relaxed);
                let generation = self.record.generation.load(Relaxed);
                tell_refused(because, generation, fault);
                self.notify.say(&format!(
                    "READY=1\nSTATUS=generation {generation}; the file as it stands is refused"
                ));
            }
        }
        outcome
    }

    /// Says what a reload of `text` would find wrong.
    pub(crate) async fn validate(&self, text: String) -> Result<Reloaded, ReloadFault> {
        let (file, in_force) = (self.file.clone(), self.config());
        let checked = spawn_blocking(move || {
            let stored = in_force.stored.clone();
            config::check_next(&file, text, &in_force).and_then(|config| config.with_policies(stored))
        });
        let checked = checked.await;
        let config =
            checked.map_err(|_| ReloadFault::Broken)?.map_err(|r| ReloadFault::Config(Box::new(r)))?;
        Ok(Reloaded::of(&config, self.record.generation.load(Relaxed)))
    }

    /// `text` as it may be shown, where it could take the place of the configuration of this generation.
    pub(crate) async fn prepare(&self, text: String, generation: u64) -> Result<String, ApplyFault> {
        let read = self.read.lock().await;
        self.may_follow(text, generation, &read.seen).await
    }

    /// Writes `text` into the file and puts it into force. Where it does not come into force, the file is as it was before.
    pub(crate) async fn apply(
        &self,
        text: String,
        generation: u64,
        by: Option<AuditActor>,
    ) -> Result<Reloaded, ApplyFault> {
        let mut read = self.read.lock().await;
        self.may_follow(text.clone(), generation, &read.seen).await?;
        let before = self.write(text.into_bytes()).await?;
        match self.reload_now((BY_CALL, by), &mut read.seen).await {
            Ok(reloaded) => Ok(reloaded),
            Err(fault) => {
                let restored = self.write(before).await;
                let seen = read.seen.clone();
                if let Ok(again) = spawn_blocking(move || seen.again()).await {
                    read.seen = again;
                }
                restored.map_err(|why| {
                    let file = self.file.display();
                    ApplyFault::Impossible(format!("{fault}the text before could not be put back into `{file}`, which is to be done by hand: {why}"))
                })?;
                Err(ApplyFault::Reload(fault))
            }
        }
    }

    async fn write(&self, content: Vec<u8>) -> Result<Vec<u8>, ApplyFault> {
        let file = self.file.clone();
        let replaced = spawn_blocking(move || replace(&file, &content)).await;
        let replaced = replaced.map_err(|_| ApplyFault::Reload(ReloadFault::Broken))?;
        replaced.map_err(|error| {
            ApplyFault::Impossible(format!("cannot write `{}`: {error}", self.file.display()))
        })
    }

    /// Looks whether it may be written: the gate may, what is in force and in the file is what somebody has seen, and nothing is wrong with it.
    async fn may_follow(&self, text: String, generation: u64, seen: &Stamp) -> Result<String, ApplyFault> {
        let in_force = self.config();
        if !in_force.admin.as_ref().is_some_and(|admin| admin.write_config) {
            let why = "the gate may not write its configuration: add `write_config: true` to `admin`, or put the file in its place yourself and reload";
            return Err(ApplyFault::Impossible(why.to_owned()));
        }
        if self.record.generation.load(Relaxed) != generation {
            return Err(ApplyFault::Changed);
        }
        let (seen, file) = (seen.clone(), self.file.clone());
        let checked = spawn_blocking(move || {
            if seen.again() != seen {
                return Err(ApplyFault::Impossible(
                    "a file was changed since it was read: reload first".to_owned(),
                ));
            }
            let stored = in_force.stored.clone();
            let next =
                config::check_next(&file, text, &in_force).and_then(|config| config.with_policies(stored));
            next.map_err(|report| ApplyFault::Reload(ReloadFault::Config(Box::new(report))))
        });
        let next = checked.await.map_err(|_| ApplyFault::Reload(ReloadFault::Broken))??;
        let main = next.bundle.files.get(&next.bundle.main);
        Ok(main.cloned().unwrap_or_default())
    }

    /// Looks at the files again and again, and reloads when one has changed and then stood still: an editor may be in the middle of writing.
    pub(crate) async fn watch(self: Arc<Self>) {
        let mut changing: Option<Stamp> = None;
        loop {
            tokio::time::sleep(LOOK_EVERY).await;
            if !self.config().watch {
                continue;
            }
            let seen = self.read.lock().await.seen.clone();
            let Ok((now, seen)) = spawn_blocking(move || (seen.again(), seen)).await else { continue };
            if now == seen {
                changing = None;
            } else if changing.as_ref() == Some(&now) {
                changing = None;
                // Told already, either way.
                let _ = self.reload("a file changed", None).await;
            } else {
                changing = Some(now);
            }
        }
    }

    /// Asks the store again and again.
    pub(crate) async fn watch_policies(self: Arc<Self>) {
        loop {
            // A store that was never open is opened by one caller after another: readiness, which says why, goes first.
            let never_open = self.config().stored == StorePolicies::Unknown;
            let waits = never_open && self.process.store_watch.fault().is_some();
            let answered = waits || self.follow_policies().await;
            tokio::time::sleep(if answered { ASK_EVERY } else { ASK_AGAIN }).await;
        }
    }

    async fn follow(&self, seen: &mut Stamp, because: &'static str) -> Result<Reloaded, ReloadFault> {
        let (file, before) = (self.file.clone(), self.config());
        let read = spawn_blocking(move || {
            let looked = Stamp::of(&file, before.watched_files());
            let config = config::load_next(&file, &before).map_err(Box::new);
            // What is wrong may be put right in a file that only the faulty configuration names.
            let named: Vec<&Path> = match &config {
                Ok(config) => config.watched_files().collect(),
                Err(report) => before.watched_files().chain(report.watched_files()).collect(),
            };
            let looked = Stamp::of(&file, named).or(&looked);
            (config, looked)
        });
        let (config, looked) = read.await.map_err(|_| ReloadFault::Broken)?;
        *seen = looked;
        let config = config.map_err(ReloadFault::Config)?;
        let stored = self.policies_of_store().await.unwrap_or_else(|_| self.config().stored.clone());
        let fitting = spawn_blocking(move || config.with_policies(stored).map_err(Box::new));
        let config = fitting.await.map_err(|_| ReloadFault::Broken)?.map_err(ReloadFault::Config)?;
        self.put_into_force(config, because).await
    }

    /// What the store says now.
    async fn policies_of_store(&self) -> Result<StorePolicies, StoreError> {
        match self.store() {
            Some(store) => Ok(StorePolicies::of_store(store.policies.in_force().await?)),
            None => Ok(StorePolicies::None),
        }
    }

    /// Asks the store whether its policies are those in force, and puts them into force where they are not: with the files as they were when they were read
    /// last, so that a file that is at fault keeps no policy of the store from counting.
    /// Returns whether the store answered.
    pub(crate) async fn follow_policies(&self) -> bool {
        let Some(store) = self.store() else { return true };
        let read = self.read.lock().await;
        // What cannot be asked now stays as it is.
        let Ok(serial) = store.policies.serial().await else { return false };
        if self.config().stored.serial() == Some(serial) || self.record.policies.refused() == Some(serial) {
            return true;
        }
        let Ok(stored) = self.policies_of_store().await else { return false };
        let serial = stored.serial();
        let begun = Instant::now();
        let config = Config::clone(&self.config());
        let outcome = match spawn_blocking(move || config.with_policies(stored).map_err(Box::new)).await {
            Ok(Ok(config)) => self.put_into_force(config, STORE_CHANGED).await,
            Ok(Err(report)) => Err(ReloadFault::Config(report)),
            Err(_) => Err(ReloadFault::Broken),
        };
        drop(read);
        match outcome {
            Ok(reloaded) => {
                let now = (reloaded.generation, self.process.clock.now());
                self.history.push(CameIntoForce::new(&self.config().bundle, now, (STORE_CHANGED, None)));
                tell_reloaded(STORE_CHANGED, &reloaded, begun.elapsed());
            }
            Err(fault) => {
                // What may pass is tried again.
                let lasting = matches!(fault, ReloadFault::Config(_)).then_some(serial).flatten();
                self.record.policies.refuse(lasting, &fault);
                tell_refused(STORE_CHANGED, self.record.generation.load(Relaxed), &fault);
            }
        }
        true
    }

    async fn put_into_force(&self, config: Config, because: &'static str) -> Result<Reloaded, ReloadFault> {
        let config = Arc::new(config);
        let generation = self.record.generation.load(Relaxed) + 1;
        let (wanted, process, before) = (config.clone(), self.process.clone(), self.built.load_full());
        let assembled =
            spawn_blocking(move || Assembly::following(&wanted, &process, generation, Some(&before)));
        let Assembly { built, plan, .. } = assembled.await.map_err(|_| ReloadFault::Broken)??;
        // An issuer that is down does not keep the rest from coming into force; readiness tells about it.
        let keys = tokio::time::timeout(KEYS_WITHIN, built.asked_once());
        let _ = tokio::join!(keys, self.upkeep.prepare(&plan));
        self.record_in_trail(&config, generation, because).await?;
        self.upkeep.follow(&plan);
        self.plan.store(plan);
        self.built.store(built);
        self.record.generation.store(generation, Relaxed);
        let reloaded = Reloaded::of(&config, generation);
        self.record.certificates.store(Arc::new(config.certificates.clone()));
        self.record.policies.holds(&config.stored);
        self.config.store(config);
        Ok(reloaded)
    }
}

impl Reloader {
    /// What cannot be recorded does not come into force.
    async fn record_in_trail(
        &self,
        config: &Arc<Config>,
        generation: u64,
        because: &'static str,
    ) -> Result<(), ReloadFault> {
        let Some(trail) = self.audit.clone() else { return Ok(()) };
        let config = config.clone();
        let recorded = spawn_blocking(move || trail.configuration(&config.bundle, generation, because)).await;
        recorded.map_err(|_| ReloadFault::Broken)?.map_err(ReloadFault::Unrecorded)
    }
}

impl Reloaded {
    fn of(config: &Config, generation: u64) -> Self {
        Self {
            generation,
            routes: config.routes.len(),
            services: config.services.len(),
            authenticators: config.authenticators.len(),
        }
    }
}

impl From<Reloaded> for InForce {
    fn from(reloaded: Reloaded) -> Self {
        let Reloaded { generation, routes, services, authenticators } = reloaded;
        Self { generation, routes, services, authenticators }
    }
}

impl From<&ReloadFault> for Refused {
    fn from(fault: &ReloadFault) -> Self {
        let faults = match fault {
            ReloadFault::Config(report) => serde_json::to_value(report.lines().collect::<Vec<_>>()),
            other => Ok(serde_json::json!([{ "message": other.to_string().trim_end() }])),
        };
        Self { faults: faults.unwrap_or_default(), report: fault.to_string() }
    }
}

impl From<ApplyFault> for NotApplied {
    fn from(fault: ApplyFault) -> Self {
        match fault {
            ApplyFault::Reload(fault) => Self::Refused(Refused::from(&fault)),
            ApplyFault::Changed => Self::Changed,
            ApplyFault::Impossible(why) => Self::Impossible(why),
        }
    }
}

/// Reloads by call. What a caller began goes on when they hang up, so that nothing is left half done.
pub(crate) struct ByCall(pub(crate) Arc<Reloader>);

impl Configuration for ByCall {
    fn reload(&self, by: Option<AuditActor>) -> BoxFuture<'_, Result<InForce, Refused>> {
        let reloader = self.0.clone();
        let task = tokio::spawn(async move { reloader.reload(BY_CALL, by).await });
        Box::pin(async {
            let outcome = task.await.unwrap_or_else(|_| Err(Arc::new(ReloadFault::Broken)));
            outcome.map(InForce::from).map_err(|fault| Refused::from(&*fault))
        })
    }

    fn validate(&self, yaml: String) -> BoxFuture<'_, Result<InForce, Refused>> {
        Box::pin(async {
            self.0.validate(yaml).await.map(InForce::from).map_err(|fault| Refused::from(&fault))
        })
    }

    fn prepare(&self, yaml: String, generation: u64) -> BoxFuture<'_, Result<String, NotApplied>> {
        Box::pin(async move { self.0.prepare(yaml, generation).await.map_err(NotApplied::from) })
    }

    fn apply(
        &self,
        yaml: String,
        generation: u64,
        by: Option<AuditActor>,
    ) -> BoxFuture<'_, Result<InForce, NotApplied>> {
        let reloader = self.0.clone();
        let task = tokio::spawn(async move { reloader.apply(yaml, generation, by).await });
        Box::pin(async {
            let outcome = task.await.unwrap_or(Err(ApplyFault::Reload(ReloadFault::Broken)));
            outcome.map(InForce::from).map_err(NotApplied::from)
        })
    }
}

fn tell_reloaded(because: &str, reloaded: &Reloaded, took: Duration) {
    let line = serde_json::json!({
        "event": "reloaded",
        "because": because,
        "generation": reloaded.generation,
        "routes": reloaded.routes,
        "services": reloaded.services,
        "authenticators": reloaded.authenticators,
        "took_ms": u64::try_from(took.as_millis()).unwrap_or(u64::MAX),
    });
    diagnostics::line(&format!("{line}\n"));
}

fn tell_refused(because: &str, generation: u64, fault: &ReloadFault) {
    let line = serde_json::json!({ "event": "reload refused", "because": because, "generation": generation });
    diagnostics::line(&format!("{line}\n{fault}"));
}

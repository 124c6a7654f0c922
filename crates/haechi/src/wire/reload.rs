//! Reloading: another configuration comes into force while the gate runs, whole or not at all.

use super::assembly::{Assembly, AssemblyFault, Ground};
use super::authenticators::Built;
use super::stamp::Stamp;
use crate::cli::output;
use crate::config::{self, Config, Report};
use arc_swap::ArcSwap;
use haechi_proxy::{Plan, Upkeep};
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed};
use std::time::{Duration, Instant};
use tokio::sync::Mutex;
use tokio::task::spawn_blocking;

/// How long a reload waits for keys that were never fetched, so that no request meets an authenticator without them.
const KEYS_WITHIN: Duration = Duration::from_secs(5);
/// How often files are looked at.
const LOOK_EVERY: Duration = Duration::from_secs(1);

/// Puts configurations into force, one at a time.
pub(crate) struct Reloader {
    file: PathBuf,
    ground: Arc<Ground>,
    in_force: Mutex<InForce>,
    plan: Arc<ArcSwap<Plan>>,
    built: Arc<ArcSwap<Built>>,
    record: Arc<Record>,
    upkeep: Upkeep,
}

/// What the last configuration was, and what its files looked like when it was read.
struct InForce {
    config: Arc<Config>,
    seen: Stamp,
}

/// What became of reloads, for metrics.
#[derive(Debug)]
pub(crate) struct Record {
    pub(crate) generation: AtomicU64,
    pub(crate) last_succeeded: AtomicBool,
    pub(crate) succeeded: AtomicU64,
    pub(crate) failed: AtomicU64,
}

/// Why a configuration did not come into force.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ReloadFault {
    #[error("{0}")]
    Config(Box<Report>),
    #[error("error: {0}\n")]
    Assembly(#[from] AssemblyFault),
    #[error("error: reloading broke off\n")]
    Broken,
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
    pub(crate) const fn new() -> Self {
        Self {
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
        ground: Arc<Ground>,
        plan: Arc<ArcSwap<Plan>>,
        built: Arc<ArcSwap<Built>>,
        record: Arc<Record>,
        upkeep: Upkeep,
    ) -> Self {
        let in_force = Mutex::new(InForce { config: Arc::new(config), seen });
        Self { file, ground, in_force, plan, built, record, upkeep }
    }

    /// The configuration in force.
    pub(crate) async fn config(&self) -> Arc<Config> {
        self.in_force.lock().await.config.clone()
    }

    /// Reads the file again. What is wrong with it changes nothing; either outcome is told on standard error.
    pub(crate) async fn reload(&self, because: &'static str) -> Result<Reloaded, ReloadFault> {
        let mut in_force = self.in_force.lock().await;
        let begun = Instant::now();
        let outcome = self.follow(&mut in_force).await;
        self.record.last_succeeded.store(outcome.is_ok(), Relaxed);
        match &outcome {
            Ok(reloaded) => {
                self.record.succeeded.fetch_add(1, Relaxed);
                tell_reloaded(because, reloaded, begun.elapsed());
            }
            Err(fault) => {
                self.record.failed.fetch_add(1, Relaxed);
                tell_refused(because, self.record.generation.load(Relaxed), fault);
            }
        }
        outcome
    }

    /// Says what a reload of `text` would find wrong.
    pub(crate) async fn validate(&self, text: String) -> Result<Reloaded, ReloadFault> {
        let in_force = self.config().await;
        let file = self.file.clone();
        let checked = spawn_blocking(move || config::check_next(&file, text, &in_force)).await;
        let config =
            checked.map_err(|_| ReloadFault::Broken)?.map_err(|r| ReloadFault::Config(Box::new(r)))?;
        Ok(Reloaded::of(&config, self.record.generation.load(Relaxed)))
    }

    /// Looks at the files again and again, and reloads when one has changed and then stood still: an editor may be in the middle of writing.
    pub(crate) async fn watch(self: Arc<Self>) {
        let mut changing: Option<Stamp> = None;
        loop {
            tokio::time::sleep(LOOK_EVERY).await;
            let (config, seen) = {
                let in_force = self.in_force.lock().await;
                (in_force.config.clone(), in_force.seen.clone())
            };
            if !config.watch {
                continue;
            }
            let file = self.file.clone();
            let Ok(now) = spawn_blocking(move || Stamp::of(&file, &config)).await else { continue };
            if now == seen {
                changing = None;
            } else if changing.as_ref() == Some(&now) {
                changing = None;
                // Told already, either way.
                let _ = self.reload("a file changed").await;
            } else {
                changing = Some(now);
            }
        }
    }

    async fn follow(&self, in_force: &mut InForce) -> Result<Reloaded, ReloadFault> {
        let (file, before) = (self.file.clone(), in_force.config.clone());
        let read = spawn_blocking(move || {
            let seen = Stamp::of(&file, &before);
            let config = config::load_next(&file, &before).map_err(Box::new);
            let seen = match &config {
                Ok(config) => Stamp::of(&file, config).or(&seen),
                Err(_) => seen,
            };
            (config, seen)
        });
        let (config, seen) = read.await.map_err(|_| ReloadFault::Broken)?;
        in_force.seen = seen;
        let config = Arc::new(config.map_err(ReloadFault::Config)?);
        let generation = self.record.generation.load(Relaxed) + 1;
        let (wanted, ground, before) = (config.clone(), self.ground.clone(), self.built.load_full());
        let assembled =
            spawn_blocking(move || Assembly::following(&wanted, &ground, generation, Some(&before)));
        let Assembly { built, plan, .. } = assembled.await.map_err(|_| ReloadFault::Broken)??;
        // An issuer that is down does not keep the rest from coming into force; readiness tells about it.
        let keys = tokio::time::timeout(KEYS_WITHIN, built.asked_once());
        let _ = tokio::join!(keys, self.upkeep.prepare(&plan));
        self.upkeep.follow(&plan);
        self.plan.store(Arc::new(plan));
        self.built.store(built);
        self.record.generation.store(generation, Relaxed);
        let reloaded = Reloaded::of(&config, generation);
        in_force.config = config;
        Ok(reloaded)
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
    output::to_stderr(&format!("{line}\n"));
}

fn tell_refused(because: &str, generation: u64, fault: &ReloadFault) {
    let line = serde_json::json!({ "event": "reload refused", "because": because, "generation": generation });
    output::to_stderr(&format!("{line}\n{fault}"));
}

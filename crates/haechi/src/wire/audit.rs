//! The audit trail of the running gate: opened, kept, and told of to others.

use super::history::START;
use super::http_client;
use super::sinks::{SinkCounts, SinkError, SinkQueues, Sinks};
use crate::config::meant::{Audit, Egress};
use haechi_audit::{Bundle, Events, Listener, OpenError, Trail};
use haechi_authn::supervisor::supervise;
use haechi_core::Clock;
use haechi_core::ports::AuditTrail;
use reqwest::Client;
use reqwest::header::CONTENT_TYPE;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;
use tokio::runtime::Runtime;
use tokio::sync::Mutex;
use tokio::sync::mpsc::{Receiver, Sender, channel};
use tokio::sync::watch;
use tokio::time::timeout;

/// How often the trail is looked after.
const EVERY: Duration = Duration::from_millis(100);
/// Checkpoints that may wait to be sent.
const WAITING: usize = 64;
/// From connecting to the end of the answer.
const TIMEOUT: Duration = Duration::from_secs(5);
/// How long the end of the process waits for the last checkpoint to be taken elsewhere.
const LAST: Duration = Duration::from_secs(3);
/// Before a checkpoint is sent again: at first, and at most. A connection that the other side has just closed must not cost the last one.
const PAUSE: (Duration, Duration) = (Duration::from_millis(100), Duration::from_secs(5));

/// The trail and what belongs to it.
pub(crate) struct AuditKeeper {
    pub(crate) trail: Arc<Trail>,
    sinks: Sinks,
    /// How many checkpoints wait to be sent.
    waiting: watch::Receiver<usize>,
    pub(crate) unsent: Arc<AtomicU64>,
}

/// Why it cannot start.
#[derive(Debug, thiserror::Error)]
pub(crate) enum AuditFault {
    #[error(transparent)]
    Open(#[from] OpenError),
    #[error(transparent)]
    Sink(#[from] SinkError),
    #[error("cannot set up the client for `audit.checkpoints.url`: {0}")]
    Client(#[from] reqwest::Error),
    #[error(transparent)]
    Configuration(#[from] haechi_core::ports::AuditError),
}

impl AuditKeeper {
    /// Opens the trail, records the configuration that comes into force, and looks after both on `control`.
    pub(crate) fn start(
        configured: &Audit,
        egress: &Egress,
        clock: &Arc<dyn Clock>,
        control: &Runtime,
    ) -> Result<Self, AuditFault> {
        let sinks = Sinks::start(&configured.sinks, "audit", egress, control)?;
        let unsent = Arc::new(AtomicU64::new(0));
        let (waiting, known) = watch::channel(0);
        let checkpoints = match &configured.checkpoint_url {
            Some(url) => {
                let (sender, lines) = channel(WAITING);
                let client = http_client::outward(egress).timeout(TIMEOUT).build()?;
                let (lines, waiting) = (Mutex::new(lines), Arc::new(waiting));
                let outbox = Arc::new(Outbox { client, url: url.clone(), lines, waiting: waiting.clone() });
                supervise(control.handle(), "audit checkpoints", move || send(outbox.clone()));
                Some(Checkpoints { sender, waiting })
            }
            None => None,
        };
        let lines = sinks.queues.clone();
        let told = (!lines.is_empty() || checkpoints.is_some())
            .then(|| Arc::new(Told { lines, checkpoints, unsent: unsent.clone() }) as Arc<dyn Listener>);
        let trail = Trail::open(configured.options.clone(), clock.clone(), told)?;
        let kept = trail.clone();
        supervise(control.handle(), "audit trail", move || keep(kept.clone()));
        Ok(Self { trail, sinks, waiting: known, unsent })
    }

    /// Records a configuration that comes into force.
    pub(crate) fn configuration(&self, bundle: &Bundle, generation: u64) -> Result<(), AuditFault> {
        Ok(self.trail.configuration(bundle, generation, START)?)
    }

    /// For those of the control side who have something to tell.
    pub(crate) fn events(&self) -> Arc<dyn AuditTrail> {
        Arc::new(Events(self.trail.clone()))
    }

    /// What became of the lines that were sent elsewhere.
    pub(crate) fn sink_counts(&self) -> Vec<Arc<SinkCounts>> {
        self.sinks.queues.counts()
    }

    /// Writes the last checkpoint, and sends what waits. The workers must have ended.
    pub(crate) fn finish(mut self, control: &Runtime) {
        self.trail.finish();
        let sent = self.waiting.wait_for(|waiting| *waiting == 0);
        if control.block_on(async { timeout(LAST, sent).await }).is_err() {
            tracing::warn!("cannot send the last checkpoint of the audit trail in time");
        }
        self.sinks.finish(control);
    }
}

async fn keep(trail: Arc<Trail>) {
    let mut interval = tokio::time::interval(EVERY);
    interval.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    loop {
        interval.tick().await;
        let due = trail.clone();
        if let Err(error) = tokio::task::spawn_blocking(move || due.tick()).await {
            tracing::error!(%error, "the audit trail could not be looked after");
        }
    }
}

/// Hands on what was written.
struct Told {
    lines: SinkQueues,
    checkpoints: Option<Checkpoints>,
    /// Checkpoints that found no room to wait.
    unsent: Arc<AtomicU64>,
}

impl Listener for Told {
    fn written(&self, lines: &[u8]) {
        self.lines.send(lines);
    }

    fn checkpoint(&self, line: &[u8]) {
        let Some(Checkpoints { sender, waiting }) = &self.checkpoints else { return };
        waiting.send_modify(|waiting| *waiting += 1);
        if sender.try_send(line.to_vec()).is_err() {
            waiting.send_modify(|waiting| *waiting -= 1);
            self.unsent.fetch_add(1, Ordering::Relaxed);
        }
    }
}

/// Checkpoints on their way elsewhere, and how many wait.
struct Checkpoints {
    sender: Sender<Vec<u8>>,
    waiting: Arc<watch::Sender<usize>>,
}

struct Outbox {
    client: Client,
    url: String,
    lines: Mutex<Receiver<Vec<u8>>>,
    waiting: Arc<watch::Sender<usize>>,
}

/// Sends checkpoints in order, each until it is taken.
async fn send(outbox: Arc<Outbox>) {
    let mut lines = outbox.lines.lock().await;
    while let Some(line) = lines.recv().await {
        let (mut told, mut pause) = (false, PAUSE.0);
        while let Err(error) = post(&outbox, &line).await {
            if !std::mem::replace(&mut told, true) {
                tracing::warn!(error, "cannot send a checkpoint of the audit trail; it is tried again");
            }
            tokio::time::sleep(pause).await;
            pause = (pause * 2).min(PAUSE.1);
        }
        outbox.waiting.send_modify(|waiting| *waiting -= 1);
    }
}

async fn post(outbox: &Outbox, line: &[u8]) -> Result<(), String> {
    let request = outbox.client.post(&outbox.url).header(CONTENT_TYPE, "application/json");
    let answer = request.body(line.to_vec()).send().await.map_err(http_client::message)?;
    let status = answer.status();
    if status.is_success() { Ok(()) } else { Err(format!("the answer was {status}")) }
}

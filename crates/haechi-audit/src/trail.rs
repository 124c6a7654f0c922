//! The trail of one process: what its writers share.

use crate::chain::{Chain, Hash, Head};
use crate::control_state::Control;
use crate::failing::{Failing, lock};
use crate::file::AuditFile;
use crate::jobs::JobQueue;
use crate::json;
use crate::name::FileName;
use crate::options::{Durability, Mode, Options};
use crate::signing::SigningKey;
use crate::subjects::Subjects;
use arc_swap::ArcSwap;
use haechi_core::Clock;
use haechi_core::ports::AuditError;
use std::collections::BTreeMap;
use std::fmt;
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

/// A record that is not written by then is none.
pub(crate) const WRITTEN_WITHIN: Duration = Duration::from_millis(250);
/// After a write that took so long, workers no longer wait for the disk themselves.
const SLOW: Duration = Duration::from_millis(50);
/// So long the disk must be fast again before they do.
const FAST_FOR: Duration = Duration::from_secs(2);

/// The trail of this process. Workers write to it through an [`crate::Appender`] each.
pub struct Trail {
    pub(crate) options: Options,
    pub(crate) clock: Arc<dyn Clock>,
    /// What chains of this process are called: this and a number.
    pub(crate) process: String,
    /// What chains of this process begin with.
    pub(crate) anchor: Hash,
    pub(crate) file: Arc<ArcSwap<AuditFile>>,
    pub(crate) control: Mutex<Control>,
    pub(crate) key: SigningKey,
    pub(crate) subjects: Subjects,
    pub(crate) counts: Counts,
    pub(crate) jobs: JobQueue,
    listener: Option<Arc<dyn Listener>>,
    /// Where each chain has come to, as its writer last said.
    heads: Mutex<BTreeMap<Box<str>, Head>>,
    chains: AtomicU32,
    failing: AtomicBool,
    why: Mutex<Option<Failing>>,
    slow: AtomicBool,
    fast_since: Mutex<Option<Instant>>,
}

/// Gets everything that was written, after it was.
pub trait Listener: Send + Sync {
    /// Whole lines. Must not wait.
    fn written(&self, lines: &[u8]);

    /// A checkpoint. Must not wait.
    fn checkpoint(&self, line: &[u8]);
}

/// What a trail is opened with, besides its options.
pub(crate) struct Parts {
    pub(crate) options: Options,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) process: String,
    pub(crate) anchor: Hash,
    pub(crate) file: AuditFile,
    pub(crate) control: Control,
    pub(crate) key: SigningKey,
    pub(crate) subjects: Subjects,
    pub(crate) listener: Option<Arc<dyn Listener>>,
}

/// What was counted since the process began.
#[derive(Debug, Default)]
pub struct Counts {
    /// Lines that were written.
    pub records: AtomicU64,
    /// How much they are.
    pub bytes: AtomicU64,
    /// How many writes that took.
    pub writes: AtomicU64,
    /// How often the disk was told to keep what was written.
    pub syncs: AtomicU64,
    /// Records that were not written, because the mode is `best_effort`.
    pub dropped: AtomicU64,
    /// Requests and changes that were refused, because the mode is `required`.
    pub refused: AtomicU64,
    /// Checkpoints that were written.
    pub checkpoints: AtomicU64,
    /// Files that were closed because they were full or of another day.
    pub rolled: AtomicU64,
}

impl Trail {
    /// What chains of this process are called: this, a point and a number.
    pub fn process(&self) -> &str {
        &self.process
    }

    pub(crate) fn new(parts: Parts) -> Arc<Self> {
        let Parts { options, clock, process, anchor, file, control, key, subjects, listener } = parts;
        Arc::new(Self {
            options,
            clock,
            process,
            anchor,
            file: Arc::new(ArcSwap::from_pointee(file)),
            control: Mutex::new(control),
            key,
            subjects,
            counts: Counts::default(),
            jobs: JobQueue::default(),
            listener,
            heads: Mutex::default(),
            // 0 is the control side's.
            chains: AtomicU32::new(1),
            failing: AtomicBool::new(false),
            why: Mutex::default(),
            slow: AtomicBool::new(false),
            fast_since: Mutex::default(),
        })
    }

    /// What is configured.
    pub const fn options(&self) -> &Options {
        &self.options
    }

    /// What was counted.
    pub const fn counts(&self) -> &Counts {
        &self.counts
    }

    /// The key that signs checkpoints.
    pub const fn key(&self) -> &SigningKey {
        &self.key
    }

    /// The keys of subjects.
    pub const fn subjects(&self) -> &Subjects {
        &self.subjects
    }

    /// The file that is written to.
    pub fn path(&self) -> PathBuf {
        self.file.load().path().to_owned()
    }

    /// Why nothing can be written now; `None` while all is well.
    pub fn failing(&self) -> Option<String> {
        let why = lock(&self.why).clone()?;
        Some(match why {
            Failing::Slow => {
                format!("the disk has not taken a record within {} ms", WRITTEN_WITHIN.as_millis())
            }
            Failing::Refused(why) => why,
        })
    }

    /// Whether the disk is slow, and written to from a thread of its own.
    pub fn is_slow(&self) -> bool {
        self.slow.load(Ordering::Relaxed)
    }

    pub(crate) fn is_failing(&self) -> bool {
        self.failing.load(Ordering::Relaxed)
    }

    /// The error of what cannot be written.
    pub(crate) fn error(&self) -> AuditError {
        self.counts.refused.fetch_add(1, Ordering::Relaxed);
        AuditError(self.failing().unwrap_or_else(|| "the record was not written".to_owned()))
    }

    pub(crate) const fn is_required(&self) -> bool {
        matches!(self.options.mode, Mode::Required)
    }

    /// A chain for one more writer.
    pub(crate) fn chain(&self) -> Chain {
        let number = self.chains.fetch_add(1, Ordering::Relaxed);
        Chain::new(format!("{}.{number}", self.process), self.anchor)
    }

    /// Whether a worker writes itself, because that takes no time to speak of.
    pub(crate) fn writes_directly(&self) -> bool {
        matches!(self.options.durability, Durability::Written) && !self.is_slow()
    }

    /// Remembers where a chain has come to, for the next checkpoint.
    pub(crate) fn publish(&self, chain: &str, head: Head) {
        if head.seq > 0 {
            lock(&self.heads).insert(chain.into(), head);
        }
    }

    pub(crate) fn heads(&self) -> BTreeMap<Box<str>, Head> {
        lock(&self.heads).clone()
    }

    /// A write took so long.
    pub(crate) fn took(&self, time: Duration) {
        if time >= SLOW {
            *lock(&self.fast_since) = None;
            if !self.slow.swap(true, Ordering::Relaxed) {
                tracing::warn!(
                    milliseconds = time.as_millis(),
                    "the disk of the audit trail is slow; records are written by another thread until it is fast again"
                );
            }
        } else if self.is_slow() {
            let now = Instant::now();
            let since = *lock(&self.fast_since).get_or_insert(now);
            if now.duration_since(since) >= FAST_FOR {
                *lock(&self.fast_since) = None;
                self.slow.store(false, Ordering::Relaxed);
                tracing::info!("the disk of the audit trail is fast again");
            }
        }
    }

    /// What a chain says first in another file than before.
    pub(crate) fn continued(&self, before: &FileName) -> String {
        let mut out = self.event("continued");
        json::text_member(&mut out, "from", &before.in_records());
        String::from_utf8_lossy(&out).into_owned()
    }

    /// The members that every record begins with.
    pub(crate) fn event(&self, name: &str) -> Vec<u8> {
        let mut out = Vec::with_capacity(512);
        json::begin(&mut out, self.clock.now(), name);
        out
    }

    /// Lines were written.
    pub(crate) fn written(&self, records: u64, lines: &[u8]) {
        self.counts.records.fetch_add(records, Ordering::Relaxed);
        self.counts.bytes.fetch_add(lines.len() as u64, Ordering::Relaxed);
        self.counts.writes.fetch_add(1, Ordering::Relaxed);
        if let Some(listener) = &self.listener {
            listener.written(lines);
        }
    }

    /// A checkpoint was written.
    pub(crate) fn checkpointed(&self, line: &[u8]) {
        self.counts.checkpoints.fetch_add(1, Ordering::Relaxed);
        if let Some(listener) = &self.listener {
            listener.checkpoint(line);
        }
    }

    /// Nothing can be written, for now.
    pub(crate) fn fail(&self, why: Failing) {
        let mut known = lock(&self.why);
        if known.is_none() {
            match &why {
                Failing::Slow => tracing::error!("the audit trail cannot be written in time"),
                Failing::Refused(why) => tracing::error!(%why, "the audit trail cannot be written"),
            }
        }
        *known = Some(why);
        self.failing.store(true, Ordering::Relaxed);
    }

    /// The disk took something, after it had been too slow.
    pub(crate) fn answered(&self) {
        if self.is_failing() && *lock(&self.why) == Some(Failing::Slow) {
            self.recovered();
        }
    }

    /// Why nothing can be written, if that is so.
    pub(crate) fn why(&self) -> Option<Failing> {
        lock(&self.why).clone()
    }

    pub(crate) fn recovered(&self) {
        *lock(&self.why) = None;
        self.failing.store(false, Ordering::Relaxed);
        tracing::info!("the audit trail is written again");
    }
}

impl fmt::Debug for Trail {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Trail").field("process", &self.process).finish_non_exhaustive()
    }
}

//! Health of the database, as the last operations left it: which connections are still to be trusted, and whether readiness has to look closer.

use super::fault::{Cause, Fault};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::SeqCst};
use std::time::{Duration, Instant};

/// Where nothing was written for so long, readiness tries to write.
const WRITE_EVERY: Duration = Duration::from_secs(10);

/// Shared by the operations, the pools and the probe.
pub(super) struct Condition {
    born: Instant,
    /// When a connection last failed, in microseconds after `born`; 0 for never.
    failed_at: AtomicU64,
    /// The last failure after which all connections were closed, likewise.
    closed_for: AtomicU64,
    /// When something was last written, likewise.
    wrote_at: AtomicU64,
    /// Operations that could not be done.
    doubts: AtomicU64,
    /// How many of them a probe that began later has refuted.
    refuted: AtomicU64,
    damaged: AtomicBool,
}

impl Condition {
    pub(super) fn new() -> Self {
        Self {
            born: Instant::now(),
            failed_at: AtomicU64::new(0),
            closed_for: AtomicU64::new(0),
            wrote_at: AtomicU64::new(0),
            doubts: AtomicU64::new(0),
            refuted: AtomicU64::new(0),
            damaged: AtomicBool::new(false),
        }
    }

    /// An operation failed.
    pub(super) fn note(&self, fault: &Fault) {
        match fault.cause() {
            Cause::Request => return,
            Cause::Busy => {}
            Cause::Connection => self.distrust_connections(),
            Cause::Damage => {
                self.distrust_connections();
                self.damaged.store(true, SeqCst);
            }
        }
        self.doubts.fetch_add(1, SeqCst);
    }

    /// An operation was not done in time.
    pub(super) fn note_late(&self) {
        self.distrust_connections();
        self.doubts.fetch_add(1, SeqCst);
    }

    pub(super) fn note_written(&self) {
        self.wrote_at.store(self.now(), SeqCst);
    }

    /// Connections that were opened before the last failure may be read-only, know pages that are no more, or be in a transaction.
    pub(super) fn trusts_one_of_age(&self, age: Duration) -> bool {
        let failed_at = self.failed_at.load(SeqCst);
        failed_at == 0 || self.born.elapsed().saturating_sub(age) > Duration::from_micros(failed_at)
    }

    /// The last failure of a connection, if not all were closed since, to be given to [`Condition::answer_failure`] when they were.
    pub(super) fn unanswered_failure(&self) -> Option<u64> {
        let failed_at = self.failed_at.load(SeqCst);
        (failed_at != self.closed_for.load(SeqCst)).then_some(failed_at)
    }

    pub(super) fn answer_failure(&self, failure: u64) {
        self.closed_for.store(failure, SeqCst);
    }

    /// The doubts there are, to be given to [`Condition::refute`] when a probe that begins now has succeeded.
    pub(super) fn doubts(&self) -> u64 {
        self.doubts.load(SeqCst)
    }

    pub(super) fn refute(&self, doubts: u64) {
        self.refuted.store(doubts, SeqCst);
    }

    /// Whether it is to be tried to write.
    pub(super) fn wants_write(&self) -> bool {
        let since = Duration::from_micros(self.now().saturating_sub(self.wrote_at.load(SeqCst)));
        self.doubts() != self.refuted.load(SeqCst) || since >= WRITE_EVERY
    }

    /// Whether pages were found damaged.
    pub(super) fn is_damaged(&self) -> bool {
        self.damaged.load(SeqCst)
    }

    pub(super) fn note_whole(&self) {
        self.damaged.store(false, SeqCst);
    }

    /// No connection that is open now is used again.
    pub(super) fn distrust_connections(&self) {
        self.failed_at.store(self.now(), SeqCst);
    }

    fn now(&self) -> u64 {
        u64::try_from(self.born.elapsed().as_micros()).unwrap_or(u64::MAX).max(1)
    }
}

//! What the last operations say about the database: which connections are still to be trusted, and whether readiness has to try to write.

use super::fault::{Cause, Fault};
use std::sync::atomic::{AtomicU64, Ordering::SeqCst};
use std::time::{Duration, Instant};

/// Shared by the operations, the pool and the probe.
pub(super) struct Condition {
    born: Instant,
    /// When a connection last failed, in microseconds after `born`; 0 for never.
    failed_at: AtomicU64,
    /// Operations that could not be done.
    doubts: AtomicU64,
    /// How many of them something that was written later has refuted.
    refuted: AtomicU64,
}

impl Condition {
    pub(super) fn new() -> Self {
        Self {
            born: Instant::now(),
            failed_at: AtomicU64::new(0),
            doubts: AtomicU64::new(0),
            refuted: AtomicU64::new(0),
        }
    }

    /// An operation failed.
    pub(super) fn note(&self, fault: &Fault) {
        match fault.cause() {
            Cause::Request => return,
            Cause::Busy => {}
            Cause::Connection => self.distrust_connections(),
        }
        self.doubts.fetch_add(1, SeqCst);
    }

    /// An operation was not done in time.
    pub(super) fn note_late(&self) {
        self.distrust_connections();
        self.doubts.fetch_add(1, SeqCst);
    }

    pub(super) fn note_written(&self) {
        self.refuted.store(self.doubts(), SeqCst);
    }

    /// Connections that were opened before the last failure may be broken as well, or lead to a server that became read-only.
    pub(super) fn trusts_one_of_age(&self, age: Duration) -> bool {
        let failed_at = self.failed_at.load(SeqCst);
        failed_at == 0 || self.born.elapsed().saturating_sub(age) > Duration::from_micros(failed_at)
    }

    /// Whether it is to be tried to write.
    pub(super) fn wants_write(&self) -> bool {
        self.doubts() != self.refuted.load(SeqCst)
    }

    fn doubts(&self) -> u64 {
        self.doubts.load(SeqCst)
    }

    /// No connection that is open now is used again.
    fn distrust_connections(&self) {
        let now = u64::try_from(self.born.elapsed().as_micros()).unwrap_or(u64::MAX).max(1);
        self.failed_at.store(now, SeqCst);
    }
}

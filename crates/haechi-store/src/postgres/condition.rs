//! What the last operations say about the database: which connections are still to be trusted, whether readiness has to try to write, and whether it is
//! away, so that nobody need wait to learn the same again.

use super::fault::{Cause, Fault};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::SeqCst};
use std::time::{Duration, Instant};

/// So long nobody asks a database that does not answer but the probe, which asks about once a second. Where nothing probes, an operation does afterwards.
const AWAY: Duration = Duration::from_secs(5);

/// Shared by the operations, the pool and the probe. Times are microseconds after `born`; 0 stands for never.
pub(super) struct Condition {
    born: Instant,
    /// Who has not answered for so long is away.
    patience: Duration,
    answered_at: AtomicU64,
    away_until: AtomicU64,
    /// When a connection last failed.
    failed_at: AtomicU64,
    /// Operations that could not be done.
    doubts: AtomicU64,
    /// How many of them something that was written later has refuted.
    refuted: AtomicU64,
    /// Whether the schema is one that this program must not work with any more.
    outdated: AtomicBool,
}

impl Condition {
    pub(super) fn new(patience: Duration) -> Self {
        Self {
            born: Instant::now(),
            patience,
            answered_at: AtomicU64::new(0),
            away_until: AtomicU64::new(0),
            failed_at: AtomicU64::new(0),
            doubts: AtomicU64::new(0),
            refuted: AtomicU64::new(0),
            outdated: AtomicBool::new(false),
        }
    }

    /// An operation failed.
    pub(super) fn note(&self, fault: &Fault) {
        match fault.cause() {
            Cause::Request => return self.note_answer(),
            Cause::Busy => self.note_answer(),
            Cause::Refused => {
                self.note_answer();
                self.distrust_connections();
            }
            Cause::Crowded => self.note_silence(),
            Cause::Broken => {
                self.distrust_connections();
                self.note_silence();
            }
        }
        self.doubts.fetch_add(1, SeqCst);
    }

    /// The database answered, whatever.
    pub(super) fn note_answer(&self) {
        self.answered_at.store(self.now(), SeqCst);
        self.away_until.store(0, SeqCst);
    }

    /// Whether the database did not answer a moment ago, and for some time before.
    pub(super) fn is_away(&self) -> bool {
        self.now() < self.away_until.load(SeqCst)
    }

    /// What the probe has seen of the schema: whether this program may still work with it.
    pub(super) fn note_schema(&self, may_go_on: bool) {
        self.outdated.store(!may_go_on, SeqCst);
    }

    /// Whether a newer version has changed the schema so that this program must not work with it.
    pub(super) fn is_outdated(&self) -> bool {
        self.outdated.load(SeqCst)
    }

    fn note_silence(&self) {
        // Others may have been answered meanwhile: then it was busy.
        let since = Duration::from_micros(self.now().saturating_sub(self.answered_at.load(SeqCst)));
        if since >= self.patience {
            let until = self.born.elapsed().saturating_add(AWAY);
            self.away_until.store(u64::try_from(until.as_micros()).unwrap_or(u64::MAX), SeqCst);
        }
    }

    /// An operation was not done in time.
    pub(super) fn note_late(&self) {
        self.distrust_connections();
        self.note_silence();
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
        self.failed_at.store(self.now(), SeqCst);
    }

    fn now(&self) -> u64 {
        u64::try_from(self.born.elapsed().as_micros()).unwrap_or(u64::MAX).max(1)
    }
}

//! Counters of dropped log events, by reason.

use std::sync::atomic::AtomicU64;

/// Events that were left out.
pub(super) static DROPPED: DroppedEvents =
    DroppedEvents { repeated: AtomicU64::new(0), full: AtomicU64::new(0), failed: AtomicU64::new(0) };

/// Counts of what was left out, by reason.
#[derive(Debug)]
pub(super) struct DroppedEvents {
    /// The same was said too often within a second.
    pub(super) repeated: AtomicU64,
    /// Standard error takes lines more slowly than they come.
    pub(super) full: AtomicU64,
    /// Standard error takes none.
    pub(super) failed: AtomicU64,
}

//! What this node knows of revocations, and how fresh that knowledge is.

use arc_swap::ArcSwap;
use haechi_core::Timestamp;
use haechi_core::ports::Revoked;
use std::collections::HashSet;
use std::sync::Arc;
use std::time::Duration;

/// Knowledge older than this is no knowledge: what depends on it answers could-not-find-out.
pub const MAX_AGE: Duration = Duration::from_secs(5);

/// Everything revoked, as of some time.
#[derive(Clone, Debug)]
pub struct RevocationView {
    /// The store's epoch (see [`haechi_core::ports::Revocations::epoch`]). Caches of verified credentials hold only within one epoch.
    pub epoch: u64,
    /// What is revoked; shared by all views of one epoch.
    pub revoked: Arc<HashSet<Revoked>>,
    /// When the store last confirmed this.
    pub as_of: Timestamp,
}

impl RevocationView {
    /// Whether the view may still be relied on.
    pub fn is_fresh(&self, now: Timestamp) -> bool {
        now.since(self.as_of) <= MAX_AGE
    }
}

/// The current view; workers read it without a lock, the control side replaces it.
#[derive(Debug)]
pub struct RevocationWatch {
    view: ArcSwap<RevocationView>,
}

impl RevocationWatch {
    /// Knows nothing yet: not fresh until the first [`RevocationWatch::replace`].
    pub fn new() -> Self {
        let unknown = RevocationView { epoch: 0, revoked: Arc::default(), as_of: Timestamp::from_millis(0) };
        Self { view: ArcSwap::from_pointee(unknown) }
    }

    /// The view now.
    pub fn view(&self) -> arc_swap::Guard<Arc<RevocationView>> {
        self.view.load()
    }

    /// Puts a newer view in force.
    pub fn replace(&self, view: RevocationView) {
        self.view.store(Arc::new(view));
    }
}

impl Default for RevocationWatch {
    fn default() -> Self {
        Self::new()
    }
}

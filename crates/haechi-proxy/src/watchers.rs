//! Whoever watches decisions as they are made. A worker looks at one number, unless somebody does; then it copies the decision, and never waits.

use crate::decisions::{Decided, Wanted};
use arc_swap::ArcSwap;
use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering::Relaxed};
use tokio::sync::mpsc::{Receiver, Sender, channel};

/// So many watch at once.
const MOST: usize = 16;
/// So many decisions wait for one who watches; what comes then is missed.
const WAITING: usize = 256;

/// Those who watch.
#[derive(Clone, Default)]
pub struct DecisionWatchers(Arc<Shared>);

#[derive(Default)]
struct Shared {
    count: AtomicUsize,
    all: ArcSwap<Vec<Arc<Watcher>>>,
}

struct Watcher {
    wanted: Wanted,
    decided: Sender<Arc<Decided>>,
    missed: AtomicU64,
}

/// One who watches, until it is dropped.
pub struct DecisionWatch {
    watchers: DecisionWatchers,
    watcher: Arc<Watcher>,
    decided: Receiver<Arc<Decided>>,
}

impl DecisionWatchers {
    /// Watches for decisions that are `wanted` from now on. `None` where too many do.
    pub fn watch(&self, wanted: Wanted) -> Option<DecisionWatch> {
        let more = |count: usize| (count < MOST).then_some(count + 1);
        self.0.count.fetch_update(Relaxed, Relaxed, more).ok()?;
        let (sender, decided) = channel(WAITING);
        let watcher = Arc::new(Watcher { wanted, decided: sender, missed: AtomicU64::new(0) });
        let added = |all: &Arc<Vec<Arc<Watcher>>>| all.iter().chain([&watcher]).cloned().collect::<Vec<_>>();
        self.0.all.rcu(added);
        Some(DecisionWatch { watchers: self.clone(), watcher, decided })
    }

    /// Whether anybody watches.
    pub(crate) fn are_any(&self) -> bool {
        self.0.count.load(Relaxed) > 0
    }

    /// Tells those who want to know. Whoever has no room misses it.
    pub(crate) fn tell(&self, decided: Decided) {
        let decided = Arc::new(decided);
        for watcher in self.0.all.load().iter().filter(|watcher| watcher.wanted.takes(&decided)) {
            if watcher.decided.try_send(decided.clone()).is_err() {
                watcher.missed.fetch_add(1, Relaxed);
            }
        }
    }
}

impl DecisionWatch {
    /// The next one. It is never `None` while this is there.
    pub async fn next(&mut self) -> Option<Arc<Decided>> {
        self.decided.recv().await
    }

    /// How many there was no room for since this was last asked.
    pub fn missed(&self) -> u64 {
        self.watcher.missed.swap(0, Relaxed)
    }
}

impl Drop for DecisionWatch {
    fn drop(&mut self) {
        let left = |all: &Arc<Vec<Arc<Watcher>>>| {
            all.iter().filter(|one| !Arc::ptr_eq(one, &self.watcher)).cloned().collect::<Vec<_>>()
        };
        self.watchers.0.all.rcu(left);
        self.watchers.0.count.fetch_sub(1, Relaxed);
    }
}

impl fmt::Debug for DecisionWatchers {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "DecisionWatchers({})", self.0.count.load(Relaxed))
    }
}

impl fmt::Debug for DecisionWatch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("DecisionWatch")
    }
}

#[cfg(test)]
mod tests;

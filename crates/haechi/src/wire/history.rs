//! The configurations that came into force in this process: when, because of what, and by whom.

use haechi_audit::Bundle;
use haechi_audit::chain::hex;
use haechi_core::Timestamp;
use haechi_core::ports::AuditActor;
use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// Because the process started.
pub(crate) const START: &str = "start";
/// So many are remembered.
const REMEMBERED: usize = 100;
/// Of so many the files are remembered; the audit trail keeps them all.
const WITH_FILES: usize = 10;

/// A configuration that came into force.
#[derive(Clone, Debug)]
pub(crate) struct CameIntoForce {
    pub(crate) generation: u64,
    pub(crate) sha256: String,
    pub(crate) at: Timestamp,
    pub(crate) because: &'static str,
    /// Who called, where somebody did.
    pub(crate) by: Option<AuditActor>,
    /// `None` where it was long ago.
    pub(crate) bundle: Option<Arc<Bundle>>,
}

/// Those that are remembered, the newest last. Never empty.
#[derive(Debug)]
pub(crate) struct History(Mutex<VecDeque<CameIntoForce>>);

impl CameIntoForce {
    pub(crate) fn new(
        bundle: &Arc<Bundle>,
        (generation, at): (u64, Timestamp),
        (because, by): (&'static str, Option<AuditActor>),
    ) -> Self {
        Self { generation, sha256: hex(&bundle.hash()), at, because, by, bundle: Some(bundle.clone()) }
    }
}

impl History {
    pub(crate) fn new(first: CameIntoForce) -> Self {
        Self(Mutex::new([first].into()))
    }

    pub(crate) fn push(&self, next: CameIntoForce) {
        let mut all = self.all();
        all.push_back(next);
        if all.len() > REMEMBERED {
            all.pop_front();
        }
        let old = all.len().saturating_sub(WITH_FILES);
        all.iter_mut().take(old).for_each(|one| one.bundle = None);
    }

    /// The one in force.
    pub(crate) fn newest(&self) -> Option<CameIntoForce> {
        self.all().back().cloned()
    }

    /// All that are remembered, newest first.
    pub(crate) fn newest_first(&self) -> Vec<CameIntoForce> {
        self.all().iter().rev().cloned().collect()
    }

    fn all(&self) -> MutexGuard<'_, VecDeque<CameIntoForce>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

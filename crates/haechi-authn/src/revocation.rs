//! What this node knows of revocations, and how fresh that knowledge is.

mod changes;
mod fingerprint;

pub(crate) use fingerprint::DependsOn;

use crate::guessing::GuessGuard;
use arc_swap::ArcSwap;
use changes::{ChangeSet, ExpiryHorizon};
use haechi_core::ports::Change;
use haechi_core::{Clock, Timestamp};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

/// Knowledge older than this is no knowledge: what depends on it answers could-not-find-out.
pub const MAX_AGE: Duration = Duration::from_secs(5);

/// How long a change to a user or a key is remembered. Caches keep what may change for a minute; what they kept for longer is verified anew.
const CHANGES_REMEMBERED: Duration = Duration::from_secs(5 * 60);

/// Everything revoked or changed, as of some time. Clones share it.
///
/// A view that knows a few changes more costs the copy of a few shards, a thousandth of everything each (see [`ChangeSet`]).
#[derive(Clone, Debug)]
pub struct RevocationView {
    /// The store's epoch up to which changes are known (see [`haechi_core::ports::Revocations::epoch`]).
    pub epoch: u64,
    /// When the store last confirmed this (see [`Clock::uptime`]); `None` before the first time.
    pub as_of: Option<Duration>,
    /// Grows with every view that knows more. Counted here, because the store's epoch goes back when the store is restored.
    version: u64,
    /// What was verified under an earlier version than this must be verified anew: not all changes since are known.
    complete_since: u64,
    changes: Arc<ChangeSet>,
}

impl RevocationView {
    /// Knows nothing, and is not fresh.
    fn empty() -> Self {
        Self { epoch: 0, as_of: None, version: 0, complete_since: 0, changes: Arc::default() }
    }

    /// The view that knows these changes too, and with them everything up to `epoch` as of `as_of`.
    #[must_use]
    pub fn with(mut self, changes: &[Change], epoch: u64, as_of: Duration) -> Self {
        if !changes.is_empty() {
            self.version += 1;
            let set = Arc::make_mut(&mut self.changes);
            set.add(changes, self.version, as_of.saturating_add(CHANGES_REMEMBERED));
        }
        Self { epoch, as_of: Some(as_of), ..self }
    }

    /// A view to begin again with, from the store's epoch 0: whatever was verified before must be verified anew.
    #[must_use]
    pub fn anew(&self) -> Self {
        let version = self.version + 1;
        Self { version, complete_since: version, as_of: self.as_of, ..Self::empty() }
    }

    /// The view without what was revoked and had expired before `expired_before`, and without changes remembered until `uptime`.
    #[must_use]
    pub fn pruned(mut self, expired_before: Timestamp, uptime: Duration) -> Self {
        let past = ExpiryHorizon { expired_before, uptime };
        if self.changes.has_expired(past) {
            let forgotten = Arc::make_mut(&mut self.changes).prune(past);
            self.complete_since = self.complete_since.max(forgotten);
        }
        self
    }

    /// To be noted before something is verified, so that what changes meanwhile is seen afterwards.
    pub(crate) const fn version(&self) -> u64 {
        self.version
    }

    /// Whether nothing that `depends_on` names was changed after `version`. Otherwise what was verified then must be verified anew.
    pub(crate) fn unchanged_since(&self, version: u64, depends_on: &DependsOn) -> bool {
        version == self.version
            || (self.complete_since <= version
                && depends_on.all().all(|subject| !self.changes.changed_after(version, subject)))
    }

    /// Whether anything that `depends_on` names was revoked for good.
    pub(crate) fn is_revoked(&self, depends_on: &DependsOn) -> bool {
        depends_on.all().any(|subject| self.changes.is_revoked(subject))
    }
}

/// The current view; workers read it without a lock, the control side replaces it.
pub struct RevocationWatch {
    view: ArcSwap<RevocationView>,
    clock: Arc<dyn Clock>,
    /// Where failed logins are counted: an operator may have unlocked somebody on another node.
    guesses: OnceLock<Arc<GuessGuard>>,
}

impl RevocationWatch {
    /// Knows nothing yet: not fresh until the first [`RevocationWatch::replace`]. Ages are measured on the clock's [`Clock::uptime`].
    pub fn new(clock: Arc<dyn Clock>) -> Self {
        Self { view: ArcSwap::from_pointee(RevocationView::empty()), clock, guesses: OnceLock::new() }
    }

    /// From now on, whom an operator unlocks is unlocked in `guesses`. Only the first call counts.
    pub fn unlock_in(&self, guesses: Arc<GuessGuard>) {
        let _ = self.guesses.set(guesses);
    }

    /// See [`RevocationWatch::unlock_in`].
    pub(crate) fn guesses(&self) -> Option<&Arc<GuessGuard>> {
        self.guesses.get()
    }

    /// Whether a view may still be relied on.
    pub fn is_fresh(&self, view: &RevocationView) -> bool {
        view.as_of.is_some_and(|as_of| self.clock.uptime().saturating_sub(as_of) <= MAX_AGE)
    }

    /// The view now.
    pub fn view(&self) -> arc_swap::Guard<Arc<RevocationView>> {
        self.view.load()
    }

    /// Puts a newer view in force, which was made of the one before.
    pub fn replace(&self, view: RevocationView) {
        self.view.store(Arc::new(view));
    }
}

impl std::fmt::Debug for RevocationWatch {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("RevocationWatch").field("view", &self.view).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::{CHANGES_REMEMBERED, DependsOn, RevocationView};
    use haechi_core::Timestamp;
    use haechi_core::ports::{Change, Revoked};
    use std::time::Duration;

    const NOW: Timestamp = Timestamp::from_seconds(1_800_000_000);
    const UP: Duration = Duration::from_secs(1000);

    fn user(id: &str) -> Change {
        Change::User(id.into())
    }

    fn token(id: &str, until: Timestamp) -> Change {
        Change::Revoked { what: Revoked::Token(id.into()), until }
    }

    #[test]
    fn a_change_ends_what_was_verified_before_it_and_nothing_else() {
        let (alice, bob) = (DependsOn::user("alice"), DependsOn::user("bob"));
        let before = RevocationView::empty().with(&[user("carol")], 1, UP);
        let after = before.clone().with(&[user("alice")], 2, UP);
        assert!(!after.unchanged_since(before.version(), &alice));
        assert!(after.unchanged_since(after.version(), &alice), "verified anew");
        assert!(after.unchanged_since(before.version(), &bob));
        assert!(after.unchanged_since(before.version(), &DependsOn::api_key("alice")), "of another kind");
        assert!(!after.is_revoked(&alice), "a changed user may come again");
    }

    #[test]
    fn what_is_revoked_is_revoked_for_whoever_comes() {
        let view = RevocationView::empty().with(&[token("t1", NOW)], 1, UP);
        for depends_on in [DependsOn::token(Some("t1"), None), DependsOn::token(Some("t1"), Some("s1"))] {
            assert!(view.is_revoked(&depends_on) && !view.unchanged_since(0, &depends_on));
        }
        assert!(!view.is_revoked(&DependsOn::token(Some("t2"), Some("t1"))));
    }

    #[test]
    fn a_view_that_knows_nothing_more_is_the_same_version() {
        let view = RevocationView::empty().with(&[user("alice")], 1, UP);
        assert_eq!(view.clone().with(&[], 1, UP).version(), view.version());
    }

    #[test]
    fn what_is_pruned_is_not_forgotten_silently() {
        let before = RevocationView::empty().with(&[user("carol")], 1, UP);
        let end = NOW.plus(Duration::from_secs(3600));
        let changed = before.clone().with(&[user("alice"), token("t1", end)], 3, UP);
        let early = changed.clone().pruned(NOW, UP + CHANGES_REMEMBERED);
        assert!(early.unchanged_since(before.version(), &DependsOn::user("bob")));
        let later = changed.clone().pruned(NOW, UP + CHANGES_REMEMBERED + Duration::from_secs(1));
        for name in ["alice", "bob"] {
            let unchanged = |version| later.unchanged_since(version, &DependsOn::user(name));
            assert!(!unchanged(before.version()) && unchanged(changed.version()), "{name}");
        }
        assert!(later.is_revoked(&DependsOn::token(Some("t1"), None)));
        let last = later.pruned(end.plus(Duration::from_millis(1)), UP);
        assert!(!last.is_revoked(&DependsOn::token(Some("t1"), None)), "it has expired");
        assert!(last.unchanged_since(changed.version(), &DependsOn::user("bob")));
    }

    #[test]
    fn who_begins_anew_trusts_nothing_from_before() {
        let before = RevocationView::empty().with(&[token("t1", Timestamp::MAX)], 9, UP);
        let anew = before.anew();
        assert_eq!(anew.epoch, 0);
        let anew = anew.with(&[token("t2", Timestamp::MAX)], 4, UP);
        assert!(!anew.unchanged_since(before.version(), &DependsOn::user("bob")));
        assert!(anew.unchanged_since(anew.version(), &DependsOn::user("bob")));
        assert!(!anew.is_revoked(&DependsOn::token(Some("t1"), None)));
    }
}

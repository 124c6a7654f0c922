//! Cache of credentials that one worker has verified.
//!
//! One rule for every scheme: an entry holds until its time has come or something that it depends on was changed. What is revoked of
//! others costs it two look-ups in memory, and no hash, no signature and no question to the store.

use crate::RevocationWatch;
use crate::revocation::DependsOn;
use haechi_core::Timestamp;
use quick_cache::{Equivalent, unsync};
use std::cell::Cell;
use std::hash::Hash;
use std::sync::Arc;

/// Bounded. Keys are hashed with a seed per worker, and only whoever holds valid credentials can add entries.
pub(crate) struct CredentialCache<K, V> {
    entries: unsync::Cache<K, Entry<V>>,
    /// `None` where nothing can be revoked.
    watch: Option<Arc<RevocationWatch>>,
}

struct Entry<V> {
    value: V,
    depends_on: DependsOn,
    /// The first instant at which it does not hold.
    ends: Timestamp,
    /// The view under which it was last found to hold.
    version: Cell<u64>,
}

/// The view under which something is verified.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Version(u64);

impl Version {
    /// Of this view.
    pub(crate) const fn of(view: &crate::RevocationView) -> Self {
        Self(view.version())
    }

    /// Where nothing can be revoked.
    pub(crate) const fn unwatched() -> Self {
        Self(0)
    }
}

/// What is known of a credential.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Found<V> {
    /// It holds.
    Holds(V),
    /// It would hold, but revocations are not known recently enough.
    Stale,
    /// It was revoked for good: nothing has to be verified to know so, however many come at once.
    Revoked,
}

/// What is remembered of a credential, for whoever can look again at what changed without verifying the credential anew.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Recalled<V> {
    /// Nothing that it depends on was changed.
    Holds(V),
    /// Something was, or nobody knows whether it was.
    InDoubt(V),
}

impl<K: Eq + Hash, V: Clone> CredentialCache<K, V> {
    /// Room for so many entries; `watch` tells what is revoked, where that is possible.
    pub(crate) fn new(entries: usize, watch: Option<Arc<RevocationWatch>>) -> Self {
        Self { entries: unsync::Cache::new(entries), watch }
    }

    /// To be taken before a credential is verified, so that what changes meanwhile ends what is kept of it. `None` while nobody knows what is
    /// revoked: nothing may be kept then.
    pub(crate) fn version(&self) -> Option<Version> {
        match &self.watch {
            None => Some(Version::unwatched()),
            Some(watch) => {
                let view = watch.view();
                watch.is_fresh(&view).then(|| Version::of(&view))
            }
        }
    }

    /// What is known of the credential `key`; `None` when it must be verified. An entry that `holds` refuses is forgotten.
    pub(crate) fn find<Q>(
        &mut self,
        key: &Q,
        now: Timestamp,
        holds: impl FnOnce(&V) -> bool,
    ) -> Option<Found<V>>
    where
        Q: Hash + Equivalent<K> + ?Sized,
    {
        let entry = self.entries.get(key)?;
        if now >= entry.ends || !holds(&entry.value) {
            self.entries.remove(key);
            return None;
        }
        let Some(watch) = &self.watch else { return Some(Found::Holds(entry.value.clone())) };
        let view = watch.view();
        if !watch.is_fresh(&view) {
            return Some(Found::Stale);
        }
        if !view.unchanged_since(entry.version.get(), &entry.depends_on) {
            if view.is_revoked(&entry.depends_on) {
                return Some(Found::Revoked);
            }
            self.entries.remove(key);
            return None;
        }
        entry.version.set(view.version());
        Some(Found::Holds(entry.value.clone()))
    }

    /// What is remembered of the credential `key`. Only what has ended is forgotten: what is in doubt can be looked at again.
    pub(crate) fn recall<Q>(&mut self, key: &Q, now: Timestamp) -> Option<Recalled<V>>
    where
        Q: Hash + Equivalent<K> + ?Sized,
    {
        let entry = self.entries.get(key)?;
        if now >= entry.ends {
            self.entries.remove(key);
            return None;
        }
        let Some(watch) = &self.watch else { return Some(Recalled::Holds(entry.value.clone())) };
        let view = watch.view();
        if watch.is_fresh(&view) && view.unchanged_since(entry.version.get(), &entry.depends_on) {
            entry.version.set(view.version());
            return Some(Recalled::Holds(entry.value.clone()));
        }
        Some(Recalled::InDoubt(entry.value.clone()))
    }

    /// Keeps what was verified under `version`, until `ends`.
    pub(crate) fn keep(
        &mut self,
        key: K,
        value: V,
        depends_on: DependsOn,
        ends: Timestamp,
        version: Version,
    ) {
        self.entries.insert(key, Entry { value, depends_on, ends, version: Cell::new(version.0) });
    }
}

#[cfg(test)]
mod tests {
    use super::{CredentialCache, Found, Recalled};
    use crate::RevocationWatch;
    use crate::revocation::{DependsOn, MAX_AGE};
    use crate::test_support::clock;
    use haechi_core::ports::{Change, Revoked};
    use haechi_core::{Clock, Timestamp};
    use haechi_testkit::FixedClock;
    use std::sync::Arc;
    use std::time::Duration;

    const NOW: Timestamp = Timestamp::from_seconds(1_800_000_000);
    const LATER: Timestamp = Timestamp::from_seconds(1_800_000_060);

    struct World {
        clock: Arc<FixedClock>,
        watch: Arc<RevocationWatch>,
        cache: CredentialCache<u32, &'static str>,
    }

    impl World {
        fn new() -> Self {
            let clock = clock();
            let watch = Arc::new(RevocationWatch::new(clock.clone()));
            let world = Self { clock, cache: CredentialCache::new(8, Some(watch.clone())), watch };
            world.learn(&[]);
            world
        }

        fn learn(&self, users: &[&str]) {
            let view = crate::RevocationView::clone(&self.watch.view());
            let changes: Vec<_> = users.iter().map(|id| Change::User((*id).into())).collect();
            let epoch = view.epoch + changes.len() as u64;
            self.watch.replace(view.with(&changes, epoch, self.clock.uptime()));
        }

        fn keep(&mut self, key: u32, user: &str) {
            let version = self.cache.version().unwrap();
            self.cache.keep(key, "kept", DependsOn::user(user), LATER, version);
        }

        fn find(&mut self, key: u32, now: Timestamp) -> Option<Found<&'static str>> {
            self.cache.find(&key, now, |_| true)
        }
    }

    #[test]
    fn changes_to_others_end_nothing() {
        let mut world = World::new();
        world.keep(1, "alice");
        for n in 0..100 {
            world.learn(&[&format!("user {n}")]);
            assert_eq!(world.find(1, NOW), Some(Found::Holds("kept")));
        }
        world.learn(&["bob", "alice"]);
        assert_eq!(world.find(1, NOW), None);
        world.keep(1, "alice");
        assert_eq!(world.find(1, NOW), Some(Found::Holds("kept")), "verified after the change");
    }

    #[test]
    fn a_change_that_comes_while_it_is_verified_ends_it() {
        let mut world = World::new();
        let version = world.cache.version().unwrap();
        world.learn(&["alice"]);
        world.cache.keep(1, "kept", DependsOn::user("alice"), LATER, version);
        world.cache.keep(2, "kept", DependsOn::user("bob"), LATER, version);
        assert_eq!(world.find(1, NOW), None);
        assert_eq!(world.find(2, NOW), Some(Found::Holds("kept")));
    }

    #[test]
    fn an_old_view_is_no_knowledge_and_ends_nothing() {
        let mut world = World::new();
        world.keep(1, "alice");
        world.clock.advance(MAX_AGE);
        assert_eq!(world.find(1, NOW), Some(Found::Holds("kept")));
        world.clock.advance(Duration::from_millis(1));
        assert_eq!(world.find(1, NOW), Some(Found::Stale));
        world.clock.set(Timestamp::from_millis(0));
        assert_eq!(world.find(1, NOW), Some(Found::Stale), "who sets the clock back learns nothing");
        assert_eq!(world.cache.version(), None);
        world.learn(&[]);
        assert_eq!(world.find(1, NOW), Some(Found::Holds("kept")));
    }

    #[test]
    fn what_is_revoked_for_good_need_not_be_verified_again() {
        let mut world = World::new();
        let version = world.cache.version().unwrap();
        for key in [1, 2] {
            let id = format!("t{key}");
            world.cache.keep(key, "kept", DependsOn::token(Some(&id), Some("s")), LATER, version);
        }
        let revoke = |what| Change::Revoked { what, until: Timestamp::MAX };
        let view = crate::RevocationView::clone(&world.watch.view());
        let view = view.with(&[revoke(Revoked::Token("t1".into()))], 1, world.clock.uptime());
        world.watch.replace(view.clone());
        assert_eq!(world.find(1, NOW), Some(Found::Revoked));
        assert_eq!(world.find(1, NOW), Some(Found::Revoked));
        assert_eq!(world.find(2, NOW), Some(Found::Holds("kept")));
        let view = view.with(&[revoke(Revoked::Session("s".into()))], 2, world.clock.uptime());
        world.watch.replace(view);
        assert_eq!(world.find(2, NOW), Some(Found::Revoked));
        assert_eq!(world.find(1, LATER), None);
    }

    #[test]
    fn time_ends_it_and_so_does_whoever_keeps_it() {
        let mut world = World::new();
        world.keep(1, "alice");
        assert_eq!(world.find(1, LATER), None);
        world.keep(1, "alice");
        assert_eq!(world.cache.find(&1, NOW, |_| false), None);
        assert_eq!(world.find(1, NOW), None);
    }

    #[test]
    fn what_is_in_doubt_stays_until_its_time_is_over() {
        let mut world = World::new();
        world.keep(1, "alice");
        assert_eq!(world.cache.recall(&1, NOW), Some(Recalled::Holds("kept")));
        world.learn(&["bob"]);
        assert_eq!(world.cache.recall(&1, NOW), Some(Recalled::Holds("kept")));
        world.learn(&["alice"]);
        for _ in 0..2 {
            assert_eq!(world.cache.recall(&1, NOW), Some(Recalled::InDoubt("kept")));
        }
        world.keep(1, "alice");
        assert_eq!(world.cache.recall(&1, NOW), Some(Recalled::Holds("kept")), "looked at again");
        world.clock.advance(MAX_AGE + Duration::from_millis(1));
        assert_eq!(world.cache.recall(&1, NOW), Some(Recalled::InDoubt("kept")), "nobody knows");
        assert_eq!(world.cache.recall(&1, LATER), None);
        assert_eq!(world.cache.recall(&1, NOW), None);
    }

    #[test]
    fn it_is_bounded() {
        let mut world = World::new();
        (0..1000).for_each(|key| world.keep(key, "alice"));
        let kept = (0..1000).filter(|key| world.find(*key, NOW).is_some()).count();
        assert!((1..=8).contains(&kept), "{kept}");
    }
}

//! Follows revocations from the store, so that this node's view of them stays fresh.

use super::passwords::REALM;
use crate::control::STORE_ANSWERS_WITHIN;
use crate::{RevocationView, RevocationWatch};
use haechi_core::ports::{Change, Revocations, StoreError, Stored};
use haechi_core::{Clock, Timestamp};
use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;
use tokio::time::MissedTickBehavior;

/// How often the store is asked, also where it tells of changes by itself: what it tells may get lost.
const EVERY: Duration = Duration::from_secs(1);
/// Where it tells, it is asked at once, and not more often than this.
const AT_MOST_EVERY: Duration = Duration::from_millis(100);
/// What no longer matters is forgotten, here and in the store, this often.
const TIDY_EVERY: Duration = Duration::from_secs(10 * 60);
/// What was revoked is kept for so long after it has expired by itself.
const KEPT_BEYOND: Duration = Duration::from_secs(6 * 60 * 60);
/// How many changes are asked for at once.
const CHANGES_AT_ONCE: usize = 10_000;

/// Asks what was revoked or changed, once a second and when the store says that something was, for ever. While the store does not answer the view grows stale, and what depends on it
/// answers could-not-find-out. Needs a runtime with timers.
pub async fn watch_revocations(
    store: Arc<dyn Revocations>,
    watch: Arc<RevocationWatch>,
    clock: Arc<dyn Clock>,
) {
    let mut ticks = tokio::time::interval(EVERY);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut tidied = None;
    let mut expiry = Expiry::default();
    let mut well = true;
    let mut changed = store.changed();
    loop {
        tokio::select! {
            _ = ticks.tick() => {}
            () = &mut changed => {
                tokio::time::sleep(AT_MOST_EVERY).await;
                changed = store.changed();
            }
        }
        let uptime = clock.uptime();
        let tidy = tidied.is_none_or(|last| uptime.saturating_sub(last) >= TIDY_EVERY);
        let expired_before = expiry.observe(clock.now(), uptime).filter(|_| tidy);
        match poll(&*store, &watch, &*clock, expired_before, CHANGES_AT_ONCE).await {
            Ok(()) if tidy => tidied = Some(uptime),
            Ok(()) => {}
            Err(error) if well => tracing::warn!(%error, "cannot read revocations from the store"),
            Err(_) => {}
        }
        well = watch.view().as_of >= Some(uptime);
    }
}

/// What has expired for certain. A clock that goes forward and back again must not make anything valid that was revoked: an entry is forgotten
/// when it was past its expiry for [`KEPT_BEYOND`] without a break, however the clock was set meanwhile.
#[derive(Debug, Default)]
struct Expiry {
    /// The earliest time that the clock showed in each span of [`TIDY_EVERY`], and when the span began (uptime), oldest first.
    seen: VecDeque<(Duration, Timestamp)>,
}

impl Expiry {
    /// Takes note of what the clock shows. Returns what everything had to expire before to be forgotten, as soon as that is known.
    fn observe(&mut self, now: Timestamp, uptime: Duration) -> Option<Timestamp> {
        match self.seen.back_mut() {
            Some((began, earliest)) if uptime.saturating_sub(*began) < TIDY_EVERY => {
                *earliest = now.min(*earliest);
            }
            _ => self.seen.push_back((uptime, now)),
        }
        let is_old = |(began, _): &(Duration, Timestamp)| uptime.saturating_sub(*began) >= KEPT_BEYOND;
        // The last one that is old enough says that the whole span was looked at.
        while self.seen.get(1).is_some_and(is_old) {
            self.seen.pop_front();
        }
        let known = self.seen.front().is_some_and(is_old);
        known.then(|| self.seen.iter().map(|(_, earliest)| *earliest).min()).flatten()
    }
}

/// One poll. A new view comes in force when all changes are known, and is as of the time before the last of them were asked for.
async fn poll(
    store: &dyn Revocations,
    watch: &RevocationWatch,
    clock: &dyn Clock,
    expired_before: Option<Timestamp>,
    at_once: usize,
) -> Result<(), StoreError> {
    let uptime = clock.uptime();
    let mut unlocked = Vec::new();
    let known = RevocationView::clone(&watch.view());
    let view = catch_up(store, known, (clock, &mut unlocked), at_once).await?;
    let view = match expired_before {
        Some(expired_before) => view.pruned(expired_before, uptime),
        None => view,
    };
    watch.replace(view);
    // After it: nothing that is revoked waits for a shared state that is slow.
    if let Some(guesses) = watch.guesses() {
        for name in unlocked {
            guesses.unlock((REALM, &name)).await;
        }
    }
    if let Some(expired_before) = expired_before {
        in_time(store.forget_expired(expired_before)).await?;
    }
    Ok(())
}

/// `known` and what changed since, with who was unlocked; or everything from the beginning, where the store can no longer tell what changed since.
async fn catch_up(
    store: &dyn Revocations,
    known: RevocationView,
    (clock, unlocked): (&dyn Clock, &mut Vec<String>),
    at_once: usize,
) -> Result<RevocationView, StoreError> {
    let (mut view, mut anew) = (known, false);
    loop {
        let as_of = clock.uptime();
        let (page, age) = in_time(store.followed_since(view.epoch, at_once)).await?;
        let as_of = as_of.saturating_sub(age);
        if !anew && !page.follows(view.epoch) {
            (view, anew) = (view.anew(), true);
            continue;
        }
        let (last, forward) = (page.epoch >= page.newest, page.epoch > view.epoch);
        if page.newest < view.epoch || !(last || forward) {
            return Err(StoreError::Unavailable("the revocation epoch went back meanwhile".into()));
        }
        // What was known before is known still: an older copy makes no knowledge older.
        let as_of = if anew { as_of } else { as_of.max(view.as_of.unwrap_or_default()) };
        unlocked.extend(page.changes.iter().filter_map(|change| match change {
            Change::Unlock(name) => Some(name.clone()),
            _ => None,
        }));
        view = view.with(&page.changes, page.epoch, as_of);
        if last {
            return Ok(view);
        }
    }
}

async fn in_time<T>(answer: Stored<'_, T>) -> Result<T, StoreError> {
    let answer = tokio::time::timeout(STORE_ANSWERS_WITHIN, answer).await;
    answer.unwrap_or_else(|_| Err(StoreError::Unavailable("no answer in time".into())))
}

#[cfg(test)]
mod tests {
    use super::{Expiry, KEPT_BEYOND, TIDY_EVERY, poll, watch_revocations};
    use crate::RevocationWatch;
    use crate::revocation::DependsOn;
    use crate::test_support::clock;
    use haechi_core::ports::{Change, Changes, Revocations, Revoked, StoreError, Stored};
    use haechi_core::{Clock, Timestamp};
    use haechi_testkit::{Fault, FaultyStore, FixedClock};
    use std::sync::Arc;
    use std::time::Duration;

    fn session(id: &str) -> Revoked {
        Revoked::Session(id.into())
    }

    struct World {
        store: Arc<FaultyStore>,
        clock: Arc<FixedClock>,
        watch: RevocationWatch,
    }

    impl World {
        fn new() -> Self {
            let clock = clock();
            Self { store: FaultyStore::new(), watch: RevocationWatch::new(clock.clone()), clock }
        }

        async fn revoke(&self, id: &str) {
            let until = self.clock.now().plus(Duration::from_secs(60));
            self.store.inner().revocations.revoke(&session(id), until).await.unwrap();
        }

        async fn poll(&self, tidy: bool) -> Result<(), StoreError> {
            let expired_before = tidy.then(|| self.clock.now());
            poll(&*self.store, &self.watch, &*self.clock, expired_before, 2).await
        }

        fn knows(&self, session: &str) -> bool {
            self.watch.view().is_revoked(&DependsOn::token(None, Some(session)))
        }
    }

    #[tokio::test]
    async fn a_poll_reads_what_is_new() {
        let world = World::new();
        world.revoke("a").await;
        world.poll(true).await.unwrap();
        assert!(world.knows("a") && world.watch.is_fresh(&world.watch.view()));
        let (calls, version) = (world.store.asked(), world.watch.view().version());
        world.clock.advance(Duration::from_secs(4));
        world.poll(false).await.unwrap();
        assert_eq!(world.store.asked() - calls, 1);
        assert_eq!(world.watch.view().version(), version, "nothing is new");
        assert_eq!(world.watch.view().as_of, Some(world.clock.uptime()));
        world.revoke("b").await;
        world.poll(false).await.unwrap();
        assert_eq!(world.store.asked() - calls, 2);
        assert!(world.knows("a") && world.knows("b"));
        world.clock.advance(Duration::from_secs(61));
        world.poll(true).await.unwrap();
        assert!(!world.knows("a") && !world.knows("b"), "what has expired is forgotten");
    }

    #[tokio::test]
    async fn much_is_read_in_parts_and_known_whole() {
        let world = World::new();
        for id in ["a", "b", "c", "d", "e"] {
            world.revoke(id).await;
        }
        let calls = world.store.asked();
        world.poll(false).await.unwrap();
        assert_eq!(world.store.asked() - calls, 3);
        assert!(["a", "b", "c", "d", "e"].into_iter().all(|id| world.knows(id)));
        assert_eq!(world.watch.view().epoch, 5);
    }

    #[tokio::test]
    async fn a_store_that_is_down_leaves_the_view_as_old_as_it_is() {
        let world = World::new();
        world.poll(true).await.unwrap();
        let before = world.watch.view().as_of;
        world.clock.advance(Duration::from_secs(6));
        world.store.set_fault(Fault::Fails);
        assert!(world.poll(false).await.is_err());
        assert_eq!(world.watch.view().as_of, before);
        assert!(!world.watch.is_fresh(&world.watch.view()));
    }

    /// A store whose log was forgotten in part, or that was restored from a backup.
    struct Behind(Changes);

    impl Revocations for Behind {
        fn epoch(&self) -> Stored<'_, u64> {
            Box::pin(async { Ok(self.0.newest) })
        }

        fn changes_since(&self, since: u64, _limit: usize) -> Stored<'_, Changes> {
            let whole = self.0.clone();
            Box::pin(async move { Ok(if since == 0 { whole } else { Changes { changes: vec![], ..whole } }) })
        }

        fn revoke<'a>(&'a self, _what: &'a Revoked, _until: Timestamp) -> Stored<'a, ()> {
            Box::pin(async { Ok(()) })
        }

        fn forget_expired(&self, _now: Timestamp) -> Stored<'_, u64> {
            Box::pin(async { Ok(0) })
        }
    }

    #[tokio::test]
    async fn what_the_store_cannot_tell_any_more_is_read_from_the_beginning() {
        for (newest, forgotten) in [(9, 3), (1, 0)] {
            let world = World::new();
            world.revoke("a").await;
            world.revoke("b").await;
            world.poll(false).await.unwrap();
            let before = world.watch.view().version();
            let changes = vec![Change::Revoked { what: session("c"), until: Timestamp::MAX }];
            let behind = Behind(Changes { changes, epoch: newest, newest, forgotten });
            poll(&behind, &world.watch, &*world.clock, None, 2).await.unwrap();
            assert!(world.knows("c") && !world.knows("a"), "{newest}");
            let view = world.watch.view();
            assert_eq!(view.epoch, newest);
            let bystander = DependsOn::user("bystander");
            assert!(!view.unchanged_since(before, &bystander), "{newest}: verified before, and nobody knows");
            let version = view.version();
            drop(view);
            poll(&behind, &world.watch, &*world.clock, None, 2).await.unwrap();
            assert_eq!(world.watch.view().version(), version, "{newest}: known from here on");
        }
    }

    #[test]
    fn a_clock_that_goes_forward_and_back_forgets_nothing() {
        let (clock, mut expiry) = (clock(), Expiry::default());
        let start = clock.now();
        let mut pass = |spans: u64| {
            let mut known = None;
            for _ in 0..spans {
                clock.advance(TIDY_EVERY);
                known = expiry.observe(clock.now(), clock.uptime());
            }
            known
        };
        let enough = KEPT_BEYOND.as_secs() / TIDY_EVERY.as_secs();
        assert_eq!(pass(enough), None, "not looked at for long enough");
        assert_eq!(pass(1), Some(start.plus(TIDY_EVERY)));
        clock.set(clock.now().plus(Duration::from_secs(400 * 86_400)));
        assert!(pass(enough) < Some(start.plus(KEPT_BEYOND * 2)), "forward, for less than it takes");
        clock.set(start);
        assert!(pass(enough) <= Some(start.plus(TIDY_EVERY)), "and back");
    }

    #[tokio::test(start_paused = true)]
    async fn the_watch_goes_on_after_trouble() {
        let (store, clock) = (FaultyStore::new(), clock());
        let watch = Arc::new(RevocationWatch::new(clock.clone()));
        let task = tokio::spawn(watch_revocations(store.clone(), watch.clone(), clock.clone()));
        let fresh = async |wanted: bool| {
            tokio::time::timeout(Duration::from_secs(60), async {
                while watch.is_fresh(&watch.view()) != wanted {
                    tokio::time::sleep(Duration::from_millis(100)).await;
                    clock.advance(Duration::from_millis(100));
                }
            })
            .await
            .unwrap();
        };
        fresh(true).await;
        for fault in [Fault::Fails, Fault::Hangs] {
            store.set_fault(fault);
            fresh(false).await;
            store.set_fault(Fault::None);
            fresh(true).await;
        }
        task.abort();
    }
}

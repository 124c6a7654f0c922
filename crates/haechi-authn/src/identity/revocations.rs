//! Keeping this node's knowledge of revocations fresh.

use crate::control::STORE_ANSWERS_WITHIN;
use crate::{RevocationView, RevocationWatch};
use haechi_core::ports::{Revocations, StoreError};
use haechi_core::{Clock, Timestamp};
use std::sync::Arc;
use std::time::Duration;
use tokio::time::MissedTickBehavior;

const EVERY: Duration = Duration::from_secs(1);
/// Expired entries are forgotten, and left out of the view, this often.
const TIDY_EVERY: Duration = Duration::from_secs(10 * 60);

/// Asks once a second what was revoked, for ever. While the store does not answer the view grows stale, and what depends on it answers
/// could-not-find-out. Needs a runtime with timers.
pub async fn watch_revocations(
    store: Arc<dyn Revocations>,
    watch: Arc<RevocationWatch>,
    clock: Arc<dyn Clock>,
) {
    let mut ticks = tokio::time::interval(EVERY);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut tidied = None;
    let mut well = true;
    loop {
        ticks.tick().await;
        let now = clock.now();
        let tidy = tidied.is_none_or(|last| now.since(last) >= TIDY_EVERY);
        let outcome = tokio::time::timeout(STORE_ANSWERS_WITHIN, poll(&*store, &watch, now, tidy)).await;
        match outcome.unwrap_or_else(|_| Err(StoreError::Unavailable("no answer in time".into()))) {
            Ok(()) if tidy => tidied = Some(now),
            Ok(()) => {}
            Err(error) if well => tracing::warn!(%error, "what was revoked is not known"),
            Err(_) => {}
        }
        well = watch.view().as_of >= now;
    }
}

/// One poll. The view is as of the time before the store was asked.
async fn poll(
    store: &dyn Revocations,
    watch: &RevocationWatch,
    now: Timestamp,
    all: bool,
) -> Result<(), StoreError> {
    // The epoch first: what is revoked between the two calls is then in the set already, and the next poll sees the epoch grow.
    let epoch = store.epoch().await?;
    let known = watch.view();
    let revoked = if all || epoch != known.epoch {
        Arc::new(store.current(now).await?.into_iter().collect())
    } else {
        known.revoked.clone()
    };
    drop(known);
    watch.replace(RevocationView { epoch, revoked, as_of: now });
    if all {
        store.forget_expired(now).await?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::{poll, watch_revocations};
    use crate::RevocationWatch;
    use crate::fake::{FakeClock, FakeStore, Mood};
    use haechi_core::Clock;
    use haechi_core::ports::{Revocations, Revoked};
    use std::sync::Arc;
    use std::time::Duration;

    fn session(id: &str) -> Revoked {
        Revoked::Session(id.into())
    }

    #[tokio::test]
    async fn a_poll_reads_the_set_only_when_the_epoch_moved() {
        let (store, clock, watch) = (FakeStore::new(), FakeClock::new(), RevocationWatch::new());
        store.revoke(&session("a"), clock.now().plus(Duration::from_secs(60))).await.unwrap();
        poll(&*store, &watch, clock.now(), true).await.unwrap();
        assert!(watch.view().revoked.contains(&session("a")) && watch.view().is_fresh(clock.now()));
        let (calls, before) = (store.asked(), watch.view().revoked.clone());
        clock.advance(Duration::from_secs(4));
        poll(&*store, &watch, clock.now(), false).await.unwrap();
        assert_eq!(store.asked() - calls, 1, "the epoch only");
        assert!(Arc::ptr_eq(&watch.view().revoked, &before), "nothing is copied");
        assert_eq!(watch.view().as_of, clock.now());
        store.revoke(&session("b"), clock.now().plus(Duration::from_secs(60))).await.unwrap();
        poll(&*store, &watch, clock.now(), false).await.unwrap();
        assert!(watch.view().revoked.contains(&session("b")));
        clock.advance(Duration::from_secs(61));
        poll(&*store, &watch, clock.now(), true).await.unwrap();
        assert!(watch.view().revoked.is_empty(), "what has expired is forgotten");
    }

    #[tokio::test]
    async fn a_store_that_is_down_leaves_the_view_as_old_as_it_is() {
        let (store, clock, watch) = (FakeStore::new(), FakeClock::new(), RevocationWatch::new());
        poll(&*store, &watch, clock.now(), true).await.unwrap();
        let before = watch.view().as_of;
        clock.advance(Duration::from_secs(6));
        store.feels(Mood::Down);
        assert!(poll(&*store, &watch, clock.now(), false).await.is_err());
        assert_eq!(watch.view().as_of, before);
        assert!(!watch.view().is_fresh(clock.now()));
    }

    #[tokio::test(start_paused = true)]
    async fn the_watch_goes_on_after_trouble() {
        let (store, clock) = (FakeStore::new(), FakeClock::new());
        let watch = Arc::new(RevocationWatch::new());
        let task = tokio::spawn(watch_revocations(store.clone(), watch.clone(), clock.clone()));
        let fresh = async |wanted: bool| {
            tokio::time::timeout(Duration::from_secs(60), async {
                while watch.view().is_fresh(clock.now()) != wanted {
                    tokio::time::sleep(Duration::from_millis(100)).await;
                    clock.advance(Duration::from_millis(100));
                }
            })
            .await
            .unwrap();
        };
        fresh(true).await;
        for mood in [Mood::Down, Mood::Hangs] {
            store.feels(mood);
            fresh(false).await;
            store.feels(Mood::Well);
            fresh(true).await;
        }
        task.abort();
    }
}

//! Quotas of API keys over nodes and restarts: counted in memory, told to the store once a second, all of them in one statement or few.
//!
//! What a crash may lose is what was counted since the store was last told. What other nodes have counted is known as late.

use haechi_core::Clock;
use haechi_core::caller::CallerLimits;
use haechi_core::ports::{ApiKeyRecord, Quota, QuotaUse, Quotas, StoreError};
use haechi_core::rate::{QuotaCount, Rate};
use std::collections::HashMap;
use std::num::NonZeroU32;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

/// How often the store is told.
const TOLD_EVERY: Duration = Duration::from_secs(1);
/// How often it is asked what other nodes have counted, where this one has nothing to tell.
const ASKED_EVERY: u64 = 5;
/// How often windows that have ended are forgotten, in the same unit.
const FORGOTTEN_EVERY: u64 = 3_600;
/// For how long they stay.
const KEPT_FOR: Duration = Duration::from_secs(24 * 60 * 60);
/// How many the store is told of at once.
const AT_ONCE: usize = 500;
/// A store that has not answered by then is not there.
const SAVED_WITHIN: Duration = Duration::from_secs(5);

/// Keeps the counts of the keys that are in use. One for the process.
pub struct QuotaKeeper {
    store: Arc<dyn Quotas>,
    clock: Arc<dyn Clock>,
    /// By key and quota: those that somebody holds, and those of which the store does not know all yet.
    counts: Mutex<HashMap<(String, Quota), Arc<QuotaCount>>>,
}

impl QuotaKeeper {
    /// Nothing is in use yet.
    pub fn new(store: Arc<dyn Quotas>, clock: Arc<dyn Clock>) -> Arc<Self> {
        Arc::new(Self { store, clock, counts: Mutex::default() })
    }

    /// The limits that a key brings itself; `None` where it has none. Asks the store for a quota that nobody here has used lately.
    ///
    /// # Errors
    /// [`StoreError`], where it is not known how much of the quota is used.
    pub async fn limits(&self, key: &ApiKeyRecord) -> Result<Option<Arc<CallerLimits>>, StoreError> {
        let quota = match key.quota {
            Some(quota) => Some(self.count(&key.id, quota).await?),
            None => None,
        };
        let rate = key.rate_limit.map(rate);
        Ok((rate.is_some() || quota.is_some()).then(|| Arc::new(CallerLimits { rate, quota })))
    }

    async fn count(&self, key: &str, quota: Quota) -> Result<Arc<QuotaCount>, StoreError> {
        let place = (key.to_owned(), quota);
        if let Some(known) = self.counts().get(&place) {
            return Ok(known.clone());
        }
        let count = Arc::new(QuotaCount::new(key, quota));
        let asked = [count.unsaved(self.clock.now())];
        if let ([asked], Some(total)) = (&asked, self.store.add(&asked).await?.first()) {
            count.saved(asked, *total);
        }
        Ok(self.counts().entry(place).or_insert(count).clone())
    }

    /// Tells the store again and again, for as long as somebody waits for it.
    pub async fn keep_saving(self: Arc<Self>) {
        let (mut well, mut round) = (true, 0_u64);
        loop {
            tokio::time::sleep(TOLD_EVERY).await;
            round += 1;
            let mut outcome = self.save(round.is_multiple_of(ASKED_EVERY)).await;
            if outcome.is_ok() && round.is_multiple_of(FORGOTTEN_EVERY) {
                outcome = self.store.forget(self.clock.now().minus(KEPT_FOR)).await;
            }
            match &outcome {
                Err(error) if well => {
                    tracing::warn!(%error, "cannot save the use of quotas; this node counts on by itself");
                }
                _ => {}
            }
            well = outcome.is_ok();
        }
    }

    /// Tells the store what it does not know yet; with `all`, asks about the others too.
    ///
    /// # Errors
    /// [`StoreError`]: what could not be told is told the next time.
    pub async fn save(&self, all: bool) -> Result<(), StoreError> {
        let now = self.clock.now();
        let counts: Vec<Arc<QuotaCount>> = self.counts().values().cloned().collect();
        let unsaved = counts.into_iter().map(|count| {
            let unsaved = count.unsaved(now);
            (count, unsaved)
        });
        let wanted: Vec<_> = unsaved.filter(|(_, unsaved)| all || unsaved.requests > 0).collect();
        for chunk in wanted.chunks(AT_ONCE) {
            let uses: Vec<QuotaUse> = chunk.iter().map(|(_, unsaved)| unsaved.clone()).collect();
            let told = tokio::time::timeout(SAVED_WITHIN, self.store.add(&uses)).await;
            // Whether a store that is late has counted is not known. It is told again: too much is on the safe side of a quota.
            let totals = told.map_err(|_| StoreError::Unavailable("no answer in time".to_owned()))??;
            for ((count, saved), total) in chunk.iter().zip(totals) {
                count.saved(saved, total);
            }
        }
        drop(wanted);
        // What nobody holds but this map, and the store knows, can be learned again.
        self.counts().retain(|_, count| Arc::strong_count(count) > 1 || count.unsaved(now).requests > 0);
        Ok(())
    }

    fn counts(&self) -> MutexGuard<'_, HashMap<(String, Quota), Arc<QuotaCount>>> {
        self.counts.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A key's own limit lets its whole number through at once after a time of rest.
fn rate(limit: Quota) -> Rate {
    let requests = NonZeroU32::new(limit.requests).unwrap_or(NonZeroU32::MIN);
    Rate { requests, per: Duration::from_secs(limit.per_seconds.max(1).into()), burst: requests }
}

impl std::fmt::Debug for QuotaKeeper {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("QuotaKeeper").field("counts", &self.counts().len()).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::QuotaKeeper;
    use haechi_core::ports::{ApiKeyRecord, KeyState, Quota};
    use haechi_core::{Attributes, Timestamp};
    use haechi_testkit::{Fault, FaultyStore, FixedClock};
    use std::sync::Arc;

    const NOW: Timestamp = Timestamp::from_seconds(1_764_028_800);

    fn key(requests: u32) -> ApiKeyRecord {
        ApiKeyRecord {
            id: "k".into(),
            sha256: [1; 32],
            previous: None,
            owner: "o".into(),
            name: None,
            roles: Vec::new(),
            scopes: Vec::new(),
            attributes: Attributes::new(),
            expires_at: None,
            allowed_addresses: Vec::new(),
            rate_limit: Some(Quota { requests: 3, per_seconds: 60 }),
            quota: Some(Quota { requests, per_seconds: 86_400 }),
            created_at: NOW,
            revision: haechi_core::ports::Revision::first(NOW),
            last_used_at: None,
            last_used_from: None,
            state: KeyState::Active,
            imported: false,
        }
    }

    fn keeper(store: &Arc<FaultyStore>) -> Arc<QuotaKeeper> {
        QuotaKeeper::new(store.clone(), Arc::new(FixedClock::at(NOW)))
    }

    #[tokio::test]
    async fn a_quota_goes_on_after_a_restart_and_over_nodes() {
        let store = FaultyStore::new();
        let one = keeper(&store);
        let limits = one.limits(&key(10)).await.unwrap().unwrap();
        assert_eq!(limits.rate.unwrap().burst.get(), 3);
        let quota = limits.quota.clone().unwrap();
        (0..4).for_each(|_| assert!(quota.take(NOW).is_within));
        one.save(false).await.unwrap();
        let other = keeper(&store);
        let there = other.limits(&key(10)).await.unwrap().unwrap().quota.clone().unwrap();
        assert_eq!(there.take(NOW).remaining, 5);
        other.save(false).await.unwrap();
        one.save(true).await.unwrap();
        assert_eq!(quota.take(NOW).remaining, 4, "what the other counted is known");
    }

    #[tokio::test]
    async fn a_key_in_use_is_one_count_and_one_that_is_not_is_forgotten() {
        let store = FaultyStore::new();
        let keeper = keeper(&store);
        let limits = keeper.limits(&key(10)).await.unwrap().unwrap();
        assert!(limits.quota.as_ref().unwrap().take(NOW).is_within);
        let again = keeper.limits(&key(10)).await.unwrap().unwrap();
        assert_eq!(again.quota.as_ref().unwrap().take(NOW).remaining, 8);
        assert_eq!(store.asked_for("quotas.add"), 1);
        drop((limits, again));
        keeper.save(false).await.unwrap();
        assert!(keeper.counts().is_empty());
        let limits = keeper.limits(&key(10)).await.unwrap().unwrap();
        assert_eq!(limits.quota.as_ref().unwrap().take(NOW).remaining, 7, "the store knows");
    }

    #[tokio::test]
    async fn what_the_store_could_not_be_told_is_told_later() {
        let store = FaultyStore::new();
        let keeper = keeper(&store);
        let limits = keeper.limits(&key(10)).await.unwrap().unwrap();
        assert!(limits.quota.as_ref().unwrap().take(NOW).is_within);
        drop(limits);
        store.set_fault(Fault::Fails);
        assert!(keeper.save(false).await.is_err());
        assert!(keeper.limits(&ApiKeyRecord { id: "another".into(), ..key(1) }).await.is_err(), "not known");
        store.set_fault(Fault::None);
        keeper.save(false).await.unwrap();
        assert_eq!(
            self::keeper(&store)
                .limits(&key(10))
                .await
                .unwrap()
                .unwrap()
                .quota
                .as_ref()
                .unwrap()
                .take(NOW)
                .remaining,
            8
        );
    }
}

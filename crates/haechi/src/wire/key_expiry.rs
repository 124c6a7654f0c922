//! API keys that expire before long: counted for the metrics, and said in the log once a day.

use arc_swap::ArcSwapOption;
use haechi_authn::supervisor::supervise;
use haechi_core::ports::{ApiKeys, KeyFilter, KeyPage, KeyStanding, StoreError};
use haechi_core::{Clock, Timestamp};
use haechi_store::Store;
use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tokio::runtime::Handle;

const DAY: Duration = Duration::from_secs(86_400);

/// The spans that are told apart, as the metric names them. The last is the one from which on keys are named in the log.
pub(super) const WITHIN: [(&str, Duration); 3] =
    [("1d", DAY), ("7d", DAY.saturating_mul(7)), ("14d", DAY.saturating_mul(14))];

/// How often the store is asked.
const EVERY: Duration = Duration::from_secs(15 * 60);
/// How often it is asked until it has answered once.
const FIRST: Duration = Duration::from_secs(5);
/// At most so many keys are named in a day; of more, their number is said.
const NAMED: usize = 100;

/// What is known.
#[derive(Debug, Default)]
pub(crate) struct KeyExpiry {
    counts: ArcSwapOption<[u64; 3]>,
    /// The keys that were named, and when.
    named: Mutex<HashMap<String, Timestamp>>,
}

/// Asks for as long as `control` runs, where there is a store.
pub(super) fn follow(
    expiry: &Arc<KeyExpiry>,
    store: Option<&Store>,
    clock: &Arc<dyn Clock>,
    control: &Handle,
) {
    let Some(store) = store else { return };
    let (expiry, keys, clock) = (expiry.clone(), store.api_keys.clone(), clock.clone());
    supervise(control, "API key expiry", move || expiry.clone().follow(keys.clone(), clock.clone()));
}

impl KeyExpiry {
    /// How many keys expire within each of [`WITHIN`]; `None` until the store has answered.
    pub(super) fn counts(&self) -> Option<[u64; 3]> {
        self.counts.load().as_deref().copied()
    }

    /// What readiness says of it, where there is something to be done soon.
    pub(super) fn note(&self) -> Option<String> {
        match self.counts()? {
            [_, 0, _] => None,
            [_, 1, _] => Some("1 API key expires within 7 days".to_owned()),
            [_, many, _] => Some(format!("{many} API keys expire within 7 days")),
        }
    }

    async fn follow(self: Arc<Self>, keys: Arc<dyn ApiKeys>, clock: Arc<dyn Clock>) {
        loop {
            let asked = self.look(&*keys, clock.now()).await;
            tokio::time::sleep(if asked.is_ok() { EVERY } else { FIRST }).await;
        }
    }

    /// Counts, and names in the log what was not named for a day.
    async fn look(&self, keys: &dyn ApiKeys, now: Timestamp) -> Result<usize, StoreError> {
        let by = WITHIN.map(|(_, span)| now.plus(span));
        let counts = keys.expiring(now, &by).await?;
        let counts: [u64; 3] = counts.try_into().unwrap_or_default();
        self.counts.store(Some(Arc::new(counts)));
        let [.., total] = counts;
        if total == 0 {
            return Ok(0);
        }
        // The most urgent first; those that come twice are named once.
        let mut soon = Vec::new();
        for expires_by in by {
            let standing = Some((KeyStanding::Active, now));
            let filter = KeyFilter { standing, expires_by: Some(expires_by), ..KeyFilter::default() };
            soon.extend(keys.list(&filter, &KeyPage::first(NAMED)).await?);
        }
        let mut named = self.named.lock().unwrap_or_else(PoisonError::into_inner);
        named.retain(|_, at| now.since(*at) < DAY);
        let mut said = 0;
        for key in soon {
            let Some(end) = key.expires_at.filter(|_| named.len() < NAMED) else { continue };
            if let Entry::Vacant(place) = named.entry(key.id) {
                let (name, expires_at) = (key.name.as_deref().unwrap_or("-"), end.rfc3339().to_string());
                let (key, owner) = (place.key(), key.owner);
                tracing::warn!(key, owner, name, expires_at, "an API key expires before long");
                place.insert(now);
                said += 1;
            }
        }
        if said > 0 && total > NAMED as u64 {
            tracing::warn!(
                keys = total,
                "API keys expire within 14 days; `haechi key list --expires-within 14d` lists them"
            );
        }
        Ok(said)
    }
}

#[cfg(test)]
mod tests {
    use super::{DAY, KeyExpiry, NAMED};
    use haechi_core::Timestamp;
    use haechi_core::ports::{ApiKeyRecord, KeyState, Revision};
    use haechi_store::Store;

    const NOW: Timestamp = Timestamp::from_seconds(1_800_000_000);

    async fn add(store: &Store, n: u16, days: Option<u32>) {
        let mut sha256 = [0; 32];
        sha256[..2].copy_from_slice(&n.to_be_bytes());
        let key = ApiKeyRecord {
            id: format!("k{n}"),
            sha256,
            previous: None,
            owner: "acme".into(),
            name: None,
            roles: vec![],
            scopes: vec![],
            attributes: [].into(),
            expires_at: days.map(|days| NOW.plus(DAY * days)),
            allowed_addresses: vec![],
            rate_limit: None,
            quota: None,
            created_at: NOW,
            last_used_at: None,
            last_used_from: None,
            state: KeyState::Active,
            imported: false,
            revision: Revision::first(NOW),
        };
        store.api_keys.add(&key).await.unwrap();
    }

    #[tokio::test]
    async fn a_key_is_named_once_a_day_from_two_weeks_on() {
        let (store, expiry) = (Store::in_memory(), KeyExpiry::default());
        assert_eq!(expiry.look(&*store.api_keys, NOW).await, Ok(0));
        assert_eq!((expiry.counts(), expiry.note()), (Some([0, 0, 0]), None));
        for (n, days) in [(1, Some(1)), (2, Some(7)), (3, Some(14)), (4, Some(15)), (5, None)] {
            add(&store, n, days).await;
        }
        assert_eq!(expiry.look(&*store.api_keys, NOW).await, Ok(3));
        assert_eq!(expiry.counts(), Some([1, 2, 3]));
        assert_eq!(expiry.note().as_deref(), Some("2 API keys expire within 7 days"));
        assert_eq!(expiry.look(&*store.api_keys, NOW.plus(DAY / 2)).await, Ok(0), "said already");
        assert_eq!(expiry.look(&*store.api_keys, NOW.plus(DAY)).await, Ok(3), "one has expired, one is new");
        assert_eq!(expiry.counts(), Some([0, 1, 3]));
    }

    #[tokio::test]
    async fn however_many_expire_the_log_has_room_for_others() {
        let (store, expiry) = (Store::in_memory(), KeyExpiry::default());
        for n in 0..300 {
            add(&store, n, Some(3)).await;
        }
        assert_eq!(expiry.look(&*store.api_keys, NOW).await, Ok(NAMED));
        assert_eq!(expiry.look(&*store.api_keys, NOW).await, Ok(0));
        assert_eq!(expiry.counts(), Some([0, 300, 300]));
    }
}

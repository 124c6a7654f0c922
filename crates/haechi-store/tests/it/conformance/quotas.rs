//! What the port of quotas promises.

use crate::for_every_store;
use haechi_core::Timestamp;
use haechi_core::ports::QuotaUse;
use haechi_store::Store;

for_every_store![uses_add_up, ended_windows_are_forgotten, nothing_is_lost_when_many_tell_at_once];

fn used(key: &str, window: i64, requests: u32) -> QuotaUse {
    QuotaUse {
        key: key.into(),
        window_start: Timestamp::from_seconds(window * 60),
        window_end: Timestamp::from_seconds((window + 1) * 60),
        requests,
    }
}

async fn totals(store: &Store, uses: &[QuotaUse]) -> Vec<u64> {
    store.quotas.add(uses).await.unwrap()
}

/// What nodes tell adds up, by key and window, and comes back in the order in which it was told.
async fn uses_add_up(store: Store) {
    assert_eq!(totals(&store, &[]).await, [0; 0]);
    assert_eq!(totals(&store, &[used("a", 1, 0), used("b", 1, 0)]).await, [0, 0], "nothing was told");
    assert_eq!(totals(&store, &[used("b", 1, 5), used("a", 1, 3), used("a", 2, 1)]).await, [5, 3, 1]);
    assert_eq!(
        totals(&store, &[used("a", 1, u32::MAX), used("c", 1, 0), used("b", 1, 0)]).await,
        [3 + u64::from(u32::MAX), 0, 5]
    );
    assert_eq!(totals(&store, &[used("a", 2, 0), used("b", 1, 0)]).await, [1, 5], "asked, not added");
}

/// Windows that have ended are forgotten, and others stay.
async fn ended_windows_are_forgotten(store: Store) {
    totals(&store, &[used("a", 1, 1), used("a", 2, 2), used("a", 3, 3)]).await;
    store.quotas.forget(Timestamp::from_seconds(3 * 60)).await.unwrap();
    assert_eq!(totals(&store, &[used("a", 1, 0), used("a", 2, 0), used("a", 3, 0)]).await, [0, 2, 3]);
}

/// Nodes that tell at once lose nothing.
async fn nothing_is_lost_when_many_tell_at_once(store: Store) {
    let tell = |reverse: bool| {
        let store = store.clone();
        tokio::spawn(async move {
            for _ in 0..20 {
                let mut uses = [used("a", 1, 1), used("b", 1, 2), used("c", 1, 3)];
                if reverse {
                    uses.reverse();
                }
                totals(&store, &uses).await;
            }
        })
    };
    for task in [tell(false), tell(true), tell(false)] {
        task.await.unwrap();
    }
    assert_eq!(totals(&store, &[used("a", 1, 0), used("b", 1, 0), used("c", 1, 0)]).await, [60, 120, 180]);
}

use super::{exists, missing, refused};
use crate::for_every_store;
use crate::samples::{approval, at, author};
use haechi_core::ports::ApprovalState::{Approved, Expired, Failed, Pending, Rejected};
use haechi_core::ports::{Approval, ApprovalState, StoreError};
use haechi_store::Store;

for_every_store![
    an_approval_comes_back_as_it_was,
    approvals_come_in_pages_newest_first,
    an_approval_is_decided_once,
    what_nobody_decided_expires_once,
];

async fn state(store: &Store, id: &str) -> ApprovalState {
    store.approvals.by_id(id).await.unwrap().unwrap().state
}

async fn an_approval_comes_back_as_it_was(store: Store) {
    let approvals = &store.approvals;
    let decided = Approval {
        state: Rejected,
        decided_by: Some(author(Some("root"))),
        decided_at: Some(at(7)),
        ..approval("b", 9)
    };
    for one in [approval("a", 9), decided] {
        approvals.add(&one).await.unwrap();
        assert_eq!(approvals.by_id(&one.id).await.unwrap(), Some(one.clone()));
        refused(&store, approvals.add(&one), exists(&format!("approval `{}`", one.id))).await;
    }
    for id in ["c", "a\0"] {
        assert_eq!(approvals.by_id(id).await.unwrap(), None);
    }
}

async fn approvals_come_in_pages_newest_first(store: Store) {
    for id in ["01a", "03c", "02b"] {
        store.approvals.add(&approval(id, 9)).await.unwrap();
    }
    let page = async |before: Option<&str>, limit| {
        let page = store.approvals.page(before, limit).await.unwrap();
        page.into_iter().map(|one| one.id).collect::<Vec<_>>()
    };
    assert_eq!(page(None, 2).await, ["03c", "02b"]);
    assert_eq!(page(Some("02b"), 2).await, ["01a"]);
    assert!(page(Some("01a"), 2).await.is_empty());
}

async fn an_approval_is_decided_once(store: Store) {
    let (approvals, by) = (&store.approvals, author(Some("root")));
    approvals.add(&approval("a", 9)).await.unwrap();
    let racing = (0..8).map(|_| {
        let (approvals, by) = (approvals.clone(), by.clone());
        tokio::spawn(async move { approvals.decide("a", (Pending, Approved), Some(&by), at(5)).await })
    });
    let mut done = 0;
    for one in racing.collect::<Vec<_>>() {
        match one.await.unwrap() {
            Ok(()) => done += 1,
            Err(error) => assert_eq!(error, StoreError::Changed("approval `a`".into())),
        }
    }
    assert_eq!(done, 1);
    let found = approvals.by_id("a").await.unwrap().unwrap();
    let decided = Approval {
        state: Approved,
        decided_by: Some(by.clone()),
        decided_at: Some(at(5)),
        content: "{}".into(),
        ..approval("a", 9)
    };
    assert_eq!(found, decided, "what it was is forgotten");
    approvals.decide("a", (Approved, Failed), None, at(6)).await.unwrap();
    assert_eq!(state(&store, "a").await, Failed);
    let decide = |id: &'static str| approvals.decide(id, (Pending, Rejected), Some(&by), at(5));
    refused(&store, decide("b"), missing("approval `b`")).await;
    refused(&store, decide("b\0"), missing("approval `b\0`")).await;
}

async fn what_nobody_decided_expires_once(store: Store) {
    let approvals = &store.approvals;
    for (id, expires) in [("a", 5), ("b", 6), ("c", 5)] {
        approvals.add(&approval(id, expires)).await.unwrap();
    }
    approvals.decide("c", (Pending, Rejected), None, at(1)).await.unwrap();
    assert!(approvals.expire(at(4)).await.unwrap().is_empty());
    let expired = approvals.expire(at(5)).await.unwrap();
    let ended =
        Approval { state: Expired, decided_at: Some(at(5)), content: "{}".into(), ..approval("a", 5) };
    assert_eq!(expired, [ended]);
    assert!(approvals.expire(at(5)).await.unwrap().is_empty());
    assert_eq!((state(&store, "b").await, state(&store, "c").await), (Pending, Rejected));
}

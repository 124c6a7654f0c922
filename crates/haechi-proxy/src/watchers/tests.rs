use super::{DecisionWatchers, MOST, WAITING};
use crate::decisions::{Decided, Headers, RecordedRoute, Wanted};
use haechi_authz::{Decision, DenyReason, Verdict};
use haechi_core::id::{DecisionId, RequestId};
use haechi_core::{Caller, CanonicalPath, Host, Outcome, PathPattern, Timestamp};
use http::Method;
use std::sync::Arc;

fn denied(number: u128) -> Decided {
    let pattern = PathPattern::parse("/**").unwrap();
    let verdict = Arc::new(Verdict::refusal(DenyReason::NoRule));
    Decided {
        decision: Decision {
            id: DecisionId::from_bits(number),
            generation: 1,
            verdict,
            shadow: None,
            external: None,
        },
        unavailable: None,
        received: Timestamp::from_millis(0),
        request: RequestId::from_bits(1),
        method: Method::GET,
        host: Host::parse(b"a").unwrap(),
        path: CanonicalPath::parse(b"/").unwrap(),
        client: [127, 0, 0, 1].into(),
        secure: false,
        headers: Headers::default(),
        route: Arc::new(RecordedRoute { name: "r".into(), pattern, labels: Vec::new() }),
        caller: Arc::new(Caller::anonymous("anonymous")),
        supposed: false,
    }
}

#[tokio::test]
async fn who_is_slow_is_told_how_many_they_missed_and_others_miss_none() {
    let watchers = DecisionWatchers::default();
    assert!(!watchers.are_any());
    let mut slow = watchers.watch(Wanted::default()).unwrap();
    let mut other = watchers.watch(Wanted::default()).unwrap();
    let allowed = Wanted { outcome: Some(Outcome::Allow), ..Wanted::default() };
    let picky = watchers.watch(allowed).unwrap();
    for number in 0..WAITING as u128 + 7 {
        watchers.tell(denied(number));
        assert_eq!(other.next().await.unwrap().decision.id, DecisionId::from_bits(number));
    }
    assert_eq!((slow.missed(), other.missed(), picky.missed()), (7, 0, 0));
    assert_eq!(slow.missed(), 0, "told once");
    for number in 0..WAITING as u128 {
        assert_eq!(slow.next().await.unwrap().decision.id, DecisionId::from_bits(number));
    }
    drop((slow, other, picky));
    assert!(!watchers.are_any() && watchers.0.all.load().is_empty());
}

#[test]
fn only_so_many_watch() {
    let watchers = DecisionWatchers::default();
    let mut all: Vec<_> = (0..MOST).map(|_| watchers.watch(Wanted::default()).unwrap()).collect();
    assert!(watchers.watch(Wanted::default()).is_none());
    all.pop();
    assert!(watchers.watch(Wanted::default()).is_some());
}

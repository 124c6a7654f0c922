use super::{ALLOWED, DecisionRings, REFUSED, REFUSED_BYTES};
use crate::decisions::{Decided, Headers, Outcome, Question, RecordedRoute, Wanted};
use haechi_authz::{Decision, DenyReason, Verdict};
use haechi_core::id::{DecisionId, RequestId};
use haechi_core::{Caller, CanonicalPath, Host, PathPattern, Timestamp};
use http::Method;
use std::sync::Arc;

fn verdict(allowed: bool) -> Arc<Verdict> {
    Arc::new(Verdict {
        denied: (!allowed).then_some(DenyReason::NoPermit),
        ..Verdict::refusal(DenyReason::NoRule)
    })
}

/// A decision with this number, which is its time as well.
fn decided(number: u64, allowed: bool, path: &str) -> Decided {
    let judged =
        RecordedRoute { name: "r".into(), pattern: PathPattern::parse("/**").unwrap(), labels: Vec::new() };
    Decided {
        decision: Decision {
            id: DecisionId::from_bits(u128::from(number) + 1),
            generation: 1,
            verdict: verdict(allowed),
            shadow: None,
            external: None,
        },
        unavailable: None,
        received: Timestamp::from_millis(number as i64),
        request: RequestId::from_bits(1),
        method: Method::GET,
        host: Host::parse(b"a").unwrap(),
        path: CanonicalPath::parse(path.as_bytes()).unwrap(),
        client: [127, 0, 0, 1].into(),
        secure: false,
        headers: Headers::default(),
        route: Arc::new(judged),
        caller: Arc::new(Caller::anonymous("anonymous")),
        supposed: false,
    }
}

fn newest(remembered: &DecisionRings, wanted: Wanted) -> Vec<i64> {
    let found = remembered.answer(&Question::Recent(wanted), 1);
    found.iter().map(|decided| decided.received.as_millis()).collect()
}

fn knows(remembered: &DecisionRings, number: u64) -> bool {
    let id = DecisionId::from_bits(u128::from(number) + 1);
    !remembered.answer(&Question::Of(id), 1).is_empty()
}

#[test]
fn a_flood_of_allowed_requests_drives_out_no_refused_one() {
    let mut remembered = DecisionRings::default();
    remembered.keep(decided(0, false, "/"));
    let flood = 3 * ALLOWED as u64;
    (1..=flood).for_each(|number| remembered.keep(decided(number, true, "/")));
    assert!(knows(&remembered, 0), "the refused one");
    assert!(knows(&remembered, flood) && knows(&remembered, flood + 1 - ALLOWED as u64));
    assert!(!knows(&remembered, flood - ALLOWED as u64), "the oldest allowed ones are gone");
    assert_eq!(remembered.allowed.records.len(), ALLOWED);
}

#[test]
fn a_flood_of_refused_requests_is_bounded_in_number_and_in_bytes() {
    let mut remembered = DecisionRings::default();
    (0..2 * REFUSED as u64).for_each(|number| remembered.keep(decided(number, false, "/")));
    assert_eq!(remembered.refused.records.len(), REFUSED);
    let long = format!("/{}", "a".repeat(8000));
    (0..2 * REFUSED as u64).for_each(|number| remembered.keep(decided(number, false, &long)));
    let ring = &remembered.refused;
    let weighed: usize = ring.records.iter().map(Decided::weight).sum();
    assert!(ring.weight == weighed && weighed <= REFUSED_BYTES && ring.records.len() > 100, "{weighed}");
}

#[test]
fn the_newest_come_first_and_pages_follow_each_other() {
    let mut remembered = DecisionRings::default();
    // Requests end in another order than they begin.
    for number in [3, 1, 2, 6, 5, 4] {
        remembered.keep(decided(number, number % 2 == 0, "/"));
    }
    assert_eq!(newest(&remembered, Wanted { limit: 4, ..Wanted::default() }), [6, 5, 4, 3]);
    let before = Some((Timestamp::from_millis(4), DecisionId::from_bits(5)));
    assert_eq!(newest(&remembered, Wanted { limit: 9, before, ..Wanted::default() }), [3, 2, 1]);
    let denied = Some(Outcome::Deny);
    assert_eq!(newest(&remembered, Wanted { limit: 2, outcome: denied, ..Wanted::default() }), [5, 3]);
    let route = |name: &str| Wanted { limit: 1, route: Some(name.into()), ..Wanted::default() };
    assert_eq!(newest(&remembered, route("r")), [6]);
    assert!(newest(&remembered, route("other")).is_empty());
    assert!(newest(&remembered, Wanted { limit: 0, ..Wanted::default() }).is_empty());
}

#[test]
fn the_first_example_of_each_kind_is_kept_until_another_configuration_comes_into_force() {
    let differing = |number, allowed: bool, generation| {
        let mut decided = decided(number, allowed, "/");
        decided.decision.shadow = Some(verdict(!allowed));
        decided.decision.generation = generation;
        decided
    };
    let mut remembered = DecisionRings::default();
    remembered.keep(decided(0, true, "/"));
    for number in 1..=4 {
        remembered.keep(differing(number, number % 2 == 0, 1));
    }
    let examples = |remembered: &DecisionRings, generation| {
        let found = remembered.answer(&Question::Shadow, generation);
        found.iter().map(|decided| decided.received.as_millis()).collect::<Vec<_>>()
    };
    assert_eq!(examples(&remembered, 1), [2, 1]);
    assert!(
        examples(&remembered, 2).is_empty(),
        "the examples are about policies that are no longer in force"
    );
    remembered.keep(differing(9, true, 2));
    // A request that began under the configuration before.
    remembered.keep(differing(10, false, 1));
    assert_eq!(examples(&remembered, 2), [9]);
    // Examples can be asked for by their ids, however many decisions came after.
    (100..100 + 2 * ALLOWED as u64).for_each(|number| remembered.keep(decided(number, true, "/")));
    assert!(knows(&remembered, 9));
}

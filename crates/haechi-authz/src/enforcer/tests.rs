use crate::point::Answering;
use crate::testing::World;
use crate::{
    AnswerLifetimes, DecisionPoint, Denial, DenialKind, DenyReason, Enforcer, EnforcerParts, Facts,
    HeaderChanges, Memo, Permitted, PointAnswer, Refused, RouteIndex, Source, Unavailable,
};
use haechi_core::Caller;
use haechi_core::id::DecisionId;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

type Says = fn() -> Result<PointAnswer, &'static str>;

/// Says what it is told to, and counts how often it is asked.
#[derive(Debug)]
struct Point {
    name: Arc<str>,
    says: Says,
    keeps: AnswerLifetimes,
    asked: AtomicUsize,
}

impl Point {
    fn new(says: Says) -> Arc<Self> {
        Self::named("opa", says)
    }

    fn named(name: &str, says: Says) -> Arc<Self> {
        Arc::new(Self {
            name: name.into(),
            says,
            keeps: AnswerLifetimes::default(),
            asked: AtomicUsize::new(0),
        })
    }
}

impl DecisionPoint for Point {
    fn name(&self) -> &Arc<str> {
        &self.name
    }

    fn question(&self, facts: &Facts<'_>) -> Result<Vec<u8>, Unavailable> {
        Ok(facts.head.path.as_str().into())
    }

    fn keeps(&self) -> AnswerLifetimes {
        self.keeps
    }

    fn ask(&self, _: Vec<u8>) -> Answering<'_> {
        self.asked.fetch_add(1, Ordering::Relaxed);
        let said =
            (self.says)().map_err(|reason| Unavailable { name: self.name.clone(), reason: reason.into() });
        Box::pin(async { said })
    }
}

fn enforcer(world: &World, point: &Arc<Point>) -> Enforcer {
    enforcer_of(world, std::slice::from_ref(point))
}

fn enforcer_of(world: &World, points: &[Arc<Point>]) -> Enforcer {
    let points = points.iter().cloned().map(|point| -> Arc<dyn DecisionPoint> { point }).collect();
    let engine = world.engine().unwrap();
    Enforcer::new(EnforcerParts { engine, shadow: None, points, generation: 7 }).unwrap()
}

async fn enforce(
    world: &World,
    enforcer: &Enforcer,
    memo: &Memo,
    roles: &[&str],
) -> Result<Permitted, Refused> {
    let (head, route, caller) = world.ask("r").roles(roles).parts();
    enforcer.enforce(head, route, caller, DecisionId::from_bits(7), memo).await
}

fn world() -> World {
    World::new("").route("r", "/r", &["roles USER", "external opa"])
}

#[tokio::test]
async fn a_decision_point_that_says_yes_lets_through_and_one_that_says_no_does_not() {
    let (world, memo) = (world(), Memo::default());
    let yes = enforcer(&world, &Point::new(|| Ok(true.into())));
    let permitted = enforce(&world, &yes, &memo, &["USER"]).await.unwrap();
    assert!(permitted.decision().external.as_ref().unwrap().allowed);
    assert_eq!(permitted.decision().generation, 7);
    let no = enforcer(&world, &Point::new(|| Ok(false.into())));
    let refused = enforce(&world, &no, &memo, &["USER"]).await.unwrap_err();
    assert!(
        matches!(refused, Refused::Denied(_, DenyReason::External(name), Denial { kind: DenialKind::Forbidden }) if &*name == "opa")
    );
}

#[tokio::test]
async fn a_decision_point_that_cannot_tell_never_allows() {
    let (world, memo) = (world(), Memo::default());
    let point = Point::new(|| Err("it is down"));
    let refused = enforce(&world, &enforcer(&world, &point), &memo, &["USER"]).await.unwrap_err();
    assert!(matches!(refused, Refused::Undecided(_, why) if why.reason == "it is down"));
}

#[tokio::test]
#[should_panic(expected = "broken")]
async fn a_decision_point_that_panics_never_allows() {
    let (world, memo) = (world(), Memo::default());
    let point = Point::new(|| panic!("broken"));
    let outcome = enforce(&world, &enforcer(&world, &point), &memo, &["USER"]).await;
    assert!(outcome.is_err(), "let through");
}

#[tokio::test]
async fn a_decision_point_is_not_asked_about_what_the_policies_refuse() {
    let (world, memo) = (world(), Memo::default());
    let point = Point::new(|| Ok(true.into()));
    let refused = enforce(&world, &enforcer(&world, &point), &memo, &["GUEST"]).await.unwrap_err();
    assert!(matches!(refused, Refused::Denied(_, DenyReason::Roles(_), _)));
    assert_eq!(point.asked.load(Ordering::Relaxed), 0);
}

#[tokio::test]
async fn answers_are_kept_as_long_as_they_hold_and_no_longer() {
    let (world, memo) = (world(), Memo::default());
    let keeps = AnswerLifetimes { allow: Duration::from_secs(5), deny: Duration::ZERO };
    let point = Arc::new(Point { keeps, ..Arc::into_inner(Point::new(|| Ok(true.into()))).unwrap() });
    let enforcer = enforcer(&world, &point);
    let mut asked = Vec::new();
    for seconds in [0, 4, 5, 6] {
        let (mut head, route, caller) = world.ask("r").roles(&["USER"]).parts();
        head.received = head.received.plus(Duration::from_secs(seconds));
        enforcer.enforce(head, route, caller, DecisionId::from_bits(7), &memo).await.unwrap();
        asked.push(point.asked.load(Ordering::Relaxed));
    }
    assert_eq!(asked, [1, 1, 2, 2]);
    let point = Arc::new(Point { keeps, ..Arc::into_inner(Point::new(|| Ok(false.into()))).unwrap() });
    let (enforcer, memo) = (super::tests::enforcer(&world, &point), Memo::default());
    for asked in 1..=3 {
        enforce(&world, &enforcer, &memo, &["USER"]).await.unwrap_err();
        assert_eq!(point.asked.load(Ordering::Relaxed), asked);
    }
}

#[tokio::test]
async fn header_changes_come_with_the_permission_and_are_kept_with_the_answer() {
    fn changes() -> HeaderChanges {
        HeaderChanges::new([("X-Plan", "gold")], ["x-debug"]).unwrap()
    }
    let (world, memo) = (world(), Memo::default());
    let keeps = AnswerLifetimes { allow: Duration::from_secs(5), deny: Duration::ZERO };
    let says = || Ok(PointAnswer::Allow(changes()));
    let point = Arc::new(Point { keeps, ..Arc::into_inner(Point::new(says)).unwrap() });
    let enforcer = enforcer(&world, &point);
    for cached in [false, true] {
        let permitted = enforce(&world, &enforcer, &memo, &["USER"]).await.unwrap();
        assert_eq!(*permitted.header_changes(), changes());
        assert_eq!(permitted.decision().external.as_ref().unwrap().cached, cached);
    }
    assert_eq!(point.asked.load(Ordering::Relaxed), 1);
    let (head, route, caller) = world.ask("other").roles(&["USER"]).parts();
    let denied = enforcer.enforce(head, route, caller, DecisionId::from_bits(7), &memo).await;
    assert!(matches!(
        denied,
        Err(Refused::Denied(_, DenyReason::NoPermit, Denial { kind: DenialKind::Forbidden }))
    ));
}

#[tokio::test]
async fn a_decision_point_may_ask_for_authentication_and_that_is_kept() {
    let (world, memo) = (world(), Memo::default());
    let keeps = AnswerLifetimes { allow: Duration::ZERO, deny: Duration::from_secs(5) };
    let says = || Ok(PointAnswer::Deny(Denial { kind: DenialKind::Unauthenticated }));
    let point = Arc::new(Point { keeps, ..Arc::into_inner(Point::new(says)).unwrap() });
    let enforcer = enforcer(&world, &point);
    for _ in 0..2 {
        let Refused::Denied(decision, DenyReason::External(_), denial) =
            enforce(&world, &enforcer, &memo, &["USER"]).await.unwrap_err()
        else {
            panic!("not denied by the point");
        };
        assert_eq!(denial.kind, DenialKind::Unauthenticated);
        assert!(!decision.external.unwrap().allowed);
    }
    assert_eq!(point.asked.load(Ordering::Relaxed), 1);
}

#[tokio::test]
async fn a_route_without_a_rule_is_denied() {
    let (world, memo) = (world().built_in("login", "/login"), Memo::default());
    let enforcer = enforcer(&world, &Point::new(|| Ok(true.into())));
    let routes = enforcer.engine().compiled().vocabulary().routes.len();
    let all = std::iter::once(false).chain(std::iter::repeat_n(true, routes - 1));
    let beyond = [(routes, false), (routes + 1, false), (usize::MAX, false)];
    for (route, passes) in all.enumerate().chain(beyond) {
        let (head, _, caller) = world.ask("r").roles(&["ADMIN"]).parts();
        let outcome =
            enforcer.enforce(head, RouteIndex::new(route), caller, DecisionId::from_bits(7), &memo).await;
        assert_eq!(outcome.is_ok(), passes, "{route}");
        if route >= routes {
            assert!(matches!(outcome, Err(Refused::Denied(_, DenyReason::NoRule, _))), "{route}");
        }
    }
}

#[tokio::test]
async fn no_policy_is_about_a_built_in_route() {
    let open = World::new("").built_in("login", "/login");
    let about_all = [
        "forbid(principal, action, resource);",
        "forbid(principal, action, resource is Route);",
        "permit(principal, action, resource) when { 9223372036854775807 + 1 == 0 };",
    ];
    for (policies, shadow) in about_all.iter().flat_map(|text| [(*text, ""), ("", *text)]) {
        let world = World::new(policies).built_in("login", "/login");
        let parts = EnforcerParts {
            engine: world.engine().unwrap(),
            shadow: Some(World::new(shadow).built_in("login", "/login").engine().unwrap()),
            points: Vec::new(),
            generation: 1,
        };
        let (enforcer, memo) = (Enforcer::new(parts).unwrap(), Memo::default());
        let (head, route, _) = open.ask("login").parts();
        let caller = Arc::new(Caller::anonymous("anonymous"));
        let permitted = enforcer.enforce(head, route, caller, DecisionId::from_bits(7), &memo).await;
        let decision =
            permitted.unwrap_or_else(|refused| panic!("{policies}: {refused:?}")).decision().clone();
        assert_eq!(decision.verdict.decided_by, [Source::Grant], "{policies}");
        assert!(decision.shadow.is_none(), "{shadow}");
    }
}

#[test]
fn no_policy_can_name_a_built_in_route() {
    for policy in [
        "forbid(principal, action, resource == Route::\"login\");",
        "permit(principal, action, resource) when { resource == Route::\"login\" };",
    ] {
        let faults = World::new(policy).built_in("login", "/login").engine().unwrap_err();
        assert_eq!(faults[0].message, "no policy is about the built-in route `login`");
    }
}

#[test]
fn a_rule_cannot_name_a_decision_point_that_is_not_there() {
    let engine = world().engine().unwrap();
    let parts = EnforcerParts { engine, shadow: None, points: Vec::new(), generation: 1 };
    assert_eq!(&*Enforcer::new(parts).unwrap_err().point, "opa");
}

#[tokio::test]
async fn shadow_policies_are_compared_and_never_enforced() {
    let world = World::new("permit(principal, action, resource);").route("r", "/r", &["policy"]);
    let next =
        World::new("permit(principal in Role::\"ADMIN\", action, resource);").route("r", "/r", &["policy"]);
    let parts = EnforcerParts {
        engine: world.engine().unwrap(),
        shadow: Some(next.engine().unwrap()),
        points: Vec::new(),
        generation: 1,
    };
    let (enforcer, memo) = (Enforcer::new(parts).unwrap(), Memo::default());
    for _ in 0..2 {
        let permitted = enforce(&world, &enforcer, &memo, &["USER"]).await.unwrap();
        let shadow = permitted.decision().shadow.as_ref().unwrap();
        assert_eq!(shadow.denied, Some(DenyReason::NoPermit));
        assert!(enforce(&world, &enforcer, &memo, &["ADMIN"]).await.unwrap().decision().shadow.is_none());
    }
}

fn changing(set: &[(&str, &str)], remove: &[&str]) -> Result<PointAnswer, &'static str> {
    let set = set.iter().copied();
    Ok(PointAnswer::Allow(HeaderChanges::new(set, remove.iter().copied()).unwrap()))
}

#[tokio::test]
async fn several_decision_points_must_all_agree_and_the_last_has_the_last_word() {
    let world = World::new("").route("r", "/r", &["external one", "external two", "external three"]);
    let one = || Point::named("one", || changing(&[("x-plan", "free"), ("x-one", "1")], &["x-two"]));
    let two = || Point::named("two", || changing(&[("X_Plan", "gold"), ("x-two", "2")], &["x-debug"]));
    let three = Point::named("three", || Ok(true.into()));
    let points = [one(), two(), three.clone()];
    let permitted =
        enforce(&world, &enforcer_of(&world, &points), &Memo::default(), &["USER"]).await.unwrap();
    let set: Vec<_> = permitted.header_changes().set().collect();
    assert_eq!(set, [("x-one", "1"), ("x_plan", "gold"), ("x-two", "2")]);
    for dropped in ["x-plan", "x.plan", "x-two", "x-debug", "x-one"] {
        assert!(permitted.header_changes().drops(dropped.as_bytes()), "{dropped}");
    }
    assert_eq!(&*permitted.decision().external.as_ref().unwrap().name, "three");

    let says: [(Says, bool); 3] = [
        (|| Ok(false.into()), false),
        (|| Ok(PointAnswer::Deny(Denial { kind: DenialKind::Unauthenticated })), false),
        (|| Err("it is down"), true),
    ];
    for (says, undecided) in says {
        let (first, second, third) =
            (one(), Point::named("two", says), Point::named("three", || Ok(true.into())));
        let points = [first.clone(), second.clone(), third.clone()];
        let refused = enforce(&world, &enforcer_of(&world, &points), &Memo::default(), &["USER"]).await;
        match refused.unwrap_err() {
            Refused::Denied(decision, DenyReason::External(name), _) => {
                assert!(!undecided && &*name == "two", "{name}");
                assert_eq!(&*decision.external.unwrap().name, "two");
            }
            Refused::Undecided(_, unavailable) => assert!(undecided && &*unavailable.name == "two"),
            other => panic!("{other:?}"),
        }
        let asked = [first, second, third].map(|point| point.asked.load(Ordering::Relaxed));
        assert_eq!(asked, [1, 1, 0], "nobody is asked after a no");
    }
}

#[tokio::test]
async fn a_decision_point_cannot_change_what_policies_decided_about() {
    let (world, memo) = (world(), Memo::default());
    let answers: [Says; 3] = [
        || changing(&[("x-tenant", "acme")], &[]),
        || changing(&[("x-plan", "gold"), ("X_TENANT", "acme")], &[]),
        || changing(&[], &["x.tenant"]),
    ];
    for answer in answers {
        let keeps = AnswerLifetimes { allow: Duration::from_secs(5), deny: Duration::ZERO };
        let point = Arc::new(Point { keeps, ..Arc::into_inner(Point::new(answer)).unwrap() });
        let enforcer = enforcer(&world, &point);
        // Also where the answer was kept.
        for _ in 0..2 {
            let refused = enforce(&world, &enforcer, &memo, &["USER"]).await.unwrap_err();
            let Refused::Undecided(_, unavailable) = refused else { panic!("decided") };
            assert_eq!(unavailable.reason, "its answer changes the header `x-tenant`, which policies read");
        }
    }
}

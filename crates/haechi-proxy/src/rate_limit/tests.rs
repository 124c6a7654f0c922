use super::{Counting, LimitFields, RateLimiter, Stage};
use crate::refusal::Refusal;
use crate::settings::{Authentication, LimitBy, OnFailure, RateLimit, Route, RouteSettings, Target};
use haechi_core::caller::{CallerLimits, Claimed, Vouched};
use haechi_core::id::RequestId;
use haechi_core::ports::{BoxFuture, LimitAnswer, LimitCheck, Quota, SharedLimits, SharedStateError};
use haechi_core::rate::{QuotaCount, Rate};
use haechi_core::{
    Caller, CallerKind, CanonicalPath, ConnectionFacts, Fields, Host, PathPattern, RequestHead, RoleTable,
    Timestamp,
};
use haechi_testkit::FixedClock;
use http::Method;
use std::future::pending;
use std::num::NonZeroU32;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::sync::{Arc, Mutex};
use std::time::Duration;

fn number(number: u32) -> NonZeroU32 {
    NonZeroU32::new(number).unwrap()
}

fn rate(requests: u32) -> Rate {
    Rate { requests: number(requests), per: Duration::from_secs(3_600), burst: number(requests) }
}

fn limit(requests: u32, by: LimitBy) -> RateLimit {
    RateLimit::new("r", by.to_string(), by, rate(requests), OnFailure::Local)
}

fn route(limits: Vec<RateLimit>) -> Route {
    let pattern = PathPattern::parse("/tenants/{tenant}/x").unwrap();
    let target = Target::Service(crate::ServiceIndex::new(0));
    let settings = RouteSettings { rate_limits: limits, ..RouteSettings::default() };
    Route { settings, ..Route::new("r", pattern, Authentication::Any(Vec::new()), target) }
}

fn head(client: &str, tenant: &str, fields: &[(&str, &str)]) -> RequestHead {
    let client = client.parse().unwrap();
    let mut sent = Fields::default();
    fields.iter().for_each(|(name, value)| sent.push(name.as_bytes(), value.as_bytes()));
    RequestHead::new(
        RequestId::from_bits(1),
        Timestamp::from_seconds(1_764_028_800),
        ConnectionFacts::plain((client, 4711).into()),
        Method::GET,
        Host::parse(b"localhost").unwrap(),
        CanonicalPath::parse(format!("/tenants/{tenant}/x").as_bytes()).unwrap(),
    )
    .with_client(client, false)
    .with_fields(sent)
}

fn caller(kind: CallerKind, subject: &str, credential: Option<&str>) -> Caller {
    let claimed = Claimed {
        subject: subject.into(),
        issuer: "i".into(),
        credential_id: credential.map(str::to_owned),
        ..Claimed::default()
    };
    Caller::new(kind, &"a".into(), Vouched::ByOther, &RoleTable::default(), claimed)
}

/// Whether a request of the route is within its limits at this stage, and what its answer tells.
async fn ask(
    limiter: &RateLimiter,
    stage: Stage<'_>,
    head: &RequestHead,
    route: &Route,
) -> (Result<(), Refusal>, Fields) {
    let (clock, mut told) = (FixedClock::at(Timestamp::from_seconds(10)), LimitFields::default());
    let counting = Counting::On { limiter, clock: &clock };
    let outcome =
        counting.take(stage, head, route, |limits| limits.iter().for_each(|limit| told.add(limit))).await;
    let mut fields = Fields::default();
    told.write(&mut fields);
    (outcome.map_err(|refused| refused.refusal), fields)
}

fn field(fields: &Fields, name: &str) -> Option<String> {
    let value = fields.sole_named(name.as_bytes()).unwrap();
    value.map(|value| String::from_utf8(value.to_vec()).unwrap())
}

fn is_limited(outcome: &Result<(), Refusal>) -> bool {
    matches!(outcome, Err(Refusal::RateLimited { .. }))
}

/// Whether the second of two requests is over a limit of one, before it is known who calls.
async fn meet(by: LimitBy, first: &RequestHead, second: &RequestHead) -> bool {
    let (limiter, route) = (RateLimiter::new(None), route(vec![limit(1, by)]));
    let stage = Stage::BeforeAuthentication;
    assert!(ask(&limiter, stage, first, &route).await.0.is_ok());
    is_limited(&ask(&limiter, stage, second, &route).await.0)
}

#[tokio::test]
async fn requests_without_a_caller_share_what_the_limit_says() {
    let plain = head("192.0.2.1", "acme", &[]);
    assert!(meet(LimitBy::Route, &plain, &head("192.0.2.2", "other", &[])).await);
    assert!(meet(LimitBy::ClientIp, &plain, &head("::ffff:192.0.2.1", "other", &[])).await);
    assert!(!meet(LimitBy::ClientIp, &plain, &head("192.0.2.2", "acme", &[])).await);
    let six = head("2001:db8::1", "acme", &[]);
    assert!(meet(LimitBy::ClientIp, &six, &head("2001:db8::ffff", "acme", &[])).await, "one /64");
    assert!(!meet(LimitBy::ClientIp, &six, &head("2001:db8:0:1::1", "acme", &[])).await);
    let param = || LimitBy::Param("tenant".into());
    assert!(meet(param(), &plain, &head("192.0.2.2", "acme", &[])).await);
    assert!(!meet(param(), &plain, &head("192.0.2.1", "other", &[])).await);
    let header = || LimitBy::Header("x-plan".into());
    let with = |values: &[&str]| {
        let fields: Vec<_> = values.iter().map(|value| ("x-plan", *value)).collect();
        head("192.0.2.1", "acme", &fields)
    };
    assert!(meet(header(), &with(&["a"]), &with(&["a"])).await);
    assert!(!meet(header(), &with(&["a"]), &with(&["b"])).await);
    assert!(!meet(header(), &with(&[]), &with(&["a"])).await);
    assert!(meet(header(), &with(&[]), &with(&[])).await, "who leaves it out is not without a limit");
    assert!(meet(header(), &with(&["a", "b"]), &with(&["c", "d"])).await, "nor who sends it twice");
}

#[tokio::test]
async fn callers_share_what_the_limit_says() {
    let plain = head("192.0.2.1", "acme", &[]);
    let meet = async |by: LimitBy, first: &Caller, second: &Caller| {
        let (limiter, route) = (RateLimiter::new(None), route(vec![limit(1, by)]));
        assert!(ask(&limiter, Stage::ByCaller(first), &plain, &route).await.0.is_ok());
        is_limited(&ask(&limiter, Stage::ByCaller(second), &plain, &route).await.0)
    };
    let user = |subject| caller(CallerKind::User, subject, Some("jti"));
    let key = |id| caller(CallerKind::ApiKey, "owner", Some(id));
    assert!(meet(LimitBy::Subject, &user("anna"), &user("anna")).await);
    assert!(!meet(LimitBy::Subject, &user("anna"), &user("bora")).await);
    assert!(meet(LimitBy::Subject, &key("1"), &key("2")).await, "one owner");
    assert!(!meet(LimitBy::Key, &key("1"), &key("2")).await);
    assert!(meet(LimitBy::Key, &key("1"), &key("1")).await);
    assert!(meet(LimitBy::Key, &user("anna"), &user("anna")).await, "who has no key is not without a limit");
    assert!(!meet(LimitBy::Key, &user("anna"), &user("bora")).await);
    assert!(meet(LimitBy::Subject, &Caller::anonymous("a"), &Caller::anonymous("b")).await);
}

#[tokio::test]
async fn a_limit_counts_at_its_own_place_and_once() {
    let (limiter, head) = (RateLimiter::new(None), head("192.0.2.1", "acme", &[]));
    let route = route(vec![limit(1, LimitBy::ClientIp), limit(1, LimitBy::Subject)]);
    let anna = caller(CallerKind::User, "anna", None);
    for (stage, name) in [(Stage::BeforeAuthentication, "client_ip"), (Stage::ByCaller(&anna), "subject")] {
        let (outcome, told) = ask(&limiter, stage, &head, &route).await;
        assert!(outcome.is_ok(), "{name}");
        let count = field(&told, "ratelimit").unwrap();
        assert_eq!(count, format!("\"{name}\";r=0;t=3600"));
    }
    let clock = FixedClock::at(Timestamp::from_seconds(10));
    let off = Counting::Off.take(Stage::ByCaller(&anna), &head, &route, |_| panic!("not counted")).await;
    assert!(off.is_ok());
    let on = Counting::On { limiter: &limiter, clock: &clock };
    assert!(on.take(Stage::ByCaller(&anna), &head, &route, |_| {}).await.is_err());
}

#[tokio::test]
async fn a_request_counts_against_all_limits_or_none() {
    let (limiter, head) = (RateLimiter::new(None), head("192.0.2.1", "acme", &[]));
    let route = route(vec![limit(2, LimitBy::Route), limit(1, LimitBy::ClientIp)]);
    let stage = Stage::BeforeAuthentication;
    assert!(ask(&limiter, stage, &head, &route).await.0.is_ok());
    for _ in 0..5 {
        assert!(is_limited(&ask(&limiter, stage, &head, &route).await.0));
    }
    let other = self::head("192.0.2.2", "acme", &[]);
    let (outcome, told) = ask(&limiter, stage, &other, &route).await;
    assert!(outcome.is_ok(), "what was refused took nothing from others");
    assert_eq!(field(&told, "ratelimit-policy").unwrap(), "\"route\";q=2;w=3600, \"client_ip\";q=1;w=3600");
}

#[tokio::test]
async fn answers_tell_of_the_tightest_limit() {
    let (limiter, head) = (RateLimiter::new(None), head("192.0.2.1", "acme", &[]));
    let route = route(vec![limit(36, LimitBy::ClientIp), limit(3_600, LimitBy::Route)]);
    let (_, told) = ask(&limiter, Stage::BeforeAuthentication, &head, &route).await;
    assert_eq!(field(&told, "ratelimit").unwrap(), "\"client_ip\";r=35;t=100, \"route\";r=3599;t=1");
    let three = ["ratelimit-limit", "ratelimit-remaining", "ratelimit-reset"];
    assert_eq!(three.map(|name| field(&told, name).unwrap()), ["36", "35", "100"]);
    let mut fields = Fields::default();
    fields.push(b"ratelimit-limit", b"of the backend");
    let mut again = LimitFields::default();
    again.write(&mut fields);
    assert_eq!(field(&fields, "ratelimit-limit").unwrap(), "of the backend", "no limit of ours");
    let (_, second) = ask(&limiter, Stage::BeforeAuthentication, &head, &route).await;
    // In 100 s there is one more, in 200 s all are there again.
    assert_eq!(field(&second, "ratelimit").unwrap(), "\"client_ip\";r=34;t=100, \"route\";r=3598;t=1");
    assert_eq!(field(&second, "ratelimit-reset").unwrap(), "200");
    for _ in 0..34 {
        assert!(ask(&limiter, Stage::BeforeAuthentication, &head, &route).await.0.is_ok());
    }
    let (outcome, told) = ask(&limiter, Stage::BeforeAuthentication, &head, &route).await;
    let Err(Refusal::RateLimited { retry_after }) = outcome else { panic!("{outcome:?}") };
    assert_eq!(retry_after, Duration::from_secs(100));
    assert_eq!(three.map(|name| field(&told, name).unwrap()), ["36", "0", "100"]);
    again.add(&super::CountedLimit {
        name: "n",
        by: "route",
        requests: 1,
        policy: "".into(),
        answer: LimitAnswer {
            is_within: true,
            remaining: 0,
            retry_after: Duration::ZERO,
            more_after: Duration::from_millis(1_001),
            full_after: Duration::from_millis(1_001),
        },
    });
    again.write(&mut fields);
    assert_eq!(field(&fields, "ratelimit-reset").unwrap(), "2", "not too early");
    assert_eq!(field(&fields, "ratelimit-limit").unwrap(), "1", "ours, in place of the backend's");
}

#[tokio::test]
async fn a_key_brings_limits_of_its_own() {
    let (limiter, head, route) = (RateLimiter::new(None), head("192.0.2.1", "acme", &[]), route(Vec::new()));
    let quota = Arc::new(QuotaCount::new("1", Quota { requests: 2, per_seconds: 86_400 }));
    let limits = |rate| Some(Arc::new(CallerLimits { rate, quota: Some(quota.clone()) }));
    let slow = Caller { limits: limits(Some(rate(1))), ..caller(CallerKind::ApiKey, "o", Some("1")) };
    assert!(ask(&limiter, Stage::ByCaller(&slow), &head, &route).await.0.is_ok());
    for _ in 0..3 {
        let (outcome, told) = ask(&limiter, Stage::ByCaller(&slow), &head, &route).await;
        assert!(is_limited(&outcome), "its own rate");
        assert!(field(&told, "ratelimit-policy").unwrap().contains("\"key-limit\";q=1;w=3600"));
    }
    let quick = Caller { limits: limits(None), ..slow };
    assert!(ask(&limiter, Stage::ByCaller(&quick), &head, &route).await.0.is_ok(), "refused uses no quota");
    let (outcome, told) = ask(&limiter, Stage::ByCaller(&quick), &head, &route).await;
    assert!(is_limited(&outcome));
    assert_eq!(field(&told, "ratelimit").unwrap(), "\"key-quota\";r=0;t=86400");
}

/// Counts for all nodes as it is told to.
struct Shared {
    reachable: AtomicBool,
    answers: Mutex<Option<bool>>,
    keys: Mutex<Vec<[u8; 16]>>,
}

impl SharedLimits for Shared {
    fn take(
        &self,
        checks: Vec<LimitCheck>,
    ) -> BoxFuture<'static, Result<Vec<LimitAnswer>, SharedStateError>> {
        self.keys.lock().unwrap().extend(checks.iter().map(|check| check.key));
        let answers = *self.answers.lock().unwrap();
        Box::pin(async move {
            let Some(is_within) = answers else { return pending().await };
            let told = Duration::from_secs(7);
            let answer = LimitAnswer {
                is_within,
                remaining: 5,
                retry_after: told,
                more_after: told,
                full_after: told,
            };
            Ok(checks.iter().map(|_| answer).collect())
        })
    }

    fn is_reachable(&self) -> bool {
        self.reachable.load(Relaxed)
    }

    fn nodes(&self) -> NonZeroU32 {
        number(4)
    }
}

#[tokio::test(start_paused = true)]
async fn nodes_count_together_or_each_its_share() {
    let shared =
        Arc::new(Shared { reachable: true.into(), answers: Mutex::new(Some(true)), keys: Mutex::default() });
    let limiter = RateLimiter::new(Some(shared.clone()));
    let (head, stage) = (head("192.0.2.1", "acme", &[]), Stage::BeforeAuthentication);
    let open = route(vec![limit(8, LimitBy::ClientIp)]);
    let strict = RateLimit { on_failure: OnFailure::Deny, ..limit(8, LimitBy::Route) };
    let strict = route(vec![strict]);
    let (outcome, told) = ask(&limiter, stage, &head, &open).await;
    assert!(outcome.is_ok());
    assert_eq!(field(&told, "ratelimit").unwrap(), "\"client_ip\";r=5;t=7");
    *shared.answers.lock().unwrap() = Some(false);
    assert!(is_limited(&ask(&limiter, stage, &head, &open).await.0));
    // Silent, and then known to be away.
    *shared.answers.lock().unwrap() = None;
    for reachable in [true, false] {
        shared.reachable.store(reachable, Relaxed);
        assert!(ask(&limiter, stage, &head, &open).await.0.is_ok(), "the share of this node");
        assert_eq!(ask(&limiter, stage, &head, &strict).await.0, Err(Refusal::CANNOT_TELL));
    }
    assert!(is_limited(&ask(&limiter, stage, &head, &open).await.0), "two of eight on each of four nodes");
    let keys = shared.keys.lock().unwrap().clone();
    assert!(keys.len() >= 3 && keys[0] == keys[1], "the same each time");
}

#[tokio::test]
async fn the_shared_key_is_the_same_on_every_node_and_differs_by_whom_it_counts() {
    let keys = async |by: LimitBy, head: &RequestHead| {
        let shared = Arc::new(Shared {
            reachable: true.into(),
            answers: Mutex::new(Some(true)),
            keys: Mutex::default(),
        });
        let limiter = RateLimiter::new(Some(shared.clone()));
        let asked = ask(&limiter, Stage::BeforeAuthentication, head, &route(vec![limit(1, by)])).await;
        assert!(asked.0.is_ok());
        shared.keys.lock().unwrap()[0]
    };
    let one = head("192.0.2.1", "acme", &[]);
    let first = keys(LimitBy::ClientIp, &one).await;
    assert_eq!(first, keys(LimitBy::ClientIp, &one).await);
    assert_ne!(first, keys(LimitBy::ClientIp, &head("192.0.2.2", "acme", &[])).await);
    assert_ne!(first, keys(LimitBy::Route, &one).await);
}

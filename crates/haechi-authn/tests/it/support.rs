//! A request head, an issuer that does what it is told, and an authenticator between them.

use arc_swap::ArcSwap;
use haechi_authn::jose::AlgorithmSet;
use haechi_authn::keys::{Fetch, FetchFault, Fetched, KeySet, KeySource, Keys};
use haechi_authn::possession::{ProofRules, ReplayMemory};
use haechi_authn::schemes::jwt::{
    AttributeClaim, Audiences, ClaimsMap, DEFAULT_LEEWAY, DEFAULT_TOKEN_TYPES, IssuerRule, JwtAuthenticator,
    JwtConfig, TokenPlace,
};
use haechi_authn::{Attempt, Authenticator, Fault, Look, RevocationView, RevocationWatch, Scheme};
use haechi_core::caller::Vouched;
use haechi_core::id::RequestId;
use haechi_core::ports::{BoxFuture, Change, Revoked, SharedLimits};
use haechi_core::{
    AttributeType, Caller, CanonicalPath, Clock, ConnectionFacts, Fields, Host, RequestHead, RoleTable,
    Timestamp,
};
use haechi_testkit::FixedClock;
use haechi_testkit::jose::Key;
use serde_json::{Value, json};
use std::collections::{BTreeMap, HashMap};
use std::rc::Rc;
use std::sync::{Arc, Mutex};

/// The time at which every test here begins.
pub(crate) const NOW: Timestamp = Timestamp::from_seconds(1_800_000_000);
pub(crate) const ISSUER: &str = "https://sso.example.com";

pub(crate) fn head(fields: &[(&str, &str)], query: Option<&str>) -> RequestHead {
    let mut all = Fields::default();
    for (name, value) in fields {
        all.push(name.as_bytes(), value.as_bytes());
    }
    RequestHead::new(
        RequestId::from_bits(1),
        NOW,
        ConnectionFacts::plain(([127, 0, 0, 1], 1).into()),
        http::Method::GET,
        Host::parse(b"api.example.com").unwrap(),
        CanonicalPath::parse(b"/").unwrap(),
    )
    .with_query(query.map(Box::from))
    .with_fields(all)
}

pub(crate) fn bearer(token: &str) -> RequestHead {
    head(&[("Authorization", &format!("Bearer {token}"))], None)
}

/// The claims of a token that is in order.
pub(crate) fn claims() -> Value {
    let now = NOW.as_seconds();
    json!({ "iss": ISSUER, "sub": "alice", "aud": "orders", "iat": now, "exp": now + 600, "jti": "t1" })
}

pub(crate) fn jwks(keys: &[&Key]) -> Value {
    json!({ "keys": keys.iter().map(|key| key.jwk()).collect::<Vec<_>>() })
}

pub(crate) fn key_set(keys: &[&Key]) -> Keys {
    Keys::from_jwks(jwks(keys).to_string().as_bytes(), NOW).unwrap()
}

/// A configuration that the tests change where they differ.
pub(crate) fn config(keys: Arc<KeySource>) -> JwtConfig {
    let roles = BTreeMap::from([("USER".into(), vec![]), ("ADMIN".into(), vec!["USER".into()])]);
    let tenant =
        AttributeClaim { pointers: vec!["/tenant".parse().unwrap()], type_of: AttributeType::String };
    JwtConfig {
        name: "corp".into(),
        issuer: IssuerRule::exactly(ISSUER),
        audiences: Audiences::OneOf(vec!["orders".into()]),
        audience_claim: None,
        from: vec![TokenPlace::Bearer],
        keys,
        algorithms: JwtAuthenticator::default_algorithms(),
        leeway: DEFAULT_LEEWAY,
        token_types: DEFAULT_TOKEN_TYPES.map(String::from).to_vec(),
        claims: ClaimsMap {
            roles: vec!["/realm_access/roles".parse().unwrap()],
            scopes: vec!["/scope".parse().unwrap()],
            subject: vec![],
            role_map: None,
            attributes: BTreeMap::from([("tenant".into(), tenant)]),
        },
        roles: Arc::new(RoleTable::new(&roles).unwrap()),
        revocations: None,
        vouched: Vouched::ByOther,
        possession: proofs(None),
        cache_entries: 100,
        clock: Arc::new(FixedClock::at(NOW)),
    }
}

/// What is asked of whoever shows a bound token.
pub(crate) fn proofs(shared: Option<Arc<dyn SharedLimits>>) -> ProofRules {
    let replays = ReplayMemory::new(shared, Arc::new(FixedClock::at(NOW)));
    ProofRules::new("corp".into(), DEFAULT_LEEWAY, Arc::new(replays))
}

/// The same for the embedded issuer.
pub(crate) fn own_config(keys: Arc<KeySource>, watch: &Arc<RevocationWatch>) -> JwtConfig {
    JwtConfig {
        audiences: Audiences::Unchecked,
        revocations: Some(watch.clone()),
        vouched: Vouched::BySelf,
        ..config(keys)
    }
}

pub(crate) fn fixed(keys: &[&Key]) -> Arc<KeySource> {
    Arc::new(KeySource::fixed(ISSUER, key_set(keys)))
}

pub(crate) fn worker(config: JwtConfig) -> Rc<dyn Scheme> {
    JwtAuthenticator::new(config).unwrap().for_worker()
}

pub(crate) fn replaceable(keys: &[&Key]) -> (Arc<ArcSwap<KeySet>>, Arc<KeySource>) {
    let current = Arc::new(ArcSwap::from_pointee(KeySet::standing(key_set(keys))));
    (current.clone(), Arc::new(KeySource::embedded(ISSUER, current)))
}

pub(crate) fn allow(names: &[&str]) -> AlgorithmSet {
    names.iter().map(|name| name.parse::<haechi_authn::jose::Algorithm>().unwrap()).collect()
}

/// The answer of a scheme that need not wait.
#[track_caller]
pub(crate) fn now(scheme: &dyn Scheme, head: &RequestHead, at: Timestamp) -> Attempt {
    match scheme.look(head, at) {
        Look::Done(attempt) => attempt,
        Look::Wait(_) => panic!("this needs no waiting"),
    }
}

pub(crate) async fn soon(scheme: &dyn Scheme, head: &RequestHead, at: Timestamp) -> Attempt {
    match scheme.look(head, at) {
        Look::Done(attempt) => attempt,
        Look::Wait(answer) => answer.await,
    }
}

#[track_caller]
pub(crate) fn verified(attempt: Attempt) -> Arc<Caller> {
    match attempt {
        Attempt::Verified(caller) => caller,
        other => panic!("not verified: {other:?}"),
    }
}

/// Why a token was rejected as `invalid_token`.
#[track_caller]
pub(crate) fn invalid_token(attempt: &Attempt) -> &str {
    match attempt {
        Attempt::Rejected(rejection) if rejection.fault == Fault::InvalidToken => &rejection.reason,
        other => panic!("not rejected as an invalid token: {other:?}"),
    }
}

#[track_caller]
pub(crate) fn unavailable(attempt: &Attempt) -> &str {
    match attempt {
        Attempt::Unavailable(unavailable) => &unavailable.reason,
        other => panic!("not unavailable: {other:?}"),
    }
}

/// Makes the watch know that these are revoked too, as of now.
pub(crate) fn learn(watch: &RevocationWatch, clock: &FixedClock, what: &[Revoked]) {
    let changes: Vec<_> =
        what.iter().map(|what| Change::Revoked { what: what.clone(), until: Timestamp::MAX }).collect();
    let view = RevocationView::clone(&watch.view());
    let epoch = view.epoch + changes.len() as u64;
    watch.replace(view.with(&changes, epoch, clock.uptime()));
}

/// Answers by address, counts, and can be told to be slow or down.
#[derive(Default)]
pub(crate) struct FakeWeb {
    answers: Mutex<HashMap<String, Answer>>,
    asked: Mutex<Vec<String>>,
}

#[derive(Clone)]
pub(crate) enum Answer {
    Page(Fetched),
    Down,
    /// Answers only after this long.
    Slow(std::time::Duration, Fetched),
    Panics,
}

impl FakeWeb {
    pub(crate) fn serve(&self, url: &str, body: &Value) {
        self.answer(url, Answer::Page(page(body)));
    }

    pub(crate) fn answer(&self, url: &str, answer: Answer) {
        self.answers.lock().unwrap().insert(url.to_owned(), answer);
    }

    /// How many times any address was asked.
    pub(crate) fn asked(&self) -> Vec<String> {
        self.asked.lock().unwrap().clone()
    }
}

pub(crate) fn page(body: &Value) -> Fetched {
    Fetched { status: 200, cache_control: None, body: body.to_string().into_bytes() }
}

impl Fetch for FakeWeb {
    fn get<'a>(&'a self, url: &'a str, _limit: usize) -> BoxFuture<'a, Result<Fetched, FetchFault>> {
        self.asked.lock().unwrap().push(url.to_owned());
        let answer = self.answers.lock().unwrap().get(url).cloned();
        Box::pin(async move {
            match answer {
                Some(Answer::Page(page)) => Ok(page),
                Some(Answer::Slow(span, page)) => {
                    tokio::time::sleep(span).await;
                    Ok(page)
                }
                Some(Answer::Panics) => panic!("as intended"),
                Some(Answer::Down) | None => Err(FetchFault::Unreachable("connection refused".into())),
            }
        })
    }
}

/// A clock that follows tokio's, so that pausing and advancing moves both.
pub(crate) struct TokioClock(tokio::time::Instant);

impl TokioClock {
    pub(crate) fn new() -> Self {
        Self(tokio::time::Instant::now())
    }
}

impl Clock for TokioClock {
    fn now(&self) -> Timestamp {
        NOW.plus(self.0.elapsed())
    }

    fn uptime(&self) -> std::time::Duration {
        self.0.elapsed()
    }
}

//! The pipeline without sockets on the client's side: what is asked in which order, what is answered and recorded, and what reaches a backend.

use super::{Arrival, answer};
use crate::batches::batch_channel;
use crate::interim::Interim;
use crate::limits::Budget;
use crate::lines::RequestLines;
use crate::log::{LogFormat, LogSink};
use crate::metrics::Metrics;
use crate::plan::{Plan, PlanParts};
use crate::request_body::RequestBody;
use crate::response::{Response, ResponseBody};
use crate::settings::OriginPattern;
use crate::settings::{
    Authentication, Cors, CorsOrigins, Endpoint, Limits, Listener, ListenerIndex, Route, RouteSettings,
    Service, ServiceIndex, Target,
};
use crate::transport::Transport;
use crate::upstream::registry::Endpoints;
use crate::websocket::handshake::Upgradable;
use crate::worker::{Shared, Worker};
use haechi_authn::{
    Attempt, Authenticator, Challenge, CredentialPlace, Effects, LoginRedirect, Look, Scheme, SetCookie,
};
use haechi_authz::{Clause, Enforcer, EnforcerParts, Engine, RouteFacts, Rule, Vocabulary, compile};
use haechi_core::{
    Caller, CallerKind, Fields, Host, MethodSet, PathPattern, RequestHead, SystemClock, Timestamp,
};
use haechi_testkit::{Answer, Backend};
use http::Method;
use serde_json::Value;
use std::cell::RefCell;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;
use tokio::sync::mpsc::Receiver;

/// Says of every request what the header `x-say` asks for, and counts how often it was asked.
struct FakeAuthenticator(Arc<AtomicUsize>, Arc<str>);

/// A cookie's value, which is a credential.
const SECRET: &str = "renewed-session-value";

struct FakeScheme {
    asked: Arc<AtomicUsize>,
    name: Arc<str>,
    challenge: Arc<Challenge>,
    places: [CredentialPlace; 1],
}

impl Authenticator for FakeAuthenticator {
    fn name(&self) -> &Arc<str> {
        &self.1
    }

    fn for_worker(&self) -> Rc<dyn Scheme> {
        Rc::new(FakeScheme {
            asked: self.0.clone(),
            name: self.1.clone(),
            challenge: Arc::new(Challenge::bearer("test")),
            places: [CredentialPlace::Field("x-say".into())],
        })
    }
}

impl Scheme for FakeScheme {
    fn name(&self) -> &Arc<str> {
        &self.name
    }

    fn challenge(&self) -> Option<&Arc<Challenge>> {
        Some(&self.challenge)
    }

    fn credential_places(&self) -> &[CredentialPlace] {
        &self.places
    }

    fn effects(&self, head: &RequestHead, _: &Caller) -> Effects {
        match head.fields.sole_named(b"x-renew") {
            Ok(Some(_)) => Effects::default().with_cookie(SetCookie::new("session", SECRET).unwrap()),
            _ => Effects::default(),
        }
    }

    fn login(&self, _: &RequestHead, _: &haechi_authn::StepUp) -> Option<LoginRedirect> {
        LoginRedirect::new("/auth/login?state=hidden-state").ok()
    }

    fn look(&self, head: &RequestHead, _: Timestamp) -> Look {
        self.asked.fetch_add(1, Ordering::Relaxed);
        Look::Done(match head.fields.sole_named(b"x-say").ok().flatten() {
            None => Attempt::Absent,
            Some(b"anna") => Attempt::Verified(Arc::new(Caller {
                kind: CallerKind::User,
                subject: "anna".into(),
                ..Caller::anonymous("told")
            })),
            Some(b"down") => Attempt::unavailable("the store is away"),
            Some(_) => Attempt::invalid_token("it does not hold"),
        })
    }
}

/// A worker with routes to a backend, and what they were asked and logged.
struct TestWorker {
    worker: Rc<Worker>,
    backend: Backend,
    asked: Arc<AtomicUsize>,
    lines: RefCell<Receiver<Vec<u8>>>,
}

/// What came of a request.
struct Outcome {
    status: u16,
    fields: Fields,
    problem: Value,
    line: Value,
    /// Requests at the backend.
    arrived: usize,
    /// Times that the authenticator was asked.
    asked: usize,
}

fn cors() -> Cors {
    Cors {
        origins: CorsOrigins::Listed(vec![OriginPattern::of("https://app.example")]),
        methods: MethodSet::new([Method::GET]),
        headers: Vec::new(),
        expose: None,
        credentials: false,
        max_age: Duration::from_secs(60),
    }
}

impl TestWorker {
    fn new() -> Self {
        let backend = Backend::start(|_| Answer::ok("reached"));
        let asked = Arc::new(AtomicUsize::new(0));
        let (sender, lines) = batch_channel(16);
        let shared = Shared {
            audit: None,
            plan: Arc::new(arc_swap::ArcSwap::from_pointee(plan(&backend, &asked))),
            clock: Arc::new(SystemClock),
            metrics: Metrics::default(),
            log: Some(LogSink { lines: sender, format: LogFormat::Json, color: false }),
            traces: None,
            budget: Budget::new(100),
            rate_limiter: Arc::new(crate::RateLimiter::new(None)),
            decisions: crate::DecisionQueries::default(),
            watchers: crate::DecisionWatchers::default(),
            draining: Arc::default(),
        };
        Self { worker: Worker::new(shared), backend, asked, lines: RefCell::new(lines) }
    }

    async fn ask(&self, method: &str, path: &str, sent: &[(&str, &str)]) -> Outcome {
        let mut fields = Fields::default();
        sent.iter().for_each(|(name, value)| fields.push(name.as_bytes(), value.as_bytes()));
        let lines = RequestLines {
            method: Method::from_bytes(method.as_bytes()).unwrap(),
            host: Host::parse(b"localhost").unwrap(),
            path: path.as_bytes().into(),
            query: None,
            fields,
        };
        let arrival = Arrival {
            transport: Rc::new(Transport {
                listener: ListenerIndex::new(0),
                peer: ([192, 0, 2, 1], 4000).into(),
                tls: None,
                redirect: None,
                authorizes: false,
            }),
            timer: self.worker.timer(),
            interim: Interim::default(),
            upgradable: Upgradable::Connection,
        };
        let Response { status, fields, body, mut record, .. } =
            answer(&self.worker, lines, RequestBody::Empty, arrival).await;
        record.finished();
        drop(record);
        self.worker.recorder().hand_over();
        let problem = match body {
            ResponseBody::Full(bytes) => serde_json::from_slice(&bytes).unwrap_or_default(),
            _ => Value::Null,
        };
        Outcome {
            status: status.as_u16(),
            fields,
            problem,
            line: serde_json::from_slice(&self.lines.borrow_mut().try_recv().unwrap()).unwrap(),
            arrived: self.backend.recorded().len(),
            asked: self.asked.load(Ordering::Relaxed),
        }
    }
}

fn plan(backend: &Backend, asked: &Arc<AtomicUsize>) -> Plan {
    let told: Arc<dyn Authenticator> = Arc::new(FakeAuthenticator(asked.clone(), "told".into()));
    let route = |name: &str, path: &str| {
        let pattern = PathPattern::parse(path).unwrap();
        Route::new(
            name,
            pattern,
            Authentication::Any(vec![told.clone()]),
            Target::Service(ServiceIndex::new(0)),
        )
    };
    let routes = vec![
        Route { methods: MethodSet::new([Method::GET, Method::POST]), ..route("open", "/open") },
        Route {
            settings: RouteSettings { cors: Some(cors()), ..RouteSettings::default() },
            ..route("shared", "/shared")
        },
        route("scoped", "/scoped"),
    ];
    let facts = |route: &Route| RouteFacts {
        name: route.name.clone(),
        service: Some("web".into()),
        labels: Vec::new(),
        pattern: route.pattern.clone(),
        methods: route.methods.clone(),
        rule: match &*route.name {
            "scoped" => Rule::all_of(vec![Clause::Scopes(Arc::from(["orders:read".into()]))]).unwrap(),
            _ => Rule::any(),
        },
    };
    let vocabulary = Vocabulary { routes: routes.iter().map(facts).collect(), ..Vocabulary::default() };
    let engine = Engine::new(Arc::new(compile(Arc::new(vocabulary), &[]).unwrap())).unwrap();
    let address = backend.address();
    let state = Endpoints::default().state(&"web".into(), &address.ip().to_string(), address.port(), None);
    let parts = PlanParts {
        generation: 1,
        configuration: "".into(),
        listeners: vec![Listener::default()],
        routes,
        enforcer: Enforcer::new(EnforcerParts { engine, shadow: None, points: Vec::new(), generation: 1 })
            .unwrap(),
        services: vec![Service::new("web", vec![Endpoint { state, weight: 1 }])],
        trusted_proxies: Vec::new(),
        limits: Limits::default(),
        identity: None,
        logins: crate::logins::Logins::default(),
        protected_resources: Vec::new(),
    };
    Plan::new(parts).unwrap()
}

fn field<'a>(fields: &'a Fields, name: &str) -> Option<&'a str> {
    let mut found = fields.iter().filter(|field| field.name == name.as_bytes());
    let value = found.next().map(|field| std::str::from_utf8(field.value).unwrap());
    assert!(found.next().is_none(), "`{name}` is there twice");
    value
}

#[tokio::test]
async fn who_may_reaches_the_backend_and_is_recorded() {
    let came = TestWorker::new().ask("GET", "/open", &[("x-say", "anna")]).await;
    assert_eq!((came.status, came.arrived, came.asked), (200, 1, 1));
    assert_eq!((&came.line["outcome"], &came.line["route"]), (&"forwarded".into(), &"open".into()));
    assert_eq!(came.line["subject"], "anna");
    assert!(came.line["decision_id"].is_string());
}

#[tokio::test]
async fn nobody_is_asked_before_a_route_is_known() {
    let gate = TestWorker::new();
    for (method, path, status) in [
        ("GET", "/nowhere", 404),
        ("DELETE", "/open", 405),
        ("GET", "/open//", 400),
        ("TRACE", "/open", 405),
        ("CONNECT", "/open", 405),
        ("GET", "/op%65n/../x", 400),
    ] {
        let came = gate.ask(method, path, &[("x-say", "anna")]).await;
        assert_eq!((came.status, came.arrived, came.asked), (status, 0, 0), "{method} {path}");
        assert!(came.line["reason"].is_string(), "{method} {path}: the record says why");
        assert_eq!(came.line["status"], status);
    }
    let came = gate.ask("DELETE", "/open", &[]).await;
    assert_eq!(field(&came.fields, "allow"), Some("GET, HEAD, POST"));
    assert_eq!(came.line["route"], "open", "the record has the route whose pattern won");
}

#[tokio::test]
async fn what_connection_takes_away_is_refused_before_anything_else() {
    let gate = TestWorker::new();
    for named in ["Authorization", "x-auth-roles", "Host"] {
        let came = gate.ask("GET", "/open", &[("Connection", named), ("x-say", "anna")]).await;
        assert_eq!((came.status, came.arrived, came.asked), (400, 0, 0), "{named}");
    }
}

#[tokio::test]
async fn a_preflight_is_answered_before_anybody_is_asked() {
    let gate = TestWorker::new();
    let ask = async |origin, method| {
        let sent = [("Origin", origin), ("Access-Control-Request-Method", method)];
        gate.ask("OPTIONS", "/shared", &sent).await
    };
    let granted = ask("https://app.example", "GET").await;
    assert_eq!((granted.status, granted.arrived, granted.asked), (204, 0, 0));
    assert_eq!(field(&granted.fields, "access-control-allow-origin"), Some("https://app.example"));
    assert_eq!(granted.line["outcome"], "preflight");
    for (origin, method) in [("https://evil.example", "GET"), ("https://app.example", "PUT")] {
        let refused = ask(origin, method).await;
        assert_eq!((refused.status, refused.arrived, refused.asked), (204, 0, 0), "{origin} {method}");
        assert_eq!(field(&refused.fields, "access-control-allow-origin"), None, "{origin} {method}");
    }
}

#[tokio::test]
async fn each_end_of_authentication_has_its_answer() {
    let gate = TestWorker::new();
    for (sent, status, outcome, challenge) in [
        (None, 401, "unauthenticated", Some("Bearer realm=\"test\"")),
        (Some("bad"), 401, "unauthenticated", Some("Bearer realm=\"test\", error=\"invalid_token\"")),
        (Some("down"), 503, "unavailable", None),
    ] {
        let sent: Vec<_> = sent.map(|say| ("x-say", say)).into_iter().collect();
        let came = gate.ask("GET", "/open", &sent).await;
        assert_eq!((came.status, came.arrived), (status, 0), "{sent:?}");
        assert_eq!(field(&came.fields, "www-authenticate"), challenge, "{sent:?}");
        assert_eq!(field(&came.fields, "retry-after").is_some(), status == 503, "{sent:?}");
        assert_eq!((&came.line["outcome"], &came.line["decision_id"]), (&outcome.into(), &Value::Null));
    }
}

#[tokio::test]
async fn who_may_not_is_told_nothing_but_the_scope_and_the_decision() {
    let came = TestWorker::new().ask("GET", "/scoped", &[("x-say", "anna")]).await;
    assert_eq!((came.status, came.arrived, came.asked), (403, 0, 1));
    let challenge = "Bearer error=\"insufficient_scope\", scope=\"orders:read\"";
    assert_eq!(field(&came.fields, "www-authenticate"), Some(challenge));
    assert_eq!(came.problem["decision_id"], came.line["decision_id"]);
    assert_eq!(came.line["outcome"], "denied");
}

#[tokio::test]
async fn a_refusal_can_be_read_by_the_pages_that_may_read_the_route() {
    let gate = TestWorker::new();
    let came = gate.ask("GET", "/shared", &[("Origin", "https://app.example")]).await;
    assert_eq!((came.status, came.arrived), (401, 0));
    assert_eq!(field(&came.fields, "access-control-allow-origin"), Some("https://app.example"));
}

#[tokio::test]
async fn without_room_nobody_is_let_in() {
    let gate = TestWorker::new();
    let held = gate.worker.buffers().charge(gate.worker.limits().buffers * 2);
    let came = gate.ask("GET", "/open", &[("x-say", "anna")]).await;
    assert_eq!((came.status, came.arrived, came.asked), (503, 0, 0));
    drop(held);
    assert_eq!(gate.ask("GET", "/open", &[("x-say", "anna")]).await.status, 200);
}

/// As a browser asks for a page.
const PAGE: (&str, &str) = ("Accept", "text/html");

#[tokio::test]
async fn a_cookie_that_an_authenticator_sets_is_on_every_answer_to_its_caller_and_in_no_record() {
    let gate = TestWorker::new();
    let origin = ("Origin", "https://app.example");
    for (path, status, arrived) in [("/open", 200, 1), ("/scoped", 403, 1), ("/shared", 200, 2)] {
        let came = gate.ask("GET", path, &[("x-say", "anna"), ("x-renew", "1"), origin]).await;
        assert_eq!((came.status, came.arrived), (status, arrived), "{path}");
        let cookie = field(&came.fields, "set-cookie").unwrap();
        assert!(cookie.starts_with(&format!("session={SECRET};")), "{path}: {cookie}");
        let told = format!("{}{}", came.line, came.problem);
        assert!(!told.contains(SECRET), "{told}");
    }
    let sent = gate.backend.recorded();
    assert!(sent.iter().all(|request| request.head.all("set-cookie").is_empty()));
    for (sent, status) in [
        (vec![("x-say", "anna")], 200),
        (vec![("x-say", "bad"), ("x-renew", "1")], 401),
        (vec![("x-renew", "1")], 401),
    ] {
        let came = gate.ask("GET", "/open", &sent).await;
        assert_eq!((came.status, field(&came.fields, "set-cookie")), (status, None), "{sent:?}");
    }
}

#[tokio::test]
async fn a_preflight_has_no_effects() {
    let sent = [
        ("Origin", "https://app.example"),
        ("Access-Control-Request-Method", "GET"),
        ("x-say", "anna"),
        ("x-renew", "1"),
        PAGE,
    ];
    let came = TestWorker::new().ask("OPTIONS", "/shared", &sent).await;
    assert_eq!((came.status, came.asked, came.arrived), (204, 0, 0));
    assert_eq!(field(&came.fields, "set-cookie"), None);
    assert_eq!(field(&came.fields, "location"), None);
}

#[tokio::test]
async fn only_a_browser_that_shows_a_page_is_sent_to_the_login() {
    let gate = TestWorker::new();
    let came = gate.ask("GET", "/open", &[PAGE]).await;
    assert_eq!((came.status, came.arrived), (303, 0));
    assert_eq!(field(&came.fields, "location"), Some("/auth/login?state=hidden-state"));
    assert_eq!(field(&came.fields, "www-authenticate"), None);
    assert_eq!((&came.line["status"], &came.line["route"]), (&303.into(), &"open".into()));
    assert!(!came.line.to_string().contains("hidden-state"), "{}", came.line);
    let image = [PAGE, ("Sec-Fetch-Mode", "no-cors")];
    for (method, sent) in
        [("GET", &[][..]), ("POST", &[PAGE]), ("GET", &image), ("GET", &[PAGE, ("x-say", "bad")])]
    {
        let came = gate.ask(method, "/open", sent).await;
        assert_eq!((came.status, came.arrived), (401, 0), "{method} {sent:?}");
        assert_eq!(field(&came.fields, "location"), None, "{method} {sent:?}");
        assert!(field(&came.fields, "www-authenticate").is_some(), "{method} {sent:?}");
    }
}

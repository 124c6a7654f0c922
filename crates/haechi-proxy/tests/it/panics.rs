//! A panic while serving one request costs that request only.

use haechi_authn::schemes::anonymous;
use haechi_authn::{Attempt, Authenticator, Challenge, CredentialPlace, Look, Scheme};
use haechi_authz::{Enforcer, EnforcerParts, Engine, RouteFacts, Rule, Vocabulary, compile};
use haechi_core::metrics::{Page, Source};
use haechi_core::{PathPattern, RequestHead, SystemClock, Timestamp};
use haechi_proxy::{
    Authentication, Budget, Endpoint, Endpoints, Limits, Listener, ListenerIndex, LogFormat, LogSink,
    Metrics, Plan, PlanParts, Route, Service, ServiceIndex, Shared, Target, batch_channel,
};
use haechi_testkit::http1::Head;
use haechi_testkit::{Answer, Backend, PATIENCE, eventually};
use std::cell::RefCell;
use std::io::{BufReader, Write};
use std::net::{SocketAddr, TcpStream};
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use tokio::sync::mpsc::Receiver;

/// Panics at every request: at once, with a cell borrowed, or after it has waited.
struct Panicking(Arc<str>);

struct PanickingScheme {
    name: Arc<str>,
    cell: RefCell<u32>,
}

impl Authenticator for Panicking {
    fn name(&self) -> &Arc<str> {
        &self.0
    }

    fn for_worker(&self) -> Rc<dyn Scheme> {
        Rc::new(PanickingScheme { name: self.0.clone(), cell: RefCell::default() })
    }
}

impl Scheme for PanickingScheme {
    fn name(&self) -> &Arc<str> {
        &self.name
    }

    fn challenge(&self) -> Option<&Arc<Challenge>> {
        None
    }

    fn credential_places(&self) -> &[CredentialPlace] {
        &[]
    }

    fn look(&self, head: &RequestHead, _: Timestamp) -> Look {
        // A borrow that outlived the panic before would make this one another panic, which the count of askings would show.
        let mut asked = self.cell.borrow_mut();
        *asked += 1;
        assert_ne!(head.path.as_str(), "/broken/now", "broken at once");
        Look::Wait(Box::pin(async {
            tokio::task::yield_now().await;
            panic!("broken later");
            #[expect(unreachable_code, reason = "gives the future its type")]
            Attempt::Absent
        }))
    }
}

fn route(name: &str, path: &str, asked: Arc<dyn Authenticator>) -> Route {
    let pattern = PathPattern::parse(path).unwrap();
    Route::new(name, pattern, Authentication::Any(vec![asked]), Target::Service(ServiceIndex::new(0)))
}

fn service(backend: SocketAddr) -> Service {
    let state = Endpoints::default().state(&"web".into(), &backend.ip().to_string(), backend.port(), None);
    Service::new("web", vec![Endpoint { state, weight: 1 }])
}

/// Lets through whoever authentication lets through.
fn enforcer(routes: &[Route]) -> Enforcer {
    let open = |route: &Route| RouteFacts {
        name: route.name.clone(),
        service: Some("web".into()),
        labels: Vec::new(),
        pattern: route.pattern.clone(),
        methods: route.methods.clone(),
        rule: Rule::any(),
    };
    let vocabulary = Vocabulary { routes: routes.iter().map(open).collect(), ..Vocabulary::default() };
    let engine = Engine::new(Arc::new(compile(Arc::new(vocabulary), &[]).unwrap())).unwrap();
    let parts = EnforcerParts { engine, shadow: None, points: Vec::new(), generation: 1 };
    Enforcer::new(parts).unwrap()
}

fn plan(backend: SocketAddr) -> Plan {
    let routes = vec![
        route("broken", "/broken/**", Arc::new(Panicking("broken".into()))),
        route("well", "/well", Arc::new(anonymous::authenticator())),
    ];
    let parts = PlanParts {
        generation: 1,
        listeners: vec![Listener::default()],
        enforcer: enforcer(&routes),
        routes,
        services: vec![service(backend)],
        trusted_proxies: Vec::new(),
        limits: Limits::default(),
        identity: None,
    };
    Plan::new(parts).unwrap()
}

/// One worker, stopped when dropped.
struct Gate {
    address: SocketAddr,
    shared: Shared,
    lines: Receiver<Vec<u8>>,
    worker: Option<JoinHandle<std::io::Result<()>>>,
}

impl Gate {
    fn start(backend: SocketAddr) -> Self {
        let (address, sockets) = haechi_proxy::bind(([127, 0, 0, 1], 0).into(), 1).unwrap();
        let (sender, lines) = batch_channel(1024);
        let shared = Shared {
            plan: Arc::new(arc_swap::ArcSwap::from_pointee(plan(backend))),
            clock: Arc::new(SystemClock),
            metrics: Metrics::default(),
            traces: None,
            log: Some(LogSink { lines: sender, format: LogFormat::Json, color: false }),
            budget: Budget::new(1000),
            decisions: haechi_proxy::DecisionQueries::default(),
            draining: Arc::new(AtomicBool::new(false)),
        };
        let worker = haechi_proxy::start(
            shared.clone(),
            sockets.into_iter().map(|socket| (ListenerIndex::new(0), socket)).collect(),
            0,
        )
        .unwrap();
        Self { address, shared, lines, worker: Some(worker) }
    }

    /// The status of the answer, and whether the connection closes.
    fn ask(&self, path: &str) -> (String, bool) {
        let mut socket = TcpStream::connect(self.address).unwrap();
        socket.set_read_timeout(Some(PATIENCE)).unwrap();
        write!(socket, "GET {path} HTTP/1.1\r\nHost: a\r\n\r\n").unwrap();
        let head = Head::read(&mut BufReader::new(&socket)).unwrap().expect("no answer");
        (head.word(1).to_owned(), head.field("connection") == Some("close"))
    }

    fn metrics(&self) -> String {
        let mut page = Page::default();
        self.shared.metrics.show(&mut page);
        page.to_string()
    }
}

impl Drop for Gate {
    fn drop(&mut self) {
        self.shared.draining.store(true, Ordering::Relaxed);
        self.worker.take().unwrap().join().unwrap().unwrap();
    }
}

#[test]
fn a_panic_costs_one_request_and_the_worker_goes_on() {
    const ROUNDS: usize = 50;
    let backend = Backend::start(|_| Answer::ok("well"));
    let gate = Gate::start(backend.address());
    for _ in 0..ROUNDS {
        assert_eq!(gate.ask("/broken/now"), ("500".to_owned(), true));
        assert_eq!(gate.ask("/broken/later"), ("500".to_owned(), true));
        assert_eq!(gate.ask("/well"), ("200".to_owned(), false));
    }
    assert_eq!(backend.recorded().len(), ROUNDS, "nothing of a broken request is forwarded");
    assert!(backend.recorded().iter().all(|request| request.target() == "/well"));
    let none_open = || (gate.shared.budget.clients() == 0).then_some(());
    eventually(PATIENCE, none_open);

    let metrics = gate.metrics();
    assert!(metrics.contains(&format!("haechi_panics_total {}\n", 2 * ROUNDS)), "{metrics}");
    let failed = format!(
        "haechi_http_requests_total{{route=\"broken\",method=\"GET\",status=\"500\"}} {}\n",
        2 * ROUNDS
    );
    assert!(metrics.contains(&failed), "each broken request is counted once, under its route: {metrics}");
}

#[test]
fn a_request_that_panicked_is_recorded_once_as_what_it_was() {
    let backend = Backend::saying("well");
    let mut gate = Gate::start(backend.address());
    gate.ask("/broken/later");
    let lines = eventually(PATIENCE, || gate.lines.try_recv().ok());
    let lines = String::from_utf8(lines).unwrap();
    assert_eq!(lines.lines().count(), 1, "{lines}");
    let line: serde_json::Value = serde_json::from_str(&lines).unwrap();
    assert_eq!((&line["status"], &line["outcome"]), (&500.into(), &"failed".into()));
    assert_eq!((&line["route"], &line["path"]), (&"broken".into(), &"/broken/later".into()));
    assert_eq!(line["reason"], "a panic while the request was handled");
}

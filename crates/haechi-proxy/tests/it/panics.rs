//! A panic while serving one request costs that request only.

use crate::gate::{self, Gate};
use haechi_authn::schemes::anonymous;
use haechi_authn::{Attempt, Authenticator, Challenge, CredentialPlace, Look, Scheme};
use haechi_authz::{Enforcer, EnforcerParts, Engine, RouteFacts, Rule, Vocabulary, compile};
use haechi_core::{PathPattern, RequestHead, Timestamp};
use haechi_proxy::{Authentication, Plan, Route, ServiceIndex, Target};
use haechi_testkit::{Answer, Backend, PATIENCE, eventually};
use std::cell::RefCell;
use std::net::SocketAddr;
use std::rc::Rc;
use std::sync::Arc;

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
    gate::plan(backend, enforcer(&routes), routes)
}

#[test]
fn a_panic_costs_one_request_and_the_worker_goes_on() {
    const ROUNDS: usize = 50;
    let backend = Backend::start(|_| Answer::ok("well"));
    let gate = Gate::start(plan(backend.address()));
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
    let mut gate = Gate::start(plan(backend.address()));
    gate.ask("/broken/later");
    let lines = eventually(PATIENCE, || gate.lines.try_recv().ok());
    let lines = String::from_utf8(lines).unwrap();
    assert_eq!(lines.lines().count(), 1, "{lines}");
    let line: serde_json::Value = serde_json::from_str(&lines).unwrap();
    assert_eq!((&line["status"], &line["outcome"]), (&500.into(), &"failed".into()));
    assert_eq!((&line["route"], &line["path"]), (&"broken".into(), &"/broken/later".into()));
    assert_eq!(line["reason"], "a panic while the request was handled");
}

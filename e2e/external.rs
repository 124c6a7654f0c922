//! An authorization service that is asked about each request (`type: external`; docs/authentication.md).

mod faults;
mod grpc;
mod secured;

use crate::harness::{Gate, PATIENCE, Reply, curl, eventually, haechi, routes_to};
use haechi_testkit::{Answer, Backend, Latch, Recorded};
use std::sync::{Arc, Mutex};

type Behaviour = Arc<dyn Fn(&Recorded) -> Answer + Send + Sync>;

/// An authorization service that answers as it is told to.
struct Service {
    backend: Backend,
    behaviour: Arc<Mutex<Behaviour>>,
}

impl Service {
    fn start() -> Self {
        let behaviour: Arc<Mutex<Behaviour>> = Arc::new(Mutex::new(Arc::new(|_| Answer::new(500, &[], ""))));
        let told = behaviour.clone();
        let backend = Backend::reading(move |request| {
            let behaviour = told.lock().unwrap().clone();
            behaviour(request)
        });
        Self { backend, behaviour }
    }

    fn does(&self, behaviour: impl Fn(&Recorded) -> Answer + Send + Sync + 'static) {
        *self.behaviour.lock().unwrap() = Arc::new(behaviour);
    }

    /// Lets Alice through.
    fn says_alice(&self) {
        self.does(|_| alice());
    }

    fn asked(&self) -> Vec<Recorded> {
        self.backend.recorded()
    }
}

fn alice() -> Answer {
    let said = [
        ("x-auth-subject", "alice"),
        ("x-auth-roles", "staff, guests"),
        ("x-auth-scopes", "orders:read,other"),
        ("x-tenant", "acme"),
    ];
    Answer::new(200, &said, "")
}

struct World {
    service: Service,
    backend: Backend,
    gate: Gate,
}

impl World {
    /// With more keys of the authenticator.
    fn with(more: &str) -> Self {
        Self::taking("legacy", more)
    }

    /// With a route that takes these authenticators.
    fn taking(authenticate: &str, more: &str) -> Self {
        let (service, backend) = (Service::start(), Backend::saying("reached"));
        let gate = Gate::start(&format!(
            "
caller_attributes: {{ tenant: string }}
roles: {{ USER: {{}} }}
authenticators:
  legacy:
    type: external
    url: {url}/verify
    attributes: {{ tenant: X-Tenant }}
    role_map: {{ staff: USER }}
{more}
{routes}",
            url = service.backend.url(),
            routes =
                routes_to(&backend, &[("/**", authenticate, "{ roles: [USER], scopes: [orders:read] }")]),
        ));
        Self { service, backend, gate: gate.ready() }
    }

    fn ask(&self, token: &str) -> Reply {
        self.gate.get_with_token("/a", token)
    }

    fn counted(&self, result: &str) -> f64 {
        self.gate.metric("haechi_authn_external_total", &[&format!("result=\"{result}\"")])
    }
}

#[test]
fn whom_the_service_names_reaches_the_backend_as_its_caller() {
    let world = World::with("    also_send: [User-Agent]");
    world.service.says_alice();
    let sent = [
        "authorization: Bearer opaque-1",
        "user-agent: test",
        "cookie: other=1",
        "x-forwarded-method: DELETE",
        "x-forwarded-uri: /elsewhere",
        "x-auth-subject: root",
        "x-secret: s",
    ];
    world.gate.get_with("/a%62?q=1", &sent).expect(200);
    let seen = world.backend.sole();
    for (name, value) in [
        ("x-auth-subject", "alice"),
        ("x-auth-issuer", &*format!("{}/verify", world.service.backend.url())),
        ("x-auth-roles", "USER"),
        ("x-auth-scopes", "orders:read,other"),
        ("x-auth-attr-tenant", "acme"),
        ("x-auth-authenticator", "legacy"),
    ] {
        assert_eq!(seen.field(name), Some(value), "{name}");
    }
    assert_eq!(seen.field("authorization"), None, "what was verified here does not travel on");
    let asked = &world.service.asked()[0];
    assert_eq!((asked.method(), asked.target(), asked.body.len()), ("GET", "/verify", 0));
    for (name, value) in [
        ("authorization", Some("Bearer opaque-1")),
        ("user-agent", Some("test")),
        ("x-forwarded-method", Some("GET")),
        ("x-forwarded-uri", Some("/ab?q=1")),
        ("x-forwarded-proto", Some("http")),
        ("x-forwarded-for", Some("127.0.0.1")),
        ("x-forwarded-host", Some(&*world.gate.address().to_string())),
        ("cookie", None),
        ("x-secret", None),
        ("x-auth-subject", None),
    ] {
        assert_eq!(asked.field(name), value, "{name}");
    }
    world.gate.get("/a").expect(401);
    world.service.does(|_| Answer::new(401, &[], ""));
    let refused = world.ask("opaque-2").expect(401);
    assert!(refused.challenges().contains("error=\"invalid_token\""), "{}", refused.challenges());
    world.service.does(|_| Answer::new(403, &[], "why"));
    let refused = world.ask("opaque-3").expect(403);
    assert!(!refused.text().contains("why"), "what the service says stays here");
    assert_eq!(world.backend.recorded().len(), 1);
    for (result, count) in [("allowed", 1.0), ("refused", 2.0), ("unavailable", 0.0), ("not_asked", 0.0)] {
        assert!((world.counted(result) - count).abs() < 0.1, "{result}: {}", world.counted(result));
    }
    let rejected =
        world.gate.metric("haechi_authn_total", &["authenticator=\"legacy\"", "result=\"rejected\""]);
    assert!((rejected - 2.0).abs() < 0.1, "{rejected}");
    let log =
        eventually(PATIENCE, || world.gate.log().into_iter().find(|line| line.contains("\"status\":403")));
    assert!(log.contains("legacy"), "{log}");
}

#[test]
fn the_same_question_is_asked_once_for_as_long_as_its_answer_is_kept() {
    let world = World::with("    cache: 1h");
    let latch = Latch::new();
    let waits = latch.clone();
    world.service.does(move |_| {
        waits.wait();
        alice()
    });
    let url = world.gate.url("/a");
    std::thread::scope(|scope| {
        let clients: Vec<_> = (0..50)
            .map(|_| scope.spawn(|| curl(&["--header", "Authorization: Bearer new", &url]).status))
            .collect();
        eventually(PATIENCE, || (!world.service.asked().is_empty()).then_some(()));
        latch.open();
        for client in clients {
            assert_eq!(client.join().unwrap(), 200);
        }
    });
    assert_eq!((world.service.asked().len(), world.backend.recorded().len()), (1, 50));
    world.gate.get_with_token("/b", "new").expect(200);
    assert_eq!(world.service.asked().len(), 2, "another path is another question");
    world.gate.curl("/a", &["-X", "DELETE", "-H", "Authorization: Bearer new"]).expect(200);
    assert_eq!(world.service.asked().len(), 3, "and so is another method");
    world.service.does(|_| Answer::new(401, &[], ""));
    world.ask("new").expect(200);
    world.ask("newer").expect(401);
    let before = world.backend.recorded().len();
    world.service.says_alice();
    world.ask("newer").expect(401);
    assert_eq!((world.service.asked().len(), world.backend.recorded().len()), (4, before));
}

#[test]
fn without_a_lifetime_each_request_is_asked_about() {
    let world = World::with("");
    world.service.says_alice();
    world.ask("a").expect(200);
    world.ask("a").expect(200);
    world.service.does(|_| Answer::new(403, &[], ""));
    world.ask("a").expect(403);
    assert_eq!((world.service.asked().len(), world.backend.recorded().len()), (3, 2));
}

#[test]
fn the_services_own_answer_reaches_the_client_only_as_far_as_configured() {
    let world = World::with(
        "    without_credential: ask\n    cookies: [session]\n    own_answers: { statuses: [302, 401], headers: [location, set-cookie], body: true }",
    );
    let fields = [
        ("location", "https://login.example/?next=1"),
        ("set-cookie", "state=1; HttpOnly"),
        ("set-cookie", "more=2"),
        ("x-auth-subject", "root"),
        ("x-internal", "secret"),
        ("www-authenticate", "Negotiate"),
        ("content-type", "text/plain"),
    ];
    world.service.does(move |_| Answer::new(302, &fields, "to the login"));
    let reply = world.gate.get("/a").expect(302);
    assert_eq!(reply.field("location"), Some("https://login.example/?next=1"));
    let cookies = reply.head.fields.iter().filter(|(name, _)| name == "set-cookie").count();
    assert_eq!((cookies, reply.text()), (2, "to the login".to_owned()));
    for name in ["x-auth-subject", "x-internal", "www-authenticate"] {
        assert_eq!(reply.field(name), None, "{name}");
    }
    assert_eq!(reply.field("cache-control"), Some("no-store"));
    world.service.does(|_| Answer::new(403, &[("set-cookie", "a=1")], "theirs"));
    let ours = world.ask("a").expect(403);
    assert!(ours.field("set-cookie").is_none() && !ours.text().contains("theirs"), "403 is not listed");
    assert_eq!(world.backend.recorded().len(), 0);
    world.service.says_alice();
    world.gate.get("/a").expect(200);
    let by_cookie = ["cookie: session=1; other=2", "origin: https://evil.example"];
    world.gate.get_with("/a", &by_cookie[..1]).expect(200);
    assert_eq!(world.service.asked().last().unwrap().field("cookie"), Some("session=1"));
    assert_eq!(world.backend.last().field("cookie"), Some("other=2"));
    let before = world.backend.recorded().len();
    let forged = ["-X", "POST", "-H", by_cookie[0], "-H", by_cookie[1]];
    world.gate.curl("/a", &forged).expect(403);
    assert_eq!(world.backend.recorded().len(), before, "another site does not act in its caller's name");
}

#[test]
fn a_service_that_is_gone_is_not_waited_for_each_time() {
    let world = World::with("    timeout: 300ms");
    let latch = Latch::new();
    let never = latch.clone();
    world.service.does(move |_| Answer::never(&never));
    eventually(PATIENCE, || {
        world.ask("a").expect(503);
        (world.counted("not_asked") > 0.5).then_some(())
    });
    assert_eq!(world.backend.recorded().len(), 0);
    latch.open();
    world.service.says_alice();
    eventually(PATIENCE, || (world.ask("a").status == 200).then_some(()));
}

#[test]
fn commands_know_its_callers() {
    let world = World::with("");
    world.service.says_alice();
    let folder = world.gate.folder().path();
    let explained = haechi(folder, &["explain", "--method", "GET", "--path", "/a", "--token", "opaque-1"]);
    let explained = explained.success().stdout;
    assert!(explained.contains("alice") && explained.contains("allow"), "{explained}");
    let matrix = haechi(folder, &["matrix", "--output", "csv"]).success().stdout;
    assert!(matrix.contains("USER"), "{matrix}");
    world.gate.folder().write(
        "cases.yaml",
        "- name: staff read\n  request: { method: GET, path: /a }\n  caller: { roles: [USER], scopes: [orders:read] }\n  expect: allow\n\
         - name: others do not\n  request: { method: GET, path: /a }\n  caller: { roles: [], scopes: [orders:read] }\n  expect: deny\n",
    );
    haechi(folder, &["test", "cases.yaml"]).success();
}

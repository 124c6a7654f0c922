//! An authorization service that is asked over gRPC, by Envoy's `ext_authz` v3: grpcio with Envoy's own messages, and the gate itself as the other side.

use crate::harness::{Authority, Folder, Gate, PATIENCE, eventually, grpc_process, routes_to};
use haechi_testkit::Backend;
use serde_json::Value;
use std::io::{BufRead, BufReader};
use std::net::{SocketAddr, TcpStream};
use std::process::Child;
use std::sync::{Arc, Mutex};

/// The service as a process; killed when dropped.
struct Service {
    child: Child,
    address: SocketAddr,
    asked: Arc<Mutex<Vec<Value>>>,
}

impl Drop for Service {
    fn drop(&mut self) {
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

impl Service {
    fn start(address: SocketAddr, certificate: &[String]) -> Self {
        let mut child =
            grpc_process(include_str!("service.py"), &[&[address.to_string()], certificate].concat());
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
        assert_eq!(lines.next().unwrap().unwrap(), "ready");
        let asked: Arc<Mutex<Vec<Value>>> = Arc::default();
        let told = asked.clone();
        std::thread::spawn(move || {
            for line in lines.map_while(Result::ok) {
                told.lock().unwrap().push(serde_json::from_str(&line).unwrap());
            }
        });
        Self { child, address, asked }
    }

    fn asked(&self) -> Vec<Value> {
        self.asked.lock().unwrap().clone()
    }
}

struct World {
    service: Service,
    backend: Backend,
    gate: Gate,
}

impl World {
    /// With more keys of the authenticator.
    fn with(more: &str) -> Self {
        let service = Service::start(haechi_testkit::port::unused_address(), &[]);
        let backend = Backend::saying("reached");
        let gate = Gate::start(&format!(
            "
caller_attributes: {{ tenant: string }}
roles: {{ USER: {{}} }}
authenticators:
  legacy:
    type: external
    url: grpc://{}
    timeout: 1s
    attributes: {{ tenant: X-Tenant }}
    role_map: {{ staff: USER }}
{more}
{}",
            service.address,
            routes_to(&backend, &[("/**", "legacy", "{ roles: [USER], scopes: [orders:read] }")]),
        ));
        Self { service, backend, gate: gate.ready() }
    }
}

#[test]
fn whom_the_service_names_is_the_caller_and_what_else_it_asks_for_is_not_done() {
    let world = World::with("    also_send: [User-Agent]");
    let sent = [
        "authorization: Bearer changing",
        "user-agent: test",
        "cookie: other=1",
        "x-kept: 1",
        "x-secret: s",
        "x-auth-subject: root",
    ];
    let reply = world.gate.get_with("/a%62?q=1", &sent).expect(200);
    assert_eq!(reply.field("set-cookie"), None);
    let seen = world.backend.sole();
    assert_eq!(seen.target(), "/ab?q=1");
    let url = format!("grpc://{}", world.service.address);
    let host = world.gate.address().to_string();
    for (name, value) in [
        ("x-auth-subject", Some("alice")),
        ("x-auth-issuer", Some(&*url)),
        ("x-auth-roles", Some("USER")),
        ("x-auth-scopes", Some("orders:read,other")),
        ("x-auth-attr-tenant", Some("acme")),
        ("authorization", None),
        ("x-injected", None),
        ("content-length", None),
        ("transfer-encoding", None),
        ("host", Some(&*host)),
        ("x-forwarded-for", Some("127.0.0.1")),
        ("x-kept", Some("1")),
    ] {
        assert_eq!(seen.field(name), value, "{name}");
    }
    assert!(seen.field("x-request-id").is_some());
    let asked = eventually(PATIENCE, || world.service.asked().into_iter().next());
    for (name, value) in [
        ("method", "GET"),
        ("path", "/ab?q=1"),
        ("host", &*host),
        ("scheme", "http"),
        ("client", "127.0.0.1"),
        ("body", ""),
    ] {
        assert_eq!(asked[name], value, "{name}");
    }
    let told = serde_json::json!({ "authorization": "Bearer changing", "user-agent": "test" });
    assert_eq!(asked["headers"], told);
}

#[test]
fn only_one_clear_answer_lets_anybody_through() {
    let world = World::with("");
    for (token, status) in [
        ("alice", 200),
        ("nobody", 503),
        ("bare", 503),
        ("no-status", 503),
        ("nothing", 503),
        ("both", 503),
        ("denied-0", 503),
        ("denied-200", 503),
        ("denied-401", 401),
        ("denied-403", 403),
        ("denied-500", 503),
        ("login", 503),
        ("plain-7", 403),
        ("plain-16", 401),
        ("plain-14", 503),
        ("large", 503),
        ("abort-PERMISSION_DENIED", 503),
        ("abort-UNAVAILABLE", 503),
    ] {
        let before = world.backend.recorded().len();
        // Between two that come to nothing, one that does not: else it would not be asked for a moment.
        let reply = world.gate.get_with_token("/a", token);
        assert_eq!(reply.status, status, "{token}: {}", reply.text());
        assert!(!reply.text().contains("why"), "what the service says stays here");
        assert_eq!(world.backend.recorded().len() - before, usize::from(status == 200), "{token}");
        world.gate.get_with_token("/a", "alice").expect(200);
    }
    // No credential, and one that is not text.
    world.gate.get("/a").expect(401);
    let before = world.service.asked().len();
    let mut raw = world.gate.converse();
    raw.send(b"GET /a HTTP/1.1\r\nHost: a\r\nAuthorization: Bearer \xe9\r\nConnection: close\r\n\r\n");
    assert_eq!(raw.answer().unwrap().status, 401);
    assert_eq!(world.service.asked().len(), before);
}

#[test]
fn its_own_answer_reaches_the_client_only_as_far_as_configured() {
    let world = World::with("    own_answers: { statuses: [302], headers: [location, set-cookie] }");
    let reply = world.gate.get_with_token("/a", "login").expect(302);
    assert_eq!(reply.field("location"), Some("https://login.example/"));
    assert_eq!((reply.field("set-cookie"), reply.field("x-internal")), (Some("state=1"), None));
    assert!(world.backend.recorded().is_empty());
}

#[test]
fn a_service_that_is_slow_or_gone_is_503_and_one_that_comes_back_is_asked_again() {
    let World { service, backend, gate } = World::with("    cache: 1h");
    gate.get_with_token("/a", "alice.1").expect(200);
    gate.get_with_token("/a", "slow").expect(503);
    gate.get_with_token("/a", "alice.2").expect(200);
    let address = service.address;
    drop(service);
    for token in ["alice.3", "alice.4", "alice.5", "alice.6", "alice.7", "alice.8"] {
        gate.get_with_token("/a", token).expect(503);
    }
    gate.get_with_token("/a", "alice.1").expect(200);
    assert_eq!(backend.recorded().len(), 3);
    let not_asked = gate.metric("haechi_authn_external_total", &["result=\"not_asked\""]);
    assert!(not_asked > 0.5, "{not_asked}");
    let again = Service::start(address, &[]);
    eventually(PATIENCE, || (gate.get_with_token("/a", "alice.9").status == 200).then_some(()));
    assert!(!again.asked().is_empty());
}

/// Between gate and service. The first connection is taken, and nothing ever comes back over it; the others are passed on.
fn freezing_the_first(service: SocketAddr) -> SocketAddr {
    let listener = haechi_testkit::port::listener();
    let address = listener.local_addr().unwrap();
    std::thread::spawn(move || {
        let mut frozen = Vec::new();
        for socket in listener.incoming().map_while(Result::ok) {
            if frozen.is_empty() {
                frozen.push(socket);
                continue;
            }
            let onward = TcpStream::connect(service).unwrap();
            for (mut from, mut to) in
                [(socket.try_clone().unwrap(), onward.try_clone().unwrap()), (onward, socket)]
            {
                std::thread::spawn(move || {
                    drop(std::io::copy(&mut from, &mut to));
                    drop(to.shutdown(std::net::Shutdown::Write));
                });
            }
        }
    });
    address
}

#[test]
fn a_connection_over_which_nothing_came_is_not_asked_over_again() {
    let service = Service::start(haechi_testkit::port::unused_address(), &[]);
    let backend = Backend::saying("reached");
    let gate = Gate::start(&format!(
        "authenticators: {{ legacy: {{ type: external, url: \"grpc://{}\", timeout: 1s }} }}\n{}",
        freezing_the_first(service.address),
        routes_to(&backend, &[("/**", "legacy", "any")]),
    ))
    .ready();
    gate.get_with_token("/a", "alice").expect(503);
    assert!(service.asked().is_empty() && backend.recorded().is_empty());
    gate.get_with_token("/a", "alice").expect(200);
    assert_eq!(backend.recorded().len(), 1);
}

#[test]
fn over_tls_only_the_right_certificate_is_asked() {
    let (authority, other) = (Authority::new("ours"), Authority::new("other"));
    let backend = Backend::saying("reached");
    for (name, signer, names, status) in [
        ("right", &authority, ["localhost"], 200),
        ("another authority", &other, ["localhost"], 503),
        ("another name", &authority, ["elsewhere.example"], 503),
    ] {
        let folder = Folder::exactly("");
        signer.leaf(&names).write(&folder, "service");
        let files = ["service.pem", "service.key"].map(|file| folder.file(file).display().to_string());
        let service = Service::start(haechi_testkit::port::unused_address(), &files);
        let of_gate = Folder::new(&format!(
            "authenticators: {{ legacy: {{ type: external, url: \"grpcs://localhost:{}\", tls: {{ ca: ca.pem }} }} }}\n{}",
            service.address.port(),
            routes_to(&backend, &[("/**", "legacy", "any")]),
        ));
        of_gate.write("ca.pem", &authority.pem());
        let gate = Gate::start_in(of_gate).ready();
        assert_eq!(gate.get_with_token("/a", "alice").status, status, "{name}");
        assert_eq!(service.asked().is_empty(), status != 200, "{name}: the credential was sent");
    }
    assert_eq!(backend.recorded().len(), 1);
}

/// The listener that Envoy asks, asked by another gate.
#[test]
fn the_gate_asks_itself() {
    let inner = Folder::exactly(
        "listeners: [{ bind: 127.0.0.1:0 }, { bind: 127.0.0.1:0, type: authorizer }]
admin: { bind: 127.0.0.1:0 }
trusted_proxies: [127.0.0.1/32]
store: sqlite:haechi.db
roles: { USER: {} }
authenticators: { partner: { type: api_key, header: X-API-Key } }
routes: [{ name: all, match: { path: /a/** }, authenticate: partner, authorize: { roles: [USER] }, service: none }]
",
    );
    let key = inner.create_key(&["--owner", "홍 길동", "--role", "USER"]);
    let other = inner.create_key(&["--owner", "other"]);
    let inner = Gate::start_in(inner).ready();
    let backend = Backend::saying("reached");
    let outer = Gate::start(&format!(
        "roles: {{ USER: {{}} }}
authenticators: {{ inner: {{ type: external, url: \"grpc://{}\", headers: [X-API-Key], encoding: percent }} }}
{}",
        crate::doors::door(&inner),
        routes_to(&backend, &[("/**", "inner", "{ roles: [USER] }")]),
    ))
    .ready();
    outer.get_with("/a/b", &[&format!("x-api-key: {key}")]).expect(200);
    assert_eq!(backend.last().field("x-auth-subject"), Some("%ED%99%8D%20%EA%B8%B8%EB%8F%99"));
    outer.get_with("/a/b", &[&format!("x-api-key: {other}")]).expect(403);
    outer.get_with("/a/b", &["x-api-key: wrong"]).expect(401);
    outer.get("/a/b").expect(401);
    assert_eq!(backend.recorded().len(), 1);
}

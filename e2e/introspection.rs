//! Tokens of which the authorization server is asked (`type: introspection`, RFC 7662, RFC 9701; docs/authentication.md).

mod certified;
mod faults;

use crate::harness::{Gate, Reply, curl, eventually, haechi, routes_to};
use haechi_testkit::jose::{Key, now};
use haechi_testkit::{Answer, Backend, Latch, Recorded};
use serde_json::{Value, json};
use std::sync::{Arc, Mutex};
use std::time::Duration;

type Behaviour = Arc<dyn Fn(&Recorded) -> Answer + Send + Sync>;

/// An authorization server that answers as it is told to.
struct Server {
    backend: Backend,
    behaviour: Arc<Mutex<Behaviour>>,
    key: Arc<Key>,
}

impl Server {
    fn start() -> Self {
        let key = Arc::new(Key::p256("one"));
        let behaviour: Arc<Mutex<Behaviour>> = Arc::new(Mutex::new(Arc::new(|_| Answer::new(500, &[], ""))));
        let (told, published) = (behaviour.clone(), key.clone());
        let backend = Backend::reading(move |request| {
            let issuer = format!("http://{}", request.field("host").unwrap_or(""));
            match request.target() {
                "/.well-known/openid-configuration" => told_as_json(&json!({
                    "issuer": issuer,
                    "introspection_endpoint": format!("{issuer}/introspect"),
                    "jwks_uri": format!("{issuer}/keys"),
                })),
                "/keys" => told_as_json(&json!({ "keys": [published.jwk()] })),
                _ => {
                    let behaviour = told.lock().unwrap().clone();
                    behaviour(request)
                }
            }
        });
        Self { backend, behaviour, key }
    }

    fn does(&self, behaviour: impl Fn(&Recorded) -> Answer + Send + Sync + 'static) {
        *self.behaviour.lock().unwrap() = Arc::new(behaviour);
    }

    fn says(&self, answer: Value) {
        self.does(move |_| told_as_json(&answer));
    }

    /// The questions about tokens.
    fn asked(&self) -> Vec<Recorded> {
        let all = self.backend.recorded().into_iter();
        all.filter(|request| request.target().starts_with("/introspect")).collect()
    }
}

fn told_as_json(body: &Value) -> Answer {
    Answer::new(200, &[("content-type", "application/json")], body.to_string())
}

/// What the server says of a token of Alice's.
fn active() -> Value {
    json!({
        "active": true, "sub": "alice", "aud": ["orders", "bills"], "exp": now() + 600, "scope": "orders:read other",
        "groups": ["staff"], "tenant": "acme", "token_type": "Bearer", "jti": "000102030405060708090a0b0c0d0e0f",
    })
}

struct World {
    server: Server,
    backend: Backend,
    gate: Gate,
}

impl World {
    fn new() -> Self {
        Self::with("    cache: 30s", "")
    }

    /// With more keys of the authenticator, and more at the top.
    fn with(more: &str, top: &str) -> Self {
        let (server, backend) = (Server::start(), Backend::saying("reached"));
        let gate = Gate::start(&format!(
            "{top}
caller_attributes: {{ tenant: string }}
roles: {{ USER: {{}} }}
authenticators:
  opaque:
    type: introspection
    issuer: {issuer}
    client_id: gate
    client_secret: \"s3cret/of:the gate\"
    audiences: [orders]
    claims: {{ roles: /groups }}
    role_map: {{ staff: USER }}
{more}
{routes}",
            issuer = server.backend.url(),
            routes = routes_to(&backend, &[("/**", "opaque", "{ roles: [USER], scopes: [orders:read] }")]),
        ));
        Self { server, backend, gate: gate.ready() }
    }

    fn ask(&self, token: &str) -> Reply {
        self.gate.get_with_token("/a", token)
    }
}

#[test]
fn an_active_token_reaches_the_backend_as_its_caller() {
    let world = World::new();
    world.server.says(active());
    world.ask("opaque-1").expect(200);
    let seen = world.backend.sole();
    for (name, value) in [
        ("x-auth-subject", "alice"),
        ("x-auth-issuer", &*world.server.backend.url()),
        ("x-auth-roles", "USER"),
        ("x-auth-scopes", "orders:read,other"),
        ("x-auth-attr-tenant", "acme"),
        ("x-auth-authenticator", "opaque"),
    ] {
        assert_eq!(seen.field(name), Some(value), "{name}");
    }
    assert_eq!(seen.field("authorization"), None, "what was verified here does not travel on");
    let asked = world.server.asked();
    let body = String::from_utf8_lossy(&asked[0].body).into_owned();
    assert_eq!(body, "token=opaque-1&token_type_hint=access_token");
    assert_eq!(asked[0].method(), "POST");
    assert_eq!(asked[0].field("authorization"), Some("Basic Z2F0ZTpzM2NyZXQlMkZvZiUzQXRoZSUyMGdhdGU="));
    assert_eq!(asked[0].field("accept"), Some("application/json"));
    world.ask("opaque-1").expect(200);
    assert_eq!(world.server.asked().len(), 1, "remembered");
    world.gate.get("/a").expect(401);
    let doubled = world.gate.get_with("/a?access_token=x", &["authorization: Bearer opaque-1"]);
    assert_eq!(doubled.status, 400);
    world.server.says(json!({ "active": true, "sub": "bob", "aud": "orders", "groups": ["staff"] }));
    let refused = world.ask("opaque-2").expect(403);
    assert!(refused.challenges().contains("insufficient_scope"), "{}", refused.challenges());
    world.server.says(json!({ "active": false }));
    world.ask("opaque-3").expect(401);
    for (result, count) in [("active", 2.0), ("refused", 1.0), ("unavailable", 0.0)] {
        let label = format!("result=\"{result}\"");
        let counted = world.gate.metric("haechi_authn_introspections_total", &[&label]);
        assert!((counted - count).abs() < 0.1, "{result}: {counted}");
    }
}

#[test]
fn fifty_requests_with_one_new_token_ask_once() {
    let world = World::new();
    let latch = Latch::new();
    let waits = latch.clone();
    world.server.does(move |_| {
        waits.wait();
        told_as_json(&active())
    });
    let url = world.gate.url("/a");
    std::thread::scope(|scope| {
        let clients: Vec<_> = (0..50)
            .map(|_| scope.spawn(|| curl(&["--header", "Authorization: Bearer new", &url]).status))
            .collect();
        eventually(Duration::from_secs(10), || (!world.server.asked().is_empty()).then_some(()));
        latch.open();
        for client in clients {
            assert_eq!(client.join().unwrap(), 200);
        }
    });
    assert_eq!((world.server.asked().len(), world.backend.recorded().len()), (1, 50));
}

#[test]
fn a_flood_of_made_up_tokens_takes_nothing_from_those_who_are_known() {
    let world = World::new();
    world.server.says(active());
    world.ask("known").expect(200);
    let latch = Latch::new();
    let waits = latch.clone();
    world.server.does(move |_| {
        waits.wait();
        told_as_json(&json!({ "active": false }))
    });
    let before = world.backend.recorded().len();
    std::thread::scope(|scope| {
        // Each with a token of its own, all at once.
        let flood = scope.spawn(|| {
            let script = "import socket,sys\nh,p=sys.argv[1].split(':')\ns=[]\nfor n in range(400):\n c=socket.create_connection((h,int(p)));c.sendall(b'GET /a HTTP/1.1\\r\\nHost: %s\\r\\nAuthorization: Bearer flood-%d\\r\\nConnection: close\\r\\n\\r\\n'%(sys.argv[1].encode(),n));s.append(c)\nprint(' '.join(c.makefile('rb').readline().split()[1].decode() for c in s))";
            let address = world.gate.address().to_string();
            let made = std::process::Command::new("python3").args(["-c", script, &address]).output().unwrap();
            String::from_utf8(made.stdout).unwrap()
        });
        eventually(Duration::from_secs(10), || (world.server.asked().len() > 100).then_some(()));
        world.ask("known").expect(200);
        latch.open();
        let statuses = flood.join().unwrap();
        let count = |status: &str| statuses.split_whitespace().filter(|one| *one == status).count();
        assert_eq!(count("401") + count("503"), 400, "{statuses}");
        assert!(count("503") > 0, "not all of them are asked about at once: {statuses}");
    });
    assert_eq!(world.backend.recorded().len(), before + 1, "nothing of the flood arrived");
    eventually(Duration::from_secs(10), || (world.ask("after").status == 401).then_some(()));
}

#[test]
fn a_token_that_is_revoked_here_is_refused_whatever_the_server_says() {
    let world = World::with("    cache: 1h", "store: sqlite:haechi.db");
    world.server.says(active());
    world.ask("opaque-1").expect(200);
    haechi(world.gate.folder().path(), &["token", "revoke", "000102030405060708090a0b0c0d0e0f"]).success();
    eventually(Duration::from_secs(5), || (world.ask("opaque-1").status == 401).then_some(()));
    world.ask("another-of-the-same-jti").expect(401);
}

#[test]
fn commands_know_its_callers() {
    let world = World::new();
    world.server.says(active());
    let folder = world.gate.folder().path();
    let explained = haechi(folder, &["explain", "--method", "GET", "--path", "/a", "--token", "opaque-1"])
        .success()
        .stdout;
    assert!(explained.contains("alice") && explained.contains("allow"), "{explained}");
    let supposed = haechi(
        folder,
        &["explain", "--method", "GET", "--path", "/a", "--role", "USER", "--scope", "orders:read"],
    );
    assert!(supposed.success().stdout.contains("allow"));
    let matrix = haechi(folder, &["matrix", "--output", "csv"]).success().stdout;
    assert!(matrix.contains("USER"), "{matrix}");
    world.gate.folder().write(
        "cases.yaml",
        "- name: staff read\n  request: { method: GET, path: /a }\n  caller: { roles: [USER], scopes: [orders:read] }\n  expect: allow\n\
         - name: others do not\n  request: { method: GET, path: /a }\n  caller: { roles: [], scopes: [orders:read] }\n  expect: deny\n",
    );
    haechi(folder, &["test", "cases.yaml"]).success();
}

//! Could-not-find-out is 503, never a yes and never "wrong password"; a dead backend is said to be one.

use crate::harness::{Folder, Gate, PASSWORD, PATIENCE, Reply, eventually, routes_to};
use haechi_testkit::{Answer, Backend};
use serde_json::json;
use std::io::Write;
use std::net::Shutdown;

struct Site {
    backend: Backend,
    gate: Gate,
    key: String,
}

fn start() -> Site {
    let backend = Backend::saying("reached");
    let folder = Folder::new(&format!(
        "store: sqlite:haechi.db
identity: {{ issuer: http://localhost:8080, path: /auth }}
authenticators:
  local: {{ type: jwt, issuer: self }}
  staff: {{ type: basic, realm: staff }}
  partner: {{ type: api_key, header: X-API-Key }}
{}",
        routes_to(
            &backend,
            &[
                ("/open", "anonymous", "any"),
                ("/token", "[local]", "any"),
                ("/basic", "[staff]", "any"),
                ("/key", "[partner]", "any"),
                ("/either", "{ any: [partner, staff] }", "any"),
            ],
        )
    ));
    folder.add_user("alice", &[]);
    let key = folder.create_key(&["--owner", "acme"]);
    Site { backend, gate: Gate::start_in(folder).ready(), key }
}

fn lose_the_store(gate: &Gate) {
    for name in ["haechi.db", "haechi.db-wal", "haechi.db-shm"] {
        drop(std::fs::remove_file(gate.folder().file(name)));
    }
}

#[track_caller]
fn unavailable(reply: Reply) {
    let reply = reply.expect(503);
    assert!(
        reply.field("retry-after").is_some_and(|value| value.parse::<u32>().is_ok()),
        "{:#?}",
        reply.head
    );
    assert_eq!(reply.challenges(), "");
}

#[test]
fn a_store_that_is_gone_is_503_and_never_401_or_200() {
    let site = start();
    let gate = &site.gate;
    let login =
        gate.post_json("/auth/login", &json!({"username": "alice", "password": PASSWORD})).expect(200).json();
    let token = login["access_token"].as_str().unwrap();
    gate.get_with_token("/token", token).expect(200);
    lose_the_store(gate);
    unavailable(gate.curl("/basic", &["--user", &format!("alice:{PASSWORD}")]));
    unavailable(gate.curl("/basic", &["--user", "nobody:whatever it may be"]));
    unavailable(gate.get_with("/key", &[&format!("X-API-Key: {}", site.key)]));
    unavailable(gate.curl("/either", &["--user", &format!("alice:{PASSWORD}")]));
    unavailable(gate.post_json("/auth/login", &json!({"username": "alice", "password": PASSWORD})));
    unavailable(
        gate.post_json("/auth/login", &json!({"username": "alice", "password": "wrong in any case"})),
    );
    unavailable(gate.post_json("/auth/refresh", &json!({"refresh_token": login["refresh_token"]})));
    let before = site.backend.recorded().len();
    gate.get("/basic").expect(401);
    gate.get("/open").expect(200);
    assert_eq!(site.backend.recorded().len(), before + 1);
    // Nobody knows any more whether the token was revoked.
    eventually(PATIENCE, || (gate.get_with_token("/token", token).status == 503).then_some(()));
    let readiness = gate.admin("/readyz").expect(503).text();
    assert!(readiness.contains("store"), "{readiness}");
    gate.admin("/livez").expect(200);
}

#[test]
fn a_backend_that_dies_is_502_and_is_found_again() {
    let mut backend = Some(Backend::saying("reached"));
    let address = backend.as_ref().unwrap().address();
    let gate = Gate::start(&routes_to(backend.as_ref().unwrap(), &[("/**", "anonymous", "any")]));
    gate.get("/").expect(200);
    drop(backend.take());
    for _ in 0..3 {
        gate.get("/").expect(502);
    }
    let _again = Backend::start_at(address, |_| Answer::ok("back"));
    assert_eq!(gate.get("/").expect(200).text(), "back");
}

#[test]
fn idle_connections_that_the_backend_closed_cost_no_request() {
    let (closed, closes) = std::sync::mpsc::channel();
    let backend = Backend::start(move |_| {
        let closed = closed.clone();
        Answer::written(move |socket| {
            socket.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok").unwrap();
            socket.shutdown(Shutdown::Both).unwrap();
            closed.send(()).unwrap();
        })
    });
    let gate = Gate::start(&routes_to(&backend, &[("/**", "anonymous", "any")]));
    for n in 1..=20 {
        gate.curl("/", &["--data", "once"]).expect(200);
        assert_eq!(backend.recorded().len(), n);
        closes.recv_timeout(PATIENCE).unwrap();
    }
}

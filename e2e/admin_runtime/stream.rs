//! Decisions as they are made, as server-sent events.

use super::Site;
use crate::harness::{PATIENCE, eventually};
use haechi_testkit::{Answer, Backend, Latch};
use serde_json::Value;
use std::io::{Read, Write};
use std::net::TcpStream;

/// A client of the stream.
struct Watching {
    socket: TcpStream,
    seen: String,
}

impl Watching {
    fn open(site: &Site, token: &str, query: &str) -> Self {
        let mut socket = TcpStream::connect(site.gate.admin_address()).unwrap();
        socket.set_read_timeout(Some(PATIENCE)).unwrap();
        let head = format!(
            "GET /api/v1/decisions/stream{query} HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {token}\r\n\r\n"
        );
        socket.write_all(head.as_bytes()).unwrap();
        Self { socket, seen: String::new() }
    }

    /// One that is told that it is one.
    fn opened(site: &Site, token: &str, query: &str) -> Self {
        let mut watching = Self::open(site, token, query);
        watching.until(": decisions as they are made");
        assert!(watching.seen.starts_with("HTTP/1.1 200 "), "{}", watching.seen);
        assert!(watching.seen.contains("content-type: text/event-stream"), "{}", watching.seen);
        watching
    }

    /// Reads until this is seen.
    fn until(&mut self, text: &str) {
        let mut piece = [0; 4096];
        while !self.seen.contains(text) {
            let count = self.socket.read(&mut piece).unwrap_or_else(|error| panic!("{error}: {}", self.seen));
            assert!(count > 0, "it ended before `{text}`: {}", self.seen);
            self.seen.push_str(&String::from_utf8_lossy(&piece[..count]));
        }
    }

    /// Reads to the end of the answer.
    fn ended(&mut self) {
        self.until("\r\n0\r\n\r\n");
    }

    fn events(&self) -> Vec<Value> {
        let data = self.seen.lines().filter_map(|line| line.strip_prefix("data: "));
        data.map(|data| serde_json::from_str(data).unwrap()).collect()
    }
}

fn site(backend: &Backend) -> Site {
    Site::start(&format!(
        "services: {{ web: {{ endpoints: [\"{}\"] }} }}
routes:
  - {{ name: orders, match: {{ path: /orders/** }}, authenticate: local, authorize: {{ roles: [USER] }}, service: web }}
  - {{ name: admin, match: {{ path: /admin }}, authenticate: local, authorize: {{ roles: [ADMIN] }}, service: web }}
",
        backend.url()
    ))
}

#[test]
fn a_decision_is_told_while_its_request_is_under_way() {
    let latch = Latch::new();
    let held = latch.clone();
    let backend = Backend::start(move |_| {
        held.wait();
        Answer::ok("reached")
    });
    let site = site(&backend);
    let mut all = Watching::opened(&site, &site.auditor, "");
    let mut denied = Watching::opened(&site, &site.admin, "?outcome=deny&route=admin");
    let mut request = site.gate.converse();
    request.send(format!("GET /orders/7 HTTP/1.1\r\nHost: a\r\nAuthorization: Bearer {}\r\n\r\n", site.user));
    all.until("event: decision");
    all.until("}\n\n");
    let event = all.events().remove(0);
    assert_eq!(
        (event["outcome"].as_str(), event["request"]["route"].as_str()),
        (Some("allow"), Some("orders"))
    );
    assert!(all.seen.contains(&format!("id: {}\n", event["id"].as_str().unwrap())), "{}", all.seen);
    latch.open();
    assert_eq!(request.answer().unwrap().status, 200);
    site.gate.get_with_token("/admin", &site.user).expect(403);
    denied.until("}\n\n");
    let only = denied.events();
    assert_eq!((only.len(), only[0]["request"]["route"].as_str()), (1, Some("admin")), "{only:?}");
    // It is the one that the list has.
    assert_eq!(site.get("/api/v1/decisions?outcome=deny&limit=1")["items"][0]["id"], only[0]["id"]);
}

#[test]
fn only_so_many_watch_and_only_who_may() {
    let backend = Backend::saying("reached");
    let site = site(&backend);
    site.call_as(&site.user, "GET", "/api/v1/decisions/stream", None).expect(403);
    site.call_as("x.y.z", "GET", "/api/v1/decisions/stream", None).expect(401);
    site.call("GET", "/api/v1/decisions/stream?outcome=perhaps", None).expect(400);
    let mut watching: Vec<_> = (0..16).map(|_| Watching::opened(&site, &site.admin, "")).collect();
    let refused = site.call("GET", "/api/v1/decisions/stream", None).expect(503);
    assert_eq!(refused.json()["type"], "urn:haechi:problem:busy");
    // Those who watch are not taken for idle, however many others call.
    for _ in 0..40 {
        site.get("/api/v1/routes");
    }
    site.gate.get_with_token("/admin", &site.user).expect(403);
    watching.iter_mut().for_each(|one| one.until("event: decision"));
    watching.pop();
    eventually(PATIENCE, || {
        let mut again = Watching::open(&site, &site.admin, "");
        again.until("\r\n\r\n");
        again.seen.starts_with("HTTP/1.1 200 ").then_some(())
    });
}

#[test]
fn it_ends_with_the_token_that_opened_it() {
    let backend = Backend::saying("reached");
    let site = site(&backend);
    let mut auditor = Watching::opened(&site, &site.auditor, "");
    let mut admin = Watching::opened(&site, &site.admin, "");
    site.call("DELETE", "/api/v1/users/eve/sessions", None).expect(204);
    auditor.ended();
    site.gate.get_with_token("/admin", &site.user).expect(403);
    admin.until("event: decision");
    assert!(auditor.events().is_empty());
}

#[test]
fn it_ends_when_the_gate_does() {
    let backend = Backend::saying("reached");
    let mut site = site(&backend);
    let mut watching = Watching::opened(&site, &site.admin, "");
    site.gate.signal("TERM");
    watching.ended();
    assert_eq!(site.gate.exited().code(), Some(0));
}

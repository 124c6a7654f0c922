//! Cross-origin resource sharing, as the Fetch standard has it: what a browser would read.

use crate::harness::{Folder, Gate, PATIENCE, Reply, eventually};
use haechi_testkit::{Answer, Backend};

const APP: &str = "https://app.example.com";
const ASK: &str = "Access-Control-Request-Method";

/// A backend that says about itself what only the gate may say.
fn backend() -> Backend {
    Backend::start(|_| {
        let fields =
            [("Access-Control-Allow-Origin", "*"), ("Access-Control-Max-Age", "86400"), ("Vary", "Accept")];
        Answer::new(200, &fields, "reached")
    })
}

fn start(backend: &Backend) -> Gate {
    let folder = Folder::new(&format!(
        r#"store: sqlite:haechi.db
access_log: {{ format: json, target: access.log }}
authenticators: {{ partner: {{ type: api_key }} }}
roles: {{ NOBODY: {{}} }}
services:
  web: {{ endpoints: ["{url}"] }}
  gone: {{ endpoints: ["http://127.0.0.1:1"] }}
routes:
  - name: orders
    match: {{ path: /orders/**, methods: [GET, PUT] }}
    authenticate: partner
    authorize: any
    service: web
    cors: {{ origins: [{APP}, "http://localhost:3000"], headers: [X-API-Key, Content-Type], expose: [X-Request-Id, ETag], credentials: true, max_age: 5m }}
  - name: order-options
    match: {{ path: /orders/**, methods: [OPTIONS, DELETE] }}
    authenticate: anonymous
    authorize: any
    service: web
  - {{ name: read, match: {{ path: /read }}, authenticate: anonymous, authorize: any, service: web, cors: {{ origins: "*", methods: [GET] }} }}
  - {{ name: plain, match: {{ path: /plain }}, authenticate: anonymous, authorize: any, service: web }}
  - {{ name: no, match: {{ path: /no }}, authenticate: partner, authorize: {{ roles: [NOBODY] }}, service: web, cors: {{ origins: [{APP}] }} }}
  - {{ name: gone, match: {{ path: /gone }}, authenticate: anonymous, authorize: any, service: gone, cors: {{ origins: [{APP}] }} }}
"#,
        url = backend.url()
    ));
    Gate::start_in(folder).ready()
}

fn preflight(gate: &Gate, path: &str, origin: &str, method: &str, headers: Option<&str>) -> Reply {
    let mut fields = vec![format!("Origin: {origin}"), format!("{ASK}: {method}")];
    fields.extend(headers.map(|headers| format!("Access-Control-Request-Headers: {headers}")));
    let mut arguments = vec!["--request", "OPTIONS"];
    for field in &fields {
        arguments.extend(["--header", field]);
    }
    gate.curl(path, &arguments)
}

/// Every cross-origin field of an answer, sorted.
fn said(reply: &Reply) -> Vec<String> {
    let fields =
        reply.head.fields.iter().filter(|(name, _)| name.to_lowercase().starts_with("access-control-"));
    let mut said: Vec<String> =
        fields.map(|(name, value)| format!("{}: {value}", name.to_lowercase())).collect();
    said.sort();
    said
}

#[test]
fn a_preflight_is_answered_without_a_credential_and_reaches_no_backend() {
    let backend = backend();
    let gate = start(&backend);
    let reply = preflight(&gate, "/orders/7", APP, "PUT", Some("content-type,x-api-key")).expect(204);
    assert_eq!(
        said(&reply),
        [
            "access-control-allow-credentials: true",
            "access-control-allow-headers: x-api-key, content-type",
            "access-control-allow-methods: GET, HEAD, PUT",
            &format!("access-control-allow-origin: {APP}"),
            "access-control-max-age: 300",
        ]
    );
    assert_eq!(reply.head.all("vary"), ["Origin"]);
    assert_eq!((reply.field("x-request-id").map(str::len), reply.body.len()), (Some(32), 0));
    let anybody = preflight(&gate, "/read", "https://elsewhere.example", "GET", None).expect(204);
    assert_eq!(anybody.field("access-control-allow-origin"), Some("*"));
    assert_eq!(anybody.field("vary"), None, "the answer is the same for everybody");
    assert!(backend.recorded().is_empty());

    let line = eventually(PATIENCE, || {
        let text = std::fs::read_to_string(gate.folder().file("access.log")).ok()?;
        text.lines().next().filter(|_| text.ends_with('\n')).map(str::to_owned)
    });
    for part in [
        "\"outcome\":\"preflight\"",
        "\"route\":\"orders\"",
        "\"status\":204",
        reply.field("x-request-id").unwrap(),
    ] {
        assert!(line.contains(part), "{line}");
    }
    let counted = |result: &str| gate.metric("haechi_cors_preflights_total", &["route=\"orders\"", result]);
    assert_eq!((counted("result=\"granted\""), counted("result=\"refused\"")), (1.0, 0.0));
}

#[test]
fn a_preflight_that_is_not_allowed_says_nothing() {
    let backend = backend();
    let gate = start(&backend);
    let refused = [
        ("/orders/7", "https://evil.example", "GET", None),
        ("/orders/7", "https://app.example.com.evil.example", "GET", None),
        ("/orders/7", "https://APP.example.com", "GET", None),
        ("/orders/7", "http://app.example.com", "GET", None),
        ("/orders/7", "null", "GET", None),
        ("/orders/7", APP, "GET", Some("x-other")),
        ("/orders/7", APP, "GET", Some("x-api-key,x-other")),
        ("/read", APP, "POST", None),
    ];
    for (path, origin, method, headers) in refused {
        let reply = preflight(&gate, path, origin, method, headers).expect(204);
        assert_eq!(said(&reply), [""; 0], "{path} {origin} {method} {headers:?}");
    }
    assert!(backend.recorded().is_empty());
    assert_eq!(gate.metric("haechi_cors_preflights_total", &["result=\"refused\""]), 8.0);
}

#[test]
fn options_is_a_request_like_any_other_where_no_rule_asks() {
    let backend = backend();
    let gate = start(&backend);
    // The request announced has no route, or one without rules: 404, 405 and routes for `OPTIONS` are what they were.
    preflight(&gate, "/nowhere", APP, "GET", None).expect(404);
    preflight(&gate, "/no", APP, "get", None).expect(401);
    assert!(backend.recorded().is_empty());
    assert_eq!(preflight(&gate, "/plain", APP, "GET", None).expect(200).text(), "reached");
    preflight(&gate, "/orders/7", APP, "DELETE", None).expect(200);
    assert_eq!(backend.last().method(), "OPTIONS");
    let arrived = backend.recorded().len();
    // Without either field it is no preflight.
    gate.curl("/read", &["--request", "OPTIONS", "--header", &format!("{ASK}: GET")]).expect(200);
    gate.curl("/read", &["--request", "OPTIONS", "--header", &format!("Origin: {APP}")]).expect(200);
    assert_eq!(backend.recorded().len(), arrived + 2);
    // What announces an ambiguous path is refused as the request would be.
    preflight(&gate, "/orders//7", APP, "GET", None).expect(400);
    assert_eq!(backend.recorded().len(), arrived + 2);
}

#[test]
fn an_answer_can_be_read_by_the_pages_that_may_and_by_no_other() {
    let backend = backend();
    let gate = start(&backend);
    let key = gate.folder().create_key(&["--owner", "acme"]);
    let ask = |origin: &str| {
        gate.get_with("/orders/7", &[&format!("X-API-Key: {key}"), &format!("Origin: {origin}")]).expect(200)
    };
    let reply = ask(APP);
    assert_eq!(
        said(&reply),
        [
            "access-control-allow-credentials: true",
            &format!("access-control-allow-origin: {APP}"),
            "access-control-expose-headers: x-request-id, etag",
        ],
        "what the backend says about it is replaced"
    );
    assert_eq!(reply.head.all("vary"), ["Accept", "Origin"]);
    assert_eq!(
        ask("http://localhost:3000").field("access-control-allow-origin"),
        Some("http://localhost:3000")
    );
    let other = ask("https://evil.example");
    assert_eq!((said(&other), other.head.all("vary")), (vec![], vec!["Accept", "Origin"]));
    let none = gate.get_with("/orders/7", &[&format!("X-API-Key: {key}")]).expect(200);
    assert_eq!((said(&none), none.head.all("vary")), (vec![], vec!["Accept", "Origin"]));
    // A method that the rules leave out is not to be read either.
    let posted = gate.curl("/read", &["--data", "x", "--header", &format!("Origin: {APP}")]).expect(200);
    assert_eq!(said(&posted), [""; 0]);
    // Elsewhere the backend speaks for itself.
    let plain = gate.get_with("/plain", &[&format!("Origin: {APP}")]).expect(200);
    assert_eq!(plain.field("access-control-allow-origin"), Some("*"));
}

#[test]
fn a_page_can_read_our_refusals() {
    let backend = backend();
    let gate = start(&backend);
    let key = gate.folder().create_key(&["--owner", "acme"]);
    let origin = format!("Origin: {APP}");
    let readable = |reply: Reply| {
        assert_eq!(reply.field("access-control-allow-origin"), Some(APP), "{reply:?}");
        assert!(reply.head.all("vary").contains(&"Origin"));
        assert_eq!(reply.field("x-request-id"), reply.json()["request_id"].as_str());
    };
    readable(gate.get_with("/orders/7", &[&origin]).expect(401));
    readable(gate.get_with("/orders/7", &[&origin, "X-API-Key: nonsense"]).expect(401));
    readable(gate.get_with("/no", &[&origin, &format!("X-API-Key: {key}")]).expect(403));
    readable(gate.get_with("/gone", &[&origin]).expect(502));
    let large =
        ["--request", "PUT", "--header", &origin, "--header", "Content-Length: 999999999999", "--data", "x"];
    readable(gate.curl("/orders/7", &large).expect(413));
    assert!(backend.recorded().is_empty());
    let evil = gate.get_with("/orders/7", &["Origin: https://evil.example"]).expect(401);
    assert_eq!(said(&evil), [""; 0]);
}

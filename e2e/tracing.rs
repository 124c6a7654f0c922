//! Request ids and traces: one id through everything, and spans as an OpenTelemetry collector reads them, decoded by the project's own Python package.

use crate::harness::{Folder, Gate, PASSWORD, PATIENCE, eventually, python};
use haechi_testkit::{Answer, Backend};
use serde_json::{Value, json};

/// Prints the spans in these files, each with the attributes of its resource.
const DECODE: &str = r#"
import json, sys
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

def plain(attributes):
    return {a.key: getattr(a.value, a.value.WhichOneof("value")) for a in attributes}

found = []
for path in sys.argv[1:]:
    message = ExportTraceServiceRequest()
    with open(path, "rb") as file:
        message.ParseFromString(file.read())
    for resource in message.resource_spans:
        for scope in resource.scope_spans:
            for span in scope.spans:
                found.append({
                    "resource": plain(resource.resource.attributes), "scope": scope.scope.name,
                    "trace": span.trace_id.hex(), "span": span.span_id.hex(), "parent": span.parent_span_id.hex(),
                    "name": span.name, "kind": span.kind, "attributes": plain(span.attributes),
                    "status": span.status.code, "flags": span.flags,
                    "start": span.start_time_unix_nano, "end": span.end_time_unix_nano,
                })
print(json.dumps(found))
"#;
const TRACE: &str = "4bf92f3577b34da6a3ce929d0e0e4736";
const PARENT: &str = "00f067aa0ba902b7";
const INTERNAL: u64 = 1;
const SERVER: u64 = 2;
const CLIENT: u64 = 3;

fn start(backend: &Backend, traces: &str) -> Gate {
    let folder = Folder::new(&format!(
        r#"store: sqlite:haechi.db
telemetry: {{ traces: {{ {traces} }} }}
access_log: {{ target: access.log }}
identity: {{ issuer: "http://localhost:8080", path: /auth }}
authenticators: {{ partner: {{ type: api_key }}, local: {{ type: jwt, issuer: self }} }}
roles: {{ NOBODY: {{}} }}
services:
  web: {{ endpoints: ["{url}"] }}
  gone: {{ endpoints: ["http://127.0.0.1:1"] }}
routes:
  - {{ name: order, match: {{ path: "/orders/{{id}}", methods: [GET, POST] }}, authenticate: [local, partner], authorize: any, service: web, cors: {{ origins: "*" }} }}
  - {{ name: no, match: {{ path: /no }}, authenticate: partner, authorize: {{ roles: [NOBODY] }}, service: web }}
  - {{ name: open, match: {{ path: /open/** }}, authenticate: anonymous, authorize: any, service: web }}
  - {{ name: gone, match: {{ path: /gone }}, authenticate: anonymous, authorize: any, service: gone }}
"#,
        url = backend.url()
    ));
    Gate::start_in(folder).ready()
}

fn to(collector: &Backend, sample: &str) -> String {
    format!(
        "endpoint: \"{}/v1/traces\", sample: {sample}, headers: {{ X-Tenant: \"collector-secret\" }}",
        collector.url()
    )
}

/// The spans that have come, once there are `count` of requests; exactly so many.
#[track_caller]
fn spans(gate: &Gate, collector: &Backend, count: usize) -> Vec<Value> {
    let decoded = || -> Vec<Value> {
        let posts = collector.recorded();
        let paths: Vec<String> = posts
            .iter()
            .filter(|post| post.complete)
            .enumerate()
            .map(|(index, post)| {
                let path = gate.folder().file(&format!("post-{index}"));
                std::fs::write(&path, &post.body).unwrap();
                path.to_str().unwrap().to_owned()
            })
            .collect();
        let paths: Vec<&str> = paths.iter().map(String::as_str).collect();
        serde_json::from_str(&python(DECODE, &paths)).unwrap()
    };
    let requests = |spans: &[Value]| spans.iter().filter(|span| span["kind"] == SERVER).count();
    let found = eventually(PATIENCE, || Some(decoded()).filter(|spans| requests(spans) >= count));
    assert_eq!(requests(&found), count, "{found:#?}");
    found
}

fn named<'a>(spans: &'a [Value], name: &str) -> &'a Value {
    let mut of_name = spans.iter().filter(|span| span["name"] == name);
    let found = of_name.next().unwrap_or_else(|| panic!("no span `{name}`: {spans:#?}"));
    assert!(of_name.next().is_none(), "two spans `{name}`: {spans:#?}");
    found
}

#[test]
#[expect(clippy::too_many_lines, reason = "one story, told once")]
fn spans_tell_of_every_step_and_hang_together() {
    let (backend, collector) = (Backend::saying("reached"), Backend::saying(""));
    let gate = start(&backend, &to(&collector, "0"));
    let key = gate.folder().create_key(&["--owner", "acme"]);
    let reply = gate
        .curl(
            "/orders/7?token=query-secret",
            &[
                "--header",
                &format!("X-API-Key: {key}"),
                "--header",
                &format!("traceparent: 00-{TRACE}-{PARENT}-01"),
                "--data",
                "body-secret",
            ],
        )
        .expect(200);
    let all = spans(&gate, &collector, 1);
    assert_eq!(all.len(), 6, "{all:#?}");
    assert!(all.iter().all(|span| span["trace"] == TRACE && span["flags"].as_u64().unwrap() & 1 == 1));
    assert!(all.iter().all(|span| span["resource"]["service.name"] == "haechi" && span["status"] == 0));

    let server = named(&all, "POST /orders/{id}");
    assert_eq!((&server["parent"], &server["kind"]), (&json!(PARENT), &json!(SERVER)));
    let about = &server["attributes"];
    let known = json!({
        "http.request.method": "POST", "http.route": "/orders/{id}", "http.response.status_code": 200, "url.path": "/orders/7",
        "url.scheme": "http", "server.address": "127.0.0.1", "server.port": gate.address().port(), "client.address": "127.0.0.1",
        "haechi.request_id": reply.field("x-request-id").unwrap(),
    });
    for (key, value) in known.as_object().unwrap() {
        assert_eq!(&about[key], value, "{key}");
    }
    assert!(about.get("error.type").is_none());

    let steps = ["route", "authenticate local", "authenticate partner", "authorize", "upstream web"];
    let mut before = server["start"].as_u64().unwrap();
    for step in steps {
        let span = named(&all, step);
        assert_eq!(span["parent"], server["span"], "{step}");
        assert_eq!(span["kind"], if step == "upstream web" { CLIENT } else { INTERNAL });
        let (begun, done) = (span["start"].as_u64().unwrap(), span["end"].as_u64().unwrap());
        assert!(
            before <= begun && begun <= done && done <= server["end"].as_u64().unwrap(),
            "{step}: {all:#?}"
        );
        before = done;
    }
    assert_eq!(named(&all, "authenticate local")["attributes"]["haechi.authn.result"], "absent");
    assert_eq!(named(&all, "authenticate partner")["attributes"]["haechi.authn.result"], "verified");
    let decided = &named(&all, "authorize")["attributes"];
    assert_eq!(
        (&decided["haechi.authz.result"], decided["haechi.decision_id"].as_str().unwrap().len()),
        (&json!("allow"), 32)
    );
    let upstream = named(&all, "upstream web");
    assert_eq!(upstream["attributes"]["server.port"], backend.address().port());
    assert_eq!(upstream["attributes"]["http.response.status_code"], 200);

    // The backend goes on under the span of the exchange.
    let span = upstream["span"].as_str().unwrap();
    assert_eq!(backend.sole().field("traceparent"), Some(&*format!("00-{TRACE}-{span}-01")));
    let post = collector.sole();
    assert_eq!((post.method(), post.target()), ("POST", "/v1/traces"));
    assert_eq!(post.field("content-type"), Some("application/x-protobuf"));
    assert_eq!(post.field("x-tenant"), Some("collector-secret"));
    let written = String::from_utf8_lossy(&post.body);
    for secret in [&*key, "query-secret", "body-secret", "collector-secret"] {
        assert!(!written.contains(secret), "`{secret}` was exported");
    }
}

#[test]
fn the_client_says_whether_its_trace_is_recorded_and_else_we_do() {
    let (backend, collector) = (Backend::saying("reached"), Backend::saying(""));
    let ask = |gate: &Gate, flags: Option<&str>| {
        let sent = flags.map(|flags| format!("traceparent: 00-{TRACE}-{PARENT}-{flags}"));
        let reply =
            gate.get_with("/open/x", &sent.iter().map(String::as_str).collect::<Vec<_>>()).expect(200);
        let told = backend.last().field("traceparent").unwrap().to_owned();
        assert_eq!(told.len(), 55);
        (told[3..35].to_owned(), told[53..].to_owned(), reply.field("x-request-id").unwrap().to_owned())
    };
    let all = start(&backend, &to(&collector, "1"));
    assert_eq!(ask(&all, Some("00")).1, "00", "a trace that nobody records stays so");
    let (trace, flags, id) = ask(&all, None);
    assert_eq!((&trace, &*flags), (&id, "01"));
    let found = spans(&all, &collector, 1);
    assert_eq!((&found[0]["trace"], &found[0]["parent"]), (&json!(id), &json!("")));

    let none = start(&backend, &to(&collector, "0"));
    let (trace, flags, id) = ask(&none, None);
    assert_eq!((&trace, &*flags), (&id, "00"));
    assert_eq!(ask(&none, Some("01")).1, "01");
    let found = spans(&none, &collector, 2);
    assert!(found.iter().all(|span| span["trace"] != id), "{found:#?}");

    // Without `telemetry` a client's flag goes by as it came.
    let folder = Folder::new(&crate::harness::routes_to(&backend, &[("/**", "anonymous", "any")]));
    let off = Gate::start_in(folder).ready();
    assert_eq!((ask(&off, Some("01")).1, ask(&off, None).1), ("01".to_owned(), "00".to_owned()));
}

#[test]
fn refusals_and_failures_are_told_as_what_they_are() {
    let (backend, collector) = (Backend::start(|_| Answer::new(503, &[], "")), Backend::saying(""));
    let gate = start(&backend, &to(&collector, "1.0"));
    let key = gate.folder().create_key(&["--owner", "acme"]);
    gate.get("/orders/7").expect(401);
    gate.get("/nowhere").expect(404);
    gate.get_with("/no", &[&format!("X-API-Key: {key}")]).expect(403);
    gate.get("/gone").expect(502);
    gate.get("/open/x").expect(503);
    gate.curl(
        "/orders/7",
        &[
            "--request",
            "OPTIONS",
            "--header",
            "Origin: http://a",
            "--header",
            "Access-Control-Request-Method: GET",
        ],
    )
    .expect(204);
    let all = spans(&gate, &collector, 6);
    let of = |status: u64| {
        let is = |span: &&Value| {
            span["kind"] == SERVER && span["attributes"]["http.response.status_code"] == status
        };
        let server = all.iter().find(is).unwrap();
        let children: Vec<&Value> = all.iter().filter(|span| span["parent"] == server["span"]).collect();
        let names: Vec<&str> = children.iter().map(|span| span["name"].as_str().unwrap()).collect();
        (server, children, names)
    };
    let (server, _, names) = of(401);
    assert_eq!(names, ["route", "authenticate local", "authenticate partner"]);
    assert_eq!(
        (&server["status"], server["attributes"].get("error.type")),
        (&json!(0), None),
        "a refusal is no fault of ours"
    );
    let (server, _, names) = of(404);
    assert_eq!((&server["name"], names.len()), (&json!("GET"), 0));
    let (_, children, names) = of(403);
    assert_eq!(names, ["route", "authenticate partner", "authorize"]);
    assert_eq!(children[2]["attributes"]["haechi.authz.result"], "deny");
    let (server, children, names) = of(502);
    assert_eq!((&server["status"], &server["attributes"]["error.type"]), (&json!(2), &json!("bad-gateway")));
    assert_eq!(names.last(), Some(&"upstream gone"));
    assert_eq!(children.last().unwrap()["attributes"]["error.type"], "bad-gateway");
    assert_eq!(children.last().unwrap()["status"], 2);
    let (server, children, _) = of(503);
    assert_eq!((&server["status"], &server["attributes"]["error.type"]), (&json!(2), &json!("503")));
    assert_eq!(children.last().unwrap()["attributes"]["http.response.status_code"], 503);
    let (server, _, names) = of(204);
    assert_eq!((&server["name"], &*names), (&json!("OPTIONS /orders/{id}"), &["route"][..]));
}

#[test]
fn a_collector_that_is_gone_costs_requests_nothing() {
    let backend = Backend::saying("reached");
    let gate = start(&backend, "endpoint: \"http://127.0.0.1:1/v1/traces\", sample: 1");
    for _ in 0..5 {
        gate.get("/open/x").expect(200);
    }
    eventually(PATIENCE, || (gate.metric("haechi_traces_dropped_total", &[]) >= 5.0).then_some(()));
    gate.get("/open/x").expect(200);
}

#[test]
fn what_is_left_is_exported_at_the_end() {
    let (backend, collector) = (Backend::saying("reached"), Backend::saying(""));
    let mut gate = start(&backend, &to(&collector, "1"));
    gate.get("/open/x").expect(200);
    gate.signal("TERM");
    assert!(gate.exited().success());
    assert_eq!(spans(&gate, &collector, 1).len(), 5);
}

/// Every way in which an answer can come about carries an id, which is the one that is logged.
#[test]
#[expect(clippy::too_many_lines, reason = "one story, told once")]
fn every_answer_carries_the_request_id() {
    let backend = Backend::start(|_| Answer::new(200, &[("X-Request-Id", "the-backends")], "reached"));
    let gate = start(&backend, "endpoint: \"http://127.0.0.1:1/v1/traces\", sample: 0");
    gate.folder().add_user("alice", &[]);
    let mut ids: Vec<String> = Vec::new();
    let mut told = |fields: Vec<&str>| {
        assert_eq!(fields.len(), 1, "{fields:?}");
        assert!(fields[0].len() == 32 && fields[0].bytes().all(|b| b.is_ascii_hexdigit()), "{fields:?}");
        ids.push(fields[0].to_owned());
    };
    let long = "x".repeat(9000);
    for (request, status) in [
        ("GET / HTTP/1.1\r\n\r\n".to_owned(), 400),
        ("nonsense\r\n\r\n".to_owned(), 400),
        (format!("GET /{long} HTTP/1.1\r\nHost: a\r\n\r\n"), 414),
        (format!("GET / HTTP/1.1\r\nHost: a\r\nX-A: {long}{long}\r\n\r\n"), 431),
        ("GET /a//b HTTP/1.1\r\nHost: a\r\n\r\n".to_owned(), 400),
        ("GET /open/x HTTP/1.1\r\nHost: a\r\nExpect: miracles\r\n\r\n".to_owned(), 417),
        ("CONNECT a:1 HTTP/1.1\r\nHost: a:1\r\n\r\n".to_owned(), 400),
    ] {
        let mut conversation = gate.converse();
        let answer = conversation.send(&request).answer().expect("an answer");
        assert_eq!(answer.status, status, "{request}");
        told(answer.head.all("x-request-id"));
    }
    let login = json!({"username": "alice", "password": PASSWORD});
    for reply in [
        gate.get_with("/open/x", &["X-Request-Id: the-clients"]).expect(200),
        gate.get("/orders/7").expect(401),
        gate.get("/nowhere").expect(404),
        gate.curl("/orders/7", &["--request", "DELETE"]).expect(405),
        gate.get("/gone").expect(502),
        gate.get("/.well-known/jwks.json").expect(200),
        gate.post_json("/auth/login", &login).expect(200),
        gate.post_json("/auth/login", &json!({"username": "alice", "password": "wrong"})).expect(401),
        gate.curl(
            "/orders/7",
            &[
                "--request",
                "OPTIONS",
                "--header",
                "Origin: http://a",
                "--header",
                "Access-Control-Request-Method: GET",
            ],
        )
        .expect(204),
    ] {
        told(reply.head.all("x-request-id"));
    }
    assert_eq!(
        backend.sole().field("x-request-id"),
        Some(&*ids[7]),
        "neither the client's nor the backend's own"
    );
    let log = eventually(PATIENCE, || {
        let log = std::fs::read_to_string(gate.folder().file("access.log")).ok()?;
        (log.lines().count() >= ids.len() && log.ends_with('\n')).then_some(log)
    });
    let logged: Vec<Value> = log.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    for id in &ids {
        assert_eq!(logged.iter().filter(|line| line["request_id"] == **id).count(), 1, "{id}");
    }
}

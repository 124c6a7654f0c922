//! Rate limits and quotas of the built gate (docs/rate-limits.md).

use crate::harness::websocket::{EchoServer, echoes, open, try_open};
use crate::harness::{Folder, Gate, PATIENCE, Reply, eventually, haechi, routes_to};
use haechi_testkit::Backend;
use serde_json::Value;
use std::time::Duration;

/// The keys `one` and `two` of one owner come in at every route but `/open`.
fn configuration(backend: &Backend, routes: &[(&str, &str, &str)]) -> String {
    let mut yaml = format!(
        "access_log: {{ format: json, target: access.log }}
store: sqlite:haechi.db
roles: {{ ADMIN: {{}} }}
authenticators: {{ partner: {{ type: api_key }}, staff: {{ type: basic, realm: staff }} }}
services: {{ web: {{ endpoints: [\"{}\"] }} }}
routes:
",
        backend.url()
    );
    for (index, (path, who, limit)) in routes.iter().enumerate() {
        yaml.push_str(&format!(
            "  - {{ name: r{index}, match: {{ path: \"{path}\" }}, {who}, service: web, rate_limit: {limit} }}\n"
        ));
    }
    yaml
}

const OPEN: &str = "authenticate: anonymous, authorize: any";
const KEYS: &str = "authenticate: partner, authorize: any";

fn field<'a>(reply: &'a Reply, name: &str) -> &'a str {
    reply.field(name).unwrap_or_else(|| panic!("no `{name}`: {reply:?}"))
}

#[test]
fn over_the_limit_is_429_and_reaches_no_backend() {
    let backend = Backend::saying("reached");
    let limit = "{ requests: 3, per: 1h, by: client_ip }";
    let gate = Gate::start(&configuration(&backend, &[("/open", OPEN, limit)]));
    for left in ["2", "1", "0"] {
        let reply = gate.get("/open").expect(200);
        assert_eq!(field(&reply, "ratelimit-policy"), "\"client_ip\";q=3;w=3600");
        assert!(field(&reply, "ratelimit").starts_with(&format!("\"client_ip\";r={left};t=")), "{reply:?}");
        assert_eq!((field(&reply, "ratelimit-limit"), field(&reply, "ratelimit-remaining")), ("3", left));
    }
    let over = gate.get("/open").expect(429);
    assert_eq!(over.json()["type"], "urn:haechi:problem:rate-limited");
    let wait: u64 = field(&over, "retry-after").parse().unwrap();
    assert!((1_190..=1_200).contains(&wait), "{over:?}");
    assert_eq!(field(&over, "ratelimit"), format!("\"client_ip\";r=0;t={wait}"));
    assert_eq!(field(&over, "ratelimit-reset"), wait.to_string());
    assert_eq!(backend.recorded().len(), 3);
    // Another address has a limit of its own.
    gate.curl("/open", &["--interface", "127.0.0.2"]).expect(200);
    assert_eq!(
        gate.metric("haechi_rate_limit_requests_total", &["by=\"client_ip\"", "result=\"over\""]),
        1.0
    );
    assert_eq!(
        gate.metric("haechi_rate_limit_requests_total", &["by=\"client_ip\"", "result=\"within\""]),
        4.0
    );
    let line = eventually(PATIENCE, || {
        let log = std::fs::read_to_string(gate.folder().file("access.log")).ok()?;
        log.lines().find(|line| line.contains("\"status\":429")).map(str::to_owned)
    });
    let line: Value = serde_json::from_str(&line).unwrap();
    assert_eq!(
        (&line["outcome"], &line["reason"]),
        (&"limited".into(), &"over the route's rate limit `client_ip`".into())
    );
}

#[test]
fn several_workers_count_as_one() {
    let backend = Backend::saying("reached");
    let yaml = configuration(&backend, &[("/open", OPEN, "{ requests: 100, per: 1h, by: route }")]);
    let head = "listeners: [{ bind: 127.0.0.1:0 }]\nadmin: { bind: 127.0.0.1:0 }\nworkers: 4\n";
    let gate = Gate::start_in(Folder::exactly(&format!("{head}{yaml}")));
    std::thread::scope(|scope| {
        for _ in 0..8 {
            scope.spawn(|| {
                // A connection of its own each time, to whichever worker.
                for _ in 0..20 {
                    assert!([200, 429].contains(&gate.get("/open").status));
                }
            });
        }
    });
    assert_eq!(backend.recorded().len(), 100);
}

#[test]
fn by_caller_comes_after_authentication_and_before_authorization() {
    let backend = Backend::saying("reached");
    let admins = "authenticate: partner, authorize: { roles: [ADMIN] }";
    let gate = Gate::start(&configuration(
        &backend,
        &[
            ("/subject", KEYS, "{ requests: 2, per: 1h, by: subject }"),
            ("/key", KEYS, "{ requests: 2, per: 1h, by: key }"),
            ("/admin", admins, "{ requests: 2, per: 1h, by: key }"),
            ("/both", KEYS, "[{ requests: 1, per: 1h, by: client_ip }, { requests: 5, per: 1h, by: key }]"),
        ],
    ))
    .ready();
    let keys = ["one", "two"].map(|name| gate.folder().create_key(&["--owner", "acme", "--name", name]));
    let ask = |path: &str, key: &str| gate.get_with(path, &[&format!("X-API-Key: {key}")]);
    // Who is not known is told so, however often, and uses up nobody's limit.
    for _ in 0..4 {
        let unknown = gate.get("/subject").expect(401);
        assert!(unknown.field("ratelimit").is_none());
    }
    assert_eq!([0, 1, 0].map(|key: usize| ask("/subject", &keys[key]).status), [200, 200, 429], "one owner");
    assert_eq!([0, 0, 0, 1].map(|key: usize| ask("/key", &keys[key]).status), [200, 200, 429, 200]);
    assert_eq!([0, 0, 0].map(|key: usize| ask("/admin", &keys[key]).status), [403, 403, 429]);
    // By address comes first: the credential is not even looked at.
    let both = ask("/both", &keys[0]).expect(200);
    assert_eq!(field(&both, "ratelimit-policy"), "\"client_ip\";q=1;w=3600, \"key\";q=5;w=3600");
    assert_eq!(field(&both, "ratelimit-remaining"), "0");
    assert_eq!(ask("/both", "wrong").status, 429);
}

#[test]
fn by_header_and_parameter() {
    let backend = Backend::saying("reached");
    let gate = Gate::start(&configuration(
        &backend,
        &[
            ("/t/{tenant}/x", OPEN, "{ requests: 1, per: 1h, by: \"param:tenant\" }"),
            ("/plan", OPEN, "{ requests: 1, per: 1h, by: \"header:X-Plan\" }"),
            ("/each", OPEN, "{ requests: 1, per: 1h, by: [route, \"header:X-Plan\"] }"),
        ],
    ));
    assert_eq!(["/t/a/x", "/t/b/x", "/t/a/x"].map(|path| gate.get(path).status), [200, 200, 429]);
    let plan = |value: &str| gate.get_with("/plan", &[&format!("X-Plan: {value}")]).status;
    assert_eq!([plan("gold"), plan("silver"), plan("gold")], [200, 200, 429]);
    assert_eq!(
        [gate.get("/plan").status, gate.get("/plan").status],
        [200, 429],
        "without is not without end"
    );
    let each = |value: &str| gate.get_with("/each", &[&format!("X-Plan: {value}")]).status;
    assert_eq!([each("gold"), each("silver")], [200, 429], "each of a list holds");
}

#[test]
fn what_is_let_through_again_in_time() {
    let backend = Backend::saying("reached");
    let gate = Gate::start(&configuration(
        &backend,
        &[("/open", OPEN, "{ requests: 10, per: 1s, burst: 1, by: client_ip }")],
    ));
    gate.get("/open").expect(200);
    let over = std::iter::repeat_with(|| gate.get("/open")).take(50).find(|reply| reply.status == 429);
    if let Some(over) = over {
        assert_eq!(field(&over, "retry-after"), "1", "never too early");
    }
    eventually(Duration::from_secs(20), || (gate.get("/open").status == 200).then_some(()));
}

#[test]
fn an_open_websocket_counts_once() {
    let echo = EchoServer::start();
    let gate = Gate::start(&format!(
        "services: {{ chat: {{ endpoints: [\"{}\"] }} }}
routes:
  - {{ name: open, match: {{ path: /open }}, authenticate: anonymous, authorize: any, service: chat, rate_limit: {{ requests: 2, per: 1h, by: client_ip }} }}
",
        echo.url()
    ));
    let mut socket = open(&gate, "/open", &[]);
    // It is judged again once a second, and each of these would use up a request.
    let began = std::time::Instant::now();
    while began.elapsed() < Duration::from_millis(2_500) {
        echoes(&mut socket, "still here");
    }
    let _second = open(&gate, "/open", &[]);
    assert_eq!(try_open(&gate, "/open", &[]).err(), Some(429));
    echoes(&mut socket, "who is in stays in");
}

#[test]
fn a_reload_forgets_no_count() {
    let backend = Backend::saying("reached");
    let yaml = configuration(&backend, &[("/open", OPEN, "{ requests: 2, per: 1h, by: client_ip }")]);
    let gate = Gate::start(&yaml);
    gate.get("/open").expect(200);
    gate.folder().rewrite(&format!("{yaml}# changed\n"));
    gate.signal("HUP");
    eventually(PATIENCE, || (gate.metric("haechi_config_generation", &[]) >= 2.0).then_some(()));
    assert_eq!([gate.get("/open").status, gate.get("/open").status], [200, 429]);
}

#[test]
fn explain_shows_limits_and_counts_against_none() {
    let backend = Backend::saying("reached");
    let gate = Gate::start(&configuration(
        &backend,
        &[(
            "/x",
            KEYS,
            "[{ requests: 1, per: 1m, by: client_ip }, { requests: 5, per: 1h, burst: 2, by: key }]",
        )],
    ))
    .ready();
    let key = gate.folder().create_key(&["--owner", "acme"]);
    let arguments = ["explain", "--method", "GET", "--path", "/x", "--key", &key];
    for _ in 0..3 {
        let told = haechi(gate.folder().path(), &[&arguments[..], &["--output", "json"]].concat()).success();
        let told: Value = serde_json::from_str(&told.stdout).unwrap();
        assert_eq!((&told["outcome"], &told["limits"][0]["name"]), (&"allowed".into(), &"client_ip".into()));
        assert_eq!(
            (&told["limits"][1]["when"], &told["limits"][1]["burst"]),
            (&"by caller".into(), &2.into())
        );
    }
    let told = haechi(gate.folder().path(), &arguments).success().stdout;
    assert!(told.contains("5 in 3600 s, 2 at once"), "{told}");
    let field = format!("X-API-Key: {key}");
    assert_eq!([200, 429], [(); 2].map(|()| gate.get_with("/x", &[&field]).status));
}

#[test]
fn browsers_and_grpc_are_told_in_their_own_words() {
    let backend = Backend::saying("reached");
    let gate =
        Gate::start(&configuration(&backend, &[("/open", OPEN, "{ requests: 1, per: 1h, by: route }")]));
    gate.get("/open").expect(200);
    let page = gate.get_with("/open", &["Accept: text/html"]).expect(429);
    assert!(page.text().contains("429 Too Many Requests"), "{page:?}");
    for content_type in ["application/grpc", "application/grpc-web+proto", "application/grpc-web-text"] {
        let field_line = format!("Content-Type: {content_type}");
        let told = gate.curl("/open", &["-X", "POST", "-H", &field_line]).expect(200);
        assert_eq!((field(&told, "grpc-status"), field(&told, "content-type")), ("8", content_type));
        assert!(told.field("retry-after").is_some() && told.field("ratelimit").is_some(), "{told:?}");
    }
    assert_eq!(backend.recorded().len(), 1);
}

#[test]
fn a_route_without_a_limit_says_nothing_and_defaults_can_be_taken_away() {
    let backend = Backend::saying("answered");
    let routes = routes_to(&backend, &[("/a", "anonymous", "any")]);
    let reply = Gate::start(&routes).get("/a").expect(200);
    assert!(reply.field("ratelimit").is_none() && reply.field("ratelimit-policy").is_none());
    let defaults = "defaults: { route: { rate_limit: { requests: 1, per: 1h, by: route } } }\n";
    let without = routes.replace("service: web }\n", "service: web, rate_limit: null }\n");
    let gate = Gate::start(&format!("{defaults}{routes}"));
    assert_eq!([gate.get("/a").status, gate.get("/a").status], [200, 429]);
    let gate = Gate::start(&format!("{defaults}{without}"));
    assert_eq!([gate.get("/a").status, gate.get("/a").status], [200, 200]);
}

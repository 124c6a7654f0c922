//! Rate limits and quotas of the built gate (docs/rate-limits.md).

use crate::harness::websocket::{EchoServer, echoes, open, try_open};
use crate::harness::{Folder, Gate, PASSWORD, PATIENCE, Reply, eventually, haechi, routes_to};
use haechi_testkit::{Backend, RedisServer};
use serde_json::Value;
use std::time::{Duration, Instant};

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
    let began = Instant::now();
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

#[test]
fn a_key_brings_limits_of_its_own_and_a_quota_survives_a_restart() {
    let backend = Backend::saying("reached");
    let yaml = configuration(&backend, &[("/x", KEYS, "{ requests: 1000, per: 1h, by: key }")]);
    let elsewhere = tempfile::tempdir().unwrap();
    let store = format!("sqlite:{}", elsewhere.path().join("haechi.db").display());
    let yaml = yaml.replace("sqlite:haechi.db", &store);
    let mut gate = Gate::start(&yaml).ready();
    let create = |limits: &[&str]| gate.folder().create_key(&[&["--owner", "acme"], limits].concat());
    let (slow, little) = (create(&["--limit", "2/1h"]), create(&["--quota", "5/30d"]));
    let ask = |gate: &Gate, key: &str| gate.get_with("/x", &[&format!("X-API-Key: {key}")]);
    assert_eq!([200, 200, 429], [(); 3].map(|()| ask(&gate, &slow).status));
    let told = ask(&gate, &slow).expect(429);
    assert!(field(&told, "ratelimit-policy").contains("\"key-limit\";q=2;w=3600"), "{told:?}");
    for left in ["4", "3", "2"] {
        let reply = ask(&gate, &little).expect(200);
        assert!(field(&reply, "ratelimit").contains(&format!("\"key-quota\";r={left};t=")), "{reply:?}");
    }
    gate.signal("TERM");
    assert!(gate.exited().success());
    let gate = Gate::start(&yaml).ready();
    assert_eq!([200, 200, 429], [(); 3].map(|()| ask(&gate, &little).status), "two were left");
    let over = ask(&gate, &little).expect(429);
    assert_eq!(field(&over, "ratelimit-limit"), "5");
    assert_eq!(backend.recorded().len(), 7);
}

#[test]
fn two_nodes_on_one_store_count_a_quota_together() {
    let backend = Backend::saying("reached");
    let database = haechi_testkit::postgres_database();
    let yaml = configuration(&backend, &[("/x", KEYS, "{ requests: 100000, per: 1h, by: key }")])
        .replace("sqlite:haechi.db", &database);
    let nodes = [Gate::start(&yaml).ready(), Gate::start(&yaml).ready()];
    let key = nodes[0].folder().create_key(&["--owner", "acme", "--quota", "200/30d"]);
    let ask = |node: usize| nodes[node].get_with("/x", &[&format!("X-API-Key: {key}")]);
    for _ in 0..80 {
        ask(0).expect(200);
        ask(1).expect(200);
    }
    let left = |reply: &Reply| {
        let text = field(reply, "ratelimit");
        let (_, text) = text.split_once("\"key-quota\";r=").unwrap();
        text.split(';').next().unwrap().parse::<u32>().unwrap()
    };
    // Asked seldom, because a node learns once a second what the other has counted, and asking counts as well.
    let mut last = Instant::now();
    let mut seldom = move |mut condition: Box<dyn FnMut() -> bool + '_>| {
        eventually(PATIENCE, || {
            if last.elapsed() < Duration::from_millis(500) {
                return None;
            }
            last = Instant::now();
            condition().then_some(())
        });
    };
    seldom(Box::new(|| {
        [0, 1].iter().all(|node| left(&ask(*node)) as usize + backend.recorded().len() <= 206)
    }));
    // One node uses up the rest, and the other is told.
    eventually(PATIENCE, || (ask(0).status == 429).then_some(()));
    let used_up = backend.recorded().len();
    assert!((200..=210).contains(&used_up), "{used_up}");
    seldom(Box::new(|| ask(1).status == 429));
    let passed = backend.recorded().len();
    assert!((200..=220).contains(&passed), "{passed}");
}

#[test]
fn logins_are_limited_by_address_and_by_account_before_a_password_is_hashed() {
    let backend = Backend::saying("reached");
    let folder = Folder::new(&format!(
        "store: sqlite:haechi.db
identity:
  issuer: http://localhost:8080
  lockout: {{ failures: 1000, for: 1m }}
  login: {{ per_address: {{ requests: 6, per: 1h }}, per_account: {{ requests: 3, per: 1h }} }}
{}",
        routes_to(&backend, &[("/x", "anonymous", "any")])
    ));
    folder.add_user("root", &[]);
    let gate = Gate::start_in(folder).ready();
    let login = |from: &str, name: &str, password: &str| {
        let body = serde_json::json!({ "username": name, "password": password }).to_string();
        let json = "Content-Type: application/json";
        gate.curl("/auth/login", &["--interface", from, "--header", json, "--data-binary", &body])
    };
    login("127.0.0.1", "root", PASSWORD).expect(200);
    // That was the first login from there. Two strangers use up what is left to strangers.
    for from in ["127.0.0.2", "127.0.0.3"] {
        login(from, "root", "wrong").expect(401);
    }
    let over = login("127.0.0.5", "root", PASSWORD).expect(429);
    assert_eq!(over.json()["type"], "urn:haechi:problem:rate-limited");
    assert_eq!(field(&over, "ratelimit-policy"), "\"login-account\";q=3;w=3600");
    assert!(over.field("retry-after").is_some());
    login("127.0.0.1", "root", PASSWORD).expect(200);
    // An address that tries many names.
    for name in ["a", "b", "c", "d", "e", "f"] {
        login("127.0.0.6", name, "wrong").expect(401);
    }
    let over = login("127.0.0.6", "g", "wrong").expect(429);
    assert_eq!(field(&over, "ratelimit-policy"), "\"login-address\";q=6;w=3600");
    assert_eq!(gate.metric("haechi_rate_limit_logins_refused_total", &["by=\"account\""]), 1.0);
    assert_eq!(gate.metric("haechi_rate_limit_logins_refused_total", &["by=\"address\""]), 1.0);
}

#[test]
fn tokens_are_limited_by_address_and_by_client() {
    let backend = Backend::saying("reached");
    let folder = Folder::new(&format!(
        "store: sqlite:haechi.db
identity:
  issuer: http://localhost:8080
  token: {{ per_address: {{ requests: 6, per: 1h }}, per_client: {{ requests: 2, per: 1h }} }}
{}",
        routes_to(&backend, &[("/x", "anonymous", "any")])
    ));
    let added = haechi(folder.path(), &["client", "add", "nightly", "--output", "json"]).success();
    let added: Value = serde_json::from_str(&added.stdout).unwrap();
    let basic = |secret: &str| format!("{}:{secret}", added["client_id"].as_str().unwrap());
    let gate = Gate::start_in(folder).ready();
    let token = |from: &str, user: &str| {
        let form = ["--interface", from, "--user", user, "--data", "grant_type=client_credentials"];
        gate.curl("/auth/token", &form)
    };
    let refresh = |from: &str| {
        let json = "Content-Type: application/json";
        let body = "{\"refresh_token\":\"hr_x\"}";
        gate.curl("/auth/refresh", &["--interface", from, "--header", json, "--data-binary", body])
    };
    let right = basic(added["client_secret"].as_str().unwrap());
    // Whoever only says that it is the client uses up nothing of it.
    for _ in 0..3 {
        token("127.0.0.2", &basic("hcs_wrong")).expect(401);
    }
    token("127.0.0.3", &right).expect(200);
    token("127.0.0.4", &right).expect(200);
    let over = token("127.0.0.5", &right).expect(429);
    assert_eq!(over.json()["type"], "urn:haechi:problem:rate-limited");
    assert_eq!(field(&over, "ratelimit-policy"), "\"token-client\";q=2;w=3600");
    assert!(over.field("retry-after").is_some());
    // Of one address both calls count together.
    for _ in 0..3 {
        refresh("127.0.0.2").expect(401);
    }
    for over in [refresh("127.0.0.2"), token("127.0.0.2", &right)] {
        assert_eq!(field(&over.expect(429), "ratelimit-policy"), "\"token-address\";q=6;w=3600");
    }
    assert_eq!(gate.metric("haechi_rate_limit_tokens_refused_total", &["by=\"client\""]), 1.0);
    assert_eq!(gate.metric("haechi_rate_limit_tokens_refused_total", &["by=\"address\""]), 2.0);
    assert_eq!(gate.metric("haechi_rate_limit_logins_refused_total", &[]), 0.0);
}

#[test]
fn nodes_count_together_in_redis_and_each_its_share_without_it() {
    let backend = Backend::saying("reached");
    let mut redis = RedisServer::start(&[]);
    let routes = [
        ("/open", OPEN, "{ requests: 100, per: 1d, by: client_ip }"),
        ("/other", OPEN, "{ requests: 100, per: 1d, by: client_ip }"),
        ("/strict", OPEN, "{ requests: 100, per: 1d, by: client_ip, on_failure: deny }"),
    ];
    let yaml = format!("shared_state: {}\n{}", redis.url(), configuration(&backend, &routes));
    let nodes = [Gate::start(&yaml), Gate::start(&yaml)];
    let all_there = || nodes.iter().all(|node| node.metric("haechi_shared_state_nodes", &[]) == 2.0);
    eventually(PATIENCE, || all_there().then_some(()));
    std::thread::scope(|scope| {
        for node in &nodes {
            scope.spawn(move || (0..80).for_each(|_| drop(node.get("/open"))));
        }
    });
    let passed = backend.recorded().len();
    assert!((97..=103).contains(&passed), "{passed}");
    nodes[0].get("/strict").expect(200);
    redis.kill();
    eventually(PATIENCE, || (nodes[0].metric("haechi_shared_state_up", &[]) == 0.0).then_some(()));
    let before = backend.recorded().len();
    (0..60).for_each(|_| drop(nodes[0].get("/other")));
    assert_eq!(backend.recorded().len() - before, 50, "its share of two nodes");
    let denied = nodes[0].get("/strict").expect(503);
    assert!(denied.field("retry-after").is_some());
    assert!(nodes[0].metric("haechi_rate_limit_shared_failures_total", &["result=\"local\""]) >= 60.0);
    assert_eq!(nodes[0].admin("/readyz").status, 200, "a node that counts alone is ready");
}

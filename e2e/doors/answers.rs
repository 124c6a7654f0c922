//! What askers are told: redirects, cookies, pages, limits, what could not be found out; and what is on record.

use super::World;
use crate::harness::{Reply, curl, haechi};

fn ask(world: &World, path: &str, method: &str, target: &str, more: &[&str]) -> Reply {
    let (forwarded_method, forwarded_uri) =
        (format!("X-Forwarded-Method: {method}"), format!("X-Forwarded-Uri: {target}"));
    let (original_method, original_uri) =
        (format!("X-Original-Method: {method}"), format!("X-Original-URI: {target}"));
    let own: [&str; 2] = if path == "/auth_request" {
        [&original_method, &original_uri]
    } else {
        [&forwarded_method, &forwarded_uri]
    };
    let usual = [
        "Host: a.example",
        "X-Forwarded-Proto: https",
        "X-Forwarded-For: 192.0.2.1",
        "X-Forwarded-Host: a.example",
    ];
    let url = format!("http://{}{path}", world.door);
    let mut arguments = vec![];
    for field in usual.iter().chain(&own).chain(more) {
        arguments.extend(["-H", field]);
    }
    arguments.push(&url);
    curl(&arguments)
}

#[test]
fn a_grpc_caller_that_is_refused_is_not_let_through_by_its_status() {
    let world = World::new();
    for path in ["/forward_auth", "/auth_request"] {
        let reply = ask(&world, path, "POST", "/user/a", &["Content-Type: application/grpc"]);
        assert_eq!(reply.status, 401, "{path}");
        let reply = ask(&world, path, "POST", "/nowhere", &["Content-Type: application/grpc"]);
        assert!(matches!(reply.status, 403 | 404), "{path}");
        let reply = ask(&world, path, "POST", "/public/a", &["Content-Type: application/grpc"]);
        assert_eq!(reply.status, 200, "{path}");
    }
}

#[test]
fn what_could_not_be_found_out_lets_nobody_through() {
    let world = World::new();
    let credential = ["Authorization: Bearer a"];
    let reply = ask(&world, "/forward_auth", "GET", "/dead/a", &credential).expect(503);
    assert!(reply.field("retry-after").is_some());
    let reply = ask(&world, "/auth_request", "GET", "/dead/a", &credential).expect(403);
    assert_eq!(reply.field("x-auth-status"), Some("503"));
    let reply = ask(&world, "/ext_authz/dead/a", "GET", "/", &credential).expect(403);
    assert_eq!(reply.field("x-auth-status"), Some("503"));
}

#[test]
fn a_preflight_is_never_let_through_by_a_door() {
    let world = World::with("defaults: { route: { cors: { origins: [\"https://app.example\"] } } }");
    let preflight = ["Origin: https://app.example", "Access-Control-Request-Method: POST"];
    for path in ["/forward_auth", "/auth_request"] {
        assert_eq!(ask(&world, path, "OPTIONS", "/user/a", &preflight).status, 403, "{path}");
        assert_eq!(ask(&world, path, "OPTIONS", "/public/a", &[]).status, 200, "{path}: an OPTIONS as any");
    }
}

#[test]
fn what_is_answered_is_on_record_as_for_the_proxy() {
    let world = World::with("audit: { file: audit.jsonl }");
    let key = format!("X-API-Key: {}", world.key("user"));
    ask(&world, "/forward_auth", "DELETE", "/user/a?q=secret", &[&key]).expect(200);
    ask(&world, "/forward_auth", "GET", "/admin/a", &[&key]).expect(403);
    let recorded = world.decisions();
    for part in ["/user/a", "DELETE", "alice", "192.0.2.1", "a.example", "/admin/a"] {
        assert!(recorded.contains(part), "{part}: {recorded}");
    }
    assert!(!recorded.contains("secret"));
    let trail = std::fs::read_to_string(world.gate.folder().file("audit.jsonl")).unwrap();
    assert!(trail.contains("/user/a") && trail.contains("/admin/a"), "{trail}");
    haechi(world.gate.folder().path(), &["audit", "verify", "audit.jsonl"]).success();
    let counted = world.gate.metric("haechi_http_requests_total", &["route=\"user\"", "status=\"200\""]);
    assert!((counted - 1.0).abs() < 0.1, "{counted}");
    let log = crate::harness::eventually(crate::harness::PATIENCE, || {
        world.gate.log().into_iter().find(|line| line.contains("\"outcome\":\"allowed\""))
    });
    assert!(log.contains("/user/a") && log.contains("192.0.2.1"), "{log}");
}

#[test]
fn every_name_of_a_caller_is_told_also_where_it_says_nothing() {
    let world = World::new();
    for (path, method) in [("/forward_auth", "GET"), ("/auth_request", "GET"), ("/ext_authz/public/a", "GET")]
    {
        let told = ask(&world, path, method, "/public/a", &[]).expect(200);
        for (name, value) in [
            ("x-auth-authenticator", "anonymous"),
            ("x-auth-subject", ""),
            ("x-auth-issuer", ""),
            ("x-auth-roles", ""),
            ("x-auth-scopes", ""),
            ("x-auth-attr-tenant", ""),
        ] {
            assert_eq!(told.field(name), Some(value), "{path}: {name}");
        }
    }
}

#[test]
fn limits_hold_through_doors_and_say_so() {
    let world = World::with("defaults: { route: { rate_limit: { requests: 2, per: 1h, by: client_ip } } }");
    for path in ["/forward_auth", "/auth_request"] {
        ask(&world, path, "GET", "/public/a", &[]).expect(200);
    }
    let refused = ask(&world, "/forward_auth", "GET", "/public/a", &[]).expect(429);
    assert!(refused.field("retry-after").is_some());
    let refused = ask(&world, "/auth_request", "GET", "/public/a", &[]).expect(403);
    assert_eq!(refused.field("x-auth-status"), Some("429"));
}

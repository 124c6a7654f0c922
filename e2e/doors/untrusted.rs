//! Who may ask, and questions that say too little or too much.

use super::World;
use crate::harness::{Folder, Gate, Reply, curl, haechi, routes_to};
use haechi_testkit::Backend;

/// A sound question about `/public/a`, with other fields.
fn ask(world: &World, path: &str, without: &[&str], more: &[&str]) -> Reply {
    let usual = [
        "Host: a.example",
        "X-Forwarded-Proto: http",
        "X-Forwarded-For: 192.0.2.1",
        "X-Forwarded-Host: a.example",
        "X-Forwarded-Method: GET",
        "X-Forwarded-Uri: /public/a",
        "X-Original-Method: GET",
        "X-Original-URI: /public/a",
    ];
    let url = format!("http://{}{path}", world.door);
    let mut arguments = Vec::new();
    for field in usual.iter().filter(|field| !without.contains(&field.split(':').next().unwrap())).chain(more)
    {
        arguments.extend(["-H", field]);
    }
    arguments.push(&url);
    curl(&arguments)
}

#[test]
fn a_question_that_does_not_say_all_or_says_it_twice_lets_nothing_through() {
    let world = World::new();
    for (path, refused) in [("/forward_auth", 400), ("/auth_request", 403)] {
        ask(&world, path, &[], &[]).expect(200);
        let (own, other): (&[&str], &[&str]) = match path {
            "/forward_auth" => (
                &["X-Forwarded-Method", "X-Forwarded-Uri", "X-Forwarded-Host"],
                &["X-Forwarded-Uri: /public/b"],
            ),
            _ => (&["X-Original-Method", "X-Original-URI"], &["X-Original-URI: /public/b"]),
        };
        for missing in own.iter().chain(&["X-Forwarded-For", "X-Forwarded-Proto"]) {
            let reply = ask(&world, path, &[missing], &[]);
            assert_eq!(reply.status, refused, "{path} without {missing}");
        }
        assert_eq!(ask(&world, path, &[], other).status, refused, "{path} twice");
    }
    for uri in ["public/a", "http://a.example/public/a", "*", "/public/a#b", "/public/\u{e9}", ""] {
        let field = format!("X-Forwarded-Uri: {uri}");
        assert_eq!(ask(&world, "/forward_auth", &["X-Forwarded-Uri"], &[&field]).status, 400, "{uri}");
        let field = format!("X-Original-URI: {uri}");
        assert_eq!(ask(&world, "/auth_request", &["X-Original-URI"], &[&field]).status, 403, "{uri}");
    }
    for method in ["G ET", "", "GET, POST", "CONNECT", "TRACE"] {
        let field = format!("X-Forwarded-Method: {method}");
        let reply = ask(&world, "/forward_auth", &["X-Forwarded-Method"], &[&field]);
        assert!(matches!(reply.status, 400 | 405), "{method}: {}", reply.status);
    }
    let both = ["X-Original-URL: http://other.example/public/a"];
    assert_eq!(ask(&world, "/auth_request", &[], &both).status, 403, "one of them is the client's");
    for path in ["/", "/forward_auth/", "/auth_requests", "/ext_authz", "/public/a", "/livez"] {
        ask(&world, path, &[], &[]).expect(404);
    }
    assert!(world.reached().is_empty());
}

#[test]
fn only_trusted_proxies_are_answered() {
    let backend = Backend::saying("reached");
    let gate = Gate::start_in(Folder::exactly(&format!(
        "listeners: [{{ bind: 127.0.0.1:0 }}, {{ bind: 127.0.0.1:0, type: authorizer }}]\nadmin: {{ bind: 127.0.0.1:0 }}\nworkers: 1\ntrusted_proxies: [10.0.0.0/8]\n{}",
        routes_to(&backend, &[("/**", "anonymous", "any")])
    )))
    .ready();
    let door = super::door(&gate);
    for path in ["/forward_auth", "/auth_request", "/ext_authz/a"] {
        let fields = [
            "X-Forwarded-Proto: http",
            "X-Forwarded-For: 10.0.0.1",
            "X-Forwarded-Host: a",
            "X-Forwarded-Method: GET",
            "X-Forwarded-Uri: /a",
            "X-Original-Method: GET",
            "X-Original-URI: /a",
        ];
        let url = format!("http://{door}{path}");
        let mut arguments: Vec<&str> = fields.iter().flat_map(|field| ["-H", field]).collect();
        arguments.push(&url);
        let reply = curl(&arguments).expect(403);
        assert!(reply.field("x-auth-authenticator").is_none());
    }
    gate.get("/a").expect(200);
}

#[test]
fn a_door_without_anybody_who_may_ask_does_not_load() {
    let folder = Folder::exactly(
        "listeners: [{ bind: 127.0.0.1:0, type: authorizer }]\nroutes: [{ name: r, match: { path: / }, authenticate: anonymous, authorize: any, service: none }]\n",
    );
    let checked = haechi(folder.path(), &["check"]);
    assert!(checked.code == 1 && checked.stderr.contains("trusted_proxies"), "{checked:?}");
    folder.write("haechi.yaml", "listeners: [{ bind: 127.0.0.1:0, type: authorizer }]\ntrusted_proxies: [127.0.0.1/32]\nroutes: [{ name: r, match: { path: / }, authenticate: anonymous, authorize: any, service: none }]\n");
    haechi(folder.path(), &["check"]).success();
}

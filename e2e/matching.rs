//! Which route takes a request (docs/routing.md).

use crate::harness::Gate;
use haechi_testkit::Backend;

/// Each route has a backend of its own, which says the route's name.
struct Town {
    gate: Gate,
    backends: Vec<Backend>,
}

impl Town {
    /// `routes` are `(name, match)`.
    fn of(routes: &[(&'static str, &str)]) -> Self {
        let backends: Vec<Backend> = routes.iter().map(|(name, _)| Backend::saying(name)).collect();
        let mut yaml = String::from("services:\n");
        for ((name, _), backend) in routes.iter().zip(&backends) {
            yaml.push_str(&format!("  {name}: {{ endpoints: [\"{}\"] }}\n", backend.url()));
        }
        yaml.push_str("routes:\n");
        for (name, matching) in routes {
            yaml.push_str(&format!(
                "  - {{ name: {name}, match: {{ {matching} }}, authenticate: anonymous, authorize: any, service: {name} }}\n"
            ));
        }
        Self { gate: Gate::start(&yaml), backends }
    }

    /// The name of the route that won, or the status.
    fn asked(&self, arguments: &[&str], path: &str) -> String {
        let reply = self.gate.curl(path, arguments);
        if reply.status == 200 { reply.text() } else { reply.status.to_string() }
    }

    fn reached(&self) -> usize {
        self.backends.iter().map(|backend| backend.recorded().len()).sum()
    }
}

#[test]
fn the_most_specific_pattern_wins_whatever_the_order() {
    let town = Town::of(&[
        ("rest", "path: \"/shop/**\""),
        ("one", "path: \"/shop/*\""),
        ("named", "path: \"/shop/{id}/items\""),
        ("literal", "path: /shop/sale"),
        ("deep", "path: \"/shop/sale/**\""),
    ]);
    let cases = [
        ("/shop", "rest"),
        ("/shop/", "one"),
        ("/shop/7", "one"),
        ("/shop/7/items", "named"),
        ("/shop/7/other", "rest"),
        ("/shop/sale", "literal"),
        ("/shop/sale/x", "deep"),
        ("/shop/sale/x/y", "deep"),
        ("/shops", "404"),
        ("/", "404"),
    ];
    for (path, winner) in cases {
        // `*` takes one segment; whether an empty one counts is not promised.
        let seen = town.asked(&[], path);
        assert!(seen == winner || (path == "/shop/" && seen == "rest"), "{path}: {seen}, not {winner}");
    }
}

#[test]
fn a_literal_does_not_match_with_a_slash_behind_it_and_the_rest_may_be_empty() {
    let town = Town::of(&[("literal", "path: /admin"), ("rest", "path: \"/files/**\"")]);
    assert_eq!(town.asked(&[], "/admin"), "literal");
    assert_eq!(town.asked(&[], "/admin/"), "404");
    assert_eq!(town.asked(&[], "/files"), "rest");
    assert_eq!(town.asked(&[], "/files/"), "rest");
    assert_eq!(town.asked(&[], "/FILES"), "404");
}

#[test]
fn a_named_host_goes_first_and_case_does_not_count_in_it() {
    let town = Town::of(&[
        ("anywhere", "path: \"/a/literal\""),
        ("named", "path: \"/**\", hosts: [api.example.com]"),
    ]);
    assert_eq!(town.asked(&["--header", "Host: api.example.com"], "/a/literal"), "named");
    assert_eq!(town.asked(&["--header", "Host: API.Example.Com:8080"], "/a/literal"), "named");
    assert_eq!(town.asked(&["--header", "Host: other.example.com"], "/a/literal"), "anywhere");
    assert_eq!(town.asked(&["--header", "Host: other.example.com"], "/b"), "404");
}

#[test]
fn methods_never_widen() {
    let town = Town::of(&[
        ("reads", "path: /orders, methods: [GET]"),
        ("writes", "path: /orders, methods: [POST]"),
        ("rest", "path: \"/**\""),
    ]);
    assert_eq!(town.asked(&[], "/orders"), "reads");
    assert_eq!(town.asked(&["--request", "POST"], "/orders"), "writes");
    let head = town.gate.curl("/orders", &["--head"]);
    assert_eq!(head.status, 200, "`GET` includes `HEAD`");
    assert_eq!(town.backends[0].last().method(), "HEAD");
    let before = town.reached();
    let refused = town.gate.curl("/orders", &["--request", "DELETE"]).expect(405);
    let mut allowed: Vec<&str> = refused.field("allow").expect("Allow").split(',').map(str::trim).collect();
    allowed.sort_unstable();
    assert_eq!(allowed, ["GET", "HEAD", "POST"]);
    assert_eq!(town.reached(), before, "no less specific pattern is tried");
    assert_eq!(town.asked(&["--request", "DELETE"], "/other"), "rest");
}

#[test]
fn no_route_is_404_and_nothing_arrives() {
    let town = Town::of(&[("only", "path: /only")]);
    let reply = town.gate.get("/elsewhere").expect(404);
    assert_eq!(reply.field("content-type"), Some("application/problem+json"));
    assert_eq!(reply.json()["status"], 404);
    assert_eq!(town.reached(), 0);
}

#[test]
fn text_around_a_parameter_and_literals_of_any_script() {
    let town = Town::of(&[
        ("cancel", "path: \"/ops/{id}:cancel\""),
        ("json", "path: \"/ops/{name}.json\""),
        ("one", "path: \"/ops/{id}\""),
        ("goods", "path: \"/상품/**\""),
        ("space", "path: \"/my files/[x]\""),
    ]);
    for (path, expected) in [
        ("/ops/7:cancel", "cancel"),
        ("/ops/a.json", "json"),
        ("/ops/a%2Ejson", "json"),
        ("/ops/7", "one"),
        ("/ops/7:start", "one"),
        ("/ops/7%3Acancel", "400"),
        ("/%EC%83%81%ED%92%88/7", "goods"),
        ("/%ec%83%81%ed%92%88", "goods"),
        ("/my%20files/%5Bx%5D", "space"),
    ] {
        assert_eq!(town.asked(&[], path), expected, "{path}");
    }
}

#[test]
fn hosts_by_a_wildcard() {
    let town = Town::of(&[
        ("name", "path: /**, hosts: [a.example.com]"),
        ("below", "path: /**, hosts: [\"*.example.com\"]"),
        ("any", "path: /**"),
    ]);
    for (host, expected) in [
        ("a.example.com", "name"),
        ("A.Example.com.", "name"),
        ("b.example.com:8080", "below"),
        ("c.b.example.com", "below"),
        ("example.com", "any"),
        ("notexample.com", "any"),
    ] {
        assert_eq!(town.asked(&["--header", &format!("Host: {host}")], "/x"), expected, "{host}");
    }
}

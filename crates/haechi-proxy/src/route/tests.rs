use super::{Conflict, Found, Router};
use crate::settings::{Authentication, Route, RouteSettings, ServiceIndex, Target};
use haechi_core::{CanonicalPath, Irregular, MethodSet, PathPattern};
use http::Method;
use proptest::prelude::*;

fn route(name: &str, pattern: &str, hosts: &[&str], methods: &[Method]) -> Route {
    Route {
        name: name.into(),
        pattern: PathPattern::parse(pattern).unwrap(),
        hosts: hosts.iter().map(|host| (*host).into()).collect(),
        methods: if methods.is_empty() { MethodSet::any() } else { MethodSet::new(methods.iter().cloned()) },
        authentication: Authentication::Any(Vec::new()),
        target: Target::Service(ServiceIndex::new(0)),
        allow_in_path: Irregular::NONE,
        settings: RouteSettings::default(),
    }
}

fn routes(patterns: &[&str]) -> Vec<Route> {
    patterns.iter().map(|pattern| route(pattern, pattern, &[], &[])).collect()
}

fn winner(routes: &[Route], host: &str, path: &str, method: Method) -> Option<String> {
    let router = Router::new(routes).unwrap();
    let path = CanonicalPath::parse(path.as_bytes()).unwrap();
    match router.find(host, &path, &method) {
        Found::Route(index) => Some(routes[index.get()].name.to_string()),
        Found::MethodNotAllowed { allow, .. } => {
            Some(format!("405 {}", allow.iter().map(Method::as_str).collect::<Vec<_>>().join(",")))
        }
        Found::NotFound => None,
        Found::Ambiguous => Some("400".into()),
    }
}

#[test]
fn the_most_specific_pattern_wins_whatever_the_order() {
    let mut patterns = ["/**", "/a/**", "/a/*", "/a/b", "/a/b/**", "/a/*/c", "/{x}/b/c", "/"];
    for _ in 0..2 {
        let routes = routes(&patterns);
        for (path, expected) in [
            ("/", "/"),
            ("/z", "/**"),
            ("/a", "/a/**"),
            ("/a/", "/a/**"),
            ("/a/b", "/a/b"),
            ("/a/x", "/a/*"),
            ("/a/b/c", "/a/b/**"),
            ("/a/x/c", "/a/*/c"),
            ("/a/x/d", "/a/**"),
            ("/q/b/c", "/{x}/b/c"),
            ("/q/b/d", "/**"),
        ] {
            assert_eq!(winner(&routes, "h", path, Method::GET).as_deref(), Some(expected), "{path}");
        }
        patterns.reverse();
    }
}

#[test]
fn trailing_slashes_and_case_count() {
    let routes = routes(&["/admin", "/items/{id}", "/deep/**"]);
    assert_eq!(winner(&routes, "h", "/admin/", Method::GET), None);
    assert_eq!(winner(&routes, "h", "/Admin", Method::GET), None);
    assert_eq!(winner(&routes, "h", "/items/", Method::GET), None);
    assert_eq!(winner(&routes, "h", "/deeper", Method::GET), None);
    assert!(winner(&routes, "h", "/deep", Method::GET).is_some());
    assert!(winner(&routes, "h", "/deep/", Method::GET).is_some());
}

#[test]
fn methods_never_widen() {
    let routes = [
        route("read", "/a/b", &[], &[Method::GET]),
        route("write", "/a/b", &[], &[Method::POST]),
        route("all", "/a/**", &[], &[]),
    ];
    assert_eq!(winner(&routes, "h", "/a/b", Method::HEAD).unwrap(), "read");
    assert_eq!(winner(&routes, "h", "/a/b", Method::POST).unwrap(), "write");
    assert_eq!(winner(&routes, "h", "/a/b", Method::DELETE).unwrap(), "405 GET,HEAD,POST");
    assert_eq!(winner(&routes, "h", "/a/c", Method::DELETE).unwrap(), "all");
}

#[test]
fn a_named_host_goes_before_none() {
    let routes = [route("named", "/**", &["a.example"], &[]), route("any", "/x/y", &[], &[])];
    assert_eq!(winner(&routes, "a.example", "/x/y", Method::GET).unwrap(), "named");
    assert_eq!(winner(&routes, "b.example", "/x/y", Method::GET).unwrap(), "any");
    let routes = [route("named", "/only", &["a.example"], &[]), route("any", "/x", &[], &[])];
    assert_eq!(winner(&routes, "a.example", "/x", Method::GET).unwrap(), "any");
}

#[test]
fn a_name_goes_before_a_wildcard_and_a_longer_one_before_a_shorter() {
    let mut routes = vec![
        route("name", "/**", &["a.b.example"], &[]),
        route("long", "/**", &["*.b.example"], &[]),
        route("short", "/**", &["*.example"], &[]),
        route("any", "/x", &[], &[]),
    ];
    for _ in 0..2 {
        for (host, expected) in [
            ("a.b.example", Some("name")),
            ("c.b.example", Some("long")),
            ("d.c.b.example", Some("long")),
            ("b.example", Some("short")),
            ("example", Some("any")),
            ("notexample", Some("any")),
            ("", Some("any")),
        ] {
            assert_eq!(winner(&routes, host, "/x", Method::GET).as_deref(), expected, "{host}");
        }
        routes.reverse();
    }
    let both = [route("one", "/a", &["*.h"], &[]), route("two", "/a", &["*.h", "h"], &[])];
    assert!(Router::new(&both).is_err());
}

#[test]
fn text_around_a_parameter_is_more_specific_than_none() {
    let mut patterns = [
        "/ops/{id}",
        "/ops/{id}:cancel",
        "/ops/a{id}:cancel",
        "/ops/7:cancel",
        "/ops/{id}:cancel/x",
        "/ops/**",
        "/ops/{x}l",
    ];
    for _ in 0..2 {
        let routes = routes(&patterns);
        for (path, expected) in [
            ("/ops/7", "/ops/{id}"),
            ("/ops/7:cancel", "/ops/7:cancel"),
            ("/ops/8:cancel", "/ops/{id}:cancel"),
            ("/ops/ab:cancel", "/ops/a{id}:cancel"),
            ("/ops/a:cancel", "/ops/{id}:cancel"),
            ("/ops/:cancel", "/ops/{x}l"),
            ("/ops/8:cancel/x", "/ops/{id}:cancel/x"),
            ("/ops/8:cancel/y", "/ops/**"),
            ("/ops/8%3Acancel", "400"),
            ("/ops/8%20", "/ops/{id}"),
        ] {
            assert_eq!(winner(&routes, "h", path, Method::GET).as_deref(), Some(expected), "{path}");
        }
        patterns.reverse();
    }
    let both = [route("one", "/a/{x}.json", &[], &[]), route("two", "/a/{y}.json", &[], &[Method::GET])];
    assert_eq!(Router::new(&both).unwrap_err(), Conflict { first: "one".into(), second: "two".into() });
}

#[test]
fn another_spelling_of_a_literal_is_ambiguous() {
    let routes = routes(&["/a@b/**", "/**"]);
    assert_eq!(winner(&routes, "h", "/a%40b/x", Method::GET).unwrap(), "400");
    assert_eq!(winner(&routes, "h", "/c%40d/x", Method::GET).unwrap(), "/**");
}

#[test]
fn two_routes_that_could_both_win_are_an_error() {
    let both = [route("one", "/a/{x}", &[], &[]), route("two", "/a/*", &[], &[Method::GET])];
    assert_eq!(Router::new(&both).unwrap_err(), Conflict { first: "one".into(), second: "two".into() });
    let apart = [route("one", "/a/{x}", &[], &[Method::POST]), route("two", "/a/*", &[], &[Method::GET])];
    assert!(Router::new(&apart).is_ok());
    let hosts = [route("one", "/a", &["h"], &[]), route("two", "/a", &["i", "h"], &[])];
    assert!(Router::new(&hosts).is_err());
}

proptest! {
    /// The tree against the rule as one would write it down: of all patterns that match, the one whose first differing segment is more literal.
    #[test]
    fn the_tree_agrees_with_the_rule(
        patterns in proptest::collection::hash_set("(/(a|b|\\*|\\{p\\})){0,3}(/\\*\\*)?", 1..8),
        path in "(/(a|b|c)){1,4}",
    ) {
        let mut all: Vec<Route> = Vec::new();
        for pattern in patterns {
            if PathPattern::parse(&pattern).is_err() {
                continue;
            }
            all.push(route(&pattern, &pattern, &[], &[]));
            if Router::new(&all).is_err() {
                all.pop();
            }
        }
        let expected = all.iter().filter(|route| matches(&route.name, &path)).map(|route| route.name.to_string()).min_by_key(|p| rank(p));
        prop_assert_eq!(winner(&all, "h", &path, Method::GET), expected);
    }
}

fn matches(pattern: &str, path: &str) -> bool {
    let (pattern, path): (Vec<_>, Vec<_>) =
        (pattern[1..].split('/').collect(), path[1..].split('/').collect());
    for (index, part) in pattern.iter().enumerate() {
        match (*part, path.get(index)) {
            ("**", _) => return true,
            (_, None) => return false,
            ("*" | "{p}", Some(_)) => {}
            (literal, Some(segment)) if literal == *segment => {}
            _ => return false,
        }
    }
    pattern.len() == path.len()
}

fn rank(pattern: &str) -> Vec<u8> {
    let rank = |part: &str| match part {
        "**" => 3,
        "*" | "{p}" => 2,
        _ => 1,
    };
    // The end of a pattern is more specific than `**` in its place.
    pattern[1..].split('/').map(rank).chain([0]).collect()
}

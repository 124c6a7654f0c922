//! Methods beyond the common seven (RFC 9110 9.1; docs/routing.md).

use crate::harness::{Folder, Gate, haechi, routes_to};
use haechi_testkit::Backend;
use std::fmt::Write;

const FORBIDS_OTHER: &str = r#"forbid(principal, action == Action::"other", resource == Route::"guarded");
forbid(principal, action in Action::"write", resource == Route::"read-only");
"#;

fn gate(backend: &Backend) -> Gate {
    let mut yaml = format!("policies: [rules.cedar]\n{}", routes_to(backend, &[]));
    for (name, matches, more) in [
        ("all", "{ path: /all/** }", ""),
        ("dav", "{ path: /dav/**, methods: [GET, PROPFIND, QUERY] }", ""),
        ("guarded", "{ path: /guarded }", ""),
        ("read-only", "{ path: /read-only }", ""),
        ("shared", "{ path: /shared }", ", cors: { origins: [\"https://app.example\"] }"),
    ] {
        writeln!(
            yaml,
            "  - {{ name: {name}, match: {matches}, authenticate: anonymous, authorize: any, service: web{more} }}"
        )
        .unwrap();
    }
    let folder = Folder::new(&yaml);
    folder.write("rules.cedar", FORBIDS_OTHER);
    Gate::start_in(folder).ready()
}

fn status(gate: &Gate, method: &str, path: &str) -> u16 {
    gate.curl(path, &["--request", method]).status
}

#[test]
fn a_route_without_methods_takes_every_token() {
    let backend = Backend::saying("reached");
    let gate = gate(&backend);
    let taken = [
        "PROPFIND",
        "QUERY",
        "MKCOL",
        "M-SEARCH",
        "VERSION-CONTROL",
        "propfind",
        "other",
        "X!#$%&'*+.^_`|~1",
    ];
    for method in taken {
        assert_eq!(status(&gate, method, "/all/x"), 200, "{method}");
        assert_eq!(backend.recorded().last().unwrap().method(), method);
    }
    let arrived = backend.recorded().len();
    for method in ["TRACE", "CONNECT", "get", "Delete", "OPTIOnS", "trace"] {
        let mut wire = gate.converse();
        wire.send(format!("{method} /all/x HTTP/1.1\r\nHost: localhost\r\n\r\n"));
        let answer = wire.answer().unwrap();
        assert!(matches!(answer.status, 400 | 405), "{method}: {}", answer.status);
    }
    assert_eq!(
        backend.recorded().len(),
        arrived,
        "what another reader could take for another method did not arrive"
    );
    assert_eq!(
        gate.metric("haechi_http_requests_total", &["route=\"all\"", "method=\"other\"", "status=\"200\""]),
        8.0
    );
}

#[test]
fn listed_methods_are_taken_as_they_are_written() {
    let backend = Backend::saying("reached");
    let gate = gate(&backend);
    for (method, expected) in
        [("PROPFIND", 200), ("QUERY", 200), ("HEAD", 200), ("propfind", 405), ("REPORT", 405), ("POST", 405)]
    {
        let arguments: &[&str] = if method == "HEAD" { &["--head"] } else { &["--request", method] };
        let reply = gate.curl("/dav/x", arguments).expect(expected);
        if expected == 405 {
            assert_eq!(reply.head.field("allow"), Some("GET, HEAD, PROPFIND, QUERY"));
        }
    }
}

#[test]
fn policies_know_them_as_other_which_writes() {
    let backend = Backend::saying("reached");
    let gate = gate(&backend);
    for (method, guarded, read_only) in [
        ("GET", 200, 200),
        ("OPTIONS", 200, 200),
        ("POST", 200, 403),
        ("QUERY", 403, 403),
        ("REPORT", 403, 403),
    ] {
        assert_eq!(status(&gate, method, "/guarded"), guarded, "{method}");
        assert_eq!(status(&gate, method, "/read-only"), read_only, "{method}");
        let told = haechi(gate.folder().path(), &["explain", "--method", method, "--path", "/guarded"]);
        assert_eq!(told.stdout.starts_with("denied"), guarded == 403, "{told:?}");
    }
    let schema = haechi(gate.folder().path(), &["schema", "cedar"]).success().stdout;
    assert!(schema.contains("action \"other\" in [\"write\"]"), "{schema}");
    let matrix = haechi(gate.folder().path(), &["matrix", "--output", "csv"]).success().stdout;
    let row = |start: &str| matrix.lines().find(|line| line.starts_with(start)).map(str::to_owned);
    let other = matrix.lines().find(|line| line.starts_with("guarded,") && line.contains(",other,")).unwrap();
    assert!(other.ends_with("deny,deny"), "{other}");
    assert!(row("dav,").is_some() && matrix.contains(",PROPFIND,"), "{matrix}");
}

#[test]
fn a_preflight_is_granted_the_method_that_it_asks_for() {
    let backend = Backend::saying("reached");
    let gate = gate(&backend);
    for (method, granted) in [("QUERY", true), ("PUT", true), ("TRACE", false), ("put", false)] {
        let asked = format!("Access-Control-Request-Method: {method}");
        let arguments =
            ["--request", "OPTIONS", "--header", "Origin: https://app.example", "--header", &asked];
        let reply = gate.curl("/shared", &arguments);
        let told = reply.head.field("access-control-allow-methods").unwrap_or_default();
        assert_eq!(told.split(", ").any(|known| known == method), granted, "{method}: {told}");
    }
}

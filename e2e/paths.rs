//! A path that could mean two things reaches no backend, and what arrives is what was decided on (docs/routing.md).

use crate::harness::{Gate, open_gate, routes_to};
use haechi_testkit::Backend;

const REFUSED: [&str; 37] = [
    "//",
    "//public",
    "/public//x",
    "/./public",
    "/public/.",
    "/public/./x",
    "/public/..",
    "/public/../admin",
    "/public/..;/admin",
    "/public/..%2fadmin",
    "/public/%2e%2e/admin",
    "/public/%2E./admin",
    "/public/.%2e/admin",
    "/public/%2e/x",
    "/a%2Fb",
    "/a%2fb",
    "/a%5Cb",
    "/a%5cb",
    "/a\\b",
    "/a;v=1",
    "/a%3Bv",
    "/a%23b",
    "/a%3Fb",
    "/%2e%2e%2fadmin",
    "/..%3Bx/admin",
    "/a%",
    "/a%2",
    "/a%zz",
    "/a%u002e",
    "/a%25",
    "/a%252e%252e/b",
    "/a%00",
    "/a%0d%0aX-Auth-Roles:ADMIN",
    "/a%7f",
    "/%ff",
    "/%c0%af",
    "/a%e2%28%a1",
];

#[test]
fn every_ambiguous_spelling_is_answered_400_and_nothing_arrives() {
    let backend = Backend::saying("reached");
    let gate = open_gate(&backend);
    for path in REFUSED {
        let mut conversation = gate.converse();
        let answer = conversation.send(format!("GET {path} HTTP/1.1\r\nHost: a\r\n\r\n")).answer();
        assert_eq!(answer.map(|answer| answer.status), Some(400), "{path}");
        assert!(conversation.is_closed(), "{path}");
    }
    for raw in [&b"/a\x01b"[..], b"/a\x7fb", b"/\xff", b"/\xc3\xa9", b"/a\tb"] {
        let request = [b"GET ", raw, b" HTTP/1.1\r\nHost: a\r\n\r\n"].concat();
        let answer = gate.converse().send(request).answer();
        assert_eq!(answer.map(|answer| answer.status), Some(400), "{raw:?}");
    }
    assert_eq!(backend.recorded().len(), 0, "{:#?}", backend.recorded());
}

#[test]
fn the_backend_receives_the_canonical_path_and_the_query_untouched() {
    let backend = Backend::saying("reached");
    let gate = open_gate(&backend);
    let cases = [
        ("/%61dmin/%7Ex", "/admin/~x"),
        ("/a%20b/%c3%a9", "/a%20b/%C3%A9"),
        ("/v1/a:b@c/d,e=f!$&'()*+", "/v1/a:b@c/d,e=f!$&'()*+"),
        ("/main%2Epy/%2ehidden", "/main.py/.hidden"),
        ("/a?q=%2F..%2f;x//y&z=%zz", "/a?q=%2F..%2f;x//y&z=%zz"),
        ("/a?", "/a?"),
        ("/", "/"),
    ];
    for (sent, received) in cases {
        gate.get(sent).expect(200);
        assert_eq!(backend.last().target(), received, "{sent}");
    }
}

#[test]
fn an_escaped_spelling_does_not_walk_around_a_stricter_route() {
    let backend = Backend::saying("reached");
    let gate = Gate::start(&format!(
        "authenticators: {{ partner: {{ type: api_key, header: X-API-Key }} }}\nstore: sqlite:haechi.db\n{}",
        routes_to(&backend, &[("/**", "anonymous", "any"), ("/admin/**", "[partner]", "any")])
    ));
    for path in ["/admin", "/admin/", "/%61dmin", "/adm%69n/x", "/admin?x", "/admin/[x]|^", "/admin/x%2Ey"] {
        gate.get(path).expect(401);
    }
    for path in ["/admin%2fx", "/x/../admin", "//admin", "/admin;x", "/./admin"] {
        gate.get(path).expect(400);
    }
    assert_eq!(backend.recorded().len(), 0);
    // Case counts in paths, so these are other paths.
    gate.get("/Admin").expect(200);
}

#[test]
fn a_route_may_allow_what_it_names_and_no_more() {
    let backend = Backend::saying("reached");
    let gate = Gate::start(&format!(
        "services: {{ web: {{ endpoints: [\"{}\"] }} }}\nroutes:\n  - {{ name: files, match: {{ path: /files/** }}, authenticate: anonymous, authorize: any, service: web, allow_in_path: [semicolon, encoded_slash] }}\n",
        backend.url()
    ));
    for path in ["/files/a;v=1", "/files/a%2Fb"] {
        gate.get(path).expect(200);
        assert_eq!(backend.last().target(), path);
    }
    let before = backend.recorded().len();
    for path in
        ["/files//a", "/files/%25", "/files/..;/a", "/files/..%2fa", "/files/%2e%2e/a", "/files/a%5cb"]
    {
        gate.get(path).expect(400);
    }
    assert_eq!(backend.recorded().len(), before);
}

#[test]
fn an_ambiguous_path_is_400_even_where_no_route_waits_for_it() {
    let backend = Backend::saying("reached");
    let gate = Gate::start(&routes_to(&backend, &[("/only", "anonymous", "any")]));
    for path in ["//only", "/elsewhere;x", "/else%2Fwhere", "/elsewhere%25", "/only/../x"] {
        gate.get(path).expect(400);
    }
    gate.get("/elsewhere").expect(404);
    assert_eq!(backend.recorded().len(), 0);
}

#[test]
fn what_browsers_send_as_it_is_arrives_escaped() {
    let backend = Backend::saying("reached");
    let gate = open_gate(&backend);
    for sent in ["/a[0]|b^c", "/a%5B0%5D%7Cb%5Ec", "/a%5b0%5d|b^c"] {
        let request = format!("GET {sent} HTTP/1.1\r\nHost: a\r\n\r\n");
        assert_eq!(gate.converse().send(request).answer().map(|answer| answer.status), Some(200), "{sent}");
        assert_eq!(backend.last().target(), "/a%5B0%5D%7Cb%5Ec", "{sent}");
    }
    gate.curl("/x%5B1%5D", &["--http2-prior-knowledge"]).expect(200);
    assert_eq!(backend.last().target(), "/x%5B1%5D");
}

#[test]
fn what_could_end_a_path_is_in_doubt_where_any_rest_is_taken() {
    let backend = Backend::saying("reached");
    let gate = Gate::start(&format!(
        "services: {{ web: {{ endpoints: [\"{}\"] }} }}
routes:
  - {{ name: rest, match: {{ path: /rest/** }}, authenticate: anonymous, authorize: any, service: web }}
  - {{ name: one, match: {{ path: \"/one/{{id}}\" }}, authenticate: anonymous, authorize: any, service: web }}
  - {{ name: let, match: {{ path: /let/** }}, authenticate: anonymous, authorize: any, service: web, allow_in_path: [encoded_delimiter] }}
",
        backend.url()
    ));
    for (path, status) in [
        ("/rest/a%23b", 400),
        ("/rest/%3Fx", 400),
        ("/one/a%23b", 200),
        ("/one/%3f", 200),
        ("/let/a%23b%3Fc", 200),
        ("/none/a%23", 404),
    ] {
        gate.get(path).expect(status);
    }
    assert_eq!(backend.last().target(), "/let/a%23b%3Fc");
    assert_eq!(backend.recorded().len(), 3);
}

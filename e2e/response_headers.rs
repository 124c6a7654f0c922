//! What routes change in the heads of answers, and a route's own timeout.

use crate::harness::{Folder, Gate, PATIENCE};
use haechi_testkit::{Answer, Backend, Latch};

const RULES: &str = "{ set: { X-Frame-Options: DENY, Cache-Control: private }, add: { Link: </a>; rel=next }, remove: [Server, X-Powered-By] }";

fn start(backend: &Backend) -> Gate {
    let folder = Folder::new(&format!(
        r#"store: sqlite:haechi.db
authenticators: {{ partner: {{ type: api_key }} }}
services: {{ web: {{ endpoints: ["{url}"], timeout: 20s }} }}
routes:
  - {{ name: dressed, match: {{ path: /dressed/** }}, authenticate: anonymous, authorize: any, service: web, timeout: 300ms, response_headers: {RULES} }}
  - {{ name: closed, match: {{ path: /closed }}, authenticate: partner, authorize: any, service: web, response_headers: {RULES} }}
  - {{ name: plain, match: {{ path: /plain }}, authenticate: anonymous, authorize: any, service: web }}
"#,
        url = backend.url(),
        RULES = RULES.replace("</a>; rel=next", "\"</a>; rel=next\""),
    ));
    Gate::start_in(folder).ready()
}

#[test]
fn rules_hold_for_the_backends_answers_and_for_ours() {
    let told = [
        ("Server", "made/1.0"),
        ("x-powered-by", "something"),
        ("X-Frame-Options", "ALLOWALL"),
        ("x-frame-options", "SAMEORIGIN"),
        ("Link", "</b>; rel=prev"),
        ("Cache-Control", "public"),
        ("X-Request-Id", "the backend's own"),
    ];
    let backend = Backend::start(move |_| Answer::new(200, &told, "reached"));
    let gate = start(&backend);
    let reply = gate.get("/dressed/a").expect(200);
    assert_eq!((reply.field("server"), reply.field("x-powered-by")), (None, None));
    assert_eq!(reply.head.all("x-frame-options"), ["DENY"], "both of the backend's are replaced");
    assert_eq!(reply.head.all("link"), ["</b>; rel=prev", "</a>; rel=next"]);
    assert_eq!(reply.head.all("cache-control"), ["private"]);
    assert_eq!(reply.head.all("x-request-id"), [backend.last().field("x-request-id").unwrap()]);
    assert_eq!((reply.text().as_str(), reply.exit), ("reached", 0));

    let refused = gate.get("/closed").expect(401);
    assert_eq!(refused.head.all("x-frame-options"), ["DENY"]);
    assert_eq!(refused.head.all("cache-control"), ["private"]);
    assert_eq!(refused.field("www-authenticate"), Some("ApiKey realm=\"partner\""));
    assert_eq!(refused.field("x-request-id"), refused.json()["request_id"].as_str());
    assert_eq!(backend.recorded().len(), 1);

    let plain = gate.get("/plain").expect(200);
    assert_eq!(plain.field("server"), Some("made/1.0"));
    assert_eq!(plain.head.all("x-frame-options").len(), 2);
}

#[test]
fn a_routes_timeout_goes_before_the_services() {
    let latch = Latch::new();
    let held = latch.clone();
    let backend = Backend::start(move |_| Answer::never(&held));
    let gate = start(&backend);
    let begun = std::time::Instant::now();
    let reply = gate.get("/dressed/slow").expect(504);
    assert!(begun.elapsed() < PATIENCE.min(std::time::Duration::from_secs(15)), "{:?}", begun.elapsed());
    assert_eq!(reply.field("x-frame-options"), Some("DENY"));
    latch.open();
}

#[test]
fn answers_to_known_callers_are_private_unless_somebody_says_otherwise() {
    let backend = Backend::start(|request| {
        let target = request.target();
        let said: Vec<(&str, &str)> = match target.split_once('?') {
            Some((_, "none")) => vec![],
            Some((_, "age")) => vec![("Cache-Control", "max-age=60")],
            Some((_, "public")) => vec![("Cache-Control", "Public, max-age=60")],
            _ => vec![("Cache-Control", "no-store")],
        };
        Answer::new(200, &said, "reached")
    });
    let folder = Folder::new(&format!(
        r#"store: sqlite:haechi.db
authenticators: {{ partner: {{ type: api_key }} }}
services: {{ web: {{ endpoints: ["{url}"] }} }}
routes:
  - {{ name: open, match: {{ path: /open }}, authenticate: anonymous, authorize: any, service: web }}
  - {{ name: closed, match: {{ path: /closed }}, authenticate: partner, authorize: any, service: web }}
  - {{ name: left, match: {{ path: /left }}, authenticate: partner, authorize: any, service: web, cache_control: unchanged }}
  - {{ name: added, match: {{ path: /added }}, authenticate: partner, authorize: any, service: web, response_headers: {{ add: {{ Cache-Control: max-age=5 }} }} }}
"#,
        url = backend.url(),
    ));
    let key = format!("X-API-Key: {}", folder.create_key(&["--owner", "acme"]));
    let gate = Gate::start_in(folder).ready();
    for (path, fields, expected) in [
        ("/open?none", &[][..], &[][..]),
        ("/closed?none", &[&*key], &["private"]),
        ("/closed?age", &[&*key], &["max-age=60, private"]),
        ("/closed?public", &[&*key], &["Public, max-age=60"]),
        ("/closed?store", &[&*key], &["no-store"]),
        ("/left?none", &[&*key], &[]),
        ("/left?age", &[&*key], &["max-age=60"]),
        ("/added?none", &[&*key], &["max-age=5"]),
    ] {
        let reply = gate.get_with(path, fields).expect(200);
        assert_eq!(reply.head.all("cache-control"), expected, "{path}");
    }
}

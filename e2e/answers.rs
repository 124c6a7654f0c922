//! What a refusal looks like, and what it does not tell (docs/answers.md).

use crate::harness::{Folder, Gate, Reply, routes_to};
use haechi_testkit::jose::{Key, with};
use haechi_testkit::{Backend, IdentityProvider, Unreachable};
use serde_json::json;

struct Site {
    backend: Backend,
    gate: Gate,
    token: String,
}

fn start() -> Site {
    let key = Key::p256("one");
    let provider = IdentityProvider::start(&[&key]);
    let backend = Backend::saying("reached");
    let dead = Unreachable::refusing();
    let routes = routes_to(
        &backend,
        &[
            ("/any", "{ any: [corp, staff, partner] }", "any"),
            ("/secret", "[corp]", "{ roles: [VERY-SPECIAL-ROLE] }"),
        ],
    );
    let gate = Gate::start_in(Folder::new(&format!(
        "store: sqlite:haechi.db
authenticators:
  corp: {{ type: jwt, issuer: \"{issuer}\", audiences: [orders], keys: discovery, claims: {{ roles: /roles }} }}
  staff: {{ type: basic, realm: staff }}
  partner: {{ type: api_key, header: X-API-Key }}
roles: {{ VERY-SPECIAL-ROLE: {{}} }}
{routes}  - {{ name: dead, match: {{ path: /dead }}, authenticate: anonymous, authorize: any, service: dead }}
",
        issuer = provider.issuer(),
        routes = routes.replacen("services: {", &format!("services: {{ dead: {{ endpoints: [\"{}\"] }},", dead.url()), 1),
    )))
    .ready();
    let token = key.token(&with(&provider.claims("alice"), &json!({"roles": ["USER"]})));
    Site { backend, gate, token }
}

#[track_caller]
fn is_problem(reply: &Reply, status: u16) {
    assert_eq!(reply.status, status, "{}", reply.text());
    assert_eq!(reply.field("content-type"), Some("application/problem+json"));
    let problem = reply.json();
    assert_eq!(problem["status"], status);
    for member in ["type", "title", "detail", "request_id"] {
        assert!(problem[member].as_str().is_some_and(|text| !text.is_empty()), "no `{member}`: {problem}");
    }
}

#[test]
fn every_refusal_is_a_problem_document() {
    let site = start();
    let bearer = format!("Authorization: Bearer {}", site.token);
    is_problem(&site.gate.get("/any"), 401);
    is_problem(&site.gate.get_with("/any", &["Authorization: Bearer x.y.z"]), 401);
    is_problem(&site.gate.get_with("/any", &[&bearer, &bearer]), 400);
    is_problem(&site.gate.get_with("/secret", &[&bearer]), 403);
    is_problem(&site.gate.get("/nowhere"), 404);
    is_problem(&site.gate.get("/any/../x"), 400);
    is_problem(&site.gate.get(&format!("/{}", "a".repeat(9000))), 414);
    is_problem(&site.gate.get("/dead"), 502);
    assert_eq!(site.backend.recorded().len(), 0);
    let decided = site.gate.get_with("/secret", &[&bearer]).json();
    assert!(decided["decision_id"].is_string(), "a decision was made: {decided}");
    assert_eq!(site.gate.get("/nowhere").json().get("decision_id"), None);
}

#[test]
fn each_way_in_is_offered_once() {
    let site = start();
    let reply = site.gate.get("/any").expect(401);
    let challenges = reply.head.all("www-authenticate");
    assert_eq!(challenges.len(), 3, "{challenges:?}");
    assert!(challenges.iter().any(|challenge| challenge.starts_with("Bearer")));
    assert!(challenges.iter().any(|challenge| challenge.starts_with("Basic realm=\"staff\"")));
    assert!(!reply.challenges().contains("error"), "nothing was presented: {}", reply.challenges());
    let bad = site.gate.get_with("/any", &["Authorization: Bearer x.y.z"]).expect(401);
    assert!(bad.challenges().contains("error=\"invalid_token\""));
    let twice =
        site.gate.get_with("/any", &["Authorization: Bearer a", "Authorization: Bearer a"]).expect(400);
    assert!(format!("{}{}", twice.challenges(), twice.text()).contains("invalid_request"), "{twice:#?}");
}

#[test]
fn nothing_tells_what_was_missing() {
    let site = start();
    let bearer = format!("Authorization: Bearer {}", site.token);
    for reply in [site.gate.get_with("/secret", &[&bearer]), site.gate.get("/dead")] {
        let told =
            format!("{}{}", haechi_testkit::http1::latin1(&reply.head.raw), reply.text()).to_lowercase();
        for secret in
            ["very-special", "r1", "corp", "127.0.0.1", "connection refused", "os error", "haechi.db"]
        {
            assert!(!told.contains(secret), "`{secret}` in {told}");
        }
    }
}

#[test]
fn grpc_callers_are_answered_in_their_way() {
    let site = start();
    let bearer = format!("Authorization: Bearer {}", site.token);
    let grpc = "Content-Type: application/grpc";
    let cases: [(&str, &[&str], &str); 4] = [
        ("/any", &[grpc], "16"),
        ("/secret", &[grpc, &bearer], "7"),
        ("/nowhere", &["Content-Type: application/grpc+proto"], "12"),
        ("/dead", &[grpc], "14"),
    ];
    for (path, fields, status) in cases {
        let reply = site.gate.get_with(path, fields).expect(200);
        assert_eq!(reply.field("grpc-status"), Some(status), "{path}");
        assert!(reply.field("content-type").unwrap().starts_with("application/grpc"));
        assert!(reply.body.is_empty(), "{path}: {}", reply.text());
    }
    assert_eq!(site.backend.recorded().len(), 0);
}

#[test]
fn browsers_get_a_page_that_reflects_nothing() {
    let site = start();
    let html = "Accept: text/html,application/xhtml+xml,*/*;q=0.8";
    let reply = site.gate.get_with("/nowhere/%3Cscript%3Ealert(1)%3C/script%3E?<b>", &[html]);
    assert!([400, 404].contains(&reply.status));
    let reply = site.gate.get_with("/secret", &[html]).expect(401);
    assert!(reply.field("content-type").unwrap().starts_with("text/html"));
    assert!(reply.text().contains("<html") || reply.text().to_lowercase().contains("<!doctype html"));
    assert!(!reply.text().contains("script>alert"));
    let json = site.gate.get_with("/secret", &["Accept: application/json"]).expect(401);
    assert_eq!(json.field("content-type"), Some("application/problem+json"));
}

#[test]
fn head_gets_the_head_alone() {
    let site = start();
    let mut conversation = site.gate.converse();
    let refused = conversation.send("HEAD /secret HTTP/1.1\r\nHost: a\r\n\r\n").answer_to("HEAD").unwrap();
    assert_eq!(refused.status, 401);
    let next = conversation.send("GET /nowhere HTTP/1.1\r\nHost: a\r\n\r\n").answer().unwrap();
    assert_eq!(next.status, 404, "the connection is out of step");
}

#[test]
fn a_refusal_does_not_wait_for_the_body() {
    let site = start();
    let mut conversation = site.gate.converse();
    conversation
        .send("POST /secret HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\nContent-Length: 1000\r\n\r\n");
    assert_eq!(conversation.answer().unwrap().status, 401, "and not 100");
    assert_eq!(site.backend.recorded().len(), 0);
}

#[test]
fn a_refusal_arrives_even_at_a_client_that_goes_on_sending() {
    let site = start();
    for (path, status) in [("/secret", 401), ("/nowhere", 404), ("/any//x", 400)] {
        let mut conversation = site.gate.converse();
        conversation.send(format!("POST {path} HTTP/1.1\r\nHost: a\r\nContent-Length: 4000000\r\n\r\n"));
        conversation.send(vec![b'x'; 4_000_000]);
        assert_eq!(conversation.answer().map(|answer| answer.status), Some(status), "{path}");
    }
    assert_eq!(site.backend.recorded().len(), 0);
}

//! AuthZEN 1.0: the same cases as through the proxy, about callers who are taken as given; who may ask; what a question has to say.

use super::table::all;
use super::{TOKEN, World, door};
use crate::harness::{Authority, Folder, Gate, PATIENCE, Reply, curl, eventually, haechi, routes_to};
use haechi_testkit::{Backend, Unreachable};
use serde_json::{Value, json};
use std::net::SocketAddr;

fn post(door: SocketAddr, path: &str, question: &Value, more: &[&str]) -> Reply {
    let (url, body) = (format!("http://{door}{path}"), question.to_string());
    let token = format!("Authorization: Bearer {TOKEN}");
    let mut arguments = vec!["-H", "Content-Type: application/json", "--data-binary", &body];
    if !more.iter().any(|option| option.starts_with("Authorization")) {
        arguments.extend(["-H", &token]);
    }
    arguments.extend(more);
    arguments.push(&url);
    curl(&arguments)
}

fn evaluate(door: SocketAddr, question: &Value) -> Reply {
    post(door, "/access/v1/evaluation", question, &[])
}

/// What is known of the callers in the table, as whoever asks would say it.
fn subject(key: Option<&str>) -> Option<Value> {
    let properties = match key {
        None => return Some(json!({ "type": "Anonymous", "id": "" })),
        Some("user") => json!({ "roles": ["USER"], "scopes": ["orders:read"] }),
        Some("admin") => json!({ "roles": ["ADMIN"], "tenant": "acme" }),
        Some("nobody") => json!({ "attributes": { "tenant": "홍" } }),
        Some(_) => return None,
    };
    let id = match key {
        Some("user") => "alice",
        Some("admin") => "root",
        _ => "nobody",
    };
    Some(json!({ "type": "ApiKey", "id": id, "properties": properties }))
}

fn question(subject: &Value, method: &str, path: &str) -> Value {
    json!({
        "subject": subject,
        "action": { "name": method },
        "resource": { "type": "path", "id": path, "properties": { "host": "a.example" } },
        "context": { "ip": "127.0.0.1", "secure": false },
    })
}

#[test]
fn the_same_callers_come_to_the_same_through_the_proxy_and_by_authzen() {
    let world = World::new();
    let (mut allowed, mut refused) = (0, 0);
    for case in all().into_iter().filter(|case| case.more.is_empty()) {
        let Some(subject) = subject(case.key) else { continue };
        let (_, proxied) = world.through(world.gate.address(), &case);
        let before = world.reached().len();
        let path = case.target.split('?').next().unwrap();
        let told = evaluate(world.door, &question(&subject, case.method, path)).expect(200).json();
        assert_eq!(told["decision"], proxied.identity.is_some(), "{case:?}: {told}");
        if proxied.identity.is_some() {
            allowed += 1;
            assert!(told["context"]["status"].is_null(), "{told}");
        } else {
            refused += 1;
            assert_eq!(told["context"]["status"], proxied.status, "{case:?}");
        }
        assert_eq!(world.reached().len(), before, "nothing is forwarded");
    }
    assert!(allowed > 30 && refused > 80, "{allowed} allowed, {refused} refused");
}

#[test]
fn whoever_asks_has_to_prove_that_they_may() {
    let world = World::new();
    let open = question(&json!({ "type": "Anonymous", "id": "" }), "GET", "/public/a");
    let (path, wrong) =
        ("/access/v1/evaluation", format!("Authorization: Bearer {}", TOKEN.replace('0', "1")));
    assert_eq!(evaluate(world.door, &open).expect(200).json()["decision"], true);
    let reply = post(world.door, path, &open, &["-H", "Authorization:"]).expect(401);
    assert_eq!(reply.challenges(), "Bearer realm=\"authzen\"");
    let reply = post(world.door, path, &open, &["-H", &wrong]).expect(401);
    assert!(reply.challenges().contains("invalid_token"), "{reply:?}");
    assert!(reply.json()["decision"].is_null());
    let token = format!("Authorization: Bearer {TOKEN}");
    post(world.door, path, &open, &["-H", &token, "-H", &wrong]).expect(400);
    post(world.door, path, &open, &["-H", "Authorization: Basic eDp5"]).expect(401);
    // A door where nothing is said of AuthZEN answers nobody.
    let backend = Backend::saying("reached");
    let routes = routes_to(&backend, &[("/**", "anonymous", "any")]);
    let listeners = |door: &str, trusted: &str| {
        format!(
            "listeners: [{{ bind: 127.0.0.1:0 }}, {{ bind: 127.0.0.1:0, type: authorizer{door} }}]\nadmin: {{ bind: 127.0.0.1:0 }}\ntrusted_proxies: [{trusted}]\n{routes}"
        )
    };
    let gate = Gate::start_in(Folder::exactly(&listeners("", "127.0.0.1/32"))).ready();
    evaluate(door(&gate), &open).expect(404);
    // And with a token, only from a trusted proxy's address.
    let authzen = format!(", authzen: {{ tokens: [{TOKEN}] }}");
    let gate = Gate::start_in(Folder::exactly(&listeners(&authzen, "10.0.0.0/8"))).ready();
    evaluate(door(&gate), &open).expect(403);
    curl(&[&format!("http://{}/.well-known/authzen-configuration", door(&gate))]).expect(403);
}

#[test]
fn a_client_certificate_may_stand_in_the_place_of_a_token() {
    let authority = Authority::new("gateways");
    let backend = Backend::saying("reached");
    let routes = routes_to(&backend, &[("/**", "anonymous", "any")]);
    let configured = |asked: &str| {
        format!(
            "listeners: [{{ bind: 127.0.0.1:0 }}, {{ bind: 127.0.0.1:0, type: authorizer, authzen: {{}}, tls: {{ certificates: [{{ certificate: site.pem, key: site.key }}], client_ca: ca.pem{asked} }} }}]\nadmin: {{ bind: 127.0.0.1:0 }}\ntrusted_proxies: [127.0.0.1/32]\n{routes}"
        )
    };
    let folder = Folder::exactly(&configured(", client_certificate: optional"));
    folder.write("ca.pem", &authority.pem());
    authority.leaf(&["localhost"]).write(&folder, "site");
    authority.leaf(&["pep.internal"]).write(&folder, "pep");
    let checked = haechi(folder.path(), &["check"]);
    assert!(checked.code == 1 && checked.stderr.contains("could ask about anybody"), "{checked:?}");
    folder.write("haechi.yaml", &configured(""));
    let gate = Gate::start_in(folder).ready();
    let file = |name: &str| gate.folder().file(name).to_str().unwrap().to_owned();
    let body = question(&json!({ "type": "Anonymous", "id": "" }), "GET", "/a").to_string();
    let url = format!("https://localhost:{}/access/v1/evaluation", door(&gate).port());
    let (ca, pair, key) = (file("ca.pem"), file("pep.pem"), file("pep.key"));
    let ask = |more: &[&str]| {
        let usual = ["--cacert", &ca, "-H", "Content-Type: application/json", "--data", &body, &url];
        curl(&[&usual[..], more].concat())
    };
    let told = ask(&["--cert", &pair, "--key", &key]).expect(200).json();
    assert_eq!(told["decision"], true);
    assert_eq!(ask(&[]).status, 0, "no connection without a certificate");
}

#[test]
fn many_are_answered_in_order_and_as_far_as_is_asked() {
    let world = World::new();
    let resource = |path: &str| json!({ "resource": { "type": "path", "id": path, "properties": { "host": "a.example" } } });
    let asked = |semantic: Option<&str>, all: &[Value]| {
        let mut question = question(&subject(Some("user")).unwrap(), "GET", "/user/a");
        question["evaluations"] = Value::Array(all.to_vec());
        if let Some(semantic) = semantic {
            question["options"] = json!({ "evaluations_semantic": semantic });
        }
        let told = post(world.door, "/access/v1/evaluations", &question, &[]).expect(200).json();
        let told = told["evaluations"].as_array().unwrap_or_else(|| panic!("{told}")).clone();
        told.iter().map(|one| one["decision"].as_bool().unwrap()).collect::<Vec<_>>()
    };
    // The first is what stands outside; the third brings a subject of its own, without the roles of the other.
    let nobody = json!({ "subject": { "type": "ApiKey", "id": "nobody" } });
    let all = [json!({}), resource("/public/a"), nobody, resource("/admin/a"), resource("/open/a")];
    assert_eq!(asked(None, &all), [true, true, false, false, true]);
    assert_eq!(asked(Some("execute_all"), &all), [true, true, false, false, true]);
    assert_eq!(asked(Some("deny_on_first_deny"), &all), [true, true, false]);
    assert_eq!(asked(Some("permit_on_first_permit"), &all[2..]), [false, false, true]);
    // Without a list it is one question (section 7.1).
    let one = question(&subject(Some("user")).unwrap(), "GET", "/user/a");
    let told = post(world.door, "/access/v1/evaluations", &one, &[]).expect(200).json();
    assert!(told["decision"] == true && told["evaluations"].is_null(), "{told}");
    let lines = eventually(PATIENCE, || {
        let lines: Vec<_> =
            world.gate.log().into_iter().filter(|line| line.contains("\"supposed\":true")).collect();
        (lines.len() == 17).then_some(lines)
    });
    assert!(lines.iter().all(|line| line.contains("\"status\":")), "each has a line of its own: {lines:#?}");
}

#[test]
fn a_question_that_is_none_is_refused_and_nothing_is_made_up() {
    let world = World::new();
    let sound = question(&subject(Some("user")).unwrap(), "GET", "/user/a");
    let path = "/access/v1/evaluation";
    let with = |at: &str, value: Value| {
        let mut question = sound.clone();
        *question.pointer_mut(at).unwrap() = value;
        question
    };
    for question in [
        with("/subject/type", json!("user")),
        with("/action/name", json!("can_read")),
        with("/resource/type", json!("account")),
        with("/resource/properties", json!({})),
        with("/context", json!({ "ip": "127.0.0.1" })),
        with("/context", json!({ "secure": true })),
        with("/subject/properties", json!({ "attributes": { "unknown": 1 } })),
        json!([]),
        json!("x"),
    ] {
        let reply = evaluate(world.door, &question).expect(400);
        assert_ne!(reply.json()["decision"], true, "{question}");
    }
    let twice = sound.to_string().replace("\"GET\"", "\"GET\",\"name\":\"POST\"");
    let (url, token) = (format!("http://{}{path}", world.door), format!("Authorization: Bearer {TOKEN}"));
    let json_type = "Content-Type: application/json";
    curl(&["-H", &token, "-H", json_type, "--data", &twice, &url]).expect(400);
    curl(&["-H", &token, "-H", json_type, "--data", "{", &url]).expect(400);
    curl(&["-H", &token, "--data", &sound.to_string(), &url]).expect(400);
    let allow = curl(&["-H", &token, &url]).expect(405);
    assert_eq!(allow.field("allow"), Some("POST"));
    let large = world.gate.folder().file("large.json");
    std::fs::write(&large, format!("{{\"a\":\"{}\"}}", "x".repeat(300_000))).unwrap();
    curl(&["-H", &token, "-H", json_type, "--data-binary", &format!("@{}", large.display()), &url])
        .expect(413);
    let decided = world.decisions();
    assert!(!decided.contains("\"outcome\":\"allow\""), "{decided}");
}

#[test]
fn what_could_not_be_found_out_is_never_a_yes() {
    let (backend, nobody) = (Backend::saying("reached"), Unreachable::refusing());
    let gate = Gate::start_in(Folder::exactly(&format!(
        "listeners: [{{ bind: 127.0.0.1:0 }}, {{ bind: 127.0.0.1:0, type: authorizer, authzen: {{ tokens: [{TOKEN}], assume: {{ host: a.example, ip: 192.0.2.7, secure: true }} }} }}]
admin: {{ bind: 127.0.0.1:0 }}
trusted_proxies: [127.0.0.1/32]
decision_points: {{ pdp: {{ type: opa, url: \"{}\", timeout: 1s }} }}
services: {{ web: {{ endpoints: [\"{}\"] }} }}
routes:
  - {{ name: asked, match: {{ path: /asked }}, authenticate: anonymous, authorize: {{ external: pdp }}, service: web }}
  - {{ name: open, match: {{ path: /open }}, authenticate: anonymous, authorize: {{ when: 'context.host == \"a.example\" && context.ip == ip(\"192.0.2.7\") && context.secure' }}, service: web }}
",
        nobody.url(), backend.url(),
    )))
    .ready();
    let about = |path: &str| json!({ "subject": { "type": "Anonymous", "id": "x" }, "action": { "name": "GET" }, "resource": { "type": "path", "id": path } });
    let reply = evaluate(door(&gate), &about("/asked")).expect(503);
    assert!(reply.field("retry-after").is_some() && reply.json()["decision"].is_null());
    assert_eq!(evaluate(door(&gate), &about("/open")).expect(200).json()["decision"], true, "as is assumed");
    let mut both = about("/open");
    both["evaluations"] = json!([{}, { "resource": { "type": "path", "id": "/asked" } }]);
    let told = post(door(&gate), "/access/v1/evaluations", &both, &[]).expect(200).json();
    assert_eq!(told["evaluations"][0]["decision"], true);
    assert_eq!(told["evaluations"][1]["decision"], false);
    assert_eq!(told["evaluations"][1]["context"]["status"], 503);
}

#[test]
fn what_is_asked_is_on_record_as_supposed_and_counts_against_no_limit() {
    let world = World::with(
        "audit: { file: audit.jsonl }\ndefaults: { route: { rate_limit: { requests: 2, per: 1h, by: client_ip } } }",
    );
    let sound = question(&subject(Some("user")).unwrap(), "GET", "/user/a");
    for _ in 0..4 {
        assert_eq!(evaluate(world.door, &sound).expect(200).json()["decision"], true);
    }
    let told =
        post(world.door, "/access/v1/evaluation", &sound, &["-H", "X-Request-ID: their own/7"]).expect(200);
    assert_eq!(told.head.all("x-request-id"), ["their own/7"]);
    let ours = told.json()["context"]["request_id"].as_str().unwrap().to_owned();
    let trail = std::fs::read_to_string(world.gate.folder().file("audit.jsonl")).unwrap();
    let record = trail.lines().find(|line| line.contains(&ours)).unwrap();
    assert!(record.contains("\"supposed\":true"), "{record}");
    haechi(world.gate.folder().path(), &["audit", "verify", "audit.jsonl"]).success();
    let decisions: Value = serde_json::from_str(&world.decisions()).unwrap();
    assert!(decisions["items"].as_array().unwrap().iter().all(|one| one["supposed"] == true), "{decisions}");
    // What was really sent is not.
    let key = format!("X-API-Key: {}", world.key("user"));
    world.gate.curl("/user/a", &["-H", &key]).expect(200);
    let sent = eventually(PATIENCE, || {
        let log = world.gate.log();
        let sent = log
            .iter()
            .filter(|line| line.contains("\"event\":\"request\"") && !line.contains("\"supposed\""));
        Some(sent.count()).filter(|count| *count > 0)
    });
    assert_eq!(sent, 1);
}

#[test]
fn where_to_ask_is_said_and_another_gate_of_this_kind_asks_so() {
    let world = World::new();
    let url = format!("http://{}/.well-known/authzen-configuration", world.door);
    let told = curl(&[
        &url,
        "-H",
        "Host: pdp.internal",
        "-H",
        "X-Forwarded-For: 127.0.0.1",
        "-H",
        "X-Forwarded-Proto: https",
    ]);
    let told = told.expect(200).json();
    assert_eq!(told["policy_decision_point"], "https://pdp.internal");
    assert_eq!(told["access_evaluation_endpoint"], "https://pdp.internal/access/v1/evaluation");
    assert_eq!(told["access_evaluations_endpoint"], "https://pdp.internal/access/v1/evaluations");
    let told = curl(&[&url]).expect(200).json();
    let endpoint = told["access_evaluation_endpoint"].as_str().unwrap();
    let backend = Backend::saying("reached");
    let folder = Folder::exactly(&format!(
        "listeners: [{{ bind: 127.0.0.1:0 }}]
admin: {{ bind: 127.0.0.1:0 }}
store: sqlite:haechi.db
roles: {{ USER: {{}} }}
authenticators: {{ partner: {{ type: api_key, header: X-API-Key }} }}
decision_points: {{ other: {{ type: authzen, url: \"{endpoint}\", token: {TOKEN} }} }}
services: {{ web: {{ endpoints: [\"{}\"] }} }}
routes: [{{ name: all, match: {{ path: /** }}, authenticate: partner, authorize: {{ external: other }}, service: web }}]
",
        backend.url()
    ));
    let key = folder.create_key(&["--owner", "alice", "--role", "USER"]);
    let gate = Gate::start_in(folder).ready();
    let field = format!("X-API-Key: {key}");
    gate.curl("/user/a", &["-H", &field]).expect(200);
    gate.curl("/admin/a", &["-H", &field]).expect(403);
    gate.curl("/nowhere", &["-H", &field]).expect(403);
    assert_eq!(backend.recorded().len(), 1);
}

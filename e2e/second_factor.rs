//! The second factor of the embedded provider (docs/identity-provider.md#second-factor), with an authenticator app that is not ours.

use crate::harness::authenticator_app::{code_in, set_up};
use crate::harness::{Folder, Gate, PASSWORD, PATIENCE, Reply, eventually, haechi, routes_to};
use haechi_testkit::jose::part;
use haechi_testkit::{Backend, postgres_database};
use serde_json::{Value, json};

const SEVERAL: &str = "urn:haechi:acr:mfa";

fn folder(backend: &Backend, store: &str) -> Folder {
    let routes = routes_to(backend, &[("/**", "[local]", "any"), ("/basic/**", "[staff]", "any")]);
    Folder::new(&format!(
        "store: \"{store}\"
audit: {{ file: audit/haechi.jsonl }}
caller_attributes: {{ mfa: bool, acr: string, amr: set }}
identity:
  issuer: http://localhost:8080
  signing_keys: {{ seal: 0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef }}
  login: {{ per_account: {{ requests: 1000, per: 1m }} }}
authenticators: {{ local: {{ type: jwt, issuer: self }}, staff: {{ type: basic, realm: staff }} }}
roles: {{ USER: {{}} }}
{routes}  - {{ name: strong, match: {{ path: /strong/** }}, authenticate: local, step_up: {{ acr_values: [\"{SEVERAL}\"] }}, authorize: any, service: web }}
  - {{ name: sure, match: {{ path: /sure/** }}, authenticate: local, authorize: {{ when: principal.mfa }}, service: web }}
"
    ))
}

struct Site {
    backend: Backend,
    gate: Gate,
}

/// A user who has set up an app.
struct Enrolled {
    secret: String,
    recovery: Vec<String>,
    tokens: Value,
}

fn start() -> Site {
    let backend = Backend::saying("reached");
    let folder = folder(&backend, "sqlite:haechi.db");
    folder.add_user("alice", &["USER"]);
    Site { gate: Gate::start_in(folder).ready(), backend }
}

fn totp(gate: &Gate, body: Value) -> Reply {
    let mut whole = json!({ "username": "alice", "password": PASSWORD });
    whole.as_object_mut().unwrap().extend(body.as_object().unwrap().clone());
    gate.post_json("/auth/totp", &whole)
}

fn login(gate: &Gate, code: Option<&str>) -> Reply {
    let mut body = json!({ "username": "alice", "password": PASSWORD });
    if let Some(code) = code {
        body["totp"] = code.into();
    }
    gate.post_json("/auth/login", &body)
}

#[track_caller]
fn enrol(gate: &Gate) -> Enrolled {
    let new = totp(gate, json!({ "action": "enrol" })).expect(200).json();
    let secret = new["secret"].as_str().unwrap().to_owned();
    let read = set_up(new["otpauth_uri"].as_str().unwrap());
    assert_eq!(read, [&*secret, "localhost:8080", "alice", "6", "30"]);
    let done = totp(gate, json!({ "action": "confirm", "code": code_in(&secret, 0) })).expect(200).json();
    let recovery = done["recovery_codes"].as_array().unwrap().iter();
    let recovery: Vec<String> = recovery.map(|code| code.as_str().unwrap().to_owned()).collect();
    assert_eq!(recovery.len(), 10);
    Enrolled { secret, recovery, tokens: done }
}

fn text<'a>(value: &'a Value, member: &str) -> &'a str {
    value[member].as_str().unwrap_or_else(|| panic!("no `{member}` in {value}"))
}

#[track_caller]
fn refused(reply: Reply, status: u16, problem: &str) {
    let told = reply.expect(status).json();
    assert_eq!(told["type"], format!("urn:haechi:problem:{problem}"));
    assert!(told.get("access_token").is_none() && told.get("refresh_token").is_none(), "{told}");
}

impl Site {
    fn at(&self, path: &str, tokens: &Value) -> u16 {
        self.gate.get_with_token(path, text(tokens, "access_token")).status
    }
}

#[test]
fn a_code_is_asked_for_beside_the_password_and_counts_once() {
    let site = start();
    let before = login(&site.gate, None).expect(200).json();
    assert_eq!(
        (site.at("/x", &before), site.at("/strong/x", &before), site.at("/sure/x", &before)),
        (200, 401, 403)
    );
    let alice = enrol(&site.gate);
    // Whoever had logged in with the password alone is out.
    site.gate
        .post_json("/auth/refresh", &json!({ "refresh_token": text(&before, "refresh_token") }))
        .expect(401);
    eventually(PATIENCE, || (site.at("/x", &before) == 401).then_some(()));
    refused(login(&site.gate, None), 401, "second-factor-needed");
    refused(login(&site.gate, Some("000000")), 401, "invalid-credentials");
    refused(login(&site.gate, Some(&code_in(&alice.secret, 0))), 401, "invalid-credentials");
    let next = code_in(&alice.secret, 30);
    let tokens = login(&site.gate, Some(&next)).expect(200).json();
    refused(login(&site.gate, Some(&next)), 401, "invalid-credentials");
    for tokens in [&tokens, &alice.tokens] {
        let claims = part(text(tokens, "access_token"), 1);
        assert_eq!((&claims["amr"], &claims["acr"]), (&json!(["pwd", "otp", "mfa"]), &json!(SEVERAL)));
        assert_eq!((site.at("/strong/x", tokens), site.at("/sure/x", tokens)), (200, 200));
    }
    let seen = site.backend.last();
    assert_eq!(seen.field("x-auth-attr-mfa"), Some("true"));
    assert_eq!(seen.field("x-auth-attr-acr"), Some(SEVERAL));
    // What a refresh gives is of the same login.
    let again = json!({ "refresh_token": text(&tokens, "refresh_token") });
    let again = site.gate.post_json("/auth/refresh", &again).expect(200).json();
    assert_eq!(site.at("/strong/x", &again), 200);
}

#[test]
fn a_recovery_code_works_once_and_new_ones_take_their_place() {
    let site = start();
    let alice = enrol(&site.gate);
    login(&site.gate, Some(&alice.recovery[0])).expect(200);
    refused(login(&site.gate, Some(&alice.recovery[0])), 401, "invalid-credentials");
    let left = totp(&site.gate, json!({ "action": "show", "totp": alice.recovery[1] })).expect(200).json();
    assert_eq!(left, json!({ "enrolled": true, "recovery_codes_left": 8 }));
    let new = json!({ "action": "recovery_codes", "totp": alice.recovery[2] });
    let new = totp(&site.gate, new).expect(200).json();
    refused(login(&site.gate, Some(&alice.recovery[3])), 401, "invalid-credentials");
    login(&site.gate, new["recovery_codes"][0].as_str()).expect(200);
    // Nothing of it is written down.
    let folder = site.gate.folder();
    let trail = std::fs::read_to_string(folder.file("audit/haechi.jsonl")).unwrap();
    let store = std::fs::read(folder.file("haechi.db")).unwrap();
    let wal = std::fs::read(folder.file("haechi.db-wal")).unwrap_or_default();
    let log = site.gate.log().join("\n");
    for secret in alice.recovery.iter().chain([&alice.secret]) {
        for secret in [secret.clone(), secret.replace('-', "")] {
            let kept = [&store, &wal]
                .iter()
                .any(|file| file.windows(secret.len()).any(|part| part == secret.as_bytes()));
            assert!(!trail.contains(&secret) && !log.contains(&secret) && !kept, "{secret}");
        }
    }
    assert!(
        trail.contains("second_factor.enable") && trail.contains("second_factor.recovery_codes"),
        "{trail}"
    );
}

#[test]
fn the_second_factor_is_changed_by_whoever_shows_all_of_it() {
    let site = start();
    refused(totp(&site.gate, json!({ "action": "disable" })), 409, "conflict");
    refused(totp(&site.gate, json!({ "action": "confirm", "code": "123456" })), 401, "invalid-credentials");
    refused(totp(&site.gate, json!({ "action": "enrol", "password": "wrong" })), 401, "invalid-credentials");
    for body in [
        json!({}),
        json!({ "action": "confirm" }),
        json!({ "action": "enrol", "code": "1" }),
        json!({ "action": "x" }),
    ] {
        refused(totp(&site.gate, body), 400, "bad-body");
    }
    let alice = enrol(&site.gate);
    for (action, recovery) in ["show", "enrol", "recovery_codes", "disable"].iter().zip(&alice.recovery) {
        refused(totp(&site.gate, json!({ "action": action })), 401, "second-factor-needed");
        refused(totp(&site.gate, json!({ "action": action, "totp": "000000" })), 401, "invalid-credentials");
        // What was wrong is forgotten with the next login.
        login(&site.gate, Some(recovery)).expect(200);
    }
    // Another app takes the place of the first once it has shown a code, and the first is good until then.
    let new = totp(&site.gate, json!({ "action": "enrol", "totp": alice.recovery[4] })).expect(200).json();
    login(&site.gate, Some(&code_in(&alice.secret, 30))).expect(200);
    let other = text(&new, "secret");
    let confirm = json!({ "action": "confirm", "code": code_in(other, 0), "totp": alice.recovery[5] });
    let recovery = totp(&site.gate, confirm).expect(200).json();
    refused(login(&site.gate, Some(&alice.recovery[6])), 401, "invalid-credentials");
    let off = json!({ "action": "disable", "totp": recovery["recovery_codes"][0] });
    let after = totp(&site.gate, off).expect(200).json();
    assert_eq!(part(text(&after, "access_token"), 1)["amr"], json!(["pwd"]));
    assert_eq!(
        (site.at("/x", &after), site.at("/strong/x", &after), site.at("/sure/x", &after)),
        (200, 401, 403)
    );
    login(&site.gate, None).expect(200);
}

#[test]
fn codes_are_guessed_no_more_often_than_passwords() {
    let site = start();
    let alice = enrol(&site.gate);
    for _ in 0..5 {
        // The password alone is no success that would clear the count.
        refused(login(&site.gate, None), 401, "second-factor-needed");
        refused(login(&site.gate, Some("000000")), 401, "invalid-credentials");
    }
    refused(login(&site.gate, Some(&alice.recovery[0])), 401, "invalid-credentials");
    refused(login(&site.gate, None), 401, "invalid-credentials");
    haechi(site.gate.folder().path(), &["user", "unlock", "alice"]).success();
    eventually(PATIENCE, || (login(&site.gate, Some(&alice.recovery[0])).status == 200).then_some(()));
}

#[test]
fn nobody_is_let_in_by_the_password_alone_where_no_code_can_be_asked_for() {
    let site = start();
    let basic = |path: &str| site.gate.curl(path, &["-u", &format!("alice:{PASSWORD}")]);
    basic("/basic/x").expect(200);
    let alice = enrol(&site.gate);
    // The worker that remembers the password learns of it.
    eventually(PATIENCE, || (basic("/basic/x").status == 401).then_some(()));
    let arrived = site.backend.recorded().len();
    basic("/basic/x").expect(401);
    basic("/basic/other").expect(401);
    assert_eq!(site.backend.recorded().len(), arrived);
    totp(&site.gate, json!({ "action": "disable", "totp": alice.recovery[0] })).expect(200);
    eventually(PATIENCE, || (basic("/basic/x").status == 200).then_some(()));
}

#[test]
fn an_administrator_takes_it_away_from_whoever_has_lost_it() {
    let site = start();
    let alice = enrol(&site.gate);
    let folder = site.gate.folder().path();
    let shown = |folder| haechi(folder, &["user", "show", "alice", "--output", "json"]).success().stdout;
    assert!(shown(folder).contains("\"second_factor\": true"), "{}", shown(folder));
    let done = haechi(folder, &["user", "remove-second-factor", "alice"]).success();
    assert!(done.stderr.contains("user `alice` has no second factor"), "{}", done.stderr);
    assert!(shown(folder).contains("\"second_factor\": false"));
    eventually(PATIENCE, || (site.at("/x", &alice.tokens) == 401).then_some(()));
    site.gate
        .post_json("/auth/refresh", &json!({ "refresh_token": text(&alice.tokens, "refresh_token") }))
        .expect(401);
    login(&site.gate, None).expect(200);
    haechi(folder, &["user", "remove-second-factor", "nobody"]);
    let trail = std::fs::read_to_string(site.gate.folder().file("audit/haechi.jsonl")).unwrap();
    assert_eq!(
        trail
            .lines()
            .filter(|line| line.contains("user.remove_second_factor") && line.contains("done"))
            .count(),
        1
    );
}

#[test]
fn postgres_a_code_counts_once_on_two_nodes() {
    let backend = Backend::saying("reached");
    let store = postgres_database();
    let first = folder(&backend, &store);
    first.add_user("alice", &["USER"]);
    let nodes = [Gate::start_in(first).ready(), Gate::start_in(folder(&backend, &store)).ready()];
    let alice = enrol(&nodes[0]);
    for code in [code_in(&alice.secret, 30), alice.recovery[0].clone()] {
        let statuses: Vec<u16> = std::thread::scope(|scope| {
            let ask = |node: usize| login(&nodes[node], Some(&code)).status;
            let threads: Vec<_> = (0..4).map(|n| scope.spawn(move || ask(n % 2))).collect();
            threads.into_iter().map(|thread| thread.join().unwrap()).collect()
        });
        assert_eq!(statuses.iter().filter(|status| **status == 200).count(), 1, "{statuses:?}");
    }
}

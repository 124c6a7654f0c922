//! Tokens that services get in exchange for their callers' (`identity.exchange`, RFC 8693; docs/backends.md).

mod certified;
mod faults;

use crate::harness::{Folder, Gate, PATIENCE, curl, eventually, haechi};
use haechi_testkit::jose::{Key, claims};
use haechi_testkit::{Answer, Backend, Recorded};
use serde_json::{Value, json};
use std::sync::{Arc, Mutex};

const ISSUER: &str = "https://sso.example.com";

type Behaviour = Arc<dyn Fn(&Recorded) -> Answer + Send + Sync>;

/// A token endpoint that answers as it is told to, a backend, and the key of the callers' issuer.
struct World {
    server: Backend,
    behaviour: Arc<Mutex<Behaviour>>,
    backend: Backend,
    key: Key,
    gate: Gate,
}

fn told_as_json(status: u16, body: &Value) -> Answer {
    Answer::new(status, &[("Content-Type", "application/json")], body.to_string())
}

/// What a token endpoint gives for `token`, named after whom it was exchanged for.
fn given(token: &str, lasts: u64) -> Answer {
    let body = json!({
        "access_token": token, "token_type": "Bearer", "expires_in": lasts,
        "issued_token_type": "urn:ietf:params:oauth:token-type:access_token",
    });
    told_as_json(200, &body)
}

/// The routes lead to one service, and differ in where tokens stand.
fn yaml(backend: &Backend, server: &str) -> String {
    format!(
        "listeners: [{{ bind: 127.0.0.1:0 }}, {{ bind: 127.0.0.1:0, type: authorizer }}]
admin: {{ bind: 127.0.0.1:0, socket: admin.sock }}
workers: 1
trusted_proxies: [127.0.0.1/32]
roles: {{ USER: {{}} }}
authenticators:
  corp: {{ type: jwt, issuer: {ISSUER}, audiences: [gate], keys: {{ jwks_file: keys.json }}, from: [bearer, {{ header: X-Token }}, {{ cookie: token }}] }}
services:
  orders:
    endpoints: [\"{}\"]
    identity: {{ exchange: {{ token_url: \"{server}/token\", audience: orders, client_id: gate, client_secret: s3cret }} }}
routes:
  - {{ name: all, match: {{ path: /** }}, authenticate: corp, authorize: any, service: orders }}
",
        backend.url()
    )
}

impl World {
    fn new() -> Self {
        let behaviour: Arc<Mutex<Behaviour>> = Arc::new(Mutex::new(Arc::new(|asked| {
            // Told by the form, so that two callers can be told apart.
            let form = String::from_utf8_lossy(&asked.body).into_owned();
            let subject = form.split("subject_token=").nth(1).unwrap().split('&').next().unwrap();
            given(&format!("for-{}", &subject[subject.len() - 8..]), 600)
        })));
        let told = behaviour.clone();
        let server = Backend::reading(move |asked| {
            let behaviour = told.lock().unwrap().clone();
            behaviour(asked)
        });
        let (backend, key) = (Backend::saying("reached"), Key::p256("one"));
        let folder = Folder::exactly(&yaml(&backend, &server.url()));
        folder.write("keys.json", &json!({ "keys": [key.jwk()] }).to_string());
        let gate = Gate::start_in(folder).ready();
        Self { server, behaviour, backend, key, gate }
    }

    fn does(&self, behaviour: impl Fn(&Recorded) -> Answer + Send + Sync + 'static) {
        *self.behaviour.lock().unwrap() = Arc::new(behaviour);
    }

    fn token(&self, subject: &str) -> String {
        self.key.token(&haechi_testkit::jose::with(&claims(ISSUER, subject), &json!({ "aud": "gate" })))
    }

    fn asked(&self) -> usize {
        self.server.recorded().len()
    }
}

/// What the endpoint of [`World::new`] gives for a token.
fn exchanged(token: &str) -> String {
    format!("Bearer for-{}", &token[token.len() - 8..])
}

/// How many exchanges came to this.
fn counted(gate: &Gate, result: &str) -> f64 {
    gate.metric(
        "haechi_upstream_token_exchanges_total",
        &["service=\"orders\"", &format!("result=\"{result}\"")],
    )
}

#[test]
fn the_service_gets_the_issuers_token_and_never_the_callers() {
    let world = World::new();
    let (alice, bob) = (world.token("alice"), world.token("bob"));
    for (token, field) in [
        (&alice, format!("Authorization: Bearer {alice}")),
        (&alice, format!("X-Token: {alice}")),
        (&bob, format!("Cookie: a=1; token={bob}; b=2")),
    ] {
        world.gate.get_with("/x", &[&field, "authorization_: Bearer forged"]).expect(200);
        let seen = world.backend.last();
        assert_eq!(seen.field("authorization"), Some(&*exchanged(token)), "{field}");
        let text = format!("{seen:?}");
        assert!(!text.contains(token.as_str()), "{field}: {text}");
    }
    assert_eq!(world.asked(), 2, "each caller's token once");
    let form = String::from_utf8_lossy(&world.server.recorded()[0].body).into_owned();
    for part in [
        "grant_type=urn%3Aietf%3Aparams%3Aoauth%3Agrant-type%3Atoken-exchange",
        &format!("subject_token={alice}"),
        "audience=orders",
    ] {
        assert!(form.split('&').any(|found| found == part), "{part} in {form}");
    }
    // printf 'gate:s3cret' | base64
    assert_eq!(world.server.recorded()[0].field("authorization"), Some("Basic Z2F0ZTpzM2NyZXQ="));

    // Another configuration with the same exchange asks nobody again.
    let text = std::fs::read_to_string(world.gate.folder().file("haechi.yaml")).unwrap();
    world.gate.folder().write("haechi.yaml", &text.replace("name: all", "name: every"));
    eventually(PATIENCE, || (world.gate.metric("haechi_config_generation", &[]) >= 2.0).then_some(()));
    world.gate.get_with_token("/x", &alice).expect(200);
    assert_eq!(world.asked(), 2);
    assert!((counted(&world.gate, "exchanged") - 2.0).abs() < 0.1);
}

#[test]
fn a_token_is_exchanged_anew_before_its_end() {
    let world = World::new();
    let alice = world.token("alice");
    // 6 s less the margin are one.
    world.does(|_| given("first", 6));
    world.gate.get_with_token("/x", &alice).expect(200);
    assert_eq!(world.backend.last().field("authorization"), Some("Bearer first"));
    world.does(|_| given("second", 600));
    eventually(PATIENCE, || {
        world.gate.get_with_token("/x", &alice).expect(200);
        (world.backend.last().field("authorization") == Some("Bearer second")).then_some(())
    });
    assert_eq!(world.asked(), 2);
}

#[test]
fn another_gateway_is_told_the_token_as_well() {
    let world = World::new();
    let alice = world.token("alice");
    let url = format!("http://{}/forward_auth", crate::doors::door(&world.gate));
    let ask = |token: &str| {
        curl(&[
            "-H",
            "X-Forwarded-Method: GET",
            "-H",
            "X-Forwarded-Proto: http",
            "-H",
            "X-Forwarded-Host: example.com",
            "-H",
            "X-Forwarded-Uri: /x",
            "-H",
            "X-Forwarded-For: 192.0.2.7",
            "-H",
            &format!("Authorization: Bearer {token}"),
            &url,
        ])
    };
    let told = ask(&alice).expect(200);
    assert_eq!(told.field("authorization"), Some(&*exchanged(&alice)));
    world.does(|_| told_as_json(400, &json!({ "error": "invalid_target" })));
    let told = ask(&world.token("carol")).expect(503);
    assert_eq!(told.field("authorization"), None);
}

#[test]
fn explain_tells_what_the_service_gets() {
    let world = World::new();
    let arguments = ["explain", "--method", "GET", "--path", "/x", "--token", &world.token("alice")];
    let told = haechi(world.gate.folder().path(), &arguments).success();
    let gets = format!(
        "gets a token of `{}/token` for `orders`, in exchange for the caller's own",
        world.server.url()
    );
    assert!(told.stdout.contains(&gets), "{}", told.stdout);
    assert_eq!(world.asked(), 0, "nothing is forwarded, so nothing is exchanged");
}

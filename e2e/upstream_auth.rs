//! What the gate shows to backends as its own credential.

use crate::harness::{Folder, Gate, PATIENCE, Reply, eventually, haechi, haechi_with_input};
use haechi_testkit::{Answer, Backend};
use serde_json::json;
use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};

/// Both routes lead to the service: whoever comes, and with an API key.
fn yaml(backend: &Backend, auth: &str) -> String {
    format!(
        "store: sqlite:haechi.db
authenticators: {{ partner: {{ type: api_key }} }}
services: {{ web: {{ endpoints: [\"{}\"], upstream_auth: {auth} }} }}
routes:
  - {{ name: open, match: {{ path: /open/** }}, authenticate: anonymous, authorize: any, service: web }}
  - {{ name: legacy, match: {{ path: /legacy/** }}, authenticate: passthrough, authorize: any, service: web }}
",
        backend.url()
    )
}

fn start(backend: &Backend, auth: &str) -> Gate {
    Gate::start_in(Folder::new(&yaml(backend, auth))).ready()
}

#[test]
fn a_name_and_a_password_or_a_header_stand_in_place_of_the_clients() {
    let backend = Backend::saying("reached");
    let folder = Folder::new(&yaml(&backend, "{ basic: { username: gate, password: \"${file:secret}\" } }"));
    folder.write("secret", "pass:word\n");
    let gate = Gate::start_in(folder).ready();
    for path in ["/open/x", "/legacy/x"] {
        gate.get_with(path, &["Authorization: Bearer of-the-client"]).expect(200);
        // printf 'gate:pass:word' | base64
        assert_eq!(backend.last().field("authorization"), Some("Basic Z2F0ZTpwYXNzOndvcmQ="), "{path}");
    }

    let gate = start(&backend, "{ header: { name: X-Api-Token, value: t0p-secret } }");
    for own in ["X-Api-Token: forged", "X_Api_Token: forged", "x-api-token: a", "X.Api.Token: forged"] {
        gate.get_with("/open/x", &[own, "X-Other: kept"]).expect(200);
        let seen = backend.last();
        let alike: Vec<_> =
            seen.head.fields.iter().filter(|(name, _)| name.to_lowercase().contains("token")).collect();
        assert_eq!(alike.len(), 1, "{own}: {seen:?}");
        assert_eq!(seen.field("x-api-token"), Some("t0p-secret"));
        assert_eq!(seen.field("x-other"), Some("kept"));
    }
    // The client's own credential for the backend goes on, where it stands elsewhere.
    gate.get_with("/legacy/x", &["Authorization: Bearer of-the-client"]).expect(200);
    assert_eq!(backend.last().field("authorization"), Some("Bearer of-the-client"));
}

/// Gives a new token for `lasts` seconds to each who asks.
fn token_server(lasts: u64) -> Backend {
    let count = AtomicUsize::new(0);
    Backend::start(move |_| {
        let token = format!("token-{}", count.fetch_add(1, SeqCst));
        let body = json!({ "access_token": token, "token_type": "bearer", "expires_in": lasts });
        Answer::new(200, &[("Content-Type", "application/json")], body.to_string())
    })
}

fn credentials(url: &str) -> String {
    format!(
        "{{ client_credentials: {{ token_url: \"{url}/token\", client_id: gate, client_secret: s3cret, scopes: [a, b], audience: web }} }}"
    )
}

#[test]
fn a_token_is_fetched_once_renewed_before_its_end_and_kept_over_reloads() {
    let (backend, server) = (Backend::saying("reached"), token_server(3600));
    let gate = start(&backend, &credentials(&server.url()));
    eventually(PATIENCE, || (gate.get("/open/x").status == 200).then_some(()));
    gate.get_with("/legacy/x", &["Authorization: Bearer of-the-client"]).expect(200);
    assert_eq!(backend.last().field("authorization"), Some("Bearer token-0"));
    let asked = server.sole();
    assert_eq!((asked.method(), asked.target()), ("POST", "/token"));
    // printf 'gate:s3cret' | base64
    assert_eq!(asked.field("authorization"), Some("Basic Z2F0ZTpzM2NyZXQ="));
    let form = String::from_utf8_lossy(&asked.body).into_owned();
    for part in ["grant_type=client_credentials", "scope=a+b", "audience=web"] {
        assert!(form.split('&').any(|found| found == part || found == part.replace('+', "%20")), "{form}");
    }
    // Another configuration with the same service asks nobody again.
    let text = std::fs::read_to_string(gate.folder().file("haechi.yaml")).unwrap();
    gate.folder().write("haechi.yaml", &text.replace("/legacy/**", "/other/**"));
    eventually(PATIENCE, || (gate.get("/other/x").status == 200).then_some(()));
    assert_eq!(server.recorded().len(), 1);

    // 7 s less the margin are 2: the next one comes before they are over, and no request finds none.
    let server = token_server(7);
    let gate = start(&backend, &credentials(&server.url()));
    eventually(PATIENCE, || (gate.get("/open/x").status == 200).then_some(()));
    eventually(PATIENCE, || {
        gate.get("/open/x").expect(200);
        (backend.last().field("authorization") == Some("Bearer token-2")).then_some(())
    });
    // Once nobody gives a new one, the last is shown until its end and no longer.
    drop(server);
    eventually(PATIENCE, || (gate.get("/open/x").status == 503).then_some(()));
    let arrived = backend.recorded().len();
    gate.get("/open/x").expect(503);
    assert_eq!(backend.recorded().len(), arrived);
}

#[test]
fn without_a_token_nothing_is_forwarded() {
    let backend = Backend::saying("reached");
    let dead = haechi_testkit::port::unused_address();
    let refusing = Backend::start(|_| {
        Answer::new(401, &[("Content-Type", "application/json")], "{\"error\":\"invalid_client\"}")
    });
    let odd = Backend::start(|_| {
        let body =
            json!({ "access_token": "a\r\nX-Auth-Roles: ADMIN", "token_type": "bearer", "expires_in": 60 });
        Answer::new(200, &[("Content-Type", "application/json")], body.to_string())
    });
    let of_another_kind = Backend::start(|_| {
        let body = json!({ "access_token": "a", "token_type": "mac", "expires_in": 60 });
        Answer::new(200, &[("Content-Type", "application/json")], body.to_string())
    });
    let short = token_server(5);
    for url in [format!("http://{dead}"), refusing.url(), odd.url(), of_another_kind.url(), short.url()] {
        let gate = start(&backend, &credentials(&url));
        gate.get_with("/open/x", &["Authorization: Bearer of-the-client"]).expect(503);
        gate.get("/legacy/x").expect(503);
    }
    assert!(backend.recorded().is_empty());
}

/// The embedded provider of another gate as the authorization server, found by its metadata.
#[test]
fn another_gate_gives_the_token_and_takes_it() {
    let backend = Backend::saying("reached");
    let port = haechi_testkit::port::unused_port();
    let issuer = format!("http://127.0.0.1:{port}");
    let inner = Folder::exactly(&format!(
        "listeners: [{{ bind: \"127.0.0.1:{port}\" }}]
admin: {{ bind: 127.0.0.1:0 }}
store: sqlite:haechi.db
identity: {{ issuer: \"{issuer}\" }}
authenticators: {{ local: {{ type: jwt, issuer: self }} }}
roles: {{ SERVICE: {{}} }}
services: {{ web: {{ endpoints: [\"{}\"] }} }}
routes: [{{ name: all, match: {{ path: /** }}, authenticate: local, authorize: {{ roles: [SERVICE] }}, service: web }}]
",
        backend.url()
    ));
    let added = haechi_with_input(
        inner.path(),
        &["client", "add", "edge", "--role", "SERVICE", "--output", "json"],
        "",
    )
    .success();
    let added: serde_json::Value = serde_json::from_str(&added.stdout).unwrap();
    let inner = Gate::start_in(inner).ready();
    let text = |name: &str| added[name].as_str().unwrap().to_owned();
    let outer = Gate::start(&format!(
        "services:
  web:
    endpoints: [\"{}\"]
    upstream_auth: {{ client_credentials: {{ issuer: \"{issuer}\", client_id: {}, client_secret: {} }} }}
routes: [{{ name: all, match: {{ path: /** }}, authenticate: anonymous, authorize: any, service: web }}]
",
        inner.url(""),
        text("client_id"),
        text("client_secret")
    ))
    .ready();
    let reply: Reply = eventually(PATIENCE, || Some(outer.get("/x")).filter(|reply| reply.status == 200));
    assert_eq!(reply.text(), "reached");
    assert_eq!(backend.last().field("x-auth-roles"), Some("SERVICE"));
}

#[test]
fn what_could_not_be_meant_is_refused() {
    let backend = Backend::saying("reached");
    for (auth, why) in [
        ("{}", "a service is shown one credential"),
        ("{ basic: { username: a, password: b }, header: { name: X-Key, value: c } }", "one credential"),
        ("{ basic: { username: \"a:b\", password: c } }", "has no `:`"),
        ("{ header: { name: Content-Length, value: c } }", "is the gate's own, or the protocol's"),
        ("{ header: { name: X-Auth-Roles, value: c } }", "is the gate's own, or the protocol's"),
        ("{ header: { name: X-Key, value: \"a\\nb\" } }", "this is not a header's value"),
        ("{ client_credentials: { client_id: a, client_secret: b } }", "needs `token_url` or `issuer`"),
        (
            "{ client_credentials: { token_url: \"http://192.0.2.1/token\", client_id: a, client_secret: b } }",
            "over plain `http`",
        ),
        (
            "{ basic: { username: a, password: b } }, identity: { token: { audience: web } }",
            "would both stand in `Authorization`",
        ),
    ] {
        let folder =
            Folder::new(&format!("identity: {{ issuer: http://localhost:1 }}\n{}", yaml(&backend, auth)));
        let checked = haechi(folder.path(), &["check"]);
        assert_eq!(checked.code, 1, "{auth}: {checked:#?}");
        assert!(checked.stderr.contains(why), "{auth}: {checked:#?}");
    }
}

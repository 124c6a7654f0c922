//! An authorization server that misbehaves, in one way after the other: what is no answer is 503, what says no is 401, nothing reaches the backend, and
//! the same token is let through as soon as the server is right.

use super::{World, active, now, told_as_json};
use haechi_testkit::jose::{Key, base64url, part, with};
use haechi_testkit::{Answer, Latch, Recorded};
use serde_json::{Value, json};
use std::sync::Arc;

type Behaviour = Box<dyn Fn(&Recorded) -> Answer + Send + Sync>;

/// What the server does, and the status that comes of it.
struct Case(&'static str, u16, Behaviour);

fn says(name: &'static str, status: u16, members: Value) -> Case {
    Case(name, status, Box::new(move |_| told_as_json(&with(&active(), &members))))
}

fn answers(name: &'static str, answer: impl Fn() -> Answer + Send + Sync + 'static) -> Case {
    Case(name, 503, Box::new(move |_| answer()))
}

fn body(name: &'static str, body: &'static str) -> Case {
    answers(name, move || Answer::new(200, &[("content-type", "application/json")], body))
}

fn refused() -> Vec<Case> {
    vec![
        says("not active", 401, json!({ "active": false })),
        says("active as text", 401, json!({ "active": "true" })),
        says("active as a number", 401, json!({ "active": 1 })),
        says("active is null", 401, json!({ "active": [true] })),
        says("expired", 401, json!({ "exp": now() - 60 })),
        says("not yet", 401, json!({ "nbf": now() + 600 })),
        says("issued tomorrow", 401, json!({ "iat": now() + 86_400 })),
        says("for another service", 401, json!({ "aud": "stock" })),
        says("for nobody", 401, json!({ "aud": null })),
        says("of another issuer", 401, json!({ "iss": "https://evil.example" })),
        says("bound to a key", 401, json!({ "cnf": { "jkt": "x" } })),
        says("bound to a certificate", 401, json!({ "cnf": { "x5t#S256": "x" } })),
        says("a token that wants a proof", 401, json!({ "token_type": "DPoP" })),
        says("a refresh token", 401, json!({ "token_type": "refresh_token" })),
        says("a refresh token of Hydra's", 401, json!({ "token_use": "refresh_token" })),
        says("a refresh token of Keycloak's", 401, json!({ "typ": "Refresh" })),
        says("nobody", 401, json!({ "sub": null })),
        says("an empty subject", 401, json!({ "sub": "" })),
        says("another role", 403, json!({ "groups": ["guests"] })),
        says("a built-in role", 403, json!({ "groups": ["haechi-admin"] })),
        says("another scope", 403, json!({ "scope": "orders:write" })),
    ]
}

fn no_answers() -> Vec<Case> {
    let gzip = |level: &[u8]| {
        Answer::new(200, &[("content-type", "application/json"), ("content-encoding", "gzip")], level)
    };
    let latch = Latch::new();
    vec![
        body("nothing", ""),
        body("broken JSON", "{\"active\":true"),
        body("a list", "[{\"active\":true}]"),
        body("an object without `active`", "{}"),
        body("an error", "{\"error\":\"invalid_request\"}"),
        body("a name twice", "{\"active\":false,\"active\":true,\"sub\":\"root\",\"aud\":\"orders\"}"),
        body("bytes behind it", "{\"active\":true,\"sub\":\"root\",\"aud\":\"orders\"}x"),
        says("exp as text", 503, json!({ "exp": "tomorrow" })),
        says("exp in milliseconds", 503, json!({ "exp": now() * 1000 })),
        says("aud as an object", 503, json!({ "aud": { "orders": true } })),
        says("sub as a number", 503, json!({ "sub": 7 })),
        says("a type that is a list", 503, json!({ "token_type": ["Bearer"] })),
        answers("another media type", || {
            Answer::new(200, &[("content-type", "text/html")], active().to_string())
        }),
        answers("no media type", || Answer::new(200, &[], active().to_string())),
        answers("a JWT that nobody asked for", || {
            Answer::new(200, &[("content-type", "application/token-introspection+jwt")], "a.b.c")
        }),
        answers("a redirect", || {
            Answer::new(302, &[("location", "http://127.0.0.1:1/")], active().to_string())
        }),
        answers("400", || Answer::new(400, &[], active().to_string())),
        answers("401 for the gate", || Answer::new(401, &[], "{\"error\":\"invalid_client\"}")),
        answers("403 for the gate", || Answer::new(403, &[], "")),
        answers("404", || Answer::new(404, &[], "")),
        answers("429", || Answer::new(429, &[("retry-after", "1")], "")),
        answers("500", || Answer::new(500, &[], "{\"active\":false}")),
        answers("503", || Answer::new(503, &[], "")),
        answers("an answer that is too large", || {
            told_as_json(&json!({ "active": true, "x": "a".repeat(1 << 20) }))
        }),
        answers("an answer that is cut short", || {
            Answer::raw("HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: 100\r\n\r\n{}")
        }),
        answers("no HTTP", || Answer::raw("220 mail.example ESMTP\r\n")),
        answers("the connection closes", || Answer::raw("")),
        answers("an answer that never comes", move || Answer::never(&latch)),
        answers("gzip that is none", move || gzip(b"{\"active\":true}")),
        answers("an encoding that nobody asked for", || {
            Answer::new(200, &[("content-type", "application/json"), ("content-encoding", "br")], "{}")
        }),
    ]
}

fn check(world: &World, cases: Vec<Case>, right: impl Fn(&World)) {
    for (index, Case(name, status, behaviour)) in cases.into_iter().enumerate() {
        let before = world.backend.recorded().len();
        world.server.does(behaviour);
        let token: String = name.chars().filter(char::is_ascii_alphanumeric).collect();
        let reply = world.ask(&token);
        assert_eq!(reply.status, status, "{name}: {} {:#?}", reply.text(), world.gate.log().last());
        let told = reply.challenges().contains("error=\"invalid_token\"");
        assert_eq!(told, status == 401, "{name}: {}", reply.challenges());
        assert_eq!(reply.field("retry-after").is_some(), status == 503, "{name}");
        assert_eq!(world.backend.recorded().len(), before, "{name}: it reached the backend");
        right(world);
        world.ask(&format!("right{index}")).expect(200);
        if status == 503 {
            world.ask(&token).expect(200);
        }
    }
}

#[test]
fn what_the_server_says_no_to_is_refused_and_what_is_no_answer_is_no_verdict() {
    let world = World::with("    cache: 30s\n    timeout: 2s", "");
    let right = |world: &World| world.server.says(active());
    check(&world, refused(), right);
    check(&world, no_answers(), right);
}

/// A signed answer about Alice's token, with another header, other claims around it, by another key.
fn signed(key: &Key, issuer: &str, header: &Value, around: &Value) -> Answer {
    let usual = json!({
        "iss": issuer, "aud": "gate", "iat": now(),
        "token_introspection": with(&active(), &json!({ "iss": issuer })),
    });
    let header = with(&json!({ "alg": "ES256", "kid": "one", "typ": "token-introspection+jwt" }), header);
    answered(&key.sign(&header, &with(&usual, around)))
}

fn answered(token: &str) -> Answer {
    Answer::new(200, &[("content-type", "application/token-introspection+jwt")], token)
}

fn signed_faults(world: &World) -> Vec<Case> {
    let issuer = world.server.backend.url();
    let right = world.server.key.clone();
    let with_header = |name: &'static str, header: Value| {
        let (key, issuer) = (right.clone(), issuer.clone());
        answers(name, move || signed(&key, &issuer, &header, &json!({})))
    };
    let with_claims = |name: &'static str, status: u16, around: Value| {
        let (key, issuer) = (right.clone(), issuer.clone());
        Case(name, status, Box::new(move |_| signed(&key, &issuer, &json!({}), &around)))
    };
    let rewritten = |name: &'static str, change: fn(&str) -> String| {
        let (key, issuer) = (right.clone(), issuer.clone());
        answers(name, move || {
            let usual =
                json!({ "iss": issuer, "aud": "gate", "iat": now(), "token_introspection": active() });
            let header = json!({ "alg": "ES256", "kid": "one", "typ": "token-introspection+jwt" });
            answered(&change(&key.sign(&header, &usual)))
        })
    };
    let (other, of) = (Arc::new(Key::p256("one")), issuer.clone());
    vec![
        with_header("alg none", json!({ "alg": "none" })),
        with_header("another type", json!({ "typ": "at+jwt" })),
        with_header("no type", json!({ "typ": null })),
        with_header("an unknown critical header", json!({ "crit": ["x"], "x": 1 })),
        with_claims("of another issuer", 503, json!({ "iss": "https://evil.example" })),
        with_claims("for another client", 503, json!({ "aud": "somebody-else" })),
        with_claims("for nobody", 503, json!({ "aud": null })),
        with_claims("without iat", 503, json!({ "iat": null })),
        with_claims("of an hour ago", 503, json!({ "iat": now() - 3600 })),
        with_claims("of tomorrow", 503, json!({ "iat": now() + 86_400 })),
        with_claims("about nothing", 503, json!({ "token_introspection": null })),
        with_claims("about a list", 503, json!({ "token_introspection": [active()] })),
        with_claims("not active", 401, json!({ "token_introspection": { "active": false } })),
        answers("of another key", move || signed(&other, &of, &json!({}), &json!({}))),
        answers("plain JSON", || told_as_json(&active())),
        rewritten("without its signature", |token| token[..=token.rfind('.').unwrap()].to_owned()),
        rewritten("changed after signing", |token| {
            let mut changed = part(token, 1);
            changed["token_introspection"]["sub"] = json!("root");
            let parts: Vec<&str> = token.split('.').collect();
            format!("{}.{}.{}", parts[0], base64url(changed.to_string()), parts[2])
        }),
    ]
}

#[test]
fn a_signed_answer_that_is_wrong_in_any_way_is_no_verdict() {
    let world = World::with("    answers: jwt", "");
    let right = |world: &World| {
        let (key, issuer) = (world.server.key.clone(), world.server.backend.url());
        world.server.does(move |request| {
            assert_eq!(request.field("accept"), Some("application/token-introspection+jwt"));
            signed(&key, &issuer, &json!({}), &json!({}))
        });
    };
    check(&world, signed_faults(&world), right);
}

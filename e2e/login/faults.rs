//! A provider that misbehaves, in one way after the other: each login is refused, nothing reaches the backend, and the same login without the fault
//! succeeds beside it.

use super::browser::{Browser, location, parameter};
use super::provider::{Faults, json_answer};
use super::{COOKIE, World};
use haechi_testkit::jose::{Key, base64url, now, part};
use haechi_testkit::{Answer, Latch};
use serde_json::{Value, json};
use std::sync::Arc;

/// What goes wrong, and the statuses that may come of it.
struct Case {
    name: &'static str,
    change: Box<dyn Fn(&mut Faults)>,
    status: u16,
}

fn case(name: &'static str, status: u16, change: impl Fn(&mut Faults) + 'static) -> Case {
    Case { name, change: Box::new(change), status }
}

/// The ID token has these claims.
fn claims(name: &'static str, members: Value) -> Case {
    case(name, 502, move |faults| faults.claims = members.clone())
}

fn header(name: &'static str, members: Value) -> Case {
    case(name, 502, move |faults| faults.header = members.clone())
}

fn token(name: &'static str, members: Value) -> Case {
    case(name, 502, move |faults| faults.token = members.clone())
}

fn id_token(name: &'static str, change: impl Fn(&str) -> String + Send + Sync + 'static) -> Case {
    let change = Arc::new(change);
    case(name, 502, move |faults| faults.id_token = Some(change.clone()))
}

fn call(
    name: &'static str,
    status: u16,
    path: &'static str,
    answer: impl Fn() -> Answer + Send + Sync + 'static,
) -> Case {
    let answer = Arc::new(answer);
    case(name, status, move |faults| {
        let answer = answer.clone();
        faults.calls.insert(path, Arc::new(move |_| answer()));
    })
}

fn with_header(token: &str, header: &Value) -> String {
    let mut parts = token.splitn(2, '.');
    parts.next();
    format!("{}.{}", base64url(header.to_string()), parts.next().unwrap())
}

fn of_the_claims() -> Vec<Case> {
    vec![
        claims("another issuer", json!({ "iss": "https://evil.example" })),
        claims("an issuer with a slash more", json!({ "iss": "http://127.0.0.1/" })),
        claims("no issuer", json!({ "iss": null })),
        claims("another audience", json!({ "aud": "somebody-else" })),
        claims("no audience", json!({ "aud": null })),
        claims("an empty list of audiences", json!({ "aud": [] })),
        claims("several audiences without azp", json!({ "aud": ["gate", "other"] })),
        claims("another azp", json!({ "azp": "somebody-else" })),
        claims("several audiences with another azp", json!({ "aud": ["gate", "other"], "azp": "other" })),
        claims("azp of another type", json!({ "azp": ["gate"] })),
        claims("another nonce", json!({ "nonce": "of-another-login" })),
        claims("no nonce", json!({ "nonce": null })),
        claims("nonce of another type", json!({ "nonce": 7 })),
        claims("another at_hash", json!({ "at_hash": "77QmUPtjPfzWtF2AnpK9RQ" })),
        claims("at_hash of another type", json!({ "at_hash": true })),
        claims("another c_hash", json!({ "c_hash": "77QmUPtjPfzWtF2AnpK9RQ" })),
        claims("expired", json!({ "exp": now() - 120 })),
        claims("no exp", json!({ "exp": null })),
        claims("exp as text", json!({ "exp": "tomorrow" })),
        claims("exp in milliseconds", json!({ "exp": now() * 1000 })),
        claims("issued in the future", json!({ "iat": now() + 600 })),
        claims("no iat", json!({ "iat": null })),
        claims("not yet valid", json!({ "nbf": now() + 600 })),
        claims("no subject", json!({ "sub": null })),
        claims("an empty subject", json!({ "sub": "" })),
        claims("a subject of another type", json!({ "sub": 7 })),
        claims("a subject of 300 characters", json!({ "sub": "a".repeat(300) })),
        claims("bound to a key", json!({ "cnf": { "jkt": "x" } })),
    ]
}

fn of_the_signature() -> Vec<Case> {
    vec![
        header("alg none", json!({ "alg": "none" })),
        header("an unknown alg", json!({ "alg": "XS256" })),
        header("another alg than the key's", json!({ "alg": "RS256" })),
        header("an unknown critical header", json!({ "crit": ["x"], "x": 1 })),
        header("an access token's type", json!({ "typ": "at+jwt" })),
        header("a logout token's type", json!({ "typ": "logout+jwt" })),
        header("an unknown kid", json!({ "kid": "two" })),
        case("a key under the known kid that is not published", 502, |faults| {
            faults.key = Some(Key::p256("one"))
        }),
        case("a shared secret under the known kid", 502, |faults| {
            faults.key = Some(Key::hmac("one", b"s3cret/of:the gate"))
        }),
        id_token("no signature", |token| token[..=token.rfind('.').unwrap()].to_owned()),
        id_token("alg none without signature", |token| {
            let unsigned = with_header(token, &json!({ "alg": "none" }));
            unsigned[..=unsigned.rfind('.').unwrap()].to_owned()
        }),
        id_token("a key of its own in the header", |token| {
            let own = Key::p256("mine");
            own.sign(&json!({ "alg": "ES256", "jwk": own.jwk() }), &part(token, 1))
        }),
        id_token("claims changed after signing", |token| {
            let mut changed = part(token, 1);
            changed["sub"] = json!("root");
            let parts: Vec<&str> = token.split('.').collect();
            format!("{}.{}.{}", parts[0], base64url(changed.to_string()), parts[2])
        }),
        id_token("not a token", |_| "nonsense".to_owned()),
        id_token("a name twice in the claims", |token| {
            let payload = part(token, 1).to_string().replacen('{', "{\"sub\":\"root\",", 1);
            let parts: Vec<&str> = token.split('.').collect();
            format!("{}.{}.{}", parts[0], base64url(payload), parts[2])
        }),
    ]
}

fn of_the_token_endpoint() -> Vec<Case> {
    let large = || json_answer(200, &json!({ "access_token": "a".repeat(1 << 20) }));
    let latch = Latch::new();
    vec![
        token("no ID token", json!({ "id_token": null })),
        token("an empty ID token", json!({ "id_token": "" })),
        token("no access token", json!({ "access_token": null })),
        token("an access token with a line end", json!({ "access_token": "a\r\nX-Auth-Subject: root" })),
        token("another type of token", json!({ "token_type": "DPoP" })),
        token("no type of token", json!({ "token_type": null })),
        token("expires_in below zero", json!({ "expires_in": -1 })),
        token("expires_in as words", json!({ "expires_in": "soon" })),
        call("broken JSON", 502, "/token", || {
            Answer::new(200, &[("content-type", "application/json")], "{\"access_token\":")
        }),
        call("another content type", 502, "/token", || {
            Answer::new(200, &[("content-type", "text/html")], "<html>")
        }),
        call("a redirect", 502, "/token", || Answer::new(302, &[("location", "http://127.0.0.1:1/")], "")),
        call("invalid_grant", 403, "/token", || json_answer(400, &json!({ "error": "invalid_grant" }))),
        call("invalid_client", 403, "/token", || json_answer(401, &json!({ "error": "invalid_client" }))),
        call("an error that is none", 403, "/token", || Answer::new(400, &[], "<html>")),
        call("500", 503, "/token", || Answer::new(500, &[], "")),
        call("an answer that is too large", 503, "/token", large),
        call("an answer that is cut short", 503, "/token", || {
            Answer::raw("HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: 100\r\n\r\n{}")
        }),
        call("no answer", 503, "/token", || Answer::raw("")),
        call("an answer that never comes", 503, "/token", move || Answer::never(&latch)),
        call("an encoding that nobody asked for", 503, "/token", || {
            Answer::new(200, &[("content-type", "application/json"), ("content-encoding", "br")], "{}")
        }),
        call("gzip that is none", 503, "/token", || {
            Answer::new(200, &[("content-type", "application/json"), ("content-encoding", "gzip")], "{}")
        }),
    ]
}

fn of_userinfo() -> Vec<Case> {
    let info = |name, members: Value| case(name, 502, move |faults| faults.userinfo = members.clone());
    vec![
        info("another subject in userinfo", json!({ "sub": "root" })),
        info("no subject in userinfo", json!({ "sub": null })),
        info("a subject of another type in userinfo", json!({ "sub": ["alice"] })),
        call("userinfo is no JSON", 502, "/userinfo", || {
            Answer::new(200, &[("content-type", "application/jwt")], "a.b.c")
        }),
        call("userinfo refuses", 502, "/userinfo", || Answer::new(401, &[], "")),
        call("userinfo redirects", 502, "/userinfo", || {
            Answer::new(302, &[("location", "http://127.0.0.1:1/")], "")
        }),
        call("userinfo fails", 503, "/userinfo", || Answer::new(500, &[], "")),
        call("a name twice in userinfo", 502, "/userinfo", || {
            Answer::new(200, &[("content-type", "application/json")], "{\"sub\":\"alice\",\"sub\":\"root\"}")
        }),
    ]
}

/// One login of `alice`; whether it succeeded, and the status.
fn login(world: &World) -> (Browser, u16) {
    let mut browser = Browser::default();
    let page = world.led_to_login(&mut browser, "/app/");
    let status = browser.open(&world.provider.log_in(&page, "alice")).status;
    (browser, status)
}

fn check(world: &World, cases: Vec<Case>) {
    for case in cases {
        world.provider.mends();
        world.provider.breaks(|faults| (case.change)(faults));
        let (mut browser, status) = login(world);
        assert_eq!(status, case.status, "{}: {:#?}", case.name, world.gate.log().last());
        assert!(!browser.cookies.contains_key(COOKIE), "{}", case.name);
        world.provider.mends();
        let before = world.arrived().len();
        browser.fetch(&world.gate.url("/app/"), &[]).expect(401);
        assert_eq!(world.arrived().len(), before, "{}: nothing arrived", case.name);
        let (mut control, status) = login(world);
        assert_eq!(status, 303, "{}: without the fault", case.name);
        control.open(&world.gate.url("/app/")).expect(200);
    }
}

#[test]
fn an_id_token_that_is_wrong_in_any_way_is_refused() {
    check(&World::new(), of_the_claims());
    check(&World::new(), of_the_signature());
}

#[test]
fn a_token_endpoint_that_answers_wrongly_is_refused() {
    check(&World::new(), of_the_token_endpoint());
}

#[test]
fn userinfo_counts_only_for_its_own_subject() {
    let world = World::with("    userinfo: true");
    check(&world, of_userinfo());
    let (mut browser, _) = login(&world);
    browser.open(&world.gate.url("/app/")).expect(200);
    let seen = world.backend.last();
    assert_eq!(seen.field("x-auth-attr-tenant"), Some("acme"), "the ID token goes first");
    assert_eq!(seen.field("x-auth-attr-department"), Some("sales"), "then userinfo");
}

#[test]
fn what_is_right_in_another_way_is_taken() {
    let world = World::new();
    for change in [
        json!({ "aud": ["gate"] }),
        json!({ "aud": ["gate", "other"], "azp": "gate" }),
        json!({ "azp": "gate" }),
        json!({ "at_hash": null, "c_hash": null }),
        json!({ "sid": null }),
        json!({ "exp": now() - 10 }),
        json!({ "iat": now() + 10 }),
    ] {
        world.provider.mends();
        world.provider.breaks(|faults| faults.claims = change.clone());
        assert_eq!(login(&world).1, 303, "{change}");
    }
    for change in [
        json!({ "token_type": "bearer" }),
        json!({ "expires_in": "3600" }),
        json!({ "expires_in": null }),
        json!({ "refresh_token": null }),
    ] {
        world.provider.mends();
        world.provider.breaks(|faults| faults.token = change.clone());
        assert_eq!(login(&world).1, 303, "{change}");
    }
    world.provider.mends();
    world.provider.breaks(|faults| faults.header = json!({ "typ": null, "kid": null }));
    assert_eq!(login(&world).1, 303);
}

#[test]
fn an_answer_that_belongs_to_no_login_or_to_another_provider_is_refused() {
    let world = World::new();
    let mut browser = Browser::default();
    let page = world.led_to_login(&mut browser, "/app/");
    let back = world.provider.log_in(&page, "alice");
    let state = parameter(&back, "state");
    let callback = world.gate.url("/auth/oidc/browser/callback");
    for (query, status) in [
        (String::new(), 400),
        (format!("code=a&state={}", "x".repeat(43)), 400),
        (format!("state={state}"), 400),
        (format!("code=a&code=b&state={state}"), 400),
        (format!("code=a&state={state}&state={state}"), 400),
        (format!("code=%ff&state={state}"), 400),
        (format!("code=a&state={state}&iss=https%3A%2F%2Fevil.example"), 502),
        (
            format!(
                "error=access_denied&error_description=%3Cscript%3Ealert(1)%3C%2Fscript%3E&state={state}"
            ),
            403,
        ),
        (format!("code=never-given&state={state}"), 403),
    ] {
        let reply = browser.open(&format!("{callback}?{query}"));
        assert_eq!(reply.status, status, "{query}: {reply:#?}");
        assert!(!reply.text().contains("<script>") && !browser.cookies.contains_key(COOKIE));
    }
    let posted = browser.submit(&callback, &format!("code=a&state={state}"), &[]);
    assert_eq!(posted.status, 400, "the provider was asked to answer in the query");
    let issuer = world.provider.issuer().replace(':', "%3A").replace('/', "%2F");
    location(&browser.open(&format!("{back}&iss={issuer}")), "");
    // A provider that says that it names itself, and does not.
    let world = World::new();
    world.provider.breaks(|faults| {
        faults.discovery = json!({ "authorization_response_iss_parameter_supported": true })
    });
    assert_eq!(login(&world).1, 502);
}

#[test]
fn a_provider_that_describes_itself_wrongly_is_not_asked_for_a_login() {
    for (name, members) in [
        ("another issuer", json!({ "issuer": "https://evil.example" })),
        ("no issuer", json!({ "issuer": null })),
        ("no authorization endpoint", json!({ "authorization_endpoint": null })),
        ("no token endpoint", json!({ "token_endpoint": null })),
        (
            "a token endpoint over plain http elsewhere",
            json!({ "token_endpoint": "http://sso.example.com/token" }),
        ),
        ("a token endpoint that is no address", json!({ "token_endpoint": "javascript:alert(1)" })),
        ("an authorization endpoint of another type", json!({ "authorization_endpoint": ["a"] })),
        ("no PKCE with S256", json!({ "code_challenge_methods_supported": ["plain"] })),
    ] {
        let world = World::new();
        world.provider.breaks(|faults| faults.discovery = members);
        let mut browser = Browser::default();
        let start = location(&browser.open(&world.gate.url("/app/")), &world.base());
        let reply = browser.open(&start);
        assert_eq!(reply.status, 503, "{name}: {reply:#?}");
        assert!(browser.cookies.is_empty(), "{name}");
    }
    for (name, answer) in [
        (
            "a redirect",
            "HTTP/1.1 302 Found\r\nlocation: http://127.0.0.1:1/\r\ncontent-length: 0\r\n\r\n".to_owned(),
        ),
        ("no JSON", "HTTP/1.1 200 OK\r\ncontent-length: 6\r\n\r\n<html>".to_owned()),
        ("too large", format!("HTTP/1.1 200 OK\r\ncontent-length: 1000000\r\n\r\n{}", "a".repeat(1_000_000))),
        ("404", "HTTP/1.1 404 Not Found\r\ncontent-length: 0\r\n\r\n".to_owned()),
    ] {
        let world = World::new();
        let answer: Arc<str> = answer.into();
        world.provider.breaks(|faults| {
            let answer = answer.clone();
            let call = Arc::new(move |_: &haechi_testkit::Recorded| Answer::raw(answer.as_bytes()));
            faults.calls.insert("/.well-known/openid-configuration", call);
        });
        let mut browser = Browser::default();
        let start = location(&browser.open(&world.gate.url("/app/")), &world.base());
        assert_eq!(browser.open(&start).status, 503, "{name}");
    }
}

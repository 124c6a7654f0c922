//! Tokens of an issuer that is not us (RFC 8725; docs/authentication.md, docs/answers.md).

use crate::harness::{Gate, PATIENCE, eventually, routes_to};
use haechi_testkit::jose::{Key, base64url, claims, now, part, with};
use haechi_testkit::{Backend, IdentityProvider};
use serde_json::{Value, json};
use std::time::Duration;

const ROUTES: [(&str, &str, &str); 1] = [("/**", "[corp]", "any")];

struct Site {
    backend: Backend,
    provider: IdentityProvider,
    gate: Gate,
}

impl Site {
    fn with_keys(keys: &[&Key]) -> Self {
        let site = Self::starting(IdentityProvider::start(keys));
        let gate = site.gate.ready();
        Self { gate, ..site }
    }

    fn starting(provider: IdentityProvider) -> Self {
        let backend = Backend::saying("reached");
        let gate = Gate::start(&format!(
            "authenticators:
  corp:
    type: jwt
    issuer: {issuer}
    audiences: [orders, bills]
    keys: discovery
    algorithms: [RS256, ES256, EdDSA]
    leeway: 30s
{routes}",
            issuer = provider.issuer(),
            routes = routes_to(&backend, &ROUTES),
        ));
        Self { backend, provider, gate }
    }

    /// A token in order is let through; an id makes it one that no cache has seen.
    fn admits(&self, key: &Key) -> bool {
        let number = self.backend.recorded().len();
        let claims = with(&self.provider.claims("alice"), &json!({"jti": format!("{number}-{}", key.kid)}));
        self.gate.get_with_token("/", &key.token(&claims)).status == 200
    }

    #[track_caller]
    fn refuses(&self, what: &str, token: &str) {
        let before = self.backend.recorded().len();
        let reply = self.gate.get_with_token("/", token);
        assert_eq!(reply.status, 401, "{what}: {}", reply.text());
        assert!(reply.challenges().contains("error=\"invalid_token\""), "{what}: {}", reply.challenges());
        assert_eq!(self.backend.recorded().len(), before, "{what}: it reached the backend");
    }
}

#[test]
fn each_kind_of_key_is_accepted() {
    let keys = [Key::rsa("r"), Key::p256("e"), Key::ed25519("o")];
    let site = Site::with_keys(&keys.each_ref());
    for key in &keys {
        assert!(site.admits(key), "{}", key.algorithm());
    }
    let several = with(&site.provider.claims("alice"), &json!({"aud": ["other", "bills"]}));
    site.gate.get_with_token("/", &keys[1].token(&several)).expect(200);
    let at =
        keys[1].sign(&json!({"alg": "ES256", "kid": "e", "typ": "at+jwt"}), &site.provider.claims("alice"));
    site.gate.get_with_token("/", &at).expect(200);
    let bare = keys[1].sign(&json!({"alg": "ES256", "kid": "e"}), &site.provider.claims("alice"));
    site.gate.get_with("/", &[&format!("authorization: bEARER {bare}")]).expect(200);
}

#[test]
fn claims_that_do_not_hold() {
    let key = Key::p256("e");
    let site = Site::with_keys(&[&key]);
    let good = site.provider.claims("alice");
    let cases = [
        ("expired", json!({"exp": now() - 31})),
        ("no expiry", json!({"exp": null})),
        ("an expiry in text", json!({"exp": "9999999999"})),
        ("an expiry of true", json!({"exp": true})),
        ("an expiry in a list", json!({"exp": [9_999_999_999_u64]})),
        ("not yet valid", json!({"nbf": now() + 120})),
        ("a start in text", json!({"nbf": "0"})),
        ("issued tomorrow", json!({"iat": now() + 86_400})),
        ("for somebody else", json!({"aud": "payments"})),
        ("for nobody", json!({"aud": null})),
        ("for an empty list", json!({"aud": []})),
        ("for a number", json!({"aud": 7})),
        ("for a part of the name", json!({"aud": "order"})),
        ("of another issuer", json!({"iss": "https://evil.example.com"})),
        ("of no issuer", json!({"iss": null})),
        ("of an issuer with a slash more", json!({"iss": format!("{}/", site.provider.issuer())})),
        (
            "bound to a key nobody proved",
            json!({"cnf": {"jkt": "0ZcOCORZNYy-DWpqq30jZyJGHTN0d2HglBV3uiguA4I"}}),
        ),
        ("a subject that is no text", json!({"sub": 7})),
    ];
    for (what, change) in cases {
        site.refuses(what, &key.token(&with(&good, &change)));
    }
    site.gate.get_with_token("/", &key.token(&with(&good, &json!({"exp": now() - 5})))).expect(200);
}

#[test]
fn signatures_and_headers_that_do_not_hold() {
    let (rsa, key, stranger) = (Key::rsa("r"), Key::p256("e"), Key::p256("e"));
    let site = Site::with_keys(&[&rsa, &key]);
    let good = site.provider.claims("alice");
    let token = key.token(&good);
    let (input, signature) = token.rsplit_once('.').unwrap();
    site.refuses("signed by a stranger under our key's id", &stranger.token(&good));
    site.refuses("no signature", &format!("{input}."));
    let other = key.token(&with(&good, &json!({"sub": "root"})));
    site.refuses("another token's signature", &format!("{}.{signature}", other.rsplit_once('.').unwrap().0));
    for alg in ["none", "None", "NONE", "nOnE", "", "HS256", "es256", "ES384", "RS256"] {
        let header = json!({"alg": alg, "kid": "e", "typ": "JWT"}).to_string();
        let unsigned = format!("{}.{}.", base64url(&header), base64url(good.to_string()));
        site.refuses(&format!("alg {alg}, unsigned"), &unsigned);
        site.refuses(&format!("alg {alg}"), &key.sign_text(&header, &good.to_string()));
    }
    let public = Key::hmac("r", rsa.public_pem().as_bytes());
    site.refuses("the public key as a secret", &public.sign(&json!({"alg": "HS256", "kid": "r"}), &good));
    site.refuses("the wrong kind of key", &rsa.sign(&json!({"alg": "RS256", "kid": "e"}), &good));
    for (what, change) in [
        ("an unknown extension that counts", json!({"crit": ["b64"], "b64": false})),
        ("an extension list that is empty", json!({"crit": []})),
        ("another type", json!({"typ": "dpop+jwt"})),
        ("an unknown key id", json!({"kid": "other"})),
        ("a key id that is no text", json!({"kid": 7})),
    ] {
        let header = with(&json!({"alg": "ES256", "kid": "e", "typ": "JWT"}), &change);
        site.refuses(what, &key.sign(&header, &good));
    }
}

#[test]
fn keys_that_the_token_itself_brings_are_not_believed() {
    let (key, stranger) = (Key::p256("e"), Key::p256("s"));
    let evil = IdentityProvider::start(&[&stranger]);
    let site = Site::with_keys(&[&key]);
    let good = site.provider.claims("alice");
    for kid in ["e", "s"] {
        for (what, change) in [
            ("jwk", json!({"jwk": stranger.jwk()})),
            ("jku", json!({"jku": evil.jwks_url()})),
            ("x5u", json!({"x5u": evil.jwks_url()})),
        ] {
            let header = with(&json!({"alg": "ES256", "kid": kid, "typ": "JWT"}), &change);
            site.refuses(what, &stranger.sign(&header, &good));
        }
    }
    assert_eq!(evil.fetches(), 0, "the gate went where the token pointed");
}

#[test]
fn texts_that_are_no_token() {
    let key = Key::p256("e");
    let site = Site::with_keys(&[&key]);
    let good = site.provider.claims("alice");
    let token = key.token(&good);
    let parts: Vec<&str> = token.split('.').collect();
    let header = json!({"alg": "ES256", "kid": "e"}).to_string();
    let body = good.to_string();
    let twice = format!("{},\"sub\":\"root\"}}", body.trim_end_matches('}'));
    let nested =
        with(&good, &json!({"deep": {"a": 1}})).to_string().replace("{\"a\":1}", "{\"a\":1,\"a\":2}");
    let cases = [
        ("one part", parts[0].to_owned()),
        ("two parts", format!("{}.{}", parts[0], parts[1])),
        ("four parts", format!("{token}.x")),
        ("five parts", format!("{token}.x.y")),
        ("padding", format!("{}=.{}.{}", parts[0], parts[1], parts[2])),
        ("padding behind", format!("{token}==")),
        ("the other alphabet", format!("{}.{}.{}", parts[0], parts[1], "+/".repeat(43))),
        ("noise", "x.y.z".into()),
        ("dots", "..".into()),
        ("a claim twice", key.sign_text(&header, &twice)),
        ("a claim twice, further in", key.sign_text(&header, &nested)),
        ("a header member twice", key.sign_text("{\"alg\":\"none\",\"alg\":\"ES256\",\"kid\":\"e\"}", &body)),
        ("claims in a list", key.sign_text(&header, &format!("[{body}]"))),
        ("claims with more behind", key.sign_text(&header, &format!("{body}{{}}"))),
        ("no JSON", key.sign_text(&header, "alice")),
        ("a header that is no object", key.sign_text("\"ES256\"", &body)),
    ];
    for (what, text) in cases {
        site.refuses(what, &text);
    }
    assert!(site.admits(&key));
}

#[test]
fn a_credential_in_two_places_is_a_bad_request() {
    let key = Key::p256("e");
    let site = Site::with_keys(&[&key]);
    let token = key.token(&site.provider.claims("alice"));
    let field = format!("Authorization: Bearer {token}");
    site.gate.get_with("/", &[&field, &field]).expect(400);
    site.gate.get_with("/", &[&field, "Authorization: Basic YTpi"]).expect(400);
    site.gate.get_with(&format!("/?access_token={token}"), &[&field]).expect(400);
    let in_query = site.gate.get(&format!("/?access_token={token}"));
    assert_eq!(in_query.status, 401, "a token in the query string is no credential");
    assert_eq!(site.backend.recorded().len(), 0);
}

#[test]
fn a_shared_secret() {
    let secret = "a secret of at least thirty-two bytes";
    let backend = Backend::saying("reached");
    let gate = Gate::start(&format!(
        "authenticators:
  corp: {{ type: jwt, issuer: https://sso.example.com, audiences: [orders], keys: {{ secret: \"{secret}\" }}, algorithms: [HS256] }}
{}",
        routes_to(&backend, &ROUTES)
    ));
    let good = claims("https://sso.example.com", "alice");
    let header = json!({"alg": "HS256", "typ": "JWT"});
    gate.get_with_token("/", &Key::hmac("", secret.as_bytes()).sign(&header, &good)).expect(200);
    gate.get_with_token("/", &Key::hmac("", b"another secret of thirty-two bytes!!").sign(&header, &good))
        .expect(401);
    let unsigned =
        format!("{}.{}.", base64url(json!({"alg": "none"}).to_string()), base64url(good.to_string()));
    gate.get_with_token("/", &unsigned).expect(401);
    assert_eq!(backend.recorded().len(), 1);
}

#[test]
fn a_file_of_keys() {
    let key = Key::ed25519("o");
    let backend = Backend::saying("reached");
    let folder = crate::harness::Folder::new(&format!(
        "authenticators:
  corp: {{ type: jwt, issuer: https://sso.example.com, audiences: [orders], keys: {{ jwks_file: keys.json }} }}
{}",
        routes_to(&backend, &ROUTES)
    ));
    folder.write("keys.json", &json!({"keys": [key.jwk()]}).to_string());
    let gate = Gate::start_in(folder);
    gate.get_with_token("/", &key.token(&claims("https://sso.example.com", "alice"))).expect(200);
    gate.get_with_token("/", &Key::ed25519("o").token(&claims("https://sso.example.com", "alice")))
        .expect(401);
}

#[test]
fn many_unknown_key_ids_cost_the_issuer_one_question() {
    let key = Key::p256("e");
    let site = Site::with_keys(&[&key]);
    let before = site.provider.fetches();
    let good = site.provider.claims("alice");
    std::thread::scope(|scope| {
        for worker in 0..4 {
            let (site, key, good) = (&site, &key, &good);
            scope.spawn(move || {
                for n in 0..8 {
                    let header = json!({"alg": "ES256", "kid": format!("unknown-{worker}-{n}")});
                    site.gate.get_with_token("/", &key.sign(&header, good)).expect(401);
                }
            });
        }
    });
    let asked = site.provider.fetches() - before;
    assert!(asked <= 1, "asked {asked} times");
    assert_eq!(site.backend.recorded().len(), 0);
}

#[test]
fn a_rotated_key_is_found() {
    let (old, new) = (Key::p256("old"), Key::p256("new"));
    let site = Site::with_keys(&[&old]);
    assert!(site.admits(&old));
    site.provider.publish(&[&old, &new]);
    eventually(PATIENCE, || site.admits(&new).then_some(()));
    assert!(site.admits(&old), "both are published");
}

/// Sends a token with an unknown key id until the issuer has been asked again.
fn provoke_fetch(site: &Site, key: &Key) {
    let before = site.provider.fetches();
    eventually(PATIENCE, || {
        let header = json!({"alg": key.algorithm(), "kid": "unknown"});
        let status = site.gate.get_with_token("/", &key.sign(&header, &site.provider.claims("x"))).status;
        assert_ne!(status, 200);
        (site.provider.fetches() > before).then_some(())
    });
}

#[test]
fn a_broken_or_empty_set_does_not_replace_a_good_one() {
    let key = Key::p256("e");
    let site = Site::with_keys(&[&key]);
    site.provider.publish_text(200, "{\"keys\":[]}");
    provoke_fetch(&site, &key);
    assert!(site.admits(&key), "an empty set replaced the good one");
}

#[test]
fn the_last_good_set_serves_while_the_issuer_is_down() {
    let key = Key::p256("e");
    let mut site = Site::with_keys(&[&key]);
    assert!(site.admits(&key));
    site.provider.stop();
    assert!(site.admits(&key));
    let header = json!({"alg": "ES256", "kid": "unknown"});
    let status = site.gate.get_with_token("/", &key.sign(&header, &site.provider.claims("x"))).status;
    assert!([401, 503].contains(&status), "{status}");
    assert!(site.admits(&key));
}

#[test]
fn an_issuer_down_at_the_start_is_503_until_it_comes_up() {
    let key = Key::p256("e");
    let mut provider = IdentityProvider::start(&[&key]);
    provider.stop();
    let mut site = Site::starting(provider);
    let token = key.token(&site.provider.claims("alice"));
    let reply = site.gate.get_with_token("/", &token).expect(503);
    assert!(reply.field("retry-after").is_some_and(|value| value.parse::<u32>().is_ok()));
    assert_eq!(site.gate.get("/").status, 401, "who brings nothing needs no issuer");
    let readiness = site.gate.admin("/readyz").expect(503);
    assert!(readiness.text().contains("corp"), "{}", readiness.text());
    site.gate.admin("/livez").expect(200);
    assert_eq!(site.backend.recorded().len(), 0);
    site.provider.restart();
    eventually(Duration::from_secs(40), || {
        (site.gate.get_with_token("/", &token).status == 200).then_some(())
    });
    site.gate.admin("/readyz").expect(200);
}

#[test]
fn a_verified_token_stops_when_it_expires() {
    let key = Key::p256("e");
    let site = Site::with_keys(&[&key]);
    // The leeway is 30 s, so this one has about two seconds left.
    let token = key.token(&with(&site.provider.claims("alice"), &json!({"exp": now() - 27})));
    site.gate.get_with_token("/", &token).expect(200);
    eventually(PATIENCE, || (site.gate.get_with_token("/", &token).status == 401).then_some(()));
    assert_eq!(part(&token, 0)["alg"], Value::from("ES256"));
}

/// What a provider publishes at times: what cannot be used is skipped, told once, and the rest is used.
#[test]
fn a_key_set_with_keys_that_cannot_be_used() {
    let (key, leaked, twin) = (Key::p256("e"), Key::rsa("leaked"), Key::ed25519("twin"));
    let site = Site::with_keys(&[&key, &leaked]);
    assert!(site.admits(&leaked));
    let set = json!({ "keys": [
        null, 7, { "kty": "LWE", "kid": "odd" }, { "kty": "oct", "k": "c2VjcmV0" },
        with(&leaked.jwk(), &json!({ "d": "AQAB" })),
        twin.jwk(), Key::ed25519("twin").jwk(),
        with(&key.jwk(), &json!({ "x5c": null, "use": null })),
    ]});
    site.provider.publish_text(200, &format!("\u{feff}{set}"));
    let unknown = Key::p256("unknown").token(&site.provider.claims("alice"));
    eventually(PATIENCE, || {
        site.gate.get_with_token("/", &unknown);
        site.gate.admin("/readyz").expect(200).text().contains("twin").then_some(())
    });
    assert!(site.admits(&key));
    site.refuses("a key that everybody knows", &leaked.token(&site.provider.claims("alice")));
    site.refuses("a name of two keys", &twin.token(&site.provider.claims("alice")));
    let ready: Value = serde_json::from_str(&site.gate.admin("/readyz").expect(200).text()).unwrap();
    let notes = ready["components"].to_string();
    for told in
        ["key 1 of the set is skipped: it is `null`", "key `odd`", "its private part (`d`)", "key `twin`"]
    {
        assert!(notes.contains(told), "{told}: {notes}");
    }
    assert_eq!(site.gate.metric("haechi_jwks_skipped_keys", &[]), 6.0);
    let told = |log: &[String]| log.iter().filter(|line| line.contains("key `odd`")).count();
    eventually(PATIENCE, || (told(&site.gate.log()) == 1).then_some(()));
}

/// A provider that comes back is noticed although nobody asks.
#[test]
fn keys_are_there_soon_after_an_outage_at_start() {
    let key = Key::p256("e");
    let mut provider = IdentityProvider::start(&[&key]);
    provider.stop();
    let mut site = Site::starting(provider);
    eventually(PATIENCE, || {
        let failed = site.gate.metric("haechi_jwks_fetch_total", &["result=\"failed\""]);
        (failed >= 3.0).then_some(())
    });
    site.provider.restart();
    let back = std::time::Instant::now();
    eventually(PATIENCE, || (site.gate.admin("/readyz").status == 200).then_some(()));
    assert!(back.elapsed() < Duration::from_secs(15), "{:?}", back.elapsed());
    assert!(site.admits(&key));
}

/// Claims as providers write them; the names of roles are the issuer's own.
#[test]
fn roles_sets_and_subjects_of_providers() {
    let key = Key::p256("e");
    let provider = IdentityProvider::start(&[&key]);
    let backend = Backend::saying("reached");
    let longest = "관".repeat(128);
    let gate = Gate::start(&format!(
        "caller_attributes: {{ groups: set }}
authenticators:
  corp:
    type: jwt
    issuer: {issuer}
    audiences: unchecked
    token_types: [application/at+jwt]
    claims: {{ subject: [/client_id, /sub], roles: [/a/roles, /names], groups: [/groups, /more] }}
    role_map: {{ /staff/admins: 관리자, \"a\\\"b\": ADMIN }}
roles: {{ 관리자: {{ includes: [\"{longest}\"] }}, \"{longest}\": {{}}, ADMIN: {{}}, \"Domain Users\": {{}} }}
services: {{ web: {{ endpoints: [\"{url}\"] }} }}
routes:
  - {{ name: korean, match: {{ path: /korean }}, authenticate: corp, authorize: {{ roles: [\"{longest}\"] }}, service: web }}
  - {{ name: group, match: {{ path: /group }}, authenticate: corp, authorize: {{ when: 'principal.groups.contains(\"x, y\")' }}, service: web }}
",
        issuer = provider.issuer(),
        url = backend.url(),
    ))
    .ready();
    let claims = with(
        &provider.claims("alice"),
        &json!({
            "aud": "anybody", "client_id": "c1", "a": { "roles": "/staff/admins,unknown" },
            "names": { "Domain Users": {}, "a\"b": true, "no": false }, "groups": ["x, y", "관"], "more": { "z": 1 }
        }),
    );
    let token = key.sign(&json!({ "alg": "ES256", "kid": "e", "typ": "application/AT+JWT" }), &claims);
    gate.get_with_token("/korean", &token).expect(200);
    let last = backend.last();
    assert_eq!(last.field("x-auth-subject"), Some("c1"));
    let roles = last.field("x-auth-roles").unwrap();
    let korean = "%EA%B4%80%EB%A6%AC%EC%9E%90";
    assert!(roles.starts_with(&format!("{korean},Domain%20Users,ADMIN")), "{roles}");
    assert!(!roles.contains("unknown") && !roles.contains(",no"), "{roles}");
    assert_eq!(last.field("x-auth-attr-groups"), Some("x%2C%20y,z,%EA%B4%80"));
    gate.get_with_token("/group", &token).expect(200);
    let other = key.token(&with(&claims, &json!({ "groups": ["x", "y"], "names": null, "a": null })));
    assert_eq!(gate.get_with_token("/group", &other).status, 401, "its type is not listed");
    let at = json!({ "alg": "ES256", "kid": "e", "typ": "at+jwt" });
    let other = key.sign(&at, &with(&claims, &json!({ "groups": ["x", "y"], "names": null, "a": null })));
    assert_eq!(gate.get_with_token("/group", &other).status, 403);
    assert_eq!(gate.get_with_token("/korean", &other).status, 403);
}

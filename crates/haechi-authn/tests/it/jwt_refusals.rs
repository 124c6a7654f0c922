//! RFC 8725 as a table: each token is refused for the one thing that differs from a token that is accepted.

use crate::support::{
    ISSUER, NOW, allow, bearer, claims, config, fixed, head, invalid_token, jwks, now, own_config, verified,
    worker,
};
use haechi_authn::keys::{KeySource, Keys};
use haechi_authn::schemes::jwt::{Audiences, JwtAuthenticator, JwtConfig, JwtFault};
use haechi_authn::{Attempt, CredentialMatch, CredentialPlace, Fault, RevocationWatch, Scheme};
use haechi_core::caller::Vouched;
use haechi_core::{AttributeValue, Secret};
use haechi_testkit::jose::{Key, base64url, with};
use proptest::prelude::*;
use serde_json::{Value, json};
use std::rc::Rc;
use std::sync::Arc;

fn refused(scheme: &dyn Scheme, token: &str) -> String {
    invalid_token(&now(scheme, &bearer(token), NOW)).to_owned()
}

fn accepted(scheme: &dyn Scheme, token: &str) {
    verified(now(scheme, &bearer(token), NOW));
}

#[test]
fn a_token_in_order_names_its_caller() {
    let key = Key::rsa("k1");
    let scheme = worker(config(fixed(&[&key])));
    let more = json!({ "realm_access": { "roles": ["ADMIN", "haechi-admin"] }, "scope": "read write", "tenant": "acme", "sid": "s1" });
    let caller = verified(now(&*scheme, &bearer(&key.token(&with(&claims(), &more))), NOW));
    assert_eq!((&*caller.subject, &*caller.issuer, &*caller.authenticator), ("alice", ISSUER, "corp"));
    assert_eq!(caller.roles, ["ADMIN", "USER"].map(Arc::from), "a stranger's haechi- roles are dropped");
    assert_eq!(caller.scopes, ["read", "write"].map(Arc::from));
    assert_eq!(caller.attributes.get("tenant"), Some(&AttributeValue::String("acme".into())));
    assert_eq!(caller.credential_id.as_deref(), Some("t1"));
    assert_eq!(caller.session, None, "another issuer's session is not ours");
    assert_eq!(caller.expires_at, Some(NOW.plus(std::time::Duration::from_secs(630))));
    let places = [CredentialPlace::Authorization, CredentialPlace::Field("dpop".into())];
    assert_eq!(scheme.credential_places(), places);
    assert_eq!(scheme.challenge().unwrap().to_string(), "Bearer realm=\"corp\"");
}

#[test]
fn a_refusal_says_how_sure_it_is_whose_token_it_was() {
    let (key, other) = (Key::p256("k1"), Key::p256("k1"));
    let scheme = worker(config(fixed(&[&key])));
    let token = |key: &Key, change: Value| key.token(&with(&claims(), &change));
    let expired = NOW.as_seconds() - 31;
    for (token, matched) in [
        (token(&key, json!({ "iss": "https://other.example.com" })), CredentialMatch::Other),
        (token(&key, json!({ "iss": null })), CredentialMatch::Other),
        ("a.b.c".to_owned(), CredentialMatch::Unknown),
        ("opaque".to_owned(), CredentialMatch::Unknown),
        (token(&key, json!({ "iss": [ISSUER] })), CredentialMatch::Unknown),
        (token(&other, json!({})), CredentialMatch::Named),
        (token(&Key::rsa("k2"), json!({})), CredentialMatch::Named),
        (token(&key, json!({ "aud": "bills" })), CredentialMatch::Signed),
        (token(&key, json!({ "aud": "bills", "exp": expired })), CredentialMatch::Signed),
        (token(&key, json!({ "exp": expired })), CredentialMatch::Addressed),
        (token(&key, json!({ "sub": null })), CredentialMatch::Addressed),
    ] {
        let Attempt::Rejected(rejection) = now(&*scheme, &bearer(&token), NOW) else { panic!("{token}") };
        assert_eq!(rejection.matched, matched, "{}", rejection.reason);
    }
}

#[test]
fn every_claim_is_checked() {
    let key = Key::p256("k1");
    let scheme = worker(config(fixed(&[&key])));
    let time = NOW.as_seconds();
    accepted(&*scheme, &key.token(&claims()));
    for (change, reason) in [
        (json!({ "iss": "https://evil.example.com" }), "other issuer"),
        (json!({ "iss": null }), "other issuer"),
        (json!({ "iss": [ISSUER] }), "`iss` is malformed"),
        (json!({ "exp": null }), "`exp` is missing"),
        (json!({ "exp": (time + 600).to_string() }), "`exp` is malformed"),
        (json!({ "exp": time * 1000 }), "`exp` is malformed"),
        (json!({ "exp": time - 30 }), "the token has expired"),
        (json!({ "nbf": time + 31 }), "the token's `nbf` lies in the future"),
        (json!({ "nbf": "0" }), "`nbf` is malformed"),
        (json!({ "iat": time + 31 }), "the token's `iat` lies in the future"),
        (json!({ "iat": true }), "`iat` is malformed"),
        (json!({ "aud": null }), "the token is for another audience"),
        (json!({ "aud": "billing" }), "the token is for another audience"),
        (json!({ "aud": ["billing"] }), "the token is for another audience"),
        (json!({ "aud": [["orders"]] }), "`aud` is malformed"),
        (json!({ "sub": null }), "`sub` is missing"),
        (json!({ "sub": "" }), "`sub` is missing"),
        (json!({ "sub": 7 }), "`sub` is malformed"),
        (json!({ "jti": 7 }), "`jti` is malformed"),
        (
            json!({ "cnf": { "jkt": "x" } }),
            "the token is bound to a key (`cnf`), and nothing proves possession of it",
        ),
    ] {
        let told = refused(&*scheme, &key.token(&with(&claims(), &change)));
        assert!(told.starts_with(reason), "{change}: {told}");
    }
    for change in [
        json!({ "exp": time - 29 }),
        json!({ "exp": time as f64 + 0.5 }),
        json!({ "nbf": time + 30, "iat": time + 30 }),
        json!({ "iat": null }),
        json!({ "aud": ["billing", "orders"] }),
        json!({ "jti": null }),
        json!({ "sid": 7 }),
    ] {
        accepted(&*scheme, &key.token(&with(&claims(), &change)));
    }
}

#[test]
fn every_header_parameter_is_checked() {
    let (key, attacker) = (Key::p256("k1"), Key::p256("k1"));
    let scheme = worker(config(fixed(&[&key])));
    let sound = json!({ "alg": "ES256", "kid": "k1", "typ": "at+jwt" });
    accepted(&*scheme, &key.sign(&sound, &claims()));
    for (change, reason) in [
        (json!({ "alg": null }), "the header's `alg` names no signature algorithm"),
        (json!({ "alg": "none" }), "the header's `alg` names no signature algorithm"),
        (json!({ "alg": "es256" }), "the header's `alg` names no signature algorithm"),
        (json!({ "alg": "HS256" }), "HS256 is not among the accepted algorithms"),
        (json!({ "alg": "ES384" }), "no key of the issuer fits the token's `kid` and `alg`"),
        (json!({ "alg": "RS256" }), "no key of the issuer fits the token's `kid` and `alg`"),
        (json!({ "kid": "k2" }), "no key of the issuer fits the token's `kid` and `alg`"),
        (json!({ "kid": "K1" }), "no key of the issuer fits the token's `kid` and `alg`"),
        (json!({ "kid": "" }), "no key of the issuer fits the token's `kid` and `alg`"),
        (json!({ "kid": 1 }), "`kid` is malformed"),
        (json!({ "crit": ["exp"] }), "the header's `crit` asks for what is not understood here"),
        (
            json!({ "crit": ["b64"], "b64": false }),
            "the header's `crit` asks for what is not understood here",
        ),
        (json!({ "b64": false }), "the header's `b64` asks for what is not understood here"),
        (json!({ "typ": "dpop+jwt" }), "the token is of another type"),
        (json!({ "typ": "logout+jwt" }), "the token is of another type"),
        (json!({ "typ": "text/at+jwt" }), "the token is of another type"),
        (json!({ "typ": "" }), "the token is of another type"),
        (json!({ "typ": ["JWT"] }), "`typ` is malformed"),
    ] {
        assert_eq!(refused(&*scheme, &key.sign(&with(&sound, &change), &claims())), reason, "{change}");
    }
    for change in [
        json!({ "typ": null }),
        json!({ "typ": "jwt" }),
        json!({ "typ": "application/AT+JWT" }),
        json!({ "kid": null }),
        json!({ "b64": true }),
        json!({ "jku": "https://evil.example.com/keys", "x5u": "https://evil.example.com/c", "x5t": "a" }),
    ] {
        accepted(&*scheme, &key.sign(&with(&sound, &change), &claims()));
    }
    let brought = with(&sound, &json!({ "jwk": attacker.jwk(), "jku": "https://evil.example.com/keys" }));
    assert_eq!(refused(&*scheme, &attacker.sign(&brought, &claims())), "the signature does not verify");
}

#[test]
fn repeated_names_are_refused_wherever_they_stand() {
    let key = Key::ed25519("k1");
    let scheme = worker(config(fixed(&[&key])));
    let (header, payload) = (r#"{"alg":"EdDSA","kid":"k1"}"#, claims().to_string());
    accepted(&*scheme, &key.sign_text(header, &payload));
    for (header, payload) in [
        (r#"{"alg":"EdDSA","alg":"EdDSA","kid":"k1"}"#.to_owned(), payload.clone()),
        (r#"{"alg":"EdDSA","kid":"k1","x":{"y":1,"y":1}}"#.to_owned(), payload.clone()),
        (header.to_owned(), payload.replace("\"sub\":\"alice\"", "\"sub\":\"alice\",\"s\\u0075b\":\"root\"")),
        (
            header.to_owned(),
            payload.replace("\"sub\":\"alice\"", "\"sub\":\"alice\",\"a\":[{\"b\":1,\"b\":2}]"),
        ),
    ] {
        let reason = refused(&*scheme, &key.sign_text(&header, &payload));
        assert!(reason.contains("stands twice"), "{reason}");
    }
    for payload in ["[]", "\"x\"", "{", "", "{}{}", "\u{feff}{}"] {
        refused(&*scheme, &key.sign_text(header, payload));
    }
}

#[test]
fn only_the_strict_compact_form_is_read() {
    let key = Key::ed25519("k1");
    let scheme = worker(config(fixed(&[&key])));
    let token = key.token(&claims());
    accepted(&*scheme, &token);
    let parts: Vec<&str> = token.split('.').collect();
    let longest = with(&claims(), &json!({ "x": "a".repeat(12_000) }));
    for bad in [
        parts[..2].join("."),
        format!("{}.{}.", parts[0], parts[1]),
        format!("{token}."),
        format!("{token}.{}", parts[2]),
        format!(".{token}"),
        format!("{token}="),
        token.replace('.', ".."),
        format!("{}+{}", &token[..10], &token[11..]),
        "opaque".to_owned(),
        key.token(&with(&longest, &json!({ "y": "a".repeat(300) }))),
    ] {
        refused(&*scheme, &bad);
    }
    accepted(&*scheme, &key.token(&with(&claims(), &json!({ "x": "a".repeat(11_000) }))));
}

#[test]
fn a_public_key_is_no_shared_secret() {
    let key = Key::rsa("k1");
    let pem = key.public_pem();
    let every = config(fixed(&[&key]));
    let scheme = worker(JwtConfig { algorithms: allow(&["RS256", "HS256"]), ..every });
    accepted(&*scheme, &key.token(&claims()));
    let forged = Key::hmac("k1", pem.as_bytes()).token(&claims());
    assert_eq!(refused(&*scheme, &forged), "no key of the issuer fits the token's `kid` and `alg`");
}

#[test]
fn without_a_kid_exactly_one_key_must_fit() {
    let (one, two, other) = (Key::p256("a"), Key::p256("b"), Key::ed25519("c"));
    let token = one.sign(&json!({ "alg": "ES256" }), &claims());
    accepted(&*worker(config(fixed(&[&one, &other]))), &token);
    let scheme = worker(config(fixed(&[&one, &two])));
    assert_eq!(refused(&*scheme, &token), "no key of the issuer fits the token's `kid` and `alg`");
}

#[test]
fn a_key_keeps_to_its_alg() {
    let key = Key::rsa("k1");
    let mut set = jwks(&[&key]);
    set["keys"][0]["alg"] = json!("PS256");
    let keys = Keys::from_jwks(set.to_string().as_bytes(), NOW).unwrap();
    let scheme = worker(config(Arc::new(KeySource::fixed(ISSUER, keys))));
    assert_eq!(
        refused(&*scheme, &key.token(&claims())),
        "no key of the issuer fits the token's `kid` and `alg`"
    );
    set["keys"][0].as_object_mut().unwrap().remove("alg");
    let keys = Keys::from_jwks(set.to_string().as_bytes(), NOW).unwrap();
    accepted(&*worker(config(Arc::new(KeySource::fixed(ISSUER, keys)))), &key.token(&claims()));
}

#[test]
fn a_shared_secret_verifies_what_it_is_configured_for() {
    let (secret, former) = ("0123456789abcdef0123456789abcdef", "a secret that was in use up to now");
    let keys = |algorithms| {
        Keys::from_secrets(
            &[Secret::new(secret.as_bytes().to_vec()), Secret::new(former.as_bytes().to_vec())],
            allow(algorithms),
        )
    };
    assert!(keys(&["HS384"]).unwrap_err().to_string().contains("48 bytes"));
    assert!(keys(&["RS256"]).unwrap_err().to_string().contains("HS256"));
    let source = Arc::new(KeySource::fixed(ISSUER, keys(&["HS256"]).unwrap()));
    let scheme = worker(JwtConfig { algorithms: allow(&["HS256"]), ..config(source.clone()) });
    for known in [secret, former] {
        accepted(&*scheme, &Key::hmac("whatever", known.as_bytes()).token(&claims()));
    }
    assert_eq!(
        refused(&*scheme, &Key::hmac("whatever", b"another").token(&claims())),
        "the signature does not verify"
    );
    let scheme = worker(config(source));
    assert_eq!(
        refused(&*scheme, &Key::hmac("k", secret.as_bytes()).token(&claims())),
        "HS256 is not among the accepted algorithms"
    );
}

#[test]
fn our_own_tokens_name_their_type_and_themselves() {
    let key = Key::ed25519("k1");
    let clock = Arc::new(haechi_testkit::FixedClock::at(NOW));
    let watch = Arc::new(RevocationWatch::new(clock.clone()));
    crate::support::learn(&watch, &clock, &[]);
    let scheme = worker(own_config(fixed(&[&key]), &watch));
    let header = json!({ "alg": "EdDSA", "kid": "k1", "typ": "at+jwt" });
    let own = with(&claims(), &json!({ "sid": "s1", "aud": null }));
    let caller = verified(now(&*scheme, &bearer(&key.sign(&header, &own)), NOW));
    assert_eq!(caller.session.as_deref(), Some("s1"));
    let untyped = key.sign(&with(&header, &json!({ "typ": null })), &own);
    assert_eq!(refused(&*scheme, &untyped), "the token is of another type");
    let nameless = key.sign(&header, &with(&own, &json!({ "jti": null })));
    assert_eq!(refused(&*scheme, &nameless), "`jti` is missing");
}

#[test]
fn a_lax_authenticator_cannot_be_made() {
    let key = Key::ed25519("k1");
    let source = fixed(&[&key]);
    let base = || config(source.clone());
    for (config, fault) in [
        (JwtConfig { audiences: Audiences::OneOf(vec![]), ..base() }, JwtFault::NoAudience),
        (JwtConfig { algorithms: allow(&[]), ..base() }, JwtFault::NoAlgorithm),
        (JwtConfig { token_types: vec![], ..base() }, JwtFault::NoTokenType),
        (JwtConfig { vouched: Vouched::BySelf, ..base() }, JwtFault::NoRevocations),
    ] {
        assert_eq!(JwtAuthenticator::new(config).err(), Some(fault));
    }
}

#[test]
fn credentials_are_read_from_one_place() {
    let key = Key::ed25519("k1");
    let scheme = worker(config(fixed(&[&key])));
    let token = key.token(&claims());
    let field = format!("Bearer {token}");
    let one = ("Authorization", &*field);
    let fault = |attempt| match attempt {
        Attempt::Rejected(rejection) => Some(rejection.fault),
        _ => None,
    };
    let in_query = format!("access_token={token}");
    let look = |fields: &[(&str, &str)], query| now(&*scheme, &head(fields, query), NOW);
    verified(look(&[one], Some("q=access_token")));
    assert!(matches!(look(&[], None), Attempt::Absent));
    assert!(matches!(look(&[], Some(&in_query)), Attempt::Absent));
    assert!(matches!(look(&[("Authorization", "Basic eDp5")], None), Attempt::Absent));
    assert_eq!(fault(look(&[one, one], None)), Some(Fault::InvalidRequest));
    assert_eq!(fault(look(&[one, ("authorization", "Basic eDp5")], None)), Some(Fault::InvalidRequest));
    for query in ["access_token=x", "a=1&access_token", "%61ccess_token=x"] {
        assert_eq!(fault(look(&[one], Some(query))), Some(Fault::InvalidRequest), "{query}");
    }
    for value in ["Bearer", "Bearer a b", "Bearer {}", "Bearer a.b.c", "Bearer \u{1f511}"] {
        assert_eq!(fault(look(&[("Authorization", value)], None)), Some(Fault::InvalidToken), "{value}");
    }
}

thread_local! {
    static SUBJECT: (Key, Rc<dyn Scheme>, String) = {
        let key = Key::ed25519("k1");
        let scheme = worker(config(fixed(&[&key])));
        let token = key.token(&claims());
        (key, scheme, token)
    };
}

proptest! {
    #[test]
    fn a_mutated_token_never_verifies(at in any::<prop::sample::Index>(), with in any::<u8>()) {
        SUBJECT.with(|(_, scheme, token)| {
            let mut bytes = token.clone().into_bytes();
            let at = at.index(bytes.len());
            prop_assume!(bytes[at] != with && with.is_ascii_graphic());
            bytes[at] = with;
            let attempt = now(&**scheme, &bearer(str::from_utf8(&bytes).unwrap()), NOW);
            prop_assert!(matches!(attempt, Attempt::Rejected(_)), "{at} {with}: {attempt:?}");
            Ok(())
        })?;
    }

    #[test]
    fn no_signed_nonsense_panics_or_verifies(header in "\\PC{0,40}", payload in "\\PC{0,60}") {
        SUBJECT.with(|(key, scheme, _)| {
            let attempt = now(&**scheme, &bearer(&key.sign_text(&header, &payload)), NOW);
            prop_assert!(matches!(attempt, Attempt::Rejected(_)));
            Ok(())
        })?;
    }

    #[test]
    fn no_bytes_panic(value in proptest::collection::vec(any::<u8>(), 0..80)) {
        SUBJECT.with(|(_, scheme, _)| {
            let mut head = head(&[], None);
            head.fields.push(b"authorization", &value);
            let attempt = now(&**scheme, &head, NOW);
            prop_assert!(!matches!(attempt, Attempt::Verified(_)));
            Ok(())
        })?;
    }

    #[test]
    fn claims_of_any_shape_never_panic(name in "(exp|nbf|iat|aud|iss|sub|jti|scope|realm_access|tenant)", value in any_json()) {
        SUBJECT.with(|(key, scheme, _)| {
            let mut claims = claims();
            claims[&name] = value;
            let _any = now(&**scheme, &bearer(&key.token(&claims)), NOW);
        });
    }
}

fn any_json() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        "\\PC{0,8}".prop_map(Value::from),
    ];
    leaf.prop_recursive(20, 40, 3, |inner| {
        prop_oneof![
            proptest::collection::vec(inner.clone(), 0..3).prop_map(Value::from),
            proptest::collection::vec(("[a-z]{1,3}", inner), 0..3)
                .prop_map(|pairs| Value::Object(pairs.into_iter().collect())),
        ]
    })
}

#[test]
fn a_signature_made_for_one_payload_fits_no_other() {
    let key = Key::rsa("k1");
    let scheme = worker(config(fixed(&[&key])));
    let (alice, root) =
        (key.token(&claims()), base64url(with(&claims(), &json!({ "sub": "root" })).to_string()));
    let parts: Vec<&str> = alice.split('.').collect();
    accepted(&*scheme, &alice);
    assert_eq!(
        refused(&*scheme, &format!("{}.{root}.{}", parts[0], parts[2])),
        "the signature does not verify"
    );
}

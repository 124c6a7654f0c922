//! How key sets stay current: against an issuer that rotates, stalls, lies and goes away. Time is paused; nothing here sleeps.

use crate::support::{
    Answer, FakeWeb, ISSUER, TokioClock, bearer, claims, config, invalid_token, jwks, page, soon,
    unavailable, verified, worker,
};
use haechi_authn::keys::{
    AddressFault, DEFAULT_MAX_AGE, Fetched, KeySource, Origin, Refresh, SourceFault, WebOrigin,
};
use haechi_authn::schemes::jwt::JwtAuthenticator;
use haechi_authn::{Authenticator, Readiness, Scheme};
use haechi_core::Clock;
use haechi_testkit::jose::Key;
use serde_json::{Value, json};
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;
use tokio::runtime::Handle;
use tokio::time::{Instant, advance, timeout};

const JWKS: &str = "https://sso.example.com/keys";
const DISCOVERY: &str = "https://sso.example.com/.well-known/openid-configuration";

struct Setting {
    web: Arc<FakeWeb>,
    clock: Arc<TokioClock>,
    source: Arc<KeySource>,
    scheme: Rc<dyn Scheme>,
}

impl Setting {
    fn jwks(web: FakeWeb) -> Self {
        Self::of(web, Origin::Jwks { url: JWKS.into() })
    }

    fn discovery(web: FakeWeb) -> Self {
        Self::of(web, Origin::Discovery { issuer: ISSUER.into(), trusted: vec![] })
    }

    fn of(web: FakeWeb, origin: Origin) -> Self {
        let (web, clock) = (Arc::new(web), Arc::new(TokioClock::new()));
        let plan = Refresh { origin, max_age: DEFAULT_MAX_AGE, allow_http: false };
        let source = KeySource::refreshed(ISSUER, plan, web.clone(), clock.clone(), &Handle::current());
        let source = Arc::new(source.unwrap());
        let scheme = worker(config(source.clone()));
        Self { web, clock, source, scheme }
    }

    async fn ask(&self, token: &str) -> haechi_authn::Attempt {
        soon(&*self.scheme, &bearer(token), self.clock.now()).await
    }

    /// Waits, in virtual time, until the web was asked this often.
    async fn until_asked(&self, times: usize) -> Instant {
        let asked = async {
            while self.web.asked().len() < times {
                tokio::time::sleep(Duration::from_millis(100)).await;
            }
        };
        timeout(Duration::from_secs(7200), asked).await.expect("asked in time");
        Instant::now()
    }
}

fn serving(keys: &[&Key]) -> FakeWeb {
    let web = FakeWeb::default();
    web.serve(JWKS, &jwks(keys));
    web
}

/// Expires late, because these tests take hours of virtual time.
fn long_token(key: &Key) -> String {
    let mut claims = claims();
    claims["exp"] = json!(4_000_000_000_u64);
    key.token(&claims)
}

#[tokio::test(start_paused = true)]
async fn an_unknown_kid_is_fetched_once_for_all_who_ask() {
    let (old, new) = (Key::ed25519("old"), Key::ed25519("new"));
    let setting = Setting::jwks(serving(&[&old]));
    setting.source.first_attempt().await;
    verified(setting.ask(&long_token(&old)).await);
    advance(Duration::from_secs(11)).await;

    setting.web.answer(JWKS, Answer::Slow(Duration::from_secs(2), page(&jwks(&[&old, &new]))));
    let token = long_token(&new);
    let asking = || setting.ask(&token);
    let (a, b, c) = tokio::join!(asking(), asking(), asking());
    for attempt in [a, b, c] {
        verified(attempt);
    }
    assert_eq!(setting.web.asked().len(), 2, "one at start, one for the three");
    verified(setting.ask(&long_token(&old)).await);
}

#[tokio::test(start_paused = true)]
async fn unknown_kids_cause_one_fetch_in_ten_seconds() {
    let (key, stranger) = (Key::ed25519("k"), Key::ed25519("x"));
    let setting = Setting::jwks(serving(&[&key]));
    setting.source.first_attempt().await;
    for _ in 0..20 {
        invalid_token(&setting.ask(&long_token(&stranger)).await);
        advance(Duration::from_millis(490)).await;
    }
    assert_eq!(setting.web.asked().len(), 1, "9.8 s after the first fetch");
    advance(Duration::from_millis(300)).await;
    for _ in 0..20 {
        invalid_token(&setting.ask(&long_token(&stranger)).await);
    }
    assert_eq!(setting.web.asked().len(), 2);
}

#[tokio::test(start_paused = true)]
async fn an_unknown_kid_while_the_issuer_is_down_is_not_known_to_be_wrong() {
    let (key, new) = (Key::ed25519("k"), Key::ed25519("new"));
    let setting = Setting::jwks(serving(&[&key]));
    setting.source.first_attempt().await;
    advance(Duration::from_secs(11)).await;
    setting.web.answer(JWKS, Answer::Down);
    let why = setting.ask(&long_token(&new)).await;
    assert!(unavailable(&why).contains("connection refused"), "{why:?}");
    unavailable(&setting.ask(&long_token(&new)).await);
    verified(setting.ask(&long_token(&key)).await);
}

#[tokio::test(start_paused = true)]
async fn a_kid_of_another_algorithm_causes_no_fetch() {
    let key = Key::ed25519("k");
    let setting = Setting::jwks(serving(&[&key]));
    setting.source.first_attempt().await;
    advance(Duration::from_secs(11)).await;
    invalid_token(&setting.ask(&Key::p256("k").token(&claims())).await);
    invalid_token(&setting.ask(&Key::ed25519("k").token(&claims())).await);
    assert_eq!(setting.web.asked().len(), 1);
}

#[tokio::test(start_paused = true)]
async fn nothing_but_a_good_set_replaces_a_good_one() {
    let (key, other) = (Key::ed25519("k"), Key::ed25519("k"));
    let setting = Setting::jwks(serving(&[&key]));
    setting.source.first_attempt().await;
    let good = page(&jwks(&[&key]));
    let bad = [
        page(&json!({ "keys": [] })),
        page(&json!({ "keys": [{ "kty": "LWE" }] })),
        page(&json!({ "keys": {} })),
        page(&json!({})),
        page(&json!({ "keys": [7, null, {}, []] })),
        page(&json!({ "keys": [{ "kty": "oct", "k": "c2VjcmV0IHNlY3JldCBzZWNyZXQgc2VjcmV0IHNlY3JldA" }] })),
        page(&json!({ "keys": [key.jwk(), other.jwk()] })),
        Fetched { body: good.body.repeat(2), ..good.clone() },
        Fetched { body: b"<html>".to_vec(), ..good.clone() },
        Fetched {
            body: String::from_utf8(good.body.clone()).unwrap().replace('{', "{\"keys\":[],").into(),
            ..good.clone()
        },
        Fetched { body: [good.body.clone(), vec![b' '; 512 * 1024]].concat(), ..good.clone() },
        Fetched { status: 500, ..good.clone() },
        Fetched { status: 204, ..good.clone() },
        Fetched { status: 302, ..good.clone() },
    ];
    let generation = setting.source.load().generation();
    for (index, page) in bad.into_iter().enumerate() {
        let before = setting.source.stats().failed;
        setting.web.answer(JWKS, Answer::Page(page));
        setting.until_asked(index + 2).await;
        tokio::time::sleep(Duration::from_millis(1)).await;
        assert_eq!(setting.source.stats().failed, before + 1, "{index}");
        verified(setting.ask(&long_token(&key)).await);
    }
    assert_eq!(setting.source.load().generation(), generation);
    let asked = setting.web.asked().len();
    setting.web.answer(JWKS, Answer::Page(good));
    setting.until_asked(asked + 1).await;
    tokio::time::sleep(Duration::from_millis(1)).await;
    let stats = setting.source.stats();
    assert_eq!(stats.fetched, 2);
    assert!(stats.age.is_some_and(|age| age < Duration::from_millis(200)), "{stats:?}");
    assert_eq!(setting.source.load().generation(), generation, "the same keys: nothing is forgotten");
}

/// A set as providers publish them at times: what cannot be used is skipped, and told.
#[tokio::test(start_paused = true)]
async fn an_entry_that_cannot_be_used_is_skipped_and_the_rest_is_used() {
    let (key, twin, last) = (Key::ed25519("k"), Key::p256("twin"), Key::rsa("last"));
    let repeated = json!({ "kty": "EC", "kid": "repeated", "alg": 1 }).to_string();
    let repeated = repeated.replace("\"alg\":1", "\"alg\":\"ES256\",\"alg\":\"ES384\"");
    for (entries, told) in [
        (json!([null]), "key 2 of the set is skipped: it is `null`"),
        (json!([7, [], "x", true]), "key 3 of the set is skipped: it is no object"),
        (json!([{ "kid": "x", "kty": "LWE" }]), "key `x` is skipped: key type `LWE` is not supported"),
        (json!([{ "kid": "x", "kty": "EC", "crv": "secp256k1" }]), "curve `secp256k1` is not supported"),
        (json!([{ "kid": "x\n", "kty": null }]), "key `x\\n` is skipped: `kty` is missing"),
        (json!([{ "kid": 7, "kty": "EC" }]), "`kid` is not text"),
        (json!([{ "kid": "x", "kty": "RSA", "n": "AQAB", "e": "AQAB" }]), "2048 to 8192 bits, not 17"),
        (json!([{ "kid": "x", "kty": "RSA", "x5c": ["AAAA"] }]), "malformed `x5c` key"),
        (json!([{ "kid": "x", "kty": "RSA", "use": "enc" }]), "`use` is not `sig`"),
        (json!([twin.jwk(), Key::p256("twin").jwk()]), "key `twin` is skipped: two different keys"),
        (json!([{ "raw": "REPEATED" }]), "a name stands twice"),
    ] {
        let mut set = jwks(&[&key]);
        let keys = set["keys"].as_array_mut().unwrap();
        keys.extend(entries.as_array().unwrap().iter().cloned());
        keys.push(last.jwk());
        let body = format!("\u{feff}{set}").replace("{\"raw\":\"REPEATED\"}", &repeated);
        let web = FakeWeb::default();
        web.answer(JWKS, Answer::Page(Fetched { body: body.into(), ..page(&json!({})) }));
        let setting = Setting::jwks(web);
        setting.source.first_attempt().await;
        verified(setting.ask(&long_token(&key)).await);
        verified(setting.ask(&long_token(&last)).await);
        invalid_token(&setting.ask(&long_token(&twin)).await);
        let authenticator = JwtAuthenticator::new(config(setting.source.clone())).unwrap();
        assert_eq!(authenticator.readiness(), Readiness::Ready);
        let notes = authenticator.notes().join("\n");
        assert!(notes.contains(told), "{entries}: {notes}");
        assert!(setting.source.stats().skipped > 0);
    }
    let setting = Setting::jwks(serving(&[&key]));
    setting.source.first_attempt().await;
    assert!(setting.source.skipped().is_empty());
}

#[tokio::test(start_paused = true)]
async fn of_a_huge_set_the_first_keys_are_used() {
    let (first, last) = (Key::ed25519("first"), Key::ed25519("last"));
    let many = (0..500).map(|index| {
        let mut jwk = Key::ed25519("k").jwk();
        jwk["kid"] = json!(format!("k{index}"));
        jwk
    });
    let all: Vec<Value> = [first.jwk()].into_iter().chain(many).chain([last.jwk()]).collect();
    let set = json!({ "keys": all });
    let web = FakeWeb::default();
    web.serve(JWKS, &set);
    let setting = Setting::jwks(web);
    setting.source.first_attempt().await;
    verified(setting.ask(&long_token(&first)).await);
    invalid_token(&setting.ask(&long_token(&last)).await);
    assert_eq!(setting.source.stats().skipped, 2);
}

/// Whoever reads the set can sign with it, however the key is listed.
#[tokio::test(start_paused = true)]
async fn a_key_whose_private_part_is_published_is_believed_no_more() {
    let (leaked, sound) = (Key::ed25519("leaked"), Key::p256("sound"));
    let private = |member: &str| {
        let mut jwk = leaked.jwk();
        jwk[member] = json!("AAAA");
        jwk
    };
    for member in ["d", "p", "q", "dp", "dq", "qi", "oth", "k"] {
        let setting = Setting::jwks(serving(&[&leaked]));
        setting.source.first_attempt().await;
        verified(setting.ask(&long_token(&leaked)).await);
        advance(Duration::from_secs(11)).await;
        let mut other_name = leaked.jwk();
        other_name["kid"] = json!("other");
        setting.web.serve(JWKS, &json!({ "keys": [other_name, private(member), sound.jwk()] }));
        verified(setting.ask(&long_token(&sound)).await);
        let attempt = setting.ask(&long_token(&leaked)).await;
        invalid_token(&attempt);
        let notes = setting.source.skipped().join("\n");
        assert!(notes.contains("key `leaked`") && notes.contains(&format!("(`{member}`)")), "{notes}");
    }
    // Nothing else is in the new set: it does not replace the old one, and what everybody knows leaves that as well.
    let setting = Setting::jwks(serving(&[&leaked, &sound]));
    setting.source.first_attempt().await;
    setting.web.serve(JWKS, &json!({ "keys": [private("d")] }));
    setting.until_asked(2).await;
    tokio::time::sleep(Duration::from_millis(1)).await;
    verified(setting.ask(&long_token(&sound)).await);
    assert!(!matches!(setting.ask(&long_token(&leaked)).await, haechi_authn::Attempt::Verified(_)));
    let setting = Setting::jwks(serving(&[&leaked]));
    setting.source.first_attempt().await;
    setting.web.serve(JWKS, &json!({ "keys": [private("d")] }));
    setting.until_asked(2).await;
    tokio::time::sleep(Duration::from_millis(1)).await;
    let attempt = setting.ask(&long_token(&leaked)).await;
    assert!(unavailable(&attempt).contains("private part"), "{attempt:?}");
}

/// What one person's key set lists without names, and what a token without one says, tells of no rotation.
#[tokio::test(start_paused = true)]
async fn a_token_without_a_kid_may_ask_once_in_ten_seconds() {
    let unnamed = |key: &Key| {
        let mut jwk = key.jwk();
        jwk.as_object_mut().unwrap().remove("kid");
        json!({ "keys": [jwk] })
    };
    let (old, new) = (Key::ed25519("old"), Key::ed25519("new"));
    let token = |key: &Key| {
        let mut claims = claims();
        claims["exp"] = json!(4_000_000_000_u64);
        key.sign(&json!({ "alg": "EdDSA" }), &claims)
    };
    let web = FakeWeb::default();
    web.serve(JWKS, &unnamed(&old));
    let setting = Setting::jwks(web);
    setting.source.first_attempt().await;
    verified(setting.ask(&token(&old)).await);
    setting.web.serve(JWKS, &unnamed(&new));
    assert_eq!(invalid_token(&setting.ask(&token(&new)).await), "the signature does not verify");
    advance(Duration::from_secs(11)).await;
    verified(setting.ask(&token(&new)).await);
    for _ in 0..20 {
        assert_eq!(invalid_token(&setting.ask(&token(&old)).await), "the signature does not verify");
    }
    assert_eq!(setting.web.asked().len(), 2);
}

#[tokio::test(start_paused = true)]
async fn a_file_with_nothing_but_secrets_replaces_nothing() {
    let key = Key::ed25519("k");
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("keys.json");
    std::fs::write(&path, jwks(&[&key]).to_string()).unwrap();
    let setting = Setting::of(FakeWeb::default(), Origin::JwksFile(path.clone()));
    let oct = json!({ "keys": [{ "kty": "oct", "k": "c2VjcmV0IHNlY3JldCBzZWNyZXQgc2VjcmV0IHNlY3JldA" }] });
    std::fs::write(&path, oct.to_string()).unwrap();
    tokio::time::sleep(Duration::from_secs(200)).await;
    assert!(setting.source.stats().failed > 0);
    verified(setting.ask(&long_token(&key)).await);
}

#[tokio::test(start_paused = true)]
async fn an_issuer_down_at_start_is_waited_for() {
    let key = Key::ed25519("k");
    let setting = Setting::jwks(FakeWeb::default());
    let authenticator = JwtAuthenticator::new(config(setting.source.clone())).unwrap();
    unavailable(&setting.ask(&long_token(&key)).await);
    setting.source.first_attempt().await;
    let why = setting.ask(&long_token(&key)).await;
    assert!(unavailable(&why).contains("connection refused"), "{why:?}");
    let Readiness::NotReady(reason) = authenticator.readiness() else { panic!("ready without keys") };
    assert!(reason.contains(ISSUER) && reason.contains("connection refused"), "{reason}");
    let mut foreign = claims();
    foreign["iss"] = json!("https://other.example.com");
    invalid_token(&setting.ask(&key.token(&foreign)).await);

    let mut last = Instant::now();
    for (retry, pause) in [1, 2, 4, 5, 5, 5].into_iter().enumerate() {
        let now = setting.until_asked(retry + 2).await;
        let waited = now - last;
        let expected = Duration::from_secs(pause);
        assert!(
            waited + Duration::from_millis(200) > expected && waited < expected + Duration::from_millis(200),
            "{waited:?}"
        );
        last = now;
    }
    setting.web.serve(JWKS, &jwks(&[&key]));
    let asked = setting.web.asked().len();
    setting.until_asked(asked + 1).await;
    tokio::time::sleep(Duration::from_millis(1)).await;
    verified(setting.ask(&long_token(&key)).await);
    assert_eq!(setting.source.readiness(), Ok(()));
}

#[tokio::test(start_paused = true)]
async fn the_last_good_set_serves_up_to_its_maximum_age() {
    let key = Key::ed25519("k");
    let setting = Setting::jwks(serving(&[&key]));
    setting.source.first_attempt().await;
    setting.web.answer(JWKS, Answer::Down);
    advance(DEFAULT_MAX_AGE - Duration::from_secs(1)).await;
    verified(setting.ask(&long_token(&key)).await);
    advance(Duration::from_secs(1)).await;
    let why = setting.ask(&long_token(&key)).await;
    assert!(unavailable(&why).contains("too old"), "{why:?}");
    setting.web.serve(JWKS, &jwks(&[&key]));
    tokio::time::sleep(Duration::from_secs(61)).await;
    verified(setting.ask(&long_token(&key)).await);
}

#[tokio::test(start_paused = true)]
async fn refreshing_follows_cache_control() {
    let key = Key::ed25519("k");
    for (cache_control, seconds) in [("max-age=300", 300), ("max-age=1", 60), ("max-age=86400", 3600)] {
        let web = FakeWeb::default();
        web.answer(
            JWKS,
            Answer::Page(Fetched { cache_control: Some(cache_control.into()), ..page(&jwks(&[&key])) }),
        );
        let setting = Setting::jwks(web);
        let first = setting.until_asked(1).await;
        let waited = setting.until_asked(2).await - first;
        assert!(waited.as_secs_f64().round() as u64 == seconds, "{cache_control}: {waited:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn an_issuer_that_never_answers_and_a_port_that_breaks_are_failed_attempts() {
    let key = Key::ed25519("k");
    let setting = Setting::jwks(serving(&[&key]));
    setting.source.first_attempt().await;
    advance(Duration::from_secs(11)).await;
    setting.web.answer(JWKS, Answer::Slow(Duration::from_secs(3600), page(&jwks(&[&key]))));
    let why = setting.ask(&long_token(&Key::ed25519("x"))).await;
    assert!(unavailable(&why).contains("no answer within"), "{why:?}");
    advance(Duration::from_secs(11)).await;
    setting.web.answer(JWKS, Answer::Panics);
    let why = setting.ask(&long_token(&Key::ed25519("x"))).await;
    assert!(unavailable(&why).contains("broke off"), "{why:?}");
    verified(setting.ask(&long_token(&key)).await);
}

#[tokio::test(start_paused = true)]
async fn a_source_that_is_gone_fetches_no_more() {
    let key = Key::ed25519("k");
    let Setting { web, source, scheme, .. } = Setting::jwks(serving(&[&key]));
    source.first_attempt().await;
    drop((source, scheme));
    tokio::time::sleep(Duration::from_secs(7200)).await;
    assert_eq!(web.asked().len(), 1);
}

#[tokio::test(start_paused = true)]
async fn discovery_leads_to_the_keys() {
    let key = Key::ed25519("k");
    let web = serving(&[&key]);
    web.serve(DISCOVERY, &json!({ "issuer": ISSUER, "jwks_uri": JWKS }));
    let setting = Setting::discovery(web);
    setting.source.first_attempt().await;
    verified(setting.ask(&long_token(&key)).await);
    assert_eq!(setting.web.asked(), [DISCOVERY, JWKS]);
}

#[tokio::test(start_paused = true)]
async fn discovery_contacts_nobody_who_is_not_configured() {
    let key = Key::ed25519("k");
    for (document, reason) in [
        (json!({ "issuer": "https://sso.example.com/", "jwks_uri": JWKS }), "another issuer"),
        (json!({ "issuer": "https://evil.example.com", "jwks_uri": JWKS }), "another issuer"),
        (json!({ "jwks_uri": JWKS }), "another issuer"),
        (json!({ "issuer": ISSUER }), "no `jwks_uri`"),
        (json!({ "issuer": ISSUER, "jwks_uri": "https://evil.example.com/keys" }), "another origin"),
        (json!({ "issuer": ISSUER, "jwks_uri": "https://sso.example.com:8443/keys" }), "another origin"),
        (
            json!({ "issuer": ISSUER, "jwks_uri": "https://sso.example.com@evil.example.com/keys" }),
            "plain https",
        ),
        (json!({ "issuer": ISSUER, "jwks_uri": "http://sso.example.com/keys" }), "plain http"),
        (json!({ "issuer": ISSUER, "jwks_uri": "http://127.0.0.1/keys" }), "another origin"),
        (json!({ "issuer": ISSUER, "jwks_uri": "file:///etc/passwd" }), "plain https"),
    ] {
        let web = serving(&[&key]);
        web.serve(DISCOVERY, &document);
        let setting = Setting::discovery(web);
        setting.source.first_attempt().await;
        let attempt = setting.ask(&long_token(&key)).await;
        assert!(unavailable(&attempt).contains(reason), "{document}: {attempt:?}");
        assert_eq!(setting.web.asked(), [DISCOVERY], "{document}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_trusted_origin_may_hold_the_keys() {
    let key = Key::ed25519("k");
    let web = FakeWeb::default();
    let elsewhere = "https://keys.example.net/jwks";
    web.serve(DISCOVERY, &json!({ "issuer": ISSUER, "jwks_uri": elsewhere }));
    web.serve(elsewhere, &jwks(&[&key]));
    let trusted = vec![WebOrigin::of("https://keys.example.net").unwrap()];
    let setting = Setting::of(web, Origin::Discovery { issuer: ISSUER.into(), trusted });
    setting.source.first_attempt().await;
    verified(setting.ask(&long_token(&key)).await);
}

#[tokio::test(start_paused = true)]
async fn a_file_is_read_at_once_and_again_when_it_changes() {
    let (old, new) = (Key::ed25519("old"), Key::ed25519("new"));
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("keys.json");
    std::fs::write(&path, jwks(&[&old]).to_string()).unwrap();
    let setting = Setting::of(FakeWeb::default(), Origin::JwksFile(path.clone()));
    verified(setting.ask(&long_token(&old)).await);
    std::fs::write(&path, jwks(&[&old, &new]).to_string()).unwrap();
    verified(setting.ask(&long_token(&new)).await);
    std::fs::remove_file(&path).unwrap();
    tokio::time::sleep(Duration::from_secs(600)).await;
    verified(setting.ask(&long_token(&new)).await);
}

#[tokio::test(start_paused = true)]
async fn what_can_be_known_at_start_is_an_error_at_start() {
    let make = |origin, allow_http| {
        let plan = Refresh { origin, max_age: DEFAULT_MAX_AGE, allow_http };
        let (web, clock) = (Arc::new(FakeWeb::default()), Arc::new(TokioClock::new()));
        KeySource::refreshed(ISSUER, plan, web, clock, &Handle::current()).map(drop)
    };
    let jwks = |url: &str| Origin::Jwks { url: url.into() };
    let plain = "http://sso.example.com/keys";
    assert_eq!(make(jwks(plain), false), Err(SourceFault::Address(AddressFault::Plain(plain.into()))));
    assert_eq!(make(jwks(plain), true), Ok(()));
    assert_eq!(make(jwks("http://127.0.0.1:1/keys"), false), Ok(()));
    let query = Origin::Discovery { issuer: "https://sso.example.com/?a".into(), trusted: vec![] };
    assert!(make(query, false).is_err());
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("key.pem");
    assert!(matches!(make(Origin::PemFile(path.clone()), false), Err(SourceFault::File(_))));
    std::fs::write(&path, Key::rsa("k").pkcs8_pem()).unwrap();
    let fault = make(Origin::PemFile(path), false).unwrap_err().to_string();
    assert!(fault.contains("private key"), "{fault}");
}

#[test]
fn a_worker_waits_on_its_own_runtime_for_the_control_runtime() {
    let (old, new) = (Key::ed25519("old"), Key::ed25519("new"));
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("keys.json");
    std::fs::write(&path, jwks(&[&old]).to_string()).unwrap();
    let control = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
    let plan =
        Refresh { origin: Origin::JwksFile(path.clone()), max_age: DEFAULT_MAX_AGE, allow_http: false };
    let clock = Arc::new(haechi_testkit::FixedClock::at(crate::support::NOW));
    let source =
        KeySource::refreshed(ISSUER, plan, Arc::new(FakeWeb::default()), clock, control.handle()).unwrap();
    let source = Arc::new(source);
    let scheme = worker(config(source.clone()));
    std::fs::write(&path, jwks(&[&old, &new]).to_string()).unwrap();

    let own = tokio::runtime::Builder::new_current_thread().build().unwrap();
    let token = bearer(&new.token(&claims()));
    verified(own.block_on(soon(&*scheme, &token, crate::support::NOW)));
    control.shutdown_background();
    let fresh = KeySource::refreshed(
        ISSUER,
        Refresh { origin: Origin::JwksFile(path), max_age: DEFAULT_MAX_AGE, allow_http: false },
        Arc::new(FakeWeb::default()),
        Arc::new(haechi_testkit::FixedClock::at(crate::support::NOW)),
        &ended_runtime(),
    );
    let scheme = worker(config(Arc::new(fresh.unwrap())));
    let stranger = bearer(&Key::ed25519("x").token(&claims()));
    let attempt = own.block_on(soon(&*scheme, &stranger, crate::support::NOW));
    assert!(unavailable(&attempt).contains("no longer refreshed"), "{attempt:?}");
}

/// A handle to a runtime that runs nothing any more.
fn ended_runtime() -> Handle {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).build().unwrap();
    runtime.handle().clone()
}

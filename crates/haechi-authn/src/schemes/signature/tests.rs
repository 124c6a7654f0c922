//! The vectors of RFC 9421, appendix B, and each check by itself.

use super::structured::{byte_sequences, signature_inputs};
use super::{
    SignatureAuthenticator, SignatureConfig, SignatureKey, check_digest, components, public_key,
    shared_secret,
};
use crate::jose::Algorithm;
use crate::possession::ReplayMemory;
use crate::scheme::BodyRule;
use crate::test_support::{ask, clock, refusal, verified};
use crate::{Authenticator, Fault, Scheme};
use aws_lc_rs::hmac;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use haechi_core::caller::{Claimed, Vouched};
use haechi_core::id::RequestId;
use haechi_core::{
    Caller, CallerKind, CanonicalPath, ConnectionFacts, Fields, Host, RequestHead, RoleTable, Timestamp,
};
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

/// RFC 9421 B.1.2.
const RSA_PSS: &str = "-----BEGIN PUBLIC KEY-----
MIIBIjANBgkqhkiG9w0BAQEFAAOCAQ8AMIIBCgKCAQEAr4tmm3r20Wd/PbqvP1s2
+QEtvpuRaV8Yq40gjUR8y2Rjxa6dpG2GXHbPfvMs8ct+Lh1GH45x28Rw3Ry53mm+
oAXjyQ86OnDkZ5N8lYbggD4O3w6M6pAvLkhk95AndTrifbIFPNU8PPMO7OyrFAHq
gDsznjPFmTOtCEcN2Z1FpWgchwuYLPL+Wokqltd11nqqzi+bJ9cvSKADYdUAAN5W
Utzdpiy6LbTgSxP7ociU4Tn0g5I6aDZJ7A8Lzo0KSyZYoA485mqcO0GVAdVw9lq4
aOT9v6d+nb4bnNkQVklLQ3fVAvJm+xdDOp9LCNCN48V2pnDOkFV6+U9nV5oyc6XI
2wIDAQAB
-----END PUBLIC KEY-----";
/// RFC 9421 B.1.4.
const ED25519: &str = "-----BEGIN PUBLIC KEY-----
MCowBQYDK2VwAyEAJrQLj5P/89iXES9+vFgrIy29clF9CC/oPPsw3c5D0bs=
-----END PUBLIC KEY-----";
/// RFC 9421 B.1.5.
const SHARED: &str =
    "uzvJfB4u3N0Jy4T7NZ75MDVcr8zSTInedJtkgcu46YW4XByzNJjxBdtjUkdJPBtbmHhIDi6pcl8jsasjlTMtDQ==";
const DIGEST: &str =
    "sha-512=:WZDPaVn/7XgHaAy8pmojAkGWoRx2UFChF41A2svX+TaPm+AbwAgBWnrIiYllu7BNNyealdVLvRwEmTHWXvJwew==:";
const BODY: &[u8] = b"{\"hello\": \"world\"}";

/// `test-request` of RFC 9421 B.2, with more fields.
fn request(more: &[(&str, &str)]) -> RequestHead {
    let mut fields = Fields::default();
    let own = [
        ("host", "example.com"),
        ("date", "Tue, 20 Apr 2021 02:07:55 GMT"),
        ("content-type", "application/json"),
        ("content-digest", DIGEST),
        ("content-length", "18"),
    ];
    for (name, value) in own.iter().chain(more) {
        fields.push(name.as_bytes(), value.as_bytes());
    }
    RequestHead::new(
        RequestId::from_bits(1),
        Timestamp::from_millis(0),
        ConnectionFacts::plain(([192, 0, 2, 7], 4711).into()),
        http::Method::POST,
        Host::parse(b"example.com").unwrap(),
        CanonicalPath::parse(b"/foo").unwrap(),
    )
    .with_query(Some("param=Value&Pet=dog".into()))
    .with_fields(fields)
}

#[test]
fn the_vectors_of_the_standard() {
    let secret = STANDARD.decode(SHARED).unwrap();
    for (key, input, signature) in [
        (
            public_key(RSA_PSS, Algorithm::Ps512).unwrap(),
            r#"sig-b21=();created=1618884473;keyid="test-key-rsa-pss";nonce="b3k2pp5k7z-50gnwp.yemd""#,
            "sig-b21=:d2pmTvmbncD3xQm8E9ZV2828BjQWGgiwAaw5bAkgibUopemLJcWDy/lkbbHAve4cRAtx31Iq786U7it++wgGxbtRxf8Udx7zFZsckzXaJMkA7ChG52eSkFxykJeNqsrWH5S+oxNFlD4dzVuwe8DhTSja8xxbR/Z2cOGdCbzR72rgFWhzx2VjBqJzsPLMIQKhO4DGezXehhWwE56YCE+O6c0mKZsfxVrogUvA4HELjVKWmAvtl6UnCh8jYzuVG5WSb/QEVPnP5TmcAnLH1g+s++v6d4s8m0gCw1fV5/SITLq9mhho8K3+7EPYTU8IU1bLhdxO5Nyt8C8ssinQ98Xw9Q==:",
        ),
        (
            public_key(RSA_PSS, Algorithm::Ps512).unwrap(),
            r#"sig-b22=("@authority" "content-digest" "@query-param";name="Pet");created=1618884473;keyid="test-key-rsa-pss";tag="header-example""#,
            "sig-b22=:LjbtqUbfmvjj5C5kr1Ugj4PmLYvx9wVjZvD9GsTT4F7GrcQEdJzgI9qHxICagShLRiLMlAJjtq6N4CDfKtjvuJyE5qH7KT8UCMkSowOB4+ECxCmT8rtAmj/0PIXxi0A0nxKyB09RNrCQibbUjsLS/2YyFYXEu4TRJQzRw1rLEuEfY17SARYhpTlaqwZVtR8NV7+4UKkjqpcAoFqWFQh62s7Cl+H2fjBSpqfZUJcsIk4N6wiKYd4je2U/lankenQ99PZfB4jY3I5rSV2DSBVkSFsURIjYErOs0tFTQosMTAoxk//0RoKUqiYY8Bh0aaUEb0rQl3/XaVe4bXTugEjHSw==:",
        ),
        (
            shared_secret(&secret, Algorithm::Hs256).unwrap(),
            r#"sig-b25=("date" "@authority" "content-type");created=1618884473;keyid="test-shared-secret""#,
            "sig-b25=:pxcQw6G3AjtMBQjwo8XzkZf/bws5LelbaMk5rGIGtE8=:",
        ),
        (
            public_key(ED25519, Algorithm::EdDsa).unwrap(),
            r#"sig-b26=("date" "@method" "@path" "@authority" "content-type" "content-length");created=1618884473;keyid="test-key-ed25519""#,
            "sig-b26=:wqcAqbmYJ2ji2glfAMaRy4gruYYnx2nEFN2HN6jrnDnQCK1u02Gb04v9EDgwUPiu4A0w6vuQv5lIp5WPpBKRCw==:",
        ),
    ] {
        let inputs = signature_inputs(input).unwrap();
        let (_, signature) = byte_sequences(signature).unwrap().remove(0);
        let base = components::base(&inputs[0].1, &request(&[])).unwrap();
        assert!(key.verifies(&base, &signature), "{}", String::from_utf8_lossy(&base));
        let changed = [&base[..], b" "].concat();
        assert!(!key.verifies(&changed, &signature), "{input}");
    }
    assert_eq!(check_digest(&request(&[]), BODY), Ok(()));
    assert!(check_digest(&request(&[]), b"{\"hello\": \"World\"}").is_err());
}

/// RFC 9421 2.2.
#[test]
fn derived_components_are_those_of_the_request_that_is_routed() {
    for (component, value) in [
        ("\"@method\"", "POST"),
        ("\"@scheme\"", "http"),
        ("\"@authority\"", "example.com"),
        ("\"@path\"", "/foo"),
        ("\"@query\"", "?param=Value&Pet=dog"),
        ("\"@request-target\"", "/foo?param=Value&Pet=dog"),
        ("\"@target-uri\"", "http://example.com/foo?param=Value&Pet=dog"),
        ("\"@query-param\";name=\"param\"", "Value"),
        ("\"x\"", "1, 2"),
    ] {
        let inputs = signature_inputs(&format!("a=({component})")).unwrap();
        let base = components::base(&inputs[0].1, &request(&[("X", " 1"), ("x", "2 ")])).unwrap();
        let expected = format!("{component}: {value}\n\"@signature-params\": ({component})");
        assert_eq!(String::from_utf8(base).unwrap(), expected);
    }
    for component in
        ["\"@status\"", "\"absent\"", "\"X\"", "\"@query-param\";name=\"absent\"", "\"cookie\"", "\"raw\""]
    {
        let inputs = signature_inputs(&format!("a=({component})")).unwrap();
        let head = request(&[("cookie", "a=1"), ("cookie", "b=2"), ("raw", "\u{e9}")]);
        assert!(components::base(&inputs[0].1, &head).is_err(), "{component}");
    }
}

const SECRET: &[u8] = b"0123456789abcdef0123456789abcdef";
const NOW: i64 = 1_800_000_000;
const USUAL: &str = r#"("@method" "@authority" "@path" "@query" "content-digest")"#;

struct World {
    scheme: Rc<dyn Scheme>,
}

impl World {
    fn new() -> Self {
        Self::with(|_| ())
    }

    fn with(change: impl FnOnce(&mut SignatureConfig)) -> Self {
        let claimed = Claimed { subject: "acme".into(), issuer: "partners".into(), ..Claimed::default() };
        let roles = RoleTable::default();
        let caller = Caller::new(CallerKind::User, &"partners".into(), Vouched::ByOther, &roles, claimed);
        let key = |secret: &[u8]| SignatureKey {
            key: shared_secret(secret, Algorithm::Hs256).unwrap(),
            caller: Arc::new(caller.clone()),
        };
        let mut config = SignatureConfig {
            name: "partners".into(),
            keys: [("k".into(), key(SECRET)), ("other".into(), key(&[7; 32]))].into(),
            components: ["@method", "@authority", "@path", "@query"].map(Into::into).to_vec(),
            max_age: Duration::from_secs(60),
            leeway: Duration::from_secs(5),
            nonce_required: true,
            tag: None,
            body: Some(1024),
            replays: Arc::new(ReplayMemory::new(None, clock())),
        };
        change(&mut config);
        Self { scheme: SignatureAuthenticator::new(config).for_worker() }
    }

    async fn ask(&self, head: &RequestHead) -> crate::Attempt {
        ask(&*self.scheme, head, Timestamp::from_seconds(NOW)).await
    }

    async fn refuses(&self, what: &str, head: &RequestHead, because: &str) {
        let (fault, why) = refusal(self.ask(head).await);
        assert!(why.contains(because), "{what}: {why}");
        assert!(matches!(fault, Fault::InvalidCredentials | Fault::InvalidRequest), "{what}");
    }
}

/// A request that is signed with [`SECRET`].
fn signed(input: &str) -> RequestHead {
    let base =
        components::base(&signature_inputs(&format!("s={input}")).unwrap()[0].1, &request(&[])).unwrap();
    let tag = hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, SECRET), &base);
    request(&[
        ("signature-input", &format!("s={input}")),
        ("signature", &format!("s=:{}:", STANDARD.encode(tag))),
    ])
}

fn usual(more: &str) -> String {
    format!("{USUAL};created={NOW};keyid=\"k\"{more}")
}

#[tokio::test]
async fn a_signature_is_good_once() {
    let world = World::new();
    let head = signed(&usual(";nonce=\"1\""));
    assert_eq!(&*verified(world.ask(&head).await).subject, "acme");
    world.refuses("again", &head, "was used before").await;
    let again = signed(&usual(";nonce=\"1\";x=1"));
    world.refuses("another signature with its nonce", &again, "was used before").await;
    verified(world.ask(&signed(&usual(";nonce=\"2\";alg=\"hmac-sha256\""))).await);
    verified(world.ask(&head.judged_again(Timestamp::from_seconds(NOW + 600))).await);
    assert!(matches!(world.ask(&request(&[])).await, crate::Attempt::Absent));
    let without = World::with(|config| config.nonce_required = false);
    let head = signed(&usual(""));
    verified(without.ask(&head).await);
    verified(without.ask(&head).await);
}

#[tokio::test]
async fn each_check_refuses_by_itself() {
    let world = World::new();
    let created = |at: i64| format!("{USUAL};created={at};keyid=\"k\";nonce=\"t\"");
    for (what, input, because) in [
        ("no nonce", usual(""), "no `nonce`"),
        ("another algorithm", usual(";nonce=\"1\";alg=\"ed25519\""), "another algorithm"),
        ("too old", created(NOW - 66), "too old"),
        ("of the future", created(NOW + 6), "of the future"),
        ("never made", format!("{USUAL};keyid=\"k\";nonce=\"1\""), "does not say when"),
        ("expired", usual(&format!(";nonce=\"1\";expires={}", NOW - 5)), "has expired"),
        ("unknown key", format!("{USUAL};created={NOW};keyid=\"x\";nonce=\"1\""), "no signature is by a key"),
        ("no key", format!("{USUAL};created={NOW};nonce=\"1\""), "no signature is by a key"),
        ("another's key", format!("{USUAL};created={NOW};keyid=\"other\";nonce=\"1\""), "does not verify"),
        (
            "too little",
            format!("(\"@method\" \"@path\" \"@authority\");created={NOW};keyid=\"k\";nonce=\"1\""),
            "does not cover `@query`",
        ),
    ] {
        world.refuses(what, &signed(&input), because).await;
    }
    for (at, holds) in [(NOW - 65, true), (NOW + 5, true)] {
        assert_eq!(
            matches!(
                world.ask(&signed(&format!("{USUAL};created={at};keyid=\"k\";nonce=\"at {at}\""))).await,
                crate::Attempt::Verified(_)
            ),
            holds
        );
    }
    let whole = signed(&format!(
        "(\"@method\" \"@target-uri\" \"content-digest\");created={NOW};keyid=\"k\";nonce=\"w\""
    ));
    verified(world.ask(&whole).await);
    let tagged = World::with(|config| config.tag = Some("orders".into()));
    tagged.refuses("no tag", &signed(&usual(";nonce=\"1\"")), "another use").await;
    verified(tagged.ask(&signed(&usual(";nonce=\"1\";tag=\"orders\""))).await);
}

#[tokio::test]
async fn what_is_not_one_signature_of_ours_is_none() {
    let world = World::new();
    let good = usual(";nonce=\"1\"");
    let head = signed(&good);
    let signature = |name: &str| {
        let value = head.fields.sole_named(name.as_bytes()).unwrap().unwrap();
        String::from_utf8(value.to_vec()).unwrap()
    };
    let (input, value) = (signature("signature-input"), signature("signature"));
    let with = |input: &str, value: &str| request(&[("signature-input", input), ("signature", value)]);
    world.refuses("no signature", &request(&[("signature-input", &input)]), "come together").await;
    world.refuses("no input", &request(&[("signature", &value)]), "come together").await;
    world.refuses("another label", &with(&input, &value.replace("s=", "t=")), "lacks").await;
    world.refuses("two of ours", &with(&format!("{input}, t={good}"), &value), "two signatures").await;
    world.refuses("twice", &with(&format!("{input}, {input}"), &value), "cannot be read").await;
    world.refuses("garbled", &with("s=(", &value), "cannot be read").await;
    world.refuses("long", &with(&format!("{input};x=\"{}\"", "y".repeat(9000)), &value), "too long").await;
    // A proxy on the way has added its own.
    let proxy = "proxy=(\"@path\" \"@status\";req \"date\";sf);keyid=\"p\"";
    let among = with(&format!("{proxy}, {input}"), &format!("proxy=:YQ==:, {value}"));
    verified(world.ask(&among).await);
    // What it may sign, ours may not: nothing here says what that would be.
    for foreign in ["\"content-digest\";sf", "\"content-digest\";key=\"sha-256\"", "\"@path\";req"] {
        let ours = format!("(\"@method\" \"@target-uri\" {foreign});created={NOW};keyid=\"k\";nonce=\"f\"");
        let ours = with(&format!("s={ours}"), &value);
        world.refuses(foreign, &ours, "not known here").await;
    }
}

#[test]
fn a_body_is_what_was_signed_or_none() {
    let world = World::new();
    assert_eq!(world.scheme.body(&signed(&usual(";nonce=\"1\""))), BodyRule::Digest { most: 1024 });
    let bare =
        format!("(\"@method\" \"@authority\" \"@path\" \"@query\");created={NOW};keyid=\"k\";nonce=\"1\"");
    assert_eq!(world.scheme.body(&signed(&bare)), BodyRule::None);
    let unchecked = World::with(|config| config.body = None);
    assert_eq!(unchecked.scheme.body(&signed(&bare)), BodyRule::Any);
    for digest in ["md5=:YQ==:", "", "sha-256=:YQ==:", "sha-512=:YQ==:, sha-256=:YQ==:"] {
        let mut head = request(&[]);
        head.fields.retain(|field| field.name != b"content-digest");
        head.fields.push(b"content-digest", digest.as_bytes());
        assert!(check_digest(&head, BODY).is_err(), "{digest}");
    }
}

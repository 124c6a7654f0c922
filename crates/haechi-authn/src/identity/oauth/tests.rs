use super::{OAuthRequest, TokenGrant};
use crate::identity::form::Form;
use crate::identity::limits::IdentityLimit;
use crate::identity::oauth_error::{OAuthError, OAuthErrorKind as Kind};
use crate::identity::passwords::tests::{PASSWORD, World};
use crate::identity::provider::tests::{CLIENT, ISSUER, login, provider};
use crate::identity::{ClientAccounts, ClientSpec, Provider, payload};
use crate::jose::{Signer, SigningAlgorithm, public_jwks};
use crate::test_support::{learn, revoked};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use haechi_core::ports::{Change, ClientRecord, Revoked};
use haechi_core::{Clock, RoleTable, Secret};
use haechi_testkit::Fault;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

const ASSERTION_TYPE: &str = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer";

fn accounts(world: &World) -> ClientAccounts {
    ClientAccounts {
        clients: world.store.clone(),
        clock: world.clock.clone(),
        roles: Arc::new(RoleTable::new(&BTreeMap::from([("USER".to_owned(), vec![])])).unwrap()),
        declared: Arc::default(),
        longest_lifetime: Duration::from_secs(86_400),
    }
}

fn spec(name: &str) -> ClientSpec {
    ClientSpec {
        name: name.into(),
        roles: vec!["USER".into()],
        scopes: vec!["orders:read".into(), "orders:write".into()],
        audiences: vec!["https://orders.example.com".into()],
        ..ClientSpec::default()
    }
}

/// A client, and its secret.
async fn with_secret(world: &World, spec: ClientSpec) -> (ClientRecord, String) {
    let (client, secret) = accounts(world).add(spec).await.unwrap();
    (client, secret.unwrap().expose().clone())
}

fn encoded(pairs: &[(&str, &str)]) -> Form {
    let escape = |text: &str| text.bytes().map(|byte| format!("%{byte:02x}")).collect::<String>();
    let pairs: Vec<String> = pairs.iter().map(|(name, value)| format!("{name}={}", escape(value))).collect();
    Form::parse(pairs.join("&").as_bytes()).unwrap()
}

fn open(pairs: &[(&str, &str)]) -> OAuthRequest {
    OAuthRequest { authorization: None, form: encoded(pairs), from: CLIENT }
}

fn basic(id: &str, secret: &str, pairs: &[(&str, &str)]) -> OAuthRequest {
    let field = format!("Basic {}", STANDARD.encode(format!("{id}:{secret}")));
    OAuthRequest { authorization: Some(Secret::new(field.into_bytes())), form: encoded(pairs), from: CLIENT }
}

const GRANT: (&str, &str) = ("grant_type", "client_credentials");

fn claims(grant: &TokenGrant) -> Value {
    payload(grant.access_token.expose()).unwrap().into()
}

fn kind<T: std::fmt::Debug>(answer: Result<T, OAuthError>) -> Kind {
    answer.unwrap_err().kind
}

#[tokio::test]
async fn a_client_gets_a_token_for_itself_by_its_secret() {
    let world = World::new().await;
    let provider = provider(&world).await;
    let (client, secret) =
        with_secret(&world, ClientSpec { token_lifetime: Some(Duration::from_secs(90)), ..spec("orders") })
            .await;
    let post = open(&[GRANT, ("client_id", &client.id), ("client_secret", &secret)]);
    for request in [
        basic(&client.id, &secret, &[GRANT]),
        basic(&client.id, &secret, &[GRANT, ("client_id", &client.id)]),
        post,
    ] {
        let grant = provider.token(request).await.unwrap();
        assert_eq!((grant.expires_in.as_secs(), &*grant.scope), (90, "orders:read orders:write"));
        assert!(grant.refresh_token.is_none());
        let said = claims(&grant);
        let now = world.clock.now().as_seconds();
        for (claim, value) in [
            ("iss", json!(ISSUER)),
            ("aud", json!(ISSUER)),
            ("sub", json!(client.id)),
            ("client_id", json!(client.id)),
            ("roles", json!(["USER"])),
            ("scope", json!("orders:read orders:write")),
            ("iat", json!(now)),
            ("exp", json!(now + 90)),
        ] {
            assert_eq!(said[claim], value, "{claim}");
        }
        assert!(said.get("sid").is_none());
    }
}

#[tokio::test]
async fn who_does_not_prove_it_gets_one_answer() {
    let world = World::new().await;
    let provider = provider(&world).await;
    let (client, secret) = with_secret(&world, spec("orders")).await;
    let (_, other) = with_secret(&world, spec("billing")).await;
    let unknown = "0".repeat(32);
    let refused = [
        open(&[GRANT]),
        open(&[GRANT, ("client_id", &client.id)]),
        basic(&client.id, &other, &[GRANT]),
        basic(&client.id, "secret", &[GRANT]),
        basic(&unknown, &secret, &[GRANT]),
        basic("orders", &secret, &[GRANT]),
        OAuthRequest {
            authorization: Some(Secret::new(b"Bearer x".to_vec())),
            form: encoded(&[GRANT]),
            from: CLIENT,
        },
        OAuthRequest {
            authorization: Some(Secret::new(b"Basic !".to_vec())),
            form: encoded(&[GRANT]),
            from: CLIENT,
        },
    ];
    for request in refused {
        let shown = format!("{request:?}");
        let error = provider.token(request).await.unwrap_err();
        assert_eq!(
            (error.kind, error.told),
            (Kind::InvalidClient, "the client did not prove who it is"),
            "{shown}"
        );
        assert!(!error.to_string().contains(&secret), "{error}");
    }
    let both = basic(&client.id, &secret, &[GRANT, ("client_secret", &secret), ("client_id", &client.id)]);
    assert_eq!(kind(provider.token(both).await), Kind::InvalidRequest);
    let two = basic(&client.id, &secret, &[GRANT, ("client_id", &unknown)]);
    assert_eq!(kind(provider.token(two).await), Kind::InvalidRequest);
    world.store.set_fault(Fault::Fails);
    assert_eq!(kind(provider.token(basic(&client.id, &secret, &[GRANT])).await), Kind::Unavailable);
}

#[tokio::test]
async fn scopes_and_resources_stay_within_what_was_granted() {
    let world = World::new().await;
    let provider = provider(&world).await;
    let (client, secret) = with_secret(&world, spec("orders")).await;
    let ask = |more: &[(&'static str, &'static str)]| {
        let pairs: Vec<_> = [GRANT].into_iter().chain(more.iter().copied()).collect();
        provider.token(basic(&client.id, &secret, &pairs))
    };
    assert_eq!(ask(&[("scope", "orders:read orders:read")]).await.unwrap().scope, "orders:read");
    for beyond in ["orders:delete", "orders:read orders:delete", "orders", "ORDERS:READ"] {
        assert_eq!(kind(ask(&[("scope", beyond)]).await), Kind::InvalidScope, "{beyond}");
    }
    let theirs = "https://orders.example.com";
    assert_eq!(claims(&ask(&[("resource", theirs)]).await.unwrap())["aud"], theirs);
    let both = ask(&[("resource", theirs), ("resource", ISSUER), ("resource", theirs)]).await.unwrap();
    assert_eq!(claims(&both)["aud"], json!([theirs, ISSUER]));
    for beyond in ["https://orders.example.com/", "https://other", "urn:haechi:admin"] {
        assert_eq!(
            kind(ask(&[("resource", theirs), ("resource", beyond)]).await),
            Kind::InvalidTarget,
            "{beyond}"
        );
    }
    for (grant, why) in [
        ("password", Kind::UnsupportedGrantType),
        ("", Kind::InvalidRequest),
        ("refresh_token", Kind::InvalidRequest),
    ] {
        let request = basic(&client.id, &secret, &[("grant_type", grant)]);
        assert_eq!(kind(provider.token(request).await), why, "{grant}");
    }
}

#[tokio::test]
async fn a_rotated_secret_lives_for_its_overlap() {
    let world = World::new().await;
    let provider = provider(&world).await;
    let (client, first) = with_secret(&world, spec("orders")).await;
    let holds = async |secret: &str| provider.token(basic(&client.id, secret, &[GRANT])).await.is_ok();
    let rotate = async |overlap: u64| {
        let (_, secret) = accounts(&world).rotate(&client.id, Duration::from_secs(overlap)).await.unwrap();
        secret.unwrap().expose().clone()
    };
    let second = rotate(60).await;
    assert!(holds(&first).await && holds(&second).await);
    world.clock.advance(Duration::from_secs(59));
    assert!(holds(&first).await);
    world.clock.advance(Duration::from_secs(1));
    assert!(!holds(&first).await && holds(&second).await);
    let third = rotate(60).await;
    let fourth = rotate(60).await;
    assert!(!holds(&second).await && holds(&third).await && holds(&fourth).await, "two at most");
    let fifth = rotate(0).await;
    assert!(!holds(&fourth).await && holds(&fifth).await);
}

/// A client with a key, and what signs as it.
struct Keyed {
    client: ClientRecord,
    signer: Signer,
}

impl Keyed {
    async fn new(world: &World, algorithm: SigningAlgorithm) -> Self {
        let signer = signer(algorithm);
        let keys = Some(public_jwks([&signer]).to_string());
        let (client, secret) =
            accounts(world).add(ClientSpec { public_keys: keys, ..spec("keyed") }).await.unwrap();
        assert!(secret.is_none());
        Self { client, signer }
    }

    fn claims(&self, world: &World, jti: &str) -> Value {
        let now = world.clock.now().as_seconds();
        json!({ "iss": self.client.id, "sub": self.client.id, "aud": ISSUER, "iat": now, "exp": now + 60, "jti": jti })
    }

    async fn present(
        &self,
        provider: &Provider,
        typ: &str,
        claims: &Value,
    ) -> Result<TokenGrant, OAuthError> {
        present(provider, &self.signer.sign(typ, claims).unwrap()).await
    }
}

async fn present(provider: &Provider, assertion: &str) -> Result<TokenGrant, OAuthError> {
    let form = [GRANT, ("client_assertion_type", ASSERTION_TYPE), ("client_assertion", assertion)];
    provider.token(open(&form)).await
}

fn signer(algorithm: SigningAlgorithm) -> Signer {
    Signer::from_pkcs8(algorithm, None, Signer::generate(algorithm).unwrap().expose()).unwrap()
}

#[tokio::test]
async fn an_assertion_proves_a_client_once() {
    for algorithm in SigningAlgorithm::ALL {
        let world = World::new().await;
        let provider = provider(&world).await;
        let keyed = Keyed::new(&world, algorithm).await;
        let grant = keyed.present(&provider, "JWT", &keyed.claims(&world, "one")).await.unwrap();
        assert_eq!(claims(&grant)["client_id"], json!(keyed.client.id));
        let again = keyed.present(&provider, "JWT", &keyed.claims(&world, "one")).await.unwrap_err();
        assert!(again.kind == Kind::InvalidClient && again.to_string().contains("used before"), "{again}");
        for audience in [json!("http://localhost:8080/auth/token"), json!([ISSUER, "https://other"])] {
            let mut said = keyed.claims(&world, &audience.to_string());
            said["aud"] = audience;
            keyed.present(&provider, "client-authentication+jwt", &said).await.unwrap();
        }
        // It is remembered for as long as it could be presented.
        world.clock.advance(Duration::from_secs(80));
        let mut late = keyed.claims(&world, "one");
        late["exp"] = json!(world.clock.now().as_seconds() - 20);
        assert_eq!(kind(keyed.present(&provider, "JWT", &late).await), Kind::InvalidClient);
    }
}

#[tokio::test]
async fn an_assertion_that_does_not_hold_is_refused() {
    let world = World::new().await;
    let provider = provider(&world).await;
    let keyed = Keyed::new(&world, SigningAlgorithm::Es256).await;
    let now = world.clock.now().as_seconds();
    let changes: [(&str, Value); 12] = [
        ("iss", json!("another")),
        ("sub", json!("0".repeat(32))),
        ("sub", Value::Null),
        ("aud", json!("https://other")),
        ("aud", Value::Null),
        ("exp", json!(now - 60)),
        ("exp", json!(now + 7200)),
        ("exp", Value::Null),
        ("nbf", json!(now + 600)),
        ("jti", Value::Null),
        ("jti", json!("")),
        ("jti", json!("x".repeat(600))),
    ];
    for (n, (claim, value)) in changes.into_iter().enumerate() {
        let mut said = keyed.claims(&world, &format!("j{n}"));
        said[claim] = value.clone();
        if value.is_null() {
            said.as_object_mut().unwrap().remove(claim);
        }
        assert_eq!(
            kind(keyed.present(&provider, "JWT", &said).await),
            Kind::InvalidClient,
            "{claim} {value}"
        );
    }
    let said = keyed.claims(&world, "typ");
    assert_eq!(kind(keyed.present(&provider, "at+jwt", &said).await), Kind::InvalidClient);
    let forged = signer(SigningAlgorithm::Es256).sign("JWT", &keyed.claims(&world, "forged")).unwrap();
    assert_eq!(kind(present(&provider, &forged).await), Kind::InvalidClient);
    for nonsense in ["x", "a.b.c", ""] {
        let refused = kind(present(&provider, nonsense).await);
        assert!(matches!(refused, Kind::InvalidClient | Kind::InvalidRequest), "{nonsense}");
    }
    // A secret does not do for a client with a key, nor an assertion for one with a secret.
    let (secretive, secret) = with_secret(&world, spec("secretive")).await;
    let as_keyed = basic(&keyed.client.id, &secret, &[GRANT]);
    assert_eq!(kind(provider.token(as_keyed).await), Kind::InvalidClient);
    let mut said = keyed.claims(&world, "other");
    (said["iss"], said["sub"]) = (json!(secretive.id), json!(secretive.id));
    assert_eq!(kind(keyed.present(&provider, "JWT", &said).await), Kind::InvalidClient);
}

#[tokio::test]
async fn a_refresh_is_a_grant_too() {
    let world = World::new().await;
    let provider = provider(&world).await;
    let pair = login(&provider, "mina", PASSWORD).await.unwrap();
    let (client, secret) = with_secret(&world, spec("orders")).await;
    let refresh = |token: &Secret<String>| {
        [("grant_type", "refresh_token".to_owned()), ("refresh_token", token.expose().clone())]
    };
    let pairs = refresh(&pair.refresh_token);
    let pairs: Vec<(&str, &str)> = pairs.iter().map(|(name, value)| (*name, value.as_str())).collect();
    assert_eq!(kind(provider.token(basic(&client.id, &secret, &pairs)).await), Kind::InvalidGrant);
    let scoped: Vec<_> = pairs.iter().copied().chain([("scope", "a")]).collect();
    assert_eq!(kind(provider.token(open(&scoped)).await), Kind::InvalidScope);
    let grant = provider.token(open(&pairs)).await.unwrap();
    assert!(grant.refresh_token.is_some_and(|next| next != pair.refresh_token));
    assert_eq!(kind(provider.token(open(&pairs)).await), Kind::InvalidGrant, "a replay");
}

#[tokio::test]
async fn whoever_a_token_was_given_to_revokes_it() {
    let world = World::new().await;
    let provider = provider(&world).await;
    let (client, secret) = with_secret(&world, spec("orders")).await;
    let (other, others) = with_secret(&world, spec("billing")).await;
    let grant = provider.token(basic(&client.id, &secret, &[GRANT])).await.unwrap();
    let token = [("token", grant.access_token.expose().as_str())];
    assert_eq!(kind(provider.revoke(open(&token)).await), Kind::InvalidClient);
    assert_eq!(kind(provider.revoke(basic(&other.id, &others, &token)).await), Kind::UnauthorizedClient);
    assert_eq!(kind(provider.revoke(open(&[])).await), Kind::InvalidRequest);
    assert_eq!(revoked(&world.store).await, []);
    provider.revoke(basic(&client.id, &secret, &token)).await.unwrap();
    let id = claims(&grant)["jti"].as_str().unwrap().to_owned();
    assert_eq!(revoked(&world.store).await, [Revoked::Token(id)]);
    // A login's tokens: whoever holds one may end it.
    let pair = login(&provider, "mina", PASSWORD).await.unwrap();
    let refresh = [("token", pair.refresh_token.expose().as_str()), ("token_type_hint", "access_token")];
    assert_eq!(kind(provider.revoke(basic(&client.id, &secret, &refresh)).await), Kind::UnauthorizedClient);
    provider.revoke(open(&[("token", pair.access_token.expose())])).await.unwrap();
    provider.revoke(open(&refresh)).await.unwrap();
    assert!(revoked(&world.store).await.contains(&Revoked::Session(pair.session.clone())));
    assert!(provider.refresh(pair.refresh_token.clone(), CLIENT).await.is_err());
    // What is not known is as good as revoked.
    for unknown in ["x", "a.b.c", pair.refresh_token.expose()] {
        provider.revoke(open(&[("token", unknown)])).await.unwrap();
    }
}

#[tokio::test]
async fn a_client_looks_into_tokens_that_are_its_own_or_for_it() {
    let world = World::new().await;
    let provider = provider(&world).await;
    learn(&provider.inner.watch, &[], &world.clock);
    let (client, secret) = with_secret(&world, spec("orders")).await;
    let (gate, gates) =
        with_secret(&world, ClientSpec { audiences: vec![ISSUER.into()], ..spec("gate") }).await;
    let (other, others) = with_secret(&world, ClientSpec { audiences: vec![], ..spec("other") }).await;
    let theirs = [GRANT, ("resource", "https://orders.example.com"), ("scope", "orders:read")];
    let grant = provider.token(basic(&client.id, &secret, &theirs)).await.unwrap();
    let pair = login(&provider, "mina", PASSWORD).await.unwrap();
    let look = async |id: &str, secret: &str, token: &str| {
        provider.introspect(basic(id, secret, &[("token", token)])).await.unwrap()
    };
    let seen = look(&client.id, &secret, grant.access_token.expose()).await;
    assert_eq!(
        (&seen["active"], &seen["client_id"], &seen["scope"]),
        (&json!(true), &json!(client.id), &json!("orders:read"))
    );
    assert_eq!((&seen["token_type"], &seen["sub"]), (&json!("Bearer"), &json!(client.id)));
    let seen = look(&gate.id, &gates, pair.access_token.expose()).await;
    assert_eq!(
        (&seen["active"], &seen["username"], &seen["sub"]),
        (&json!(true), &json!("mina"), &json!("u-1"))
    );
    assert_eq!(look(&gate.id, &gates, pair.refresh_token.expose()).await["token_type"], "refresh_token");
    let nothing = json!({ "active": false });
    for (id, secret, token) in [
        (&other.id, &others, grant.access_token.expose()),
        (&gate.id, &gates, grant.access_token.expose()),
        (&client.id, &secret, pair.access_token.expose()),
        (&client.id, &secret, pair.refresh_token.expose()),
        (&client.id, &secret, &"nonsense".to_owned()),
    ] {
        assert_eq!(look(id, secret, token).await, nothing);
    }
    assert_eq!(kind(provider.introspect(open(&[("token", "x")])).await), Kind::InvalidClient);
    let change = |what| Change::Revoked { what, until: haechi_core::Timestamp::MAX };
    learn(&provider.inner.watch, &[change(Revoked::Session(client.id.clone()))], &world.clock);
    assert_eq!(
        look(&client.id, &secret, grant.access_token.expose()).await,
        nothing,
        "its client was deleted"
    );
    world.clock.advance(Duration::from_secs(6));
    let stale = provider.introspect(basic(&gate.id, &gates, &[("token", pair.access_token.expose())])).await;
    assert_eq!(kind(stale), Kind::Unavailable);
    learn(&provider.inner.watch, &[], &world.clock);
    world.clock.advance(Duration::from_secs(600));
    learn(&provider.inner.watch, &[], &world.clock);
    assert_eq!(look(&gate.id, &gates, pair.access_token.expose()).await, nothing, "expired");
}

#[tokio::test]
async fn tokens_are_limited_by_address_before_the_store_is_asked_and_by_client() {
    let world = World::new().await;
    let provider = provider(&world).await;
    let (client, secret) = with_secret(&world, spec("orders")).await;
    let (other, others) = with_secret(&world, spec("billing")).await;
    let limited = |answer: Result<TokenGrant, OAuthError>| answer.unwrap_err().limited.unwrap().limit;
    // Whoever only says that it is the client uses up nothing of the client's.
    for _ in 0..20 {
        assert_eq!(kind(provider.token(basic(&client.id, &others, &[GRANT])).await), Kind::InvalidClient);
    }
    for _ in 0..20 {
        provider.token(basic(&client.id, &secret, &[GRANT])).await.unwrap();
    }
    assert_eq!(
        limited(provider.token(basic(&client.id, &secret, &[GRANT])).await),
        IdentityLimit::TokenClient
    );
    provider.token(basic(&other.id, &others, &[GRANT])).await.unwrap();
    // What could not be found out counts for nobody.
    world.store.set_fault(Fault::Fails);
    for _ in 0..100 {
        assert_eq!(kind(provider.token(basic(&other.id, &others, &[GRANT])).await), Kind::Unavailable);
    }
    world.store.set_fault(Fault::None);
    for _ in 0..18 {
        provider.token(basic(&other.id, &others, &[GRANT])).await.unwrap();
    }
    let asked = world.store.asked();
    assert_eq!(
        limited(provider.token(basic(&other.id, &others, &[GRANT])).await),
        IdentityLimit::TokenAddress
    );
    assert!(matches!(
        provider.refresh(Secret::from("hr_"), CLIENT).await,
        Err(crate::identity::RefreshRefused::Limited(_))
    ));
    assert_eq!(world.store.asked(), asked);
}

#[tokio::test]
async fn a_client_that_is_deleted_leaves_no_token_behind() {
    let world = World::new().await;
    let (client, _) = with_secret(&world, spec("orders")).await;
    accounts(&world).delete(&client.id).await.unwrap();
    assert_eq!(revoked(&world.store).await, [Revoked::Session(client.id.clone())]);
    assert!(accounts(&world).delete(&client.id).await.is_err());
}

#[tokio::test]
async fn what_no_client_may_be_is_refused() {
    let world = World::new().await;
    let add = async |spec: ClientSpec| accounts(&world).add(spec).await.map(drop).unwrap_err().to_string();
    let with = |audience: &str| ClientSpec { audiences: vec![audience.into()], ..spec("a") };
    for (bad, part) in [
        (ClientSpec { name: String::new(), ..spec("a") }, "is no name"),
        (ClientSpec { roles: vec!["ROOT".into()], ..spec("a") }, "there is no role `ROOT`"),
        (ClientSpec { scopes: vec!["a b".into()], ..spec("a") }, "is no scope"),
        (with(""), "is no audience"),
        (with("a b"), "is no audience"),
        (with("https://a#b"), "is no audience"),
        (with("urn:haechi:admin"), "is no audience"),
        (ClientSpec { token_lifetime: Some(Duration::from_secs(86_401)), ..spec("a") }, "at most 86400s"),
        (ClientSpec { public_keys: Some("{}".into()), ..spec("a") }, "cannot be used"),
        (
            ClientSpec { public_keys: Some("-----BEGIN PRIVATE KEY-----".into()), ..spec("a") },
            "cannot be used",
        ),
    ] {
        let told = add(bad.clone()).await;
        assert!(told.contains(part), "{bad:?}: {told}");
    }
    with_secret(&world, spec("taken")).await;
    assert_eq!(add(spec("taken")).await, "client `taken` exists already");
}

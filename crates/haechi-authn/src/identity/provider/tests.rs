use super::{
    Credentials, IdentitySettings, LoginRefused, LogoutRefused, Provider, ProviderStores, RefreshRefused,
    TokenPair,
};
use crate::RevocationWatch;
use crate::control::Control;
use crate::declared::DeclaredAttributes;
use crate::identity::passwords::tests::{PASSWORD, World};
use crate::identity::{BrowserSessionSpans, IdentityLimits, IdentityRates, Keyring, LoginRates, TokenRates};
use crate::jose::SigningAlgorithm;
use crate::test_support::{change_user, revoked};
use aws_lc_rs::signature::{ED25519, UnparsedPublicKey};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use haechi_core::caller::{Claimed, Vouched};
use haechi_core::ports::Revoked;
use haechi_core::rate::Rate;
use haechi_core::{AttributeType, AttributeValue, Attributes, Caller, CallerKind, Clock, RoleTable, Secret};
use haechi_testkit::Fault;
use serde_json::Value;
use std::num::NonZeroU32;
use std::sync::Arc;
use std::time::Duration;
use tokio::runtime::Handle;

pub(in crate::identity) const ISSUER: &str = "http://localhost:8080";
pub(in crate::identity) const CLIENT: std::net::IpAddr = std::net::IpAddr::V4(std::net::Ipv4Addr::LOCALHOST);

pub(in crate::identity) async fn provider(world: &World) -> Provider {
    let provider = without_keys(world);
    provider.keyring().reload().await.unwrap();
    provider
}

fn without_keys(world: &World) -> Provider {
    let settings = IdentitySettings {
        issuer: ISSUER.into(),
        access_lifetime: Duration::from_secs(600),
        longest_lifetime: Duration::from_secs(600),
        refresh_lifetime: Duration::from_secs(3600),
        browser_session: BrowserSessionSpans {
            idle: Duration::from_secs(1800),
            absolute: Duration::from_secs(7200),
        },
        passkeys: None,
        registration: false,
        client_origins: Arc::default(),
        path: "/auth".into(),
        reuse_interval: Duration::ZERO,
        declared: Arc::new(DeclaredAttributes::new(
            [("tenant".into(), AttributeType::String), ("sub".into(), AttributeType::String)].into(),
        )),
        limits: Arc::new(IdentityLimits::new(None, world.clock.clone())),
        rates: IdentityRates {
            login: LoginRates { per_address: often(1000), per_account: often(20) },
            token: TokenRates { per_address: often(60), per_client: often(20) },
        },
    };
    let stores = ProviderStores {
        users: world.store.clone(),
        sessions: world.store.clone(),
        web_sessions: world.store.clone(),
        records: world.store.clone(),
        revocations: world.store.clone(),
        clients: world.store.clone(),
    };
    let watch = Arc::new(RevocationWatch::new(world.clock.clone()));
    let keyring =
        Keyring::new(world.store.clone(), world.clock.clone(), SigningAlgorithm::EdDsa, Arc::default());
    let verifier = Arc::new(world.verifier());
    let control = Control::new(Handle::current());
    Provider::new(settings, stores, watch, verifier, Arc::new(keyring), world.clock.clone(), control)
}

fn often(requests: u32) -> Rate {
    let requests = NonZeroU32::new(requests).unwrap();
    Rate { requests, per: Duration::from_secs(60), burst: requests }
}

pub(in crate::identity) async fn login(
    provider: &Provider,
    name: &str,
    password: &str,
) -> Result<TokenPair, LoginRefused> {
    let shows = Credentials { name: name.into(), password: Secret::from(password), code: None };
    provider.login(shows, CLIENT).await
}

async fn refresh(provider: &Provider, pair: &TokenPair) -> Result<TokenPair, RefreshRefused> {
    provider.refresh(pair.refresh_token.clone(), CLIENT).await
}

/// Header and claims of a token whose signature the published key verifies, read without the gate's own verifier.
fn read(provider: &Provider, token: &str) -> (Value, Value) {
    let [header, claims, signature] = token.split('.').collect::<Vec<_>>()[..] else { panic!("{token}") };
    let decode = |part: &str| URL_SAFE_NO_PAD.decode(part).unwrap();
    let jwks: Value = serde_json::from_slice(&provider.keyring().jwks_json().unwrap()).unwrap();
    let x = decode(jwks["keys"][0]["x"].as_str().unwrap());
    let signed = format!("{header}.{claims}");
    UnparsedPublicKey::new(&ED25519, x).verify(signed.as_bytes(), &decode(signature)).unwrap();
    let json = |part: &str| serde_json::from_slice(&decode(part)).unwrap();
    (json(header), json(claims))
}

fn caller(pair: &TokenPair) -> Caller {
    let claimed = Claimed {
        subject: pair.subject.clone(),
        issuer: ISSUER.into(),
        roles: vec!["USER".into()],
        scopes: vec!["a".into(), "b".into()],
        session: Some(pair.session.clone()),
        ..Claimed::default()
    };
    Caller::new(CallerKind::User, &"local".into(), Vouched::BySelf, &RoleTable::default(), claimed)
}

#[tokio::test]
async fn a_login_gives_an_access_token_that_says_who() {
    let world = World::new().await;
    let evil = ("sub".into(), AttributeValue::String("root".into()));
    change_user(&world.store, "mina", |mina| mina.attributes.extend([evil])).await;
    let provider = provider(&world).await;
    let pair = login(&provider, "mina", PASSWORD).await.unwrap();
    assert_eq!(pair.expires_in, Duration::from_secs(600));
    let (header, claims) = read(&provider, pair.access_token.expose());
    assert_eq!((header["typ"].as_str(), header["alg"].as_str()), (Some("at+jwt"), Some("EdDSA")));
    let now = world.clock.now().as_seconds();
    for (claim, value) in
        [("iss", ISSUER), ("aud", ISSUER), ("sub", "u-1"), ("preferred_username", "mina"), ("tenant", "acme")]
    {
        assert_eq!(claims[claim], value, "{claim}");
    }
    assert_eq!((claims["iat"].as_i64(), claims["exp"].as_i64()), (Some(now), Some(now + 600)));
    assert_eq!(claims["roles"], serde_json::json!(["MANAGER"]));
    assert_eq!(claims["sid"], pair.session.as_str());
    assert_eq!(claims["jti"].as_str().unwrap().len(), 32);
}

#[tokio::test]
async fn refusals_are_one_answer_and_could_not_ask_is_another() {
    let world = World::new().await;
    let provider = provider(&world).await;
    for (name, password) in [("mina", "wrong"), ("nobody", PASSWORD)] {
        assert!(matches!(login(&provider, name, password).await, Err(LoginRefused::InvalidCredentials(_))));
    }
    change_user(&world.store, "mina", |mina| mina.disabled = true).await;
    assert!(matches!(login(&provider, "mina", PASSWORD).await, Err(LoginRefused::InvalidCredentials(_))));
    assert_eq!(world.store.asked_for("sessions.begin"), 0);
    for fault in [Fault::Fails, Fault::Panics] {
        world.store.set_fault(fault);
        assert!(
            matches!(login(&provider, "mina", PASSWORD).await, Err(LoginRefused::Unavailable(_))),
            "{fault:?}"
        );
    }
}

#[tokio::test]
async fn a_session_that_begins_while_the_user_is_disabled_ends_at_once() {
    let world = World::new().await;
    let provider = provider(&world).await;
    world.store.before("sessions.begin", |store| {
        Box::pin(async move { store.users.set_disabled("mina".into(), true).await.unwrap() })
    });
    let refused = login(&provider, "mina", PASSWORD).await.unwrap_err();
    assert_eq!(refused, LoginRefused::InvalidCredentials("the user was changed meanwhile"));
    assert_eq!(world.store.asked_for("sessions.begin"), 1);
    assert!(matches!(revoked(&world.store).await[..], [Revoked::Session(_)]));
}

#[tokio::test]
async fn a_full_pool_is_busy_and_missing_keys_are_unavailable() {
    let world = World::new().await;
    let provider = without_keys(&world);
    let refused = login(&provider, "mina", PASSWORD).await.unwrap_err();
    assert_eq!(refused, LoginRefused::Unavailable("the signing keys are not loaded yet".into()));
    let places: Vec<_> = (0..64).map(|_| world.pool.occupy()).collect();
    assert_eq!(login(&provider, "mina", PASSWORD).await.unwrap_err(), LoginRefused::Busy);
    drop(places);
}

#[tokio::test]
async fn each_refresh_token_works_once_and_a_replay_ends_the_family() {
    let world = World::new().await;
    let provider = provider(&world).await;
    let first = login(&provider, "mina", PASSWORD).await.unwrap();
    let second = refresh(&provider, &first).await.unwrap();
    assert_eq!(second.session, first.session);
    assert_ne!(second.refresh_token, first.refresh_token);
    let replayed = refresh(&provider, &first).await.unwrap_err();
    assert_eq!(replayed, RefreshRefused::Replayed { session: first.session.clone() });
    assert!(matches!(refresh(&provider, &second).await, Err(RefreshRefused::Invalid(_))), "the whole family");
    assert_eq!(revoked(&world.store).await, [Revoked::Session(first.session)]);
}

#[tokio::test]
async fn a_refresh_reads_the_user_anew() {
    let world = World::new().await;
    let provider = provider(&world).await;
    let pair = login(&provider, "mina", PASSWORD).await.unwrap();
    change_user(&world.store, "mina", |mina| {
        mina.roles = vec!["USER".into()];
        mina.attributes = Attributes::new();
    })
    .await;
    let pair = refresh(&provider, &pair).await.unwrap();
    let (_, claims) = read(&provider, pair.access_token.expose());
    assert_eq!(claims["roles"], serde_json::json!(["USER"]));
    assert!(claims.get("tenant").is_none());
    change_user(&world.store, "mina", |mina| mina.disabled = true).await;
    let refused = refresh(&provider, &pair).await.unwrap_err();
    assert_eq!(refused, RefreshRefused::Invalid("the user is disabled or deleted"));
    assert_eq!(revoked(&world.store).await, [Revoked::Session(pair.session)]);
}

#[tokio::test]
async fn what_is_no_refresh_token_and_what_has_expired() {
    let world = World::new().await;
    let provider = provider(&world).await;
    let calls = world.store.asked();
    let nonsense = provider.refresh(Secret::from("nonsense"), CLIENT).await.unwrap_err();
    assert_eq!(nonsense, RefreshRefused::Invalid("not a refresh token"));
    assert_eq!(world.store.asked(), calls);
    let pair = login(&provider, "mina", PASSWORD).await.unwrap();
    world.store.set_fault(Fault::Fails);
    assert!(matches!(refresh(&provider, &pair).await, Err(RefreshRefused::Unavailable(_))));
    world.store.set_fault(Fault::None);
    world.clock.advance(Duration::from_secs(3600));
    assert!(matches!(refresh(&provider, &pair).await, Err(RefreshRefused::Invalid(_))));
}

#[tokio::test]
async fn logout_ends_the_session_and_only_ones_own() {
    let world = World::new().await;
    let provider = provider(&world).await;
    let pair = login(&provider, "mina", PASSWORD).await.unwrap();
    let stranger = Caller { issuer: "https://sso.example.com".into(), ..caller(&pair) };
    assert_eq!(provider.logout(&stranger).await, Err(LogoutRefused::NoSession));
    let basic = Caller { session: None, ..caller(&pair) };
    assert_eq!(provider.logout(&basic).await, Err(LogoutRefused::NoSession));
    assert_eq!(revoked(&world.store).await, []);
    world.store.set_fault(Fault::Fails);
    assert!(matches!(provider.logout(&caller(&pair)).await, Err(LogoutRefused::Unavailable(_))));
    world.store.set_fault(Fault::None);
    provider.logout(&caller(&pair)).await.unwrap();
    assert_eq!(revoked(&world.store).await, [Revoked::Session(pair.session.clone())]);
    assert!(matches!(refresh(&provider, &pair).await, Err(RefreshRefused::Invalid(_))));
    let client = Caller { session: None, credential_id: Some("t-1".into()), ..caller(&pair) };
    provider.logout(&client).await.unwrap();
    assert!(revoked(&world.store).await.contains(&Revoked::Token("t-1".into())));
}

#[tokio::test]
async fn an_identity_token_is_for_one_service_and_is_no_access_token() {
    let world = World::new().await;
    let provider = provider(&world).await;
    let pair = login(&provider, "mina", PASSWORD).await.unwrap();
    let attributes = Attributes::from([("sid".into(), AttributeValue::String("s".into()))]);
    let caller = Caller { issuer: "https://sso.example.com".into(), attributes, ..caller(&pair) };
    let (now, lifetime) = (world.clock.now(), Duration::from_secs(60));
    let token = provider.identity_token(&caller, "orders", lifetime, now).unwrap();
    let (header, claims) = read(&provider, &token);
    assert_eq!(header["typ"], "JWT");
    assert_eq!((claims["iss"].as_str(), claims["aud"].as_str()), (Some(ISSUER), Some("orders")));
    assert_eq!(
        (claims["idp"].as_str(), claims["authenticator"].as_str()),
        (Some("https://sso.example.com"), Some("local"))
    );
    assert_eq!(claims["scope"], "a b");
    assert_eq!(claims["exp"].as_i64().unwrap() - claims["iat"].as_i64().unwrap(), 60);
    assert!(claims.get("sid").is_none(), "no attribute stands in for a claim of ours");
    assert!(without_keys(&world).identity_token(&caller, "orders", lifetime, now).is_err());
}

#[tokio::test]
async fn discovery_says_what_there_is() {
    let world = World::new().await;
    let document = provider(&world).await.discovery_document();
    assert_eq!(document["issuer"], ISSUER);
    assert_eq!(document["jwks_uri"], "http://localhost:8080/.well-known/jwks.json");
    assert_eq!(document["id_token_signing_alg_values_supported"], serde_json::json!(["EdDSA"]));
    assert_eq!(document["token_endpoint"], "http://localhost:8080/auth/token");
    assert_eq!(document["response_types_supported"], serde_json::json!(["code"]));
    assert_eq!(document["code_challenge_methods_supported"], serde_json::json!(["S256"]));
    assert!(document.get("registration_endpoint").is_none(), "nobody registers unless it is said");
}

#[tokio::test(start_paused = true)]
async fn one_login_too_many_is_told_before_anything_is_read_or_hashed() {
    let world = World::new().await;
    let provider = provider(&world).await;
    let from = |last: u8| [192, 0, 2, last].into();
    let shows = |name: &str, password| Credentials {
        name: name.into(),
        password: Secret::from(password),
        code: None,
    };
    let login = async |name: &str, client| provider.login(shows(name, "wrong"), client).await;
    for last in 0..20 {
        // Whether there is such a user or not.
        assert!(matches!(login("nobody", from(last)).await, Err(LoginRefused::InvalidCredentials(_))));
    }
    let asked = world.store.asked();
    let Err(LoginRefused::Limited(limited)) = login("nobody", from(99)).await else { panic!("not limited") };
    assert_eq!(
        (limited.limit.name(), limited.answer.remaining, world.store.asked()),
        ("login-account", 0, asked)
    );
    let right = provider.login(shows("mina", PASSWORD), from(99)).await;
    assert!(right.is_ok(), "another account");
}

//! Facts to keep.

use haechi_core::ports::{
    ApiKeyRecord, Approval, ApprovalState, Author, ClientLogin, ClientProof, ClientRecord, ClientSecrets,
    KeyState, KeyUse, LoginState, PasswordState, PolicyVersion, Quota, Revision, Session, SessionDetails,
    SigningKeyRecord, UserRecord, WebSession,
};
use haechi_core::{AttributeValue, Attributes, Secret, Timestamp};
use std::time::Duration;

/// `seconds` after the start of all tests' time.
pub(crate) fn at(seconds: i64) -> Timestamp {
    Timestamp::from_seconds(1_800_000_000 + seconds)
}

/// A hash that differs from others by `n`.
pub(crate) fn hash(n: u8) -> [u8; 32] {
    [n; 32]
}

pub(crate) fn user(name: &str) -> UserRecord {
    UserRecord {
        id: format!("id-of-{name}"),
        name: name.into(),
        password_hash: Secret::from("$argon2id$v=19$m=19456,t=2,p=1$c2FsdA$aGFzaA"),
        roles: vec!["USER".into(), "역할".into()],
        attributes: attributes(),
        disabled: false,
        created_at: at(0),
        login: LoginState::default(),
        password: PasswordState { must_change: true, changed_at: Some(at(0)) },
        revision: Revision::first(at(0)),
    }
}

pub(crate) fn client(name: &str) -> ClientRecord {
    ClientRecord {
        id: format!("id-of-{name}"),
        name: name.into(),
        proof: ClientProof::Secret(ClientSecrets { current: hash(0xff), previous: None }),
        roles: vec!["USER".into()],
        scopes: vec!["orders:read".into(), "orders:write".into()],
        attributes: attributes(),
        audiences: vec!["https://orders.example.com".into()],
        token_lifetime: Some(Duration::from_secs(90)),
        login: ClientLogin {
            redirect_uris: vec!["https://orders.example.com/callback?a='b".into()],
            post_logout_redirect_uris: vec!["https://orders.example.com/".into()],
            consent: true,
            registered: false,
        },
        created_at: at(0),
        revision: Revision::first(at(0)),
    }
}

pub(crate) fn api_key(id: &str, n: u8) -> ApiKeyRecord {
    ApiKeyRecord {
        id: id.into(),
        sha256: hash(n),
        previous: None,
        owner: "partner".into(),
        name: Some("nightly".into()),
        roles: vec!["USER".into()],
        scopes: vec!["orders:read".into()],
        attributes: attributes(),
        expires_at: Some(at(90)),
        allowed_addresses: vec!["10.0.0.0/8".parse().unwrap(), "2001:db8::/32".parse().unwrap()],
        rate_limit: Some(Quota { requests: 100, per_seconds: 60 }),
        quota: Some(Quota { requests: u32::MAX, per_seconds: 86_400 }),
        created_at: at(0),
        last_used_at: None,
        last_used_from: None,
        state: KeyState::Active,
        imported: false,
        revision: Revision::first(at(0)),
    }
}

/// That the key was used so many seconds after the start, from an address of that second.
pub(crate) fn key_use(id: &str, seconds: u8) -> KeyUse {
    KeyUse { id: id.into(), at: at(seconds.into()), from: [192, 0, 2, seconds].into() }
}

/// A session of `user_id` from second 0 to 1000 whose refresh token has the hash `n`.
pub(crate) fn session(id: &str, user_id: &str, n: u8) -> Session {
    Session {
        id: id.into(),
        user_id: user_id.into(),
        token_sha256: hash(n),
        expires_at: at(1000),
        created_at: at(0),
        chain_key: Some(hash(0xcc)),
        details: SessionDetails {
            client: Some("id-of-orders".into()),
            scopes: vec!["openid".into()],
            audiences: vec!["https://orders.example.com".into()],
            authenticated_at: Some(7),
            methods: vec!["pwd".into()],
            browser: Some("b".into()),
        },
    }
}

/// A browser session of `subject` that began in second 0, idles until 100 and ends in second 1000; its cookie has the hash `n`.
pub(crate) fn web_session(id: &str, subject: &str, n: u8) -> WebSession {
    WebSession {
        id: id.into(),
        secret_sha256: hash(n),
        authenticator: "browser".into(),
        issuer: "https://sso.example.com".into(),
        subject: subject.into(),
        provider_session: Some(format!("sid-of-{id}")),
        claims: r#"{"sub":"앨리스","groups":["a"]}"#.into(),
        tokens: Some(vec![0, 0xff, 1]),
        refresh_at: Some(at(50)),
        version: 0,
        created_at: at(0),
        seen_at: at(0),
        idle_until: at(100),
        expires_at: at(1000),
    }
}

pub(crate) fn signing_key(id: &str, algorithm: &str, from: i64) -> SigningKeyRecord {
    SigningKeyRecord {
        id: id.into(),
        algorithm: algorithm.into(),
        pkcs8: Secret::new(vec![0x30, 0x00, 0xff]),
        active_from: at(from),
        retired_at: None,
        published_until: None,
        created_at: at(from),
    }
}

/// A person, or an account of a machine.
pub(crate) fn author(subject: Option<&str>) -> Author {
    Author {
        authenticator: "로컬".into(),
        issuer: subject.map(|_| "https://sso.example.com".into()),
        subject: subject.map(str::to_owned),
        uid: subject.is_none().then_some(u32::MAX),
    }
}

pub(crate) fn policy_version(serial: i64, name: &str, version: i64, text: Option<&str>) -> PolicyVersion {
    PolicyVersion {
        serial,
        name: name.into(),
        version,
        text: text.map(str::to_owned),
        changed_at: at(serial),
        changed_by: author(Some("mina")),
        approved_by: (serial % 2 == 0).then(|| author(None)),
    }
}

/// A change that waits until second `expires`.
pub(crate) fn approval(id: &str, expires: i64) -> Approval {
    Approval {
        id: id.into(),
        action: "policy.put".into(),
        target: "policy orders".into(),
        content: r#"{"text":"해치"}"#.into(),
        asked_by: author(Some("mina")),
        asked_at: at(0),
        expires_at: at(expires),
        state: ApprovalState::Pending,
        decided_by: None,
        decided_at: None,
    }
}

fn attributes() -> Attributes {
    [
        ("tenant".into(), AttributeValue::String("acme \"o'brien\"; --".into())),
        ("clearance".into(), AttributeValue::Long(i64::MIN)),
        ("mfa".into(), AttributeValue::Bool(true)),
    ]
    .into()
}

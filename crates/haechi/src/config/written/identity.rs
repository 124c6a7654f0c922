//! `identity`: the embedded identity provider.

use super::rate_limits::{Login, Token};
use crate::config::defaults::{
    self, FailureCount, Lifetime, PasswordAge, ReuseInterval, RotationInterval, SessionTime, TokenLifetime,
};
use crate::config::read::{Defs, Reader, Value};
use crate::config::record::record;
use crate::config::source::At;
use crate::config::yaml::{Kind, Node};
use haechi_authn::jose::SigningAlgorithm;
use haechi_core::{PathPattern, Secret};
use reqwest::Url;
use serde_json::{Value as Json, json};

record! {
    "`identity`"
    /// The embedded identity provider: users in the store, login, JWTs.
    struct Identity {
        /// The address by which clients know the gate; the `iss` of its tokens. Plain `http` only on loopback or with `allow_http`.
        required issuer as "issuer": At<Url>,
        /// Below which path login, refresh, logout and the rest are answered; `/auth` where this is left out.
        optional path as "path": At<PathPattern>,
        /// The tokens that a login gives.
        section access_token as "access_token": AccessToken,
        /// The tokens that a login is prolonged with.
        section refresh_token as "refresh_token": At<RefreshToken>,
        /// How long a browser stays logged in at the provider's own pages.
        section session as "session": At<BrowserSession>,
        /// Whether clients may register themselves (RFC 7591): public ones, at most 1000, that ask people for consent.
        default registration as "registration": bool = false,
        /// Whether people may log in with passkeys (Web Authentication), which are bound to the issuer's host: a name, and no address.
        default passkeys as "passkeys": bool = false,
        /// The keys that tokens are signed with.
        section signing_keys as "signing_keys": SigningKeys,
        /// The passwords of users.
        section password as "password": Passwords,
        /// When a user is locked out.
        section lockout as "lockout": Lockout,
        /// How often passwords may be tried at the login.
        section login as "login": Login,
        /// How often tokens may be asked for and refreshed.
        section token as "token": Token,
        /// Takes a plain `http` issuer that is not on loopback.
        default allow_http as "allow_http": bool = false,
    }
}

record! {
    "`access_token`"
    /// Access tokens.
    struct AccessToken {
        /// What they are signed with.
        default algorithm as "algorithm": SigningAlgorithm = SigningAlgorithm::EdDsa,
        /// How long they are valid.
        default lifetime as "lifetime": TokenLifetime = defaults::ACCESS_TOKEN_LIFETIME,
    }
}

record! {
    "`refresh_token`"
    /// Refresh tokens.
    struct RefreshToken {
        /// How long a login lasts.
        default lifetime as "lifetime": Lifetime = defaults::REFRESH_TOKEN_LIFETIME,
        /// For how long after it was used a refresh token gives the same next one again, for pages that refresh at once; 0 for a token that works once and no more.
        default reuse_interval as "reuse_interval": ReuseInterval = defaults::REUSE_INTERVAL,
    }
}

record! {
    "`session`"
    /// How long a browser stays logged in at the provider's own pages.
    struct BrowserSession {
        /// Without being used.
        default idle as "idle": SessionTime = defaults::SESSION_IDLE,
        /// However much it is used.
        default absolute as "absolute": SessionTime = defaults::SESSION_ABSOLUTE,
    }
}

record! {
    "`signing_keys`"
    /// The keys that tokens are signed with.
    struct SigningKeys {
        /// What private keys are sealed with in the store: 32 random bytes in base64 or hex. Of a list the first seals, and each opens.
        optional seal as "seal": At<SealTexts>,
        /// A key that has signed for so long is replaced by another. By command alone where this is left out.
        optional rotate_every as "rotate_every": At<RotationInterval>,
    }
}

/// One seal, or several of which each opens.
#[derive(Clone, Debug)]
pub(crate) struct SealTexts(pub(crate) Vec<At<Secret<String>>>);

impl Value for SealTexts {
    fn read(node: &Node, reader: &mut Reader<'_>) -> Option<Self> {
        match &node.kind {
            Kind::Sequence(items) if items.is_empty() => reader.expected("a seal, or a list of seals", node),
            Kind::Sequence(_) => Vec::read(node, reader).map(Self),
            _ => At::read(node, reader).map(|seal| Self(vec![seal])),
        }
    }

    fn schema(defs: &mut Defs) -> Json {
        let seal = Secret::<String>::schema(defs);
        json!({ "anyOf": [seal, { "type": "array", "items": seal, "minItems": 1 }] })
    }
}

record! {
    "`password`"
    /// The passwords of users.
    struct Passwords {
        /// A password that is older must be changed at the next login, before there is any token. It lasts where this is left out.
        optional max_age as "max_age": At<PasswordAge>,
    }
}

record! {
    "`lockout`"
    /// When a user is locked out.
    struct Lockout {
        /// After how many failed logins since the last that succeeded.
        default failures as "failures": FailureCount = defaults::LOCKOUT_FAILURES,
        /// For how long.
        default lasts as "for": Lifetime = defaults::LOCKOUT_FOR,
    }
}

//! `identity`: the embedded identity provider.

use crate::config::defaults::{self, FailureCount, Lifetime, TokenLifetime};
use crate::config::record::record;
use crate::config::source::At;
use haechi_authn::jose::SigningAlgorithm;
use haechi_core::PathPattern;
use reqwest::Url;

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
        /// When a user is locked out.
        section lockout as "lockout": Lockout,
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

//! Questions by AuthZEN 1.0: who may ask them, and what is taken for what they do not say.

use haechi_core::caller::Vouched;
use haechi_core::{CallerKind, Host, Secret};
use std::collections::BTreeMap;
use std::net::IpAddr;
use std::sync::Arc;

/// How a listener is asked by AuthZEN.
#[derive(Clone, Debug, Default)]
pub struct Authzen {
    /// Bearer tokens, one of which whoever asks must have. Where there is none, the listener's client certificate says enough.
    pub tokens: Vec<Secret<String>>,
    /// Taken for what a question does not say.
    pub assumed: AssumedContext,
    /// What each authenticator makes of its callers, by its name.
    pub claims: BTreeMap<Arc<str>, AuthenticatorClaims>,
}

/// Taken for what a question does not say. Where nothing is, a question has to say it.
#[derive(Clone, Debug, Default)]
pub struct AssumedContext {
    /// The host of the resource.
    pub host: Option<Host>,
    /// The client's address.
    pub ip: Option<IpAddr>,
    /// Whether the client came over TLS.
    pub secure: Option<bool>,
}

/// What an authenticator makes of its callers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AuthenticatorClaims {
    /// What sort of principal they are.
    pub kind: CallerKind,
    /// Who vouches for them, where it is one and the same for all.
    pub issuer: Option<Arc<str>>,
    /// Whether built-in roles count.
    pub vouched: Vouched,
}

//! What an `oidc` authenticator is set up with.

use super::login_state::Cookies;
use crate::jose::{AlgorithmSet, Signer};
use crate::schemes::jwt::ClaimsMap;
use haechi_core::Secret;
use std::sync::Arc;
use std::time::Duration;

/// An `oidc` authenticator, as meant.
pub struct OidcConfig {
    /// The name under `authenticators:`.
    pub name: Arc<str>,
    /// What `iss` must be, exactly.
    pub issuer: Arc<str>,
    /// How the gate is registered there.
    pub client_id: String,
    /// How the gate proves that it is that client.
    pub proof: ClientProof,
    /// What is asked for; `openid` is among it.
    pub scopes: Vec<String>,
    /// Other parameters of the authorization request.
    pub parameters: Vec<(String, String)>,
    /// How the provider answers.
    pub response_mode: ResponseMode,
    /// Whether `userinfo` is asked as well.
    pub userinfo: bool,
    /// What becomes of which claim.
    pub claims: ClaimsMap,
    /// What ID tokens may be signed with.
    pub algorithms: AlgorithmSet,
    /// How far clocks may differ.
    pub leeway: Duration,
    /// A session that is not used ends after this.
    pub idle: Duration,
    /// Any session ends after this.
    pub absolute: Duration,
    /// The cookies.
    pub cookies: Cookies,
    /// Whether backends get the provider's access token.
    pub forward_access_token: bool,
    /// Whether a logout ends the provider's session as well.
    pub provider_logout: bool,
    /// Whether a logout gives the provider's tokens back.
    pub revoke_at_logout: bool,
    /// Where the provider sends people after that, as it is registered there.
    pub after_logout: Option<String>,
    /// Whether endpoints may be on plain http elsewhere than on loopback.
    pub allow_http: bool,
    /// Below which path the identity provider's calls are: `/auth`.
    pub base: Arc<str>,
}

/// How the gate proves that it is the registered client.
pub enum ClientProof {
    /// With a secret, in this way or in the one that the provider takes.
    Secret(Secret<String>, Option<SecretIn>),
    /// With a signature (RFC 7523 2.2).
    Key(Arc<Signer>),
}

/// Where a client's secret stands (RFC 6749 2.3.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SecretIn {
    /// `client_secret_basic`.
    Header,
    /// `client_secret_post`.
    Form,
}

/// How a provider answers (OAuth 2.0 Multiple Response Types 2.1, Form Post Response Mode).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ResponseMode {
    /// In the query of a redirect.
    Query,
    /// As a form that the browser sends.
    FormPost,
}

impl OidcConfig {
    /// The path at which a login begins.
    pub(crate) fn start_path(&self) -> String {
        format!("{}/oidc/{}/start", self.base, self.name)
    }

    /// The path to which the provider sends people back.
    pub(crate) fn callback_path(&self) -> String {
        format!("{}/oidc/{}/callback", self.base, self.name)
    }

    /// The path of the page on which people choose between several.
    pub(crate) fn chooser_path(&self) -> String {
        format!("{}/oidc", self.base)
    }
}

//! An `oidc` authenticator whose settings hold together.

use crate::authenticators::client_proof::Proof;
use haechi_authn::jose::AlgorithmSet;
use haechi_authn::keys::WebOrigin;
use haechi_authn::oidc::{Cookies, ResponseMode};
use haechi_authn::schemes::jwt::ClaimsMap;
use std::sync::Arc;
use std::time::Duration;

/// The checked settings.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct OidcSettings {
    /// The provider.
    pub(super) issuer: Arc<str>,
    /// How the gate is registered there.
    pub(super) client_id: String,
    /// How it proves who it is.
    pub(super) proof: Proof,
    /// What is asked for; `openid` is among it.
    pub(super) scopes: Vec<String>,
    /// More parameters of the authorization request, none of them the gate's own.
    pub(super) parameters: Vec<(String, String)>,
    /// How the provider answers.
    pub(super) response_mode: ResponseMode,
    /// Whether `userinfo` is asked.
    pub(super) userinfo: bool,
    /// Where the caller's facts stand.
    pub(super) claims: ClaimsMap,
    /// What an ID token may be signed with; asymmetric.
    pub(super) algorithms: AlgorithmSet,
    /// How far clocks may differ.
    pub(super) leeway: Duration,
    /// A session that is not used ends after this.
    pub(super) idle: Duration,
    /// Any session ends after this, which is not shorter.
    pub(super) absolute: Duration,
    /// The cookies.
    pub(super) cookies: Cookies,
    /// Whether backends get the access token.
    pub(super) forward_access_token: bool,
    /// Whether a logout ends the provider's session.
    pub(super) provider_logout: bool,
    /// Whether a logout gives the provider's tokens back.
    pub(super) revoke_at_logout: bool,
    /// Where the provider sends people after that.
    pub(super) after_logout: Option<String>,
    /// Besides the issuer's own, the origins where discovery may lead to keys.
    pub(super) key_origins: Vec<WebOrigin>,
    /// Whether the provider may be on plain `http` elsewhere.
    pub(super) allow_http: bool,
}

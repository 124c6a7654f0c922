//! A `jwt` authenticator whose settings hold together.

use crate::authenticators::possession::PossessionSettings;
use haechi_authn::jose::AlgorithmSet;
use haechi_authn::keys::WebOrigin;
use haechi_authn::schemes::jwt::{Audiences, ClaimsMap, IssuerRule, JsonPointer, TokenPlace};
use haechi_core::Secret;
use reqwest::Url;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

/// The checked settings.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct JwtSettings {
    /// Whose tokens.
    pub(super) issuer: Issuer,
    /// For whom a token must be; `None` only where the issuer is ourselves, who are meant then.
    pub(super) audiences: Option<Audiences>,
    /// What stands for `aud`.
    pub(super) audience_claim: Option<JsonPointer>,
    /// Where a token may stand; not empty.
    pub(super) from: Vec<TokenPlace>,
    /// Where the keys come from.
    pub(super) keys: Keys,
    /// Besides the issuer's own, the origins where discovery may lead to keys; empty without discovery.
    pub(super) key_origins: Vec<WebOrigin>,
    /// Whether keys may come over plain `http` from another machine.
    pub(super) allow_http: bool,
    /// What a token may be signed with; never both symmetric and asymmetric.
    pub(super) algorithms: AlgorithmSet,
    /// How far clocks may differ.
    pub(super) leeway: Duration,
    /// What `typ` may be where it is present.
    pub(super) token_types: Vec<String>,
    /// How whoever shows a bound token proves to have its key.
    pub(super) possession: PossessionSettings,
    /// Where the caller's facts stand.
    pub(super) claims: ClaimsMap,
}

/// Whose tokens.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Issuer {
    /// The embedded identity provider's.
    Own,
    /// Those whose `iss` is exactly this.
    Named(Arc<str>),
    /// Those of the listed tenants of one issuer, as it is written and as it is compared.
    Tenants(Arc<str>, IssuerRule),
}

/// Where keys come from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Keys {
    /// The embedded identity provider.
    Own,
    /// OpenID Connect discovery, below the issuer's own address.
    Discovery,
    /// A key set at this address.
    JwksUrl(Url),
    /// A file with a key set.
    JwksFile(PathBuf),
    /// A file with a public key or certificate in PEM.
    PemFile(PathBuf),
    /// Secrets at least as long as the hash of every algorithm allowed; each is accepted.
    Secret(Vec<Secret<Vec<u8>>>),
}

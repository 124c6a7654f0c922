//! An `introspection` authenticator whose settings hold together.

use crate::authenticators::client_proof::Proof;
use crate::authenticators::possession::PossessionSettings;
use haechi_authn::jose::AlgorithmSet;
use haechi_authn::keys::WebOrigin;
use haechi_authn::schemes::jwt::{Audiences, ClaimsMap, TokenPlace};
use std::sync::Arc;
use std::time::Duration;

/// The checked settings.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct IntrospectionSettings {
    /// Who is asked.
    pub(super) server: Server,
    /// How the gate is registered there.
    pub(super) client_id: String,
    /// How it proves who it is.
    pub(super) proof: Proof,
    /// Where a token may stand; not empty.
    pub(super) from: Vec<TokenPlace>,
    /// For whom a token must be.
    pub(super) audiences: Audiences,
    /// What an answer must say.
    pub(super) required_claims: Vec<Box<str>>,
    /// Who signs answers, where they are signed.
    pub(super) signed: Option<Signed>,
    /// Where the caller's facts stand.
    pub(super) claims: ClaimsMap,
    /// How far clocks may differ.
    pub(super) leeway: Duration,
    /// How whoever shows a bound token proves to have its key.
    pub(super) possession: PossessionSettings,
    /// How long an answer is gone by.
    pub(super) cache: Duration,
    /// How long an answer may take.
    pub(super) timeout: Duration,
    /// Whether the server may be on plain `http` elsewhere.
    pub(super) allow_http: bool,
}

/// Who is asked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Server {
    /// The endpoint at this address, perhaps of this issuer.
    At(String, Option<Arc<str>>),
    /// The endpoint that this issuer says it has.
    OfIssuer(Arc<str>),
}

/// Who signs answers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Signed {
    /// The issuer, where keys are discovered.
    pub(super) issuer: Arc<str>,
    /// What may be signed with; asymmetric.
    pub(super) algorithms: AlgorithmSet,
    /// Besides the issuer's own, the origins where discovery may lead to keys.
    pub(super) key_origins: Vec<WebOrigin>,
}

impl Server {
    /// Who vouches for the callers.
    pub(super) fn vouches(&self) -> Arc<str> {
        match self {
            Self::At(url, None) => url.as_str().into(),
            Self::At(_, Some(issuer)) | Self::OfIssuer(issuer) => issuer.clone(),
        }
    }
}

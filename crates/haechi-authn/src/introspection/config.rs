//! What an `introspection` authenticator is set up with.

use crate::jose::AlgorithmSet;
use crate::keys::KeySource;
use crate::oidc::ClientProof;
use crate::possession::ProofRules;
use crate::schemes::jwt::{Audiences, ClaimsMap};
use crate::token_place::TokenPlace;
use std::sync::Arc;
use std::time::Duration;

/// An `introspection` authenticator, as meant.
pub struct IntrospectionConfig {
    /// The name under `authenticators:`.
    pub name: Arc<str>,
    /// Who is asked.
    pub server: Server,
    /// How the gate is registered there.
    pub client_id: String,
    /// How the gate proves that it is that client.
    pub proof: ClientProof,
    /// Where a token may stand. Not empty.
    pub from: Vec<TokenPlace>,
    /// For whom a token must be.
    pub audiences: Audiences,
    /// What an answer must say besides `active`.
    pub required_claims: Vec<Box<str>>,
    /// In which form answers come.
    pub answers: Answers,
    /// What becomes of which member of an answer.
    pub claims: ClaimsMap,
    /// How far clocks may differ.
    pub leeway: Duration,
    /// How whoever shows a token that is bound to a key proves to have it.
    pub possession: ProofRules,
    /// An answer is gone by for so long, and never beyond the token's `exp`.
    pub cache: Duration,
    /// What has not answered by then is not there.
    pub timeout: Duration,
    /// Whether endpoints may be on plain http elsewhere than on loopback.
    pub allow_http: bool,
}

/// Who is asked.
pub enum Server {
    /// The endpoint at this address, perhaps of this issuer.
    At(String, Option<Arc<str>>),
    /// The endpoint that this issuer says it has.
    OfIssuer(Arc<str>),
}

/// In which form answers come.
pub enum Answers {
    /// As JSON (RFC 7662 2.2).
    Json,
    /// As a JWT (RFC 9701) of this issuer.
    Signed {
        /// What `iss` must be.
        issuer: Arc<str>,
        /// The issuer's keys.
        keys: Arc<KeySource>,
        /// What it may be signed with.
        algorithms: AlgorithmSet,
    },
}

impl Server {
    /// Whose tokens they are, where that is said.
    pub(super) const fn issuer(&self) -> Option<&Arc<str>> {
        match self {
            Self::At(_, issuer) => issuer.as_ref(),
            Self::OfIssuer(issuer) => Some(issuer),
        }
    }

    /// Who vouches for the callers: the issuer, or else who is asked.
    pub(super) fn vouches(&self) -> &str {
        match self {
            Self::At(url, None) => url,
            Self::At(_, Some(issuer)) | Self::OfIssuer(issuer) => issuer,
        }
    }
}

//! An `external` authenticator whose settings hold together.

use haechi_authn::external::{OwnAnswers, RequestFact, ValueEncoding, WithoutCredential};
use haechi_core::AttributeType;
use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

/// The checked settings.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct ExternalSettings {
    /// Where the service is asked.
    pub(super) url: String,
    /// Who vouches for its callers.
    pub(super) issuer: Arc<str>,
    /// Where a credential may stand: together with `cookies` not empty.
    pub(super) headers: Vec<Arc<str>>,
    /// Where a credential may stand.
    pub(super) cookies: Vec<Arc<str>>,
    /// What is sent along.
    pub(super) also_send: Vec<Arc<str>>,
    /// What is told.
    pub(super) tell: Vec<RequestFact>,
    /// What becomes of a request without a credential.
    pub(super) without_credential: WithoutCredential,
    /// The headers of an answer.
    pub(super) subject: Box<str>,
    /// With the roles.
    pub(super) roles: Box<str>,
    /// With the scopes.
    pub(super) scopes: Box<str>,
    /// With the attributes.
    pub(super) attributes: BTreeMap<Box<str>, (Box<str>, AttributeType)>,
    /// How values are written.
    pub(super) encoding: ValueEncoding,
    /// Which role of ours is what the service says.
    pub(super) role_map: Option<BTreeMap<Box<str>, Box<str>>>,
    /// What the client gets as it is.
    pub(super) own_answers: OwnAnswers,
    /// How long an answer is gone by.
    pub(super) cache: Duration,
    /// How long an answer may take.
    pub(super) timeout: Duration,
    /// The authorities to believe, instead of the system's.
    pub(super) authorities: Option<PathBuf>,
}

//! The outcome of authentication: who is calling.

use crate::rate::{QuotaCount, Rate};
use crate::{Attributes, Role, RoleTable, Secret, Timestamp};
use serde::{Serialize, Serializer};
use std::sync::Arc;

/// What sort of principal a caller is (docs/authorization.md).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize)]
pub enum CallerKind {
    /// A person or workload that an issuer vouches for.
    User,
    /// An API key.
    ApiKey,
    /// Nobody in particular, by the route's own choice.
    Anonymous,
}

/// Who is calling, as policies, backends and logs see it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Caller {
    /// What sort of principal this is.
    pub kind: CallerKind,
    /// Unique within the issuer; empty for the anonymous caller.
    pub subject: Arc<str>,
    /// Who vouches for the subject.
    pub issuer: Arc<str>,
    /// The configured authenticator's name that established this.
    pub authenticator: Arc<str>,
    /// Roles held, and all that they include (see [`RoleTable::effective`]).
    pub roles: Vec<Role>,
    /// OAuth scopes.
    pub scopes: Vec<Arc<str>>,
    /// Declared attributes that the credential carried.
    pub attributes: Attributes,
    /// When the credential stops being valid. Written in whole seconds, as JWT's NumericDate is.
    #[serde(skip_serializing_if = "Option::is_none", serialize_with = "in_seconds")]
    pub expires_at: Option<Timestamp>,
    /// The credential's own id where it has one (`jti`, API key id), for revocation and records. Not a secret.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub credential_id: Option<Arc<str>>,
    /// The login session (refresh-token family) behind the credential, for logout.
    #[serde(skip)]
    pub session: Option<Arc<str>>,
    /// How and when somebody logged in, for routes that ask for more than any login.
    #[serde(skip)]
    pub login: LoginFacts,
    /// Limits that the credential brings itself, as API keys do.
    #[serde(skip)]
    pub limits: Option<Arc<CallerLimits>>,
    /// The issuer's own access token, for backends that are to get it.
    #[serde(skip)]
    pub access_token: Option<Arc<Secret<String>>>,
}

/// How and when somebody logged in, as far as the issuer says (OpenID Connect Core 1.0, 2).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct LoginFacts {
    /// `acr`: what the login satisfied.
    pub acr: Option<Arc<str>>,
    /// `auth_time`.
    pub at: Option<Timestamp>,
}

/// Limits that a credential brings itself, on whichever route it is used.
#[derive(Debug, Default)]
pub struct CallerLimits {
    /// So many requests in so much time.
    pub rate: Option<Rate>,
    /// So many in a longer time, counted over all nodes and restarts.
    pub quota: Option<Arc<QuotaCount>>,
}

/// The same limits, however much of them is used.
impl PartialEq for CallerLimits {
    fn eq(&self, other: &Self) -> bool {
        let quota = |limits: &Self| limits.quota.as_ref().map(|quota| quota.quota());
        self.rate == other.rate && quota(self) == quota(other)
    }
}

impl Eq for CallerLimits {}

fn in_seconds<S: Serializer>(at: &Option<Timestamp>, serializer: S) -> Result<S::Ok, S::Error> {
    at.map(Timestamp::as_seconds).serialize(serializer)
}

/// What a scheme learned from a credential, before roles are made effective.
#[derive(Clone, Debug, Default)]
pub struct Claimed {
    /// See [`Caller::subject`].
    pub subject: String,
    /// See [`Caller::issuer`].
    pub issuer: String,
    /// Roles as claimed, unexpanded.
    pub roles: Vec<String>,
    /// Scopes as claimed.
    pub scopes: Vec<String>,
    /// Declared attributes found.
    pub attributes: Attributes,
    /// See [`Caller::expires_at`].
    pub expires_at: Option<Timestamp>,
    /// See [`Caller::credential_id`].
    pub credential_id: Option<String>,
    /// See [`Caller::session`].
    pub session: Option<String>,
    /// See [`Caller::login`].
    pub login: LoginFacts,
}

/// Whose word a claim rests on: decides whether built-in roles count.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Vouched {
    /// Our own store or our own signature. May carry `haechi-…` roles.
    BySelf,
    /// A third party. Its `haechi-…` roles are dropped: only we make administrators of the gate.
    ByOther,
}

impl Caller {
    /// Makes a caller from what a credential claimed: effective roles, no built-in roles on a stranger's word.
    pub fn new(
        kind: CallerKind,
        authenticator: &Arc<str>,
        vouched: Vouched,
        table: &RoleTable,
        claimed: Claimed,
    ) -> Self {
        let held: Vec<Role> = claimed
            .roles
            .into_iter()
            .filter(|role| vouched == Vouched::BySelf || !role.starts_with(crate::role::RESERVED_PREFIX))
            .map(Role::from)
            .collect();
        Self {
            kind,
            subject: claimed.subject.into(),
            issuer: claimed.issuer.into(),
            authenticator: authenticator.clone(),
            roles: table.effective(&held),
            scopes: claimed.scopes.into_iter().map(Arc::from).collect(),
            attributes: claimed.attributes,
            expires_at: claimed.expires_at,
            credential_id: claimed.credential_id.map(Arc::from),
            session: claimed.session.map(Arc::from),
            login: claimed.login,
            limits: None,
            access_token: None,
        }
    }

    /// The caller of a route that asks for nobody in particular.
    pub fn anonymous(authenticator: &str) -> Self {
        Self {
            kind: CallerKind::Anonymous,
            subject: "".into(),
            issuer: "".into(),
            authenticator: authenticator.into(),
            roles: Vec::new(),
            scopes: Vec::new(),
            attributes: Attributes::new(),
            expires_at: None,
            credential_id: None,
            session: None,
            login: LoginFacts::default(),
            limits: None,
            access_token: None,
        }
    }

    /// Whether the caller holds `role`, directly or through another.
    pub fn has_role(&self, role: &str) -> bool {
        self.roles.iter().any(|held| &**held == role)
    }

    /// Whether the caller was granted `scope`.
    pub fn has_scope(&self, scope: &str) -> bool {
        self.scopes.iter().any(|held| &**held == scope)
    }
}

#[cfg(test)]
mod tests {
    use super::{Caller, CallerKind, Claimed, Vouched};
    use crate::RoleTable;
    use std::sync::Arc;

    #[test]
    fn a_stranger_cannot_make_an_administrator_of_the_gate() {
        let table = RoleTable::default();
        let claimed = Claimed { roles: vec!["haechi-admin".into(), "USER".into()], ..Claimed::default() };
        let name = Arc::from("corp");
        let caller = Caller::new(CallerKind::User, &name, Vouched::ByOther, &table, claimed.clone());
        assert!(!caller.has_role("haechi-admin"));
        assert!(caller.has_role("USER"));
        let caller = Caller::new(CallerKind::User, &name, Vouched::BySelf, &table, claimed);
        assert!(caller.has_role("haechi-admin"));
    }
}

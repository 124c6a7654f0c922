//! Authentication and authorization on the admin API: callers with a token of the embedded identity provider and the role `haechi-admin`, or `haechi-auditor`.

use super::assembly::ProcessState;
use crate::config::Config;
use haechi_admin::{Needs, NotAdmitted, Shown, Wish};
use haechi_authn::identity::OPERATORS;
use haechi_authn::keys::KeySource;
use haechi_authn::schemes::jwt::{
    Audiences, ClaimsMap, DEFAULT_LEEWAY, IssuerRule, JsonPointer, JwtAuthenticator, JwtConfig, JwtFault,
    TokenPlace,
};
use haechi_authn::{Attempt, Authenticator, Look};
use haechi_core::caller::Vouched;
use haechi_core::id::RequestId;
use haechi_core::ports::{AuditActor, AuditSubject, BoxFuture};
use haechi_core::{
    Caller, CanonicalPath, Clock, ConnectionFacts, Fields, Host, RequestHead, RoleTable, role,
};
use http::Method;
use std::net::Ipv4Addr;
use std::sync::Arc;

/// Judges operators' tokens.
pub(crate) struct Operators {
    /// `None` without an identity provider: then nobody can be one.
    tokens: Option<JwtAuthenticator>,
    clock: Arc<dyn Clock>,
}

impl Operators {
    /// Those that `config` knows. Its issuer does not change while the process runs, and its roles do not matter: nothing includes a built-in one.
    ///
    /// # Errors
    /// [`JwtFault`].
    pub(crate) fn new(config: &Config, process: &ProcessState) -> Result<Self, JwtFault> {
        let issuer = config.identity.as_ref().map(|identity| identity.issuer.clone());
        let tokens = match issuer.zip(process.keyring()) {
            Some((issuer, keyring)) => Some(JwtAuthenticator::new(JwtConfig {
                name: "admin".into(),
                issuer: IssuerRule::exactly(&issuer),
                audiences: Audiences::OneOf(vec![issuer.to_string(), OPERATORS.to_owned()]),
                audience_claim: None,
                from: vec![TokenPlace::Bearer],
                keys: Arc::new(KeySource::embedded(&issuer, keyring.verifying())),
                algorithms: JwtAuthenticator::default_algorithms(),
                leeway: DEFAULT_LEEWAY,
                token_types: vec!["at+jwt".to_owned()],
                claims: ClaimsMap { roles: vec![JsonPointer::of_name("roles")], ..ClaimsMap::default() },
                roles: Arc::new(RoleTable::default()),
                revocations: Some(process.watch.clone()),
                vouched: Vouched::BySelf,
                cache_entries: 1,
                clock: process.clock.clone(),
            })?),
            None => None,
        };
        Ok(Self { tokens, clock: process.clock.clone() })
    }

    /// The head that a route would have seen.
    fn head(&self, token: &str) -> Option<RequestHead> {
        let mut fields = Fields::default();
        fields.push(b"authorization", format!("Bearer {token}").as_bytes());
        let connection = ConnectionFacts::plain((Ipv4Addr::LOCALHOST, 0).into());
        let (host, path) = (Host::parse(b"localhost").ok()?, CanonicalPath::parse(b"/").ok()?);
        let (id, now) = (RequestId::from_bits(0), self.clock.now());
        Some(RequestHead::new(id, now, connection, Method::POST, host, path).with_fields(fields))
    }
}

fn may(caller: &Caller, needs: Needs) -> bool {
    caller.has_role(role::ADMIN) || (needs == Needs::Read && caller.has_role(role::AUDITOR))
}

impl haechi_admin::Operators for Operators {
    fn admit(&self, shown: Shown, wish: Wish) -> BoxFuture<'_, Result<AuditActor, NotAdmitted>> {
        let judged = self.judge(&shown, wish);
        Box::pin(std::future::ready(judged))
    }
}

impl Operators {
    fn judge(&self, shown: &Shown, wish: Wish) -> Result<AuditActor, NotAdmitted> {
        let tokens = self.tokens.as_ref().ok_or(NotAdmitted::NoIdentity)?;
        let head = self.head(&shown.token).ok_or(NotAdmitted::Invalid)?;
        match tokens.for_worker().look(&head, head.received) {
            Look::Done(Attempt::Verified(caller)) if may(&caller, wish.needs) => Ok(actor(&caller, shown)),
            Look::Done(Attempt::Verified(caller)) => {
                Err(NotAdmitted::Forbidden(Box::new(actor(&caller, shown))))
            }
            Look::Done(Attempt::Absent | Attempt::Rejected(_)) => Err(NotAdmitted::Invalid),
            // Keys and revocations are at hand: whoever would have to ask has lost them.
            Look::Done(Attempt::Unavailable(_)) | Look::Wait(_) => Err(NotAdmitted::Unavailable),
        }
    }
}

fn actor(caller: &Caller, shown: &Shown) -> AuditActor {
    let who = AuditSubject { issuer: caller.issuer.to_string(), subject: caller.subject.to_string() };
    AuditActor {
        authenticator: caller.authenticator.to_string(),
        who: Some(who),
        credential_id: caller.credential_id.as_ref().map(ToString::to_string),
        uid: None,
        client: Some(shown.client),
    }
}

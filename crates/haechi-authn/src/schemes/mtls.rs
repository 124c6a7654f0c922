//! `mtls`: the certificate that the client showed at the TLS handshake, which the listener has verified (RFC 5280, RFC 8446 4.4.2).

mod facts;

pub use facts::Fact;

use crate::credential_cache::{CredentialCache, Found, Version};
use crate::revocation::DependsOn;
use crate::{Attempt, Authenticator, Challenge, CredentialMatch, CredentialPlace, Look, Scheme};
use facts::CertificateFacts;
use haechi_core::caller::{Claimed, Vouched};
use haechi_core::connection::ClientCertificate;
use haechi_core::{
    AttributeType, AttributeValue, Attributes, Caller, CallerKind, RequestHead, RoleTable, Timestamp,
};
use std::cell::RefCell;
use std::collections::BTreeMap;
use std::rc::Rc;
use std::sync::Arc;

/// How many certificates a worker remembers.
const CAPACITY: usize = 4_096;

/// An `mtls` authenticator, as meant.
pub struct MtlsConfig {
    /// The name under `authenticators:`.
    pub name: Arc<str>,
    /// Which of a certificate's names is the caller.
    pub subject: Fact,
    /// Who vouches for the caller; the authority's own name where this is `None`.
    pub issuer: Option<Arc<str>>,
    /// Roles that every caller holds.
    pub roles: Vec<String>,
    /// What else gives roles; `None` where it is the subject, by `role_map` alone.
    pub roles_from: Option<Vec<Fact>>,
    /// What a certificate says, and which role of ours that is. Where this is given, what is neither here nor declared is dropped.
    pub role_map: Option<BTreeMap<Box<str>, Box<str>>>,
    /// Attributes of callers, and what fills them. What a certificate does not have leaves them absent.
    pub attributes: BTreeMap<Box<str>, (Fact, AttributeType)>,
    /// The role hierarchy.
    pub role_table: Arc<RoleTable>,
}

/// The authenticator.
pub struct MtlsAuthenticator(Arc<Shared>);

struct Shared {
    config: MtlsConfig,
    challenge: Arc<Challenge>,
}

struct OnWorker {
    shared: Arc<Shared>,
    /// By the number of the handshake that has shown the certificate: no bytes are compared for a request.
    known: RefCell<CredentialCache<u64, Known>>,
}

/// What became of a certificate. It stays so until the certificate expires: nothing else is asked.
#[derive(Clone)]
enum Known {
    Caller(Arc<Caller>),
    NotUsable(&'static str),
}

impl MtlsAuthenticator {
    /// The authenticator that `config` describes.
    pub fn new(config: MtlsConfig) -> Self {
        let challenge = Arc::new(Challenge::new("ClientCertificate", &config.name));
        Self(Arc::new(Shared { config, challenge }))
    }
}

impl Authenticator for MtlsAuthenticator {
    fn name(&self) -> &Arc<str> {
        &self.0.config.name
    }

    fn for_worker(&self) -> Rc<dyn Scheme> {
        let known = RefCell::new(CredentialCache::new(CAPACITY, None));
        Rc::new(OnWorker { shared: self.0.clone(), known })
    }
}

impl Scheme for OnWorker {
    fn name(&self) -> &Arc<str> {
        &self.shared.config.name
    }

    fn challenge(&self) -> Option<&Arc<Challenge>> {
        Some(&self.shared.challenge)
    }

    fn credential_places(&self) -> &[CredentialPlace] {
        &[CredentialPlace::Certificate]
    }

    fn look(&self, head: &RequestHead, now: Timestamp) -> Look {
        let tls = head.connection.tls.as_ref();
        let Some(shown) = tls.and_then(|tls| tls.client_certificate.as_ref()) else {
            return Look::Done(Attempt::Absent);
        };
        let found = self.known.borrow_mut().find(&shown.id(), now, |_| true);
        let known = match found {
            Some(Found::Holds(known)) => known,
            _ => match self.read(shown, now) {
                Ok(known) => known,
                Err(attempt) => return Look::Done(attempt),
            },
        };
        Look::Done(match known {
            Known::Caller(caller) => Attempt::Verified(caller),
            Known::NotUsable(reason) => unusable(reason),
        })
    }
}

/// It was not meant for this authenticator: others may know what to make of it, or of another credential.
fn unusable(reason: &'static str) -> Attempt {
    Attempt::invalid_credentials(reason).matched(CredentialMatch::Other)
}

impl OnWorker {
    fn read(&self, shown: &ClientCertificate, now: Timestamp) -> Result<Known, Attempt> {
        let Some(facts) = CertificateFacts::read(shown) else {
            return Err(unusable("the client certificate cannot be read"));
        };
        if now > facts.not_after {
            return Err(Attempt::invalid_credentials("the client certificate has expired")
                .matched(CredentialMatch::Addressed));
        }
        let known = match self.shared.config.caller(&facts) {
            Ok(caller) => Known::Caller(Arc::new(caller)),
            Err(reason) => Known::NotUsable(reason),
        };
        // It holds to the end of its last second.
        let ends = facts.not_after.plus(std::time::Duration::from_millis(1));
        let (depends_on, version) = (DependsOn::nothing(), Version::unwatched());
        self.known.borrow_mut().keep(shown.id(), known.clone(), depends_on, ends, version);
        Ok(known)
    }
}

impl MtlsConfig {
    fn caller(&self, facts: &CertificateFacts) -> Result<Caller, &'static str> {
        if !facts.signs {
            return Err("the client certificate's key usage does not allow signatures");
        }
        let subject = facts.only(self.subject).ok_or_else(|| self.subject.none_or_several())?;
        let issuer = self.issuer.as_ref().unwrap_or(&facts.authority);
        let claimed = Claimed {
            roles: self.roles_of(&subject, facts),
            subject,
            issuer: issuer.to_string(),
            attributes: self.attributes_of(facts),
            expires_at: Some(facts.not_after),
            credential_id: Some(facts.thumbprint.clone()),
            ..Claimed::default()
        };
        Ok(Caller::new(CallerKind::User, &self.name, Vouched::ByOther, &self.role_table, claimed))
    }

    fn roles_of(&self, subject: &str, facts: &CertificateFacts) -> Vec<String> {
        let mapped =
            |said: &str| self.role_map.as_ref().and_then(|map| map.get(said)).map(ToString::to_string);
        let told = match &self.roles_from {
            None => mapped(subject).into_iter().collect(),
            Some(from) => {
                let said = from.iter().flat_map(|fact| facts.all(*fact));
                let role = |said: String| match &self.role_map {
                    None => Some(said),
                    Some(_) => mapped(&said).or_else(|| self.role_table.knows(&said).then_some(said)),
                };
                said.filter_map(role).collect::<Vec<_>>()
            }
        };
        self.roles.iter().cloned().chain(told).collect()
    }

    fn attributes_of(&self, facts: &CertificateFacts) -> Attributes {
        let value = |fact, as_type| match as_type {
            AttributeType::Set => {
                let all = facts.all(fact);
                (!all.is_empty()).then(|| AttributeValue::Set(all.into_iter().map(Box::from).collect()))
            }
            _ => facts.only(fact).map(|text| AttributeValue::String(text.into())),
        };
        let filled = self.attributes.iter();
        filled.filter_map(|(name, (fact, kind))| Some((name.clone(), value(*fact, *kind)?))).collect()
    }
}

#[cfg(test)]
mod tests;

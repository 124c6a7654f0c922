//! `mtls`: the certificate that the client showed at the TLS handshake, which the listener has verified (RFC 5280, RFC 8446 4.4.2); or, where that is said, to a proxy in
//! front.

mod facts;
mod forwarded;

pub use facts::Fact;
pub use forwarded::{BelievedCertificates, CertificateHeader, Forwarded};

use crate::credential_cache::{CredentialCache, Found, Version};
use crate::revocation::DependsOn;
use crate::{Attempt, Authenticator, Challenge, CredentialMatch, CredentialPlace, Look, Scheme};
use facts::CertificateFacts;
use forwarded::{Misread, Told};
use haechi_core::caller::{Claimed, Vouched};
use haechi_core::connection::ClientCertificate;
use haechi_core::{
    AttributeType, AttributeValue, Attributes, Caller, CallerKind, RequestHead, RoleTable, Timestamp,
};
use std::cell::RefCell;
use std::collections::BTreeMap;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

/// How many certificates a worker remembers.
const CAPACITY: usize = 4_096;
/// For how long a certificate that a proxy tells of is not verified again.
const TOLD_FOR: Duration = Duration::from_secs(60);

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
    /// A proxy in front says which certificate it was shown; `None` where the connection's own counts.
    pub forwarded: Option<Forwarded>,
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
    /// By the digest of what a proxy has said.
    told: RefCell<CredentialCache<[u8; 32], Known>>,
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
        let told = RefCell::new(CredentialCache::new(CAPACITY, None));
        Rc::new(OnWorker { shared: self.0.clone(), known, told })
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
        if let Some(forwarded) = &self.shared.config.forwarded {
            return Look::Done(match forwarded.told(head) {
                Ok(None) => Attempt::Absent,
                Ok(Some(told)) => self.look_at(forwarded, &told, now),
                Err(Misread::Twice) => {
                    Attempt::invalid_request("the proxy's header with the client's certificate stands twice")
                }
                Err(Misread::Malformed(why)) => {
                    Attempt::invalid_credentials(why).matched(CredentialMatch::Addressed)
                }
            });
        }
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
        Look::Done(known.attempt())
    }
}

impl Known {
    fn attempt(self) -> Attempt {
        match self {
            Self::Caller(caller) => Attempt::Verified(caller),
            Self::NotUsable(reason) => unusable(reason),
        }
    }
}

/// It was not meant for this authenticator: others may know what to make of it, or of another credential.
fn unusable(reason: &'static str) -> Attempt {
    Attempt::invalid_credentials(reason).matched(CredentialMatch::Other)
}

impl OnWorker {
    /// A certificate that a proxy was shown is verified here as well: a proxy may ask for any, and tell of it.
    fn look_at(&self, forwarded: &Forwarded, told: &Told, now: Timestamp) -> Attempt {
        let key = told.key();
        if let Some(Found::Holds(known)) = self.told.borrow_mut().find(&key, now, |_| true) {
            return known.attempt();
        }
        let authority = match forwarded.believed.authority(&told.certificate, &told.chain, now) {
            Ok(authority) => authority,
            Err(why) => {
                let reason = format!("the certificate that the proxy tells of is not believed: {why}");
                return Attempt::invalid_credentials(reason).matched(CredentialMatch::Addressed);
            }
        };
        let chain = told.chain.iter().map(Vec::as_slice);
        let shown = ClientCertificate::verified(&told.certificate, chain, authority);
        match self.judge(&shown, now) {
            Ok((known, ends)) => {
                let (depends_on, version) = (DependsOn::nothing(), Version::unwatched());
                // What led to the authority may end before the certificate does.
                let ends = ends.min(now.plus(TOLD_FOR));
                self.told.borrow_mut().keep(key, known.clone(), depends_on, ends, version);
                known.attempt()
            }
            Err(attempt) => attempt,
        }
    }

    fn read(&self, shown: &ClientCertificate, now: Timestamp) -> Result<Known, Attempt> {
        let (known, ends) = self.judge(shown, now)?;
        let (depends_on, version) = (DependsOn::nothing(), Version::unwatched());
        self.known.borrow_mut().keep(shown.id(), known.clone(), depends_on, ends, version);
        Ok(known)
    }

    /// What becomes of a certificate that is believed, and until when.
    fn judge(&self, shown: &ClientCertificate, now: Timestamp) -> Result<(Known, Timestamp), Attempt> {
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
        Ok((known, facts.not_after.plus(Duration::from_millis(1))))
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

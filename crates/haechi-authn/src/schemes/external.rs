//! `external`: an authorization service is asked about the request, by the credential that it shows (forward auth).

use crate::credential_cache::{CredentialCache, Found, Version};
use crate::external::{ExternalParts, Inquiry, Known, Question, Told};
use crate::revocation::DependsOn;
use crate::scheme::ServiceCounts;
use crate::{Attempt, Authenticator, Challenge, CredentialPlace, Look, Scheme};
use haechi_core::{Caller, RequestHead, Timestamp};
use std::cell::RefCell;
use std::rc::Rc;
use std::sync::Arc;

/// How many callers a worker remembers.
const CAPACITY: usize = 16_384;

/// The shared part.
pub struct ExternalAuthenticator(Arc<Inquiry>);

impl ExternalAuthenticator {
    /// An authenticator that asks.
    pub fn new(parts: ExternalParts) -> Self {
        Self(Arc::new(Inquiry::new(parts)))
    }
}

impl Authenticator for ExternalAuthenticator {
    fn name(&self) -> &Arc<str> {
        &self.0.config.name
    }

    fn for_worker(&self) -> Rc<dyn Scheme> {
        let config = &self.0.config;
        let challenge = if config.headers.iter().any(|name| &**name == "authorization") {
            Challenge::bearer(&config.name)
        } else {
            Challenge::new("External", &config.name)
        };
        let headers = config.headers.iter().map(CredentialPlace::of_field);
        let cookies = config.cookies.iter().map(|name| CredentialPlace::Cookie(name.clone()));
        Rc::new(ExternalScheme {
            inquiry: self.0.clone(),
            challenge: Arc::new(challenge),
            places: headers.chain(cookies).collect(),
            // Nothing of what a service outside vouches for is revoked here.
            cache: Rc::new(RefCell::new(CredentialCache::new(CAPACITY, None))),
        })
    }

    fn service_questions(&self) -> Option<&ServiceCounts> {
        Some(&self.0.counts)
    }
}

/// By what was asked.
type KnownCallers = Rc<RefCell<CredentialCache<[u8; 32], Arc<Caller>>>>;

struct ExternalScheme {
    inquiry: Arc<Inquiry>,
    challenge: Arc<Challenge>,
    places: Vec<CredentialPlace>,
    cache: KnownCallers,
}

impl Scheme for ExternalScheme {
    fn name(&self) -> &Arc<str> {
        &self.inquiry.config.name
    }

    fn challenge(&self) -> Option<&Arc<Challenge>> {
        Some(&self.challenge)
    }

    fn credential_places(&self) -> &[CredentialPlace] {
        &self.places
    }

    fn comes_from_cookie(&self, head: &RequestHead) -> bool {
        Question::comes_from_cookie(&self.inquiry.config, head)
    }

    fn look(&self, head: &RequestHead, now: Timestamp) -> Look {
        let question = match Question::of(&self.inquiry.config, head) {
            Ok(question) => question,
            Err(attempt) => return Look::Done(attempt),
        };
        let key = question.key();
        if let Some(Found::Holds(caller)) = self.cache.borrow_mut().find(&key, now, |_| true) {
            return Look::Done(Attempt::Verified(caller));
        }
        let (inquiry, cache) = (self.inquiry.clone(), self.cache.clone());
        Look::Wait(Box::pin(async move {
            let Known { told, until } = match inquiry.find(key, question).await {
                Ok(known) => known,
                Err(unavailable) => return Attempt::Unavailable(unavailable),
            };
            if let Told::Caller(caller) = &told
                && now < until
            {
                let (depends_on, version) = (DependsOn::nothing(), Version::unwatched());
                cache.borrow_mut().keep(key, caller.clone(), depends_on, until, version);
            }
            told.into()
        }))
    }
}

#[cfg(test)]
mod tests;

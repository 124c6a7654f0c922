//! `introspection`: an opaque token in `Authorization: Bearer`, of which the authorization server is asked (RFC 6750, RFC 7662).

use crate::authorization::token68;
use crate::credential_cache::{CredentialCache, Found};
use crate::introspection::{ActiveToken, Answers, Inquiry, IntrospectionParts, Known, Told};
use crate::jose::TokenFault;
use crate::random::sha256;
use crate::revocation::DependsOn;
use crate::scheme::IntrospectionCounts;
use crate::token_place::{self, TokenPlace};
use crate::{
    Attempt, Authenticator, Challenge, CredentialMatch, CredentialPlace, Look, Readiness, RevocationWatch,
    Scheme,
};
use haechi_core::{RequestHead, Secret, Timestamp};
use std::cell::RefCell;
use std::rc::Rc;
use std::sync::Arc;

/// How many tokens a worker remembers.
const CAPACITY: usize = 16_384;
/// Nobody is asked about a longer token, in bytes.
const LONGEST: usize = 16 * 1024;

const STALE: &str = "cannot read revocations from the store recently enough";

/// The shared part.
pub struct IntrospectionAuthenticator {
    inquiry: Arc<Inquiry>,
    /// What was revoked here, where there is a store that says so.
    watch: Option<Arc<RevocationWatch>>,
}

impl IntrospectionAuthenticator {
    /// An authenticator that asks. `watch` tells which tokens were revoked here, by their `jti`.
    pub fn new(parts: IntrospectionParts, watch: Option<Arc<RevocationWatch>>) -> Self {
        Self { inquiry: Arc::new(Inquiry::new(parts)), watch }
    }
}

impl Authenticator for IntrospectionAuthenticator {
    fn name(&self) -> &Arc<str> {
        &self.inquiry.config.name
    }

    fn for_worker(&self) -> Rc<dyn Scheme> {
        let config = &self.inquiry.config;
        Rc::new(IntrospectionScheme {
            challenge: Arc::new(config.possession.challenge()),
            proof_challenge: Arc::new(config.possession.dpop_challenge()),
            places: TokenPlace::credential_places(&config.from),
            inquiry: self.inquiry.clone(),
            watch: self.watch.clone(),
            cache: Rc::new(RefCell::new(CredentialCache::new(CAPACITY, self.watch.clone()))),
        })
    }

    fn readiness(&self) -> Readiness {
        if let Answers::Signed { keys, .. } = &self.inquiry.config.answers
            && let Err(why) = keys.readiness()
        {
            return Readiness::NotReady(why);
        }
        match &self.watch {
            Some(watch) if !watch.is_fresh(&watch.view()) => Readiness::NotReady(STALE.to_owned()),
            _ => Readiness::Ready,
        }
    }

    fn introspections(&self) -> Option<&IntrospectionCounts> {
        Some(&self.inquiry.counts)
    }
}

/// By the SHA-256 of the token.
type ActiveTokens = Rc<RefCell<CredentialCache<[u8; 32], ActiveToken>>>;

struct IntrospectionScheme {
    inquiry: Arc<Inquiry>,
    challenge: Arc<Challenge>,
    proof_challenge: Arc<Challenge>,
    places: Vec<CredentialPlace>,
    watch: Option<Arc<RevocationWatch>>,
    cache: ActiveTokens,
}

impl Scheme for IntrospectionScheme {
    fn name(&self) -> &Arc<str> {
        &self.inquiry.config.name
    }

    fn challenge(&self) -> Option<&Arc<Challenge>> {
        Some(&self.challenge)
    }

    fn proof_challenge(&self) -> Option<&Arc<Challenge>> {
        Some(&self.proof_challenge)
    }

    fn credential_places(&self) -> &[CredentialPlace] {
        &self.places
    }

    fn comes_from_cookie(&self, head: &RequestHead) -> bool {
        token_place::comes_from_cookie(&self.inquiry.config.from, head)
    }

    fn token<'h>(&self, head: &'h RequestHead) -> Option<&'h [u8]> {
        token_place::presented(&self.inquiry.config.from, head).ok()
    }

    fn look(&self, head: &RequestHead, now: Timestamp) -> Look {
        let presented = match token_place::presented(&self.inquiry.config.from, head) {
            Ok(presented) => presented,
            Err(attempt) => return Look::Done(attempt),
        };
        let key = sha256(presented);
        match self.cache.borrow_mut().find(&key, now, |_| true) {
            Some(Found::Holds(known)) => {
                let ActiveToken { caller, binding } = known;
                let shown = (presented, binding.as_deref());
                return self.inquiry.config.possession.check(shown, head, now, caller);
            }
            Some(Found::Stale) => return Look::Done(Attempt::unavailable(STALE)),
            Some(Found::Revoked) => return Look::Done(revoked()),
            None => {}
        }
        let token = token68(presented).filter(|token| token.len() <= LONGEST);
        let Some(token) = token.map(|token| Secret::new(token.to_owned())) else {
            return Look::Done(Attempt::invalid_token("the token is malformed or too long"));
        };
        let version = self.cache.borrow().version();
        let (inquiry, watch, cache) = (self.inquiry.clone(), self.watch.clone(), self.cache.clone());
        let (head, shown) = (head.clone(), presented.to_vec());
        let possession = inquiry.config.possession.clone();
        Look::Wait(Box::pin(async move {
            let Known { told, until } = match inquiry.find(key, token).await {
                Ok(known) => known,
                Err(unavailable) => return Attempt::Unavailable(unavailable),
            };
            let known = match told {
                Told::Active(known) => known,
                Told::Refused(reason, matched) => return Attempt::invalid_token(reason).matched(matched),
            };
            let depends_on = DependsOn::token(known.caller.credential_id.as_deref(), None);
            // While nobody knows what is revoked here, nobody knows whether this token is.
            let Some(version) = version else { return Attempt::unavailable(STALE) };
            if watch.is_some_and(|watch| watch.view().is_revoked(&depends_on)) {
                return revoked();
            }
            if now < until {
                cache.borrow_mut().keep(key, known.clone(), depends_on, until, version);
            }
            let ActiveToken { caller, binding } = known;
            match possession.check((&shown, binding.as_deref()), &head, now, caller) {
                Look::Done(attempt) => attempt,
                Look::Wait(answer) => answer.await,
            }
        }))
    }
}

fn revoked() -> Attempt {
    Attempt::invalid_token(TokenFault::Revoked.to_string()).matched(CredentialMatch::Addressed)
}

#[cfg(test)]
mod tests;

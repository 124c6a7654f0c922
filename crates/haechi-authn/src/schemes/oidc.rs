//! `oidc`: the cookie of a session that began with a login at a provider from outside (docs/login.md).

use crate::credential_cache::{CredentialCache, Found};
use crate::oidc::{FoundSession, KnownSession, OidcClient, ReturnTo, SessionKeeper, SessionSecret, Way};
use crate::random::sha256;
use crate::revocation::DependsOn;
use crate::{
    Attempt, Authenticator, Challenge, CredentialMatch, CredentialPlace, LoginRedirect, Look, Readiness,
    RevocationWatch, Scheme, StepUp,
};
use haechi_core::{RequestHead, Timestamp, cookies};
use std::cell::RefCell;
use std::rc::Rc;
use std::sync::Arc;

/// How many sessions a worker remembers.
const CAPACITY: usize = 16_384;

const STALE: &str = "cannot read revocations from the store recently enough";

/// The shared part.
pub struct OidcAuthenticator {
    client: OidcClient,
    watch: Arc<RevocationWatch>,
}

impl OidcAuthenticator {
    /// An authenticator of the sessions of `client`; `watch` tells which have ended.
    pub const fn new(client: OidcClient, watch: Arc<RevocationWatch>) -> Self {
        Self { client, watch }
    }
}

impl Authenticator for OidcAuthenticator {
    fn name(&self) -> &Arc<str> {
        self.client.name()
    }

    fn for_worker(&self) -> Rc<dyn Scheme> {
        let config = self.client.config();
        let (session, development) = (&config.cookies.session, &config.cookies.development);
        let challenge = Challenge::new("Cookie", &config.name)
            .with("form-action", &config.start_path())
            .with("cookie-name", session);
        Rc::new(OidcScheme {
            places: [CredentialPlace::Cookie(session.clone()), CredentialPlace::Cookie(development.clone())],
            challenge: Arc::new(challenge),
            keeper: Rc::new(SessionKeeper::of(&self.client)),
            cache: Rc::new(RefCell::new(CredentialCache::new(CAPACITY, Some(self.watch.clone())))),
            client: self.client.clone(),
        })
    }

    fn readiness(&self) -> Readiness {
        if let Err(why) = self.client.readiness() {
            return Readiness::NotReady(why);
        }
        if self.watch.is_fresh(&self.watch.view()) {
            Readiness::Ready
        } else {
            Readiness::NotReady(STALE.to_owned())
        }
    }
}

struct OidcScheme {
    client: OidcClient,
    places: [CredentialPlace; 2],
    challenge: Arc<Challenge>,
    keeper: Rc<SessionKeeper>,
    /// By the SHA-256 of the cookie's value.
    cache: Rc<RefCell<CredentialCache<[u8; 32], KnownSession>>>,
}

impl OidcScheme {
    /// The cookie's value, or what its absence or ambiguity comes to.
    fn presented<'h>(&self, head: &'h RequestHead) -> Result<&'h [u8], Attempt> {
        // A cookie for plain HTTP that comes over TLS may be anybody's who can set cookies for a site beside this one.
        let way = Way::of(head).ok_or(Attempt::Absent)?;
        let name = self.client.config().cookies.of(way);
        match cookies::sole(&head.fields, name.as_bytes()) {
            Ok(Some(value)) if !value.is_empty() => Ok(value),
            Ok(_) => Err(Attempt::Absent),
            Err(_) => Err(Attempt::invalid_request(format!("the cookie `{name}` stands more than once"))),
        }
    }
}

impl Scheme for OidcScheme {
    fn name(&self) -> &Arc<str> {
        self.client.name()
    }

    fn challenge(&self) -> Option<&Arc<Challenge>> {
        Some(&self.challenge)
    }

    fn credential_places(&self) -> &[CredentialPlace] {
        &self.places
    }

    fn comes_from_cookie(&self, head: &RequestHead) -> bool {
        self.presented(head).is_ok()
    }

    fn login(&self, head: &RequestHead, asked: &StepUp) -> Option<LoginRedirect> {
        let config = self.client.config();
        let to = format!("{}{}", ReturnTo::of_request(head).encoded(), asked.more_parameters());
        let login = LoginRedirect::new(&format!("{}?return_to={to}", config.start_path())).ok()?;
        Some(login.among(&config.chooser_path(), &config.name, &to))
    }

    fn logs_in_again(&self) -> bool {
        true
    }

    fn look(&self, head: &RequestHead, now: Timestamp) -> Look {
        let value = match self.presented(head) {
            Ok(value) => value,
            Err(attempt) => return Look::Done(attempt),
        };
        let key = sha256(value);
        match self.cache.borrow_mut().find(&key, now, |_| true) {
            Some(Found::Holds(known)) => return Look::Done(Attempt::Verified(known.caller)),
            Some(Found::Stale) => return Look::Done(Attempt::unavailable(STALE)),
            Some(Found::Revoked) => {
                return Look::Done(ended("the session has ended").matched(CredentialMatch::Named));
            }
            None => {}
        }
        let Some(secret) = SessionSecret::parse(value) else {
            return Look::Done(ended("the cookie is not one of a session"));
        };
        let version = self.cache.borrow().version();
        let (keeper, cache) = (self.keeper.clone(), self.cache.clone());
        Look::Wait(Box::pin(async move {
            // While nobody knows what is revoked, the store itself is asked, and nothing is kept.
            let known = match keeper.find(secret, now).await {
                Ok(FoundSession::Known(known)) => *known,
                Ok(FoundSession::Foreign) => {
                    return ended("the session is another authenticator's").matched(CredentialMatch::Other);
                }
                Ok(FoundSession::None) => return ended("there is no such session, or it has ended"),
                Err(unavailable) => return Attempt::Unavailable(unavailable),
            };
            let caller = known.caller.clone();
            if let Some(version) = version {
                let (depends_on, ends) = (DependsOn::token(None, Some(&known.id)), known.until);
                cache.borrow_mut().keep(key, known, depends_on, ends, version);
            }
            Attempt::Verified(caller)
        }))
    }
}

fn ended(reason: &'static str) -> Attempt {
    Attempt::invalid_token(reason)
}

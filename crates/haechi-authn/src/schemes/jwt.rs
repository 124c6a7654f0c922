//! `jwt`: a signed token in `Authorization: Bearer`, or `DPoP` where it is bound to a key (RFC 6750, RFC 7519, RFC 8725, RFC 9068, RFC 9449).

mod issuer;
mod mapping;
mod verify;

pub use crate::token_place::TokenPlace;
pub use issuer::{IssuerFault, IssuerRule};
pub use mapping::{AttributeClaim, BadPointer, ClaimsMap, JsonPointer};

use crate::authorization::token68;
use crate::credential_cache::{CredentialCache, Found};
use crate::jose::algorithm::{Algorithm, AlgorithmSet};
use crate::jose::{Binding, TokenFault};
use crate::keys::{KeySet, KeySource, KeyUpdate};
use crate::possession::ProofRules;
use crate::token_place;
use crate::{
    Attempt, Authenticator, Challenge, CredentialMatch, CredentialPlace, LocalFuture, Look, Readiness,
    RevocationWatch, Scheme,
};
use haechi_core::caller::Vouched;
use haechi_core::{Caller, Clock, RequestHead, RoleTable, Timestamp};
use std::cell::RefCell;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;
use verify::{Verdict, Verified};

/// How far clocks may differ, unless configured.
pub const DEFAULT_LEEWAY: Duration = Duration::from_secs(30);
/// The `typ` values accepted, unless configured (RFC 9068 2.1, RFC 7519 5.1).
pub const DEFAULT_TOKEN_TYPES: [&str; 2] = ["at+jwt", "JWT"];
/// How many verified tokens a worker remembers, unless configured.
pub const DEFAULT_CACHE_ENTRIES: usize = 16_384;

/// A `jwt` authenticator, as meant.
pub struct JwtConfig {
    /// The name under `authenticators:`.
    pub name: Arc<str>,
    /// What `iss` must be.
    pub issuer: IssuerRule,
    /// For whom a token must be.
    pub audiences: Audiences,
    /// What stands for `aud`, for issuers that write none; `aud` where there is none.
    pub audience_claim: Option<JsonPointer>,
    /// Where a token may stand. Not empty.
    pub from: Vec<TokenPlace>,
    /// Where the keys come from.
    pub keys: Arc<KeySource>,
    /// The allow-list.
    pub algorithms: AlgorithmSet,
    /// How far clocks may differ.
    pub leeway: Duration,
    /// The header's `typ`, where it is present. Tokens of the embedded issuer must have it: what else we sign with the same keys, for
    /// backends, is told apart by it.
    pub token_types: Vec<String>,
    /// What becomes of which claim.
    pub claims: ClaimsMap,
    /// The role hierarchy.
    pub roles: Arc<RoleTable>,
    /// For the embedded issuer: what was revoked.
    pub revocations: Option<Arc<RevocationWatch>>,
    /// Whether the issuer is the embedded one.
    pub vouched: Vouched,
    /// How whoever shows a token that is bound to a key proves to have it.
    pub possession: ProofRules,
    /// How many verified tokens each worker remembers.
    pub cache_entries: usize,
    /// For readiness.
    pub clock: Arc<dyn Clock>,
}

/// For whom a token must be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Audiences {
    /// One of these. Not empty.
    OneOf(Vec<String>),
    /// Nobody checks: a token that the issuer made for anybody is taken.
    Unchecked,
}

impl Audiences {
    fn listed(&self) -> &[String] {
        match self {
            Self::OneOf(audiences) => audiences,
            Self::Unchecked => &[],
        }
    }
}

/// Why a `jwt` authenticator would verify nothing, or too much.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum JwtFault {
    /// Without audiences, a token made for anybody would do.
    #[error(
        "`audiences` is missing: without it, a token that the issuer made for somebody else would be accepted"
    )]
    NoAudience,
    /// No token would be found.
    #[error("`from` is empty: no token could be found")]
    NoPlace,
    /// Nothing could verify.
    #[error("`algorithms` is empty: no token could be accepted")]
    NoAlgorithm,
    /// No typed token could be accepted.
    #[error("`token_types` is empty: no token could be accepted")]
    NoTokenType,
    /// Tokens of the embedded issuer could not be revoked.
    #[error("the embedded issuer's tokens need a view of what was revoked")]
    NoRevocations,
}

/// The shared part: configuration and keys.
pub struct JwtAuthenticator(Arc<JwtConfig>);

impl JwtAuthenticator {
    /// An authenticator that is set up to refuse what it must.
    ///
    /// # Errors
    /// [`JwtFault`].
    pub fn new(config: JwtConfig) -> Result<Self, JwtFault> {
        let by_self = config.vouched == Vouched::BySelf;
        if config.audiences == Audiences::OneOf(Vec::new()) {
            return Err(JwtFault::NoAudience);
        }
        if config.from.is_empty() {
            return Err(JwtFault::NoPlace);
        }
        if config.algorithms.is_empty() {
            return Err(JwtFault::NoAlgorithm);
        }
        if config.token_types.is_empty() {
            return Err(JwtFault::NoTokenType);
        }
        if by_self && config.revocations.is_none() {
            return Err(JwtFault::NoRevocations);
        }
        Ok(Self(Arc::new(config)))
    }

    /// The allow-list when nothing is configured: no shared secrets.
    pub fn default_algorithms() -> AlgorithmSet {
        Algorithm::asymmetric()
    }
}

impl Authenticator for JwtAuthenticator {
    fn name(&self) -> &Arc<str> {
        &self.0.name
    }

    fn for_worker(&self) -> Rc<dyn Scheme> {
        Rc::new(JwtScheme(Rc::new(Worker {
            challenge: Arc::new(self.0.possession.challenge()),
            proof_challenge: Arc::new(self.0.possession.dpop_challenge()),
            places: TokenPlace::credential_places(&self.0.from),
            cache: RefCell::new(CredentialCache::new(self.0.cache_entries, self.0.revocations.clone())),
            config: self.0.clone(),
        })))
    }

    fn readiness(&self) -> Readiness {
        if let Err(why) = self.0.keys.readiness() {
            return Readiness::NotReady(why);
        }
        match &self.0.revocations {
            Some(watch) if !watch.is_fresh(&watch.view()) => Readiness::NotReady(STALE.to_owned()),
            _ => Readiness::Ready,
        }
    }

    fn notes(&self) -> Vec<String> {
        self.0.keys.skipped()
    }
}

/// Longer tokens are verified each time, in bytes: a few of them must not push out the others' memory.
const MAX_REMEMBERED: usize = 4 * 1024;

const STALE: &str = "cannot read revocations from the store recently enough";

/// One worker's part. Negative outcomes are not remembered: their number is up to whoever sends them, they cost no more than one
/// verification, and a token refused now may hold later, when its time or its key has come.
struct JwtScheme(Rc<Worker>);

struct Worker {
    config: Arc<JwtConfig>,
    challenge: Arc<Challenge>,
    proof_challenge: Arc<Challenge>,
    places: Vec<CredentialPlace>,
    /// By all bytes of the token.
    cache: RefCell<CredentialCache<Box<[u8]>, Known>>,
}

/// A token that was verified.
#[derive(Clone)]
struct Known {
    caller: Arc<Caller>,
    /// What whoever shows it must prove to have, each time.
    binding: Option<Arc<Binding>>,
    /// Of the key set that verified it.
    generation: u64,
}

impl Scheme for JwtScheme {
    fn name(&self) -> &Arc<str> {
        &self.0.config.name
    }

    fn challenge(&self) -> Option<&Arc<Challenge>> {
        Some(&self.0.challenge)
    }

    fn proof_challenge(&self) -> Option<&Arc<Challenge>> {
        Some(&self.0.proof_challenge)
    }

    fn credential_places(&self) -> &[CredentialPlace] {
        &self.0.places
    }

    fn comes_from_cookie(&self, head: &RequestHead) -> bool {
        token_place::comes_from_cookie(&self.0.config.from, head)
    }

    fn token<'h>(&self, head: &'h RequestHead) -> Option<&'h [u8]> {
        token_place::presented(&self.0.config.from, head).ok()
    }

    fn look(&self, head: &RequestHead, now: Timestamp) -> Look {
        let presented = match token_place::presented(&self.0.config.from, head) {
            Ok(presented) => presented,
            Err(attempt) => return Look::Done(attempt),
        };
        let worker = &self.0;
        let keys = worker.config.keys.load();
        match worker.known(presented, &keys, now) {
            Some(Ok(known)) => return worker.proven(known, presented, head, now),
            Some(Err(attempt)) => return Look::Done(attempt),
            None => {}
        }
        let Some(token) = token68(presented) else {
            return Look::Done(refused(&TokenFault::Shape, CredentialMatch::Unknown));
        };
        match worker.verify(token, &keys, now) {
            Ok(known) => worker.proven(known, presented, head, now),
            Err(Verdict::Done(attempt)) => Look::Done(attempt),
            Err(Verdict::AskNewer(fault)) => match worker.config.keys.newer() {
                KeyUpdate::No => Look::Done(refused(&fault, CredentialMatch::Named)),
                KeyUpdate::Unknown(why) => Look::Done(unknown_key(&why)),
                KeyUpdate::Pending(newer) => {
                    Look::Wait(verify_later(worker.clone(), (token.into(), head.clone()), now, newer))
                }
            },
            Err(Verdict::TooOld) => match worker.config.keys.newer() {
                KeyUpdate::No | KeyUpdate::Unknown(_) => Look::Done(worker.without_keys()),
                KeyUpdate::Pending(newer) => {
                    Look::Wait(verify_later(worker.clone(), (token.into(), head.clone()), now, newer))
                }
            },
        }
    }
}

fn verify_later(
    worker: Rc<Worker>,
    (token, head): (Box<str>, RequestHead),
    now: Timestamp,
    newer: impl Future<Output = Result<(), Arc<str>>> + 'static,
) -> LocalFuture<Attempt> {
    Box::pin(async move {
        if let Err(why) = newer.await {
            let gone = worker.config.keys.usable(&worker.config.keys.load()).is_none();
            return if gone { worker.without_keys() } else { unknown_key(&why) };
        }
        let keys = worker.config.keys.load();
        match worker.verify(&token, &keys, now) {
            Ok(known) => match worker.proven(known, token.as_bytes(), &head, now) {
                Look::Done(attempt) => attempt,
                Look::Wait(answer) => answer.await,
            },
            Err(Verdict::Done(attempt)) => attempt,
            Err(Verdict::AskNewer(fault)) => refused(&fault, CredentialMatch::Named),
            Err(Verdict::TooOld) => worker.without_keys(),
        }
    })
}

/// The key may be a new one that the issuer could not tell us about: that is not known to be wrong.
fn unknown_key(why: &str) -> Attempt {
    Attempt::unavailable(format!("no key verifies the token, and a newer set could not be fetched: {why}"))
}

fn refused(fault: &TokenFault, matched: CredentialMatch) -> Attempt {
    Attempt::invalid_token(fault.to_string()).matched(matched)
}

impl Worker {
    /// There are no keys, or none that hold any more.
    fn without_keys(&self) -> Attempt {
        let why = self.config.keys.readiness().err();
        Attempt::unavailable(why.unwrap_or_else(|| "the keys have only just come".into()))
    }

    /// What is known of the token from an earlier request, under these keys.
    fn known(&self, token: &[u8], keys: &KeySet, now: Timestamp) -> Option<Result<Known, Attempt>> {
        let same_keys =
            |known: &Known| known.generation == keys.generation() && self.config.keys.usable(keys).is_some();
        Some(match self.cache.borrow_mut().find(token, now, same_keys)? {
            Found::Holds(known) => Ok(known),
            Found::Stale => Err(Attempt::unavailable(STALE)),
            Found::Revoked => Err(refused(&TokenFault::Revoked, CredentialMatch::Addressed)),
        })
    }

    fn verify(&self, token: &str, keys: &KeySet, now: Timestamp) -> Result<Known, Verdict> {
        let verified = verify::verify(&self.config, token, keys, now)?;
        let Verified { caller, binding, ends, depends_on, version } = verified;
        let known = Known { caller, binding, generation: keys.generation() };
        if token.len() <= MAX_REMEMBERED {
            let kept = known.clone();
            self.cache.borrow_mut().keep(token.as_bytes().into(), kept, depends_on, ends, version);
        }
        Ok(known)
    }

    /// Whether whoever shows a token that holds may bear it.
    fn proven(&self, known: Known, token: &[u8], head: &RequestHead, now: Timestamp) -> Look {
        let Known { caller, binding, .. } = known;
        self.config.possession.check((token, binding.as_deref()), head, now, caller)
    }
}

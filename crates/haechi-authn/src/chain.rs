//! Several authenticators for one route: any of them, or all.

use crate::{Attempt, CredentialPlace, Fault, Look, Scheme};
use haechi_core::{Caller, RequestHead, Timestamp};
use std::rc::Rc;
use std::sync::Arc;

/// The authenticators of a route, as one worker asks them. Never empty: openness is written by name.
pub struct Chain {
    schemes: Vec<Rc<dyn Scheme>>,
    rule: Rule,
}

enum Rule {
    Any,
    All,
}

/// A chain of no authenticators, which would let everybody or nobody in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a chain needs at least one authenticator; openness is written as `anonymous`")]
pub struct EmptyChain;

/// What a chain came to.
pub struct Outcome {
    /// The attempt that decides.
    pub attempt: Attempt,
    /// Where the verified credentials stand, for removal before forwarding.
    pub verified: Vec<CredentialPlace>,
}

impl Chain {
    /// Any one of the schemes is enough; they are asked in order and the first that verifies is the caller.
    ///
    /// # Errors
    /// [`EmptyChain`] without a scheme.
    pub fn any(schemes: Vec<Rc<dyn Scheme>>) -> Result<Self, EmptyChain> {
        Self::new(schemes, Rule::Any)
    }

    /// All of the schemes must verify. The caller is the one that the first scheme names, with its roles only: adding a scheme
    /// adds a requirement, never a right. The credential's end is the earliest of all.
    ///
    /// # Errors
    /// [`EmptyChain`] without a scheme.
    pub fn all(schemes: Vec<Rc<dyn Scheme>>) -> Result<Self, EmptyChain> {
        Self::new(schemes, Rule::All)
    }

    fn new(schemes: Vec<Rc<dyn Scheme>>, rule: Rule) -> Result<Self, EmptyChain> {
        if schemes.is_empty() { Err(EmptyChain) } else { Ok(Self { schemes, rule }) }
    }

    /// The schemes in order.
    pub fn schemes(&self) -> &[Rc<dyn Scheme>] {
        &self.schemes
    }

    /// Asks the schemes. `observe` sees each attempt, for metrics and explanations.
    pub async fn authenticate(
        &self,
        head: &RequestHead,
        now: Timestamp,
        mut observe: impl FnMut(&dyn Scheme, &Attempt),
    ) -> Outcome {
        match self.rule {
            Rule::Any => self.first_verified(head, now, &mut observe).await,
            Rule::All => self.all_verified(head, now, &mut observe).await,
        }
    }

    async fn first_verified(
        &self,
        head: &RequestHead,
        now: Timestamp,
        observe: &mut impl FnMut(&dyn Scheme, &Attempt),
    ) -> Outcome {
        let mut worst = Attempt::Absent;
        for scheme in &self.schemes {
            let attempt = ask(&**scheme, head, now).await;
            observe(&**scheme, &attempt);
            if matches!(attempt, Attempt::Verified(_)) {
                return Outcome { attempt, verified: vec![scheme.credential_place()] };
            }
            if is_invalid_request(&attempt) {
                return Outcome { attempt, verified: Vec::new() };
            }
            if weight(&attempt) > weight(&worst) {
                worst = attempt;
            }
        }
        Outcome { attempt: worst, verified: Vec::new() }
    }

    async fn all_verified(
        &self,
        head: &RequestHead,
        now: Timestamp,
        observe: &mut impl FnMut(&dyn Scheme, &Attempt),
    ) -> Outcome {
        let mut caller: Option<Arc<Caller>> = None;
        let mut verified = Vec::with_capacity(self.schemes.len());
        for scheme in &self.schemes {
            let attempt = ask(&**scheme, head, now).await;
            observe(&**scheme, &attempt);
            let Attempt::Verified(found) = attempt else {
                return Outcome { attempt, verified: Vec::new() };
            };
            verified.push(scheme.credential_place());
            caller = Some(match caller {
                None => found,
                Some(first) => ending_no_later(first, &found),
            });
        }
        let attempt = caller.map_or(Attempt::Absent, Attempt::Verified);
        Outcome { attempt, verified }
    }
}

async fn ask(scheme: &dyn Scheme, head: &RequestHead, now: Timestamp) -> Attempt {
    match scheme.look(head, now) {
        Look::Done(attempt) => attempt,
        Look::Wait(answer) => answer.await,
    }
}

fn is_invalid_request(attempt: &Attempt) -> bool {
    matches!(attempt, Attempt::Rejected(rejection) if rejection.fault == Fault::InvalidRequest)
}

/// Could-not-find-out outweighs a refusal: one of the authenticators that was not heard might have known the caller.
const fn weight(attempt: &Attempt) -> u8 {
    match attempt {
        Attempt::Absent => 0,
        Attempt::Rejected(_) => 1,
        Attempt::Unavailable(_) => 2,
        Attempt::Verified(_) => 3,
    }
}

fn ending_no_later(first: Arc<Caller>, other: &Caller) -> Arc<Caller> {
    match (first.expires_at, other.expires_at) {
        (Some(mine), Some(theirs)) if mine <= theirs => first,
        (_, None) => first,
        (_, theirs) => Arc::new(Caller { expires_at: theirs, ..(*first).clone() }),
    }
}

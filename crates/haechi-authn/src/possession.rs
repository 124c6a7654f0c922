//! Proof of possession: a token that is bound to a key (`cnf`, RFC 7800 3.1) is accepted only from whoever proves to have that key, by a signed proof (DPoP, RFC 9449)
//! or by the certificate of the connection (RFC 8705 3).

mod dpop;
mod replay;
mod rules;

pub(crate) use replay::FirstUse;
pub use replay::ReplayMemory;
pub use rules::{DEFAULT_PROOF_AGE, ProofRules, RequiredBinding};

use crate::authorization::AuthScheme;
use crate::jose::Algorithm;
use crate::jose::{Binding, TokenFault};
use crate::random::sha256;
use crate::{Attempt, Challenge, CredentialMatch, Look};
use dpop::ProofFault;
use haechi_core::{Caller, RequestHead, Timestamp};
use replay::ProofId;
use std::sync::Arc;

/// Whether the request shows this token as `Authorization: DPoP` (RFC 9449 7.1).
fn is_shown_as_dpop(head: &RequestHead, token: &[u8]) -> bool {
    matches!(AuthScheme::Dpop.read_unchecked(&head.fields), Ok(Some(shown)) if shown == token)
}

impl ProofRules {
    /// What invites to this way in.
    pub(crate) fn challenge(&self) -> Challenge {
        match self.required {
            Some(RequiredBinding::Dpop) => self.dpop_challenge(),
            Some(RequiredBinding::Certificate) | None => Challenge::bearer(&self.name),
        }
    }

    /// What invites to show a token with a DPoP proof (RFC 9449 7.1).
    pub(crate) fn dpop_challenge(&self) -> Challenge {
        Challenge::dpop(&self.name)
            .with("algs", &self.algorithms.iter().map(Algorithm::name).collect::<Vec<_>>().join(" "))
    }

    /// Whether whoever sent the request may bear the token, which holds and is `caller`'s.
    pub(crate) fn check(
        &self,
        (token, binding): (&[u8], Option<&Binding>),
        head: &RequestHead,
        now: Timestamp,
        caller: Arc<Caller>,
    ) -> Look {
        let used = match self.proof(token, binding, head, now) {
            Ok(used) => used,
            Err(attempt) => return Look::Done(attempt.matched(CredentialMatch::Addressed)),
        };
        // What was let in before is judged again with the proof that it came with.
        let Some(proof) = used.filter(|_| !head.is_judged_again) else {
            return Look::Done(Attempt::Verified(caller));
        };
        match self.replays.first_use(proof, self.max_age + self.leeway * 2) {
            FirstUse::Known(known) => Look::Done(settled(known, caller)),
            FirstUse::Asked(answer) => Look::Wait(Box::pin(async move { settled(answer.await, caller) })),
        }
    }

    /// The proof that must not have been used before, where there is one.
    fn proof(
        &self,
        token: &[u8],
        binding: Option<&Binding>,
        head: &RequestHead,
        now: Timestamp,
    ) -> Result<Option<ProofId>, Attempt> {
        let bound = binding.cloned().unwrap_or_default();
        match self.required {
            Some(RequiredBinding::Dpop) if bound.dpop.is_none() => {
                return Err(Attempt::invalid_token(
                    "the token is not bound to a key (`cnf.jkt`), which `require: dpop` asks for",
                ));
            }
            Some(RequiredBinding::Certificate) if bound.certificate.is_none() => {
                return Err(Attempt::invalid_token(
                    "the token is not bound to a certificate (`cnf.x5t#S256`), which `require: certificate` asks for",
                ));
            }
            _ => {}
        }
        if bound.certificate.is_some_and(|wanted| shown_certificate(head) != Some(wanted)) {
            return Err(Attempt::invalid_token(
                "the token is bound to a client certificate (`cnf`), and the connection shows no such one",
            ));
        }
        match (bound.dpop, is_shown_as_dpop(head, token)) {
            (None, false) => Ok(None),
            (None, true) => {
                Err(Attempt::invalid_proof("the token is shown as `DPoP`, and is not bound to a key"))
            }
            // A bound token is never one for whoever bears it.
            (Some(_), false) => Err(Attempt::invalid_token(TokenFault::Unproven.to_string())),
            (Some(key), true) => {
                let proof = sole_proof(head)?;
                let id = dpop::check(self, proof, (token, &key), head, now);
                id.map(Some).map_err(|fault: ProofFault| Attempt::invalid_proof(fault.to_string()))
            }
        }
    }
}

/// More than one is not decided between (RFC 9449 4.3, 1).
fn sole_proof(head: &RequestHead) -> Result<&[u8], Attempt> {
    match head.fields.sole_named(b"dpop") {
        Ok(Some(proof)) => Ok(proof),
        Ok(None) => Err(Attempt::invalid_proof(
            "the token is bound to a key (`cnf`), and the request has no `DPoP` proof",
        )),
        Err(_) => Err(Attempt::invalid_request("`DPoP` stands more than once")),
    }
}

fn shown_certificate(head: &RequestHead) -> Option<[u8; 32]> {
    let shown = head.connection.tls.as_ref()?.client_certificate.as_ref()?;
    Some(sha256(shown.der()))
}

/// What becomes of a caller whose proof is a new one, or not.
fn settled(first: Result<bool, String>, caller: Arc<Caller>) -> Attempt {
    match first {
        Ok(true) => Attempt::Verified(caller),
        Ok(false) => {
            Attempt::invalid_proof("the `DPoP` proof was used before").matched(CredentialMatch::Addressed)
        }
        Err(why) => Attempt::unavailable(why),
    }
}

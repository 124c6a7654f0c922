//! What authenticators of tokens ask for besides the token: proofs of possession.

use super::definition::{Checks, Materials};
use crate::config::choice::choice;
use crate::config::read::Maybe;
use crate::config::record::record;
use crate::config::report::Fault;
use crate::config::source::At;
use crate::config::value::BoundedDuration;
use haechi_authn::jose::{Algorithm, AlgorithmSet};
use haechi_authn::possession::{DEFAULT_PROOF_AGE, ProofRules, RequiredBinding};
use haechi_authn::schemes::jwt::TokenPlace;
use std::sync::Arc;
use std::time::Duration;

/// How old a proof may be: 5 s to 10 min.
type ProofAge = BoundedDuration<5_000, 600_000>;

choice! {
    "a binding of tokens"
    /// What tokens must be bound to.
    pub(crate) enum Requirement {
        /// A key that signs a proof with each request (DPoP, RFC 9449).
        Dpop = "dpop",
        /// The certificate that the client shows (RFC 8705).
        Certificate = "certificate",
    }
}

record! {
    "`dpop`"
    /// Which DPoP proofs are accepted (RFC 9449). Tokens that are bound to a key need one, whether or not this is here.
    struct Dpop {
        /// How old a proof may be.
        default max_age as "max_age": ProofAge = BoundedDuration(DEFAULT_PROOF_AGE),
        /// The algorithms that a proof may be signed with. All asymmetric ones where this is left out.
        optional algorithms as "algorithms": At<Vec<At<Algorithm>>>,
    }
}

/// The checked settings.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct PossessionSettings {
    required: Option<RequiredBinding>,
    algorithms: AlgorithmSet,
    max_age: Duration,
}

/// Checks what is written under `require` and `dpop`, of an authenticator whose tokens stand in these places.
pub(super) fn possession(
    checks: &mut dyn Checks,
    (require, dpop): (&Maybe<At<Requirement>>, &Maybe<At<Dpop>>),
    from: Option<&[TokenPlace]>,
) -> Option<PossessionSettings> {
    let required = require.given().map(|required| match required.value {
        Requirement::Dpop => RequiredBinding::Dpop,
        Requirement::Certificate => RequiredBinding::Certificate,
    });
    if let (Some(RequiredBinding::Dpop), Some(required)) = (required, require.given())
        && from.is_some_and(|from| !from.contains(&TokenPlace::Bearer))
    {
        let message =
            "`require: dpop` takes tokens from `Authorization: DPoP` alone, which `from` does not list";
        return checks
            .fault(Fault::new(required.span, message).help("add `bearer` to `from`, or remove `from`"));
    }
    let algorithms = match dpop.given().and_then(|dpop| dpop.algorithms.given()) {
        None => Algorithm::asymmetric(),
        Some(listed) => asymmetric(checks, listed)?,
    };
    let max_age = dpop.given().map_or(DEFAULT_PROOF_AGE, |dpop| dpop.max_age.0);
    Some(PossessionSettings { required, algorithms, max_age })
}

fn asymmetric(checks: &mut dyn Checks, listed: &At<Vec<At<Algorithm>>>) -> Option<AlgorithmSet> {
    if let Some(secret) = listed.iter().find(|algorithm| algorithm.value.is_symmetric()) {
        let message = format!("{} is for a secret, and a proof brings its public key along", secret.value);
        return checks
            .fault(Fault::new(secret.span, message).help("list algorithms such as `ES256` and `EdDSA`"));
    }
    if listed.is_empty() {
        let fault = Fault::new(listed.span, "`algorithms` is empty: no proof could be accepted");
        return checks.fault(fault.help("list at least one, or remove the key"));
    }
    Some(listed.iter().map(|algorithm| algorithm.value).collect())
}

impl PossessionSettings {
    /// The rules of the authenticator with this name.
    pub(super) fn rules(&self, name: &Arc<str>, leeway: Duration, materials: &Materials<'_>) -> ProofRules {
        ProofRules {
            required: self.required,
            algorithms: self.algorithms,
            max_age: self.max_age,
            ..ProofRules::new(name.clone(), leeway, materials.replays.clone())
        }
    }
}

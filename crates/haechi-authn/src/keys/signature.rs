//! Whether one of an issuer's keys has signed a token: the one place that says so, whatever the token is for.

use super::set::{Choice, KeySet};
use super::source::{KeySource, KeyUpdate};
use crate::jose::{AlgorithmSet, Compact, Header, TokenFault};

/// Why nothing says that a token was signed by its issuer.
#[derive(Debug)]
pub(crate) enum SignatureFault {
    /// It was not.
    Refused(TokenFault),
    /// A newer key set may have the key; if there is none, this is what is wrong.
    AskNewer(TokenFault),
    /// There are no keys that hold: a machine that was suspended wakes up with old ones.
    TooOld,
    /// There were never any, for this reason.
    NoKeys(String),
    /// A newer set could not be fetched, for this reason: that the key is not known is not known to be wrong.
    Unknown(String),
}

/// Checks the signature with the keys of `set`, which is one of `source`.
pub(crate) fn check(
    source: &KeySource,
    algorithms: AlgorithmSet,
    compact: &Compact<'_>,
    header: &Header<'_>,
    set: &KeySet,
) -> Result<(), SignatureFault> {
    if !algorithms.contains(header.algorithm) {
        return Err(SignatureFault::Refused(TokenFault::NotAllowed(header.algorithm)));
    }
    let Some(keys) = source.usable(set) else {
        return Err(match set.confirmed_at() {
            Some(_) => SignatureFault::TooOld,
            // The first attempts follow each other soon enough by themselves.
            None => {
                let why = source.readiness().err();
                SignatureFault::NoKeys(why.unwrap_or_else(|| "the keys have only just come".into()))
            }
        });
    };
    match keys.choose(header.algorithm, header.kid.as_deref()) {
        Choice::Key(key) | Choice::Unnamed(key) if key.verifies(compact.signed(), compact.signature()) => {
            Ok(())
        }
        Choice::Key(_) => Err(SignatureFault::Refused(TokenFault::Signature)),
        // The issuer may have another key by now, and nothing in the token says so.
        Choice::Unnamed(_) => Err(SignatureFault::AskNewer(TokenFault::Signature)),
        Choice::Unknown => Err(SignatureFault::AskNewer(TokenFault::NoKey)),
        Choice::None => Err(SignatureFault::Refused(TokenFault::NoKey)),
    }
}

/// The same with the newest keys that there are: a newer set is fetched where that may help.
pub(crate) async fn check_newest(
    source: &KeySource,
    algorithms: AlgorithmSet,
    compact: &Compact<'_>,
    header: &Header<'_>,
) -> Result<(), SignatureFault> {
    let first = {
        let set = source.load();
        check(source, algorithms, compact, header, &set)
    };
    let newer = match &first {
        Err(SignatureFault::AskNewer(_) | SignatureFault::TooOld | SignatureFault::NoKeys(_)) => {
            source.newer()
        }
        _ => return first,
    };
    match newer {
        KeyUpdate::No => first,
        KeyUpdate::Unknown(why) => Err(SignatureFault::Unknown(why.to_string())),
        KeyUpdate::Pending(newer) => {
            newer.await.map_err(|why| SignatureFault::Unknown(why.to_string()))?;
            let set = source.load();
            check(source, algorithms, compact, header, &set)
        }
    }
}

//! A DPoP proof, checked in full (RFC 9449 4.3).

use super::replay::ProofId;
use super::rules::ProofRules;
use crate::jose::claims::{date, text};
use crate::jose::json::Object;
use crate::jose::jwk::Jwk;
use crate::jose::{Compact, TokenFault, base64url, thumbprint};
use crate::random::sha256;
use haechi_core::{CanonicalPath, Host, RequestHead, Timestamp};

/// The `typ` of a proof.
const TYPE: &str = "dpop+jwt";

/// Why a proof does not hold.
#[derive(Debug, thiserror::Error)]
pub(super) enum ProofFault {
    #[error("the `DPoP` proof cannot be read: {0}")]
    Token(#[from] TokenFault),
    #[error("the `DPoP` field is not text")]
    NotText,
    #[error("the `DPoP` proof's `typ` is not `{TYPE}`")]
    Type,
    #[error("the `DPoP` proof is signed with {0}, which is not among the accepted algorithms")]
    Algorithm(crate::jose::Algorithm),
    #[error("the `DPoP` proof's `jwk` is missing, private, or no key for its `alg`")]
    Key,
    #[error("the `DPoP` proof's signature does not verify with its `jwk`")]
    Signature,
    #[error("the `DPoP` proof is of another key than the token is bound to")]
    OtherKey,
    #[error("the `DPoP` proof is for another method (`htm`)")]
    Method,
    #[error("the `DPoP` proof is for another address (`htu`)")]
    Address,
    #[error("the `DPoP` proof is for another token (`ath`)")]
    OtherToken,
    #[error("the `DPoP` proof is too old, or of the future (`iat`)")]
    Time,
}

/// Checks the proof that came with `token`, which is bound to `key`. What is judged again is not asked for a newer proof.
pub(super) fn check(
    rules: &ProofRules,
    proof: &[u8],
    (token, key): (&[u8], &[u8; 32]),
    head: &RequestHead,
    now: Timestamp,
) -> Result<ProofId, ProofFault> {
    let compact = Compact::split(std::str::from_utf8(proof).map_err(|_| ProofFault::NotText)?)?;
    let header = compact.header()?;
    if !header.typ.as_deref().is_some_and(|typ| typ.eq_ignore_ascii_case(TYPE)) {
        return Err(ProofFault::Type);
    }
    if header.algorithm.is_symmetric() || !rules.algorithms.contains(header.algorithm) {
        return Err(ProofFault::Algorithm(header.algorithm));
    }
    let parameters = compact.header_object()?;
    let jwk = parameters.member("jwk").and_then(|jwk| jwk.as_object()).ok_or(ProofFault::Key)?;
    if thumbprint::of(jwk).ok_or(ProofFault::Key)? != *key {
        return Err(ProofFault::OtherKey);
    }
    let verifying = Jwk::read(jwk, now).map_err(|_| ProofFault::Key)?;
    let mut fitting = verifying.keys.iter().filter(|key| key.algorithm() == header.algorithm);
    let verifying = fitting.next().ok_or(ProofFault::Key)?;
    if !verifying.verifies(compact.signed(), compact.signature()) {
        return Err(ProofFault::Signature);
    }
    let claims = compact.claims()?;
    check_claims(&claims, token, head)?;
    let issued = date(&claims, "iat")?.ok_or(TokenFault::Missing("iat"))?;
    let is_in_time = issued <= now.plus(rules.leeway) && now <= issued.plus(rules.max_age + rules.leeway);
    if !is_in_time && !head.is_judged_again {
        return Err(ProofFault::Time);
    }
    let id = said(&claims, "jti")?;
    // Whichever authenticator it was shown to: a route may ask several that take the same token.
    let whole = sha256(&[b"dpop\0".as_slice(), key, id.as_bytes()].concat());
    whole.first_chunk().copied().ok_or(ProofFault::NotText)
}

/// That the proof is for this request and this token.
fn check_claims(claims: &Object<'_>, token: &[u8], head: &RequestHead) -> Result<(), ProofFault> {
    if said(claims, "htm")? != head.method.as_str() {
        return Err(ProofFault::Method);
    }
    if !is_address_of(said(claims, "htu")?, head) {
        return Err(ProofFault::Address);
    }
    if said(claims, "ath")? != base64url::encode(sha256(token)) {
        return Err(ProofFault::OtherToken);
    }
    Ok(())
}

fn said<'a>(claims: &'a Object<'_>, name: &'static str) -> Result<&'a str, TokenFault> {
    text(claims, name)?.filter(|text| !text.is_empty()).ok_or(TokenFault::Missing(name))
}

/// Whether `address` is that of the request as its client knows it, without query and fragment: compared after normalization (RFC 9449 4.3, 9; RFC 3986 6.2.2, 6.2.3).
fn is_address_of(address: &str, head: &RequestHead) -> bool {
    let (scheme, port) = if head.secure { ("https", 443) } else { ("http", 80) };
    let Some((named, rest)) = address.split_once("://") else { return false };
    let rest = rest.split(['?', '#']).next().unwrap_or_default();
    let (authority, path) = rest.split_at(rest.find('/').unwrap_or(rest.len()));
    let path = if path.is_empty() { "/" } else { path };
    named.eq_ignore_ascii_case(scheme)
        && Host::parse(authority.as_bytes()).is_ok_and(|host| host.is_same(&head.host, port))
        && CanonicalPath::parse(path.as_bytes()).is_ok_and(|path| path.as_str() == head.path.as_str())
}

//! The checks of an ID token (OpenID Connect Core 1.0, 3.1.3.7) and of a logout token (Back-Channel Logout 1.0, 2.6).

use super::config::OidcConfig;
use super::fault::LoginFault;
use crate::jose::algorithm::Algorithm;
use crate::jose::claims::{self, Expected};
use crate::jose::json::{Json, Object};
use crate::jose::{Compact, Header, TokenFault, base64url};
use crate::keys::KeySource;
use crate::keys::signature::{self, SignatureFault};
use aws_lc_rs::digest::{self, SHA256, SHA384, SHA512};
use haechi_core::{Secret, Timestamp};
use serde_json::{Map, Value};

/// The event that a logout token is about.
const LOGOUT_EVENT: &str = "http://schemas.openid.net/event/backchannel-logout";
/// A logout token is for now: one that is older is a repetition.
const LOGOUT_WITHIN: std::time::Duration = std::time::Duration::from_secs(5 * 60);
/// The most characters of a subject (OpenID Connect Core 1.0, 2).
const LONGEST_SUBJECT: usize = 255;

/// What an ID token came with, to which it must fit.
#[derive(Clone, Copy)]
pub(super) struct Beside<'a> {
    /// The nonce of the login; `None` for a refresh, which has none.
    pub(super) nonce: Option<&'a str>,
    /// The subject that the session is of; `None` at a login.
    pub(super) subject: Option<&'a str>,
    pub(super) access_token: &'a str,
    pub(super) code: Option<&'a str>,
}

/// What an ID token says, once it is believed.
pub(super) struct IdClaims {
    pub(super) subject: String,
    /// The provider's own session.
    pub(super) session: Option<String>,
    /// All claims.
    pub(super) all: Map<String, Value>,
}

/// Whom a logout token ends.
pub(super) struct LogoutClaims {
    pub(super) subject: Option<String>,
    pub(super) session: Option<String>,
    /// Names the token.
    pub(super) id: String,
}

/// Checks an ID token: signature, issuer, audience, time, and that it belongs to what came with it.
pub(super) async fn check(
    config: &OidcConfig,
    keys: &KeySource,
    token: &str,
    beside: Beside<'_>,
    now: Timestamp,
) -> Result<IdClaims, LoginFault> {
    let untrusted = |fault: TokenFault| LoginFault::untrusted(format!("ID token: {fault}"));
    let compact = Compact::split(token).map_err(untrusted)?;
    let header = compact.header().map_err(untrusted)?;
    signed(config, keys, &compact, &header).await?;
    let claims = compact.claims().map_err(untrusted)?;
    check_type(&header, &["JWT"]).map_err(untrusted)?;
    check_common(config, &claims, now).map_err(untrusted)?;
    let subject =
        subject(&claims).map_err(untrusted)?.ok_or_else(|| untrusted(TokenFault::Missing("sub")))?;
    let refuse = |why: &str| Err(LoginFault::untrusted(format!("ID token: {why}")));
    if beside.subject.is_some_and(|known| known != subject) {
        return refuse("it is of another subject than the session");
    }
    let nonce = claims::text(&claims, "nonce").map_err(untrusted)?;
    if let Some(expected) = beside.nonce {
        match nonce {
            None => return refuse("`nonce` is missing"),
            Some(nonce) if Secret::from(nonce) != Secret::from(expected) => {
                return refuse("`nonce` is of another login");
            }
            Some(_) => {}
        }
    }
    for (name, beside) in [("at_hash", Some(beside.access_token)), ("c_hash", beside.code)] {
        let Some(hash) = claims::text(&claims, name).map_err(untrusted)? else { continue };
        if beside.is_some_and(|beside| half_hash(header.algorithm, beside) != hash) {
            return refuse(&format!("`{name}` is of something else than what came with it"));
        }
    }
    let session = claims::text(&claims, "sid").map_err(untrusted)?.map(str::to_owned);
    let all = compact.claims_map().map_err(untrusted)?;
    Ok(IdClaims { subject: subject.to_owned(), session, all })
}

/// Checks a logout token.
pub(super) async fn check_logout(
    config: &OidcConfig,
    keys: &KeySource,
    token: &str,
    now: Timestamp,
) -> Result<LogoutClaims, LoginFault> {
    let untrusted = |fault: TokenFault| LoginFault::untrusted(format!("logout token: {fault}"));
    let compact = Compact::split(token).map_err(untrusted)?;
    let header = compact.header().map_err(untrusted)?;
    signed(config, keys, &compact, &header).await?;
    let claims = compact.claims().map_err(untrusted)?;
    check_type(&header, &["logout+jwt", "JWT"]).map_err(untrusted)?;
    check_common(config, &claims, now).map_err(untrusted)?;
    let refuse = |why: &str| Err(LoginFault::untrusted(format!("logout token: {why}")));
    // An ID token is never a logout token: it has no events, and this one has no nonce.
    let about_logout = matches!(claims.member("events"),
        Some(Json::Object(events)) if matches!(events.member(LOGOUT_EVENT), Some(Json::Object(_))));
    if !about_logout {
        return refuse("`events` does not say that somebody logged out");
    }
    if claims.member("nonce").is_some() {
        return refuse("it has a `nonce`");
    }
    let issued = claims::issued_at(&claims)
        .map_err(untrusted)?
        .ok_or(TokenFault::Missing("iat"))
        .map_err(untrusted)?;
    if now.since(issued) > LOGOUT_WITHIN {
        return refuse("it is too old");
    }
    let id = claims::text(&claims, "jti")
        .map_err(untrusted)?
        .ok_or(TokenFault::Missing("jti"))
        .map_err(untrusted)?;
    let subject = subject(&claims).map_err(untrusted)?.map(str::to_owned);
    let session = claims::text(&claims, "sid").map_err(untrusted)?.map(str::to_owned);
    if subject.is_none() && session.is_none() {
        return refuse("it names neither a subject nor a session");
    }
    Ok(LogoutClaims { subject, session, id: id.to_owned() })
}

async fn signed(
    config: &OidcConfig,
    keys: &KeySource,
    compact: &Compact<'_>,
    header: &Header<'_>,
) -> Result<(), LoginFault> {
    signature::check_newest(keys, config.algorithms, compact, header).await.map_err(|fault| match fault {
        SignatureFault::Refused(fault) | SignatureFault::AskNewer(fault) => {
            LoginFault::untrusted(format!("token of the provider: {fault}"))
        }
        SignatureFault::TooOld => LoginFault::Unavailable("the provider's keys are too old".to_owned()),
        SignatureFault::NoKeys(why) | SignatureFault::Unknown(why) => LoginFault::Unavailable(why),
    })
}

/// Issuer, audience, authorized party and times.
fn check_common(config: &OidcConfig, claims: &Object<'_>, now: Timestamp) -> Result<(), TokenFault> {
    claims::check_issuer(claims, &config.issuer)?;
    let audiences = std::slice::from_ref(&config.client_id);
    let audience = claims.member("aud");
    claims::check(claims, Expected { now, leeway: config.leeway, audiences, audience })?;
    if claims::issued_at(claims)?.is_none() {
        return Err(TokenFault::Missing("iat"));
    }
    let party = claims::text(claims, "azp")?;
    let several = matches!(audience, Some(Json::Array(all)) if all.len() > 1);
    match party {
        None if several => Err(TokenFault::Missing("azp")),
        Some(party) if party != config.client_id => Err(TokenFault::audience(audiences, &[party])),
        _ => Ok(()),
    }
}

fn subject<'c>(claims: &'c Object<'_>) -> Result<Option<&'c str>, TokenFault> {
    match claims::text(claims, "sub")? {
        Some(subject) if subject.is_empty() || subject.chars().count() > LONGEST_SUBJECT => {
            Err(TokenFault::Malformed("sub"))
        }
        subject => Ok(subject),
    }
}

/// `typ`, where there is one, with or without `application/`: an access token is no ID token.
fn check_type(header: &Header<'_>, accepted: &[&str]) -> Result<(), TokenFault> {
    let Some(typ) = header.typ.as_deref() else { return Ok(()) };
    let bare = match typ.split_at_checked("application/".len()) {
        Some((prefix, rest)) if prefix.eq_ignore_ascii_case("application/") => rest,
        _ => typ,
    };
    if accepted.iter().any(|known| known.eq_ignore_ascii_case(bare)) { Ok(()) } else { Err(TokenFault::Type) }
}

/// The left half of the hash that belongs to the algorithm (OpenID Connect Core 1.0, 3.1.3.6).
fn half_hash(algorithm: Algorithm, text: &str) -> String {
    let by = match algorithm {
        Algorithm::Rs256 | Algorithm::Ps256 | Algorithm::Es256 | Algorithm::Hs256 => &SHA256,
        Algorithm::Rs384 | Algorithm::Ps384 | Algorithm::Es384 | Algorithm::Hs384 => &SHA384,
        Algorithm::Rs512 | Algorithm::Ps512 | Algorithm::Es512 | Algorithm::Hs512 | Algorithm::EdDsa => {
            &SHA512
        }
    };
    let hash = digest::digest(by, text.as_bytes());
    base64url::encode(hash.as_ref().get(..hash.as_ref().len() / 2).unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::half_hash;
    use crate::jose::algorithm::Algorithm;

    /// OpenID Connect Core 1.0, A.3 and A.4: the `at_hash` and `c_hash` of the examples.
    #[test]
    fn hashes_of_the_specification() {
        assert_eq!(
            half_hash(Algorithm::Rs256, "jHkWEdUXMU1BwAsC4vtUsZwnNvTIxEl0z9K3vx5KF0Y"),
            "77QmUPtjPfzWtF2AnpK9RQ"
        );
        assert_eq!(
            half_hash(Algorithm::Rs256, "Qcb0Orv1zh30vL1MPRsbm-diHiMwcLyZvn1arpZv-Jxf_11jnpEX3Tgfvk"),
            "LDktKdoQak3Pk0cnXxCltA"
        );
    }
}

//! Verifying a token that is seen for the first time.

use super::{JwtConfig, STALE, refused};
use crate::credential_cache::Version;
use crate::jose::claims::{self, Expected};
use crate::jose::json::Object;
use crate::jose::{Binding, Compact, Header, TokenFault};
use crate::keys::KeySet;
use crate::keys::signature::{self, SignatureFault};
use crate::revocation::DependsOn;
use crate::step_up::login_facts;
use crate::{Attempt, CredentialMatch};
use haechi_core::caller::{Claimed, Vouched};
use haechi_core::{Caller, CallerKind, Timestamp};
use std::sync::Arc;

/// What verifying came to, or what it would take.
pub(super) enum Verdict {
    /// It does not hold, or that could not be found out.
    Done(Attempt),
    /// A newer key set may have the key; if there is none, this is what is wrong.
    AskNewer(TokenFault),
    /// There are no keys that hold: a machine that was suspended wakes up with old ones.
    TooOld,
}

/// A token that holds.
pub(super) struct Verified {
    pub(super) caller: Arc<Caller>,
    /// What whoever shows it must prove to have.
    pub(super) binding: Option<Arc<Binding>>,
    /// The first instant at which it does not.
    pub(super) ends: Timestamp,
    pub(super) depends_on: DependsOn,
    /// Of the view of revocations that it was checked against.
    pub(super) version: Version,
}

/// Of a token that cannot be read: nothing says whose it is.
impl From<TokenFault> for Verdict {
    fn from(fault: TokenFault) -> Self {
        Self::Done(refused(&fault, CredentialMatch::Unknown))
    }
}

impl Verdict {
    /// Of a token by what it says of its issuer.
    fn of_issuer(fault: TokenFault) -> Self {
        let other = matches!(fault, TokenFault::Issuer { .. });
        Self::Done(refused(&fault, if other { CredentialMatch::Other } else { CredentialMatch::Unknown }))
    }

    /// Of a token by its signature, or by the lack of a key for it.
    fn of_signature(fault: TokenFault) -> Self {
        Self::Done(refused(&fault, CredentialMatch::Named))
    }

    /// Of a token that the issuer has signed.
    fn of_claims(fault: TokenFault) -> Self {
        let other = matches!(fault, TokenFault::Audience { .. });
        Self::Done(refused(&fault, if other { CredentialMatch::Signed } else { CredentialMatch::Addressed }))
    }
}

/// Shape first; then whether it is ours to judge; then the signature; and only then what it says.
pub(super) fn verify(
    config: &JwtConfig,
    token: &str,
    keys: &KeySet,
    now: Timestamp,
) -> Result<Verified, Verdict> {
    let compact = Compact::split(token)?;
    let header = compact.header()?;
    let claims = compact.claims()?;
    let issuer = config.issuer.check(&claims).map_err(Verdict::of_issuer)?;
    check_signature(config, &compact, &header, keys)?;

    let audience = match &config.audience_claim {
        None => claims.member("aud"),
        Some(pointer) => pointer.find(&claims),
    };
    let audiences = config.audiences.listed();
    let expected = Expected { now, leeway: config.leeway, audiences, audience };
    let (ends, binding) = claims::check_bound(&claims, expected).map_err(Verdict::of_claims)?;
    check_type(config, &header).map_err(Verdict::of_claims)?;
    let caller = caller(config, issuer, &claims, ends).map_err(Verdict::of_claims)?;
    let depends_on = DependsOn::token(caller.credential_id.as_deref(), caller.session.as_deref());
    let version = check_revoked(config, &depends_on)?;
    let binding = binding.map(Arc::new);
    Ok(Verified { caller: Arc::new(caller), binding, ends, depends_on, version })
}

fn check_signature(
    config: &JwtConfig,
    compact: &Compact<'_>,
    header: &Header<'_>,
    keys: &KeySet,
) -> Result<(), Verdict> {
    signature::check(&config.keys, config.algorithms, compact, header, keys).map_err(|fault| match fault {
        SignatureFault::Refused(fault) => Verdict::of_signature(fault),
        SignatureFault::AskNewer(fault) => Verdict::AskNewer(fault),
        SignatureFault::TooOld => Verdict::TooOld,
        SignatureFault::NoKeys(why) | SignatureFault::Unknown(why) => {
            Verdict::Done(Attempt::unavailable(why))
        }
    })
}

/// `typ` is compared without regard to case, with or without `application/` (RFC 7515 4.1.9).
fn check_type(config: &JwtConfig, header: &Header<'_>) -> Result<(), TokenFault> {
    let Some(typ) = header.typ.as_deref() else {
        return if config.vouched == Vouched::BySelf { Err(TokenFault::Type) } else { Ok(()) };
    };
    let same =
        |accepted: &String| without_application(accepted).eq_ignore_ascii_case(without_application(typ));
    if config.token_types.iter().any(same) { Ok(()) } else { Err(TokenFault::Type) }
}

fn without_application(typ: &str) -> &str {
    match typ.split_at_checked("application/".len()) {
        Some((prefix, rest)) if prefix.eq_ignore_ascii_case("application/") && !rest.contains('/') => rest,
        _ => typ,
    }
}

fn caller(
    config: &JwtConfig,
    issuer: &str,
    claims: &Object<'_>,
    ends: Timestamp,
) -> Result<Caller, TokenFault> {
    let subject = config.claims.subject(claims)?;
    let by_self = config.vouched == Vouched::BySelf;
    // Another issuer's sessions are not ours to end, and their names might be those of ours.
    // A machine client's tokens are one session, which ends when the client is deleted.
    let session =
        if by_self { claims::text(claims, "sid")?.or(claims::text(claims, "client_id")?) } else { None };
    let id = claims::text(claims, "jti")?;
    if by_self && id.is_none() {
        return Err(TokenFault::Missing("jti"));
    }
    let claimed = Claimed {
        subject: subject.to_owned(),
        issuer: issuer.to_owned(),
        roles: config.claims.roles(claims, &config.roles),
        scopes: config.claims.scopes(claims),
        attributes: config.claims.attributes(claims),
        expires_at: Some(ends),
        credential_id: id.map(str::to_owned),
        session: session.map(str::to_owned),
        login: login_facts(claims),
    };
    Ok(Caller::new(CallerKind::User, &config.name, config.vouched, &config.roles, claimed))
}

/// Whether the token or its session was revoked.
fn check_revoked(config: &JwtConfig, depends_on: &DependsOn) -> Result<Version, Verdict> {
    let Some(watch) = &config.revocations else {
        return Ok(Version::unwatched());
    };
    let view = watch.view();
    if !watch.is_fresh(&view) {
        return Err(Verdict::Done(Attempt::unavailable(STALE)));
    }
    if view.is_revoked(depends_on) {
        Err(Verdict::of_claims(TokenFault::Revoked))
    } else {
        Ok(Version::of(&view))
    }
}

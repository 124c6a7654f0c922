//! What an answer says of a token, once it is known to be one (RFC 7662 2.2).

use super::config::IntrospectionConfig;
use crate::jose::claims::{self, Expected};
use crate::jose::json::{Json, Object};
use crate::jose::{Binding, TokenFault};
use crate::schemes::jwt::Audiences;
use crate::step_up::login_facts;
use crate::{CredentialMatch, Unavailable};
use haechi_core::caller::{Claimed, Vouched};
use haechi_core::{Caller, CallerKind, RoleTable, Timestamp};
use std::borrow::Cow;
use std::sync::Arc;

/// What Keycloak writes in `typ` of tokens that are no access tokens.
const OTHER_TYPES: [&str; 4] = ["refresh", "offline", "id", "logout"];

/// What is known of a token.
#[derive(Clone, Debug)]
pub(crate) enum Told {
    /// It is active.
    Active(ActiveToken),
    /// It is not, or not for us.
    Refused(Cow<'static, str>, CredentialMatch),
}

/// A token that is active and for us.
#[derive(Clone, Debug)]
pub(crate) struct ActiveToken {
    pub(crate) caller: Arc<Caller>,
    /// What whoever shows it must prove to have.
    pub(crate) binding: Option<Arc<Binding>>,
}

/// Reads an answer.
///
/// # Errors
/// [`Unavailable`] for what is no answer: it says nothing of the token.
pub(super) fn read(
    config: &IntrospectionConfig,
    roles: &RoleTable,
    answer: &Object<'_>,
    now: Timestamp,
) -> Result<(Told, Option<Timestamp>), Unavailable> {
    match answer.member("active") {
        Some(Json::Bool(true)) => {}
        None => return Err(Unavailable::new("the introspection endpoint's answer does not say `active`")),
        Some(_) => {
            let why = "the authorization server says that the token is not active";
            return Ok((Told::Refused(why.into(), CredentialMatch::Unknown), None));
        }
    }
    match active(config, roles, answer, now) {
        Ok((token, ends)) => Ok((Told::Active(token), ends)),
        // What is malformed is the answer: nobody knows what the token is.
        Err(fault @ TokenFault::Malformed(_)) => {
            Err(Unavailable::new(format!("the introspection endpoint's answer: {fault}")))
        }
        Err(fault) => {
            let matched = match fault {
                TokenFault::Issuer { .. } => CredentialMatch::Other,
                TokenFault::Audience { .. } => CredentialMatch::Signed,
                _ => CredentialMatch::Addressed,
            };
            Ok((Told::Refused(fault.to_string().into(), matched), None))
        }
    }
}

fn active(
    config: &IntrospectionConfig,
    roles: &RoleTable,
    answer: &Object<'_>,
    now: Timestamp,
) -> Result<(ActiveToken, Option<Timestamp>), TokenFault> {
    if let (Some(issuer), Some(_)) = (config.server.issuer(), answer.member("iss")) {
        claims::check_issuer(answer, issuer)?;
    }
    let audiences = match &config.audiences {
        Audiences::OneOf(audiences) => &**audiences,
        Audiences::Unchecked => &[],
    };
    let audience = answer.member("aud");
    let (ends, binding) =
        claims::check_told(answer, Expected { now, leeway: config.leeway, audiences, audience })?;
    check_kind(answer, binding.as_ref())?;
    for name in &config.required_claims {
        if matches!(answer.member(name), None | Some(Json::Null)) {
            return Err(TokenFault::Unsaid(name.to_string()));
        }
    }
    let subject = config.claims.subject(answer)?;
    let claimed = Claimed {
        subject: subject.to_owned(),
        issuer: config.server.vouches().to_owned(),
        roles: config.claims.roles(answer, roles),
        scopes: config.claims.scopes(answer),
        attributes: config.claims.attributes(answer),
        expires_at: ends.map(|ends| ends.plus(config.leeway)),
        credential_id: claims::text(answer, "jti")?.map(str::to_owned),
        // Another server's sessions are not ours to end, and their names might be those of ours.
        session: None,
        login: login_facts(answer),
    };
    let caller = Caller::new(CallerKind::User, &config.name, Vouched::ByOther, roles, claimed);
    Ok((ActiveToken { caller: Arc::new(caller), binding: binding.map(Arc::new) }, ends))
}

/// An access token that is good for whoever bears it, or says what must be proved. Servers answer for refresh tokens too.
fn check_kind(answer: &Object<'_>, binding: Option<&Binding>) -> Result<(), TokenFault> {
    let is_access = |kind: &str| match binding {
        // RFC 9449 6.2.
        Some(_) if kind.eq_ignore_ascii_case("dpop") => true,
        _ => kind.eq_ignore_ascii_case("bearer") || kind.eq_ignore_ascii_case("access_token"),
    };
    if let Some(kind) = claims::text(answer, "token_type")?
        && !is_access(kind)
    {
        return Err(TokenFault::Type);
    }
    // Ory Hydra's word.
    if answer.member("token_use").and_then(Json::as_str).is_some_and(|used| used != "access_token") {
        return Err(TokenFault::Type);
    }
    let typ = answer.member("typ").and_then(Json::as_str);
    if typ.is_some_and(|typ| OTHER_TYPES.iter().any(|other| other.eq_ignore_ascii_case(typ))) {
        return Err(TokenFault::Type);
    }
    Ok(())
}

//! What hangs together in an `oidc` authenticator.

use super::record::{self, AnswerBy};
use super::settings::OidcSettings;
use crate::authenticators::client_proof::{self, Ways};
use crate::authenticators::definition::Checks;
use crate::authenticators::jwt::check::{claims, permitted_origins};
use crate::config::read::Maybe;
use crate::config::report::Fault;
use crate::config::source::At;
use haechi_authn::jose::{Algorithm, AlgorithmSet};
use haechi_authn::keys::{AddressFault, WebOrigin};
use haechi_authn::oidc::{Cookies, ResponseMode};
use std::sync::Arc;

/// The name of a session's cookie where none is given.
pub(super) const DEFAULT_COOKIE: &str = "__Host-haechi";

/// Parameters of the authorization request that are the gate's own.
const OWN_PARAMETERS: [&str; 14] = [
    "response_type",
    "client_id",
    "redirect_uri",
    "scope",
    "state",
    "nonce",
    "code_challenge",
    "code_challenge_method",
    "response_mode",
    "request",
    "request_uri",
    "client_secret",
    "client_assertion",
    "code",
];

pub(super) fn oidc(checks: &mut dyn Checks, written: &At<record::Oidc>) -> Option<OidcSettings> {
    checks.needs_store("an `oidc` authenticator", written.span);
    let claims = claims(checks, written.claims.as_ref(), &written.role_map);
    let issuer = written.issuer.as_ref();
    let issuer = issuer.and_then(|written_as| self::issuer(checks, written_as, written.allow_http));
    let client_id = client_proof::client_id(checks, &written.client_id);
    let ways = Ways {
        of: "an `oidc` authenticator",
        span: written.span,
        secret: &written.client_secret,
        key: &written.private_key_jwt,
        place: &written.client_authentication,
    };
    let proof = client_proof::check(checks, ways);
    let scopes = scopes(checks, written);
    let parameters = parameters(checks, written);
    let algorithms = algorithms(checks, &written.algorithms);
    let key_origins = permitted_origins(checks, &written.key_origins, written.allow_http);
    let session = written.session.as_ref()?;
    let (idle, absolute) = (session.idle.0, session.absolute.0);
    if idle > absolute {
        let shown = humantime::format_duration;
        let message =
            format!("a session would idle for `{}`, and end after `{}`", shown(idle), shown(absolute));
        checks.report(Fault::new(session.span, message).help("make `absolute` at least as long as `idle`"));
    }
    let cookies = cookies(checks, session);
    let logout = written.logout.as_ref()?;
    Some(OidcSettings {
        issuer: issuer?,
        client_id: client_id?,
        proof: proof?,
        scopes: scopes?,
        parameters: parameters?,
        response_mode: match written.response_mode {
            AnswerBy::Query => ResponseMode::Query,
            AnswerBy::FormPost => ResponseMode::FormPost,
        },
        userinfo: written.userinfo,
        claims: claims?,
        algorithms: algorithms?,
        leeway: written.leeway.0,
        idle,
        absolute,
        cookies: cookies?,
        forward_access_token: written.forward_access_token,
        provider_logout: logout.provider,
        revoke_at_logout: logout.revoke,
        after_logout: logout.return_to.given().map(ToString::to_string),
        key_origins: key_origins?,
        allow_http: written.allow_http,
    })
}

/// An issuer that is discovered.
pub(in crate::authenticators) fn issuer(
    checks: &mut dyn Checks,
    issuer: &At<String>,
    allow_http: bool,
) -> Option<Arc<str>> {
    let fault = match WebOrigin::permitted(&issuer.value, allow_http) {
        Ok(_) if !issuer.value.contains(['?', '{']) => return Some(issuer.value.as_str().into()),
        Err(AddressFault::Plain(_)) => {
            Fault::new(issuer.span, "the login provider would be reached over plain `http`")
                .help("write `https://`; `allow_http: true` beside it takes the risk")
        }
        _ => Fault::new(issuer.span, "the issuer is not one web address")
            .help("write it as the provider's ID tokens do in `iss`: `https://sso.example.com/realm`"),
    };
    checks.fault(fault)
}

fn scopes(checks: &mut dyn Checks, written: &record::Oidc) -> Option<Vec<String>> {
    let Some(listed) = written.scopes.given() else {
        return written.scopes.is_absent().then(|| vec!["openid".to_owned()]);
    };
    let scopes: Vec<String> = listed.iter().map(|scope| scope.value.0.to_string()).collect();
    if scopes.iter().any(|scope| scope == "openid") {
        return Some(scopes);
    }
    let fault = Fault::new(listed.span, "without the scope `openid` there is no ID token");
    checks.fault(fault.help("add `openid`"))
}

fn parameters(checks: &mut dyn Checks, written: &record::Oidc) -> Option<Vec<(String, String)>> {
    let Some(listed) = written.parameters.given() else {
        return written.parameters.is_absent().then(Vec::new);
    };
    let mut all = Vec::with_capacity(listed.0.len());
    for (name, value) in &listed.0 {
        if OWN_PARAMETERS.contains(&&*name.value.0) {
            let message = format!("the parameter `{}` is the gate's own", name.value.0);
            checks.report(Fault::new(name.span, message).help("remove it"));
        }
        all.push((name.value.0.to_string(), value.clone()?));
    }
    Some(all)
}

/// What an issuer may sign with; asymmetric.
pub(in crate::authenticators) fn algorithms(
    checks: &mut dyn Checks,
    written: &Maybe<At<Vec<At<Algorithm>>>>,
) -> Option<AlgorithmSet> {
    let Some(listed) = written.given() else {
        return written.is_absent().then(Algorithm::asymmetric);
    };
    if listed.is_empty() {
        let fault = Fault::new(listed.span, "`algorithms` allows none");
        return checks.fault(fault.help("name at least one, or remove the key for all asymmetric ones"));
    }
    if let Some(misfit) = listed.iter().find(|algorithm| algorithm.is_symmetric()) {
        let message =
            format!("`{}` is verified with a secret, and a provider's keys are public", misfit.name());
        return checks.fault(Fault::new(misfit.span, message).help("remove it"));
    }
    Some(listed.iter().map(|algorithm| algorithm.value).collect())
}

fn cookies(checks: &mut dyn Checks, session: &record::SessionRecord) -> Option<Cookies> {
    let Some(cookie) = session.cookie.given() else {
        return session.cookie.is_absent().then(|| Cookies::named(DEFAULT_COOKIE)).flatten();
    };
    let legal = |b: u8| b.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&b);
    let named = Cookies::named(&cookie.value).filter(|_| cookie.bytes().all(legal) && cookie.len() <= 64);
    // What logins under way are called is told by how it begins.
    match named.filter(|_| !cookie.starts_with(haechi_authn::oidc::LOGIN_COOKIE)) {
        Some(cookies) => Some(cookies),
        None => {
            let fault = Fault::new(cookie.span, "this is no name for a session's cookie");
            checks.fault(fault.help(
                "begin it with `__Host-`, so that browsers take it over TLS from this host alone: `__Host-haechi`",
            ))
        }
    }
}

//! What hangs together in an `introspection` authenticator.

use super::record::{self, AnswerForm};
use super::settings::{IntrospectionSettings, Server, Signed};
use crate::authenticators::client_proof::{self, Ways};
use crate::authenticators::definition::Checks;
use crate::authenticators::jwt::check::{claims, from, permitted_origins};
use crate::authenticators::jwt::record::WrittenAudiences;
use crate::authenticators::oidc::check::{algorithms, issuer};
use crate::authenticators::possession::possession;
use crate::config::report::Fault;
use crate::config::source::At;
use haechi_authn::keys::{AddressFault, WebOrigin};
use haechi_authn::schemes::jwt::Audiences;
use std::sync::Arc;

pub(super) fn introspection(
    checks: &mut dyn Checks,
    written: &At<record::Introspection>,
) -> Option<IntrospectionSettings> {
    let claims = claims(checks, written.claims.as_ref(), &written.role_map);
    let server = server(checks, written);
    let client_id = client_proof::client_id(checks, &written.client_id);
    let ways = Ways {
        of: "an `introspection` authenticator",
        span: written.span,
        secret: &written.client_secret,
        key: &written.private_key_jwt,
        place: &written.client_authentication,
    };
    let proof = client_proof::check(checks, ways);
    let from = from(checks, &written.from);
    let possession = possession(checks, (&written.require, &written.dpop), from.as_deref());
    let audiences = audiences(checks, written);
    let required_claims = required_claims(written);
    let signed = signed(checks, written);
    Some(IntrospectionSettings {
        server: server?,
        client_id: client_id?,
        proof: proof?,
        from: from?,
        audiences: audiences?,
        required_claims: required_claims?,
        signed: signed?,
        claims: claims?,
        leeway: written.leeway.0,
        possession: possession?,
        cache: written.cache.0,
        timeout: written.timeout.0,
        allow_http: written.allow_http,
    })
}

fn server(checks: &mut dyn Checks, written: &At<record::Introspection>) -> Option<Server> {
    let named = match written.issuer.given() {
        None => written.issuer.is_absent().then_some(None),
        Some(named) => issuer(checks, named, written.allow_http).map(Some),
    };
    match (written.url.given(), named?) {
        (Some(url), issuer) => {
            let fault = match WebOrigin::permitted(url.as_str(), written.allow_http) {
                Ok(_) => return Some(Server::At(url.value.to_string(), issuer)),
                Err(AddressFault::Plain(_)) => Fault::new(
                    url.span,
                    "tokens would be sent to the introspection endpoint over plain `http`",
                )
                .help("write `https://`; `allow_http: true` beside it takes the risk"),
                Err(_) => Fault::new(url.span, "nobody is asked at an address of this form")
                    .help("write `https://`, a plain host, and a path"),
            };
            checks.fault(fault)
        }
        (None, Some(issuer)) if written.url.is_absent() => Some(Server::OfIssuer(issuer)),
        (None, None) if written.url.is_absent() => {
            let fault = Fault::new(written.span, "an `introspection` authenticator needs `url` or `issuer`");
            checks.fault(fault.help("name the introspection endpoint, or the issuer that says where it is"))
        }
        _ => None,
    }
}

fn audiences(checks: &mut dyn Checks, written: &At<record::Introspection>) -> Option<Audiences> {
    let Some(audiences) = written.audiences.given() else {
        return written.audiences.is_absent().then_some(Audiences::Unchecked);
    };
    match &audiences.value {
        WrittenAudiences::Unchecked => Some(Audiences::Unchecked),
        WrittenAudiences::Listed(listed)
            if !listed.is_empty() && listed.iter().all(|audience| audience != "*") =>
        {
            Some(Audiences::OneOf(listed.clone()))
        }
        WrittenAudiences::Listed(_) => {
            let fault = Fault::new(audiences.span, "this list names no audience that a token could have");
            checks.fault(fault.help(
                "name what this gate is called in `aud`; `audiences: unchecked` where nobody is to check it",
            ))
        }
    }
}

fn required_claims(written: &record::Introspection) -> Option<Vec<Box<str>>> {
    let Some(listed) = written.required_claims.given() else {
        return written.required_claims.is_absent().then(Vec::new);
    };
    Some(listed.iter().map(|name| name.as_str().into()).collect())
}

/// Who signs answers. What is only about signed answers stands beside them.
fn signed(checks: &mut dyn Checks, written: &At<record::Introspection>) -> Option<Option<Signed>> {
    if let AnswerForm::Json = written.answers {
        let misfits = [
            written.algorithms.given().map(|listed| ("algorithms", listed.span)),
            written.key_origins.given().map(|listed| ("key_origins", listed.span)),
        ];
        for (key, span) in misfits.into_iter().flatten() {
            let fault = Fault::new(span, format!("`{key}` is for answers that are signed"));
            checks.report(fault.help("write `answers: jwt` beside it, or remove it"));
        }
        return Some(None);
    }
    let algorithms = algorithms(checks, &written.algorithms);
    let key_origins = permitted_origins(checks, &written.key_origins, written.allow_http);
    let Some(issuer) = written.issuer.given() else {
        if written.issuer.is_absent() {
            let fault = Fault::new(written.span, "answers that are signed need `issuer`");
            checks.report(fault.help("name who signs them: its keys are discovered there"));
        }
        return None;
    };
    let issuer: Arc<str> = issuer.value.as_str().into();
    Some(Some(Signed { issuer, algorithms: algorithms?, key_origins: key_origins? }))
}

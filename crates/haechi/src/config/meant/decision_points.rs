//! Decision points: external authorization services.

use super::expiry::CertificateUse;
use super::names::Resolver;
use super::tls;
use crate::config::report::Fault;
use crate::config::source::At;
use crate::config::value::Identifier;
use crate::config::written::{self, PointType};
use haechi_authn::keys::{AddressFault, WebOrigin};
use haechi_authz::AnswerLifetimes;
use haechi_core::Secret;
use reqwest::Url;
use rustls::pki_types::CertificateDer;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

/// A decider outside the gate.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct DecisionPoint {
    /// The name under `decision_points:`.
    pub name: Arc<str>,
    /// What is spoken to it.
    pub kind: PointType,
    /// `https`, or plain `http` where that was allowed.
    pub url: Url,
    /// From connecting to the last byte of the answer.
    pub timeout: Duration,
    /// How long answers are kept.
    pub keeps: AnswerLifetimes,
    /// Sent as a bearer token; can be a header's value.
    pub token: Option<Secret<String>>,
    /// Who vouches for it; the system's authorities where it is `None`.
    pub authorities: Option<Vec<CertificateDer<'static>>>,
}

pub(super) fn decision_points(resolver: &mut Resolver<'_>) -> Option<BTreeMap<Arc<str>, DecisionPoint>> {
    let mut all = BTreeMap::new();
    let mut complete = true;
    for (name, written) in &resolver.written.decision_points.0 {
        match written.as_ref().and_then(|written| decision_point(resolver, name, written)) {
            Some(point) => drop(all.insert(name.value.0.clone(), point)),
            None => complete = false,
        }
    }
    complete.then_some(all)
}

fn decision_point(
    resolver: &mut Resolver<'_>,
    name: &At<Identifier>,
    written: &written::DecisionPoint,
) -> Option<DecisionPoint> {
    let url = written.url.as_ref();
    let allowed = url.is_some_and(|url| address_allowed(resolver, url, written.allow_http));
    let token = written.token.given().map_or(Some(None), |token| bearer(resolver, token).map(Some));
    let authorities = match written.tls.given() {
        None => Some(None),
        Some(tls) => authorities(resolver, tls, url).map(Some),
    };
    let cache = written.cache.as_ref()?;
    Some(DecisionPoint {
        name: name.value.0.clone(),
        kind: written.kind?,
        url: url.filter(|_| allowed)?.value.clone(),
        timeout: written.timeout.0,
        keeps: AnswerLifetimes { allow: cache.allow.0, deny: cache.deny.0 },
        token: token?,
        authorities: authorities?,
    })
}

/// An answer that anybody on the way could exchange is no answer.
fn address_allowed(resolver: &mut Resolver<'_>, url: &At<Url>, allow_http: bool) -> bool {
    let fault = match WebOrigin::permitted(url.as_str(), allow_http) {
        Ok(_) => return true,
        Err(AddressFault::Plain(_)) => {
            Fault::new(url.span, "the decision point would be asked over plain `http`")
                .help("write `https://`; `allow_http: true` beside it takes the risk")
        }
        Err(_) => Fault::new(url.span, "a decision point is not asked at an address of this form")
            .help("write `https://`, a plain host, and a path"),
    };
    resolver.faults.push(fault);
    false
}

/// RFC 6750 2.1.
fn bearer(resolver: &mut Resolver<'_>, token: &At<Secret<String>>) -> Option<Secret<String>> {
    let text = token.expose();
    if !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_graphic()) {
        return Some(token.value.clone());
    }
    let fault = Fault::new(token.span, "this cannot be sent as a bearer token");
    resolver.fault(fault.help("visible ASCII without spaces, on one line"))
}

fn authorities(
    resolver: &mut Resolver<'_>,
    written: &At<written::PointTls>,
    url: Option<&At<Url>>,
) -> Option<Vec<CertificateDer<'static>>> {
    if url.is_some_and(|url| url.scheme() == "http") {
        let fault = Fault::new(written.span, "`tls` is for an address with `https://`");
        resolver.faults.push(fault.help("write `url` with `https://`, or remove `tls`"));
    }
    tls::authority_certificates(resolver, written.ca.as_ref()?, CertificateUse::DecisionPointCa)
}

/// What is never asked.
pub(super) fn unused(resolver: &mut Resolver<'_>) {
    let written = resolver.written;
    let asked: BTreeSet<&str> = written
        .routes
        .iter()
        .filter_map(|route| match &route.authorize.as_ref()?.value {
            written::Authorize::Clauses(clauses) => Some(&*clauses.external.given()?.value.0),
            _ => None,
        })
        .collect();
    for (name, _) in written.decision_points.0.iter().filter(|(name, _)| !asked.contains(&*name.value.0)) {
        let fault = Fault::new(name.span, format!("no route asks the decision point `{}`", name.value));
        let help = format!("write `external: {}` under a route's `authorize`, or remove it", name.value);
        resolver.warnings.push(fault.help(help));
    }
}

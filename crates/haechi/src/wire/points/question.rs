//! What is asked. The bodies are part of what users rely on: docs/decision-points.md tells them.
//!
//! Neither the time nor the request's id stands in them: a question is the key under which its answer is kept.

use haechi_authz::{Facts, RouteFacts, Vocabulary, principal_id, principal_kind};
use haechi_core::{AttributeValue, Caller};
use serde::Serialize;
use std::collections::BTreeMap;
use std::net::IpAddr;

#[derive(Serialize)]
struct Opa<'a> {
    input: Input<'a>,
}

#[derive(Serialize)]
struct Input<'a> {
    caller: OpaCaller<'a>,
    request: OpaRequest<'a>,
    route: OpaRoute<'a>,
}

#[derive(Serialize)]
struct OpaCaller<'a> {
    kind: &'static str,
    #[serde(flatten)]
    known: Known<'a>,
}

#[derive(Serialize)]
struct OpaRequest<'a> {
    method: &'a str,
    #[serde(flatten)]
    sent: Sent<'a>,
}

#[derive(Serialize)]
struct OpaRoute<'a> {
    name: &'a str,
    #[serde(flatten)]
    stands: RouteProperties<'a>,
}

/// OpenID AuthZEN Authorization API 1.0, section 6.1.
#[derive(Serialize)]
struct Authzen<'a> {
    subject: Entity<Known<'a>>,
    action: Action<'a>,
    resource: Entity<RouteProperties<'a>>,
    context: Sent<'a>,
}

#[derive(Serialize)]
struct Entity<P> {
    r#type: &'static str,
    id: String,
    properties: P,
}

#[derive(Serialize)]
struct Action<'a> {
    name: &'a str,
}

/// What is known of a caller.
#[derive(Serialize)]
struct Known<'a> {
    subject: &'a str,
    issuer: &'a str,
    authenticator: &'a str,
    roles: Vec<&'a str>,
    scopes: Vec<&'a str>,
    attributes: BTreeMap<&'a str, &'a AttributeValue>,
}

/// What was sent.
#[derive(Serialize)]
struct Sent<'a> {
    host: &'a str,
    path: &'a str,
    params: BTreeMap<&'a str, &'a str>,
    headers: BTreeMap<&'a str, &'a str>,
    ip: IpAddr,
    secure: bool,
}

/// Where a route leads, and what stands on it.
#[derive(Serialize)]
struct RouteProperties<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    service: Option<&'a str>,
    labels: Vec<&'a str>,
}

/// The data API's question.
pub(super) fn opa(facts: &Facts<'_>, vocabulary: &Vocabulary) -> Result<Vec<u8>, String> {
    let route = route(facts, vocabulary)?;
    let kind = principal_kind(facts.caller.kind);
    let caller = OpaCaller { kind, known: known(facts.caller) };
    let request = OpaRequest { method: facts.head.method.as_str(), sent: sent(facts, vocabulary)? };
    let route = OpaRoute { name: &route.name, stands: stands(route) };
    configured(&Opa { input: Input { caller, request, route } })
}

/// AuthZEN's question.
pub(super) fn authzen(facts: &Facts<'_>, vocabulary: &Vocabulary) -> Result<Vec<u8>, String> {
    let route = route(facts, vocabulary)?;
    let (r#type, id) = (principal_kind(facts.caller.kind), principal_id(facts.caller));
    configured(&Authzen {
        subject: Entity { r#type, id, properties: known(facts.caller) },
        action: Action { name: facts.head.method.as_str() },
        resource: Entity { r#type: "route", id: route.name.to_string(), properties: stands(route) },
        context: sent(facts, vocabulary)?,
    })
}

fn configured(question: &impl Serialize) -> Result<Vec<u8>, String> {
    serde_json::to_vec(question).map_err(|fault| format!("the question cannot be configured: {fault}"))
}

fn route<'a>(facts: &Facts<'_>, vocabulary: &'a Vocabulary) -> Result<&'a RouteFacts, String> {
    vocabulary.route(facts.route).ok_or_else(|| "the route is not a configured one".to_owned())
}

fn known(caller: &Caller) -> Known<'_> {
    Known {
        subject: &caller.subject,
        issuer: &caller.issuer,
        authenticator: &caller.authenticator,
        roles: caller.roles.iter().map(|role| &**role).collect(),
        scopes: caller.scopes.iter().map(|scope| &**scope).collect(),
        attributes: caller.attributes.iter().map(|(name, value)| (&**name, value)).collect(),
    }
}

fn sent<'a>(facts: &Facts<'a>, vocabulary: &'a Vocabulary) -> Result<Sent<'a>, String> {
    let mut headers = BTreeMap::new();
    for name in vocabulary.headers.keys() {
        if let Some(value) = facts.header(vocabulary, name)? {
            headers.insert(&**name, value);
        }
    }
    let head = facts.head;
    Ok(Sent {
        host: head.host.name(),
        path: head.path.as_str(),
        params: facts.params(vocabulary).collect(),
        headers,
        ip: head.client.to_canonical(),
        secure: head.secure,
    })
}

fn stands(route: &RouteFacts) -> RouteProperties<'_> {
    RouteProperties {
        service: route.service.as_deref(),
        labels: route.labels.iter().map(|label| &**label).collect(),
    }
}

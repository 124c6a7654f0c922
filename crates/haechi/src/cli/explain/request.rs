//! The request that is explained, and callers that are taken as given.

use crate::cli::{ExplainArgs, Failure, input};
use crate::config::Config;
use crate::config::meant::AuthenticatorKind;
use crate::wire::Assembly;
use haechi_authn::identity::check_roles;
use haechi_core::caller::{Claimed, Vouched};
use haechi_core::id::RequestId;
use haechi_core::pattern::Segment;
use haechi_core::{Caller, CallerKind, CanonicalPath, Clock, Fields, Host, PathPattern, RequestHead};
use haechi_proxy::Route;
use std::net::{IpAddr, Ipv4Addr};
use std::sync::Arc;

/// The head of the request; the inner error is the gate's own refusal.
pub(super) fn head(
    arguments: &ExplainArgs,
    clock: &Arc<dyn Clock>,
    config: &Config,
) -> Result<Result<RequestHead, String>, Failure> {
    let (path, query) = match arguments.path.split_once('?') {
        Some((path, query)) => (path, Some(query.into())),
        None => (&*arguments.path, None),
    };
    let path = match CanonicalPath::parse(path.as_bytes()) {
        Ok(path) => path,
        Err(fault) => return Ok(Err(fault.to_string())),
    };
    let host = match Host::parse(host(arguments).as_bytes()) {
        Ok(host) => host,
        Err(fault) => return Ok(Err(fault.to_string())),
    };
    let client = arguments.ip.unwrap_or(IpAddr::V4(Ipv4Addr::LOCALHOST));
    let mut fields = Fields::default();
    if let Some(token) = &arguments.caller.token {
        fields.push(b"authorization", format!("Bearer {token}").as_bytes());
    }
    if let Some(key) = &arguments.caller.key {
        fields.push(key_header(config)?.as_bytes(), key.as_bytes());
    }
    Ok(Ok(RequestHead {
        id: RequestId::from_bits(0),
        received: clock.now(),
        method: arguments.method.clone(),
        host,
        path,
        query,
        fields,
        client,
        peer: (client, 0).into(),
        secure: false,
    }))
}

/// The host that the request names.
pub(super) fn host(arguments: &ExplainArgs) -> &str {
    arguments.host.as_deref().unwrap_or("localhost")
}

fn key_header(config: &Config) -> Result<Arc<str>, Failure> {
    let header = config.authenticators.values().find_map(|authenticator| match &authenticator.kind {
        AuthenticatorKind::ApiKey(api_key) => Some(api_key.header.clone()),
        _ => None,
    });
    header.ok_or_else(|| Failure::fault("no authenticator of type `api_key` is configured"))
}

/// The caller of `--as`, `--role` and `--attr`; `None` when none of them stands.
pub(super) async fn invented(
    arguments: &ExplainArgs,
    config: &Config,
    assembly: &Assembly,
    route: &Route,
) -> Result<Option<Caller>, Failure> {
    let name =
        route.authentication.authenticators().first().map_or_else(|| "explain".into(), |a| a.name().clone());
    let supposed = &arguments.caller;
    let claimed = if let Some(user) = &arguments.caller.as_user {
        let Some(store) = &assembly.ground.store else {
            return Err(Failure::fault("`--as` names a user of the store, and no `store` is configured"));
        };
        let record = store.users.by_name(user).await.map_err(|error| Failure::fault(error.to_string()))?;
        let record = record.ok_or_else(|| Failure::fault(format!("there is no user `{user}`")))?;
        if record.disabled {
            return Err(Failure::fault(format!("the user `{user}` is disabled and cannot log in")));
        }
        let issuer =
            config.identity.as_ref().map_or_else(String::new, |identity| identity.issuer.to_string());
        Claimed {
            subject: record.id,
            issuer,
            roles: record.roles,
            attributes: record.attributes,
            ..Claimed::default()
        }
    } else if supposed.roles.is_empty() && supposed.scopes.is_empty() && supposed.attributes.is_empty() {
        return Ok(None);
    } else {
        check_roles(&config.roles, &supposed.roles)?;
        Claimed {
            subject: "somebody".into(),
            issuer: "explain".into(),
            roles: supposed.roles.clone(),
            scopes: supposed.scopes.clone(),
            attributes: input::attributes(config, &supposed.attributes)?,
            ..Claimed::default()
        }
    };
    Ok(Some(Caller::new(CallerKind::User, &name, Vouched::BySelf, &config.roles, claimed)))
}

/// Whether a pattern matches a path, apart from everything else. For telling, not for routing.
pub(super) fn matches(pattern: &PathPattern, path: &CanonicalPath) -> bool {
    let mut segments = path.segments();
    for part in pattern.segments() {
        match (part, segments.next()) {
            (Segment::Rest, _) => return true,
            (Segment::Literal(text), Some(segment)) if **text == *segment => {}
            (Segment::Param(_) | Segment::Any, Some(segment)) if !segment.is_empty() => {}
            _ => return false,
        }
    }
    segments.next().is_none()
}

/// Why `other`, whose pattern matches too, did not win against `chosen`.
pub(super) fn why_not(other: &Route, chosen: &Route, head: &RequestHead) -> String {
    let names_host = |route: &Route| route.hosts.iter().any(|host| **host == *head.host.name());
    if !other.hosts.is_empty() && !names_host(other) {
        "is for another host".into()
    } else if names_host(chosen) && !names_host(other) {
        format!("names no host, and `{}` names this one", chosen.name)
    } else if other.pattern.segments().len() == chosen.pattern.segments().len()
        && !other.methods.contains(&head.method)
    {
        "does not take this method".into()
    } else {
        format!("`{}` is less specific than `{}`", other.pattern, chosen.pattern)
    }
}

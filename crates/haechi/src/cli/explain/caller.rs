//! Callers that are taken as given.

use super::judge::Gate;
use crate::cli::Failure;
use crate::config::Config;
use crate::config::meant::{Authenticate, AuthenticatorKind};
use crate::wire::{own_issuer, way};
use haechi_authz::analysis::{Gives, Way};
use haechi_core::caller::{Claimed, Vouched};
use haechi_core::{Attributes, Caller, CallerKind};
use haechi_proxy::Route;
use std::sync::Arc;

/// Who is calling.
#[derive(Clone, Debug)]
pub(crate) enum Who {
    /// Whoever sends no credential.
    Nobody,
    /// Whoever has this token.
    Token(String),
    /// Whoever has this API key.
    Key(String),
    /// This user of the store.
    User(String),
    /// Whoever an authenticator says this of.
    Supposed(Supposed),
}

/// What an authenticator is supposed to have found out.
#[derive(Clone, Debug, Default)]
pub(crate) struct Supposed {
    /// Declared ones.
    pub(crate) roles: Vec<String>,
    pub(crate) scopes: Vec<String>,
    pub(crate) attributes: Attributes,
    pub(crate) subject: Option<String>,
    /// The authenticator's, where it is left out.
    pub(crate) issuer: Option<String>,
    /// The route's first, where it is left out.
    pub(crate) authenticator: Option<Arc<str>>,
    /// What the authenticator makes, where it is left out.
    pub(crate) kind: Option<CallerKind>,
}

/// What authenticators of one sort say of their callers.
pub(crate) struct Vouching {
    pub(crate) kind: CallerKind,
    pub(crate) issuer: String,
    pub(crate) vouched: Vouched,
}

/// Who came of it: a caller, or nobody whom the route would take.
pub(super) enum Came {
    /// As the request says; authenticators are to be asked.
    ByCredential,
    /// This caller.
    As(Box<Caller>),
    /// Nobody: the route has no such way in.
    NoSuchWay(String),
}

/// The header that carries API keys.
pub(super) fn key_header(config: &Config) -> Result<Arc<str>, Failure> {
    let header = config.authenticators.values().find_map(|authenticator| match &authenticator.kind {
        AuthenticatorKind::ApiKey(api_key) => Some(api_key.header.clone()),
        _ => None,
    });
    header.ok_or_else(|| Failure::fault("no authenticator of type `api_key` is configured"))
}

/// What the authenticator of this name says of whom it lets in; an unknown one stands for the store's users.
pub(crate) fn vouching(config: &Config, authenticator: &str) -> Vouching {
    let name = authenticator.into();
    let way = way(config, &name).unwrap_or_else(|| Way::any(CallerKind::User, &name));
    let issuer = way.issuer.unwrap_or_else(|| own_issuer(config)).to_string();
    // Only our own word gives any role there is.
    let vouched = if way.roles == Gives::Any { Vouched::BySelf } else { Vouched::ByOther };
    Vouching { kind: way.kind, issuer, vouched }
}

/// The caller that is supposed, as the route would see it.
pub(super) async fn supposed(
    who: &Who,
    gate: Gate<'_>,
    index: usize,
    route: &Route,
) -> Result<Came, Failure> {
    let config = gate.config;
    let open = match config.routes.get(index).map(|route| &route.authenticate) {
        Some(Authenticate::Anonymous) => Some("anonymous"),
        Some(Authenticate::Passthrough) => Some("passthrough"),
        _ => None,
    };
    // Such a route asks nobody who they are, whatever they could say.
    if let (Some(name), None) = (open, gate.assembly) {
        return Ok(Came::As(Box::new(Caller::anonymous(name))));
    }
    if open.is_some() || matches!(who, Who::Nobody | Who::Token(_) | Who::Key(_)) {
        return Ok(Came::ByCredential);
    }
    let names = ways_in(gate, index, route);
    let asked = match who {
        Who::Supposed(supposed) => supposed.authenticator.clone(),
        _ => None,
    };
    if let Some(asked) = &asked
        && !names.contains(asked)
    {
        let ways = names.join("`, `");
        return Ok(Came::NoSuchWay(format!("the route takes `{ways}`, not `{asked}`")));
    }
    let name = asked.or_else(|| names.first().cloned()).unwrap_or_else(|| "explain".into());
    let Vouching { kind, issuer, vouched } = vouching(config, &name);
    let (kind, vouched, claimed) = match who {
        Who::User(user) => (CallerKind::User, Vouched::BySelf, of_store(user, gate).await?),
        Who::Supposed(supposed) => {
            let claimed = Claimed {
                subject: supposed.subject.clone().unwrap_or_else(|| "somebody".into()),
                issuer: supposed.issuer.clone().unwrap_or(issuer),
                roles: supposed.roles.clone(),
                scopes: supposed.scopes.clone(),
                attributes: supposed.attributes.clone(),
                ..Claimed::default()
            };
            (supposed.kind.unwrap_or(kind), vouched, claimed)
        }
        Who::Nobody | Who::Token(_) | Who::Key(_) => return Ok(Came::ByCredential),
    };
    Ok(Came::As(Box::new(Caller::new(kind, &name, vouched, &config.roles, claimed))))
}

/// Through which authenticators the route learns who is calling; where it asks all of several, the first one says.
fn ways_in(gate: Gate<'_>, index: usize, route: &Route) -> Vec<Arc<str>> {
    match gate.config.routes.get(index).map(|route| &route.authenticate) {
        Some(Authenticate::Any(names)) => names.clone(),
        Some(Authenticate::All(names)) => names.iter().take(1).cloned().collect(),
        _ => route.authentication.authenticators().iter().map(|known| known.name().clone()).collect(),
    }
}

/// What a token of this user would say.
async fn of_store(user: &str, gate: Gate<'_>) -> Result<Claimed, Failure> {
    let Some(store) = gate.assembly.and_then(|assembly| assembly.ground.store.as_ref()) else {
        return Err(Failure::fault("`--as` names a user of the store, and no `store` is configured"));
    };
    let record = store.users.by_name(user).await.map_err(|error| Failure::fault(error.to_string()))?;
    let record = record.ok_or_else(|| Failure::fault(format!("there is no user `{user}`")))?;
    if record.disabled {
        return Err(Failure::fault(format!("the user `{user}` is disabled and cannot log in")));
    }
    let Vouching { issuer, .. } = vouching(gate.config, "");
    let (roles, attributes) = (record.roles, record.attributes);
    Ok(Claimed { subject: record.id, issuer, roles, attributes, ..Claimed::default() })
}

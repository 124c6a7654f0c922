//! Callers that are taken as given.

use super::context::ExplainContext;
use super::token_in::TokenIn;
use crate::authenticators::definition::open;
use crate::config::Config;
use crate::inspect::InspectError;
use crate::wire::identity::issuer as own_issuer;
use crate::wire::rules::way;
use haechi_authz::RouteIndex;
use haechi_authz::analysis::{CallerOrigin, PossibleValues};
use haechi_core::caller::{Claimed, LoginFacts, Vouched};
use haechi_core::{Attributes, Caller, CallerKind, Clock, SystemClock};
use haechi_proxy::{Authentication, Route};
use std::sync::Arc;
use std::time::Duration;

/// Who is calling, as the command line or a test case says.
#[derive(Clone, Debug)]
pub(crate) enum CallerArgument {
    /// Whoever sends no credential.
    Nobody,
    /// Whoever has this token, in this place, or wherever authenticators look.
    Token(String, Option<TokenIn>),
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
    /// What the login satisfied.
    pub(crate) acr: Option<String>,
    /// How long ago the login was.
    pub(crate) login_age: Option<Duration>,
}

/// What authenticators of one sort say of their callers.
pub(crate) struct AuthenticatorClaims {
    pub(crate) kind: CallerKind,
    pub(crate) issuer: String,
    pub(crate) vouched: Vouched,
}

/// The header that carries API keys.
pub(super) fn key_header(config: &Config) -> Result<Arc<str>, InspectError> {
    let field = config.authenticators.values().find_map(|known| known.settings.key_field());
    field.cloned().ok_or_else(|| InspectError::new("no authenticator of type `api_key` is configured"))
}

/// What the authenticator of this name says of whom it lets in; an unknown one stands for the store's users.
pub(crate) fn vouching(config: &Config, authenticator: &str) -> AuthenticatorClaims {
    let name = authenticator.into();
    let way = way(config, &name).unwrap_or_else(|| CallerOrigin::any(CallerKind::User, &name));
    let issuer = way.issuer.unwrap_or_else(|| own_issuer(config)).to_string();
    // Only our own word gives any role there is.
    let vouched = if way.roles == PossibleValues::Any { Vouched::BySelf } else { Vouched::ByOther };
    AuthenticatorClaims { kind: way.kind, issuer, vouched }
}

/// A caller that is taken as given, before it is known through which authenticator.
pub(super) enum Supposition<'a> {
    /// None is: the route's authenticators are asked.
    None,
    /// This user of the store.
    User(ExplainContext<'a>, Box<Claimed>),
    /// Whoever an authenticator says this of.
    Supposed(ExplainContext<'a>, &'a Supposed),
}

/// Who is taken as given.
pub(super) async fn supposition<'a>(
    who: &'a CallerArgument,
    gate: ExplainContext<'a>,
) -> Result<Supposition<'a>, InspectError> {
    Ok(match who {
        CallerArgument::Nobody | CallerArgument::Token(..) | CallerArgument::Key(_) => Supposition::None,
        CallerArgument::User(user) => Supposition::User(gate, Box::new(of_store(user, gate).await?)),
        CallerArgument::Supposed(supposed) => Supposition::Supposed(gate, supposed),
    })
}

impl Supposition<'_> {
    /// The caller as the route with this index would see it; an error where it has no such way in, `None` where authenticators are asked.
    pub(super) fn on_route(&self, index: RouteIndex) -> Option<Result<Arc<Caller>, String>> {
        let gate = match self {
            Self::None => return None,
            Self::User(gate, _) | Self::Supposed(gate, _) => *gate,
        };
        let names = ways_in(gate.plan().route(index)?);
        // Such a route asks nobody who they are, whatever they could say.
        if names.iter().all(|name| open(gate.config.definitions, name).is_some()) {
            return None;
        }
        let asked = match self {
            Self::Supposed(_, supposed) => supposed.authenticator.clone(),
            _ => None,
        };
        if let Some(asked) = &asked
            && !names.contains(asked)
        {
            return Some(Err(format!("the route takes `{}`, not `{asked}`", names.join("`, `"))));
        }
        let name = asked.or_else(|| names.first().cloned())?;
        let AuthenticatorClaims { kind, issuer, vouched } = vouching(gate.config, &name);
        let (kind, vouched, claimed) = match self {
            Self::None => return None,
            Self::User(_, claimed) => (CallerKind::User, Vouched::BySelf, (**claimed).clone()),
            Self::Supposed(_, supposed) => (supposed.kind.unwrap_or(kind), vouched, supposed.claimed(issuer)),
        };
        let caller = Caller::new(kind, &name, vouched, &gate.config.roles, claimed);
        let (asked, now) = (&gate.plan().route(index)?.settings.step_up, SystemClock.now());
        if !asked.is_satisfied_by(&caller.login, now) {
            return Some(Err(asked.why_not(&caller.login, now)));
        }
        Some(Ok(Arc::new(caller)))
    }
}

impl Supposed {
    fn claimed(&self, issuer: String) -> Claimed {
        Claimed {
            subject: self.subject.clone().unwrap_or_else(|| "somebody".into()),
            issuer: self.issuer.clone().unwrap_or(issuer),
            roles: self.roles.clone(),
            scopes: self.scopes.clone(),
            attributes: self.attributes.clone(),
            login: LoginFacts {
                acr: self.acr.as_deref().map(Arc::from),
                at: self.login_age.map(|age| SystemClock.now().minus(age)),
            },
            ..Claimed::default()
        }
    }
}

/// Through which authenticators the route learns who is calling; where it asks all of several, the first one says.
fn ways_in(route: &Route) -> Vec<Arc<str>> {
    let names = route.authentication.authenticators().iter().map(|known| known.name().clone());
    match route.authentication {
        Authentication::Any(_) => names.collect(),
        Authentication::All(_) => names.take(1).collect(),
    }
}

/// What a token of this user would say.
async fn of_store(user: &str, gate: ExplainContext<'_>) -> Result<Claimed, InspectError> {
    let Some(store) = gate.assembly.and_then(|assembly| assembly.process.store.as_ref()) else {
        return Err(InspectError::new("`--as` names a user of the store, and no `store` is configured"));
    };
    let record = store.users.by_name(user).await?;
    let record = record.ok_or_else(|| InspectError::new(format!("there is no user `{user}`")))?;
    if record.disabled {
        return Err(InspectError::new(format!("the user `{user}` is disabled and cannot log in")));
    }
    let AuthenticatorClaims { issuer, .. } = vouching(gate.config, "");
    let (roles, attributes) = (record.roles, record.attributes);
    Ok(Claimed { subject: record.id, issuer, roles, attributes, ..Claimed::default() })
}

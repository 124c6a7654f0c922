//! Callers that are taken as given: somebody asks what they may do, and nobody has shown a credential (AuthZEN).

use crate::plan::Plan;
use crate::settings::{Authentication, AuthenticatorClaims, Route};
use haechi_authz::RouteIndex;
use haechi_core::caller::Claimed;
use haechi_core::{Attributes, Caller, CallerKind, Timestamp};
use std::collections::BTreeMap;
use std::sync::Arc;

/// A caller of whom somebody asks.
#[derive(Debug)]
pub(crate) struct SupposedCaller {
    /// Nobody in particular is asked about as whoever shows no credential.
    pub(crate) kind: CallerKind,
    pub(crate) subject: String,
    /// The authenticator's, where it is not said.
    pub(crate) issuer: Option<String>,
    /// The first of the route's that knows such callers, where none is named.
    pub(crate) authenticator: Option<String>,
    pub(crate) roles: Vec<String>,
    pub(crate) scopes: Vec<String>,
    pub(crate) attributes: Attributes,
}

/// A caller of whom somebody asks, and what each authenticator makes of its callers.
pub(crate) struct Supposition<'a> {
    pub(crate) caller: &'a SupposedCaller,
    pub(crate) claims: &'a BTreeMap<Arc<str>, AuthenticatorClaims>,
}

impl Supposition<'_> {
    /// The caller as the route with this index would see it; an error where it has no such way in, `None` where its authenticators are asked, as of one who shows no
    /// credential.
    pub(crate) fn on_route(
        &self,
        plan: &Plan,
        index: RouteIndex,
        now: Timestamp,
    ) -> Option<Result<Arc<Caller>, String>> {
        let route = plan.route(index)?;
        let known: Vec<_> = ways_in(route).filter_map(|name| self.claims.get_key_value(name)).collect();
        // Such a route asks nobody who they are, whatever they could say.
        if self.caller.kind == CallerKind::Anonymous || known.is_empty() {
            return None;
        }
        let Some((name, claims)) = known.into_iter().find(|(name, claims)| self.fits(name, claims)) else {
            return Some(Err("none of the route's authenticators would know such a caller".to_owned()));
        };
        let SupposedCaller { kind, subject, issuer, roles, scopes, attributes, .. } = self.caller;
        let table = &plan.enforcer.engine().compiled().vocabulary().roles;
        let issuer = issuer.as_deref().or(claims.issuer.as_deref()).unwrap_or_default();
        let claimed = Claimed {
            subject: subject.clone(),
            issuer: issuer.to_owned(),
            // As of tokens: what is not declared is dropped.
            roles: roles.iter().filter(|role| table.knows(role)).cloned().collect(),
            scopes: scopes.clone(),
            attributes: attributes.clone(),
            ..Claimed::default()
        };
        let caller = Caller::new(*kind, name, claims.vouched, table, claimed);
        let asked = &route.settings.step_up;
        if !asked.is_satisfied_by(&caller.login, now) {
            return Some(Err(asked.why_not(&caller.login, now)));
        }
        Some(Ok(Arc::new(caller)))
    }

    fn fits(&self, name: &Arc<str>, claims: &AuthenticatorClaims) -> bool {
        let SupposedCaller { kind, issuer, authenticator, .. } = self.caller;
        let issuer = match (&claims.issuer, issuer) {
            (Some(own), Some(said)) => **own == **said,
            (own, said) => own.is_some() || said.is_some(),
        };
        issuer && claims.kind == *kind && authenticator.as_ref().is_none_or(|asked| **asked == **name)
    }
}

/// Through which authenticators the route learns who is calling; where it asks all of several, the first one says.
fn ways_in(route: &Route) -> impl Iterator<Item = &Arc<str>> {
    let most = match route.authentication {
        Authentication::Any(_) => usize::MAX,
        Authentication::All(_) => 1,
    };
    route.authentication.authenticators().iter().take(most).map(|known| known.name())
}

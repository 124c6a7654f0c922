//! The router and the enforcer of a configuration without anything that asks who is calling: for commands that look at rules alone. No store
//! is opened, no key is fetched, and nobody could come in.

use super::plan::{PlanFault, plan};
use super::points::{GivenAnswers, unasked};
use crate::config::Config;
use crate::config::meant::Authenticate;
use haechi_authn::{Attempt, Authenticator, Challenge, CredentialPlace, Look, Scheme};
use haechi_authz::analysis::{CallerOrigin, RouteAccess};
use haechi_core::{RequestHead, Timestamp};
use haechi_proxy::{Endpoints, Logins, Plan};
use std::rc::Rc;
use std::sync::Arc;

/// The plan that the workers would run, but for its authenticators, which find no credential, and its decision points, which say what is given.
pub(crate) fn rules(config: &Config, answers: &GivenAnswers) -> Result<Plan, PlanFault> {
    let blind = |name: &Arc<str>| -> (Arc<str>, Arc<dyn Authenticator>) {
        (name.clone(), Arc::new(UnaskedAuthenticator(name.clone())))
    };
    let authenticators = config.authenticators.keys().map(blind).collect();
    plan(
        config,
        0,
        (&authenticators, Logins::default()),
        None,
        (&Endpoints::default(), None),
        unasked(config, answers),
    )
}

/// Stands for an authenticator that is not asked. It finds no credential in any request.
#[derive(Clone)]
struct UnaskedAuthenticator(Arc<str>);

impl Authenticator for UnaskedAuthenticator {
    fn name(&self) -> &Arc<str> {
        &self.0
    }

    fn for_worker(&self) -> Rc<dyn Scheme> {
        Rc::new(self.clone())
    }
}

impl Scheme for UnaskedAuthenticator {
    fn name(&self) -> &Arc<str> {
        &self.0
    }

    fn challenge(&self) -> Option<&Arc<Challenge>> {
        None
    }

    fn credential_places(&self) -> &[CredentialPlace] {
        &[]
    }

    fn look(&self, _: &RequestHead, _: Timestamp) -> Look {
        Look::Done(Attempt::Absent)
    }
}

/// Who can come to each route, the built-in ones last, and by which hosts.
pub(crate) fn access(config: &Config) -> Vec<RouteAccess> {
    let configured = config.routes.iter().map(|route| RouteAccess {
        ways: ways(config, &route.authenticate),
        hosts: route.hosts.iter().map(|host| host.as_str().into()).collect(),
    });
    let built_in = config
        .built_in
        .iter()
        .map(|route| RouteAccess { ways: ways(config, &route.authenticate), hosts: Vec::new() });
    configured.chain(built_in).collect()
}

fn ways(config: &Config, authenticate: &Authenticate) -> Vec<CallerOrigin> {
    match authenticate {
        Authenticate::Open(open) => vec![CallerOrigin::anonymous(&open.word.into())],
        Authenticate::Any(names) => names.iter().filter_map(|name| way(config, name)).collect(),
        // The caller is the first one's.
        Authenticate::All(names) => names.iter().take(1).filter_map(|name| way(config, name)).collect(),
    }
}

/// What an authenticator can say of whom it lets in; nothing where there is none of this name.
pub(crate) fn way(config: &Config, name: &Arc<str>) -> Option<CallerOrigin> {
    let own_issuer = super::identity::issuer(config);
    config.authenticators.get(name).map(|known| known.settings.way(name, &own_issuer))
}

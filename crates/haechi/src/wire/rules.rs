//! The router and the enforcer of a configuration without anything that asks who is calling: for commands that look at rules alone. No store
//! is opened, no key is fetched, and nobody could come in.

use super::plan::{PlanFault, plan};
use super::points::{GivenAnswers, unasked};
use crate::config::Config;
use crate::config::meant::{Authenticate, AuthenticatorKind, Issuer, Users};
use haechi_authn::{Attempt, Authenticator, Challenge, CredentialPlace, Look, Scheme};
use haechi_authz::analysis::{Gives, Ground, Way};
use haechi_core::{CallerKind, RequestHead, Timestamp};
use haechi_proxy::{Endpoints, Plan};
use std::collections::BTreeSet;
use std::rc::Rc;
use std::sync::Arc;

/// The plan that the workers would run, but for its authenticators, which find no credential, and its decision points, which say what is given.
pub(crate) fn rules(config: &Config, answers: &GivenAnswers) -> Result<Plan, PlanFault> {
    let blind = |name: &Arc<str>| -> (Arc<str>, Arc<dyn Authenticator>) {
        (name.clone(), Arc::new(Blind(name.clone())))
    };
    let authenticators = config.authenticators.keys().map(blind).collect();
    plan(config, 0, &authenticators, None, &Endpoints::default(), unasked(config, answers))
}

/// Stands for an authenticator that is not asked. It finds no credential in any request.
#[derive(Clone)]
struct Blind(Arc<str>);

impl Authenticator for Blind {
    fn name(&self) -> &Arc<str> {
        &self.0
    }

    fn for_worker(&self) -> Rc<dyn Scheme> {
        Rc::new(self.clone())
    }
}

impl Scheme for Blind {
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
pub(crate) fn grounds(config: &Config) -> Vec<Ground> {
    let configured = config.routes.iter().map(|route| Ground {
        ways: ways(config, &route.authenticate),
        hosts: route.hosts.iter().map(|host| host.name().into()).collect(),
    });
    let built_in = config
        .built_in
        .iter()
        .map(|route| Ground { ways: ways(config, &route.authenticate), hosts: Vec::new() });
    configured.chain(built_in).collect()
}

fn ways(config: &Config, authenticate: &Authenticate) -> Vec<Way> {
    match authenticate {
        Authenticate::Anonymous => vec![Way::anonymous(&"anonymous".into())],
        Authenticate::Passthrough => vec![Way::anonymous(&"passthrough".into())],
        Authenticate::Any(names) => names.iter().filter_map(|name| way(config, name)).collect(),
        // The caller is the first one's.
        Authenticate::All(names) => names.iter().take(1).filter_map(|name| way(config, name)).collect(),
    }
}

/// What an authenticator can say of whom it lets in; nothing where there is none of this name.
pub(crate) fn way(config: &Config, name: &Arc<str>) -> Option<Way> {
    let own = || config.identity.as_ref().map(|identity| identity.issuer.clone());
    Some(match &config.authenticators.get(name)?.kind {
        AuthenticatorKind::Jwt(jwt) => {
            let user = Way::any(CallerKind::User, name);
            match &jwt.issuer {
                Issuer::Own => Way { issuer: own(), ..user },
                Issuer::Named(issuer) => Way {
                    issuer: Some(issuer.clone()),
                    roles: if jwt.claims.roles.is_some() {
                        Gives::NotBuiltIn
                    } else {
                        Gives::Exactly(Vec::new())
                    },
                    scopes: jwt.claims.scopes.is_some(),
                    attributes: Some(jwt.claims.attributes.keys().cloned().collect()),
                    ..user
                },
            }
        }
        AuthenticatorKind::Basic(basic) => {
            let user = Way { scopes: false, ..Way::any(CallerKind::User, name) };
            match &basic.users {
                Users::Store => Way { issuer: Some(super::identity::issuer(config)), ..user },
                Users::File(_) => Way {
                    issuer: Some(format!("basic:{}", basic.realm).into()),
                    roles: Gives::Exactly(basic.roles.iter().map(|role| Arc::from(role.as_str())).collect()),
                    attributes: Some(BTreeSet::new()),
                    ..user
                },
            }
        }
        AuthenticatorKind::ApiKey(_) => {
            Way { issuer: Some("haechi".into()), ..Way::any(CallerKind::ApiKey, name) }
        }
    })
}

//! From the configuration as it is meant to the plan that the workers run.

use super::points::PointFault;
use super::tls;
use crate::config::meant::{self, Authenticate, Config};
use haechi_authn::Authenticator;
use haechi_authn::identity::Provider;
use haechi_authn::schemes::{anonymous, passthrough};
use haechi_authz::{DecisionPoint, Enforcer, EnforcerParts, Engine};
use haechi_core::{MethodSet, PathPattern};
use haechi_proxy::{
    Authentication, Endpoint, Endpoints, IdentityCall, Plan, PlanParts, Route, RouteSettings, Service,
    ServiceIndex, Target,
};
use http::Method;
use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

/// Every authenticator that the configuration names.
pub(crate) type Authenticators = BTreeMap<Arc<str>, Arc<dyn Authenticator>>;

/// What should not happen with a configuration that was checked; the process does not start.
#[derive(Debug, thiserror::Error)]
pub(crate) enum PlanFault {
    #[error("the route `{0}` names something that is not there")]
    Dangling(Arc<str>),
    #[error(transparent)]
    Conflict(#[from] haechi_proxy::Conflict),
    #[error("the path `{0}` of the identity provider is not a pattern: {1}")]
    IdentityPath(String, haechi_core::pattern::PatternFault),
    #[error(transparent)]
    Policies(#[from] haechi_authz::SliceFault),
    #[error(transparent)]
    DecisionPoint(#[from] haechi_authz::NoSuchPoint),
    #[error(transparent)]
    Point(#[from] PointFault),
    #[error(transparent)]
    Tls(#[from] tls::TlsFault),
}

/// Makes the plan of generation `generation`.
pub(crate) fn plan(
    config: &Config,
    generation: u64,
    authenticators: &Authenticators,
    identity: Option<Arc<Provider>>,
    endpoints: &Endpoints,
    points: Vec<Arc<dyn DecisionPoint>>,
) -> Result<Plan, PlanFault> {
    let services: Vec<Service> =
        config.services.values().map(|written| service(written, endpoints)).collect::<Result<_, _>>()?;
    let index: HashMap<&str, ServiceIndex> =
        config.services.keys().enumerate().map(|(i, name)| (&**name, ServiceIndex::new(i))).collect();
    let mut routes = Vec::with_capacity(config.routes.len() + 6);
    for written in &config.routes {
        let dangling = || PlanFault::Dangling(written.name.clone());
        let service = index.get(&*written.service).copied().ok_or_else(dangling)?;
        let authentication = authentication(&written.authenticate, authenticators).ok_or_else(dangling)?;
        routes.push(route(written, authentication, service));
    }
    if let Some(identity) = &config.identity {
        routes.extend(identity_routes(identity, config, authenticators)?);
    }
    let enforcer = Enforcer::new(EnforcerParts {
        engine: Engine::new(config.policies.clone())?,
        shadow: config.shadow_policies.clone().map(Engine::new).transpose()?,
        points,
        own: routes.len() - config.routes.len(),
        generation,
    })?;
    Ok(Plan::new(PlanParts {
        generation,
        listeners: config.listeners.iter().map(|listener| listener.opening.clone()).collect(),
        routes,
        enforcer,
        services,
        trusted_proxies: config.trusted_proxies.clone(),
        limits: config.limits,
        identity,
    })?)
}

fn route(written: &meant::Route, authentication: Authentication, service: ServiceIndex) -> Route {
    Route {
        name: written.name.clone(),
        pattern: written.path.clone(),
        hosts: written.hosts.iter().map(|host| host.name().into()).collect(),
        methods: written.methods.clone(),
        authentication,
        target: Target::Service(service),
        allow_in_path: written.allow_in_path,
        settings: written.settings.clone(),
    }
}

fn authentication(written: &Authenticate, known: &Authenticators) -> Option<Authentication> {
    let named =
        |names: &[Arc<str>]| names.iter().map(|name| known.get(name).cloned()).collect::<Option<Vec<_>>>();
    match written {
        Authenticate::Anonymous => Some(Authentication::Any(vec![Arc::new(anonymous::authenticator())])),
        Authenticate::Passthrough => Some(Authentication::Any(vec![Arc::new(passthrough::authenticator())])),
        Authenticate::Any(names) => named(names).map(Authentication::Any),
        Authenticate::All(names) => named(names).map(Authentication::All),
    }
}

fn service(written: &meant::Service, endpoints: &Endpoints) -> Result<Service, tls::TlsFault> {
    let protocol = written.settings.protocol;
    let tls = written.tls.as_ref().map(|tls| tls::service(&written.name, tls, protocol)).transpose()?;
    let endpoint = |endpoint: &meant::Endpoint| {
        let host = endpoint.host.name().trim_start_matches('[').trim_end_matches(']');
        let tls = match (endpoint.secure, &tls) {
            (false, _) => None,
            (true, Some(tls)) => Some(tls.clone()),
            // Never without, where it is asked for.
            (true, None) => return Err(tls::TlsFault::NoAuthorities(written.name.clone())),
        };
        let state = endpoints.state(&written.name, host, endpoint.port, tls);
        Ok(Endpoint { state, weight: endpoint.weight })
    };
    Ok(Service {
        name: written.name.clone(),
        endpoints: written.endpoints.iter().map(endpoint).collect::<Result<_, _>>()?,
        settings: written.settings.clone(),
    })
}

/// The identity provider's calls. `logout` and `me` ask for one of its own tokens.
fn identity_routes(
    identity: &meant::Identity,
    config: &Config,
    authenticators: &Authenticators,
) -> Result<Vec<Route>, PlanFault> {
    let own: Vec<_> = config
        .authenticators
        .values()
        .filter(|a| matches!(&a.kind, meant::AuthenticatorKind::Jwt(jwt) if jwt.issuer == meant::Issuer::Own))
        .filter_map(|a| authenticators.get(&a.name).cloned())
        .take(1)
        .collect();
    let open = || Authentication::Any(vec![Arc::new(anonymous::authenticator())]);
    let path = |rest: &str| format!("{}/{rest}", identity.path);
    let mut calls = vec![
        ("identity-login", path("login"), Method::POST, IdentityCall::Login, open()),
        ("identity-refresh", path("refresh"), Method::POST, IdentityCall::Refresh, open()),
        ("identity-jwks", "/.well-known/jwks.json".to_owned(), Method::GET, IdentityCall::Jwks, open()),
        (
            "identity-discovery",
            "/.well-known/openid-configuration".to_owned(),
            Method::GET,
            IdentityCall::Discovery,
            open(),
        ),
    ];
    if !own.is_empty() {
        let verified = Authentication::Any(own);
        calls.push(("identity-logout", path("logout"), Method::POST, IdentityCall::Logout, verified.clone()));
        calls.push(("identity-me", path("me"), Method::GET, IdentityCall::Me, verified));
    }
    let route =
        |(name, path, method, call, authentication): (&str, String, Method, IdentityCall, Authentication)| {
            let pattern = PathPattern::parse(&path).map_err(|fault| PlanFault::IdentityPath(path, fault))?;
            Ok(Route {
                methods: MethodSet::new([method]),
                settings: RouteSettings { max_body: Some(64 * 1024), ..RouteSettings::default() },
                ..Route::new(name, pattern, authentication, Target::Identity(call))
            })
        };
    calls.into_iter().map(route).collect()
}

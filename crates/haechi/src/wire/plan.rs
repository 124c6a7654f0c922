//! From the configuration as it is meant to the plan that the workers run.

use super::points::PointFault;
use super::service_tokens::ServiceTokens;
use super::{identity, tls};
use crate::config::StorePolicies;
use crate::config::meant::{self, Authenticate, Config, Exchange, UpstreamAuth};
use haechi_audit::chain::hex;
use haechi_authn::identity::Provider;
use haechi_authn::token_exchange::Exchanged;
use haechi_authn::{Authenticator, Unavailable};
use haechi_authz::analysis::PossibleValues;
use haechi_authz::{DecisionPoint, Enforcer, EnforcerParts, Engine};
use haechi_core::caller::Vouched;
use haechi_core::ports::BoxFuture;
use haechi_core::rate::Rate;
use haechi_core::{MethodSet, Timestamp};
use haechi_proxy::{
    AccessToken, Authentication, AuthenticatorClaims, Authzen, CallerTokens, Cors, CorsOrigins,
    CredentialValue, Endpoint, Endpoints, IdentityCall, LimitBy, Listener, Logins, OnFailure, Plan,
    PlanParts, RateLimit, Route, RouteSettings, Service, ServiceCredential, ServiceIndex, Target,
};
use http::Method;
use std::collections::{BTreeMap, HashMap};
use std::num::NonZeroU32;
use std::sync::Arc;
use std::time::Duration;

/// Every authenticator that the configuration names.
pub(crate) type Authenticators = BTreeMap<Arc<str>, Arc<dyn Authenticator>>;

/// What should not happen with a configuration that was checked; the process does not start.
#[derive(Debug, thiserror::Error)]
pub(crate) enum PlanFault {
    #[error("the route `{0}` names something that is not there")]
    Dangling(Arc<str>),
    #[error(transparent)]
    Conflict(#[from] haechi_proxy::Conflict),
    #[error(transparent)]
    Policies(#[from] haechi_authz::SliceFault),
    #[error(transparent)]
    DecisionPoint(#[from] haechi_authz::NoSuchPoint),
    #[error(transparent)]
    Point(#[from] PointFault),
    #[error(transparent)]
    Tls(#[from] tls::TlsFault),
    #[error("the tokens for the service `{0}`: {1}")]
    Tokens(Arc<str>, String),
}

/// Makes the plan of generation `generation`.
pub(crate) fn plan(
    config: &Config,
    generation: u64,
    (authenticators, logins): (&Authenticators, Logins),
    identity: Option<Arc<Provider>>,
    (endpoints, tokens): (&Endpoints, Option<&ServiceTokens>),
    points: Vec<Arc<dyn DecisionPoint>>,
) -> Result<Plan, PlanFault> {
    let services: Vec<Service> = config
        .services
        .values()
        .map(|configured| service(configured, (endpoints, tokens)))
        .collect::<Result<_, _>>()?;
    let index: HashMap<&str, ServiceIndex> =
        config.services.keys().enumerate().map(|(i, name)| (&**name, ServiceIndex::new(i))).collect();
    // In the order of the vocabulary, by whose indexes the enforcer knows them.
    let mut routes = Vec::with_capacity(config.routes.len() + config.built_in.len());
    for configured in &config.routes {
        let dangling = || PlanFault::Dangling(configured.name.clone());
        let target = match &configured.service {
            Some(service) => Target::Service(index.get(&**service).copied().ok_or_else(dangling)?),
            None => Target::Nowhere,
        };
        let authentication = authentication(&configured.authenticate, authenticators).ok_or_else(dangling)?;
        routes.push(route(configured, authentication, target));
    }
    for own in &config.built_in {
        let dangling = || PlanFault::Dangling(own.name.clone());
        let authentication = authentication(&own.authenticate, authenticators).ok_or_else(dangling)?;
        routes.push(built_in(own, authentication, identity.as_deref()));
    }
    let enforcer = Enforcer::new(EnforcerParts {
        engine: Engine::new(config.policies.clone())?,
        shadow: config.shadow_policies.clone().map(Engine::new).transpose()?,
        points,
        generation,
    })?;
    let enforcer = if config.stored == StorePolicies::Unknown { enforcer.incomplete() } else { enforcer };
    Ok(Plan::new(PlanParts {
        generation,
        configuration: config.audit.as_ref().map(|_| hex(&config.bundle.hash())).unwrap_or_default().into(),
        listeners: config.listeners.iter().map(|listener| opening(config, listener)).collect(),
        routes,
        enforcer,
        services,
        trusted_proxies: config.trusted_proxies.clone(),
        limits: config.limits,
        identity,
        logins,
        protected_resources: config.protected_resources.clone(),
    })?)
}

/// How a listener's connections begin. Whoever asks there by AuthZEN supposes callers, as each authenticator would make them.
fn opening(config: &Config, listener: &meant::Listener) -> Listener {
    let mut opening = config.opening(listener);
    let Some(authzen) = opening.authzen.take() else { return opening };
    let own_issuer = identity::issuer(config);
    let claims = config.authenticators.iter().map(|(name, known)| {
        let way = known.settings.way(name, &own_issuer);
        // Only our own word gives any role there is.
        let vouched = if way.roles == PossibleValues::Any { Vouched::BySelf } else { Vouched::ByOther };
        (name.clone(), AuthenticatorClaims { kind: way.kind, issuer: way.issuer, vouched })
    });
    let Authzen { tokens, assumed, .. } = (*authzen).clone();
    opening.authzen = Some(Arc::new(Authzen { tokens, assumed, claims: claims.collect() }));
    opening
}

fn route(configured: &meant::Route, authentication: Authentication, target: Target) -> Route {
    Route {
        name: configured.name.clone(),
        pattern: configured.path.clone(),
        hosts: configured.hosts.iter().map(|host| host.as_str().into()).collect(),
        methods: configured.methods.clone(),
        authentication,
        target,
        allow_in_path: configured.allow_in_path,
        settings: configured.settings.clone(),
    }
}

fn authentication(configured: &Authenticate, known: &Authenticators) -> Option<Authentication> {
    let named =
        |names: &[Arc<str>]| names.iter().map(|name| known.get(name).cloned()).collect::<Option<Vec<_>>>();
    match configured {
        Authenticate::Open(open) => Some(Authentication::Any(vec![(open.build)()])),
        Authenticate::Any(names) => named(names).map(Authentication::Any),
        Authenticate::All(names) => named(names).map(Authentication::All),
    }
}

fn service(
    configured: &meant::Service,
    (endpoints, tokens): (&Endpoints, Option<&ServiceTokens>),
) -> Result<Service, PlanFault> {
    let protocol = configured.settings.protocol;
    let tls = configured.tls.as_ref().map(|tls| tls::service(&configured.name, tls, protocol)).transpose()?;
    let endpoint = |endpoint: &meant::Endpoint| {
        let host = endpoint.host.name().trim_start_matches('[').trim_end_matches(']');
        let tls = match (endpoint.secure, &tls) {
            (false, _) => None,
            (true, Some(tls)) => Some(tls.clone()),
            // Never without, where it is asked for.
            (true, None) => return Err(tls::TlsFault::NoAuthorities(configured.name.clone())),
        };
        let state = endpoints.state(&configured.name, host, endpoint.port, tls);
        Ok(Endpoint { state, weight: endpoint.weight })
    };
    let fault = |why| PlanFault::Tokens(configured.name.clone(), why);
    let credential = configured.upstream_auth.as_ref().map(|auth| credential(&configured.name, auth, tokens));
    let exchange = configured.exchange.as_ref().map(|wanted| exchange(&configured.name, wanted, tokens));
    Ok(Service {
        name: configured.name.clone(),
        endpoints: configured.endpoints.iter().map(endpoint).collect::<Result<_, _>>()?,
        settings: configured.settings.clone(),
        credential: credential.transpose().map_err(fault)?,
        exchange: exchange.transpose().map_err(fault)?,
    })
}

fn credential(
    service: &Arc<str>,
    auth: &UpstreamAuth,
    tokens: Option<&ServiceTokens>,
) -> Result<ServiceCredential, String> {
    Ok(match auth {
        UpstreamAuth::Field(field, value) => ServiceCredential {
            field: field.clone(),
            value: CredentialValue::Fixed(value.expose().as_str().into()),
        },
        UpstreamAuth::Token(wanted) => ServiceCredential {
            field: "authorization".into(),
            value: CredentialValue::Token(match tokens {
                Some(tokens) => tokens.own(service, wanted)?,
                None => Arc::new(NoToken),
            }),
        },
    })
}

fn exchange(
    service: &Arc<str>,
    wanted: &Exchange,
    tokens: Option<&ServiceTokens>,
) -> Result<Arc<dyn CallerTokens>, String> {
    match tokens {
        Some(tokens) => tokens.exchange(service, wanted),
        None => Ok(Arc::new(NoToken)),
    }
}

/// For plans that forward nothing.
struct NoToken;

impl AccessToken for NoToken {
    fn authorization(&self, _: Timestamp) -> Result<Arc<str>, String> {
        Err("no access token is fetched where nothing is forwarded".to_owned())
    }
}

impl CallerTokens for NoToken {
    fn exchanged<'a>(&'a self, _: &'a str) -> BoxFuture<'a, Result<Exchanged, Unavailable>> {
        let nothing = Unavailable::new("no token is exchanged where nothing is forwarded");
        Box::pin(std::future::ready(Err(nothing)))
    }
}

/// How often an address may begin or finish a login with a browser, in a minute: each asks the provider, and costs a person's patience more than this.
const LOGINS_PER_ADDRESS: NonZeroU32 = NonZeroU32::MIN.saturating_add(299);

/// What is over it is answered before anything else is looked at.
fn login_limit(own: &meant::BuiltInRoute) -> Option<RateLimit> {
    if !matches!(own.call, IdentityCall::LoginStart | IdentityCall::LoginCallback) {
        return None;
    }
    let rate = Rate { requests: LOGINS_PER_ADDRESS, per: Duration::from_secs(60), burst: LOGINS_PER_ADDRESS };
    let by = LimitBy::ClientIp;
    Some(RateLimit::new(&own.name, by.to_string(), by, rate, OnFailure::Local))
}

/// What pages of other sites may ask of the provider: its documents everybody's, and what gives or takes tokens those of its public clients. None comes with
/// a cookie.
fn built_in_cors(call: IdentityCall, identity: Option<&Provider>) -> Option<Cors> {
    let of_clients = || Some(CorsOrigins::OfClients(identity?.client_origins().clone()));
    let (origins, methods) = match call {
        IdentityCall::Discovery | IdentityCall::Jwks => (CorsOrigins::Any, vec![Method::GET]),
        IdentityCall::Token | IdentityCall::Revoke => (of_clients()?, vec![Method::POST]),
        IdentityCall::Userinfo => (of_clients()?, vec![Method::GET, Method::POST]),
        _ => return None,
    };
    Some(Cors {
        origins,
        methods: MethodSet::new(methods),
        headers: vec!["authorization".into(), "content-type".into()],
        expose: Some("www-authenticate".into()),
        credentials: false,
        max_age: PREFLIGHT_KEPT,
    })
}

/// How long a browser may remember what a page may ask of the provider.
const PREFLIGHT_KEPT: Duration = Duration::from_secs(600);

fn built_in(own: &meant::BuiltInRoute, authentication: Authentication, identity: Option<&Provider>) -> Route {
    Route {
        methods: own.methods.clone(),
        settings: RouteSettings {
            max_body: Some(64 * 1024),
            rate_limits: login_limit(own).into_iter().collect(),
            cors: built_in_cors(own.call, identity),
            ..RouteSettings::default()
        },
        ..Route::new(&own.name, own.path.clone(), authentication, Target::Identity(own.call))
    }
}

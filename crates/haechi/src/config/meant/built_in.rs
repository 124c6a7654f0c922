//! The routes that the gate brings itself: the embedded identity provider's calls.

use super::authenticator::Authenticator;
use super::identity::{DEFAULT_PATH, Identity};
use super::names::Resolver;
use super::route::Authenticate;
use crate::authenticators::ANONYMOUS;
use crate::config::report::Fault;
use haechi_authz::{RouteFacts, Rule};
use haechi_core::{MethodSet, PathPattern};
use haechi_proxy::{IdentityCall, ProtectedResource, passkey_script};
use http::Method;
use std::collections::BTreeMap;
use std::sync::Arc;

/// Where the public keys are, as OpenID Connect discovery has it.
pub(super) const JWKS_PATH: &str = "/.well-known/jwks.json";
/// Where discovery is (OpenID Connect Discovery 1.0, section 4).
pub(super) const DISCOVERY_PATH: &str = "/.well-known/openid-configuration";

/// A route that the gate brings itself. It has no rule that anybody wrote: whoever its authentication lets through is let through.
#[derive(Clone, Debug)]
pub(crate) struct BuiltInRoute {
    /// Begins with `identity-`, as no configured route's does.
    pub name: Arc<str>,
    /// Literal.
    pub path: PathPattern,
    /// Which methods it takes.
    pub methods: MethodSet,
    /// Who may call it.
    pub authenticate: Authenticate,
    /// What it does.
    pub call: IdentityCall,
}

impl BuiltInRoute {
    /// What rules know of it.
    pub(super) fn facts(&self) -> RouteFacts {
        RouteFacts {
            name: self.name.clone(),
            service: None,
            labels: Vec::new(),
            pattern: self.path.clone(),
            methods: self.methods.clone(),
            rule: Rule::built_in(),
        }
    }
}

/// All of them. `None` where a fault was noted, here or before.
pub(super) fn all(
    resolver: &mut Resolver<'_>,
    identity: Option<&Option<Identity>>,
    authenticators: Option<&BTreeMap<Arc<str>, Authenticator>>,
    resources: &[ProtectedResource],
) -> Option<Vec<BuiltInRoute>> {
    let Some(authenticators) = authenticators else { return Some(Vec::new()) };
    let identity = identity.and_then(Option::as_ref);
    let own =
        identity.map_or_else(|| Some(Vec::new()), |identity| routes(resolver, identity, authenticators));
    let base = identity.map_or(DEFAULT_PATH, |identity| &identity.path);
    let logins = login_routes(resolver, base, authenticators);
    let described = resource_routes(resolver, resources);
    Some([own?, logins?, described?].concat())
}

/// What clients are told of resources.
fn resource_routes(
    resolver: &mut Resolver<'_>,
    resources: &[ProtectedResource],
) -> Option<Vec<BuiltInRoute>> {
    let mut routes: Vec<BuiltInRoute> = Vec::with_capacity(resources.len());
    for resource in resources {
        let path = resource.metadata_path();
        let legal = |letter: char| if letter.is_ascii_alphanumeric() { letter } else { '-' };
        let mut name = format!("identity-resource{}", resource.path().chars().map(legal).collect::<String>());
        while routes.iter().any(|known| *known.name == *name) {
            name.push('-');
        }
        let Ok(path) = PathPattern::parse(&path) else {
            let message = format!("a resource cannot be described at `{path}`");
            return resolver
                .fault(Fault::of_file(message).help("choose another path under `protected_resources`"));
        };
        routes.push(BuiltInRoute {
            name: name.into(),
            path,
            methods: MethodSet::new([Method::GET]),
            authenticate: Authenticate::Open(ANONYMOUS),
            call: IdentityCall::ProtectedResource,
        });
    }
    Some(routes)
}

/// The calls of the authenticators that log people in with a browser, below `base`.
fn login_routes(
    resolver: &mut Resolver<'_>,
    base: &str,
    authenticators: &BTreeMap<Arc<str>, Authenticator>,
) -> Option<Vec<BuiltInRoute>> {
    let logging_in: Vec<&Arc<str>> =
        authenticators.values().filter(|known| known.settings.logs_in()).map(|known| &known.name).collect();
    if logging_in.is_empty() {
        return Some(Vec::new());
    }
    let mut calls = vec![
        (
            "identity-login-choice".to_owned(),
            format!("{base}/oidc"),
            vec![Method::GET],
            IdentityCall::LoginChoice,
        ),
        (
            "identity-browser-logout".to_owned(),
            format!("{base}/logout"),
            vec![Method::GET],
            IdentityCall::BrowserLogout,
        ),
    ];
    for name in logging_in {
        let of = |call: &str, rest: &str| {
            (format!("identity-{call}-{name}"), format!("{base}/oidc/{name}/{rest}"))
        };
        let ((start, start_path), (back, back_path)) =
            (of("login-start", "start"), of("login-callback", "callback"));
        let (end, end_path) = of("backchannel-logout", "backchannel_logout");
        calls.push((start, start_path, vec![Method::GET], IdentityCall::LoginStart));
        calls.push((back, back_path, vec![Method::GET, Method::POST], IdentityCall::LoginCallback));
        calls.push((end, end_path, vec![Method::POST], IdentityCall::BackchannelLogout));
    }
    let mut routes = Vec::with_capacity(calls.len());
    for (name, path, methods, call) in calls {
        let Ok(path) = PathPattern::parse(&path) else {
            let message = format!("the gate cannot answer on `{path}`");
            return resolver.fault(Fault::of_file(message).help("choose another `identity.path`"));
        };
        let methods = MethodSet::new(methods);
        let authenticate = Authenticate::Open(ANONYMOUS);
        routes.push(BuiltInRoute { name: name.into(), path, methods, authenticate, call });
    }
    Some(routes)
}

/// The calls of the identity provider. `logout` and `me` ask for one of its tokens, and are there where an authenticator takes them.
fn routes(
    resolver: &mut Resolver<'_>,
    identity: &Identity,
    authenticators: &BTreeMap<Arc<str>, Authenticator>,
) -> Option<Vec<BuiltInRoute>> {
    let below = |rest: &str| format!("{}/{rest}", identity.path);
    let open = || Authenticate::Open(ANONYMOUS);
    let both = || vec![Method::GET, Method::POST];
    let mut calls = vec![
        ("identity-login", below("login"), vec![Method::POST], open(), IdentityCall::Login),
        ("identity-password", below("password"), both(), open(), IdentityCall::Password),
        ("identity-totp", below("totp"), both(), open(), IdentityCall::SecondFactor),
        ("identity-account", below("account"), both(), open(), IdentityCall::Account),
        ("identity-refresh", below("refresh"), vec![Method::POST], open(), IdentityCall::Refresh),
        ("identity-token", below("token"), vec![Method::POST], open(), IdentityCall::Token),
        ("identity-revoke", below("revoke"), vec![Method::POST], open(), IdentityCall::Revoke),
        ("identity-introspect", below("introspect"), vec![Method::POST], open(), IdentityCall::Introspect),
        ("identity-authorize", below("authorize"), both(), open(), IdentityCall::Authorize),
        ("identity-userinfo", below("userinfo"), both(), open(), IdentityCall::Userinfo),
        ("identity-end-session", below("end_session"), both(), open(), IdentityCall::EndSession),
        ("identity-jwks", JWKS_PATH.to_owned(), vec![Method::GET], open(), IdentityCall::Jwks),
        ("identity-discovery", DISCOVERY_PATH.to_owned(), vec![Method::GET], open(), IdentityCall::Discovery),
    ];
    if identity.passkeys.is_some() {
        calls.push(("identity-passkeys", below("passkeys"), both(), open(), IdentityCall::Passkeys));
        let script = below(passkey_script());
        calls.push((
            "identity-passkey-script",
            script,
            vec![Method::GET],
            open(),
            IdentityCall::PasskeyScript,
        ));
    }
    if identity.registration {
        let register = below("register");
        calls.push(("identity-register", register, vec![Method::POST], open(), IdentityCall::Register));
    }
    let takes_tokens = |authenticator: &&Authenticator| authenticator.settings.takes_own_tokens();
    if let Some(authenticator) = authenticators.values().find(takes_tokens) {
        let known = || Authenticate::Any(vec![authenticator.name.clone()]);
        calls.push(("identity-logout", below("logout"), vec![Method::POST], known(), IdentityCall::Logout));
        calls.push(("identity-sessions", below("sessions"), both(), known(), IdentityCall::Sessions));
        calls.push(("identity-me", below("me"), vec![Method::GET], known(), IdentityCall::Me));
    }
    let mut routes = Vec::with_capacity(calls.len());
    for (name, path, methods, authenticate, call) in calls {
        match PathPattern::parse(&path) {
            Ok(path) => {
                let methods = MethodSet::new(methods);
                routes.push(BuiltInRoute { name: name.into(), path, methods, authenticate, call });
            }
            Err(why) => {
                let message = format!("the identity provider cannot answer on `{path}`: {why}");
                return resolver.fault(Fault::of_file(message).help("choose another `identity.path`"));
            }
        }
    }
    Some(routes)
}

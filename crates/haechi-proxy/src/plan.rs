//! What the data plane runs: an immutable snapshot that the control side swaps whole.

use crate::context_headers::ContextHeaders;
use crate::logins::Logins;
use crate::protected_resource::ProtectedResource;
use crate::route::{Conflict, Router};
use crate::settings::{Limits, Listener, ListenerIndex, Route, Service, ServiceIndex};
use haechi_authn::identity::Provider;
use haechi_authz::{Enforcer, RouteIndex};
use haechi_core::fields::FieldNameSet;
use ipnet::IpNet;
use std::net::IpAddr;
use std::sync::Arc;

/// One generation of the configuration, as the workers run it.
pub struct Plan {
    pub(crate) generation: u64,
    pub(crate) configuration: Arc<str>,
    pub(crate) listeners: Vec<Listener>,
    pub(crate) routes: Vec<Route>,
    pub(crate) router: Router,
    pub(crate) enforcer: Enforcer,
    pub(crate) context_headers: ContextHeaders,
    pub(crate) services: Vec<Service>,
    /// The names that any of the services guards.
    pub(crate) guarded: FieldNameSet,
    pub(crate) trusted_proxies: Vec<IpNet>,
    pub(crate) limits: Limits,
    pub(crate) identity: Option<Arc<Provider>>,
    pub(crate) logins: Logins,
    pub(crate) protected_resources: Vec<ProtectedResource>,
}

/// What a [`Plan`] is made of.
pub struct PlanParts {
    /// Grows with every configuration that comes into force.
    pub generation: u64,
    /// The hash of the configuration, under which the audit trail keeps it.
    pub configuration: Arc<str>,
    /// How connections begin, by the index of the listening socket.
    pub listeners: Vec<Listener>,
    /// The routes, in any order.
    pub routes: Vec<Route>,
    /// What decides about their callers, by the same indices.
    pub enforcer: Enforcer,
    /// The services that routes name by index.
    pub services: Vec<Service>,
    /// Addresses that may tell us the client's address.
    pub trusted_proxies: Vec<IpNet>,
    /// Limits of every connection.
    pub limits: Limits,
    /// The embedded identity provider, where configured.
    pub identity: Option<Arc<Provider>>,
    /// The authenticators that log people in.
    pub logins: Logins,
    /// The resources of which clients are told where to get tokens for them.
    pub protected_resources: Vec<ProtectedResource>,
}

fn guarded(service: &Service) -> impl Iterator<Item = &str> {
    service.settings.identity_headers.guarded()
}

impl Plan {
    /// The embedded identity provider, where configured.
    pub const fn identity(&self) -> Option<&Arc<Provider>> {
        self.identity.as_ref()
    }

    /// Puts the parts together.
    ///
    /// # Errors
    /// [`Conflict`] when two routes could both win.
    pub fn new(parts: PlanParts) -> Result<Self, Conflict> {
        let router = Router::new(&parts.routes)?;
        let read_by_policies = &parts.enforcer.engine().compiled().vocabulary().headers;
        Ok(Self {
            context_headers: ContextHeaders::new(read_by_policies.values().map(|name| &**name)),
            generation: parts.generation,
            configuration: parts.configuration,
            listeners: parts.listeners,
            router,
            enforcer: parts.enforcer,
            routes: parts.routes,
            guarded: FieldNameSet::of(parts.services.iter().flat_map(guarded)),
            services: parts.services,
            trusted_proxies: parts.trusted_proxies,
            limits: parts.limits,
            identity: parts.identity,
            logins: parts.logins,
            protected_resources: parts.protected_resources,
        })
    }

    /// Whether an address is one of a proxy that may tell the client's.
    pub(crate) fn trusts(&self, address: IpAddr) -> bool {
        let address = address.to_canonical();
        self.trusted_proxies.iter().any(|net| net.contains(&address))
    }

    /// The routes by index.
    pub fn routes(&self) -> &[Route] {
        &self.routes
    }

    /// The route with this index.
    pub fn route(&self, index: RouteIndex) -> Option<&Route> {
        self.routes.get(index.get())
    }

    /// The services.
    pub fn services(&self) -> &[Service] {
        &self.services
    }

    /// One of them.
    pub fn service(&self, index: ServiceIndex) -> Option<&Service> {
        self.services.get(index.get())
    }

    /// How the connections of a listener begin.
    pub(crate) fn listener(&self, index: ListenerIndex) -> Option<&Listener> {
        self.listeners.get(index.get())
    }

    /// The router.
    pub const fn router(&self) -> &Router {
        &self.router
    }

    /// The enforcer.
    pub const fn enforcer(&self) -> &Enforcer {
        &self.enforcer
    }
}

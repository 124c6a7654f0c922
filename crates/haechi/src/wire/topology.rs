//! Routes, services and endpoints for the admin API: the configuration in force, and what the plan's endpoints are at.

use super::reload::Reloader;
use super::rules::access;
use crate::config::Config;
use crate::config::meant::Authenticate;
use arc_swap::ArcSwap;
use haechi_admin::topology::{
    AuthenticateView, AuthorizeView, CircuitView, EndpointView, RateLimitView, RouteView, ServiceView,
};
use haechi_authz::{Clause, RouteFacts, Rule};
use haechi_proxy::{Balance, Endpoint, EndpointState, Plan, Protocol, RateLimit, Service};
use std::sync::Arc;

/// Those of a running gate.
pub(crate) struct GateTopology {
    pub(crate) plan: Arc<ArcSwap<Plan>>,
    pub(crate) reloader: Arc<Reloader>,
}

impl haechi_admin::Topology for GateTopology {
    fn routes(&self) -> Vec<RouteView> {
        let mut routes = routes(&self.reloader.config());
        routes.sort_by(|a, b| a.name.cmp(&b.name));
        routes
    }

    fn services(&self) -> Vec<ServiceView> {
        let (config, plan) = (self.reloader.config(), self.plan.load());
        let mut services: Vec<_> =
            plan.services().iter().map(|service| service_view(service, &config)).collect();
        services.sort_by(|a, b| a.name.cmp(&b.name));
        services
    }

    fn drain(&self, service: &str, endpoint: &str, drained: bool) -> Option<EndpointView> {
        let plan = self.plan.load();
        let service = plan.services().iter().find(|known| *known.name == *service)?;
        let found = service.endpoints.iter().find(|known| known.state.to_string() == endpoint)?;
        found.state.set_drained(drained);
        tracing::info!(service = %service.name, endpoint, drained, "an operator set the state of the endpoint");
        Some(endpoint_view(service, found))
    }
}

/// One line for each endpoint that is drained, for readiness.
pub(super) fn drained(plan: &Plan) -> Vec<String> {
    let endpoints = plan.services().iter().flat_map(|service| &service.endpoints);
    let drained = endpoints.map(|endpoint| &endpoint.state).filter(|state| state.is_drained());
    let note = |state: &Arc<EndpointState>| {
        let in_flight = state.in_flight();
        format!("endpoint {state} of `{}` is drained; {in_flight} requests in flight", state.service())
    };
    drained.map(note).collect()
}

fn routes(config: &Config) -> Vec<RouteView> {
    let (access, vocabulary) = (access(config), config.policies.vocabulary());
    let told = vocabulary.indexed_routes().zip(&access).map(|((index, facts), access)| {
        let configured = config.routes.get(index.get());
        let limits = configured.map(|route| &*route.settings.rate_limits).unwrap_or_default();
        let built_in =
            || config.built_in.iter().find(|route| route.name == facts.name).map(|route| &route.authenticate);
        let authenticate = configured.map(|route| &route.authenticate).or_else(built_in);
        RouteView {
            hosts: access.hosts.iter().map(ToString::to_string).collect(),
            authenticate: authenticate.map_or_else(nobody, authenticate_view),
            rate_limits: limits.iter().map(rate_limit_view).collect(),
            ..facts_view(facts)
        }
    });
    told.collect()
}

fn facts_view(facts: &RouteFacts) -> RouteView {
    let any = facts.methods.is_any();
    RouteView {
        name: facts.name.to_string(),
        built_in: facts.rule.is_built_in(),
        path: facts.pattern.to_string(),
        hosts: Vec::new(),
        methods: if any {
            Vec::new()
        } else {
            facts.methods.told().iter().map(ToString::to_string).collect()
        },
        authenticate: nobody(),
        authorize: authorize_view(&facts.rule),
        service: facts.service.as_ref().map(ToString::to_string),
        labels: facts.labels.iter().map(ToString::to_string).collect(),
        rate_limits: Vec::new(),
    }
}

fn nobody() -> AuthenticateView {
    AuthenticateView { mode: "any".to_owned(), authenticators: Vec::new() }
}

fn authenticate_view(authenticate: &Authenticate) -> AuthenticateView {
    let (mode, authenticators) = match authenticate {
        Authenticate::Open(open) => ("any", vec![open.word.to_owned()]),
        Authenticate::Any(names) => ("any", texts(names)),
        Authenticate::All(names) => ("all", texts(names)),
    };
    AuthenticateView { mode: mode.to_owned(), authenticators }
}

fn authorize_view(rule: &Rule) -> AuthorizeView {
    let word = match (rule.grants(), rule.clauses().is_empty()) {
        (false, _) => "policy",
        (true, true) => "any",
        (true, false) => "clauses",
    };
    let mut view = AuthorizeView {
        rule: word.to_owned(),
        roles: Vec::new(),
        scopes: Vec::new(),
        when: Vec::new(),
        external: Vec::new(),
    };
    for clause in rule.clauses() {
        match clause {
            Clause::Roles(names) => view.roles.push(texts(names)),
            Clause::Scopes(names) => view.scopes.push(texts(names)),
            Clause::When(condition) => view.when.push(condition.text.to_string()),
            Clause::External(name) => view.external.push(name.to_string()),
        }
    }
    view
}

fn rate_limit_view(limit: &RateLimit) -> RateLimitView {
    RateLimitView {
        name: limit.name.to_string(),
        requests: limit.rate.requests.get().into(),
        per_seconds: limit.rate.per.as_secs_f64(),
        burst: limit.rate.burst.get().into(),
    }
}

fn service_view(service: &Service, config: &Config) -> ServiceView {
    let settings = &service.settings;
    let balance = match settings.balance {
        Balance::RoundRobin => "round_robin",
        Balance::LeastRequest => "least_request",
        Balance::Random => "random",
        Balance::Hash(_) => "hash",
    };
    let protocol = match settings.protocol {
        Protocol::Http1 => "http1",
        Protocol::Http2 => "http2",
        Protocol::Auto => "auto",
    };
    let routes = config.routes.iter().filter(|route| route.service.as_ref() == Some(&service.name));
    let endpoints: Vec<_> =
        service.endpoints.iter().map(|endpoint| endpoint_view(service, endpoint)).collect();
    ServiceView {
        name: service.name.to_string(),
        balance: balance.to_owned(),
        protocol: protocol.to_owned(),
        health_checks: settings.health.is_some(),
        ejection: settings.ejection.is_some(),
        routes: routes.map(|route| route.name.to_string()).collect(),
        available: endpoints.iter().filter(|endpoint| endpoint.available).count(),
        endpoints,
    }
}

fn endpoint_view(service: &Service, endpoint: &Endpoint) -> EndpointView {
    let state = &endpoint.state;
    let reason = state.trouble().or_else(|| (endpoint.weight == 0).then_some("its weight is 0"));
    let health = match (&service.settings.health, state.is_healthy()) {
        (None, _) => "unchecked",
        (Some(_), true) => "healthy",
        (Some(_), false) => "unhealthy",
    };
    let scheme = if state.tls().is_some() { "https" } else { "http" };
    EndpointView {
        id: state.to_string(),
        url: format!("{scheme}://{state}"),
        weight: endpoint.weight,
        addresses: state.addresses().iter().map(ToString::to_string).collect(),
        health: health.to_owned(),
        ejected: state.is_ejected(),
        drained: state.is_drained(),
        available: reason.is_none(),
        reason: reason.map(str::to_owned),
        in_flight: state.in_flight(),
        circuit: circuit_view(service, state),
    }
}

fn circuit_view(service: &Service, state: &EndpointState) -> CircuitView {
    let (circuit, connections, pending) = (&service.settings.circuit, state.connections(), state.pending());
    // Connections alone turn nobody away: idle ones are used first.
    let open = pending >= circuit.pending
        || state.in_flight() >= circuit.requests
        || (connections >= circuit.connections && state.in_flight() >= connections);
    CircuitView {
        state: if open { "open" } else { "closed" }.to_owned(),
        connections,
        most_connections: circuit.connections,
        pending,
        most_pending: circuit.pending,
        most_requests: circuit.requests,
    }
}

fn texts(names: &[Arc<str>]) -> Vec<String> {
    names.iter().map(ToString::to_string).collect()
}

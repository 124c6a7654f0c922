//! Resolves names and defaults: from the configuration as it is written to what it means.

use super::names::Resolver;
use super::route::NO_SERVICE;
use super::shared_state::shared_state;
use super::{AccessLog, Config, Listener, LogTarget};
use super::{
    admin, audit, authenticator, authzen, built_in, careless, decision_points, egress, exchange, guarded,
    identity, overlap, policies, protected_resources, restart, route, service, sinks, telemetry, tls,
};
use crate::config::defaults;
use crate::config::machine;
use crate::config::read::Definitions;
use crate::config::report::{Fault, Report};
use crate::config::source::{At, Source, Span};
use crate::config::store_policies::StorePolicies;
use crate::config::value::RoleName;
use crate::config::written::{self, ListenerType, Redirect};
use haechi_authn::identity::RESERVED_CLAIMS;
use haechi_core::{AttributeType, RoleTable, role};
use haechi_proxy::Limits;
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::net::SocketAddr;
use std::num::NonZeroUsize;
use std::path::Path;
use std::sync::Arc;

/// Checks everything that hangs together and says all that does not, and what cannot follow on `in_force` without a restart. `None` only when a fault was noted, here or in reading.
pub(in crate::config) fn resolve(
    written: &written::Config,
    source: &Source,
    definitions: Definitions,
    folder: &Path,
    in_force: Option<&Config>,
    faults: &mut Vec<Fault>,
) -> Option<Config> {
    let mut resolver = Resolver::new(written, source, definitions);
    let mut config = config(&mut resolver, folder);
    if let (Some(config), Some(in_force)) = (&mut config, in_force) {
        restart::needed(&mut resolver, config, in_force);
        config.note_ports(in_force.listeners.iter().map(|listener| listener.port));
    }
    faults.append(&mut resolver.faults);
    let warnings = Report::warnings(source.clone(), resolver.warnings);
    let certificates = resolver.certificates;
    config.map(|config| Config { warnings, certificates, ..config })
}

fn config(resolver: &mut Resolver<'_>, folder: &Path) -> Option<Config> {
    let written = resolver.written;
    let (listeners, probes, shared) = (listeners(resolver), admin::probes(resolver), shared_state(resolver));
    let identity = written.identity.given().map(|written| identity::identity(resolver, written));
    let caller_attributes = caller_attributes(resolver);
    let roles = roles(resolver);
    let authenticators = authenticators(resolver);
    let admin = admin::admin(resolver, folder, roles.as_ref(), authenticators.as_ref(), &caller_attributes);
    let decision_points = decision_points::decision_points(resolver);
    let services = services(resolver);
    let traces = traces(resolver);
    let routes: Vec<Option<super::Route>> =
        written.routes.iter().map(|written| route::route(resolver, written)).collect();
    let whole: Vec<super::Route> = routes.iter().flatten().cloned().collect();
    let resources = protected_resources::all(resolver, identity.as_ref(), authenticators.as_ref(), &whole);
    let described = resources.as_deref().unwrap_or_default();
    let built_in = built_in::all(resolver, identity.as_ref(), authenticators.as_ref(), described);
    let own = built_in.as_deref().unwrap_or_default();
    let deciding = policies::policies(resolver, roles.as_ref(), &caller_attributes, &routes, own);
    told_apart(resolver, (&whole, own), identity.as_ref(), authenticators.as_ref());
    services.iter().for_each(|services| guarded::left_alone(resolver, services));
    let audit = audit::audit(resolver, folder);
    let policies::Deciding { policies, shadow, files } = deciding?;
    put_in(written)?;
    Some(Config {
        listeners: listeners?,
        probes: probes?,
        admin: admin?,
        trusted_proxies: written.trusted_proxies.iter().map(|network| network.value).collect(),
        store: written.store.given().map(|store| store.value.clone()),
        shared_state: shared?,
        identity: identity.map_or(Some(None), |known| known.map(Some))?,
        caller_attributes,
        definitions: resolver.definitions,
        roles: roles?,
        authenticators: authenticators?,
        decision_points: decision_points?,
        services: services?,
        routes: routes.into_iter().collect::<Option<_>>()?,
        built_in: built_in?,
        protected_resources: resources?,
        policies,
        shadow_policies: shadow,
        policy_files: files,
        stored: StorePolicies::default(),
        properties: Arc::from([]),
        property_files: written.properties.iter().map(|file| file.value.0.clone()).collect(),
        egress: egress::egress(resolver),
        traces,
        audit: audit?,
        bundle: Arc::default(),
        access_log: access_log(resolver, written.access_log.as_ref()?, folder)?,
        limits: limits(written.limits.as_ref()?, written.drain.as_ref()?, workers(written)),
        watch: written.reload.as_ref()?.watch,
        drain_delay: written.drain.as_ref()?.delay.0,
        workers: workers(written),
        certificates: Vec::new(),
        warnings: Report::warnings(resolver.source.clone(), Vec::new()),
        files: BTreeSet::new(),
    })
}

/// What must not be taken for one another, and what is only odd.
fn told_apart(
    resolver: &mut Resolver<'_>,
    (routes, own): (&[super::Route], &[super::BuiltInRoute]),
    identity: Option<&Option<super::Identity>>,
    authenticators: Option<&BTreeMap<Arc<str>, super::Authenticator>>,
) {
    names_apart(resolver);
    overlap::all_apart(resolver, routes, identity, own);
    odd(resolver, authenticators);
}

/// What was put into the rest before it was read: `None` where it could not be.
fn put_in(written: &written::Config) -> Option<()> {
    let defaults = written.defaults.resolve(|defaults| {
        let route = defaults.route.resolve(|_| Some(()));
        route.and_then(|_| defaults.service.resolve(|_| Some(())))
    });
    written.include.resolve(|_| Some(())).and(defaults).map(drop)
}

fn listeners(resolver: &mut Resolver<'_>) -> Option<Vec<Listener>> {
    let written = resolver.written.listeners.as_ref()?;
    let mut lines = HashMap::new();
    let mut listeners = Vec::with_capacity(written.len());
    for listener in written {
        let Some(bind) = &listener.bind else { continue };
        let first = lines.insert(bind.value, bind.span.start.line);
        if let Some(line) = first.filter(|_| bind.port() != 0) {
            let message = format!("two listeners have the address `{}`", resolver.written_at(bind.span));
            resolver.faults.push(
                Fault::new(bind.span, message).help(format!("the first is on line {line}; keep one of them")),
            );
        }
        if admin::is_for_probes(listener) {
            continue;
        }
        let known = resolver.certificates.len();
        let tls = listener.tls.resolve(|tls| tls::listener(resolver, tls));
        let of_listener = resolver.certificates.iter_mut().skip(known);
        of_listener.for_each(|file| file.listener = Some(bind.value));
        let proxy_protocol = proxy_protocol(resolver, listener);
        // A listener that was to speak TLS and cannot has a fault; it never speaks without.
        let Some(tls) = tls else { continue };
        let authorizes = authorizes(resolver, listener);
        let authzen = authzen::authzen(resolver, listener);
        let opening = haechi_proxy::Listener { tls, proxy_protocol, redirect: None, authorizes, authzen };
        let redirect = redirect(resolver, listener).map(|Redirect::Https| None);
        listeners.push(Listener { bind: bind.value, port: bind.port(), redirect, opening });
    }
    let secure: Vec<(usize, SocketAddr)> = listeners
        .iter()
        .enumerate()
        .filter(|(_, listener)| listener.opening.tls.is_some())
        .map(|(index, listener)| (index, listener.bind))
        .collect();
    for listener in listeners.iter_mut().filter(|listener| listener.redirect.is_some()) {
        let bind = listener.bind;
        let rank = |(_, other): &&(usize, SocketAddr)| (other.ip() != bind.ip(), other.port() != 443);
        listener.redirect = Some(secure.iter().min_by_key(rank).map(|(index, _)| *index));
    }
    if written.iter().all(admin_only) {
        let fault = Fault::of_file(match written.is_empty() {
            true => "`listeners` is empty",
            false => "`listeners` has none that clients connect to",
        });
        resolver.faults.push(fault.help("add an address that clients connect to: `- bind: 0.0.0.0:8080`"));
    }
    Some(listeners)
}

fn admin_only(listener: &At<written::Listener>) -> bool {
    admin::is_for_probes(&listener.value)
}

/// A listener that redirects has nobody to speak TLS with: whoever does has come to `https` already.
fn redirect(resolver: &mut Resolver<'_>, listener: &written::Listener) -> Option<Redirect> {
    let redirect = listener.redirect.given()?;
    if !listener.tls.is_absent() {
        let fault =
            Fault::new(redirect.span, "a listener that sends requests to `https` speaks no TLS itself");
        resolver.faults.push(fault.help("remove `redirect`, or write it at the listener of plain `http`"));
    }
    Some(redirect.value)
}

/// Whether other gateways ask there. What they say of their clients is believed of trusted proxies alone.
fn authorizes(resolver: &mut Resolver<'_>, listener: &written::Listener) -> bool {
    let Some(kind) = listener.kind.given().filter(|kind| kind.value == ListenerType::Authorizer) else {
        if let Some(authzen) = listener.authzen.given() {
            let fault = Fault::new(authzen.span, "`authzen` is for a listener of `type: authorizer`");
            resolver.faults.push(fault.help("add `type: authorizer`, or remove `authzen`"));
        }
        return false;
    };
    let odd = [
        (listener.proxy_protocol.given().map(|given| given.span), "proxy_protocol"),
        (listener.redirect.given().map(|given| given.span), "redirect"),
    ];
    for (span, key) in odd.into_iter().filter_map(|(span, key)| Some((span?, key))) {
        let fault = Fault::new(span, format!("a listener of `type: authorizer` has no `{key}`"));
        resolver.faults.push(fault.help("remove it, or `type`"));
    }
    if resolver.written.trusted_proxies.is_empty() {
        let message = "`type: authorizer` without `trusted_proxies` would answer nobody";
        let help = "add the addresses of the gateways that ask: `trusted_proxies: [127.0.0.1/32]`";
        resolver.faults.push(Fault::new(kind.span, message).help(help));
    }
    true
}

/// A route without a service is there for other gateways, which have to have somewhere to ask.
fn asked_by_nobody(resolver: &mut Resolver<'_>) {
    let written = resolver.written;
    let mut listeners = written.listeners.iter().flatten();
    if listeners.any(|one| one.kind.given().is_some_and(|kind| kind.value == ListenerType::Authorizer)) {
        return;
    }
    for service in written.routes.iter().filter_map(|route| route.service.as_ref()) {
        if &*service.value.0 == NO_SERVICE {
            let message =
                "the route leads to no service, and there is no listener where another gateway could ask";
            let help = "add a listener of `type: authorizer`, or name a service";
            resolver.warnings.push(Fault::new(service.span, message).help(help));
        }
    }
}

/// A service of this name could not be told from none.
fn named_none(resolver: &mut Resolver<'_>) {
    let written = resolver.written;
    for (name, _) in written.services.0.iter().filter(|(name, _)| &*name.value.0 == NO_SERVICE) {
        let fault = Fault::new(name.span, "`none` stands for no service");
        resolver.faults.push(fault.help("choose another name"));
    }
}

fn proxy_protocol(resolver: &mut Resolver<'_>, listener: &written::Listener) -> bool {
    let Some(asked) = listener.proxy_protocol.given().filter(|asked| asked.value) else { return false };
    if resolver.written.trusted_proxies.is_empty() {
        let message = "`proxy_protocol` without `trusted_proxies` would close every connection";
        let help = "add the addresses of the proxies in front: `trusted_proxies: [10.0.0.0/8]`";
        resolver.faults.push(Fault::new(asked.span, message).help(help));
    }
    true
}

fn caller_attributes(resolver: &mut Resolver<'_>) -> BTreeMap<Box<str>, AttributeType> {
    let declared = &resolver.written.caller_attributes.0;
    for (name, _) in declared.iter().filter(|(name, _)| RESERVED_CLAIMS.contains(&&*name.value.0)) {
        let message = format!("`{}` is a claim that the gate writes into its own tokens", name.value);
        let help = "choose another name; an authenticator's `claims` says from which claim it is filled";
        resolver.faults.push(Fault::new(name.span, message).help(help));
    }
    declared.iter().filter_map(|(name, kind)| Some((name.value.0.clone(), (*kind)?))).collect()
}

fn roles(resolver: &mut Resolver<'_>) -> Option<RoleTable> {
    let written = &resolver.written.roles.0;
    let mut direct: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for (name, body) in written {
        if name.value.0.starts_with(role::RESERVED_PREFIX) {
            let message = format!("`{}` begins as the built-in roles do", name.value);
            resolver.faults.push(Fault::new(name.span, message).help("choose another name"));
        }
        let listed = body.iter().flat_map(|body| body.includes.iter());
        let includes = listed.filter_map(|included| includable(resolver, included)).collect();
        direct.insert(name.value.to_string(), includes);
    }
    match RoleTable::new(&direct) {
        Ok(table) => Some(table),
        Err(cycle) => {
            let at = written.iter().find(|(name, _)| *name.value.0 == *cycle.role);
            let help = "let one of them include the other, not both";
            let fault = at.map_or_else(
                || Fault::of_file(cycle.to_string()),
                |(name, _)| Fault::new(name.span, cycle.to_string()),
            );
            resolver.fault(fault.help(help))
        }
    }
}

/// A built-in role is given to users one by one. Were it included in another, whoever vouches for that one would make administrators.
fn includable(resolver: &mut Resolver<'_>, included: &At<RoleName>) -> Option<String> {
    let name = resolver.role(included)?;
    if name.starts_with(role::RESERVED_PREFIX) {
        let written = resolver.written_at(included.span);
        let message = format!("the built-in role `{written}` cannot be included in another");
        return resolver.fault(Fault::new(included.span, message).help("give it to users by name"));
    }
    Some(name.to_string())
}

fn authenticators(resolver: &mut Resolver<'_>) -> Option<BTreeMap<Arc<str>, super::Authenticator>> {
    let mut all = BTreeMap::new();
    let mut complete = true;
    for (name, written) in &resolver.written.authenticators.0 {
        match written.as_ref().and_then(|written| authenticator::authenticator(resolver, name, written)) {
            Some(authenticator) => drop(all.insert(name.value.0.clone(), authenticator)),
            None => complete = false,
        }
    }
    complete.then_some(all)
}

/// A route that asks for more than any login asks whoever can say what login there was.
fn logins_are_told(resolver: &mut Resolver<'_>, authenticators: &BTreeMap<Arc<str>, super::Authenticator>) {
    for route in &resolver.written.routes {
        let Some(step_up) = route.step_up.given() else { continue };
        let names = match route.authenticate.as_ref().map(|written| &written.value) {
            Some(written::Authenticate::Any(names) | written::Authenticate::All(names)) => &**names,
            Some(written::Authenticate::Open(open)) => {
                let message =
                    format!("`{}` asks nobody who they are, so no login satisfies `step_up`", open.word);
                resolver
                    .faults
                    .push(Fault::new(step_up.span, message).help("name authenticators, or remove `step_up`"));
                continue;
            }
            None => continue,
        };
        let all =
            matches!(route.authenticate.as_ref().map(|a| &a.value), Some(written::Authenticate::All(_)));
        let tells = |name: &str| authenticators.get(name).is_none_or(|known| known.settings.tells_logins());
        let misfits: Vec<_> = names.iter().filter(|name| !tells(&name.value.0)).collect();
        if all && misfits.len() < names.len() {
            continue;
        }
        for name in misfits {
            let message = format!(
                "`{}` never says how or when somebody logged in, so `step_up` would refuse all of its callers",
                name.value
            );
            let help = "remove it here; `oidc`, `jwt` and `introspection` can say so";
            resolver.faults.push(Fault::new(name.span, message).help(help));
        }
    }
}

fn services(resolver: &mut Resolver<'_>) -> Option<BTreeMap<Arc<str>, super::Service>> {
    let mut all = BTreeMap::new();
    let mut complete = true;
    for (name, written) in &resolver.written.services.0 {
        match written.as_ref().and_then(|written| service::service(resolver, name, written)) {
            Some(service) => drop(all.insert(name.value.0.clone(), service)),
            None => complete = false,
        }
    }
    complete.then_some(all)
}

fn names_apart(resolver: &mut Resolver<'_>) {
    let mut lines: HashMap<&str, Span> = HashMap::new();
    for name in resolver.written.routes.iter().filter_map(|route| route.name.as_ref()) {
        if let Some(other) = lines.insert(&name.value.0, name.span) {
            let line = resolver.source.line_beside(other.start, name.span.start);
            let message = format!("two routes are named `{}`", resolver.source.written(name.span));
            resolver.faults.push(
                Fault::new(name.span, message)
                    .help(format!("the other is on {line}; logs and policies tell routes apart by name")),
            );
        }
    }
}

/// What holds but is hardly what was meant.
fn odd(resolver: &mut Resolver<'_>, authenticators: Option<&BTreeMap<Arc<str>, super::Authenticator>>) {
    let written = resolver.written;
    asked_by_nobody(resolver);
    named_none(resolver);
    let services: BTreeSet<&str> =
        written.routes.iter().filter_map(|route| Some(&*route.service.as_ref()?.value.0)).collect();
    for (name, _) in written.services.0.iter().filter(|(name, _)| !services.contains(&*name.value.0)) {
        let fault = Fault::new(name.span, format!("no route leads to the service `{}`", name.value));
        resolver.warnings.push(fault.help("add a route, or remove it"));
    }
    let asked: BTreeSet<&str> = written
        .routes
        .iter()
        .filter_map(|route| match &route.authenticate.as_ref()?.value {
            written::Authenticate::Any(names) | written::Authenticate::All(names) => Some(names),
            _ => None,
        })
        .flat_map(|names| names.iter().map(|name| &*name.value.0))
        .chain(admin::asked(written))
        .collect();
    let unused = written.authenticators.0.iter().filter(|(name, _)| !asked.contains(&*name.value.0));
    for (name, _) in unused {
        let fault = Fault::new(name.span, format!("no route asks the authenticator `{}`", name.value));
        resolver.warnings.push(fault.help("name it under a route's `authenticate`, or remove it"));
    }
    decision_points::unused(resolver);
    if let Some(authenticators) = authenticators {
        logins_are_told(resolver, authenticators);
        exchange::tokens_are_there(resolver, authenticators);
        identity_without_callers(resolver, authenticators);
    }
    if written.routes.is_empty() {
        let fault = Fault::of_file("there are no routes: every request is answered 404");
        resolver.warnings.push(fault.help("add `routes`"));
    }
    careless::careless(resolver);
}

fn traces(resolver: &mut Resolver<'_>) -> Option<super::Traces> {
    let written = resolver.written.telemetry.given().and_then(|telemetry| telemetry.traces.given());
    written.and_then(|written| telemetry::traces(resolver, written))
}

/// An identity provider is of use where its access tokens are accepted, or where it signs tokens for services.
fn identity_without_callers(
    resolver: &mut Resolver<'_>,
    authenticators: &BTreeMap<Arc<str>, super::Authenticator>,
) {
    let written = resolver.written;
    let Some(identity) = written.identity.given() else { return };
    let signs = |service: &written::Service| {
        service.identity.as_ref().is_some_and(|identity| !identity.token.is_absent())
    };
    let accepted = authenticators.values().any(|known| known.settings.takes_own_tokens());
    let used = accepted || written.services.0.iter().any(|(_, service)| service.as_ref().is_some_and(signs));
    if !used {
        let message =
            "no authenticator accepts the tokens that a login gives; `logout` and `me` do not exist";
        let help = "add `local: { type: jwt, issuer: self }` under `authenticators`, or remove `identity`";
        resolver.warnings.push(Fault::new(identity.span, message).help(help));
    }
}

fn access_log(resolver: &mut Resolver<'_>, written: &written::AccessLog, folder: &Path) -> Option<AccessLog> {
    let target = match written.target.as_str() {
        "stdout" => LogTarget::Stdout,
        "stderr" => LogTarget::Stderr,
        "off" => LogTarget::Off,
        file => LogTarget::File(folder.join(file)),
    };
    let sinks = sinks::sinks(resolver, &written.sinks)?;
    Some(AccessLog { format: written.format, target, sinks })
}

fn limits(written: &written::Limits, drain: &written::Drain, workers: NonZeroUsize) -> Limits {
    let size = |bytes: u64| usize::try_from(bytes).unwrap_or(usize::MAX);
    let memory = machine::memory();
    let fitting = defaults::buffers(workers.get(), memory);
    let buffers = written.buffers.given().map_or(fitting, |buffers| buffers.0);
    let fitting = defaults::connections(memory);
    let connections = written.connections.given().map_or(fitting, |count| count.0);
    let per_address = written.connections_per_address.given().map(|count| count.0);
    // A quarter is left to others.
    let per_address = per_address.unwrap_or(fitting - fitting / 4);
    Limits {
        head: size(written.head.0),
        response_head: size(written.response_head.0),
        fields: size(written.fields.0.into()),
        body: written.body.0,
        handshake: written.handshake.0,
        header_read: written.header_read.0,
        idle: written.idle.0,
        body_stall: written.body_stall.0,
        write_stall: written.write_stall.0,
        websocket_idle: written.websocket_idle.0,
        connections: size(connections.into()),
        connections_per_address: size(per_address.into()),
        buffers: size(buffers) / workers,
        grace: drain.grace.0,
        http2_streams: written.http2_streams.0,
        http2_resets: written.http2_resets.0,
        http2_settings: written.http2_settings.0,
        ..Limits::default()
    }
}

fn workers(written: &written::Config) -> NonZeroUsize {
    let asked = written.workers.given().and_then(|count| NonZeroUsize::new(usize::try_from(count.0).ok()?));
    asked.or_else(|| std::thread::available_parallelism().ok()).unwrap_or(NonZeroUsize::MIN)
}

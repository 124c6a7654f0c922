//! Changes of the configuration that need a restart.

use super::identity::SigningKeys;
use super::names::Resolver;
use super::{Config, Identity, Listener};
use crate::config::report::Fault;
use crate::config::source::{At, Span};
use std::net::SocketAddr;
use std::path::Path;

/// How to get there without losing a request.
const HELP: &str = "restart the gate, or send it SIGUSR2: the process that follows takes over its sockets";

/// Notes everything in `next` that cannot follow on `in_force` within one process.
pub(super) fn needed(resolver: &mut Resolver<'_>, next: &Config, in_force: &Config) {
    let written = resolver.written;
    let listeners = written.listeners.iter().flatten().find_map(|listener| bind(listener.bind.as_ref()));
    let admin = written.admin.given();
    let admin =
        admin.and_then(|admin| bind(admin.bind.given()).or(admin.socket.given().map(|socket| socket.span)));
    let identity = written.identity.given().map(|identity| identity.span);
    let binds = |config: &Config| {
        let probes = config.probes.iter().map(|listener| listener.bind).collect::<Vec<_>>();
        (config.listeners.iter().map(bind_of).collect::<Vec<_>>(), probes)
    };
    let places = |config: &Config| {
        config.admin.as_ref().map(|admin| {
            let (bind, socket) = admin.places();
            (bind, socket.map(Path::to_owned))
        })
    };
    let changes = [
        (binds(next) != binds(in_force), "the addresses of `listeners`", listeners),
        (places(next) != places(in_force), "the address of `admin`", admin),
        (next.store != in_force.store, "`store`", written.store.given().map(|store| store.span)),
        (
            next.shared_state != in_force.shared_state,
            "`shared_state`",
            written.shared_state.given().map(|shared| shared.span),
        ),
        (next.workers != in_force.workers, "`workers`", written.workers.given().map(|count| count.span)),
        (next.access_log != in_force.access_log, "`access_log`", None),
        (next.audit != in_force.audit, "`audit`", written.audit.given().map(|audit| audit.span)),
        (next.traces != in_force.traces, "`telemetry`", written.telemetry.given().map(|told| told.span)),
        (next.egress != in_force.egress, "`egress` or the proxies of the environment", None),
        (fixed(next) != fixed(in_force), "the issuer, algorithm or `signing_keys` of `identity`", identity),
    ];
    for (changed, what, span) in changes {
        if changed {
            let message = format!("needs a restart: {what} cannot change while the gate runs");
            let fault = span.map_or_else(|| Fault::of_file(&*message), |span| Fault::new(span, &*message));
            resolver.faults.push(fault.help(HELP));
        }
    }
}

fn bind(bind: Option<&At<SocketAddr>>) -> Option<Span> {
    bind.map(|bind| bind.span)
}

const fn bind_of(listener: &Listener) -> SocketAddr {
    listener.bind
}

/// What signed tokens and everybody who verifies them rely on.
fn fixed(config: &Config) -> Option<(&str, haechi_authn::jose::SigningAlgorithm, &SigningKeys)> {
    config
        .identity
        .as_ref()
        .map(|identity: &Identity| (&*identity.issuer, identity.algorithm, &identity.signing_keys))
}

//! A request that was let through, on its way to where its route leads.

use crate::client_address::Origin;
use crate::interim::Interim;
use crate::reply::ReplyContext;
use crate::settings::{Route, Service};
use crate::ticks::Timer;
use crate::trace::Trace;
use crate::transport::Transport;
use crate::websocket::handshake::Handshake;
use crate::worker::Worker;
use crate::worker::plan::WorkerPlan;
use haechi_authn::chain::Verified;
use haechi_authn::{BodyRule, Unavailable};
use haechi_authz::{Permitted, RouteIndex};
use haechi_core::Secret;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

/// What forwarding needs besides the permitted request and its body.
pub(crate) struct Forwarding<'a> {
    pub(crate) worker: &'a Rc<Worker>,
    pub(crate) transport: Rc<Transport>,
    pub(crate) plan: &'a WorkerPlan,
    pub(crate) route: &'a Route,
    pub(crate) route_index: RouteIndex,
    pub(crate) origin: Origin,
    pub(crate) trace: Trace,
    /// Whose credential was verified, of the route's authenticators.
    pub(crate) verified: Verified,
    pub(crate) timer: Timer,
    pub(crate) interim: Interim,
    pub(crate) websocket: Option<Handshake>,
    pub(crate) to: ReplyContext,
}

/// The token that `service` gets in exchange for the one that the caller was verified by, where it asks for that.
///
/// # Errors
/// Why there is none: nothing is forwarded without it.
pub(crate) async fn exchanged_token(
    plan: &WorkerPlan,
    service: &Service,
    (permitted, route, verified): (&Permitted, RouteIndex, Verified),
) -> Result<Option<Arc<Secret<String>>>, Unavailable> {
    let Some(tokens) = &service.exchange else { return Ok(None) };
    let head = permitted.head();
    let chain = plan.chain(route);
    let Some(subject) = chain.and_then(|chain| chain.token(verified, head, permitted.caller())) else {
        return Err(Unavailable::new(format!(
            "the caller has no token that could be exchanged for one of the service `{}`",
            service.name
        )));
    };
    // Rare and large: boxed, so that it does not weigh on every request.
    let exchanged = Box::pin(plan.exchanged_token(service, &**tokens, subject, head.received));
    exchanged.await.map(Some)
}

/// The token that `service` gets in `Authorization`. One that asks for a token of ours gets that; any other, the one that the caller's issuer gave for it.
///
/// # Errors
/// Why ours cannot be made.
pub(crate) fn token_of_caller(
    plan: &WorkerPlan,
    service: &Service,
    permitted: &Permitted,
) -> Result<Option<Rc<str>>, String> {
    match &service.settings.identity_token {
        Some(wanted) => plan.identity_token(wanted, permitted.caller(), permitted.head().received).map(Some),
        None => {
            let theirs = permitted.caller().access_token.as_ref();
            Ok(theirs.map(|token| token.expose().as_str().into()))
        }
    }
}

impl Forwarding<'_> {
    /// Whether the credential that was verified speaks for the body.
    pub(crate) fn speaks_for_body(&self, permitted: &Permitted) -> bool {
        let chain = self.plan.chain(self.route_index);
        chain.is_some_and(|chain| chain.body(self.verified, permitted.head()) != BodyRule::Any)
    }

    /// How long `service` may take to answer: the route may know better than its service.
    pub(crate) fn timeout(&self, service: &Service) -> Duration {
        self.route.settings.timeout.unwrap_or(service.settings.timeout)
    }

    /// How long either direction may be silent, where the route or `service` says so.
    pub(crate) fn idle_timeout(&self, service: &Service) -> Option<Duration> {
        self.route.settings.idle_timeout.or(service.settings.idle_timeout)
    }
}

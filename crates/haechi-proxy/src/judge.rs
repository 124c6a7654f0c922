//! Judge: route, limit, authenticate, limit by caller, authorize. This order stands here and nowhere else: the pipeline, the check of open WebSockets and the commands
//! that tell what the gate would do all call [`judge`].

use crate::cross_site;
use crate::preflight::Preflight;
use crate::protected_resource::MetadataOf;
use crate::rate_limit::{CountedLimit, Counting, Stage};
use crate::refusal::{Refusal, Refused};
use crate::route::Found;
use crate::settings::Route;
use crate::worker::plan::WorkerPlan;
use haechi_authn::chain::{Chain, Outcome, Verified};
use haechi_authn::{Attempt, Effects, Fault, LoginRedirect, Scheme, Unavailable};
use haechi_authz::{
    Denial, DenialKind, DenyReason, POLICIES_UNKNOWN, Permitted, Refused as NotPermitted, RouteIndex,
};
use haechi_core::id::DecisionId;
use haechi_core::{Caller, Irregular, RequestHead, Timestamp};
use std::borrow::Cow;
use std::sync::Arc;

/// Sees each step of a judgement.
pub trait Observer {
    /// The route that takes the request was found.
    fn routed(&mut self, _route: RouteIndex, _head: &RequestHead) {}

    /// The route's pattern wins, and does not take the method.
    fn method_not_allowed(&mut self, _route: RouteIndex) {}

    /// The request is a preflight for a request that this route would take.
    fn preflight(&mut self, _route: RouteIndex, _granted: bool) {}

    /// The caller to be taken as given, instead of asking the route's authenticators; an error stands for a caller whom they would not know.
    /// Only for commands that say what would become of a request.
    fn supposed(&mut self, _route: RouteIndex) -> Option<Result<Arc<Caller>, String>> {
        None
    }

    /// The request was counted against limits.
    fn counted(&mut self, _limits: &[CountedLimit<'_>]) {}

    /// An authenticator was asked.
    fn attempted(&mut self, _scheme: &dyn Scheme, _attempt: &Attempt) {}

    /// What authenticators add to the answer, whatever it will be.
    fn effects(&mut self, _effects: Effects) {}

    /// It is known who is calling.
    fn authenticated(&mut self, _head: &RequestHead, _caller: &Arc<Caller>) {}

    /// Authorization begins. Returns the id of the decision.
    fn deciding(&mut self) -> DecisionId;

    /// Authorization is over.
    fn decided(&mut self, _route: RouteIndex, _outcome: &Result<Permitted, NotPermitted>) {}
}

/// A request that goes on.
pub(crate) enum Judged<'p> {
    /// To where its route leads.
    Permitted(PermittedRequest<'p>),
    /// It is answered as a preflight.
    Preflight(Preflight<'p>),
}

/// A request that may be forwarded.
pub(crate) struct PermittedRequest<'p> {
    pub(crate) permitted: Permitted,
    pub(crate) route: &'p Route,
    pub(crate) route_index: RouteIndex,
    /// Whose credential was verified, of the route's authenticators.
    pub(crate) verified: Verified,
}

/// Judges a request by `plan`. `body` is the length of its body where that is known; credentials are checked as of `now`. Limits count it where
/// `counting` says so.
pub(crate) async fn judge<'p, O: Observer>(
    head: Box<RequestHead>,
    body: Option<u64>,
    plan: &'p WorkerPlan,
    now: Timestamp,
    counting: Counting<'_>,
    observer: &mut O,
) -> Result<Judged<'p>, Refused> {
    // A preflight: before routing, because it asks about another request than itself, and before authentication, because browsers send no
    // credential with it. The request that it announces takes the whole way.
    if let Some(asked) = Preflight::of(&head, &plan.shared) {
        observer.preflight(asked.route_index, asked.is_granted());
        return Ok(Judged::Preflight(asked));
    }

    // Route: before authentication, because the route says who is asked. What has no route needs no credential to be told so.
    let route_index = route(&head, plan, observer)?;
    let judged = judge_on_route(head, body, (route_index, plan), now, counting, observer).await;
    judged.map(Judged::Permitted)
}

/// Judges a request as one that the route with this index takes: everything that follows on routing.
pub(crate) async fn judge_on_route<'p, O: Observer>(
    head: Box<RequestHead>,
    body: Option<u64>,
    (route_index, plan): (RouteIndex, &'p WorkerPlan),
    now: Timestamp,
    counting: Counting<'_>,
    observer: &mut O,
) -> Result<PermittedRequest<'p>, Refused> {
    let route = plan.shared.route(route_index).ok_or_else(no_such_route)?;
    observer.routed(route_index, &head);
    check_path_and_body(&head, body, route, plan)?;

    // Limit by address, and by what else needs no caller: before authentication, so that a flood costs neither a hash nor a question to a store.
    counting.take(Stage::BeforeAuthentication, &head, route, |limits| observer.counted(limits)).await?;

    // Authenticate: before authorization, which is about somebody.
    let (caller, verified) = match observer.supposed(route_index) {
        Some(supposed) => {
            (supposed.map_err(|reason| no_credential(plan, route_index, reason))?, Verified::None)
        }
        None => match authenticate(&head, route_index, plan, now, observer).await {
            Ok(known) => known,
            Err(refused) => {
                return Err(
                    refused.telling(MetadataOf::what_is_asked(&plan.shared.protected_resources, &head))
                );
            }
        },
    };
    observer.authenticated(&head, &caller);

    // Limit by caller: after authentication, which says who that is, and before authorization, which may ask deciders outside. What a caller asks
    // and may not do counts as well.
    counting.take(Stage::ByCaller(&caller), &head, route, |limits| observer.counted(limits)).await?;

    // Authorize: the only step that turns a head into something that can be forwarded.
    let decision = observer.deciding();
    let metadata = MetadataOf::what_is_asked(&plan.shared.protected_resources, &head);
    let outcome = plan.shared.enforcer.enforce(head, route_index, caller, decision, &plan.memo).await;
    observer.decided(route_index, &outcome);
    match outcome {
        Ok(permitted) => Ok(PermittedRequest { permitted, route, route_index, verified }),
        Err(NotPermitted::Denied(_, reason, denial)) => {
            let refused = Refused::new(denied(plan, route_index, &reason, denial), reason.describe());
            Err(refused.telling(metadata))
        }
        Err(NotPermitted::Undecided(_, unavailable)) => {
            Err(Refused::new(Refusal::CANNOT_TELL, unavailable.to_string()))
        }
        Err(NotPermitted::Unknown(_)) => Err(Refused::new(Refusal::CANNOT_TELL, POLICIES_UNKNOWN)),
    }
}

/// The index of the route that takes the request.
fn route(head: &RequestHead, plan: &WorkerPlan, observer: &mut impl Observer) -> Result<RouteIndex, Refused> {
    match plan.shared.router.find(head.host.name(), &head.path, &head.method) {
        Found::Route(index) => Ok(index),
        // An ambiguous path is refused as such unless a route asks for it.
        _ if !head.path.irregular().within(Irregular::ENCODED_DELIMITER) => Err(Refused::new(
            Refusal::BadRequest,
            "the path could be read in two ways, and no route takes it",
        )),
        Found::Ambiguous => {
            let reason = "the path spells a literal of a route in another way";
            Err(Refused::new(Refusal::BadRequest, reason))
        }
        Found::NotFound => Err(Refused::new(Refusal::NotFound, "no route matches")),
        Found::MethodNotAllowed { route, allow } => {
            observer.method_not_allowed(route);
            let name = plan.shared.route(route).map_or("", |route| &route.name);
            let methods = allow.iter().map(http::Method::as_str).collect::<Vec<_>>().join(", ");
            let reason = format!(
                "the winning pattern, of route `{name}`, takes {methods}; no less specific one is tried"
            );
            Err(Refused::new(Refusal::MethodNotAllowed(allow), reason))
        }
    }
}

fn check_path_and_body(
    head: &RequestHead,
    body: Option<u64>,
    route: &Route,
    plan: &WorkerPlan,
) -> Result<(), Refused> {
    if !route.allows(&head.path) {
        let reason =
            "the path could be read in two ways, and the route's `allow_in_path` does not name the reason";
        return Err(Refused::new(Refusal::BadRequest, reason));
    }
    let limit = route.settings.max_body.unwrap_or(plan.shared.limits.body);
    if body.is_some_and(|length| length > limit) {
        return Err(Refused::new(
            Refusal::BodyTooLarge,
            format!("the body is over the limit of {limit} bytes"),
        ));
    }
    Ok(())
}

/// Asks the route's authenticators who is calling.
async fn authenticate(
    head: &RequestHead,
    route: RouteIndex,
    plan: &WorkerPlan,
    now: Timestamp,
    observer: &mut impl Observer,
) -> Result<(Arc<Caller>, Verified), Refused> {
    let chain = plan.chain(route).ok_or_else(no_such_route)?;
    let Outcome { attempt, verified, effects, login, login_at_once, refused_by, challenges, insufficient } =
        chain.authenticate(head, now, |scheme, attempt| observer.attempted(scheme, attempt)).await;
    match attempt {
        Attempt::Verified(caller) => {
            observer.effects(effects);
            check_site(head, route, chain.comes_from_cookie(verified, head), plan)?;
            if let Some(why) = insufficient {
                let refusal = match login {
                    Some(to) if login_at_once => Refusal::Login { to },
                    again => Refusal::StepUp { challenges, again },
                };
                return Err(Refused::new(refusal, why).by(Some(caller.authenticator.clone())));
            }
            Ok((caller, verified))
        }
        Attempt::Absent => Err(match login {
            Some(to) => Refused::new(to_login(to, login_at_once, chain), NO_CREDENTIAL),
            None => no_credential(plan, route, NO_CREDENTIAL),
        }),
        Attempt::Unavailable(Unavailable { reason, retry_after }) => {
            Err(Refused::new(Refusal::CannotTell { retry_after }, reason).by(refused_by))
        }
        Attempt::Rejected(rejection) => {
            let refusal = match (rejection.fault, rejection.own, login) {
                (Fault::InvalidRequest, ..) => Refusal::AmbiguousCredential,
                // A service that was asked has its own word for it.
                (_, Some(answer), _) => Refusal::OfService { status: answer.status, answer },
                (Fault::Forbidden, ..) => Refusal::Forbidden { scopes: None, metadata: None },
                // A session that has ended: people log in again.
                (_, None, Some(to)) => to_login(to, login_at_once, chain),
                (Fault::InvalidToken | Fault::InvalidProof | Fault::InvalidCredentials, None, None) => {
                    Refusal::BadCredential { challenges }
                }
            };
            Err(Refused::new(refusal, rejection.reason).by(refused_by))
        }
    }
}

/// A browser that shows a page is sent to a login; one that has sent something is told so instead of losing it.
fn to_login(to: LoginRedirect, at_once: bool, chain: &Chain) -> Refusal {
    if at_once { Refusal::Login { to } } else { Refusal::LoginFirst { to, challenges: chain.challenges() } }
}

/// A cookie comes along whichever page asks: another site's must not act in its caller's name.
fn check_site(
    head: &RequestHead,
    route: RouteIndex,
    by_cookie: bool,
    plan: &WorkerPlan,
) -> Result<(), Refused> {
    let listed = plan.shared.route(route).map_or(&[][..], |route| &*route.settings.origins);
    if by_cookie && cross_site::refuses(head, listed) {
        let reason = "the caller comes from a cookie, and the page from another site, which the route's `origins` does not list";
        return Err(Refused::new(Refusal::Forbidden { scopes: None, metadata: None }, reason));
    }
    Ok(())
}

fn no_such_route() -> Refused {
    Refused::new(Refusal::Internal, "the plan has no such route")
}

const NO_CREDENTIAL: &str = "the route requires a credential, and the request has none";

fn no_credential(plan: &WorkerPlan, route: RouteIndex, reason: impl Into<Cow<'static, str>>) -> Refused {
    let challenges = plan.chain(route).map(Chain::challenges).unwrap_or_default();
    Refused::new(Refusal::NoCredential { challenges }, reason)
}

fn denied(plan: &WorkerPlan, route: RouteIndex, reason: &DenyReason, denial: Denial) -> Refusal {
    let challenges = match denial.kind {
        DenialKind::Forbidden => Vec::new(),
        DenialKind::Unauthenticated => plan.chain(route).map(Chain::challenges).unwrap_or_default(),
    };
    // Who is asked to authenticate is told how (RFC 9110 15.5.2); where nobody can, the answer is just no.
    if challenges.is_empty() { forbidden(reason) } else { Refusal::NoCredential { challenges } }
}

fn forbidden(reason: &DenyReason) -> Refusal {
    let scopes = match reason {
        DenyReason::Scopes(scopes) => Some(scopes.join(" ").into()),
        _ => None,
    };
    Refusal::Forbidden { scopes, metadata: None }
}

//! Repeats authorization for requests that are still open: WebSockets, uploads, downloads and streams.

use crate::judge::{Judged, Observer, PermittedRequest, judge};
use crate::outcome::LostAccess;
use crate::rate_limit::Counting;
use crate::refusal::Refusal;
use crate::settings::Target;
use crate::transport::Transport;
use crate::worker::Worker;
use haechi_authz::Permitted;
use haechi_core::Timestamp;
use haechi_core::id::DecisionId;
use std::borrow::Borrow;
use std::future::pending;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

/// How often a request is judged again while it is open.
const EVERY: Duration = Duration::from_secs(1);

/// What judging it again came to.
pub(crate) enum Rejudged {
    /// It would be let through.
    Allowed(Box<Permitted>),
    /// It would be refused, why, and how.
    Refused(LostAccess, Refusal),
    /// It could not be found out.
    Unavailable,
}

/// Judges as a new request that comes at `now` would be, by the plan in force, to the service of this name. What is known of the credential is in
/// the worker's caches and verdicts are remembered, so this costs next to nothing until something was revoked.
pub(crate) async fn rejudge(
    worker: &Rc<Worker>,
    transport: &Transport,
    permitted: &Permitted,
    service: &Arc<str>,
    now: Timestamp,
) -> Rejudged {
    let plan = worker.plan();
    if !transport.is_believed(&plan.shared, now) {
        return Rejudged::CERTIFICATE_NOT_BELIEVED;
    }
    let head = Box::new(permitted.head().clone().judged_again(now));
    let judged = judge(head, Some(0), &plan, now, Counting::Off, &mut Unrecorded(worker)).await;
    match judged {
        Ok(Judged::Permitted(PermittedRequest { permitted, route, .. })) => {
            let leads_there = match route.target {
                Target::Service(index) => {
                    plan.shared.service(index).is_some_and(|found| found.name == *service)
                }
                Target::Identity(_) | Target::Nowhere => false,
            };
            if leads_there {
                Rejudged::Allowed(Box::new(permitted))
            } else {
                Rejudged::forbidden("its route leads elsewhere")
            }
        }
        Ok(Judged::Preflight(_)) => Rejudged::forbidden("its route leads elsewhere"),
        Err(refused) => match refused.refusal {
            Refusal::CannotTell { .. } => Rejudged::Unavailable,
            // Whoever was let in is not sent to a login in the middle of it.
            Refusal::Login { .. } | Refusal::LoginFirst { .. } => {
                Rejudged::unauthenticated(Refusal::NoCredential { challenges: Vec::new() })
            }
            refusal @ (Refusal::NoCredential { .. }
            | Refusal::BadCredential { .. }
            | Refusal::StepUp { .. }
            | Refusal::AmbiguousCredential) => Rejudged::unauthenticated(refusal),
            Refusal::Forbidden { .. } | Refusal::OfService { status: 403, .. } => {
                Rejudged::forbidden("its caller may no longer do this")
            }
            Refusal::OfService { .. } => {
                Rejudged::unauthenticated(Refusal::NoCredential { challenges: Vec::new() })
            }
            _ => Rejudged::forbidden("its route is gone"),
        },
    }
}

impl Rejudged {
    const CERTIFICATE_NOT_BELIEVED: Self = Self::Refused(
        LostAccess { why: "its client certificate is no longer believed", unauthenticated: true },
        Refusal::CertificateNotBelieved,
    );

    const fn forbidden(why: &'static str) -> Self {
        let lost = LostAccess { why, unauthenticated: false };
        Self::Refused(lost, Refusal::Forbidden { scopes: None, metadata: None })
    }

    const fn unauthenticated(refusal: Refusal) -> Self {
        let lost = LostAccess { why: "its credential no longer holds", unauthenticated: true };
        Self::Refused(lost, refusal)
    }
}

/// Resolves with the reason and the refusal when access was taken away: by a reload, a revocation, a change to the caller. What was let in and only grows old (a token that
/// expires, a time of day that passes) goes on: it is judged as of the time at which it came. So does what cannot be found out.
pub(crate) async fn access_lost(
    worker: Rc<Worker>,
    transport: Rc<Transport>,
    permitted: impl Borrow<Permitted>,
    service: Arc<str>,
) -> (LostAccess, Refusal) {
    let timer = worker.timer();
    let permitted = permitted.borrow();
    let came = permitted.head().received;
    loop {
        // Nothing else ends the wait.
        let _ = timer.limit(EVERY, pending::<()>()).await;
        if let Rejudged::Refused(lost, refusal) =
            rejudge(&worker, &transport, permitted, &service, came).await
        {
            return (lost, refusal);
        }
    }
}

/// A judgement that is no request of its own: it is neither counted nor logged.
struct Unrecorded<'a>(&'a Worker);

impl Observer for Unrecorded<'_> {
    fn deciding(&mut self) -> DecisionId {
        DecisionId::from_bits(self.0.random_bits())
    }
}

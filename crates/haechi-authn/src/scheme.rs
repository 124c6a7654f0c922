//! The interface (traits) that every authenticator implements.

use crate::{Attempt, Challenge, Effects, LoginRedirect, StepUp};
use haechi_core::{Caller, RequestHead, Timestamp};
use std::future::Future;
use std::pin::Pin;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::AtomicU64;

/// A future that stays on its worker.
pub type LocalFuture<T> = Pin<Box<dyn Future<Output = T>>>;

/// An authenticator as configured: the part that all workers share (keys, store, hashing pool).
pub trait Authenticator: Send + Sync {
    /// The name under `authenticators:`.
    fn name(&self) -> &Arc<str>;

    /// A worker's own instance, with empty caches.
    fn for_worker(&self) -> Rc<dyn Scheme>;

    /// Whether it can decide at all right now; `/readyz` shows the reason.
    fn readiness(&self) -> Readiness {
        Readiness::Ready
    }

    /// What an operator should know although it can decide: the keys that are skipped, for instance. `/readyz` shows it.
    fn notes(&self) -> Vec<String> {
        Vec::new()
    }

    /// What was counted of questions to an authorization server, where it asks one.
    fn introspections(&self) -> Option<&IntrospectionCounts> {
        None
    }

    /// What was counted of questions to an authorization service, where it asks one.
    fn service_questions(&self) -> Option<&ServiceCounts> {
        None
    }
}

/// What was counted of questions to an authorization service, for metrics.
#[derive(Debug, Default)]
pub struct ServiceCounts {
    /// Answers that name a caller.
    pub allowed: AtomicU64,
    /// Answers that refuse.
    pub refused: AtomicU64,
    /// Questions that came to nothing.
    pub unavailable: AtomicU64,
    /// Questions that were not asked: too many were under way, or the service has answered nobody lately.
    pub not_asked: AtomicU64,
}

/// What was counted of questions to an authorization server, for metrics.
#[derive(Debug, Default)]
pub struct IntrospectionCounts {
    /// Answers that a token is active and for us.
    pub active: AtomicU64,
    /// Answers that it is not.
    pub refused: AtomicU64,
    /// Questions that came to nothing.
    pub unavailable: AtomicU64,
}

/// Whether an authenticator can decide.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Readiness {
    /// It can.
    Ready,
    /// It cannot, and why.
    NotReady(String),
}

/// An authenticator on one worker. Not `Send`: caches are plain cells.
pub trait Scheme {
    /// The name under `authenticators:`.
    fn name(&self) -> &Arc<str>;

    /// What invites to this way in; `None` where no credential is asked for.
    fn challenge(&self) -> Option<&Arc<Challenge>>;

    /// What is told whoever showed a token without a proof of possession that holds; the same as else where this is `None`.
    fn proof_challenge(&self) -> Option<&Arc<Challenge>> {
        None
    }

    /// Where the credential may stand, so that it can be removed before forwarding. Empty where there is none, or none that is removed.
    fn credential_places(&self) -> &[CredentialPlace];

    /// Looks for a credential and judges it. What is in memory answers at once; what must ask the store, an issuer or the hashing pool
    /// answers later. A future that is returned owns all that it needs, and must turn its own panic or cancellation into `Unavailable`.
    fn look(&self, head: &RequestHead, now: Timestamp) -> Look;

    /// What is added to the answer, of a request whose caller this scheme has verified.
    fn effects(&self, _head: &RequestHead, _caller: &Caller) -> Effects {
        Effects::default()
    }

    /// Whether the credential of this request is one that browsers add by themselves, whichever page asks: a cookie, and nothing else.
    fn comes_from_cookie(&self, _head: &RequestHead) -> bool {
        false
    }

    /// The token that the request shows as this scheme's credential, for whoever exchanges it for another (RFC 8693). Asked only where it was verified.
    fn token<'h>(&self, _head: &'h RequestHead) -> Option<&'h [u8]> {
        None
    }

    /// What of the request's body the credential, which was verified, speaks for.
    fn body(&self, _head: &RequestHead) -> BodyRule {
        BodyRule::Any
    }

    /// Where a browser that shows no credential, or one whose login does not satisfy the route, can log in so that it does. Asked only where a redirect can
    /// be followed to a page.
    fn login(&self, _head: &RequestHead, _asked: &StepUp) -> Option<LoginRedirect> {
        None
    }

    /// Whether a browser whose credential does not hold is sent there as well: its login has ended.
    fn logs_in_again(&self) -> bool {
        false
    }
}

/// What of a request's body a credential speaks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BodyRule {
    /// Whatever it is.
    Any,
    /// It has none.
    None,
    /// It is the one of which `Content-Digest` tells, and has at most so many bytes.
    Digest {
        /// In bytes.
        most: usize,
    },
}

/// An answer now, or later.
pub enum Look {
    /// Now.
    Done(Attempt),
    /// Later.
    Wait(LocalFuture<Attempt>),
}

/// Where a scheme reads its credential. Never in the query: it stands in logs and histories.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum CredentialPlace {
    /// The `Authorization` field.
    Authorization,
    /// The field of this lower-case name.
    Field(Arc<str>),
    /// The cookie of this name, which is compared byte for byte. The other cookies are none of the scheme's.
    Cookie(Arc<str>),
    /// The subprotocols of a WebSocket that begin with this; the others are none of the scheme's.
    WebSocketProtocol(Arc<str>),
    /// The certificate that the client showed at the TLS handshake. It stands in no field.
    Certificate,
}

impl CredentialPlace {
    /// The place that the field of this lower-case name is.
    pub fn of_field(name: &Arc<str>) -> Self {
        if **name == *"authorization" { Self::Authorization } else { Self::Field(name.clone()) }
    }
}

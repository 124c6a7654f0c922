//! The outcome of a request, in one word, as the access log has it.

use crate::ticks::Ended;

/// What became of a request, in one word.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum RequestOutcome {
    /// Given up before it was answered.
    Aborted,
    /// Could be read in two ways, or over a limit.
    Refused,
    /// No route, or not with this method.
    Unrouted,
    /// No credential, or none that holds.
    Unauthenticated,
    /// Known and not allowed.
    Denied,
    /// Over a rate limit or a quota.
    Limited,
    /// Could not be found out.
    Unavailable,
    /// Forwarded and answered.
    Forwarded,
    /// Another gateway was told that it may go on.
    Allowed,
    /// Answered by the embedded identity provider.
    Answered,
    /// Sent to `https` by a listener that does nothing else.
    Redirected,
    /// A browser's question before a cross-origin request, answered here.
    Preflight,
    /// The backend failed.
    Failed,
}

/// Why a request was given up for the sake of others.
pub(crate) const MEMORY_SHORT: &str = "memory is short, and the backend does not take the request's body";

/// How an answer broke off. What is said as plain text is the client's doing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Broken {
    pub(crate) outcome: RequestOutcome,
    pub(crate) why: &'static str,
}

impl Broken {
    /// By the backend: it stalled, or closed, or sent nonsense.
    pub(crate) const fn by_backend(why: &'static str) -> Self {
        Self { outcome: RequestOutcome::Failed, why }
    }

    /// By the backend, which was silent for too long; or by the gate, which cannot keep for so long what waits for the backend.
    pub(crate) const fn by_silence(ended: Ended) -> Self {
        match ended {
            Ended::Elapsed => Self::by_backend("the backend stalled"),
            Ended::Pressed => Self { outcome: RequestOutcome::Unavailable, why: MEMORY_SHORT },
        }
    }

    /// By the gate: the caller may no longer have the rest.
    pub(crate) const fn not_allowed(why: &'static str) -> Self {
        Self { outcome: RequestOutcome::Denied, why }
    }
}

/// Access that was taken away from a request that is still open.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct LostAccess {
    /// For the record.
    pub(crate) why: &'static str,
    /// Whether it is the credential that no longer holds.
    pub(crate) unauthenticated: bool,
}

impl From<&'static str> for Broken {
    fn from(why: &'static str) -> Self {
        Self { outcome: RequestOutcome::Aborted, why }
    }
}

impl RequestOutcome {
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Aborted => "aborted",
            Self::Refused => "refused",
            Self::Unrouted => "unrouted",
            Self::Unauthenticated => "unauthenticated",
            Self::Denied => "denied",
            Self::Limited => "limited",
            Self::Unavailable => "unavailable",
            Self::Forwarded => "forwarded",
            Self::Allowed => "allowed",
            Self::Answered => "answered",
            Self::Redirected => "redirected",
            Self::Preflight => "preflight",
            Self::Failed => "failed",
        }
    }
}

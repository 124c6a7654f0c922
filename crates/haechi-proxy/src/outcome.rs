//! What became of a request, in one word.

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
    /// Could not be found out.
    Unavailable,
    /// Forwarded and answered.
    Forwarded,
    /// Answered by the embedded identity provider.
    Answered,
    /// A browser's question before a cross-origin request, answered here.
    Preflight,
    /// The backend failed.
    Failed,
}

impl RequestOutcome {
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Aborted => "aborted",
            Self::Refused => "refused",
            Self::Unrouted => "unrouted",
            Self::Unauthenticated => "unauthenticated",
            Self::Denied => "denied",
            Self::Unavailable => "unavailable",
            Self::Forwarded => "forwarded",
            Self::Answered => "answered",
            Self::Preflight => "preflight",
            Self::Failed => "failed",
        }
    }
}

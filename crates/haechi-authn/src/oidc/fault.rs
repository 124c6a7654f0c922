//! Why a login comes to nothing.

use crate::Unavailable;
use crate::random::RandomnessError;
use haechi_core::ports::StoreError;

/// Why a login comes to nothing. What is in it is for operators, and holds no credential.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum LoginFault {
    /// Over plain HTTP, where others could listen.
    #[error(
        "the browser came over plain http; if TLS ends before the gate, name its proxy in `trusted_proxies`"
    )]
    Insecure,
    /// `return_to` is not a path of this site.
    #[error("`return_to` is no path of this site")]
    ReturnTo,
    /// Not a browser that shows a page.
    #[error(
        "a login begins with a page that somebody opens, not with a script, a frame, an image or a prefetch"
    )]
    NotAPage,
    /// One login after the other does not help.
    #[error("the browser comes back from its login without the session's cookie, again and again")]
    Loop,
    /// This browser began no such login, or it took too long.
    #[error("there is no such login: another browser began it, it took too long, or its cookie was not kept")]
    Unknown,
    /// The answer could be read in two ways.
    #[error("the provider's answer is malformed: {0}")]
    Malformed(String),
    /// The provider, or the person, said no.
    #[error("the provider refused: {0}")]
    Denied(String),
    /// The provider logged somebody in in another way than it was asked to (`acr_values`, `max_age`).
    #[error("the provider ignored what it was asked for: {0}")]
    Insufficient(String),
    /// What came of it is not to be believed.
    #[error("{0}")]
    Untrusted(String),
    /// Could not find out, for this reason.
    #[error("{0}")]
    Unavailable(String),
}

impl LoginFault {
    pub(super) fn untrusted(why: impl Into<String>) -> Self {
        Self::Untrusted(why.into())
    }

    pub(super) fn unavailable(why: impl Into<String>) -> Self {
        Self::Unavailable(why.into())
    }
}

impl From<Unavailable> for LoginFault {
    fn from(unavailable: Unavailable) -> Self {
        Self::Unavailable(unavailable.reason.into_owned())
    }
}

impl From<StoreError> for LoginFault {
    fn from(error: StoreError) -> Self {
        Self::Unavailable(error.to_string())
    }
}

impl From<RandomnessError> for LoginFault {
    fn from(error: RandomnessError) -> Self {
        Self::Unavailable(error.to_string())
    }
}

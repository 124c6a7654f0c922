//! A request as its head puts it, whichever protocol carried it. One type, so that everything behind the codecs has one truth to look at.

use haechi_core::{FieldName, Fields, Host};
use http::{Method, StatusCode};

/// What a request's head asks for, checked by the codec that read it.
#[derive(Debug)]
pub(crate) struct RequestLines {
    pub(crate) method: Method,
    /// The one host, canonical.
    pub(crate) host: Host,
    /// The target's path, as sent.
    pub(crate) path: Box<[u8]>,
    /// The target's query, as sent: visible ASCII without `#`.
    pub(crate) query: Option<Box<str>>,
    pub(crate) fields: Fields,
}

/// What an answer's head says, checked by the codec that read it.
#[derive(Debug)]
pub(crate) struct ResponseLines {
    pub(crate) status: StatusCode,
    pub(crate) fields: Fields,
}

/// Why a head was refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum HeadFault {
    #[error("the head is malformed")]
    Malformed,
    #[error("a line ends with a bare LF")]
    BareLf,
    #[error("the target is over 8 KiB")]
    TargetTooLong,
    #[error("the head is over the limit")]
    TooLarge,
    #[error("the head has too many fields")]
    TooManyFields,
    #[error("the target cannot be routed")]
    Target,
    #[error("exactly one valid host is needed")]
    Host,
    #[error("the body's length is given in a way that could be read as two")]
    Framing,
    #[error("a field's name is another spelling of one that frames the message or steers its connection")]
    Spelling,
    #[error("`Expect` asks for something other than `100-continue`")]
    Expect,
}

/// Limits of a head.
#[derive(Clone, Copy, Debug)]
pub(crate) struct HeadLimits {
    pub(crate) bytes: usize,
    pub(crate) fields: usize,
}

/// The most fields that any limit can allow.
pub(crate) const MAX_FIELDS: usize = 256;

/// Checks that no field has another spelling of a framing name, of `Host`, `Connection`, `Expect` or `Upgrade`: CGI, WSGI and others read
/// `Transfer_Encoding` as the name that it looks like.
///
/// # Errors
/// [`HeadFault::Spelling`] where one has.
pub(crate) fn check_spelling(fields: &Fields) -> Result<(), HeadFault> {
    if fields.has(FieldName::Misspelled) { Err(HeadFault::Spelling) } else { Ok(()) }
}

/// `Content-Length`, which stands once or not at all, in digits only (RFC 9110 8.6).
///
/// # Errors
/// [`HeadFault::Framing`] for anything that two readers could read differently.
pub(crate) fn content_length(fields: &Fields) -> Result<Option<u64>, HeadFault> {
    let Some(digits) = fields.sole(FieldName::ContentLength).map_err(|_| HeadFault::Framing)? else {
        return Ok(None);
    };
    if digits.is_empty() || digits.len() > 18 || !digits.iter().all(u8::is_ascii_digit) {
        return Err(HeadFault::Framing);
    }
    Ok(Some(digits.iter().fold(0, |sum, digit| sum * 10 + u64::from(digit - b'0'))))
}

/// Whether the client waits for `100 Continue` (RFC 9110 10.1.1).
///
/// # Errors
/// [`HeadFault::Expect`] for any other expectation.
pub(crate) fn expects_continue(fields: &Fields) -> Result<bool, HeadFault> {
    match fields.sole(FieldName::Expect).map_err(|_| HeadFault::Expect)? {
        None => Ok(false),
        Some(value) if value.eq_ignore_ascii_case(b"100-continue") => Ok(true),
        Some(_) => Err(HeadFault::Expect),
    }
}

//! What both stores must reckon alike.

use haechi_core::Timestamp;
use haechi_core::ports::Session;

/// The minute that `time` lies in.
pub(crate) const fn to_the_minute(time: Timestamp) -> Timestamp {
    let millis = time.as_millis();
    Timestamp::from_millis(millis - millis.rem_euclid(60_000))
}

/// When nothing of the session can be valid any more. Access tokens are given until the session expires, and none lives longer than a whole
/// session does.
pub(crate) fn forget_after(session: &Session) -> Timestamp {
    session.expires_at.plus(session.expires_at.since(session.created_at))
}

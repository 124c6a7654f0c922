//! The audit trail, as those see it who have something to tell.

use super::stored::BoxFuture;
use crate::Timestamp;
use serde_json::{Map, Value};
use std::net::IpAddr;

/// Port: keeps what was done, so that it cannot be changed afterwards.
pub trait AuditTrail: Send + Sync {
    /// Writes one event. What it tells must not happen before this has come back: a change is made only when it will not go unrecorded.
    ///
    /// # Errors
    /// [`AuditError`], where the trail is required and cannot be written. The caller answers 503 and does nothing.
    fn record(&self, event: AuditEvent) -> BoxFuture<'_, Result<(), AuditError>>;
}

/// Something that was done, or that somebody was not let do.
#[derive(Clone, Debug, PartialEq)]
pub struct AuditEvent {
    /// When.
    pub at: Timestamp,
    /// What: a noun and a verb, such as `user.add`, `login`, `policy.put`, `config.reload`.
    pub action: &'static str,
    /// Who did it; `None` for the gate itself.
    pub actor: Option<AuditActor>,
    /// The person, key or client whom it concerns, by the subject that its requests have: what `export --subject` finds it by.
    pub about: Option<AuditSubject>,
    /// What it was done to, such as `key k_123` or `policy admins`. No secret, no name of a person.
    pub target: Option<String>,
    /// What came of it.
    pub outcome: AuditOutcome,
    /// More: what changed, from what to what. Written as it is; no secret, and nothing that tells who a person is.
    pub details: Map<String, Value>,
}

/// A subject, with who vouches for it.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct AuditSubject {
    /// The issuer.
    pub issuer: String,
    /// Unique within the issuer.
    pub subject: String,
}

/// Who did something.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AuditActor {
    /// Which authenticator knew them; `socket` for whoever may open the admin socket, `command` for a command that changed the store itself.
    pub authenticator: String,
    /// Who; `None` where only `uid` is known.
    pub who: Option<AuditSubject>,
    /// The id of the credential that they showed. Not a secret.
    pub credential_id: Option<String>,
    /// The account of this machine, where it came over a Unix socket or by a command.
    pub uid: Option<u32>,
    /// The process of this machine, where it came over a Unix socket.
    pub pid: Option<u32>,
    /// From where.
    pub client: Option<IpAddr>,
}

/// What came of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AuditOutcome {
    /// It was done.
    Done,
    /// They were not allowed to, or showed a wrong credential.
    Refused,
    /// It went wrong.
    Failed,
}

impl AuditOutcome {
    /// As records have it.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Done => "done",
            Self::Refused => "refused",
            Self::Failed => "failed",
        }
    }
}

/// The trail cannot be written.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the audit trail cannot be written: {0}")]
pub struct AuditError(pub String);

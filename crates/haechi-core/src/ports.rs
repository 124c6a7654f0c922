//! Ports: what the gate needs from the world outside, one small trait per fact.
//!
//! The store room implements those that keep facts. Every error is [`StoreError`]: could-not-find-out, which callers must turn into 503, never
//! into "no" and never into "yes".

mod api_keys;
mod approvals;
mod audit;
mod clients;
mod identity_records;
mod policies;
mod quota;
mod quotas;
mod revocations;
mod sessions;
mod shared_guesses;
mod shared_limits;
mod signing_keys;
mod stored;
mod users;
mod web_sessions;

pub use api_keys::{
    ApiKeyRecord, ApiKeys, KeyFilter, KeyPage, KeyStanding, KeyState, KeyUse, PreviousSecret,
};
pub use approvals::{Approval, ApprovalState, Approvals};
pub use audit::{AuditActor, AuditError, AuditEvent, AuditOutcome, AuditSubject, AuditTrail};
pub use clients::{ClientLogin, ClientProof, ClientRecord, ClientSecrets, Clients};
pub use identity_records::{IdentityRecord, IdentityRecords, RecordKind};
pub use policies::{Author, Policies, PoliciesInForce, PolicyVersion};
pub use quota::{Quota, QuotaError};
pub use quotas::{QuotaUse, Quotas};
pub use revocations::{CHANGES_KEPT, Change, Changes, Revocations, Revoked};
pub use sessions::{Exchange, Rotation, Session, SessionDetails, Sessions};
pub use shared_guesses::{GuessBounds, GuessKeys, GuessState, OtherBounds, SharedGuesses};
pub use shared_limits::{LimitAnswer, LimitCheck, Rate, SharedLimits, SharedStateError};
pub use signing_keys::{SigningKeyRecord, SigningKeys};
pub use stored::{BoxFuture, Edit, Revision, StoreError, Stored};
pub use users::{LoginState, PasswordState, UserRecord, Users};
pub use web_sessions::{EndedByProvider, RefreshedSession, WebSession, WebSessions};

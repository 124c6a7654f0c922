//! Changes that wait for a second person.

use super::policies::Author;
use super::stored::Stored;
use crate::Timestamp;

/// A change that somebody asked for and somebody else is to agree to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Approval {
    /// Its id. Later ones have later ids.
    pub id: String,
    /// What is to be done, as the audit trail calls it: `policy.put`, `subject.erase`, …
    pub action: String,
    /// What it is done to: `policy orders`. No name of a person.
    pub target: String,
    /// What exactly, as JSON; `{}` once it was decided.
    pub content: String,
    /// Who asked for it.
    pub asked_by: Author,
    /// When.
    pub asked_at: Timestamp,
    /// Nobody can agree any more from then on.
    pub expires_at: Timestamp,
    /// What has become of it.
    pub state: ApprovalState,
    /// Who decided; `None` while nobody has, and where it expired.
    pub decided_by: Option<Author>,
    /// When it was decided, or expired.
    pub decided_at: Option<Timestamp>,
}

/// What has become of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ApprovalState {
    /// It waits.
    Pending,
    /// Somebody agreed, and it was done.
    Approved,
    /// Somebody agreed, and then it could not be done.
    Failed,
    /// Somebody else said no.
    Rejected,
    /// Whoever asked for it took it back.
    Withdrawn,
    /// Nobody decided in time.
    Expired,
}

impl ApprovalState {
    /// Every one.
    pub const ALL: [Self; 6] =
        [Self::Pending, Self::Approved, Self::Failed, Self::Rejected, Self::Withdrawn, Self::Expired];

    /// As it is kept and shown.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Pending => "pending",
            Self::Approved => "approved",
            Self::Failed => "failed",
            Self::Rejected => "rejected",
            Self::Withdrawn => "withdrawn",
            Self::Expired => "expired",
        }
    }

    /// The one of this name.
    pub fn of(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|state| state.name() == name)
    }
}

/// Where such changes are kept.
pub trait Approvals: Send + Sync {
    /// At most `limit` of them, newest first, those before the id `before`.
    fn page<'a>(&'a self, before: Option<&'a str>, limit: usize) -> Stored<'a, Vec<Approval>>;
    /// The one of this id.
    fn by_id<'a>(&'a self, id: &'a str) -> Stored<'a, Option<Approval>>;
    /// Adds one; `Exists` where the id is taken.
    fn add<'a>(&'a self, approval: &'a Approval) -> Stored<'a, ()>;
    /// Moves it from the first of `states` to the second, decided by somebody at this time, and forgets its content; `Changed` where it is not in the first state (any more), `Missing` where there is
    /// none. Of two who try at once one succeeds.
    fn decide<'a>(
        &'a self,
        id: &'a str,
        states: (ApprovalState, ApprovalState),
        by: Option<&'a Author>,
        at: Timestamp,
    ) -> Stored<'a, ()>;
    /// Moves those that wait and have expired by `now` to [`ApprovalState::Expired`], and returns them: each to one caller only.
    fn expire(&self, now: Timestamp) -> Stored<'_, Vec<Approval>>;
}

#[cfg(test)]
mod tests {
    use super::ApprovalState;

    #[test]
    fn a_state_is_found_by_its_name() {
        for state in ApprovalState::ALL {
            assert_eq!(ApprovalState::of(state.name()), Some(state));
        }
        assert_eq!(ApprovalState::of("other"), None);
    }
}

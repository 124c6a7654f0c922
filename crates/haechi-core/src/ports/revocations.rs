//! What was revoked or changed, as a log that nodes follow.

use super::stored::{BoxFuture, Stored};
use crate::Timestamp;
use std::time::Duration;

/// How long changes to users, keys and clients are kept at least. A node that has not asked for longer begins again.
pub const CHANGES_KEPT: Duration = Duration::from_secs(10 * 60);

/// Something that no longer holds although its own expiry has not come.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Revoked {
    /// Every access token of this session.
    Session(String),
    /// The token with this `jti`.
    Token(String),
}

/// A change after which a credential that was verified before it may no longer hold.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Change {
    /// This holds no more, for good. After `until` it has expired by itself.
    Revoked {
        /// What.
        what: Revoked,
        /// When the change no longer matters.
        until: Timestamp,
    },
    /// The user of this id got other roles or another password, was disabled, enabled or deleted, or all sessions of the user ended.
    User(String),
    /// The API key of this id was revoked.
    ApiKey(String),
    /// The machine client of this id was deleted.
    Client(String),
    /// The user of this name may try to log in again: what was counted against the name is forgotten.
    Unlock(String),
}

impl Change {
    /// The kind and the id of what was changed. A later change to the same takes the place of an earlier one.
    pub fn subject(&self) -> (&'static str, &str) {
        match self {
            Self::Revoked { what, .. } => what.subject(),
            Self::User(id) => ("user", id),
            Self::ApiKey(id) => ("api_key", id),
            Self::Client(id) => ("client", id),
            Self::Unlock(name) => ("unlock", name),
        }
    }

    /// The change to this subject (see [`Change::subject`]), which matters until then; `None` where there is no such kind of change.
    pub fn to((kind, id): (&str, &str), until: Option<Timestamp>) -> Option<Self> {
        let id = id.to_owned();
        Some(match (kind, until) {
            ("session", Some(until)) => Self::Revoked { what: Revoked::Session(id), until },
            ("token", Some(until)) => Self::Revoked { what: Revoked::Token(id), until },
            ("user", None) => Self::User(id),
            ("api_key", None) => Self::ApiKey(id),
            ("client", None) => Self::Client(id),
            ("unlock", None) => Self::Unlock(id),
            _ => return None,
        })
    }

    /// When the change no longer matters; `None` where only those who follow the log can tell.
    pub const fn until(&self) -> Option<Timestamp> {
        match self {
            Self::Revoked { until, .. } => Some(*until),
            Self::User(_) | Self::ApiKey(_) | Self::Client(_) | Self::Unlock(_) => None,
        }
    }
}

impl Revoked {
    /// See [`Change::subject`].
    pub fn subject(&self) -> (&'static str, &str) {
        match self {
            Self::Session(id) => ("session", id),
            Self::Token(id) => ("token", id),
        }
    }
}

/// A part of the log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Changes {
    /// Oldest first.
    pub changes: Vec<Change>,
    /// Whoever knows these changes knows everything up to this epoch.
    pub epoch: u64,
    /// The newest epoch of the store. Where it is later than `epoch`, there is more to ask for.
    pub newest: u64,
    /// Changes to users, keys and clients up to this epoch were forgotten, all or some.
    pub forgotten: u64,
}

impl Changes {
    /// Whether these are all changes after the epoch `since`, as far as they go. If not, the store has forgotten some, or it was
    /// restored from a backup: whoever asked must give up what was verified before, and begin again from epoch 0.
    pub const fn follows(&self, since: u64) -> bool {
        self.forgotten <= since && since <= self.newest
    }
}

/// Where revocations are kept: a log of changes, each of which makes one number grow, the epoch. Nodes poll it.
pub trait Revocations: Send + Sync {
    /// The epoch now. It grows with every [`Change`].
    fn epoch(&self) -> Stored<'_, u64>;
    /// The changes after the epoch `since`, oldest first and at most `limit` of them (0 counts as 1). A change whose
    /// subject was changed again later is left out. From epoch 0 on this is everything that is revoked.
    fn changes_since(&self, since: u64, limit: usize) -> Stored<'_, Changes>;
    /// The same for whoever follows the log: maybe from a copy that other nodes keep up to date, with how old it was when it was given.
    fn followed_since(&self, since: u64, limit: usize) -> Stored<'_, (Changes, Duration)> {
        Box::pin(async move { Ok((self.changes_since(since, limit).await?, Duration::ZERO)) })
    }
    /// Revokes; the entry may be forgotten after `until`, when what it names has expired.
    fn revoke<'a>(&'a self, what: &'a Revoked, until: Timestamp) -> Stored<'a, ()>;
    /// Forgets revocations that have expired by `now`, and other changes at the first call that comes [`CHANGES_KEPT`] after the call
    /// that first saw them. Returns how many.
    fn forget_expired(&self, now: Timestamp) -> Stored<'_, u64>;
    /// Waits until something may have changed. A store that cannot tell never does, and one that can may fail to: whoever follows the log also asks
    /// from time to time.
    fn changed(&self) -> BoxFuture<'_, ()> {
        Box::pin(std::future::pending())
    }
}

#[cfg(test)]
mod tests {
    use super::{Change, Revoked};
    use crate::Timestamp;

    #[test]
    fn a_change_is_made_again_of_what_it_tells() {
        let revoked = |what| Change::Revoked { what, until: Timestamp::MAX };
        let id = || "id".to_owned();
        let all = [
            revoked(Revoked::Session(id())),
            revoked(Revoked::Token(id())),
            Change::User(id()),
            Change::ApiKey(id()),
            Change::Client(id()),
            Change::Unlock(id()),
        ];
        for change in all {
            assert_eq!(Change::to(change.subject(), change.until()), Some(change));
        }
        assert_eq!(Change::to(("session", "id"), None), None);
        assert_eq!(Change::to(("planet", "id"), None), None);
    }
}

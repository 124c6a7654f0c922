//! The log of changes as a port: what the store has, by way of the copy where there is one.

use crate::feed::Feed;
use haechi_core::Timestamp;
use haechi_core::ports::{BoxFuture, Changes, Revocations, Revoked, Stored};
use std::sync::Arc;
use std::time::Duration;

/// The store's log, which nodes read of each other's copy. Nobody listens at the store.
pub(crate) struct FedRevocations(pub(crate) Arc<Feed>);

impl Revocations for FedRevocations {
    fn epoch(&self) -> Stored<'_, u64> {
        self.0.store().epoch()
    }

    fn changes_since(&self, since: u64, limit: usize) -> Stored<'_, Changes> {
        self.0.store().changes_since(since, limit)
    }

    fn followed_since(&self, since: u64, limit: usize) -> Stored<'_, (Changes, Duration)> {
        Box::pin(self.0.since(since, limit))
    }

    fn revoke<'a>(&'a self, what: &'a Revoked, until: Timestamp) -> Stored<'a, ()> {
        self.0.store().revoke(what, until)
    }

    /// One node is enough.
    fn forget_expired(&self, now: Timestamp) -> Stored<'_, u64> {
        if self.0.is_first() {
            return self.0.store().forget_expired(now);
        }
        Box::pin(async { Ok(0) })
    }

    fn changed(&self) -> BoxFuture<'_, ()> {
        Box::pin(self.0.link().told.notified())
    }
}

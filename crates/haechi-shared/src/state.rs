//! The shared state behind its ports.

use crate::connect::Connector;
use crate::feed::Feed;
use crate::guesses::Guesses;
use crate::limits::Limits;
use crate::link::Link;
use crate::revocations::FedRevocations;
use crate::{Location, TlsError};
use haechi_core::ports::{Revocations, SharedGuesses, SharedLimits};
use std::fmt;
use std::num::NonZeroU32;
use std::sync::atomic::Ordering::Relaxed;
use std::sync::{Arc, OnceLock};

/// A Redis or Valkey that nodes share. Clones share the same connection.
#[derive(Clone)]
pub struct SharedState {
    link: Arc<Link>,
    feed: Arc<OnceLock<Arc<Feed>>>,
}

/// Numbers for metrics.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SharedStateStats {
    /// Whether it can be used.
    pub up: bool,
    /// How many nodes were last known, this one among them.
    pub nodes: NonZeroU32,
    /// Questions that were answered.
    pub answered: u64,
    /// Questions that were answered with an error, or whose connection broke.
    pub failed: u64,
    /// Questions that were not answered in time.
    pub late: u64,
    /// Questions that were not asked: there was no connection, or too many were open.
    pub not_asked: u64,
    /// How many times a connection was made.
    pub connections: u64,
    /// How many times changes were read from the copy of the log.
    pub changes_from_copy: u64,
    /// How many times they were read from the store, because the copy could not tell.
    pub changes_from_store: u64,
}

impl SharedState {
    /// The one at `location`. Nothing is asked of it before [`SharedState::follow`] runs.
    ///
    /// # Errors
    /// [`TlsError`], where a file that the location names cannot be used.
    pub fn new(location: &Location) -> Result<Self, TlsError> {
        let connector = Connector { location: location.clone(), tls: location.tls()? };
        Ok(Self { link: Arc::new(Link::new(connector)), feed: Arc::default() })
    }

    /// Keeps a connection, for ever. One that breaks is made again. Needs a runtime with timers.
    pub async fn follow(self) {
        match self.link.keep().await {}
    }

    /// Tells the others that this node is no longer there.
    pub async fn leave(&self) {
        self.link.leave().await;
    }

    /// Counts of rate limits.
    pub fn limits(&self) -> Arc<dyn SharedLimits> {
        Arc::new(Limits(self.link.clone()))
    }

    /// Counts of wrong passwords.
    pub fn guesses(&self) -> Arc<dyn SharedGuesses> {
        Arc::new(Guesses(self.link.clone()))
    }

    /// The log of changes of `store`, which nodes read from each other's copy of it, and from the store where that cannot tell. Asked the first time, it keeps the store.
    pub fn revocations(&self, store: Arc<dyn Revocations>) -> Arc<dyn Revocations> {
        let feed = self.feed.get_or_init(|| Arc::new(Feed::new(self.link.clone(), store)));
        Arc::new(FedRevocations(feed.clone()))
    }

    /// Why it cannot be used; `None` while it can.
    pub fn fault(&self) -> Option<String> {
        self.link.fault()
    }

    /// Numbers for metrics.
    pub fn stats(&self) -> SharedStateStats {
        let counts = &self.link.counts;
        let feed = self.feed.get();
        SharedStateStats {
            up: self.link.answers(),
            nodes: self.link.nodes(),
            answered: counts.answered.load(Relaxed),
            failed: counts.failed.load(Relaxed),
            late: counts.late.load(Relaxed),
            not_asked: counts.not_asked.load(Relaxed),
            connections: counts.connections.load(Relaxed),
            changes_from_copy: feed.map_or(0, |feed| feed.from_copy.load(Relaxed)),
            changes_from_store: feed.map_or(0, |feed| feed.from_store.load(Relaxed)),
        }
    }
}

impl fmt::Debug for SharedState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SharedState").field("stats", &self.stats()).finish_non_exhaustive()
    }
}

//! Whether a client that waits for its answer is still there.
//!
//! A connection whose answer is awaited is not read from, so its end would go unnoticed until something is written. Now and then it is looked
//! whether the client has closed it: one system call a second, for requests that take so long.

use super::request_body::Inbound;
use crate::io::Stream;
use crate::ticks::{Timer, ticks};
use std::cell::RefCell;
use std::time::Duration;

/// How often it is looked.
const EVERY: Duration = Duration::from_secs(1);
/// A client that has only ended its half of the connection, as `nc -N` does, looks the same as one that has gone. It still gets an answer that comes within this time.
const PATIENCE: Duration = Duration::from_secs(3);

/// What is known of one client while it waits.
pub(super) struct Presence<'a> {
    timer: &'a Timer,
    stream: &'a Stream,
    inbound: &'a RefCell<Inbound>,
    /// The tick at which the end of its half was first seen.
    ended: Option<u64>,
}

impl<'a> Presence<'a> {
    /// Looks from now on, until it is dropped.
    pub(super) fn watch(timer: &'a Timer, stream: &'a Stream, inbound: &'a RefCell<Inbound>) -> Self {
        timer.look_after(EVERY);
        Self { timer, stream, inbound, ended: None }
    }

    /// Whether it has gone, as far as was looked.
    pub(super) fn is_over(&mut self) -> bool {
        if !self.timer.is_to_look() {
            return false;
        }
        self.timer.look_after(EVERY);
        // What it has sent before it went has not been looked at.
        if !self.inbound.borrow().reader.unread().is_empty() || !self.stream.has_ended() {
            self.ended = None;
            return false;
        }
        let now = self.timer.now();
        now.saturating_sub(*self.ended.get_or_insert(now)) >= ticks(PATIENCE)
    }
}

impl Drop for Presence<'_> {
    fn drop(&mut self) {
        self.timer.look_no_more();
    }
}

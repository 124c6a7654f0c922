//! What answers tell of limits: `RateLimit` and `RateLimit-Policy` (draft-ietf-httpapi-ratelimit-headers-11, structured fields by RFC 9651), and of
//! the tightest limit the three fields that came before them.

use crate::whole_seconds::whole_seconds;
use haechi_core::Fields;
use haechi_core::rate::LimitAnswer;
use std::borrow::Cow;
use std::fmt::Write;

/// A limit that a request was counted against, and what came of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CountedLimit<'a> {
    /// The limit's name.
    pub name: &'a str,
    /// By what it counts, in one word.
    pub by: &'static str,
    /// Requests in its time.
    pub requests: u32,
    /// What `RateLimit-Policy` says.
    pub(crate) policy: Cow<'a, str>,
    /// The count.
    pub answer: LimitAnswer,
}

/// The fields of one answer.
#[derive(Debug, Default)]
pub(crate) struct LimitFields {
    policies: String,
    counts: String,
    tightest: Option<Tightest>,
}

/// The limit that the next request would meet first.
#[derive(Debug)]
struct Tightest {
    is_within: bool,
    requests: u32,
    remaining: u32,
    reset: String,
}

impl LimitFields {
    /// Tells of one more limit.
    pub(crate) fn add(&mut self, limit: &CountedLimit<'_>) {
        let CountedLimit { name, requests, policy, answer, .. } = limit;
        let remaining = answer.remaining;
        // `t` is the draft's effective window, in which no more than `r` can come. `RateLimit-Reset`, of earlier drafts, is when all can; whoever is
        // refused is told when the next can, as `Retry-After` does.
        let reset = if answer.is_within { answer.full_after } else { answer.retry_after };
        let reset = whole_seconds(reset);
        let comma = if self.counts.is_empty() { "" } else { ", " };
        // Writing to a `String` does not fail.
        let _ = write!(self.policies, "{comma}{policy}");
        let window = whole_seconds(answer.more_after);
        let _ = write!(self.counts, "{comma}\"{name}\";r={remaining};t={window}");
        let is_tighter = self
            .tightest
            .as_ref()
            .is_none_or(|known| (answer.is_within, remaining) < (known.is_within, known.remaining));
        if is_tighter {
            self.tightest =
                Some(Tightest { is_within: answer.is_within, requests: *requests, remaining, reset });
        }
    }

    /// Writes them, in place of what a backend may have said of limits of its own.
    pub(crate) fn write(&self, fields: &mut Fields) {
        const NAMES: [&[u8]; 5] = [
            b"ratelimit",
            b"ratelimit-policy",
            b"ratelimit-limit",
            b"ratelimit-remaining",
            b"ratelimit-reset",
        ];
        let Some(tightest) = &self.tightest else { return };
        if fields.iter().any(|field| NAMES.contains(&field.name)) {
            fields.retain(|field| !NAMES.contains(&field.name));
        }
        fields.push(b"ratelimit-policy", self.policies.as_bytes());
        fields.push(b"ratelimit", self.counts.as_bytes());
        let mut number = itoa::Buffer::new();
        fields.push(b"ratelimit-limit", number.format(tightest.requests).as_bytes());
        fields.push(b"ratelimit-remaining", number.format(tightest.remaining).as_bytes());
        fields.push(b"ratelimit-reset", tightest.reset.as_bytes());
    }
}

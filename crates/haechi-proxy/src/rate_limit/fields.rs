//! What answers tell of limits: `RateLimit` and `RateLimit-Policy` (draft-ietf-httpapi-ratelimit-headers-11, structured fields by RFC 9651), and of
//! the tightest limit the three fields that came before them.

use crate::whole_seconds::whole_seconds;
use haechi_core::Fields;
use haechi_core::rate::LimitAnswer;
use std::borrow::Cow;

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
    reset: u64,
}

/// Policies and counts of one limit have room in so much.
const USUAL: usize = 64;

impl LimitFields {
    /// Tells of one more limit.
    pub(crate) fn add(&mut self, limit: &CountedLimit<'_>) {
        let CountedLimit { name, requests, policy, answer, .. } = limit;
        let remaining = answer.remaining;
        // `t` is the draft's effective window, in which no more than `r` can come. `RateLimit-Reset`, of earlier drafts, is when all can; whoever is
        // refused is told when the next can, as `Retry-After` does.
        let reset = if answer.is_within { answer.full_after } else { answer.retry_after };
        let reset = whole_seconds(reset);
        if self.counts.is_empty() {
            self.policies.reserve(USUAL);
            self.counts.reserve(USUAL);
        } else {
            self.policies.push_str(", ");
            self.counts.push_str(", ");
        }
        self.policies.push_str(policy);
        let mut number = itoa::Buffer::new();
        self.counts.extend(["\"", name, "\";r=", number.format(remaining)]);
        self.counts.extend([";t=", number.format(whole_seconds(answer.more_after))]);
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
        let Some(tightest) = &self.tightest else { return };
        if fields.iter().any(|field| is_about_limits(field.name)) {
            fields.retain(|field| !is_about_limits(field.name));
        }
        let [counts, policies, limit, remaining, reset] = NAMES;
        fields.push_own(policies, self.policies.as_bytes());
        fields.push_own(counts, self.counts.as_bytes());
        let mut number = itoa::Buffer::new();
        fields.push_own(limit, number.format(tightest.requests).as_bytes());
        fields.push_own(remaining, number.format(tightest.remaining).as_bytes());
        fields.push_own(reset, number.format(tightest.reset).as_bytes());
    }
}

const NAMES: [&[u8]; 5] =
    [b"ratelimit", b"ratelimit-policy", b"ratelimit-limit", b"ratelimit-remaining", b"ratelimit-reset"];

/// Most fields of an answer are told from these by their first letters.
fn is_about_limits(name: &[u8]) -> bool {
    name.starts_with(b"ratelimit") && NAMES.contains(&name)
}

#[cfg(test)]
mod tests {
    use super::NAMES;
    use haechi_core::FieldName;

    #[test]
    fn the_names_mean_nothing_to_the_gate() {
        assert!(NAMES.iter().all(|name| FieldName::of(name) == FieldName::Other));
    }
}

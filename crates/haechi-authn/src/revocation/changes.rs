//! A set of changes of which many versions can be alive at once.

use super::fingerprint::Fingerprint;
use haechi_core::Timestamp;
use haechi_core::ports::Change;
use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

/// How many parts the set has. With a million entries each has about a thousand.
const SHARDS: usize = 1024;

/// What was changed. A clone shares all shards, and a change to it copies those that it touches: of a million entries one new one
/// copies about a thousand (16 bytes each, and a list of 1024 pointers).
#[derive(Clone, Debug)]
pub(super) struct ChangeSet {
    /// What is revoked for good, until it has expired by itself: a million at a time, so small.
    revoked: Vec<Arc<Vec<RevokedMark>>>,
    /// The rest, remembered for minutes.
    changed: Vec<Arc<HashMap<Fingerprint, ChangeMark>>>,
}

/// Something that is revoked for good, in 16 bytes. Each shard is sorted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct RevokedMark {
    subject: [u32; 3],
    /// When it no longer matters: seconds of the wall clock, rounded up; [`NEVER`] for what does not expire.
    until: u32,
}

/// In the year 2106 and later.
const NEVER: u32 = u32::MAX;

#[derive(Clone, Copy, Debug)]
struct ChangeMark {
    /// The view's version that learned of it.
    version: u64,
    /// When it no longer matters, in milliseconds of the uptime.
    until: i64,
}

/// What is over.
#[derive(Clone, Copy, Debug)]
pub(super) struct ExpiryHorizon {
    /// Whatever is revoked for good and expired by itself before then.
    pub(super) expired_before: Timestamp,
    /// Other changes that were to be remembered until then (see [`haechi_core::Clock::uptime`]).
    pub(super) uptime: Duration,
}

impl ExpiryHorizon {
    fn has_revoked(self, mark: &RevokedMark) -> bool {
        mark.until != NEVER && i64::from(mark.until) * 1000 < self.expired_before.as_millis()
    }

    fn has_changed(self, mark: &ChangeMark) -> bool {
        mark.until < millis(self.uptime)
    }
}

fn millis(span: Duration) -> i64 {
    i64::try_from(span.as_millis()).unwrap_or(i64::MAX)
}

impl Default for ChangeSet {
    fn default() -> Self {
        Self { revoked: vec![Arc::default(); SHARDS], changed: vec![Arc::default(); SHARDS] }
    }
}

impl ChangeSet {
    /// Adds changes that the view of this version learned of. One that does not say how long it matters is remembered until `remembered`.
    pub(super) fn add(&mut self, changes: &[Change], version: u64, remembered: Duration) {
        let mut revoked = Vec::new();
        for change in changes {
            let subject = Fingerprint::of(change.subject());
            match change.until() {
                Some(until) => {
                    let until = until.as_millis().saturating_add(999) / 1000;
                    let until = u32::try_from(until.max(0)).unwrap_or(NEVER);
                    revoked.push((place(subject), RevokedMark { subject: subject.rest(), until }));
                }
                None => {
                    if let Some(shard) = self.changed.get_mut(place(subject)) {
                        Arc::make_mut(shard)
                            .insert(subject, ChangeMark { version, until: millis(remembered) });
                    }
                }
            }
        }
        revoked.sort_unstable();
        for of_one in revoked.chunk_by(|(one, _), (other, _)| one == other) {
            let shard = of_one.first().and_then(|(place, _)| self.revoked.get_mut(*place));
            if let Some(shard) = shard {
                merge(Arc::make_mut(shard), of_one.iter().map(|(_, mark)| *mark));
            }
        }
    }

    /// Whether the subject was changed after the view of this version, or revoked at any time.
    pub(super) fn changed_after(&self, version: u64, subject: Fingerprint) -> bool {
        let changed = self.changed.get(place(subject)).and_then(|shard| shard.get(&subject));
        changed.is_some_and(|mark| mark.version > version) || self.is_revoked(subject)
    }

    /// Whether the subject was revoked for good.
    pub(super) fn is_revoked(&self, subject: Fingerprint) -> bool {
        let rest = subject.rest();
        self.revoked
            .get(place(subject))
            .is_some_and(|shard| shard.binary_search_by(|mark| mark.subject.cmp(&rest)).is_ok())
    }

    /// Whether anything no longer matters.
    pub(super) fn has_expired(&self, past: ExpiryHorizon) -> bool {
        self.revoked.iter().any(|shard| shard.iter().any(|mark| past.has_revoked(mark)))
            || self.changed.iter().any(|shard| shard.values().any(|mark| past.has_changed(mark)))
    }

    /// Forgets what no longer matters. Returns the latest version of a change to something that was not revoked for good.
    pub(super) fn prune(&mut self, past: ExpiryHorizon) -> u64 {
        for shard in self.revoked.iter_mut().filter(|shard| shard.iter().any(|mark| past.has_revoked(mark))) {
            *shard = Arc::new(shard.iter().filter(|mark| !past.has_revoked(mark)).copied().collect());
        }
        let mut latest = 0;
        let over = |shard: &&mut Arc<HashMap<_, _>>| shard.values().any(|mark| past.has_changed(mark));
        for shard in self.changed.iter_mut().filter(over) {
            for (_, mark) in Arc::make_mut(shard).extract_if(|_, mark| past.has_changed(mark)) {
                latest = latest.max(mark.version);
            }
        }
        latest
    }
}

/// Adds marks, sorted, to a shard, which stays so. What is revoked twice stays as long as either asked.
fn merge(shard: &mut Vec<RevokedMark>, marks: impl ExactSizeIterator<Item = RevokedMark>) {
    // A quarter more, where a vector by itself would take twice as much.
    if shard.capacity() - shard.len() < marks.len() {
        shard.reserve_exact(marks.len() + (shard.len() + marks.len()) / 4);
    }
    shard.extend(marks);
    // Two runs, each sorted, which the standard sort merges.
    shard.sort();
    // Of the same subject the one that matters longest stands last, and stays.
    let mut kept = 0;
    for at in 0..shard.len() {
        let (Some(mark), next) = (shard.get(at).copied(), shard.get(at + 1)) else { break };
        if next.is_none_or(|next| next.subject != mark.subject)
            && let Some(place) = shard.get_mut(kept)
        {
            *place = mark;
            kept += 1;
        }
    }
    shard.truncate(kept);
}

fn place(subject: Fingerprint) -> usize {
    usize::try_from(subject.number() % SHARDS as u64).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::{ChangeSet, ExpiryHorizon, Fingerprint, SHARDS};
    use haechi_core::Timestamp;
    use haechi_core::ports::{Change, Revoked};
    use proptest::prelude::*;
    use std::collections::BTreeMap;
    use std::sync::Arc;
    use std::time::Duration;

    fn token(n: usize, until: Timestamp) -> Change {
        Change::Revoked { what: Revoked::Token(format!("token {n}")), until }
    }

    fn subject(n: usize) -> Fingerprint {
        Fingerprint::of(("token", &format!("token {n}")))
    }

    #[test]
    fn one_more_copies_one_shard_of_many() {
        let mut before = ChangeSet::default();
        let tokens: Vec<_> = (0..100 * SHARDS).map(|n| token(n, Timestamp::MAX)).collect();
        tokens.chunks(10_000).for_each(|page| before.add(page, 1, Duration::MAX));
        let largest = before.revoked.iter().map(|shard| shard.len()).max().unwrap();
        assert!(largest < 200, "{largest} of {} stand in one shard", 100 * SHARDS);
        let room: usize = before.revoked.iter().map(|shard| shard.capacity()).sum();
        assert!(room * 16 < 100 * SHARDS * 24, "{room} places for {}", 100 * SHARDS);
        let mut after = before.clone();
        after.add(&[token(100 * SHARDS, Timestamp::MAX)], 2, Duration::MAX);
        let copied = before.revoked.iter().zip(&after.revoked).filter(|(a, b)| !Arc::ptr_eq(a, b)).count();
        assert_eq!(copied, 1);
        assert!((0..=100 * SHARDS).all(|n| after.is_revoked(subject(n))));
        assert!(!before.is_revoked(subject(100 * SHARDS)));
        assert!(!after.has_expired(ExpiryHorizon { expired_before: Timestamp::MAX, uptime: Duration::MAX }));
    }

    #[test]
    fn different_subjects_are_filed_apart() {
        let mut seen = std::collections::HashSet::new();
        assert!((0..20_000).all(|n| seen.insert((subject(n).number() % 1024, subject(n).rest()))));
    }

    proptest! {
        /// Against a map: whatever is added in whatever pages, revoked twice, and pruned.
        #[test]
        fn the_set_is_a_map(
            pages in prop::collection::vec(prop::collection::vec((0..50_usize, 0..100_i64), 0..40), 0..6),
            horizon in 0..100_i64,
        ) {
            let (mut set, mut model) = (ChangeSet::default(), BTreeMap::<usize, i64>::new());
            for page in pages {
                let changes: Vec<_> =
                    page.iter().map(|(n, until)| token(*n, Timestamp::from_seconds(*until))).collect();
                set.add(&changes, 1, Duration::MAX);
                for (n, until) in page {
                    let kept = model.entry(n).or_default();
                    *kept = until.max(*kept);
                }
            }
            let past = ExpiryHorizon { expired_before: Timestamp::from_seconds(horizon), uptime: Duration::ZERO };
            prop_assert_eq!(set.has_expired(past), model.values().any(|until| *until < horizon));
            prop_assert!((0..50).all(|n| set.is_revoked(subject(n)) == model.contains_key(&n)));
            set.prune(past);
            model.retain(|_, until| *until >= horizon);
            prop_assert!((0..50).all(|n| set.is_revoked(subject(n)) == model.contains_key(&n)));
        }
    }
}

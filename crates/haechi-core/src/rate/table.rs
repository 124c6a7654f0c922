//! Counts of many keys, for all threads of a process: a table of a fixed size, without a lock.
//!
//! A bucket is two cache lines: the keys of its places, and their counts. A place whose count says "whole again" holds nothing that matters and is
//! given to the next key. Where a bucket has no such place, the count that would be whole first is forgotten, and that is counted.

use super::gcra::{FullAt, Gcra};
use crate::ports::LimitAnswer;
use std::hash::{BuildHasher, Hash, RandomState};
use std::sync::atomic::AtomicU64;
use std::sync::atomic::Ordering::{AcqRel, Acquire, Relaxed, SeqCst};
use std::time::Duration;

/// Places of a bucket.
const WAYS: usize = 8;
/// How often a place that others take away meanwhile is looked for again.
const TRIES: usize = 16;

/// The bit of an owner whose place is not confirmed.
const CLAIMED: u64 = 1 << 63;

/// Counts by key.
pub struct LimitTable {
    /// By bucket: [`WAYS`] owners, then [`WAYS`] counts.
    cells: Vec<AtomicU64>,
    buckets: u64,
    /// With secrets of their own: nobody can choose keys that meet.
    hashers: (RandomState, RandomState),
    used: AtomicU64,
    forgotten: AtomicU64,
}

/// A key of a table, hashed with its secrets.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SlotKey {
    bucket: u64,
    /// Never 0, which stands for nobody, and without the bit of a claim.
    owner: u64,
}

/// Numbers for metrics.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct TableStats {
    /// How many places there are.
    pub places: u64,
    /// How many have been given to a key at some time.
    pub used: u64,
    /// Counts that were forgotten while they mattered, because there was no room.
    pub forgotten: u64,
}

/// What is done where a bucket has no place that can be given away without a loss.
#[derive(Clone, Copy, PartialEq, Eq)]
enum NoRoom {
    /// The count that will be whole first is forgotten.
    Forget,
    /// There is no place.
    Refuse,
}

fn nanos(uptime: Duration) -> u64 {
    u64::try_from(uptime.as_nanos()).unwrap_or(u64::MAX)
}

struct Bucket<'a> {
    owners: &'a [AtomicU64],
    counts: &'a [AtomicU64],
}

impl LimitTable {
    /// A table of at least `places` places, at 16 bytes each. Memory that no key has used is not touched.
    pub fn new(places: usize) -> Self {
        let buckets = places.div_ceil(WAYS).next_power_of_two();
        // Zeroed memory stays untouched, and stands for an atomic as it does for a number.
        let cells = vec![0_u64; buckets * WAYS * 2].into_iter().map(AtomicU64::new).collect();
        Self {
            cells,
            buckets: buckets as u64,
            hashers: Default::default(),
            used: AtomicU64::new(0),
            forgotten: AtomicU64::new(0),
        }
    }

    /// The key of a value.
    pub fn key<T: Hash>(&self, value: &T) -> SlotKey {
        let (place, owner) = &self.hashers;
        SlotKey {
            bucket: place.hash_one(value) & (self.buckets - 1),
            owner: (owner.hash_one(value) & !CLAIMED).max(1),
        }
    }

    /// Counts a request of `key` that comes at `now` (uptime), or says that it is over the limit.
    pub fn take(&self, key: SlotKey, gcra: &Gcra, now: Duration) -> LimitAnswer {
        let taken = self.take_where(key, gcra, now, NoRoom::Forget);
        // Only in a bucket where all threads fight for places all the time.
        taken.unwrap_or_else(|| {
            let now = nanos(now);
            gcra.answer(false, now.saturating_add(1), now)
        })
    }

    /// The same, where nothing may be forgotten that matters; `None` where there is no room for one more key.
    pub fn take_if_room(&self, key: SlotKey, gcra: &Gcra, now: Duration) -> Option<LimitAnswer> {
        self.take_where(key, gcra, now, NoRoom::Refuse)
    }

    fn take_where(&self, key: SlotKey, gcra: &Gcra, now: Duration, no_room: NoRoom) -> Option<LimitAnswer> {
        let now = nanos(now);
        let bucket = self.bucket(key);
        for _ in 0..TRIES {
            let Some((owner, count)) = self.place(&bucket, key, now, no_room) else { continue };
            let mut seen = count.load(Acquire);
            let outcome = loop {
                let Some(next) = gcra.take(seen, now) else { break None };
                match count.compare_exchange_weak(seen, next, AcqRel, Acquire) {
                    Ok(_) => break Some(next),
                    Err(other) => seen = other,
                }
            };
            // Given to another key meanwhile: what was counted there is its loss of one, and counts for nobody else.
            if owner.load(SeqCst) == key.owner {
                return Some(gcra.answer(outcome.is_some(), outcome.unwrap_or(seen), now));
            }
        }
        None
    }

    /// Takes back what was counted last of a request that is not made.
    pub fn give_back(&self, key: SlotKey, gcra: &Gcra) {
        let Bucket { owners, counts } = self.bucket(key);
        let found = owners.iter().zip(counts).find(|(owner, _)| owner.load(Acquire) == key.owner);
        if let Some((_, count)) = found {
            let back = |full_at: FullAt| Some(gcra.give_back(full_at));
            // Never refused: every count can be moved back.
            let _ = count.fetch_update(AcqRel, Acquire, back);
        }
    }

    /// Numbers for metrics.
    pub fn stats(&self) -> TableStats {
        TableStats {
            places: self.cells.len() as u64 / 2,
            used: self.used.load(Relaxed),
            forgotten: self.forgotten.load(Relaxed),
        }
    }

    fn bucket(&self, key: SlotKey) -> Bucket<'_> {
        let first = usize::try_from(key.bucket).unwrap_or(usize::MAX).saturating_mul(WAYS * 2);
        let cells = self.cells.get(first..first.saturating_add(WAYS * 2)).unwrap_or_default();
        let (owners, counts) = cells.split_at(cells.len() / 2);
        Bucket { owners, counts }
    }

    /// The place of `key`, or one that is given to it; `None` where it has to be looked for again.
    fn place<'a>(
        &self,
        bucket: &Bucket<'a>,
        key: SlotKey,
        now: u64,
        no_room: NoRoom,
    ) -> Option<(&'a AtomicU64, &'a AtomicU64)> {
        let places = || bucket.owners.iter().zip(bucket.counts);
        if let Some(found) = places().find(|(owner, _)| owner.load(Acquire) == key.owner) {
            return Some(found);
        }
        // Somebody is about to have a place for this key: helped, not waited for, because its thread may sleep.
        if let Some(index) = bucket.owners.iter().position(|owner| owner.load(SeqCst) == key.claim()) {
            return bucket.confirm(index, key);
        }
        // Nobody's places first, then those that are whole again, then the one that will be first.
        let rank = |(_, before, full_at): &(_, u64, u64)| match (*before, *full_at) {
            (0, _) => 0,
            (_, full_at) if full_at <= now => 1,
            (_, full_at) => full_at,
        };
        // Taken only as it was seen when it was chosen: whoever came first meanwhile, for this key maybe, must not lose what was counted.
        let seen = places().enumerate().map(|(at, place)| (at, place.0.load(Acquire), place.1.load(Acquire)));
        let (index, before, full_at) = seen.min_by_key(rank)?;
        let (owner, count) = (bucket.owners.get(index)?, bucket.counts.get(index)?);
        if before == key.owner {
            return Some((owner, count));
        }
        if full_at > now {
            if no_room == NoRoom::Refuse && before != 0 {
                return None;
            }
            count.compare_exchange(full_at, 0, SeqCst, Relaxed).ok()?;
        }
        owner.compare_exchange(before, key.claim(), SeqCst, Relaxed).ok()?;
        let confirmed = bucket.confirm(index, key)?;
        match before {
            0 => _ = self.used.fetch_add(1, Relaxed),
            _ if full_at > now => _ = self.forgotten.fetch_add(1, Relaxed),
            _ => {}
        }
        Some(confirmed)
    }
}

impl SlotKey {
    /// What stands for the owner of a place until nobody else can have one for the same key.
    const fn claim(self) -> u64 {
        self.owner | CLAIMED
    }
}

impl<'a> Bucket<'a> {
    /// Makes a claim for `key` its place, unless there is another: threads may have found a place for one key at once. Nobody counts in a place that is
    /// only claimed. A confirmed place goes before claims, and of claims the first one stays. Any thread may do this for any other.
    fn confirm(&self, index: usize, key: SlotKey) -> Option<(&'a AtomicU64, &'a AtomicU64)> {
        let (owner, count) = (self.owners.get(index)?, self.counts.get(index)?);
        for (at, other) in self.owners.iter().enumerate().filter(|(at, _)| *at != index) {
            let seen = other.load(SeqCst);
            // A later claim is taken away, unless somebody has confirmed it meanwhile.
            let goes_before = seen == key.owner
                || seen == key.claim()
                    && (at < index || other.compare_exchange(seen, 0, SeqCst, SeqCst) == Err(key.owner));
            if goes_before {
                let _ = owner.compare_exchange(key.claim(), 0, SeqCst, Relaxed);
                return None;
            }
        }
        match owner.compare_exchange(key.claim(), key.owner, SeqCst, SeqCst) {
            Ok(_) => Some((owner, count)),
            Err(now) => (now == key.owner).then_some((owner, count)),
        }
    }
}

impl std::fmt::Debug for LimitTable {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("LimitTable").field("stats", &self.stats()).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::{Gcra, LimitTable};
    use crate::ports::Rate;
    use proptest::prelude::*;
    use std::collections::HashMap;
    use std::num::NonZeroU32;
    use std::sync::Barrier;
    use std::sync::atomic::{AtomicU32, Ordering::Relaxed};
    use std::time::Duration;

    fn gcra(requests: u32, seconds: u64, burst: u32) -> Gcra {
        let number = |number| NonZeroU32::new(number).unwrap();
        Gcra::new(&Rate {
            requests: number(requests),
            per: Duration::from_secs(seconds),
            burst: number(burst),
        })
    }

    const NOW: Duration = Duration::from_secs(1_000);

    #[test]
    fn keys_do_not_share() {
        let (table, gcra) = (LimitTable::new(1 << 12), gcra(1, 3_600, 2));
        for key in 0..500 {
            let within = [(); 3].map(|()| table.take(table.key(&key), &gcra, NOW).is_within);
            assert_eq!(within, [true, true, false], "{key}");
        }
        assert_eq!((table.stats().used, table.stats().forgotten), (500, 0));
    }

    #[test]
    fn whoever_has_rested_leaves_the_place_to_others() {
        let (table, gcra) = (LimitTable::new(8), gcra(1, 1, 1));
        for key in 0..1_000_u64 {
            assert!(table.take(table.key(&key), &gcra, NOW + Duration::from_secs(key)).is_within);
        }
        assert_eq!(table.stats().forgotten, 0);
    }

    #[test]
    fn where_nothing_may_be_forgotten_nobody_more_is_let_in() {
        let (table, gcra) = (LimitTable::new(8), gcra(1, 60, 1));
        let take =
            |key: u32, now| table.take_if_room(table.key(&key), &gcra, now).map(|answer| answer.is_within);
        for key in 0..8 {
            assert_eq!(take(key, NOW), Some(true));
        }
        assert_eq!((take(8, NOW), take(3, NOW)), (None, Some(false)));
        let later = NOW + Duration::from_secs(60);
        assert_eq!((take(8, later), take(8, later)), (Some(true), Some(false)));
        assert_eq!(table.stats().forgotten, 0);
    }

    #[test]
    fn without_room_what_is_whole_first_is_forgotten_and_counted() {
        let (table, slow, quick) = (LimitTable::new(8), gcra(1, 3_600, 1), gcra(1, 60, 1));
        for key in 0..7 {
            table.take(table.key(&key), &slow, NOW);
        }
        table.take(table.key(&7), &quick, NOW);
        table.take(table.key(&8), &slow, NOW);
        assert_eq!(table.stats().forgotten, 1);
        for key in 0..7 {
            assert!(!table.take(table.key(&key), &slow, NOW).is_within, "{key} is still known");
        }
    }

    #[test]
    fn what_is_given_back_can_be_taken_again() {
        let (table, gcra) = (LimitTable::new(64), gcra(1, 60, 1));
        let key = table.key(&"a");
        assert!(table.take(key, &gcra, NOW).is_within);
        table.give_back(key, &gcra);
        assert!(table.take(key, &gcra, NOW).is_within);
        table.give_back(table.key(&"never taken"), &gcra);
    }

    /// Time stands still: exactly the burst of each key gets through, however many threads ask.
    #[test]
    fn threads_count_as_one() {
        const THREADS: usize = 4;
        let (table, gcra) = (LimitTable::new(256), gcra(1, 3_600, 100));
        for round in 0..200 {
            let (passed, start) = (AtomicU32::new(0), Barrier::new(THREADS));
            std::thread::scope(|scope| {
                for _ in 0..THREADS {
                    scope.spawn(|| {
                        start.wait();
                        for _ in 0..50 {
                            let within = table
                                .take(table.key(&round), &gcra, NOW + Duration::from_secs(round))
                                .is_within;
                            passed.fetch_add(within.into(), Relaxed);
                        }
                    });
                }
            });
            assert_eq!(passed.load(Relaxed), 100, "round {round}: {:?}", table.stats());
            if round % 16 == 0 {
                // So that the places are fought for again.
                table.cells.iter().for_each(|cell| cell.store(0, Relaxed));
            }
        }
    }

    proptest! {
        /// A table with room counts as a map would.
        #[test]
        fn it_is_a_map_of_counts(asked in prop::collection::vec((0_u8..20, 0_u64..400), 1..400)) {
            let (table, gcra) = (LimitTable::new(1 << 10), gcra(10, 10, 3));
            let (mut map, mut now) = (HashMap::<u8, u64>::new(), NOW);
            for (key, pause) in asked {
                now += Duration::from_millis(pause);
                let at = now.as_nanos() as u64;
                let count = map.entry(key).or_default();
                let taken = gcra.take(*count, at);
                *count = taken.unwrap_or(*count);
                let told = table.take(table.key(&key), &gcra, now);
                prop_assert_eq!(told, gcra.answer(taken.is_some(), *count, at));
            }
        }
    }
}

//! When API keys were last used: gathered, and written many at a time.
//!
//! A process that is killed loses what it has gathered since it last wrote, a few seconds' worth; one that ends in order loses nothing.

use crate::control::STORE_ANSWERS_WITHIN;
use haechi_core::ports::{ApiKeys, KeyUse};
use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::Duration;
use tokio::sync::{Mutex, mpsc, oneshot};
use tokio::time::{Instant, MissedTickBehavior};

/// How often what was gathered is written.
const WRITTEN_EVERY: Duration = Duration::from_secs(5);
/// So many wait to be gathered. A worker tells of a key once a minute at most.
const WAITING: usize = 8192;
/// Of so many keys a use is remembered while the store cannot be written to.
const REMEMBERED: usize = 65_536;
/// So many are written by one statement.
const AT_ONCE: usize = 2048;

/// Where workers tell that a key was used. Telling never waits: what finds no room is dropped and counted.
#[derive(Debug)]
pub struct KeyUses {
    told: mpsc::Sender<Message>,
    gathered: Mutex<Gathered>,
    dropped: AtomicU64,
}

#[derive(Debug)]
enum Message {
    Used(KeyUse),
    /// Write what there is, and say when that was tried.
    Write(oneshot::Sender<()>),
}

#[derive(Debug)]
struct Gathered {
    told: mpsc::Receiver<Message>,
    /// By the key's id.
    last: HashMap<String, KeyUse>,
    /// Whether the last writing failed.
    fails: bool,
}

impl Default for KeyUses {
    fn default() -> Self {
        let (told, receiver) = mpsc::channel(WAITING);
        let gathered = Gathered { told: receiver, last: HashMap::new(), fails: false };
        Self { told, gathered: Mutex::new(gathered), dropped: AtomicU64::new(0) }
    }
}

impl KeyUses {
    /// Tells that a key was used.
    pub fn note(&self, of: KeyUse) {
        if self.told.try_send(Message::Used(of)).is_err() {
            self.dropped.fetch_add(1, Relaxed);
        }
    }

    /// How many uses were not remembered, because there was no room.
    pub fn dropped(&self) -> u64 {
        self.dropped.load(Relaxed)
    }

    /// Writes what was told until now, for the end of the process. Waits no longer than the store may take.
    pub async fn written(&self) {
        let (done, is_done) = oneshot::channel();
        let ask = async {
            // Where nobody writes there is nothing to wait for.
            if self.told.send(Message::Write(done)).await.is_ok() {
                let _ = is_done.await;
            }
        };
        let _ = tokio::time::timeout(STORE_ANSWERS_WITHIN.saturating_mul(2), ask).await;
    }

    /// Gathers and writes for ever.
    pub async fn follow(self: Arc<Self>, keys: Arc<dyn ApiKeys>) {
        let mut gathered = self.gathered.lock().await;
        let mut ticks = tokio::time::interval_at(Instant::now() + WRITTEN_EVERY, WRITTEN_EVERY);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            tokio::select! {
                message = gathered.told.recv() => match message {
                    Some(Message::Used(of)) => {
                        self.gather(&mut gathered.last, of);
                        if gathered.last.len() >= AT_ONCE && !gathered.fails {
                            gathered.write(&*keys).await;
                        }
                    }
                    Some(Message::Write(done)) => {
                        gathered.write(&*keys).await;
                        // Nobody may be waiting any more.
                        let _ = done.send(());
                    }
                    None => return,
                },
                _ = ticks.tick() => gathered.write(&*keys).await,
            }
        }
    }

    fn gather(&self, last: &mut HashMap<String, KeyUse>, of: KeyUse) {
        let is_full = last.len() >= REMEMBERED;
        match last.entry(of.id.clone()) {
            Entry::Occupied(mut known) if known.get().at <= of.at => drop(known.insert(of)),
            Entry::Occupied(_) => {}
            Entry::Vacant(_) if is_full => drop(self.dropped.fetch_add(1, Relaxed)),
            Entry::Vacant(place) => drop(place.insert(of)),
        }
    }
}

impl Gathered {
    /// Writes all that there is. What cannot be written now stays for the next time.
    async fn write(&mut self, keys: &dyn ApiKeys) {
        while !self.last.is_empty() {
            let some: Vec<KeyUse> = self.last.values().take(AT_ONCE).cloned().collect();
            let written = tokio::time::timeout(STORE_ANSWERS_WITHIN, keys.used(&some)).await;
            if !matches!(written, Ok(Ok(()))) {
                if !self.fails {
                    tracing::warn!("cannot record the last use of API keys; it is tried again");
                }
                self.fails = true;
                return;
            }
            self.fails = false;
            some.iter().for_each(|of| drop(self.last.remove(&of.id)));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{KeyUses, REMEMBERED, WAITING, WRITTEN_EVERY};
    use crate::test_support::api_key;
    use haechi_core::Timestamp;
    use haechi_core::ports::KeyUse;
    use haechi_testkit::{Fault, FaultyStore};
    use std::collections::HashMap;
    use std::sync::Arc;

    fn at(seconds: i64) -> Timestamp {
        Timestamp::from_seconds(1_800_000_000 + seconds)
    }

    fn of(id: &str, seconds: i64) -> KeyUse {
        KeyUse { id: id.into(), at: at(seconds), from: [192, 0, 2, 1].into() }
    }

    async fn world(ids: &[&str]) -> (Arc<FaultyStore>, Arc<KeyUses>) {
        let (store, uses) = (FaultyStore::new(), Arc::new(KeyUses::default()));
        for (n, id) in (1..).zip(ids) {
            let mut key = api_key(&[n; 32], at(0));
            key.id = (*id).into();
            store.inner().api_keys.add(&key).await.unwrap();
        }
        tokio::spawn(uses.clone().follow(store.clone()));
        (store, uses)
    }

    async fn last_used(store: &FaultyStore, id: &str) -> Option<Timestamp> {
        store.inner().api_keys.by_id(id).await.unwrap().unwrap().last_used_at
    }

    #[tokio::test(start_paused = true)]
    async fn many_uses_are_one_question_to_the_store() {
        let (store, uses) = world(&["a", "b"]).await;
        tokio::task::yield_now().await;
        let before = store.asked();
        (0..100).for_each(|n| uses.note(of(if n % 2 == 0 { "a" } else { "b" }, n)));
        tokio::time::sleep(WRITTEN_EVERY * 2).await;
        assert_eq!(store.asked(), before + 1);
        assert_eq!(last_used(&store, "b").await, Some(at(60)));
    }

    #[tokio::test(start_paused = true)]
    async fn the_end_of_the_process_loses_nothing() {
        let (store, uses) = world(&["a"]).await;
        uses.note(of("a", 60));
        uses.written().await;
        assert_eq!(last_used(&store, "a").await, Some(at(60)));
    }

    #[tokio::test(start_paused = true)]
    async fn a_store_that_is_away_is_told_later() {
        let (store, uses) = world(&["a"]).await;
        for fault in [Fault::Fails, Fault::Hangs] {
            store.set_fault(fault);
            uses.note(of("a", 60));
            uses.written().await;
            assert_eq!(last_used(&store, "a").await, None);
        }
        store.set_fault(Fault::None);
        tokio::time::sleep(WRITTEN_EVERY).await;
        assert_eq!(last_used(&store, "a").await, Some(at(60)));
    }

    #[tokio::test]
    async fn neither_what_waits_nor_what_is_remembered_grows_without_end() {
        let uses = KeyUses::default();
        (0..WAITING + 7).for_each(|n| uses.note(of("a", n as i64)));
        assert_eq!(uses.dropped(), 7);
        let mut last = HashMap::new();
        (0..REMEMBERED + 5).for_each(|n| uses.gather(&mut last, of(&n.to_string(), 1)));
        assert_eq!((last.len(), uses.dropped()), (REMEMBERED, 12));
        uses.gather(&mut last, of("0", 9));
        uses.gather(&mut last, of("0", 3));
        assert_eq!(last["0"].at, at(9), "of one that is remembered the last counts");
    }
}

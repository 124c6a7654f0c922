//! A copy of the store's log of changes, which nodes read instead of the store.
//!
//! One node at a time brings it up to date, twice a second: whoever finds it late and comes first. It takes what the store says after the copy's own
//! epoch, so that it does not matter who it is, and what two of them do at once comes to the same. Whoever reads is told how old the copy is.
//! Nothing is believed of a copy that was lost, cut off, or begun anew: who finds that asks the store.

use crate::link::Link;
use haechi_core::Timestamp;
use haechi_core::ports::{Change, Changes, Revocations, SharedStateError, StoreError};
use redis::Script;
use std::sync::atomic::Ordering::Relaxed;
use std::sync::atomic::{AtomicBool, AtomicU64};
use std::sync::{Arc, LazyLock, Mutex, PoisonError};
use std::time::Duration;
use tokio::time::Instant;

/// How often the copy is brought up to date.
const FEED_EVERY: Duration = Duration::from_millis(500);
/// A copy that was not brought up to date for so long is anybody's to bring up to date.
const OVERDUE: Duration = Duration::from_secs(1);
/// For so long nobody else does while one says it will.
const CLAIM: Duration = Duration::from_millis(1500);
/// A copy that is older is not used: what depends on it would soon be 503 (five seconds).
const USABLE: Duration = Duration::from_millis(2500);
/// How long an answer about the copy may take.
const PATIENCE: Duration = Duration::from_secs(1);
/// How long the store may take.
const STORE_PATIENCE: Duration = Duration::from_secs(2);
/// Entries that are added at once; they count as one epoch.
const AT_ONCE: usize = 200;
/// Entries that are read at once: more than are added at once.
const READ_AT_ONCE: usize = 1_000;
/// Entries that are kept: about 5 MB. Who knows less than they tell asks the store.
const KEPT: usize = 50_000;
/// How many times one begins again because another was faster.
const TRIES: usize = 3;

static READ: LazyLock<Script> = LazyLock::new(|| Script::new(include_str!("feed_read.lua")));
static APPEND: LazyLock<Script> = LazyLock::new(|| Script::new(include_str!("feed_append.lua")));

/// The copy, and the store behind it.
pub(crate) struct Feed {
    link: Arc<Link>,
    store: Arc<dyn Revocations>,
    known: Mutex<Known>,
    /// Whether this node brings the copy up to date.
    feeding: AtomicBool,
    pub(crate) from_copy: AtomicU64,
    pub(crate) from_store: AtomicU64,
}

/// What this node knows of the copy.
#[derive(Default)]
struct Known {
    /// Which one it follows.
    id: String,
    /// When it was last confirmed, by the server's clock, and when this node first saw that: the server's clock may be set.
    confirmed: u64,
    seen: Option<Instant>,
}

/// What the copy says.
struct Copy {
    now: u64,
    /// Whether this node is to bring it up to date.
    mine: bool,
    id: String,
    epoch: u64,
    floor: u64,
    confirmed: u64,
    /// Each with its epoch.
    entries: Vec<(String, u64)>,
}

impl Feed {
    pub(crate) fn new(link: Arc<Link>, store: Arc<dyn Revocations>) -> Self {
        Self {
            link,
            store,
            known: Mutex::default(),
            feeding: AtomicBool::new(false),
            from_copy: AtomicU64::new(0),
            from_store: AtomicU64::new(0),
        }
    }

    pub(crate) fn link(&self) -> &Link {
        &self.link
    }

    pub(crate) fn store(&self) -> &Arc<dyn Revocations> {
        &self.store
    }

    /// Whether what only one node needs to do is for this one.
    pub(crate) fn is_first(&self) -> bool {
        self.feeding.load(Relaxed) || !self.link.answers()
    }

    /// What happened after `since`, and how old that is; of the copy where it can tell, else of the store.
    pub(crate) async fn since(
        self: &Arc<Self>,
        since: u64,
        limit: usize,
    ) -> Result<(Changes, Duration), StoreError> {
        if let Some(answer) = self.copied(since).await {
            self.from_copy.fetch_add(1, Relaxed);
            return Ok(answer);
        }
        self.from_store.fetch_add(1, Relaxed);
        Ok((self.store.changes_since(since, limit).await?, Duration::ZERO))
    }

    /// `None` where the copy cannot tell.
    async fn copied(self: &Arc<Self>, since: u64) -> Option<(Changes, Duration)> {
        if !self.link.answers() {
            return None;
        }
        let id = self.known().id.clone();
        let copy = self.read(&id, since, OVERDUE).await.ok()?;
        if copy.mine && !self.feeding.swap(true, Relaxed) {
            tokio::spawn(self.clone().feed());
        }
        let age = self.age(&copy);
        if copy.id != id {
            self.known().id.clone_from(&copy.id);
            return None;
        }
        if id.is_empty() || since < copy.floor || since > copy.epoch || age > USABLE {
            return None;
        }
        Some((copy.changes()?, age))
    }

    /// How old the copy is, at least. Clocks may be set, and then nobody knows.
    fn age(&self, copy: &Copy) -> Duration {
        let mut known = self.known();
        if known.confirmed != copy.confirmed || known.seen.is_none() {
            known.confirmed = copy.confirmed;
            known.seen = Some(Instant::now());
        }
        let waited = known.seen.map(|seen| seen.elapsed()).unwrap_or_default();
        match copy.now.checked_sub(copy.confirmed) {
            Some(age) => Duration::from_micros(age).max(waited),
            None => Duration::MAX,
        }
    }

    fn known(&self) -> std::sync::MutexGuard<'_, Known> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Brings the copy up to date again and again, until another does or it cannot be done here.
    async fn feed(self: Arc<Self>) {
        let ended = Ended(&self.feeding);
        while let Ok(copy) = self.read("", 0, Duration::ZERO).await {
            if !copy.mine {
                return;
            }
            if let Err(error) = self.bring_up_to_date(copy).await {
                tracing::debug!(%error, "cannot bring the shared log of changes up to date");
                // Another node may reach the store.
                self.link.delete(&self.claim()).await;
                return;
            }
            tokio::time::sleep(FEED_EVERY).await;
        }
        drop(ended);
    }

    async fn bring_up_to_date(&self, copy: Copy) -> Result<(), StoreError> {
        let Copy { now: began, id, mut epoch, .. } = copy;
        for _ in 0..TRIES.saturating_mul(KEPT / AT_ONCE) {
            if id.is_empty() {
                return self.begin_anew(&id, began).await;
            }
            let page = in_time(self.store.changes_since(epoch, AT_ONCE)).await?;
            if !page.follows(epoch) {
                return self.begin_anew(&id, began).await;
            }
            let is_last = page.epoch >= page.newest;
            let step = Step { from: epoch, to: page.epoch, confirmed: if is_last { began } else { 0 } };
            if !self.append((&id, &id), &step, &page.changes).await? || is_last {
                // Where another was faster it has done the same.
                return Ok(());
            }
            epoch = page.epoch;
        }
        Ok(())
    }

    /// An empty copy, for what comes after the store's newest epoch.
    async fn begin_anew(&self, before: &str, began: u64) -> Result<(), StoreError> {
        let newest = in_time(self.store.epoch()).await?;
        let id = format!("{:016x}", fastrand::u64(..));
        let step = Step { from: newest, to: newest, confirmed: began };
        self.append((before, &id), &step, &[]).await.map(drop)
    }

    async fn read(&self, id: &str, since: u64, overdue: Duration) -> Result<Copy, SharedStateError> {
        let mut call = READ.key(self.log());
        call.key(self.claim()).arg(id).arg(since).arg(READ_AT_ONCE).arg(self.link.node());
        call.arg(millis(overdue)).arg(millis(CLAIM));
        let (head, entries): (Head, Vec<String>) = split(self.link.call(&call, PATIENCE).await?)
            .ok_or_else(|| SharedStateError("the log of changes is unreadable".into()))?;
        let (now, mine, id, epoch, floor, confirmed) = head;
        let with_epoch = |entry: String| {
            let epoch = entry.split(' ').next()?.parse().ok()?;
            Some((entry, epoch))
        };
        let entries: Option<Vec<_>> = entries.into_iter().map(with_epoch).collect();
        let entries = entries.ok_or_else(|| SharedStateError("the log of changes is unreadable".into()))?;
        Ok(Copy { now, mine, id, epoch, floor, confirmed, entries })
    }

    /// Whether the copy was still the one that the step is for.
    async fn append(
        &self,
        (before, id): (&str, &str),
        step: &Step,
        changes: &[Change],
    ) -> Result<bool, StoreError> {
        let mut call = APPEND.key(self.log());
        call.arg(before).arg(id).arg(step.from).arg(step.to).arg(step.confirmed).arg(KEPT);
        call.arg(self.link.channel());
        for change in changes {
            call.arg(written(change));
        }
        let done: Result<u8, _> = self.link.call(&call, PATIENCE).await;
        done.map(|done| done == 1).map_err(|SharedStateError(reason)| StoreError::Unavailable(reason))
    }

    fn log(&self) -> String {
        self.link.key("changes")
    }

    fn claim(&self) -> String {
        self.link.key("changes:by")
    }
}

/// From which epoch to which, and when the store said that there was nothing later (0 where it did not).
struct Step {
    from: u64,
    to: u64,
    confirmed: u64,
}

impl Copy {
    /// `None` where an entry cannot be read: a node of a newer version wrote it.
    fn changes(&self) -> Option<Changes> {
        let whole = self.entries.len() < READ_AT_ONCE;
        let last = self.entries.last().map_or(self.epoch, |(_, epoch)| *epoch);
        // Of the last epoch there may be more than was read.
        let wanted = |epoch: u64| whole || epoch < last;
        let entries = self.entries.iter().filter(|(_, epoch)| wanted(*epoch));
        let known = entries.clone().map(|(_, epoch)| *epoch).max();
        let changes = entries.map(|(entry, _)| read(entry)).collect::<Option<_>>()?;
        let epoch = if whole { self.epoch } else { known? };
        Some(Changes { changes, epoch, newest: self.epoch, forgotten: 0 })
    }
}

type Head = (u64, bool, String, u64, u64, u64);

fn split(mut answer: Vec<String>) -> Option<(Head, Vec<String>)> {
    let entries = answer.split_off(answer.len().min(6));
    let [now, mine, id, epoch, floor, confirmed] = <[String; 6]>::try_from(answer).ok()?;
    let number = |text: &str| text.parse::<u64>().ok();
    let head = (number(&now)?, mine == "1", id, number(&epoch)?, number(&floor)?, number(&confirmed)?);
    Some((head, entries))
}

/// `KIND UNTIL ID`, the milliseconds of `UNTIL` being `-` where there are none.
fn written(change: &Change) -> String {
    let (kind, id) = change.subject();
    let until = change.until().map_or_else(|| "-".to_owned(), |until| until.as_millis().to_string());
    format!("{kind} {until} {id}")
}

/// What stands behind the two numbers that make an entry one of its kind.
fn read(entry: &str) -> Option<Change> {
    let mut parts = entry.splitn(5, ' ').skip(2);
    let (kind, until, id) = (parts.next()?, parts.next()?, parts.next()?);
    let until = match until {
        "-" => None,
        millis => Some(Timestamp::from_millis(millis.parse().ok()?)),
    };
    Change::to((kind, id), until)
}

struct Ended<'a>(&'a AtomicBool);

impl Drop for Ended<'_> {
    fn drop(&mut self) {
        self.0.store(false, Relaxed);
    }
}

async fn in_time<T>(answer: haechi_core::ports::Stored<'_, T>) -> Result<T, StoreError> {
    let answer = tokio::time::timeout(STORE_PATIENCE, answer).await;
    answer.unwrap_or_else(|_| Err(StoreError::Unavailable("no answer in time".into())))
}

fn millis(span: Duration) -> u64 {
    u64::try_from(span.as_millis()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::{Copy, READ_AT_ONCE, read, written};
    use haechi_core::Timestamp;
    use haechi_core::ports::{Change, Revoked};

    fn copy(entries: Vec<(String, u64)>) -> Copy {
        Copy { now: 9, mine: false, id: "a".into(), epoch: 9_999, floor: 0, confirmed: 9, entries }
    }

    #[test]
    fn a_change_is_read_as_it_was_written() {
        for change in [
            Change::Revoked { what: Revoked::Token("a b  c".into()), until: Timestamp::from_millis(7) },
            Change::User("alice smith".into()),
            Change::ApiKey(String::new()),
        ] {
            assert_eq!(read(&format!("17 8 {}", written(&change))), Some(change));
        }
        for unknown in ["", "17 8 planet - x", "17 8 session - x", "17 8 token x y", "17 8 user"] {
            assert_eq!(read(unknown), None, "{unknown}");
        }
    }

    #[test]
    fn an_epoch_that_may_have_been_cut_is_left_for_the_next_question() {
        let entry = |n: usize| (format!("1 {n} user - u{n}"), u64::try_from(n / 200 + 1).unwrap());
        let part = copy((0..READ_AT_ONCE).map(entry).collect()).changes().unwrap();
        assert_eq!((part.changes.len(), part.epoch, part.newest), (800, 4, 9_999));
        let whole = copy((0..7).map(entry).collect()).changes().unwrap();
        assert_eq!((whole.changes.len(), whole.epoch), (7, 9_999));
        assert!(copy(vec![("1 8 planet - x".into(), 1)]).changes().is_none());
    }
}

//! Background tasks that are started again when they end.
//!
//! A task that keeps something current (keys, revocations, health, files) and panics would otherwise be gone without anybody noticing, and what it
//! kept current would grow old. Here it is started again, after a pause that doubles; who asks is told; and a task that ends several times
//! a minute ends the process, for whoever supervises that.

use std::collections::{BTreeMap, VecDeque};
use std::future::Future;
use std::sync::{Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::Duration;
use tokio::runtime::Handle;
use tokio::task::{AbortHandle, JoinHandle};
use tokio::time::Instant;

/// Before a task is started again: doubling from the first to the last.
const PAUSE: (Duration, Duration) = (Duration::from_secs(1), Duration::from_secs(60));
/// A task that ran for so long had started well.
const STEADY: Duration = Duration::from_secs(60);
/// So many ends of one kind of task within [`WITHIN`] are no accident.
const HOPELESS: usize = 5;
const WITHIN: Duration = Duration::from_secs(60);

static KINDS: Mutex<BTreeMap<&'static str, Kind>> = Mutex::new(BTreeMap::new());
static GIVE_UP: OnceLock<fn(&'static str)> = OnceLock::new();

/// What is known of all tasks of one kind.
#[derive(Default)]
struct Kind {
    restarts: u64,
    /// When tasks ended, within [`WITHIN`].
    ends: VecDeque<Instant>,
    /// How many stand still before they are started again.
    down: usize,
}

/// Numbers for metrics and readiness.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TaskStats {
    /// What the tasks do.
    pub kind: &'static str,
    /// How many times one of them was started again.
    pub restarts: u64,
    /// How many do not run at the moment.
    pub down: usize,
}

/// Runs the task that `make` makes on `control`, and another one whenever it ends, until it is aborted or the runtime ends. `kind` says what it
/// does, for people.
pub fn supervise<F>(
    control: &Handle,
    kind: &'static str,
    make: impl FnMut() -> F + Send + 'static,
) -> AbortHandle
where
    F: Future<Output = ()> + Send + 'static,
{
    kinds().entry(kind).or_default();
    control.spawn(run(kind, make)).abort_handle()
}

/// What is done when tasks of a kind end again and again. For the program; others go on trying.
pub fn on_hopeless(give_up: fn(&'static str)) {
    // Said once.
    let _ = GIVE_UP.set(give_up);
}

/// Every kind of task that was ever started.
pub fn stats() -> Vec<TaskStats> {
    let stats = |(kind, known): (&&'static str, &Kind)| TaskStats {
        kind,
        restarts: known.restarts,
        down: known.down,
    };
    kinds().iter().map(stats).collect()
}

async fn run<F>(kind: &'static str, mut make: impl FnMut() -> F)
where
    F: Future<Output = ()> + Send + 'static,
{
    let mut pause = PAUSE.0;
    loop {
        let began = Instant::now();
        // A task of its own, so that a panic ends it and not this one.
        let mut task = Ended(tokio::spawn(make()));
        let how = match (&mut task.0).await {
            Ok(()) => "it ended",
            Err(error) if error.is_panic() => "it panicked",
            // The runtime ends.
            Err(_) => return,
        };
        if began.elapsed() >= STEADY {
            pause = PAUSE.0;
        }
        tracing::error!(task = kind, how, again_in = ?pause, "a background task stopped unexpectedly and is started again");
        let down = Down::note(kind);
        tokio::time::sleep(pause).await;
        drop(down);
        pause = (pause * 2).min(PAUSE.1);
    }
}

/// Whoever aborts the supervisor means the task.
struct Ended(JoinHandle<()>);

impl Drop for Ended {
    fn drop(&mut self) {
        self.0.abort();
    }
}

/// A task stands still.
struct Down(&'static str);

impl Down {
    fn note(kind: &'static str) -> Self {
        let now = Instant::now();
        let mut kinds = kinds();
        let known = kinds.entry(kind).or_default();
        known.down += 1;
        known.ends.push_back(now);
        while known.ends.front().is_some_and(|end| now.duration_since(*end) > WITHIN) {
            known.ends.pop_front();
        }
        let hopeless = known.ends.len() >= HOPELESS;
        drop(kinds);
        if let Some(give_up) = GIVE_UP.get().filter(|_| hopeless) {
            give_up(kind);
        }
        Self(kind)
    }
}

impl Drop for Down {
    fn drop(&mut self) {
        if let Some(known) = kinds().get_mut(self.0) {
            known.down = known.down.saturating_sub(1);
            known.restarts += 1;
        }
    }
}

fn kinds() -> MutexGuard<'static, BTreeMap<&'static str, Kind>> {
    KINDS.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::{TaskStats, on_hopeless, stats, supervise};
    use std::sync::Arc;
    use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering::SeqCst};
    use std::time::Duration;
    use tokio::runtime::Handle;

    fn of(kind: &str) -> TaskStats {
        stats().into_iter().find(|stats| stats.kind == kind).unwrap()
    }

    async fn until(mut holds: impl FnMut() -> bool) {
        let wait = async {
            while !holds() {
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
        };
        tokio::time::timeout(Duration::from_secs(600), wait).await.unwrap();
    }

    #[tokio::test(start_paused = true)]
    async fn what_panics_or_ends_is_started_again() {
        let runs = Arc::new(AtomicUsize::new(0));
        let task = supervise(&Handle::current(), "test: restarted", {
            let runs = runs.clone();
            move || {
                let run = runs.fetch_add(1, SeqCst);
                async move {
                    match run {
                        0 => panic!("as intended"),
                        1 => {}
                        _ => std::future::pending().await,
                    }
                }
            }
        });
        until(|| of("test: restarted").down == 1).await;
        until(|| runs.load(SeqCst) == 3).await;
        assert_eq!(of("test: restarted"), TaskStats { kind: "test: restarted", restarts: 2, down: 0 });
        task.abort();
    }

    #[tokio::test(start_paused = true)]
    async fn who_aborts_it_ends_the_task() {
        struct Alive(Arc<AtomicBool>);
        impl Drop for Alive {
            fn drop(&mut self) {
                self.0.store(false, SeqCst);
            }
        }
        let alive = Arc::new(AtomicBool::new(false));
        let task = supervise(&Handle::current(), "test: aborted", {
            let alive = alive.clone();
            move || {
                alive.store(true, SeqCst);
                let held = Alive(alive.clone());
                async move {
                    let _held = held;
                    std::future::pending().await
                }
            }
        });
        until(|| alive.load(SeqCst)).await;
        task.abort();
        until(|| !alive.load(SeqCst)).await;
    }

    #[tokio::test(start_paused = true)]
    async fn what_ends_again_and_again_is_given_up() {
        static GIVEN_UP: AtomicBool = AtomicBool::new(false);
        on_hopeless(|kind| {
            if kind == "test: hopeless" {
                GIVEN_UP.store(true, SeqCst);
            }
        });
        let task = supervise(&Handle::current(), "test: hopeless", || async { panic!("as intended") });
        until(|| GIVEN_UP.load(SeqCst)).await;
        assert_eq!(of("test: hopeless").restarts, 4);
        task.abort();
    }
}

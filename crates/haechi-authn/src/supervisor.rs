//! Supervises background tasks: starts them again, with backoff, when they end or panic.
//!
//! A task that keeps something current (keys, revocations, health, files) and panics would otherwise be gone without anybody noticing, and what it
//! kept current would grow old. Here it is started again, after a pause that doubles; who asks is told; and a task that ends several times
//! a minute ends the process, for whoever supervises that.

use std::collections::{BTreeMap, VecDeque};
use std::future::Future;
use std::io;
use std::ops::ControlFlow;
use std::panic::{AssertUnwindSafe, catch_unwind};
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
    mut make: impl FnMut() -> F + Send + 'static,
) -> AbortHandle
where
    F: Future<Output = ()> + Send + 'static,
{
    let endless = move || {
        let task = make();
        async move {
            task.await;
            ControlFlow::Continue(())
        }
    };
    supervise_until_done(control, kind, endless).abort_handle()
}

/// The same for a task that can be done: it says so by `Break`, and only then the handle's task ends. After `Continue`, as after a panic, it is
/// started again.
pub fn supervise_until_done<F>(
    control: &Handle,
    kind: &'static str,
    make: impl FnMut() -> F + Send + 'static,
) -> JoinHandle<()>
where
    F: Future<Output = ControlFlow<()>> + Send + 'static,
{
    kinds().entry(kind).or_default();
    control.spawn(run(kind, make))
}

/// Runs `work` on a thread of its own called `name`, and again whenever it panics, until it returns.
///
/// # Errors
/// When the thread cannot be made.
pub fn supervise_thread(
    kind: &'static str,
    name: &str,
    mut work: impl FnMut() + Send + 'static,
) -> io::Result<()> {
    kinds().entry(kind).or_default();
    let again_and_again = move || {
        let mut pauses = Pauses::new();
        loop {
            pauses.begin();
            // What a panic leaves of its state is for `work` to put in order.
            if catch_unwind(AssertUnwindSafe(&mut work)).is_ok() {
                return;
            }
            let (down, pause) = pauses.stopped(kind, "it panicked");
            std::thread::sleep(pause);
            drop(down);
        }
    };
    std::thread::Builder::new().name(name.to_owned()).spawn(again_and_again).map(drop)
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
    F: Future<Output = ControlFlow<()>> + Send + 'static,
{
    let mut pauses = Pauses::new();
    loop {
        pauses.begin();
        // A task of its own, so that a panic ends it and not this one.
        let mut task = Ended(tokio::spawn(make()));
        let how = match (&mut task.0).await {
            Ok(ControlFlow::Break(())) => return,
            Ok(ControlFlow::Continue(())) => "it ended",
            Err(error) if error.is_panic() => "it panicked",
            // The runtime ends.
            Err(_) => return,
        };
        let (down, pause) = pauses.stopped(kind, how);
        tokio::time::sleep(pause).await;
        drop(down);
    }
}

/// How long to wait before a task is started again.
struct Pauses {
    next: Duration,
    began: Instant,
}

impl Pauses {
    fn new() -> Self {
        Self { next: PAUSE.0, began: Instant::now() }
    }

    fn begin(&mut self) {
        self.began = Instant::now();
    }

    /// The task stopped: it counts as down until the first value is dropped, after the pause that is the second.
    fn stopped(&mut self, kind: &'static str, how: &'static str) -> (Down, Duration) {
        if self.began.elapsed() >= STEADY {
            self.next = PAUSE.0;
        }
        let pause = self.next;
        self.next = (pause * 2).min(PAUSE.1);
        tracing::error!(task = kind, how, again_in = ?pause, "a background task stopped unexpectedly and is started again");
        (Down::note(kind), pause)
    }
}

/// Whoever aborts the supervisor means the task.
struct Ended(JoinHandle<ControlFlow<()>>);

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
mod tests;

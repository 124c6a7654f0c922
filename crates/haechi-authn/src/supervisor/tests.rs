use super::{TaskStats, on_hopeless, stats, supervise, supervise_thread, supervise_until_done};
use std::ops::ControlFlow;
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

#[tokio::test(start_paused = true)]
async fn what_is_done_is_not_started_again() {
    let runs = Arc::new(AtomicUsize::new(0));
    let task = supervise_until_done(&Handle::current(), "test: done", {
        let runs = runs.clone();
        move || {
            let run = runs.fetch_add(1, SeqCst);
            async move {
                match run {
                    0 => panic!("as intended"),
                    1 => ControlFlow::Continue(()),
                    _ => ControlFlow::Break(()),
                }
            }
        }
    });
    task.await.unwrap();
    assert_eq!(runs.load(SeqCst), 3);
    assert_eq!(of("test: done"), TaskStats { kind: "test: done", restarts: 2, down: 0 });
}

#[test]
fn a_thread_that_panics_is_started_again_and_one_that_returns_is_not() {
    let (told, runs) = std::sync::mpsc::channel();
    let mut run = 0;
    let work = move || {
        run += 1;
        told.send(run).unwrap();
        assert!(run > 1, "as intended");
    };
    supervise_thread("test: thread", "test-thread", work).unwrap();
    // The sender goes with the thread.
    assert_eq!(runs.iter().collect::<Vec<_>>(), [1, 2]);
    assert_eq!(of("test: thread"), TaskStats { kind: "test: thread", restarts: 1, down: 0 });
}

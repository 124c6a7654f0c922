//! Waiting for a condition, never for a time.

use std::time::{Duration, Instant};

/// How long a test waits for something that should happen at once. Long, because the machine may be busy; reached only by failures.
pub const PATIENCE: Duration = Duration::from_secs(20);

/// Asks `condition` again and again until it gives something or `deadline` has passed.
///
/// # Panics
/// When the deadline passes.
#[track_caller]
pub fn eventually<T>(deadline: Duration, mut condition: impl FnMut() -> Option<T>) -> T {
    let start = Instant::now();
    loop {
        if let Some(value) = condition() {
            return value;
        }
        assert!(start.elapsed() < deadline, "not within {deadline:?}");
        std::thread::sleep(Duration::from_millis(10));
    }
}

#[cfg(test)]
mod tests {
    use super::eventually;
    use std::time::Duration;

    #[test]
    fn gives_what_the_condition_gives() {
        let mut left = 3;
        let value = eventually(Duration::from_secs(5), || {
            left -= 1;
            (left == 0).then_some("done")
        });
        assert_eq!(value, "done");
    }

    #[test]
    #[should_panic(expected = "not within")]
    fn gives_up_at_the_deadline() {
        eventually::<()>(Duration::from_millis(20), || None);
    }
}

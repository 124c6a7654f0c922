//! Panic hook: where a panic was, and why as far as the program's own text says it.

use std::any::Any;
use std::backtrace::{Backtrace, BacktraceStatus};

/// From now on panics are told as events, in place of the runtime's own words, which may hold what a request brought.
pub(crate) fn tell() {
    std::panic::set_hook(Box::new(|panic| {
        let place = panic.location().map(ToString::to_string);
        // Names of functions and lines; taken only where the environment asks for it.
        let trace = Backtrace::capture();
        let trace = (trace.status() == BacktraceStatus::Captured).then(|| trace.to_string());
        tracing::error!(place, why = own_words(panic.payload()), trace, "a panic");
    }));
}

/// A message that was made while running may hold anything; one that stands in the program holds no secret.
fn own_words(payload: &(dyn Any + Send)) -> &'static str {
    payload
        .downcast_ref::<&'static str>()
        .copied()
        .unwrap_or("not told, because it may hold what a request brought")
}

#[cfg(test)]
mod tests {
    use super::own_words;
    use std::panic::catch_unwind;

    fn told(panics: impl FnOnce() + std::panic::UnwindSafe) -> &'static str {
        own_words(&*catch_unwind(panics).unwrap_err())
    }

    #[test]
    fn what_was_put_together_while_running_is_not_told() {
        let secret = std::hint::black_box("hk_secret");
        assert_eq!(told(|| panic!("a plain text")), "a plain text");
        assert!(!told(|| panic!("no such key: {secret}")).contains("hk_"));
        let failed: Result<(), &str> = std::hint::black_box(Err(secret));
        assert!(!told(|| failed.unwrap()).contains("hk_"));
    }
}

//! Runs slow calls (store, password hashing) on the control runtime, with a timeout.

use crate::Unavailable;
use std::future::Future;
use std::time::Duration;
use tokio::runtime::Handle;

/// A store that has not answered by then is not there.
pub const STORE_ANSWERS_WITHIN: Duration = Duration::from_secs(2);

/// The runtime beside the workers.
#[derive(Clone, Debug)]
pub struct Control(Handle);

impl Control {
    /// The runtime behind `handle`.
    pub const fn new(handle: Handle) -> Self {
        Self(handle)
    }

    /// Runs `question` on the control runtime and waits at most `limit` for its answer. The question goes on even when nobody waits any
    /// more, so that what it began is not left half done.
    ///
    /// # Errors
    /// [`Unavailable`] when it takes longer, panics, or the runtime ends.
    pub async fn ask<T: Send + 'static>(
        &self,
        limit: Duration,
        question: impl Future<Output = T> + Send + 'static,
    ) -> Result<T, Unavailable> {
        let task = self.0.spawn(async move { tokio::time::timeout(limit, question).await });
        match task.await {
            Ok(Ok(answer)) => Ok(answer),
            Ok(Err(_)) => Err(Unavailable::new(format!("no answer within {limit:?}"))),
            Err(_) => Err(Unavailable::new("the question broke off")),
        }
    }

    /// Runs `task` on the control runtime; nobody waits for it.
    pub fn tell(&self, task: impl Future<Output = ()> + Send + 'static) {
        drop(self.0.spawn(task));
    }
}

#[cfg(test)]
mod tests {
    use super::Control;
    use std::time::Duration;
    use tokio::runtime::Handle;

    #[tokio::test(start_paused = true)]
    async fn no_answer_is_could_not_find_out() {
        let control = Control::new(Handle::current());
        assert_eq!(control.ask(Duration::from_secs(2), async { 7 }).await, Ok(7));
        let late = control.ask(Duration::from_secs(2), std::future::pending::<()>()).await;
        assert_eq!(late.unwrap_err().reason, "no answer within 2s");
        let broken = control.ask(Duration::from_secs(2), async { panic!("as intended") }).await;
        assert_eq!(broken, Err::<(), _>(crate::Unavailable::new("the question broke off")));
    }
}

//! DNS resolution of endpoint names, on the control side. Requests use the addresses that were found last.

use super::endpoint::EndpointState;
use super::upkeep::jittered;
use haechi_core::ports::BoxFuture;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;
use tokio::time::{sleep, timeout};

/// For one question.
const PATIENCE: Duration = Duration::from_secs(5);
/// Until the next attempt, while a name has never been resolved.
const SOON: Duration = Duration::from_secs(1);

/// Asks for the addresses of a name.
pub trait Resolve: Send + Sync {
    /// All of them.
    ///
    /// # Errors
    /// When nobody could be asked, or the name has none.
    fn resolve<'a>(&'a self, host: &'a str, port: u16) -> BoxFuture<'a, io::Result<Vec<SocketAddr>>>;
}

/// Asks once. What was known stays when there is no answer.
pub(super) async fn once(state: &EndpointState, resolver: &dyn Resolve) -> bool {
    let answer = timeout(PATIENCE, resolver.resolve(state.host(), state.port())).await;
    let problem = match answer {
        Ok(Ok(addresses)) if !addresses.is_empty() => {
            state.resolved(addresses);
            return true;
        }
        Ok(Ok(_)) => "it has no address".to_owned(),
        Ok(Err(error)) => error.to_string(),
        Err(_) => "no answer in time".to_owned(),
    };
    let known = state.addresses().len();
    tracing::warn!(service = %state.service(), endpoint = %state, %problem, known, "cannot resolve the endpoint's name");
    false
}

/// Asks every so often, for ever.
pub(super) async fn again_and_again(state: Arc<EndpointState>, resolver: Arc<dyn Resolve>, every: Duration) {
    loop {
        let wait = if state.addresses().is_empty() { every.min(SOON) } else { every };
        sleep(jittered(wait)).await;
        once(&state, &*resolver).await;
    }
}

#[cfg(test)]
mod tests {
    use super::{Resolve, again_and_again};
    use crate::upstream::endpoint::EndpointState;
    use haechi_core::ports::BoxFuture;
    use std::io;
    use std::net::SocketAddr;
    use std::sync::{Arc, Mutex};
    use std::time::Duration;
    use tokio::time::sleep;

    /// Answers as it was last told.
    struct Book(Mutex<Option<Vec<SocketAddr>>>);

    impl Resolve for Book {
        fn resolve<'a>(&'a self, _: &'a str, _: u16) -> BoxFuture<'a, io::Result<Vec<SocketAddr>>> {
            let answer = self.0.lock().unwrap().clone();
            Box::pin(async { answer.ok_or_else(|| io::Error::other("nobody knows")) })
        }
    }

    fn address(text: &str) -> SocketAddr {
        text.parse().unwrap()
    }

    #[tokio::test(start_paused = true)]
    async fn a_name_is_asked_for_again_and_what_was_known_stays_when_nobody_answers() {
        let state = Arc::new(EndpointState::new("web".into(), "app.internal".into(), 80, None));
        let book = Arc::new(Book(Mutex::new(None)));
        let every = Duration::from_secs(10);
        let task = tokio::spawn(again_and_again(state.clone(), book.clone(), every));
        let share = || state.share(1, Duration::ZERO, || 1);
        sleep(every).await;
        assert_eq!(share(), 0, "an endpoint that nobody can find takes no requests");

        let (old, new) = (address("192.0.2.1:80"), address("192.0.2.2:80"));
        *book.0.lock().unwrap() = Some(vec![old]);
        sleep(Duration::from_secs(2)).await;
        assert!(share() > 0);
        assert_eq!(*state.addresses(), [old]);

        *book.0.lock().unwrap() = Some(vec![new, new]);
        sleep(every * 2).await;
        assert_eq!(*state.addresses(), [new]);
        assert!(state.is_at(new) && !state.is_at(old));

        for nothing in [None, Some(Vec::new())] {
            *book.0.lock().unwrap() = nothing;
            sleep(every * 2).await;
            assert_eq!(*state.addresses(), [new]);
        }
        task.abort();
    }
}

//! Single flight: whoever asks the same while it is asked waits for the same answer, and how many questions are under way is bounded.

use crate::Unavailable;
use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use tokio::sync::watch;

/// What is asked, as a SHA-256.
pub(crate) type Key = [u8; 32];

type UnderWay<T> = Mutex<HashMap<Key, watch::Receiver<Option<T>>>>;

/// Questions under way, over all workers.
pub(crate) struct SingleFlight<T> {
    most: usize,
    under_way: Arc<UnderWay<T>>,
}

/// What asking comes to.
pub(crate) enum Joined<T> {
    /// Nobody has to ask.
    Known(T),
    /// Somebody asks already.
    Waits(Answer<T>),
    /// Whoever holds this asks, for all.
    Asks(Asking<T>, Answer<T>),
    /// As many questions are under way as there may be.
    Full,
}

/// An answer that will be told.
pub(crate) struct Answer<T>(watch::Receiver<Option<T>>);

/// A question that is asked; what becomes of it, it is over when this is dropped.
pub(crate) struct Asking<T> {
    place: Place<T>,
    tell: watch::Sender<Option<T>>,
}

struct Place<T>(Arc<UnderWay<T>>, Key);

impl<T> Drop for Place<T> {
    fn drop(&mut self) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).remove(&self.1);
    }
}

impl<T: Clone> SingleFlight<T> {
    /// Room for so many questions at once.
    pub(crate) fn new(most: usize) -> Self {
        Self { most, under_way: Arc::default() }
    }

    /// Joins whoever asks `key`. Where nobody does, `known` says what need not be asked.
    pub(crate) fn join(&self, key: Key, known: impl FnOnce() -> Option<T>) -> Joined<T> {
        let mut under_way = self.under_way.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(told) = under_way.get(&key) {
            return Joined::Waits(Answer(told.clone()));
        }
        if let Some(known) = known() {
            return Joined::Known(known);
        }
        if under_way.len() >= self.most {
            return Joined::Full;
        }
        let (tell, told) = watch::channel(None);
        under_way.insert(key, told.clone());
        let place = Place(self.under_way.clone(), key);
        Joined::Asks(Asking { place, tell }, Answer(told))
    }
}

impl<T> Asking<T> {
    /// Tells all who wait. Whoever comes from here on finds what is remembered.
    pub(crate) fn tell(self, outcome: T) {
        let Self { place, tell } = self;
        drop(place);
        tell.send_replace(Some(outcome));
    }
}

impl<T: Clone> Answer<Result<T, Unavailable>> {
    /// The answer, once it is there.
    pub(crate) async fn wait(mut self) -> Result<T, Unavailable> {
        let outcome = self.0.wait_for(Option::is_some).await.ok().and_then(|told| told.clone());
        outcome.unwrap_or_else(|| Err(Unavailable::new("the question broke off")))
    }
}

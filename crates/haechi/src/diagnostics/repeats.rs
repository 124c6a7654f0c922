//! Rate limit for repeated log events: the same one at most a few times a second.

use super::dropped::DROPPED;
use std::collections::HashMap;
use std::sync::Mutex;
use std::sync::atomic::Ordering::Relaxed;
use std::time::{Duration, Instant};
use tracing::callsite::Identifier;
use tracing::{Event, Subscriber};
use tracing_subscriber::layer::{Context, Layer};

/// How often a place in the program may speak within [`WINDOW`].
const MOST: u32 = 5;
const WINDOW: Duration = Duration::from_secs(1);

/// When each place in the program began to speak, and how often since. There are as many as the program has.
#[derive(Default)]
pub(super) struct Repeats(Mutex<HashMap<Identifier, (Instant, u32)>>);

impl Repeats {
    fn lets(&self, place: Identifier, now: Instant) -> bool {
        // Whoever finds another thread here is one of many who speak at once; nobody waits.
        let Ok(mut places) = self.0.try_lock() else { return false };
        let (since, count) = places.entry(place).or_insert((now, 0));
        if now.saturating_duration_since(*since) >= WINDOW {
            (*since, *count) = (now, 0);
        }
        *count += 1;
        *count <= MOST
    }
}

impl<S: Subscriber> Layer<S> for Repeats {
    fn event_enabled(&self, event: &Event<'_>, _: Context<'_, S>) -> bool {
        let lets = self.lets(event.metadata().callsite(), Instant::now());
        if !lets {
            DROPPED.repeated.fetch_add(1, Relaxed);
        }
        lets
    }
}

#[cfg(test)]
mod tests {
    use super::{MOST, Repeats, WINDOW};
    use std::time::Instant;
    use tracing::callsite::{Callsite, DefaultCallsite};

    #[test]
    fn each_place_speaks_a_few_times_a_second() {
        let place = || tracing::callsite!(name: "a", kind: tracing::metadata::Kind::EVENT, fields: );
        let one: &'static dyn Callsite = place();
        let other: &'static dyn Callsite =
            tracing::callsite!(name: "b", kind: tracing::metadata::Kind::EVENT, fields: );
        let _: Option<&DefaultCallsite> = None;
        let (repeats, now) = (Repeats::default(), Instant::now());
        let said = |at| (0..100).filter(|_| repeats.lets(one.metadata().callsite(), at)).count();
        assert_eq!(said(now), MOST as usize);
        assert!(repeats.lets(other.metadata().callsite(), now), "another place is not silenced");
        assert_eq!(said(now + WINDOW), MOST as usize);
    }
}

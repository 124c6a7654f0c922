//! `/api/v1/decisions/stream`: decisions as they are made, as server-sent events.

use super::decisions::{client, denial, named};
use crate::call::{Asked, Nothing};
use crate::decisions::{DecisionRecord, DecisionStream, WantedDecisions};
use crate::error::AdminError;
use crate::shape::shape;
use crate::standing::{Standing, Watching};
use crate::streamed::Events;
use std::time::Duration;
use tokio::sync::mpsc::{Sender, channel};
use tokio::time::{Interval, MissedTickBehavior, interval};

/// Events that wait for a client who is slow; decisions wait before that.
const WAITING: usize = 16;
/// A comment comes so often, so that nobody on the way takes the connection for idle.
const ALIVE: Duration = Duration::from_secs(15);
/// How often it is asked whether the client still may.
const CHECKED: Duration = Duration::from_secs(3);

shape! {
    /// Which decisions.
    pub(crate) StreamQuery {
        /// Only with this outcome: `allow`, `deny` or `unavailable`.
        optional outcome: Option<String>,
        /// Only on the route of this name.
        optional route: Option<String>,
        /// Only about callers with this subject.
        optional subject: Option<String>,
        /// Only those that were denied for such a reason, as in the list.
        optional reason: Option<String>,
        /// Only of callers who came with the credential of this id, such as an API key.
        optional key: Option<String>,
        /// Only of clients at this address.
        optional address: Option<String>,
    }
}

pub(super) async fn stream(
    watching: Watching,
    asked: Asked<Nothing, StreamQuery, Nothing>,
) -> Result<Events, AdminError> {
    let StreamQuery { outcome, route, subject, reason, key, address } = asked.query;
    let wanted = WantedDecisions {
        outcome: named(outcome)?,
        route,
        subject,
        reason: denial(reason)?,
        credential: key,
        client: client(address)?,
        ..WantedDecisions::default()
    };
    let decisions = watching.look.running()?.decisions.watch(wanted).ok_or(AdminError::Busy)?;
    let (events, waiting) = channel(WAITING);
    let telling = Telling { decisions, standing: watching.standing, events, check: every(CHECKED) };
    drop(tokio::spawn(telling.tell()));
    Ok(Events(waiting))
}

struct Telling {
    decisions: Box<dyn DecisionStream>,
    standing: Standing,
    events: Sender<Vec<u8>>,
    check: Interval,
}

/// What comes next.
enum Next {
    Decided(Box<DecisionRecord>),
    Alive,
    Check,
    Over,
}

impl Telling {
    /// Until the client leaves or may no longer, or the gate ends.
    async fn tell(mut self) {
        let mut alive = every(ALIVE);
        alive.reset();
        let mut event = b": decisions as they are made\n\n".to_vec();
        loop {
            if !self.send(event).await {
                return;
            }
            event = loop {
                let next = tokio::select! {
                    decided = self.decisions.next() => {
                        decided.map_or(Next::Over, |decided| Next::Decided(Box::new(decided)))
                    }
                    _ = alive.tick() => Next::Alive,
                    _ = self.check.tick() => Next::Check,
                    () = self.events.closed() => Next::Over,
                };
                match next {
                    Next::Over => return,
                    Next::Check if self.standing.holds().await => {}
                    Next::Check => return,
                    Next::Alive => break b": alive\n\n".to_vec(),
                    Next::Decided(decided) => break self.event(&decided),
                }
            };
        }
    }

    /// Waits for room, and not longer than the client may see it.
    async fn send(&mut self, event: Vec<u8>) -> bool {
        loop {
            tokio::select! {
                room = self.events.reserve() => match room {
                    Ok(room) => {
                        room.send(event);
                        return true;
                    }
                    Err(_) => return false,
                },
                _ = self.check.tick() => {}
            }
            if !self.standing.holds().await {
                return false;
            }
        }
    }

    /// With how many were missed before it, where some were.
    fn event(&self, decided: &DecisionRecord) -> Vec<u8> {
        let mut event = String::new();
        let missed = self.decisions.missed();
        if missed > 0 {
            event.push_str(&format!("event: missed\ndata: {{\"missed\":{missed}}}\n\n"));
        }
        let data = serde_json::to_string(decided).unwrap_or_default();
        event.push_str(&format!("id: {}\nevent: decision\ndata: {data}\n\n", decided.id));
        event.into_bytes()
    }
}

fn every(period: Duration) -> Interval {
    let mut interval = interval(period);
    interval.set_missed_tick_behavior(MissedTickBehavior::Delay);
    interval
}

//! The hour before, from the counters that the gate keeps anyway: nothing else needs to run for the charts of the overview.

use crate::causes::{Cause, Causes, between, causes};
use haechi_core::Timestamp;
use maud::{Markup, html};
use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

/// A moment is remembered so often.
pub(crate) const EVERY: Duration = Duration::from_secs(10);
/// So many are a minute.
const A_MINUTE: usize = 6;
/// An hour of them.
const MOST: usize = 361;

/// What the counters said at some moment.
#[derive(Clone, Debug, PartialEq)]
struct Moment {
    at: Timestamp,
    requests: f64,
    refused: f64,
    failed: f64,
    seconds: f64,
    /// Shared with the moment before, where nothing was refused in between.
    causes: Arc<Causes>,
}

/// The moments of the last hour.
#[derive(Default)]
pub(crate) struct History(Mutex<VecDeque<Moment>>);

/// What lies between two moments, per second; the time of a request in milliseconds.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(crate) struct Rates {
    pub(crate) requests: f64,
    pub(crate) refused: f64,
    pub(crate) failed: f64,
    pub(crate) took: f64,
}

impl History {
    /// Remembers what `metrics`, in the Prometheus text format, say now.
    pub(crate) fn remember(&self, metrics: &str, at: Timestamp) {
        let mut all = self.all();
        while all.len() >= MOST {
            all.pop_front();
        }
        let mut moment = Moment::of(metrics, at);
        if let Some(before) = all.back().filter(|before| before.causes == moment.causes) {
            moment.causes = before.causes.clone();
        }
        all.push_back(moment);
    }

    /// Why requests were refused since the oldest moment, minute by minute, until `now`.
    pub(crate) fn causes(&self, now: &Causes) -> Vec<Cause> {
        let all = self.all();
        // Counted from the newest, so that a minute stays one as the oldest leave.
        let skipped = all.len().saturating_sub(1) % A_MINUTE;
        let minutes = all.front().into_iter().chain(all.iter().skip(skipped).step_by(A_MINUTE));
        let moments: Vec<&Causes> = minutes.map(|moment| &*moment.causes).chain([now]).collect();
        between(&moments)
    }

    /// One for each pair of moments, the oldest first.
    pub(crate) fn rates(&self) -> Vec<Rates> {
        let all = self.all();
        all.iter().zip(all.iter().skip(1)).map(|(before, after)| after.since(before)).collect()
    }

    fn all(&self) -> MutexGuard<'_, VecDeque<Moment>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Moment {
    fn of(metrics: &str, at: Timestamp) -> Self {
        let causes = Arc::new(causes(metrics));
        let mut found = Self { at, requests: 0.0, refused: 0.0, failed: 0.0, seconds: 0.0, causes };
        for line in metrics.lines() {
            let value =
                || line.rsplit_once(' ').and_then(|(_, value)| value.parse::<f64>().ok()).unwrap_or_default();
            if line.starts_with("haechi_http_requests_total{") {
                let count = value();
                let status = line.split_once("status=\"").map_or("", |(_, rest)| rest);
                found.requests += count;
                match status.as_bytes().first() {
                    Some(b'4') => found.refused += count,
                    Some(b'5') => found.failed += count,
                    _ => {}
                }
            } else if line.starts_with("haechi_request_duration_seconds_sum") {
                found.seconds += value();
            }
        }
        found
    }

    fn since(&self, before: &Self) -> Rates {
        let seconds = self.at.since(before.at).as_secs_f64().max(1.0);
        // Counters of a route that has left the configuration are gone: that is not less than nothing.
        let requests = (self.requests - before.requests).max(0.0);
        let took = (self.seconds - before.seconds).max(0.0) * 1000.0;
        Rates {
            requests: requests / seconds,
            refused: (self.refused - before.refused).max(0.0) / seconds,
            failed: (self.failed - before.failed).max(0.0) / seconds,
            took: if requests > 0.0 { took / requests } else { 0.0 },
        }
    }
}

/// A line of these values, with the newest and the most in words.
pub(crate) fn chart(label: &str, (now, most): (&str, &str), unit: &str, values: &[f64]) -> Markup {
    let highest = values.iter().copied().fold(0.0, f64::max);
    let last = values.last().copied().unwrap_or_default();
    let said = format!("{now} {last:.1} {unit}, {most} {highest:.1} {unit}");
    let width = MOST - 2;
    let scale = if highest > 0.0 { 48.0 / highest } else { 0.0 };
    let points: Vec<String> = values
        .iter()
        .enumerate()
        .map(|(index, value)| format!("{},{:.1}", width + 1 + index - values.len(), 49.0 - value * scale))
        .collect();
    html! {
        figure .chart {
            figcaption { b { (label) } " " span .dim { (said) } }
            svg viewBox={ "0 0 " (width) " 50" } preserveAspectRatio="none" role="img" aria-label={ (label) ": " (said) } {
                polyline points=(points.join(" ")) vector-effect="non-scaling-stroke";
            }
        }
    }
}

/// So many minutes are in the small charts.
const MINUTES: usize = 60;

/// A small chart of counts by the minute, beside their sum. Whoever does not see it is told the sum.
pub(crate) fn spark(values: &[u64]) -> Markup {
    let last = values.get(values.len().saturating_sub(MINUTES)..).unwrap_or_default();
    let highest = last.iter().copied().max().unwrap_or_default().max(1);
    let bars: Vec<String> = last
        .iter()
        .enumerate()
        .filter(|(_, value)| **value > 0)
        .map(|(index, value)| format!("M{}.5 11V{}", MINUTES - last.len() + index, 9 - (value * 9 / highest)))
        .collect();
    html! {
        svg .spark viewBox={ "0 0 " (MINUTES) " 11" } preserveAspectRatio="none" aria-hidden="true" { path d=(bars.concat()); }
    }
}

#[cfg(test)]
mod tests {
    use super::{History, MOST, chart, spark};
    use haechi_core::Timestamp;

    fn metrics(ok: u32, refused: u32, seconds: u32) -> String {
        format!(
            "# HELP haechi_http_requests_total x\nhaechi_http_requests_total{{route=\"a\",method=\"GET\",status=\"200\"}} {ok}\n\
             haechi_http_requests_total{{route=\"b\",method=\"GET\",status=\"403\"}} {refused}\n\
             haechi_request_duration_seconds_sum{{route=\"a\"}} {seconds}\n"
        )
    }

    #[test]
    fn an_hour_is_remembered_and_what_lies_between_is_told() {
        let history = History::default();
        for turn in 0..2 * MOST {
            let count = u32::try_from(turn).unwrap();
            let at = Timestamp::from_seconds(1000 + 10 * i64::from(count));
            history.remember(&metrics(20 * count, 10 * count, 3 * count), at);
        }
        let rates = history.rates();
        assert_eq!(rates.len(), MOST - 1);
        assert!(rates.iter().all(|one| one.requests == 3.0 && one.refused == 1.0 && one.failed == 0.0));
        assert!(rates.iter().all(|one| one.took == 100.0));
        // A reload that takes routes away does not count backwards.
        history.remember("", Timestamp::from_seconds(100_000));
        assert_eq!(history.rates().last().unwrap().requests, 0.0);
    }

    #[test]
    fn causes_are_told_by_the_minute_and_until_now() {
        let history = History::default();
        let at = |count: u64| format!("haechi_http_problems_total{{problem=\"forbidden\"}} {count}\n");
        for turn in 0..20 {
            history
                .remember(&at(5 + turn), Timestamp::from_seconds(1000 + 10 * i64::try_from(turn).unwrap()));
        }
        let found = history.causes(&crate::causes::causes(&at(30)));
        assert_eq!((found.len(), found[0].count), (1, 25));
        assert_eq!(found[0].spans, [1, 6, 6, 6, 6]);
        assert!(
            History::default().causes(&crate::causes::causes(&at(30))).is_empty(),
            "nothing is known of before"
        );
        let bars = "d=\"M55.5 11V8M56.5 11V0M57.5 11V0M58.5 11V0M59.5 11V0\"";
        let shown = spark(&found[0].spans).into_string();
        assert!(shown.contains(bars), "{shown}");
    }

    #[test]
    fn a_chart_stays_within_its_frame() {
        for values in [vec![], vec![0.0], vec![1.0, 5.0, 2.5], vec![1.0; MOST - 1]] {
            let shown = chart("x", ("now", "most"), "/s", &values).into_string();
            let points = shown.split("points=\"").nth(1).unwrap().split('"').next().unwrap();
            for point in points.split_whitespace() {
                let (x, y) = point.split_once(',').unwrap();
                assert!(
                    x.parse::<usize>().unwrap() < MOST && (0.0..=50.0).contains(&y.parse::<f64>().unwrap()),
                    "{point}"
                );
            }
        }
    }
}

//! Cells that one worker writes and a scrape reads: no lock, no hash, and nothing allocated once a cell is there.

use haechi_core::metrics as page;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::Duration;

/// Only one thread writes a cell, so a plain load and store is enough, and no other core's cache line is taken.
fn bump(cell: &AtomicU64, by: u64) {
    cell.store(cell.load(Relaxed).wrapping_add(by), Relaxed);
}

/// One count.
#[derive(Default)]
pub(crate) struct Total(AtomicU64);

impl Total {
    /// Once more.
    pub(crate) fn count(&self) {
        bump(&self.0, 1);
    }

    pub(super) fn show(&self, mut counter: page::Counter<'_>) {
        counter.add(&[], self.0.load(Relaxed));
    }
}

/// A number that goes up and down.
#[derive(Default)]
pub(crate) struct Level(AtomicU64);

impl Level {
    pub(crate) fn set(&self, now: usize) {
        self.0.store(now as u64, Relaxed);
    }

    pub(super) fn up(&self) {
        bump(&self.0, 1);
    }

    pub(super) fn down(&self) {
        self.0.store(self.0.load(Relaxed).saturating_sub(1), Relaxed);
    }

    pub(super) fn show(&self, mut gauge: page::Gauge<'_>) {
        gauge.add(&[], self.0.load(Relaxed) as f64);
    }
}

/// Values of labels, by which a [`Counter`] tells its counts apart. There are few of them, whatever clients send.
pub(crate) trait Labels: Copy + PartialEq {
    /// Shows the values, in the order in which the metric's labels are declared.
    fn with(&self, show: &mut dyn FnMut(&[&str]));
}

impl Labels for &'static str {
    fn with(&self, show: &mut dyn FnMut(&[&str])) {
        show(&[self]);
    }
}

/// A count for each value of its labels. They are few, so they stand in a list, in the order in which they came up; one that is there already
/// is found by walking along.
pub(crate) struct Counter<L>(OnceLock<Box<Node<L>>>);

struct Node<L> {
    labels: L,
    count: AtomicU64,
    next: Counter<L>,
}

impl<L> Default for Counter<L> {
    fn default() -> Self {
        Self(OnceLock::new())
    }
}

impl<L: Labels> Counter<L> {
    /// Once more.
    pub(crate) fn count(&self, labels: L) {
        let mut list = self;
        loop {
            let node = list.0.get_or_init(|| Node::new(labels));
            if node.labels == labels {
                return bump(&node.count, 1);
            }
            list = &node.next;
        }
    }

    /// Under the name of what it counts, where it counts for one among several.
    pub(super) fn show(&self, mut counter: page::Counter<'_>, name: &[&str]) {
        let mut list = self;
        while let Some(node) = list.0.get() {
            let count = node.count.load(Relaxed);
            node.labels.with(&mut |labels| {
                let all: Vec<&str> = name.iter().chain(labels).copied().collect();
                counter.add(&all, count);
            });
            list = &node.next;
        }
    }
}

impl<L> Node<L> {
    fn new(labels: L) -> Box<Self> {
        Box::new(Self { labels, count: AtomicU64::new(0), next: Counter::default() })
    }
}

/// Durations, counted up to each of the bounds.
pub(crate) struct Histogram<const N: usize> {
    bounds: &'static [Duration; N],
    counts: [AtomicU64; N],
    over: AtomicU64,
    /// In nanoseconds.
    sum: AtomicU64,
}

impl<const N: usize> Histogram<N> {
    pub(super) const fn new(bounds: &'static [Duration; N]) -> Self {
        let (over, sum) = (AtomicU64::new(0), AtomicU64::new(0));
        Self { bounds, counts: [const { AtomicU64::new(0) }; N], over, sum }
    }

    pub(crate) fn observe(&self, took: Duration) {
        let bucket = self.bounds.iter().zip(&self.counts).find(|(bound, _)| took <= **bound);
        bump(bucket.map_or(&self.over, |(_, count)| count), 1);
        bump(&self.sum, u64::try_from(took.as_nanos()).unwrap_or(u64::MAX));
    }

    /// Under the name of what it counts, where it counts for one among several; such a one is shown once there is something in it.
    pub(super) fn show(&self, mut histogram: page::Histogram<'_>, name: &[&str]) {
        let counts: Vec<u64> =
            self.counts.iter().chain([&self.over]).map(|count| count.load(Relaxed)).collect();
        if !name.is_empty() && counts.iter().all(|count| *count == 0) {
            return;
        }
        histogram.add(name, counts, Duration::from_nanos(self.sum.load(Relaxed)));
    }
}

#[cfg(test)]
mod tests {
    use super::{Counter, Histogram};
    use haechi_core::metrics::Page;
    use std::time::Duration;

    const BOUNDS: [Duration; 2] = [Duration::from_millis(1), Duration::from_secs(1)];

    #[test]
    fn each_value_has_a_count_of_its_own() {
        let counter = Counter::default();
        for word in ["a", "b", "a", "c", "a"] {
            counter.count(word);
        }
        let mut page = Page::default();
        counter.show(page.counter("a_total", "A", &["name", "x"]), &["n"]);
        let text = page.to_string();
        for line in ["{name=\"n\",x=\"a\"} 3", "{name=\"n\",x=\"b\"} 1", "{name=\"n\",x=\"c\"} 1"] {
            assert!(text.contains(line), "{text}");
        }
    }

    #[test]
    fn a_bound_is_inclusive_and_what_is_over_the_last_is_counted() {
        let histogram = Histogram::new(&BOUNDS);
        for micros in [1, 1_000, 1_001, 1_000_000, 1_000_001] {
            histogram.observe(Duration::from_micros(micros));
        }
        let mut page = Page::default();
        histogram.show(page.histogram("c_seconds", "C", &[], &BOUNDS), &[]);
        let text = page.to_string();
        for line in
            ["le=\"0.001\"} 2\n", "le=\"1\"} 4\n", "le=\"+Inf\"} 5\n", "_sum 2.002003\n", "_count 5\n"]
        {
            assert!(text.contains(line), "{line} is missing in\n{text}");
        }
    }

    #[test]
    fn a_histogram_of_one_among_many_is_shown_once_it_is_used() {
        let histogram = Histogram::new(&BOUNDS);
        let mut page = Page::default();
        histogram.show(page.histogram("c_seconds", "C", &["route"], &BOUNDS), &["r"]);
        assert!(!page.to_string().contains("bucket"), "{page}");
        histogram.observe(Duration::ZERO);
        histogram.show(page.histogram("c_seconds", "C", &["route"], &BOUNDS), &["r"]);
        assert!(page.to_string().contains("c_seconds_bucket{route=\"r\",le=\"0.001\"} 1\n"), "{page}");
    }
}

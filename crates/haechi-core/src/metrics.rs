//! Metrics: each is declared once, where its values are handed over, and written in the Prometheus text format.

mod text;

use std::collections::BTreeMap;
use std::time::Duration;

/// The media type of a [`Page`] as text.
pub const CONTENT_TYPE: &str = "text/plain; version=0.0.4; charset=utf-8";

/// The declaration of a metric.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Metric {
    /// `haechi_…`; that of a counter ends in `_total`, and that of a quantity in its unit.
    pub name: &'static str,
    /// What is measured, in a sentence without a full stop.
    pub help: &'static str,
    /// What can be done with its values.
    pub kind: Kind,
    /// The names of its labels, in the order in which values are given.
    pub labels: &'static [&'static str],
}

/// What can be done with a metric's values.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// It only grows.
    Counter,
    /// It goes up and down.
    Gauge,
    /// Durations, counted up to each of these bounds (inclusive, rising); one more bucket takes the rest.
    Histogram(&'static [Duration]),
}

impl Kind {
    /// The word that the text format has for it.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Counter => "counter",
            Self::Gauge => "gauge",
            Self::Histogram(_) => "histogram",
        }
    }
}

/// Port: something that has metrics.
pub trait Source: Send + Sync {
    /// Declares them, all of them, and adds what there is to tell. What has no value yet is declared all the same.
    fn show(&self, page: &mut Page);
}

/// The metrics of one moment, sorted by name. Values that are given for the same labels add up: every worker adds its own. Its text is the
/// Prometheus text format, version 0.0.4.
#[derive(Clone, Debug, Default)]
pub struct Page {
    families: BTreeMap<&'static str, Family>,
}

/// A metric and its values by those of its labels.
#[derive(Clone, Debug)]
struct Family {
    metric: Metric,
    samples: BTreeMap<Box<[Box<str>]>, Sample>,
}

#[derive(Clone, Debug)]
enum Sample {
    Counter(u64),
    Gauge(f64),
    /// One count for each bound and one for the rest, not cumulated.
    Histogram {
        counts: Vec<u64>,
        sum: Duration,
    },
}

impl Page {
    /// Declares a counter.
    pub fn counter(
        &mut self,
        name: &'static str,
        help: &'static str,
        labels: &'static [&'static str],
    ) -> Counter<'_> {
        Counter(self.family(Metric { name, help, kind: Kind::Counter, labels }))
    }

    /// Declares a gauge.
    pub fn gauge(
        &mut self,
        name: &'static str,
        help: &'static str,
        labels: &'static [&'static str],
    ) -> Gauge<'_> {
        Gauge(self.family(Metric { name, help, kind: Kind::Gauge, labels }))
    }

    /// Declares a histogram of durations with these bounds.
    pub fn histogram(
        &mut self,
        name: &'static str,
        help: &'static str,
        labels: &'static [&'static str],
        bounds: &'static [Duration],
    ) -> Histogram<'_> {
        Histogram(self.family(Metric { name, help, kind: Kind::Histogram(bounds), labels }))
    }

    /// What was declared, sorted by name.
    pub fn metrics(&self) -> impl Iterator<Item = &Metric> {
        self.families.values().map(|family| &family.metric)
    }

    fn family(&mut self, metric: Metric) -> &mut Family {
        self.families.entry(metric.name).or_insert_with(|| Family { metric, samples: BTreeMap::new() })
    }
}

/// A counter on a page.
pub struct Counter<'a>(&'a mut Family);

impl Counter<'_> {
    /// Adds so many, under the values of its labels.
    pub fn add(&mut self, labels: &[&str], count: u64) -> &mut Self {
        self.0.add(labels, Sample::Counter(count));
        self
    }
}

/// A gauge on a page.
pub struct Gauge<'a>(&'a mut Family);

impl Gauge<'_> {
    /// Adds so much, under the values of its labels.
    pub fn add(&mut self, labels: &[&str], value: f64) -> &mut Self {
        self.0.add(labels, Sample::Gauge(value));
        self
    }

    /// It is so much, under the values of its labels, whatever was given before.
    pub fn set(&mut self, labels: &[&str], value: f64) -> &mut Self {
        self.0.samples.remove(&key(labels));
        self.add(labels, value)
    }
}

/// A histogram on a page.
pub struct Histogram<'a>(&'a mut Family);

impl Histogram<'_> {
    /// Adds what was observed under the values of its labels: how many up to each bound (and over the bound before), how many over the last,
    /// and all durations together.
    pub fn add(&mut self, labels: &[&str], counts: Vec<u64>, sum: Duration) -> &mut Self {
        self.0.add(labels, Sample::Histogram { counts, sum });
        self
    }
}

impl Family {
    fn add(&mut self, labels: &[&str], more: Sample) {
        debug_assert_eq!(labels.len(), self.metric.labels.len(), "{}", self.metric.name);
        let labels = key(labels);
        match (self.samples.get_mut(&labels), more) {
            (Some(Sample::Counter(count)), Sample::Counter(more)) => *count = count.wrapping_add(more),
            (Some(Sample::Gauge(value)), Sample::Gauge(more)) => *value += more,
            (Some(Sample::Histogram { counts, sum }), Sample::Histogram { counts: more, sum: longer }) => {
                counts.iter_mut().zip(more).for_each(|(count, more)| *count = count.wrapping_add(more));
                *sum = sum.saturating_add(longer);
            }
            // A name has one declaration, and a declaration one kind.
            (Some(_), _) => debug_assert!(false, "{} has two kinds", self.metric.name),
            (None, first) => drop(self.samples.insert(labels, first)),
        }
    }
}

fn key(labels: &[&str]) -> Box<[Box<str>]> {
    labels.iter().map(|value| Box::from(*value)).collect()
}

#[cfg(test)]
mod tests;

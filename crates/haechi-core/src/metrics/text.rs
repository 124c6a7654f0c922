//! The Prometheus text format, version 0.0.4.

use super::{Family, Kind, Page, Sample};
use std::fmt::{self, Display, Formatter, Write};
use std::time::Duration;

impl Display for Page {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        self.families.values().try_for_each(|family| family.fmt(f))
    }
}

impl Display for Family {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let name = self.metric.name;
        writeln!(f, "# HELP {name} {}", Escaped(self.metric.help, false))?;
        writeln!(f, "# TYPE {name} {}", self.metric.kind.name())?;
        for (values, sample) in &self.samples {
            let labels: Vec<Label<'_>> =
                self.metric.labels.iter().copied().zip(values.iter().map(|v| &**v)).collect();
            match sample {
                Sample::Counter(count) => writeln!(f, "{name}{} {count}", Labels(&labels, None))?,
                Sample::Gauge(value) => writeln!(f, "{name}{} {value}", Labels(&labels, None))?,
                Sample::Histogram { counts, sum } => self.histogram(f, &labels, counts, *sum)?,
            }
        }
        Ok(())
    }
}

impl Family {
    fn histogram(
        &self,
        f: &mut Formatter<'_>,
        labels: &[Label<'_>],
        counts: &[u64],
        sum: Duration,
    ) -> fmt::Result {
        let Kind::Histogram(bounds) = self.metric.kind else { return Ok(()) };
        let name = self.metric.name;
        let mut so_far = 0u64;
        let bounds = bounds.iter().map(|bound| Seconds(*bound).to_string()).chain(["+Inf".to_owned()]);
        for (bound, count) in bounds.zip(counts) {
            so_far = so_far.wrapping_add(*count);
            writeln!(f, "{name}_bucket{} {so_far}", Labels(labels, Some(&bound)))?;
        }
        writeln!(f, "{name}_sum{} {}", Labels(labels, None), Seconds(sum))?;
        writeln!(f, "{name}_count{} {so_far}", Labels(labels, None))
    }
}

/// A label's name and value.
type Label<'a> = (&'a str, &'a str);

/// Labels in braces, and the bound of a bucket among them; nothing where there are none.
struct Labels<'a>(&'a [Label<'a>], Option<&'a str>);

impl Display for Labels<'_> {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let bound = self.1.map(|bound| ("le", bound));
        let mut before = '{';
        for (name, value) in self.0.iter().copied().chain(bound) {
            write!(f, "{before}{name}=\"{}\"", Escaped(value, true))?;
            before = ',';
        }
        if before == ',' { f.write_char('}') } else { Ok(()) }
    }
}

/// Text in which no character ends the line, or, where it stands in quotes, the quotes.
struct Escaped<'a>(&'a str, bool);

impl Display for Escaped<'_> {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        for c in self.0.chars() {
            match c {
                '\\' => f.write_str("\\\\")?,
                '\n' => f.write_str("\\n")?,
                '"' if self.1 => f.write_str("\\\"")?,
                _ => f.write_char(c)?,
            }
        }
        Ok(())
    }
}

/// Seconds in decimals, to the nanosecond and without rounding.
pub(super) struct Seconds(pub(super) Duration);

impl Display for Seconds {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let decimals = format!("{:09}", self.0.subsec_nanos());
        match decimals.trim_end_matches('0') {
            "" => write!(f, "{}", self.0.as_secs()),
            decimals => write!(f, "{}.{decimals}", self.0.as_secs()),
        }
    }
}

//! So many requests in so much time, as people write it.

use serde::{Deserialize, Serialize};
use std::fmt;
use std::str::FromStr;

/// So many requests in so much time. Written `100/1m`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Quota {
    /// How many.
    pub requests: u32,
    /// In how many seconds.
    pub per_seconds: u32,
}

/// Text that is no [`Quota`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("write how many requests in how much time, such as `100/1m` or `10000/1d`; both more than 0")]
pub struct QuotaError;

/// Units and their seconds, the longest first.
const UNITS: [(&str, u32); 4] = [("d", 86_400), ("h", 3_600), ("m", 60), ("s", 1)];

impl FromStr for Quota {
    type Err = QuotaError;

    fn from_str(text: &str) -> Result<Self, QuotaError> {
        let (requests, span) = text.split_once('/').ok_or(QuotaError)?;
        let unit = |(unit, seconds): &(&str, u32)| Some((span.strip_suffix(unit)?, *seconds));
        let (count, seconds) = UNITS.iter().find_map(unit).ok_or(QuotaError)?;
        // `60/m` is what some write for `60/1m`.
        let count = if count.is_empty() { 1 } else { number(count)? };
        let per_seconds = count.checked_mul(seconds).ok_or(QuotaError)?;
        Ok(Self { requests: number(requests)?, per_seconds })
    }
}

fn number(text: &str) -> Result<u32, QuotaError> {
    let digits = text.bytes().all(|b| b.is_ascii_digit());
    text.parse().ok().filter(|number| digits && *number > 0).ok_or(QuotaError)
}

impl fmt::Display for Quota {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let whole = |(_, seconds): &&(&str, u32)| self.per_seconds.is_multiple_of(*seconds);
        let (unit, seconds) = UNITS.iter().find(whole).copied().unwrap_or(("s", 1));
        write!(f, "{}/{}{unit}", self.requests, self.per_seconds / seconds)
    }
}

#[cfg(test)]
mod tests {
    use super::{Quota, QuotaError};

    #[test]
    fn what_is_written_is_read_again() {
        for text in ["100/1m", "10000/1d", "1/1s", "4294967295/30d", "7/90s", "5/36h"] {
            assert_eq!(text.parse::<Quota>().unwrap().to_string(), text);
        }
        assert_eq!("60/m".parse(), Ok(Quota { requests: 60, per_seconds: 60 }));
        assert_eq!("1/60s".parse::<Quota>().unwrap().to_string(), "1/1m");
    }

    #[test]
    fn nothing_else_is() {
        let beyond = "1/4294967296s";
        for text in
            ["", "100", "0/1m", "1/0m", "-1/1m", "+1/1m", "1/1w", "1 /1m", "1/ 1m", "/1m", beyond, "1/99999d"]
        {
            assert_eq!(text.parse::<Quota>(), Err(QuotaError), "{text}");
        }
    }
}

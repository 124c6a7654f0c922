//! Wall-clock time, and the port through which it is read.

use serde::{Deserialize, Serialize};
use std::fmt;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// Milliseconds since 1970-01-01T00:00:00Z.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Timestamp(i64);

impl Timestamp {
    /// The last instant that can be told.
    pub const MAX: Self = Self(i64::MAX);

    /// From milliseconds since the epoch.
    pub const fn from_millis(millis: i64) -> Self {
        Self(millis)
    }

    /// From whole seconds since the epoch, as JWT's NumericDate counts them. Saturates.
    pub const fn from_seconds(seconds: i64) -> Self {
        Self(seconds.saturating_mul(1000))
    }

    /// Reads a date and time as RFC 3339 writes them in UTC, such as `2026-11-23T10:00:00Z`; `None` for what is no such text, or before 1970.
    pub fn parse(text: &str) -> Option<Self> {
        let since = humantime::parse_rfc3339(text).ok()?.duration_since(UNIX_EPOCH).ok()?;
        i64::try_from(since.as_millis()).ok().map(Self)
    }

    /// Milliseconds since the epoch.
    pub const fn as_millis(self) -> i64 {
        self.0
    }

    /// Whole seconds since the epoch, rounded down.
    pub const fn as_seconds(self) -> i64 {
        self.0.div_euclid(1000)
    }

    /// This instant moved forward. Saturates.
    #[must_use]
    pub fn plus(self, span: Duration) -> Self {
        Self(self.0.saturating_add(millis(span)))
    }

    /// This instant moved back. Saturates.
    #[must_use]
    pub fn minus(self, span: Duration) -> Self {
        Self(self.0.saturating_sub(millis(span)))
    }

    /// How long after `earlier` this instant is; zero if it is not after it.
    pub fn since(self, earlier: Self) -> Duration {
        Duration::from_millis(u64::try_from(self.0.saturating_sub(earlier.0)).unwrap_or(0))
    }

    /// As text in whole seconds: `2026-11-23T10:00:00Z` (RFC 3339). The epoch for anything before it.
    pub const fn rfc3339(self) -> Rfc3339 {
        Rfc3339 { at: self, millis: false }
    }

    /// As text in milliseconds: `2026-11-23T10:00:00.000Z`, as Cedar reads it.
    pub const fn rfc3339_millis(self) -> Rfc3339 {
        Rfc3339 { at: self, millis: true }
    }

    /// The same instant for the standard library; the epoch for anything before it.
    pub fn to_system(self) -> SystemTime {
        UNIX_EPOCH + Duration::from_millis(u64::try_from(self.0).unwrap_or(0))
    }
}

/// Writes a [`Timestamp`] in UTC.
#[derive(Clone, Copy, Debug)]
pub struct Rfc3339 {
    at: Timestamp,
    millis: bool,
}

impl fmt::Display for Rfc3339 {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let millis = self.at.0.max(0);
        let (days, seconds) = (millis / 86_400_000, millis / 1000 % 86_400);
        // The civil calendar in eras of 400 years that begin in March (Hinnant, "chrono-compatible low-level date algorithms").
        let days = days + 719_468;
        let (era, day_of_era) = (days / 146_097, days % 146_097);
        let year_of_era = (day_of_era - day_of_era / 1460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
        let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
        let month = (5 * day_of_year + 2) / 153;
        let day = day_of_year - (153 * month + 2) / 5 + 1;
        let month = if month < 10 { month + 3 } else { month - 9 };
        let year = era * 400 + year_of_era + i64::from(month <= 2);
        let (hour, minute, second) = (seconds / 3600, seconds / 60 % 60, seconds % 60);
        write!(f, "{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}")?;
        if self.millis {
            write!(f, ".{:03}", millis % 1000)?;
        }
        f.write_str("Z")
    }
}

fn millis(span: Duration) -> i64 {
    i64::try_from(span.as_millis()).unwrap_or(i64::MAX)
}

/// Where the time comes from. A port, so that tests own it.
pub trait Clock: Send + Sync {
    /// The time now, as the machine's clock is set.
    fn now(&self) -> Timestamp;

    /// How long ago some fixed moment was. Whoever sets the clock does not move it, and it goes on while the machine is suspended
    /// (`CLOCK_BOOTTIME`). Ages are differences of it.
    fn uptime(&self) -> Duration;
}

/// The machine's clock.
#[derive(Clone, Copy, Debug, Default)]
pub struct SystemClock;

impl Clock for SystemClock {
    #[expect(clippy::disallowed_methods, reason = "this is the one place that reads the machine's clock")]
    fn now(&self) -> Timestamp {
        let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        Timestamp(millis(since))
    }

    fn uptime(&self) -> Duration {
        let now = rustix::time::clock_gettime(SINCE_BOOT);
        Duration::try_from(now).unwrap_or_default()
    }
}

/// Where the system has no clock that counts suspension, the one that never goes back.
#[cfg(any(target_os = "linux", target_os = "android"))]
const SINCE_BOOT: rustix::time::ClockId = rustix::time::ClockId::Boottime;
#[cfg(not(any(target_os = "linux", target_os = "android")))]
const SINCE_BOOT: rustix::time::ClockId = rustix::time::ClockId::Monotonic;

#[cfg(test)]
mod tests {
    use super::Timestamp;

    #[test]
    fn times_are_written_as_rfc_3339() {
        for (millis, expected) in [
            (0, "1970-01-01T00:00:00.000Z"),
            (-1, "1970-01-01T00:00:00.000Z"),
            (951_782_399_999, "2000-02-28T23:59:59.999Z"),
            (951_782_400_000, "2000-02-29T00:00:00.000Z"),
            (1_709_164_800_001, "2024-02-29T00:00:00.001Z"),
            (1_764_000_000_000, "2025-11-24T16:00:00.000Z"),
            (4_107_542_400_000, "2100-03-01T00:00:00.000Z"),
            (253_402_300_799_999, "9999-12-31T23:59:59.999Z"),
            (253_402_300_800_000, "10000-01-01T00:00:00.000Z"),
        ] {
            let at = Timestamp::from_millis(millis);
            assert_eq!(at.rfc3339_millis().to_string(), expected);
            assert_eq!(at.rfc3339().to_string(), format!("{}Z", &expected[..expected.len() - 5]));
        }
    }
}

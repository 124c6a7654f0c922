//! The zone in which times are told.

use jiff::Timestamp;
use jiff::tz::{TimeZone, db};

/// A zone of the IANA database, which is in the binary; UTC unless another was chosen.
#[derive(Clone, Debug, Default)]
pub(crate) struct Zone(Option<TimeZone>);

impl Zone {
    /// The zone of this name; UTC where there is none of it.
    pub(crate) fn of(name: Option<&str>) -> Self {
        Self(
            name.and_then(|name| TimeZone::get(name).ok())
                .filter(|zone| zone.iana_name().is_some_and(is_other)),
        )
    }

    /// Its name.
    pub(crate) fn name(&self) -> &str {
        self.0.as_ref().and_then(TimeZone::iana_name).unwrap_or(UTC)
    }

    /// An instant (RFC 3339) there, and in UTC; `None` where that is the same, or it is no instant.
    pub(crate) fn told(&self, at: &str) -> Option<(String, String)> {
        let instant: Timestamp = at.parse().ok()?;
        let (here, utc) = (instant.to_zoned(self.0.clone()?), instant.to_zoned(TimeZone::UTC));
        let parts = if at.contains('.') {
            ("%F %T.%3f %:z", "%F %T.%3f UTC", "%T.%3f UTC")
        } else {
            ("%F %T %:z", "%F %T UTC", "%T UTC")
        };
        let beside = if here.date() == utc.date() { parts.2 } else { parts.1 };
        Some((here.strftime(parts.0).to_string(), utc.strftime(beside).to_string()))
    }
}

const UTC: &str = "UTC";

/// Whether it is another than UTC.
fn is_other(name: &str) -> bool {
    !["UTC", "Etc/UTC", "Zulu", "Etc/Zulu", "Universal", "Etc/Universal", "UCT", "Etc/UCT"].contains(&name)
}

/// All zones that can be chosen, UTC first.
pub(crate) fn names() -> Vec<String> {
    let all = db().available().map(|name| name.to_string());
    let mut named: Vec<String> =
        all.filter(|name| name.contains('/') && is_other(name) && !name.starts_with("Etc/")).collect();
    named.sort();
    [UTC.to_owned()].into_iter().chain(named).collect()
}

#[cfg(test)]
mod tests {
    use super::{Zone, names};

    #[test]
    fn an_instant_is_told_there_and_in_utc() {
        let seoul = Zone::of(Some("Asia/Seoul"));
        let told = |zone: &Zone, at| zone.told(at).unwrap();
        assert_eq!(
            told(&seoul, "2026-11-28T03:04:05Z"),
            ("2026-11-28 12:04:05 +09:00".into(), "03:04:05 UTC".into())
        );
        assert_eq!(
            told(&seoul, "2026-11-28T20:04:05.678Z"),
            ("2026-11-29 05:04:05.678 +09:00".into(), "2026-11-28 20:04:05.678 UTC".into())
        );
        // Across the change to summer time.
        let berlin = Zone::of(Some("Europe/Berlin"));
        assert_eq!(told(&berlin, "2026-03-29T00:59:59Z").0, "2026-03-29 01:59:59 +01:00");
        assert_eq!(told(&berlin, "2026-03-29T01:00:00Z").0, "2026-03-29 03:00:00 +02:00");
        assert_eq!(seoul.told("no time"), None);
    }

    #[test]
    fn what_is_no_zone_is_utc() {
        for name in [
            None,
            Some(""),
            Some("UTC"),
            Some("Etc/UTC"),
            Some("Nowhere/Else"),
            Some("../../etc/passwd"),
            Some("<img>"),
        ] {
            let zone = Zone::of(name);
            assert_eq!((zone.name(), zone.told("2026-11-28T03:04:05Z")), ("UTC", None), "{name:?}");
        }
        let all = names();
        assert!(all.len() > 300 && all.iter().any(|name| name == "Asia/Seoul"), "{}", all.len());
        assert!(all.iter().all(|name| Zone::of(Some(name)).name() == name));
    }
}

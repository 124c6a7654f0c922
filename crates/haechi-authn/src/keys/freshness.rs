//! Cache lifetime of a fetched key set: when it is fetched again (RFC 9111 5.2.2).

use std::time::Duration;

const LEAST: Duration = Duration::from_secs(60);
const MOST: Duration = Duration::from_secs(60 * 60);
/// For an issuer that says nothing.
const UNSAID: Duration = Duration::from_secs(10 * 60);

/// `max-age`, within one minute and one hour. What forbids caching means the least: a set is never fetched per request.
pub(super) fn of(cache_control: Option<&str>) -> Duration {
    let mut said = None;
    for directive in cache_control.into_iter().flat_map(|value| value.split(',')) {
        let (name, value) = directive.split_once('=').unwrap_or((directive, ""));
        match name.trim().to_ascii_lowercase().as_str() {
            "no-store" | "no-cache" => return LEAST,
            "max-age" => {
                let seconds = value.trim().trim_matches('"').parse().map_or(LEAST, Duration::from_secs);
                said = Some(said.map_or(seconds, |other: Duration| other.min(seconds)));
            }
            _ => {}
        }
    }
    said.unwrap_or(UNSAID).clamp(LEAST, MOST)
}

#[cfg(test)]
mod tests {
    use super::{LEAST, MOST, UNSAID, of};
    use std::time::Duration;

    #[test]
    fn max_age_is_kept_within_bounds() {
        for (value, span) in [
            ("max-age=300", Duration::from_secs(300)),
            ("public, Max-Age=\"600\", must-revalidate", Duration::from_secs(600)),
            ("max-age=300, max-age=900", Duration::from_secs(300)),
            ("max-age=0", LEAST),
            ("max-age=59", LEAST),
            ("max-age=86400", MOST),
            ("max-age=99999999999999999999999", LEAST),
            ("max-age=-1", LEAST),
            ("max-age", LEAST),
            ("no-store, max-age=300", LEAST),
            ("no-cache", LEAST),
            ("public", UNSAID),
            ("", UNSAID),
        ] {
            assert_eq!(of(Some(value)), span, "{value}");
        }
        assert_eq!(of(None), UNSAID);
    }
}

//! Origins of pages, as the configuration names them (RFC 6454 6.2; docs/browsers.md).

/// One origin, or all whose host is below a name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum OriginPattern {
    /// This one, as browsers write it.
    Exactly(Box<str>),
    /// `https://*.example.com:8443`: one label or more below the name, never the name itself.
    Below {
        /// Up to the host: `https://`.
        before: Box<str>,
        /// From the name's dot on: `.example.com:8443`.
        after: Box<str>,
    },
}

impl OriginPattern {
    /// Reads one that is written as browsers write it, with or without `*.` before its host.
    pub fn of(text: &str) -> Self {
        match text.split_once("*.") {
            Some((before, name)) => Self::Below { before: before.into(), after: format!(".{name}").into() },
            None => Self::Exactly(text.into()),
        }
    }

    /// Whether it means the origin of a request.
    pub fn means(&self, origin: &[u8]) -> bool {
        match self {
            Self::Exactly(known) => known.as_bytes() == origin,
            Self::Below { before, after } => origin
                .strip_prefix(before.as_bytes())
                .and_then(|rest| rest.strip_suffix(after.as_bytes()))
                .is_some_and(are_labels),
        }
    }
}

/// What browsers write of a host: nothing else may stand before the name, or `https://evil.example/.example.com` would be meant.
fn are_labels(text: &[u8]) -> bool {
    let legal = |b: &u8| b.is_ascii_lowercase() || b.is_ascii_digit() || matches!(b, b'-' | b'_');
    text.split(|&b| b == b'.').all(|label| !label.is_empty() && label.iter().all(legal))
}

#[cfg(test)]
mod tests {
    use super::OriginPattern;

    #[test]
    fn a_star_stands_for_labels_and_nothing_else() {
        let pattern = OriginPattern::of("https://*.preview.example.com");
        for meant in ["https://a.preview.example.com", "https://pr-17.a_b.preview.example.com"] {
            assert!(pattern.means(meant.as_bytes()), "{meant}");
        }
        for other in [
            "https://preview.example.com",
            "https://.preview.example.com",
            "https://a..preview.example.com",
            "http://a.preview.example.com",
            "https://a.preview.example.com:8443",
            "https://a.preview.example.com.evil.example",
            "https://apreview.example.com",
            "https://evil.example/.preview.example.com",
            "https://evil.example#.preview.example.com",
            "https://evil.example:1.preview.example.com",
            "https://u@a.preview.example.com",
            "https://A.preview.example.com",
            "https://*.preview.example.com",
            "null",
            "",
        ] {
            assert!(!pattern.means(other.as_bytes()), "{other}");
        }
        let with_port = OriginPattern::of("http://*.localhost:3000");
        assert!(with_port.means(b"http://app.localhost:3000") && !with_port.means(b"http://app.localhost"));
        assert!(OriginPattern::of("https://a.example").means(b"https://a.example"));
    }
}

//! Path patterns of routes: literals, `{name}`, `{name}.json`, `*`, `**` (docs/routing.md).

use crate::path::as_sent;
use crate::{CanonicalPath, Irregular};
use std::fmt;

/// One segment of a pattern.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Segment {
    /// This text and nothing else; case counts. Empty only as the last segment (`/admin/`, `/`).
    Literal(Box<str>),
    /// One segment that is not empty, known to policies by this name.
    Param(Box<str>),
    /// One segment with text before and after what is known by this name, which is not empty: `{id}:cancel`, `v{major}`.
    Mixed(Mixed),
    /// One segment that is not empty.
    Any,
    /// The rest of the path, which may be empty. Only as the last segment.
    Rest,
}

/// A parameter with text around it in its segment. Case counts.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Mixed {
    /// The text before it, canonical.
    pub before: Box<str>,
    /// The parameter's name.
    pub name: Box<str>,
    /// The text after it, canonical.
    pub after: Box<str>,
}

impl Mixed {
    /// What stands for the parameter in `segment`; `None` where the text around it is another.
    pub fn value<'a>(&self, segment: &'a str) -> Option<&'a str> {
        between(segment, &self.before, &self.after)
    }

    /// What makes one more specific than another: more text, and of as much the longer one before the parameter. Of two with the same, no segment fits both
    /// unless they are alike.
    pub const fn weight(&self) -> (usize, usize) {
        (self.before.len() + self.after.len(), self.before.len())
    }
}

/// What stands between `before` and `after` in `segment`, at least one character.
pub fn between<'a>(segment: &'a str, before: &str, after: &str) -> Option<&'a str> {
    segment.strip_prefix(before)?.strip_suffix(after).filter(|value| !value.is_empty())
}

impl Segment {
    /// Whether it takes a segment of a canonical path. [`Segment::Rest`] takes any.
    pub fn takes(&self, segment: &str) -> bool {
        match self {
            Self::Literal(text) => **text == *segment,
            Self::Mixed(mixed) => mixed.value(segment).is_some(),
            Self::Param(_) | Self::Any => !segment.is_empty(),
            Self::Rest => true,
        }
    }

    /// The parameter's name.
    fn param(&self) -> Option<&str> {
        match self {
            Self::Param(name) | Self::Mixed(Mixed { name, .. }) => Some(name),
            Self::Literal(_) | Self::Any | Self::Rest => None,
        }
    }
}

/// A route's path pattern.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PathPattern {
    text: Box<str>,
    segments: Vec<Segment>,
}

/// Why a pattern was refused.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PatternFault {
    /// Does not begin with `/`.
    #[error("a path pattern begins with `/`")]
    NotAbsolute,
    /// `**` before the end.
    #[error("`**` stands only at the end of a pattern; use `*` or `{{name}}` for one segment")]
    RestNotLast,
    /// A `*` beside other characters in one segment, or two parameters.
    #[error(
        "`{0}` mixes wildcards; a segment is a literal, `{{name}}` with or without text around it, `*` or `**`"
    )]
    Mixed(String),
    /// As another gateway would have it.
    #[error("`{written}` is another gateway's way to write it; here it is `{right}`")]
    Foreign {
        /// The segment.
        written: String,
        /// What it is here.
        right: String,
    },
    /// A parameter name that is not a Cedar identifier.
    #[error("`{0}` is not a parameter name; use letters, digits and `_`, not beginning with a digit")]
    Name(String),
    /// The same parameter twice.
    #[error("the parameter `{0}` stands twice")]
    Repeated(String),
    /// A literal that no canonical request path can have.
    #[error("`{segment}` can match no request: {why}")]
    Literal {
        /// The segment.
        segment: String,
        /// What is wrong with it.
        why: String,
    },
}

impl PathPattern {
    /// Reads a pattern.
    ///
    /// # Errors
    /// [`PatternFault`], saying what would be right.
    pub fn parse(text: &str) -> Result<Self, PatternFault> {
        let rest = text.strip_prefix('/').ok_or(PatternFault::NotAbsolute)?;
        let count = rest.split('/').count();
        let mut segments = Vec::with_capacity(count);
        for (index, part) in rest.split('/').enumerate() {
            let last = index + 1 == count;
            let segment = segment(part, last)?;
            if let Some(name) = segment.param()
                && segments.iter().any(|earlier: &Segment| earlier.param() == Some(name))
            {
                return Err(PatternFault::Repeated(name.to_owned()));
            }
            segments.push(segment);
        }
        Ok(Self { text: text.into(), segments })
    }

    /// The pattern as written.
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// The segments in order.
    pub fn segments(&self) -> &[Segment] {
        &self.segments
    }

    /// The pattern with its literals as canonical paths have them.
    pub fn canonical(&self) -> String {
        let mut text = String::with_capacity(self.text.len());
        for segment in &self.segments {
            text.push('/');
            match segment {
                Segment::Literal(literal) => text.push_str(literal),
                Segment::Param(name) => text.extend(["{", name, "}"]),
                Segment::Mixed(Mixed { before, name, after }) => text.extend([before, "{", name, "}", after]),
                Segment::Any => text.push('*'),
                Segment::Rest => text.push_str("**"),
            }
        }
        text
    }

    /// The spellings among its own literals that a route must allow by name, or no request could match.
    pub fn irregular(&self) -> Irregular {
        let of = |text: &str| {
            CanonicalPath::parse(format!("/{text}").as_bytes())
                .map_or(Irregular::NONE, |path| path.irregular())
        };
        self.segments.iter().fold(Irregular::NONE, |all, segment| match segment {
            Segment::Literal(text) => all.union(of(text)),
            Segment::Mixed(Mixed { before, after, .. }) => all.union(of(before)).union(of(after)),
            Segment::Param(_) | Segment::Any | Segment::Rest => all,
        })
    }

    /// Whether it takes any rest of a path.
    pub fn takes_any_rest(&self) -> bool {
        self.segments.last() == Some(&Segment::Rest)
    }

    /// Segments that load and are, as far as anybody can tell, meant as something else: other gateways' wildcards, which here are text that no request has. With
    /// what they would be here.
    pub fn doubtful(&self) -> impl Iterator<Item = (&str, String)> {
        self.text.split('/').filter_map(|part| Some((part, foreign(part)?)))
    }

    /// The names of the parameters in order.
    pub fn params(&self) -> impl Iterator<Item = &str> {
        self.segments.iter().filter_map(Segment::param)
    }

    /// The parameters with what stands for them in `path`, which the pattern matches: the canonical text, escapes and all.
    pub fn values<'a>(&'a self, path: &'a str) -> impl Iterator<Item = (&'a str, &'a str)> {
        let segments = path.strip_prefix('/').unwrap_or(path).split('/');
        self.segments.iter().zip(segments).filter_map(|(part, segment)| match part {
            Segment::Param(name) => Some((&**name, segment)),
            Segment::Mixed(mixed) => mixed.value(segment).map(|value| (&*mixed.name, value)),
            Segment::Literal(_) | Segment::Any | Segment::Rest => None,
        })
    }
}

fn segment(part: &str, last: bool) -> Result<Segment, PatternFault> {
    match part {
        "**" if last => return Ok(Segment::Rest),
        "**" => return Err(PatternFault::RestNotLast),
        "*" => return Ok(Segment::Any),
        "" if !last => {
            return Err(PatternFault::Literal { segment: "//".into(), why: "an empty segment".into() });
        }
        _ => {}
    }
    if !part.contains(['*', '{', '}']) {
        return literal(part).map(|text| Segment::Literal(text.into()));
    }
    let mixed = || match foreign(part) {
        Some(right) => PatternFault::Foreign { written: part.to_owned(), right },
        None => PatternFault::Mixed(part.to_owned()),
    };
    let (before, rest) = part.split_once('{').ok_or_else(mixed)?;
    let (name, after) = rest.split_once('}').ok_or_else(mixed)?;
    if [before, after].iter().any(|text| text.contains(['*', '{', '}'])) {
        return Err(mixed());
    }
    if !is_name(name) {
        return Err(match foreign(part) {
            Some(right) => PatternFault::Foreign { written: part.to_owned(), right },
            None => PatternFault::Name(name.to_owned()),
        });
    }
    if before.is_empty() && after.is_empty() {
        return Ok(Segment::Param(name.into()));
    }
    let text = |text: &str| if text.is_empty() { Ok(String::new()) } else { literal_part(text, part) };
    Ok(Segment::Mixed(Mixed { before: text(before)?.into(), name: name.into(), after: text(after)?.into() }))
}

fn is_name(name: &str) -> bool {
    name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_')
        && name.bytes().next().is_some_and(|b| !b.is_ascii_digit())
}

/// A literal segment in canonical form, whichever way it is written.
fn literal(part: &str) -> Result<String, PatternFault> {
    canonical(part).map_err(|why| PatternFault::Literal { segment: part.to_owned(), why })
}

/// Text beside a parameter. A dot there is no dot segment, because the parameter is not empty.
fn literal_part(text: &str, part: &str) -> Result<String, PatternFault> {
    let whole = canonical(&format!("x{text}x"));
    let text = whole.map(|whole| whole.get(1..whole.len().saturating_sub(1)).unwrap_or_default().to_owned());
    text.map_err(|why| PatternFault::Literal { segment: part.to_owned(), why })
}

fn canonical(text: &str) -> Result<String, String> {
    let sent = as_sent(&format!("/{text}"));
    let path = CanonicalPath::parse(sent.as_bytes()).map_err(|fault| fault.to_string())?;
    Ok(path.as_str().strip_prefix('/').unwrap_or_default().to_owned())
}

/// What a segment that another gateway would take for a wildcard is here.
fn foreign(part: &str) -> Option<String> {
    const REST: &str = "**";
    let word = |text: &str| {
        let name: String = text.chars().take_while(|c| c.is_ascii_alphanumeric() || *c == '_').collect();
        is_name(&name).then_some(name)
    };
    let param = |text: &str| word(text).map(|name| format!("{{{name}}}"));
    // `{*rest}`, `{rest...}`, `{proxy+}`, `{path=**}`, `{id:[0-9]+}`, `{id:int}`, `{id?}`.
    if let Some(inner) = part.strip_prefix('{').and_then(|rest| rest.strip_suffix('}')) {
        let rest = inner.starts_with('*')
            || inner.ends_with(['*', '+'])
            || inner.ends_with("...")
            || inner.ends_with(":path")
            || inner.ends_with(":.+");
        return match word(inner) {
            _ if rest && !inner.contains('[') => Some(REST.into()),
            Some(name) if inner.get(name.len()..).is_some_and(|rest| rest.starts_with([':', '?', '='])) => {
                Some(format!("{{{name}}}"))
            }
            _ => None,
        };
    }
    // Express, Gin, Rails: `:id`, `:id?`, `:path*`, `*path`.
    if let Some(name) = part.strip_prefix(':') {
        return if name.ends_with(['*', '+']) { Some(REST.into()) } else { param(name) };
    }
    if part.strip_prefix('*').is_some_and(is_name) {
        return Some(REST.into());
    }
    // Flask: `<id>`, `<int:id>`, `<path:rest>`.
    if let Some(inner) = part.strip_prefix('<').and_then(|rest| rest.strip_suffix('>')) {
        return match inner.split_once(':') {
            Some(("path", _)) => Some(REST.into()),
            Some((_, name)) => param(name),
            None => param(inner),
        };
    }
    // Regular expressions, and Go's and Bazel's `...`.
    match part {
        "..." | ".*" | ".+" | "(.*)" | "(.+)" | ".*$" | ".+$" | "(.*)$" | "(.+)$" => Some(REST.into()),
        "[^/]+" | "[^/]*" | "([^/]+)" | "([^/]*)" | "[^" | "([^" | "]+" | "]*" | "]+)" | "]*)" => {
            Some("{name}".into())
        }
        _ if part.starts_with('(') && part.contains(')') => Some("{name}".into()),
        _ if part.starts_with('[') && part.contains(']') && part.ends_with(['+', '*', '}', '$']) => {
            Some("{name}".into())
        }
        _ => part.strip_suffix('$').filter(|text| !text.is_empty()).map(|text| format!("{text}` without `$")),
    }
}

impl fmt::Display for PathPattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

#[cfg(test)]
mod tests {
    use super::{PathPattern, PatternFault, Segment};

    #[test]
    fn segments_are_told_apart() {
        let pattern = PathPattern::parse("/tenants/{tenant}/*/**").unwrap();
        assert_eq!(
            pattern.segments(),
            [
                Segment::Literal("tenants".into()),
                Segment::Param("tenant".into()),
                Segment::Any,
                Segment::Rest
            ]
        );
        assert_eq!(pattern.params().collect::<Vec<_>>(), ["tenant"]);
        assert_eq!(PathPattern::parse("/").unwrap().segments(), [Segment::Literal("".into())]);
    }

    #[test]
    fn faults_say_what_is_wrong() {
        assert_eq!(PathPattern::parse("a"), Err(PatternFault::NotAbsolute));
        assert_eq!(PathPattern::parse("/**/a"), Err(PatternFault::RestNotLast));
        assert_eq!(PathPattern::parse("/a*"), Err(PatternFault::Mixed("a*".into())));
        assert_eq!(PathPattern::parse("/{a}-{b}"), Err(PatternFault::Mixed("{a}-{b}".into())));
        assert_eq!(PathPattern::parse("/{1a}"), Err(PatternFault::Name("1a".into())));
        assert_eq!(PathPattern::parse("/{}"), Err(PatternFault::Name(String::new())));
        assert_eq!(PathPattern::parse("/{a}/{a}"), Err(PatternFault::Repeated("a".into())));
        for pattern in ["/a//b", "/../a", "/%2e%2e/a", "/a?b", "/a#b", "/a\\b", "/a%2", "/{id}#x", "/{id}%zz"]
        {
            assert!(matches!(PathPattern::parse(pattern), Err(PatternFault::Literal { .. })), "{pattern}");
        }
    }

    fn segments(pattern: &str) -> Vec<Segment> {
        PathPattern::parse(pattern).unwrap().segments().to_vec()
    }

    #[test]
    fn literals_are_written_as_people_write_them() {
        for (written, canonical) in [
            ("/상품/**", "/%EC%83%81%ED%92%88/**"),
            ("/%EC%83%81%ed%92%88/**", "/%EC%83%81%ED%92%88/**"),
            ("/a b/[x]|^", "/a%20b/%5Bx%5D%7C%5E"),
            ("/%61dmin/a%2e", "/admin/a."),
            ("/é{id}.json", "/%C3%A9{id}.json"),
            ("/{id}[1]", "/{id}%5B1%5D"),
        ] {
            assert_eq!(PathPattern::parse(written).unwrap().canonical(), canonical, "{written}");
            assert_eq!(segments(written), segments(canonical), "{written}");
        }
    }

    #[test]
    fn text_may_stand_around_a_parameter() {
        let pattern = PathPattern::parse("/ops/{id}:cancel/v{major}/{name}.json").unwrap();
        assert_eq!(pattern.params().collect::<Vec<_>>(), ["id", "major", "name"]);
        let values: Vec<_> = pattern.values("/ops/7:cancel/v2/a.b.json").collect();
        assert_eq!(values, [("id", "7"), ("major", "2"), ("name", "a.b")]);
        let cancel = &segments("/{id}:cancel")[0];
        for (segment, taken) in [("7:cancel", true), (":cancel", false), ("7:cancels", false), ("7", false)] {
            assert_eq!(cancel.takes(segment), taken, "{segment}");
        }
        assert!(!segments("/a{x}a")[0].takes("aa") && segments("/a{x}a")[0].takes("aaa"));
        assert_eq!(PathPattern::parse("/{a}/x{a}"), Err(PatternFault::Repeated("a".into())));
    }

    #[test]
    fn other_gateways_wildcards_are_told_with_what_they_are_here() {
        for (written, right) in [
            ("/admin/:id", "{id}"),
            ("/files/:rest+", "**"),
            ("/users/<id>", "{id}"),
            ("/users/<int:id>", "{id}"),
            ("/files/<path:rest>", "**"),
            ("/api/...", "**"),
            ("/api/.+", "**"),
            ("/admin/[0-9]+", "{name}"),
            ("/admin/(users|groups)", "{name}"),
            ("/admin$", "admin` without `$"),
        ] {
            let pattern = PathPattern::parse(written).unwrap();
            assert_eq!(pattern.doubtful().map(|(_, right)| right).collect::<Vec<_>>(), [right], "{written}");
        }
        for (written, right) in [
            ("/files/{*rest}", "**"),
            ("/files/{proxy+}", "**"),
            ("/files/{rest...}", "**"),
            ("/users/{id:[0-9]+}", "{id}"),
            ("/users/{id:int}", "{id}"),
            ("/files/(.*)", "**"),
            ("/files/:path*", "**"),
            ("/files/*path", "**"),
        ] {
            let fault = PathPattern::parse(written).unwrap_err().to_string();
            assert!(fault.ends_with(&format!("here it is `{right}`")), "{written}: {fault}");
        }
        for plain in [
            "/v1/a:b",
            "/{id}:cancel",
            "/a(b)",
            "/@me",
            "/cost$a",
            "/a[0]",
            "/**",
            "/*",
            "/a.b",
            "/.well-known/x",
        ] {
            assert_eq!(PathPattern::parse(plain).unwrap().doubtful().count(), 0, "{plain}");
        }
    }
}

//! Path patterns of routes: literals, `{name}`, `*`, `**` (docs/routing.md).

use crate::CanonicalPath;
use std::fmt;

/// One segment of a pattern.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Segment {
    /// This text and nothing else; case counts. Empty only as the last segment (`/admin/`, `/`).
    Literal(Box<str>),
    /// One segment that is not empty, known to policies by this name.
    Param(Box<str>),
    /// One segment that is not empty.
    Any,
    /// The rest of the path, which may be empty. Only as the last segment.
    Rest,
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
    /// A wildcard beside other characters in one segment.
    #[error("`{0}` mixes a wildcard with text; a segment is a literal, `{{name}}`, `*` or `**`")]
    Mixed(String),
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
            if let Segment::Param(name) = &segment
                && segments.contains(&segment)
            {
                return Err(PatternFault::Repeated(name.to_string()));
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

    /// The names of the parameters in order.
    pub fn params(&self) -> impl Iterator<Item = &str> {
        self.segments.iter().filter_map(|segment| match segment {
            Segment::Param(name) => Some(&**name),
            _ => None,
        })
    }

    /// The parameters with what stands for them in `path`, which the pattern matches: the canonical text, escapes and all.
    pub fn values<'a>(&'a self, path: &'a str) -> impl Iterator<Item = (&'a str, &'a str)> {
        let segments = path.strip_prefix('/').unwrap_or(path).split('/');
        self.segments.iter().zip(segments).filter_map(|(part, value)| match part {
            Segment::Param(name) => Some((&**name, value)),
            _ => None,
        })
    }
}

fn segment(part: &str, last: bool) -> Result<Segment, PatternFault> {
    match part {
        "**" if last => Ok(Segment::Rest),
        "**" => Err(PatternFault::RestNotLast),
        "*" => Ok(Segment::Any),
        _ if part.starts_with('{') && part.ends_with('}') => {
            let name = part.trim_start_matches('{').trim_end_matches('}');
            let legal = name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_')
                && name.bytes().next().is_some_and(|b| !b.is_ascii_digit());
            if legal { Ok(Segment::Param(name.into())) } else { Err(PatternFault::Name(name.to_owned())) }
        }
        _ if part.contains(['*', '{', '}']) => Err(PatternFault::Mixed(part.to_owned())),
        "" if !last => Err(PatternFault::Literal { segment: "//".into(), why: "an empty segment".into() }),
        _ => literal(part),
    }
}

fn literal(part: &str) -> Result<Segment, PatternFault> {
    let fault = |why: String| PatternFault::Literal { segment: part.to_owned(), why };
    let canonical = CanonicalPath::parse(format!("/{part}").as_bytes()).map_err(|e| fault(e.to_string()))?;
    let canonical = canonical.as_str().trim_start_matches('/');
    if canonical == part {
        Ok(Segment::Literal(part.into()))
    } else {
        Err(fault(format!("a request's path would have it as `{canonical}`")))
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
        assert_eq!(PathPattern::parse("/{1a}"), Err(PatternFault::Name("1a".into())));
        assert_eq!(PathPattern::parse("/{}"), Err(PatternFault::Name(String::new())));
        assert_eq!(PathPattern::parse("/{a}/{a}"), Err(PatternFault::Repeated("a".into())));
        for pattern in ["/a//b", "/../a", "/a%2e", "/%61", "/a b", "/a?b"] {
            assert!(matches!(PathPattern::parse(pattern), Err(PatternFault::Literal { .. })), "{pattern}");
        }
    }
}

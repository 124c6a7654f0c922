//! Path patterns as sets of paths: what two have in common, which holds the other, which one wins.

use super::field::{Field, all, any, not};
use crate::expr::Expr;
use haechi_core::PathPattern;
use haechi_core::pattern::Segment;
use serde_json::{Value as Json, json};

/// The paths that a pattern matches, or two patterns both.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Shape {
    /// Segment by segment: the parameter's name and the text, where there is one.
    parts: Vec<Part>,
    /// Whether anything may follow.
    open: bool,
}

#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Part {
    param: Option<String>,
    text: Option<String>,
}

impl Shape {
    pub(super) fn of(pattern: &PathPattern) -> Self {
        let mut shape = Self { parts: Vec::new(), open: false };
        for segment in pattern.segments() {
            match segment {
                Segment::Literal(text) => {
                    shape.parts.push(Part { param: None, text: Some(text.to_string()) });
                }
                Segment::Param(name) => {
                    shape.parts.push(Part { param: Some(name.to_string()), text: None });
                }
                Segment::Any => shape.parts.push(Part::default()),
                Segment::Rest => shape.open = true,
            }
        }
        shape
    }

    /// What matches both. The parameters are those of `self`.
    pub(super) fn meet(&self, other: &Self) -> Option<Self> {
        let mut parts = Vec::new();
        for index in 0..self.parts.len().max(other.parts.len()) {
            parts.push(match (self.parts.get(index), other.parts.get(index)) {
                (Some(mine), Some(theirs)) => mine.meet(theirs)?,
                (Some(mine), None) if other.open => mine.clone(),
                (None, Some(theirs)) if self.open => Part { param: None, text: theirs.text.clone() },
                _ => return None,
            });
        }
        Some(Self { parts, open: self.open && other.open })
    }

    /// Whether it matches all that `other` matches.
    pub(super) fn covers(&self, other: &Self) -> bool {
        let each =
            self.parts.iter().zip(&other.parts).all(|(mine, theirs)| match (&mine.text, &theirs.text) {
                (None, text) => text.as_deref() != Some(""),
                (mine, theirs) => mine == theirs,
            });
        let (mine, theirs) = (self.parts.len(), other.parts.len());
        each && if self.open { theirs >= mine } else { !other.open && theirs == mine }
    }

    /// Whether it goes before `other` where both match: literals before wildcards, an end before a rest.
    pub(super) fn wins_over(&self, other: &Self) -> bool {
        for (mine, theirs) in self.parts.iter().zip(&other.parts) {
            if mine.text.is_some() != theirs.text.is_some() {
                return mine.text.is_some();
            }
        }
        match self.parts.len().cmp(&other.parts.len()) {
            std::cmp::Ordering::Equal => !self.open && other.open,
            order => order.is_gt(),
        }
    }

    /// What is true of `context.path` and the parameters of these paths.
    pub(super) fn assumed(&self) -> Vec<Expr> {
        let mut facts: Vec<Expr> = self
            .parts
            .iter()
            .filter_map(|part| Some(Field::Param(part.param.clone()?).is(part.text.as_deref()?)))
            .collect();
        let closed = self.closed();
        facts.push(if self.open { any(vec![like(&self.pattern("/", true)), closed]) } else { closed });
        facts
    }

    fn closed(&self) -> Expr {
        let mut facts = vec![like(&self.pattern("", false)), not(like(&[wild(), text("//"), wild()]))];
        let more: Vec<Json> = (0..=self.parts.len()).flat_map(|_| [text("/"), wild()]).collect();
        facts.push(not(like(&more)));
        if self.parts.last().is_some_and(|part| part.text.is_none()) {
            facts.push(not(like(&[wild(), text("/")])));
        }
        all(facts)
    }

    fn pattern(&self, end: &str, open: bool) -> Vec<Json> {
        let mut pattern = Vec::new();
        for part in &self.parts {
            pattern.push(text("/"));
            pattern.push(part.text.as_deref().map_or_else(wild, text));
        }
        if !end.is_empty() {
            pattern.push(text(end));
        }
        if open {
            pattern.push(wild());
        }
        pattern
    }

    /// A path of this shape: parameters by `value`, other wildcards by `filler`.
    pub(super) fn path(&self, value: impl Fn(&str) -> Option<String>, filler: &str, rest: &str) -> String {
        let mut path = String::new();
        for part in &self.parts {
            path.push('/');
            let known = part.text.clone().or_else(|| value(part.param.as_deref()?));
            path.push_str(known.as_deref().unwrap_or(filler));
        }
        if self.open {
            path.push_str(rest);
        }
        if path.is_empty() { "/".into() } else { path }
    }
}

impl Part {
    fn meet(&self, other: &Self) -> Option<Self> {
        let text = match (&self.text, &other.text) {
            (Some(mine), Some(theirs)) if mine != theirs => return None,
            (Some(text), other) | (None, other @ Some(text)) => {
                if text.is_empty() && (other.is_none() || self.text.is_none()) {
                    return None;
                }
                Some(text.clone())
            }
            (None, None) => None,
        };
        Some(Self { param: self.param.clone(), text })
    }
}

fn wild() -> Json {
    json!("Wildcard")
}

fn text(text: &str) -> Json {
    json!({ "Literal": text })
}

fn like(pattern: &[Json]) -> Expr {
    let pattern = pattern.iter().filter(|part| **part != text("")).cloned().collect();
    Expr::Like(Box::new(Field::Path.read()), pattern)
}

#[cfg(test)]
mod tests {
    use super::Shape;
    use haechi_core::PathPattern;

    fn shape(pattern: &str) -> Shape {
        Shape::of(&PathPattern::parse(pattern).unwrap())
    }

    #[test]
    fn what_two_patterns_have_in_common() {
        for (one, other, meet) in [
            ("/admin/**", "/admin/users/*", Some("/admin/users/*")),
            ("/tenants/{tenant}/orders", "/tenants/**", Some("/tenants/*/orders")),
            ("/admin/**", "/admin", Some("/admin")),
            ("/admin", "/admin/", None),
            ("/a/*", "/a/", None),
            ("/a/b", "/a/c", None),
            ("/a/*", "/a/b/c", None),
            ("/**", "/x/**", Some("/x/**")),
        ] {
            let found = shape(one).meet(&shape(other));
            assert_eq!(found.is_some(), meet.is_some(), "{one} {other}");
            if let (Some(found), Some(meet)) = (found, meet) {
                let same = found.covers(&shape(meet)) && shape(meet).covers(&found);
                assert!(same, "{one} {other}: {found:?}");
            }
        }
    }

    #[test]
    fn which_pattern_wins() {
        for (winner, loser) in [
            ("/admin/login", "/admin/**"),
            ("/a/b", "/a/*"),
            ("/a", "/a/**"),
            ("/a/*", "/a/**"),
            ("/a/b/**", "/a/*/c"),
        ] {
            assert!(shape(winner).wins_over(&shape(loser)), "{winner} {loser}");
            assert!(!shape(loser).wins_over(&shape(winner)), "{loser} {winner}");
        }
    }
}

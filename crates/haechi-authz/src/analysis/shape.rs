//! Path patterns as sets of paths: what two have in common, which holds the other, which one wins.

use super::field::{Field, all, any, not};
use crate::expr::Expr;
use haechi_core::PathPattern;
use haechi_core::pattern::{Mixed, Segment};
use serde_json::{Value as Json, json};

/// The paths that a pattern matches, or two patterns both.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Shape {
    /// Segment by segment.
    parts: Vec<Part>,
    /// Whether anything may follow.
    open: bool,
}

/// A segment: this text, or what stands between two texts.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Part {
    /// The parameter, with the text around it in its own pattern.
    param: Option<Mixed>,
    text: Option<String>,
    before: String,
    after: String,
    /// The fewest bytes, where there is no text: two patterns may want the same bytes before and after.
    least: usize,
}

impl Shape {
    pub(super) fn of(pattern: &PathPattern) -> Self {
        let mut shape = Self { parts: Vec::new(), open: false };
        for segment in pattern.segments() {
            match segment {
                Segment::Literal(text) => shape.parts.push(Part::literal(text)),
                Segment::Param(name) => {
                    let (before, after) = ("".into(), "".into());
                    shape.parts.push(Part::around(Mixed { before, name: name.clone(), after }));
                }
                Segment::Mixed(mixed) => shape.parts.push(Part::around(mixed.clone())),
                Segment::Any => shape.parts.push(Part::wild()),
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
                (None, Some(theirs)) if self.open => Part { param: None, ..theirs.clone() },
                _ => return None,
            });
        }
        Some(Self { parts, open: self.open && other.open })
    }

    /// Whether it matches all that `other` matches.
    pub(super) fn covers(&self, other: &Self) -> bool {
        let each = self.parts.iter().zip(&other.parts).all(|(mine, theirs)| mine.covers(theirs));
        let (mine, theirs) = (self.parts.len(), other.parts.len());
        each && if self.open { theirs >= mine } else { !other.open && theirs == mine }
    }

    /// Whether it goes before `other` where both match: literals before wildcards, more text before less, an end before a rest.
    pub(super) fn wins_over(&self, other: &Self) -> bool {
        for (mine, theirs) in self.parts.iter().zip(&other.parts) {
            if mine.weight() != theirs.weight() {
                return mine.weight() > theirs.weight();
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
            .filter_map(|part| {
                let param = part.param.as_ref()?;
                Some(Field::Param(param.name.to_string()).is(param.value(part.text.as_deref()?)?))
            })
            .collect();
        let closed = self.closed();
        facts.push(if self.open { any(vec![like(&self.pattern("/", true)), closed]) } else { closed });
        facts
    }

    fn closed(&self) -> Expr {
        let mut facts = vec![like(&self.pattern("", false)), not(like(&[wild(), text("//"), wild()]))];
        let more: Vec<Json> = (0..=self.parts.len()).flat_map(|_| [text("/"), wild()]).collect();
        facts.push(not(like(&more)));
        if self.parts.last().is_some_and(|part| part.text.is_none() && part.after.is_empty()) {
            facts.push(not(like(&[wild(), text("/")])));
        }
        all(facts)
    }

    fn pattern(&self, end: &str, open: bool) -> Vec<Json> {
        let mut pattern = Vec::new();
        for part in &self.parts {
            pattern.push(text("/"));
            match &part.text {
                Some(known) => pattern.push(text(known)),
                None => pattern.extend([text(&part.before), wild(), text(&part.after)]),
            }
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
            path.push_str(&part.example(&value, filler));
        }
        if self.open {
            path.push_str(rest);
        }
        if path.is_empty() { "/".into() } else { path }
    }
}

impl Part {
    fn literal(text: &str) -> Self {
        Self { text: Some(text.to_owned()), ..Self::default() }
    }

    fn wild() -> Self {
        Self { least: 1, ..Self::default() }
    }

    fn around(param: Mixed) -> Self {
        let (before, after) = (param.before.to_string(), param.after.to_string());
        Self { least: before.len() + after.len() + 1, before, after, text: None, param: Some(param) }
    }

    fn meet(&self, other: &Self) -> Option<Self> {
        let param = self.param.clone();
        match (&self.text, &other.text) {
            (Some(mine), Some(theirs)) => (mine == theirs).then(|| Self { param, ..self.clone() }),
            (Some(text), None) => other.takes(text).then(|| Self { param, ..Self::literal(text) }),
            (None, Some(text)) => self.takes(text).then(|| Self { param, ..Self::literal(text) }),
            (None, None) => {
                let before = longer(&self.before, &other.before, |one, other| one.starts_with(other))?;
                let after = longer(&self.after, &other.after, |one, other| one.ends_with(other))?;
                Some(Self { param, text: None, before, after, least: self.least.max(other.least) })
            }
        }
    }

    /// Whether this, which is no text, can be `text`.
    fn takes(&self, text: &str) -> bool {
        text.len() >= self.least && text.starts_with(&self.before) && text.ends_with(&self.after)
    }

    fn covers(&self, other: &Self) -> bool {
        match (&self.text, &other.text) {
            (Some(mine), theirs) => Some(mine) == theirs.as_ref(),
            (None, Some(theirs)) => self.takes(theirs),
            (None, None) => {
                other.before.starts_with(&self.before)
                    && other.after.ends_with(&self.after)
                    && other.least >= self.least
            }
        }
    }

    /// What goes before what; see [`Mixed::weight`].
    fn weight(&self) -> (bool, usize, usize) {
        match self.text {
            Some(_) => (true, 0, 0),
            None => (false, self.before.len() + self.after.len(), self.before.len()),
        }
    }

    /// A segment of this kind: the parameter by `value`, where what comes of it is one.
    fn example(&self, value: impl Fn(&str) -> Option<String>, filler: &str) -> String {
        if let Some(text) = &self.text {
            return text.clone();
        }
        let own = self.param.as_ref().and_then(|param| {
            let value = value(&param.name)?;
            Some(format!("{}{value}{}", param.before, param.after)).filter(|text| self.takes(text))
        });
        own.unwrap_or_else(|| format!("{}{filler}{}", self.before, self.after))
    }
}

/// The longer of two texts, where it has the other at its `end`.
fn longer(one: &str, other: &str, end: impl Fn(&str, &str) -> bool) -> Option<String> {
    let (long, short) = if one.len() >= other.len() { (one, other) } else { (other, one) };
    end(long, short).then(|| long.to_owned())
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
            ("/ops/{id}:cancel", "/ops/*", Some("/ops/{x}:cancel")),
            ("/ops/{id}:cancel", "/ops/**", Some("/ops/{x}:cancel")),
            ("/ops/{id}:cancel", "/ops/7:cancel", Some("/ops/7:cancel")),
            ("/ops/{id}:cancel", "/ops/:cancel", None),
            ("/ops/{id}:cancel", "/ops/{id}:start", None),
            ("/a{x}", "/{x}z", Some("/a{x}z")),
            ("/a{x}", "/ab{x}", Some("/ab{x}")),
            ("/a{x}", "/b{x}", None),
        ] {
            let found = shape(one).meet(&shape(other));
            assert_eq!(found.is_some(), meet.is_some(), "{one} {other}");
            if let (Some(found), Some(meet)) = (found, meet) {
                let mut same = found.covers(&shape(meet)) && shape(meet).covers(&found);
                // `ab` fits `/a{x}` and `/{x}b`, and not `/a{x}b`.
                same |= one == "/a{x}" && found.covers(&shape(meet));
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
            ("/a/{x}.json", "/a/{x}"),
            ("/a/b.json", "/a/{x}.json"),
            ("/a/{x}.min.js", "/a/{x}.js"),
            ("/a/v{x}", "/a/{x}v"),
            ("/a/{x}.json/**", "/a/*/c"),
        ] {
            assert!(shape(winner).wins_over(&shape(loser)), "{winner} {loser}");
            assert!(!shape(loser).wins_over(&shape(winner)), "{loser} {winner}");
        }
    }
}

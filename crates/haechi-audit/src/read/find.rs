//! Finds records.

use super::line::Line;
use serde_json::Value;
use std::collections::BTreeSet;

/// Which records are wanted; those that fit all that is given.
#[derive(Clone, Debug, Default)]
pub struct Filter {
    /// Not before this time, as records have it.
    pub since: Option<String>,
    /// Before this time.
    pub until: Option<String>,
    /// What they tell of.
    pub event: Option<String>,
    /// The route.
    pub route: Option<String>,
    /// What it came to.
    pub outcome: Option<String>,
    /// A credential's id.
    pub credential: Option<String>,
    /// A request's id.
    pub request: Option<String>,
    /// A decision's id.
    pub decision: Option<String>,
    /// One of these pseudonyms called, did it, or is concerned.
    pub who: Option<BTreeSet<String>>,
}

impl Filter {
    /// The record that a line is, where it is wanted.
    pub fn take(&self, bytes: &[u8]) -> Option<Value> {
        let line = Line::read(bytes)?;
        let since = self.since.as_deref().is_none_or(|since| line.at >= since);
        let until = self.until.as_deref().is_none_or(|until| line.at < until);
        let event = self.event.as_deref().is_none_or(|event| line.event == event);
        if !since || !until || !event || !self.may_fit(bytes) {
            return None;
        }
        let record: Value = serde_json::from_slice(bytes).ok()?;
        self.fits(&record).then_some(record)
    }

    /// Without reading all of it: most lines are not wanted.
    fn may_fit(&self, bytes: &[u8]) -> bool {
        let has = |text: &str| memchr::memmem::find(bytes, text.as_bytes()).is_some();
        let ids = [&self.credential, &self.request, &self.decision];
        ids.into_iter().flatten().all(|id| has(id))
            && self.who.as_ref().is_none_or(|who| who.iter().any(|pseudonym| has(pseudonym)))
    }

    fn fits(&self, record: &Value) -> bool {
        let is = |wanted: &Option<String>, name: &str| {
            wanted.as_ref().is_none_or(|wanted| record.get(name).and_then(Value::as_str) == Some(wanted))
        };
        is(&self.route, "route")
            && is(&self.outcome, "outcome")
            && is(&self.request, "request")
            && is(&self.decision, "decision")
            && (is(&self.credential, "credential") || is_in(record.get("by"), &self.credential, "credential"))
            && self.who.as_ref().is_none_or(|who| people(record).any(|person| who.contains(person)))
    }
}

fn is_in(of: Option<&Value>, wanted: &Option<String>, name: &str) -> bool {
    of.and_then(|of| of.get(name)).and_then(Value::as_str) == wanted.as_deref()
}

/// The pseudonyms in a record: who called, who did it, whom it concerns.
pub fn people(record: &Value) -> impl Iterator<Item = &str> {
    let by = record.get("by").and_then(|by| by.get("who"));
    [record.get("who"), by, record.get("about")].into_iter().flatten().filter_map(Value::as_str)
}

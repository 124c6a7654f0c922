//! Who was let through, by the trail.

use crate::evidence::EvidenceError;
use crate::evidence::records::{Deadline, each_record};
use haechi_audit::read::{Filter, each_line};
use serde_json::Value;
use std::collections::{BTreeMap, HashMap};
use std::fs::File;
use std::path::PathBuf;
use std::time::Instant;

/// How often something was used, and when last.
#[derive(Clone, Debug, Default)]
pub(super) struct Use {
    pub(super) requests: u64,
    pub(super) last: String,
}

/// Requests that were let through.
#[derive(Debug, Default)]
pub(super) struct Usage {
    /// When the trail begins.
    pub(super) begins: Option<String>,
    by_route: HashMap<String, Use>,
    by_role: BTreeMap<(String, String), Use>,
    by_person: HashMap<String, Use>,
    by_credential: HashMap<String, Use>,
}

impl Usage {
    /// From these files, since then.
    pub(super) fn of(files: &[PathBuf], since: &str, until: Option<Instant>) -> Result<Self, EvidenceError> {
        let mut deadline = until.map(Deadline::new);
        let mut usage = Self { begins: files.first().map(begins).transpose()?.flatten(), ..Self::default() };
        let filter = Filter {
            since: Some(since.to_owned()),
            event: Some("decision".to_owned()),
            outcome: Some("allow".to_owned()),
            ..Filter::default()
        };
        each_record(files, &filter, |record| {
            usage.count(&record);
            match deadline.as_mut().is_some_and(Deadline::has_passed) {
                true => Err(EvidenceError::TooLong),
                false => Ok(()),
            }
        })?;
        Ok(usage)
    }

    fn count(&mut self, record: &Value) {
        let text = |name: &str| record.get(name).and_then(Value::as_str);
        let (Some(at), Some(route)) = (text("at"), text("route")) else { return };
        // Somebody asked what would become of it, and nobody used anything.
        if record.get("supposed").is_some() {
            return;
        }
        self.by_route.entry(route.to_owned()).or_default().count(at);
        for role in
            record.get("roles").and_then(Value::as_array).into_iter().flatten().filter_map(Value::as_str)
        {
            self.by_role.entry((route.to_owned(), role.to_owned())).or_default().count(at);
        }
        if let Some(who) = text("who") {
            self.by_person.entry(who.to_owned()).or_default().count(at);
        }
        if let Some(credential) = text("credential") {
            self.by_credential.entry(credential.to_owned()).or_default().count(at);
        }
    }

    pub(super) fn of_route(&self, route: &str) -> Option<&Use> {
        self.by_route.get(route)
    }

    /// Of callers who held the role, directly or through another.
    pub(super) fn of_role(&self, route: &str, role: &str) -> Option<&Use> {
        self.by_role.get(&(route.to_owned(), role.to_owned()))
    }

    pub(super) fn of_person(&self, pseudonym: &str) -> Option<&Use> {
        self.by_person.get(pseudonym)
    }

    pub(super) fn of_credential(&self, id: &str) -> Option<&Use> {
        self.by_credential.get(id)
    }
}

impl Use {
    fn count(&mut self, at: &str) {
        self.requests += 1;
        if *at > *self.last {
            at.clone_into(&mut self.last);
        }
    }
}

/// The time of a file's first record.
fn begins(path: &PathBuf) -> Result<Option<String>, EvidenceError> {
    let unreadable = |error| EvidenceError::of(path, error);
    let mut first = None;
    each_line(&File::open(path).map_err(unreadable)?, |_, bytes| {
        if first.is_none() {
            first = haechi_audit::read::Line::read(bytes).map(|line| line.at.to_owned());
        }
    })
    .map_err(unreadable)?;
    Ok(first)
}

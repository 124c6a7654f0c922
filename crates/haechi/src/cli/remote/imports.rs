//! What comes from elsewhere, line by line, to a running gate: all of it is looked at before any of it is added.

use super::connection::Gate;
use crate::cli::{Failure, output};
use reqwest::Method;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

/// So many go in one call.
const AT_ONCE: usize = 500;

/// What is wrong, by line.
pub(crate) type Faults = Vec<(usize, String)>;

/// What is imported: what the calls call it, and each item with its line.
pub(crate) struct Import<'a> {
    /// The noun in the call's address, which is the name of the list as well: `users` or `keys`.
    pub(crate) what: &'static str,
    /// The items.
    pub(crate) items: Vec<(usize, Value)>,
    /// What else the calls are told.
    pub(crate) more: &'a [(&'static str, Value)],
}

impl Import<'_> {
    /// Has everything added, unless it is a `dry_run`, or anything is wrong. Returns what each call answered.
    pub(crate) async fn run<T: DeserializeOwned>(
        &self,
        gate: &Gate,
        dry_run: bool,
    ) -> Result<Result<Vec<T>, Faults>, Failure> {
        let (mut tried, mut faults) = (Vec::new(), Faults::new());
        for items in self.items.chunks(AT_ONCE) {
            match self.call(gate, items, true).await? {
                Ok(answer) => tried.push(answer),
                Err(more) => faults.extend(more),
            }
        }
        if !faults.is_empty() {
            return Ok(Err(faults));
        }
        if dry_run {
            return Ok(Ok(tried));
        }
        let mut done = Vec::new();
        for items in self.items.chunks(AT_ONCE) {
            match self.call(gate, items, false).await {
                Ok(Ok(answer)) => done.push(answer),
                // Only where somebody has changed something meanwhile.
                Ok(Err(faults)) if done.is_empty() => return Ok(Err(faults)),
                Ok(Err(faults)) => {
                    let first = faults.first().map_or("", |(_, why)| why);
                    return Err(self.broken_off(done.len(), first));
                }
                Err(failure) if done.is_empty() => return Err(failure),
                Err(failure) => return Err(self.broken_off(done.len(), &failure.to_string())),
            }
        }
        Ok(Ok(done))
    }

    fn broken_off(&self, calls: usize, why: &str) -> Failure {
        let what = self.what.trim_end_matches('s');
        let count = output::counted(calls * AT_ONCE, what);
        Failure::fault(format!("{count} imported, then: {why}"))
    }

    async fn call<T: DeserializeOwned>(
        &self,
        gate: &Gate,
        items: &[(usize, Value)],
        dry_run: bool,
    ) -> Result<Result<T, Faults>, Failure> {
        let list: Vec<&Value> = items.iter().map(|(_, item)| item).collect();
        let mut body = json!({ self.what: list });
        if let Some(members) = body.as_object_mut() {
            members.extend(self.more.iter().map(|(name, value)| ((*name).to_owned(), value.clone())));
        }
        let query = [("dry_run", dry_run.to_string())];
        let answered = gate.ask(Method::POST, &[self.what, "import"], &query, Some(&body)).await?;
        match answered.problem() {
            Some((kind, _)) if kind == "import" => Ok(Err(faults(&answered.body, items))),
            _ => gate.read(answered).map(Ok),
        }
    }
}

/// What is wrong, by the line in which it stands.
fn faults(body: &[u8], items: &[(usize, Value)]) -> Faults {
    #[derive(serde::Deserialize)]
    struct Problem {
        faults: Vec<Fault>,
    }
    #[derive(serde::Deserialize)]
    struct Fault {
        index: usize,
        message: String,
    }
    let Ok(Problem { faults }) = serde_json::from_slice(body) else {
        return vec![(0, "the gate does not say what is wrong".to_owned())];
    };
    let line = |index: usize| items.get(index).map_or(0, |(line, _)| *line);
    faults.into_iter().map(|fault| (line(fault.index), fault.message)).collect()
}

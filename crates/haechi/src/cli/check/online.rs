//! `haechi check --online`: whether what the configuration depends on is there. Nothing is changed, neither in the store nor elsewhere.

use crate::cli::Failure;
use crate::cli::output::{counted, shown};
use crate::config::Config;
use crate::wire::{Assembly, control_runtime};
use haechi_authn::keys::KeyReport;
use haechi_shared::SharedState;
use haechi_store::{Location, SchemaStatus, Store};
use serde::Serialize;
use std::cmp::Ordering;
use std::fmt;
use std::time::Duration;
use tokio::runtime::Runtime;

/// How long Redis may take to answer.
const ANSWERS_WITHIN: Duration = Duration::from_secs(5);

/// What was found of one thing that the configuration depends on.
#[derive(Debug, Serialize)]
pub(super) struct Found {
    /// `store`, `shared state`, or `authenticator NAME`.
    what: String,
    ok: bool,
    /// What is there, or why it cannot be used.
    said: String,
}

impl Found {
    pub(super) const fn is_well(&self) -> bool {
        self.ok
    }
}

impl fmt::Display for Found {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let word = if self.ok { "ok" } else { "error" };
        write!(f, "{word}: {}: {}", self.what, shown(&self.said))
    }
}

/// Asks the store, Redis, and every issuer for its keys.
pub(super) fn ask(config: &Config) -> Result<Vec<Found>, Failure> {
    let control = control_runtime().map_err(Failure::fault)?;
    let mut found = Vec::new();
    if let Some(location) = &config.store {
        found.push(control.block_on(store(location)));
    }
    if let Some(location) = &config.shared_state {
        found.push(control.block_on(shared_state(location)));
    }
    found.extend(issuers(config, &control)?);
    Ok(found)
}

async fn store(location: &Location) -> Found {
    let (ok, said) = match location {
        Location::Sqlite(file) if !file.exists() => {
            (true, "is not there yet; it is made when the gate starts".to_owned())
        }
        _ => match Store::status(location).await {
            Ok(None) => (true, "keeps nothing".to_owned()),
            Ok(Some(status)) => schema(status),
            Err(error) => (false, error.to_string()),
        },
    };
    Found { what: format!("store {location}"), ok, said }
}

fn schema(SchemaStatus { applied, known }: SchemaStatus) -> (bool, String) {
    match applied.cmp(&known) {
        Ordering::Equal => (true, format!("schema {applied}")),
        Ordering::Less => {
            (true, format!("schema {applied}, which is brought to {known} when the gate starts"))
        }
        Ordering::Greater => (
            false,
            format!(
                "schema {applied} was made by a newer version of haechi (this one knows {known}); run that version"
            ),
        ),
    }
}

async fn shared_state(location: &haechi_shared::Location) -> Found {
    let what = format!("shared state {location}");
    let state = match SharedState::new(location) {
        Ok(state) => state,
        Err(error) => return Found { what, ok: false, said: error.to_string() },
    };
    let following = tokio::spawn(state.clone().follow());
    let answers = async {
        while state.fault().is_some() {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    };
    let answered = tokio::time::timeout(ANSWERS_WITHIN, answers).await.is_ok();
    let fault = state.fault();
    if answered {
        state.leave().await;
    }
    following.abort();
    match fault {
        Some(why) => Found { what, ok: false, said: why },
        None => Found { what, ok: true, said: "answers".to_owned() },
    }
}

/// The authenticators that verify with keys of others, over a store in memory: they are asked for, and nothing else happens.
fn issuers(config: &Config, control: &Runtime) -> Result<Vec<Found>, Failure> {
    let mut alone = config.clone();
    alone.store = config.store.as_ref().map(|_| Location::Memory);
    alone.shared_state = None;
    let assembly = Assembly::new(&alone, control).map_err(Failure::fault)?;
    control.block_on(assembly.settled());
    let reports = assembly.built.reports();
    Ok(reports.filter_map(|(name, report)| of_keys(name, report)).collect())
}

fn of_keys(name: &str, report: KeyReport) -> Option<Found> {
    let (_, place) = report.from?;
    let (ok, said) = match report.fault.or_else(|| report.last_error.map(|error| error.to_string())) {
        Some(why) => (false, why),
        None => (true, format!("{} from {place}", counted(report.keys.len(), "key"))),
    };
    let skipped =
        (!report.skipped.is_empty()).then(|| format!("; cannot be used: {}", report.skipped.join("; ")));
    let said = said + &skipped.unwrap_or_default();
    Some(Found { what: format!("authenticator {name}"), ok, said })
}

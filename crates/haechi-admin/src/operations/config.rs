//! `/api/v1/config`: the configuration in force and those before, and another one, checked, compared or put into force.

use crate::answer::{Accepted, Answer, Page, Revised, Shown, Tagged, limit};
use crate::call::{Asked, Json, Nothing, Text};
use crate::change::{Change, Reader};
use crate::context::InForce;
use crate::error::{AdminError, Success};
use crate::inspection::{CasesToTry, ConfigView, HistoryQuery, HistoryView, KeptView, ReplayQuery};
use crate::pending::{ApprovalView, Content, ask};
use crate::policies::{Expected, sha256};
use crate::shape::{Schemas, shape};
use axum::response::Response;
use haechi_core::ports::Revision;
use serde_json::Value;

shape! {
    /// Which configuration.
    pub(crate) KeptPath {
        /// Its hash: 64 hex digits.
        required sha256: String,
    }

    /// What a configuration that holds would bring.
    pub(crate) Valid {
        /// `true`.
        required valid: bool,
        /// How many routes it declares.
        required routes: usize,
        /// How many services.
        required services: usize,
        /// How many authenticators.
        required authenticators: usize,
    }
}

impl Revised for ConfigView {
    fn revision(&self) -> Revision {
        Revision::from_number(i64::try_from(self.generation).unwrap_or(i64::MAX))
    }
}

/// Which configuration.
pub(super) async fn show(
    reader: Reader,
    _: Asked<Nothing, Nothing, Nothing>,
) -> Result<Tagged<ConfigView>, AdminError> {
    Ok(Tagged(reader.running()?.inspection.in_force()))
}

/// Those that were in force.
pub(super) async fn history(
    reader: Reader,
    asked: Asked<Nothing, HistoryQuery, Nothing>,
) -> Result<Page<HistoryView>, AdminError> {
    let limit = limit(asked.query.limit)?;
    let query = HistoryQuery { limit: Some(limit), ..asked.query };
    let (items, next) = reader.running()?.inspection.history(query).await?;
    Ok(Page { items, next })
}

/// One of them.
pub(super) async fn kept(
    reader: Reader,
    asked: Asked<KeptPath, Nothing, Nothing>,
) -> Result<Shown<KeptView>, AdminError> {
    Ok(Shown(reader.running()?.inspection.kept(asked.path.sha256).await?))
}

/// Which access the body would add and remove.
pub(super) async fn diff(
    reader: Reader,
    asked: Asked<Nothing, Nothing, Text>,
) -> Result<Shown<Value>, AdminError> {
    Ok(Shown(reader.running()?.inspection.diff(asked.body.0).await?))
}

/// The longest time of which decisions are made again, in seconds: 31 days.
const LONGEST_REPLAY: u32 = 31 * 86_400;
/// Of an hour, unless asked otherwise.
const AN_HOUR: u32 = 3600;
/// So many decisions are made again, unless asked otherwise.
const REPLAYED: usize = 10_000;
/// No more are made again.
const MOST_REPLAYED: usize = 20_000;

/// What the body would make of the decisions that were recorded lately.
pub(super) async fn replay(
    reader: Reader,
    asked: Asked<Nothing, ReplayQuery, Text>,
) -> Result<Shown<Value>, AdminError> {
    let (within, limit) = (asked.query.within.unwrap_or(AN_HOUR), asked.query.limit.unwrap_or(REPLAYED));
    if !(1..=LONGEST_REPLAY).contains(&within) {
        return Err(AdminError::BadQuery(format!("`within` is between 1 and {LONGEST_REPLAY} seconds")));
    }
    if !(1..=MOST_REPLAYED).contains(&limit) {
        return Err(AdminError::BadQuery(format!("`limit` is between 1 and {MOST_REPLAYED}")));
    }
    let query = ReplayQuery { within: Some(within), limit: Some(limit) };
    Ok(Shown(reader.running()?.inspection.replay(asked.body.0, query).await?))
}

/// Whether the properties that the body names are true of it.
pub(super) async fn prove(
    reader: Reader,
    asked: Asked<Nothing, Nothing, Text>,
) -> Result<Shown<Value>, AdminError> {
    Ok(Shown(reader.running()?.inspection.prove(asked.body.0).await?))
}

/// Tries cases on it.
pub(super) async fn test(
    reader: Reader,
    asked: Asked<Nothing, Nothing, Json<CasesToTry>>,
) -> Result<Shown<Value>, AdminError> {
    Ok(Shown(reader.running()?.inspection.try_cases(asked.body.0).await?))
}

/// Reads the file again, as SIGHUP does.
pub(super) async fn reload(
    change: Change,
    _: Asked<Nothing, Nothing, Nothing>,
) -> Result<Shown<InForce>, AdminError> {
    let configuration = change.look.running()?.configuration.clone();
    change.record().await?;
    configuration.reload(change.actor().await).await.map(Shown).map_err(AdminError::Refused)
}

/// Writes the body into the configuration's file and puts it into force, or leaves both as they were; or keeps it until a second person agrees.
pub(super) async fn apply(
    change: Change,
    asked: Asked<Nothing, Nothing, Text>,
) -> Result<Application, AdminError> {
    let (text, running) = (asked.body.0, change.look.running()?.clone());
    let in_force = running.inspection.in_force();
    expects(&asked.condition.expected()?, in_force.generation)?;
    let shown = running.configuration.prepare(text.clone(), in_force.generation).await?;
    say(&change, &in_force.sha256, &shown).await;
    let second_person = match &change.look.0.directory {
        Some(directory) => directory.rules().second_person,
        None => None,
    };
    if let Some(lifetime) = second_person {
        if shown != text {
            let why = "a secret stands in the text, and it would be kept until somebody agrees; name it by `${env:…}` or `${file:…}`";
            return Err(AdminError::Invalid(why.to_owned()));
        }
        let content = Content::Config { text, follows: in_force.sha256 };
        let wanted = ("config.apply", "configuration".to_owned(), &content);
        let pending = ask(&change, &change.stores()?, wanted, lifetime).await?;
        return Ok(Application::Pending(Box::new(pending)));
    }
    change.record().await?;
    let by = change.actor().await;
    Ok(Application::Done(running.configuration.apply(text, in_force.generation, by).await?))
}

/// What was agreed to, if it still follows on what was in force when it was asked for.
pub(super) async fn still_follows(change: &Change, text: &str, follows: &str) -> Result<u64, AdminError> {
    let running = change.look.running()?;
    let in_force = running.inspection.in_force();
    if in_force.sha256 != follows {
        let why = "another configuration is in force here than when it was asked for: ask again, on the node that is to have it";
        return Err(AdminError::Conflict(why.to_owned()));
    }
    let shown = running.configuration.prepare(text.to_owned(), in_force.generation).await?;
    say(change, &in_force.sha256, &shown).await;
    Ok(in_force.generation)
}

/// Applies what two people agreed to.
pub(super) async fn apply_agreed(change: &Change, text: String, generation: u64) -> Result<(), AdminError> {
    let configuration = change.look.running()?.configuration.clone();
    change.record().await?;
    let by = change.actor().await;
    configuration.apply(text, generation, by).await.map(drop).map_err(AdminError::from)
}

async fn say(change: &Change, before: &str, after: &str) {
    change.target("configuration".to_owned()).await;
    change.detail("sha256_before", before).await;
    change.detail("sha256_after", sha256(after)).await;
}

fn expects(expected: &Expected, generation: u64) -> Result<(), AdminError> {
    let is_it = |seen: &i64| u64::try_from(*seen) == Ok(generation);
    match expected {
        Expected::Present => Ok(()),
        Expected::OneOf(seen) if seen.iter().any(is_it) => Ok(()),
        Expected::OneOf(_) | Expected::Absent => Err(AdminError::Changed),
    }
}

/// What became of it.
pub(crate) enum Application {
    /// It is in force.
    Done(InForce),
    /// It waits for somebody else.
    Pending(Box<ApprovalView>),
}

impl Answer for Application {
    fn describe(schemas: &mut Schemas) -> Vec<(Success, Option<(&'static str, Value)>)> {
        let mut answers = Shown::<InForce>::describe(schemas);
        answers.extend(Accepted::<ApprovalView>::describe(schemas));
        answers
    }

    fn answer(self) -> Result<Response, AdminError> {
        match self {
            Self::Done(in_force) => Shown(in_force).answer(),
            Self::Pending(pending) => Accepted(*pending).answer(),
        }
    }
}

/// Says what a reload of the body would find wrong; nothing changes.
pub(super) async fn validate(
    reader: Reader,
    asked: Asked<Nothing, Nothing, Text>,
) -> Result<Shown<Valid>, AdminError> {
    let checked = reader.running()?.configuration.validate(asked.body.0).await;
    let InForce { routes, services, authenticators, .. } = checked.map_err(AdminError::Refused)?;
    Ok(Shown(Valid { valid: true, routes, services, authenticators }))
}

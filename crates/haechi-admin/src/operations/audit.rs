//! `/api/v1/audit`: the audit trail, read, verified, and what it has of a person exported or erased.

use crate::answer::{Accepted, Answer, Page, Shown, limit};
use crate::archive::{Archive, Erased, Person, RecordsQuery, ReviewQuery, SubjectQuery, WantedRecords};
use crate::call::{Asked, Json, Nothing};
use crate::change::{Change, Reader};
use crate::error::{AdminError, Success};
use crate::pending::{ApprovalView, Content, ask};
use crate::shape::Schemas;
use crate::streamed::Lines;
use axum::response::Response;
use serde_json::Value;
use std::sync::Arc;
use tokio::sync::mpsc::channel;

/// Lines that wait for a client who is slow.
const WAITING: usize = 64;

fn archive(reader: &Reader) -> Result<Arc<dyn Archive>, AdminError> {
    reader.running()?.archive.clone().ok_or(AdminError::NoTrail)
}

pub(super) async fn search(
    reader: Reader,
    asked: Asked<Nothing, RecordsQuery, Nothing>,
) -> Result<Page<Value>, AdminError> {
    let filter = asked.query;
    let limit = limit(filter.limit)?;
    let (items, next) = archive(&reader)?.search(WantedRecords { filter, limit }).await?;
    Ok(Page { items, next })
}

pub(super) async fn verify(
    reader: Reader,
    _: Asked<Nothing, Nothing, Nothing>,
) -> Result<Shown<Value>, AdminError> {
    Ok(Shown(archive(&reader)?.verify().await?))
}

/// Access is unused after so many days, unless asked otherwise.
const UNUSED_DAYS: u32 = 90;
/// Nobody asks for more: a hundred years.
const MOST_DAYS: u32 = 36_500;

/// Who may do what, and what nobody needed.
pub(super) async fn review(
    reader: Reader,
    asked: Asked<Nothing, ReviewQuery, Nothing>,
) -> Result<Shown<Value>, AdminError> {
    match asked.query.days.unwrap_or(UNUSED_DAYS) {
        days @ 1..=MOST_DAYS => Ok(Shown(archive(&reader)?.review(days).await?)),
        _ => Err(AdminError::BadQuery(format!("`days` is between 1 and {MOST_DAYS}"))),
    }
}

/// Reading everything about a person is on record as well.
pub(super) async fn export(
    change: Change,
    asked: Asked<Nothing, SubjectQuery, Nothing>,
) -> Result<Lines, AdminError> {
    let archive = archive(&change.look)?;
    let people = known(&*archive, &asked.query).await?;
    change.target(named(&people)).await;
    change.record().await?;
    let (lines, waiting) = channel(WAITING);
    let failed = lines.clone();
    let exporting = archive.export(people, lines)?;
    drop(tokio::spawn(async move {
        if let Err(error) = exporting.await {
            tracing::warn!(?error, "an export from the audit trail broke off");
            // An empty line says that it is not whole.
            let _ = failed.send(Vec::new()).await;
        }
    }));
    Ok(Lines(waiting))
}

pub(super) async fn erase(
    change: Change,
    asked: Asked<Nothing, Nothing, Json<SubjectQuery>>,
) -> Result<Erasure, AdminError> {
    let (archive, who) = (archive(&change.look)?, asked.body.0);
    let people = known(&*archive, &who).await?;
    change.target(named(&people)).await;
    let second_person = match &change.look.0.directory {
        Some(directory) => directory.rules().second_person,
        None => None,
    };
    if let Some(lifetime) = second_person {
        let SubjectQuery { subject, issuer } = who;
        let content = Content::Erase { pseudonyms: pseudonyms(&people), subject, issuer };
        let wanted = ("subject.erase", named(&people), &content);
        let pending = ask(&change, &change.stores()?, wanted, lifetime).await?;
        return Ok(Erasure::Pending(Box::new(pending)));
    }
    let erased = people.len();
    destroy(&change, people).await?;
    Ok(Erasure::Done(Erased { erased }))
}

/// What became of it.
pub(crate) enum Erasure {
    /// The keys are gone.
    Done(Erased),
    /// It waits for somebody else.
    Pending(Box<ApprovalView>),
}

impl Answer for Erasure {
    fn describe(schemas: &mut Schemas) -> Vec<(Success, Option<(&'static str, Value)>)> {
        let mut answers = Shown::<Erased>::describe(schemas);
        answers.extend(Accepted::<ApprovalView>::describe(schemas));
        answers
    }

    fn answer(self) -> Result<Response, AdminError> {
        match self {
            Self::Done(erased) => Shown(erased).answer(),
            Self::Pending(pending) => Accepted(*pending).answer(),
        }
    }
}

/// Destroys the keys of these people, once that is on record.
pub(super) async fn destroy(change: &Change, people: Vec<Person>) -> Result<(), AdminError> {
    change.record().await?;
    Ok(archive(&change.look)?.erase(people).await?)
}

/// Those who were to be erased, if the trail of this node still knows them by the same keys.
pub(super) async fn still_known(
    change: &Change,
    (subject, issuer): (String, Option<String>),
    pseudonyms: &[String],
) -> Result<Vec<Person>, AdminError> {
    let people = archive(&change.look)?.people(SubjectQuery { subject, issuer }).await?;
    if self::pseudonyms(&people) != pseudonyms {
        let why = "the trail of this node does not know the person by the keys that were to be destroyed: agree on the node on which it was asked for";
        return Err(AdminError::Conflict(why.to_owned()));
    }
    Ok(people)
}

fn pseudonyms(people: &[Person]) -> Vec<String> {
    people.iter().map(|person| person.pseudonym.clone()).collect()
}

async fn known(archive: &dyn Archive, who: &SubjectQuery) -> Result<Vec<Person>, AdminError> {
    let people = archive.people(who.clone()).await?;
    // Who it is stands in no message: it may be on record.
    let nobody = || AdminError::Missing("record that can be read about this subject".to_owned());
    if people.is_empty() { Err(nobody()) } else { Ok(people) }
}

/// By pseudonyms: after an erasure they say nothing any more.
fn named(people: &[Person]) -> String {
    let names: Vec<&str> = people.iter().map(|person| &*person.pseudonym).collect();
    format!("subject {}", names.join(", "))
}

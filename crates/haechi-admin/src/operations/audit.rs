//! `/api/v1/audit`: the audit trail, read, verified, and what it has of a person exported or erased.

use crate::answer::{Page, Shown, limit};
use crate::archive::{Archive, Erased, Person, RecordsQuery, SubjectQuery, WantedRecords};
use crate::call::{Asked, Json, Nothing};
use crate::change::{Change, Reader};
use crate::error::AdminError;
use crate::streamed::Lines;
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
) -> Result<Shown<Erased>, AdminError> {
    let archive = archive(&change.look)?;
    let people = known(&*archive, &asked.body.0).await?;
    change.target(named(&people)).await;
    change.record().await?;
    let erased = people.len();
    archive.erase(people).await?;
    Ok(Shown(Erased { erased }))
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

//! `/api/v1/decisions`: what was decided lately, and why. For operators and auditors.

use super::admitted::Reader;
use crate::Context;
use crate::decisions::{DecisionRecord, WantedDecisions};
use crate::error::AdminError;
use axum::Json;
use axum::extract::rejection::QueryRejection;
use axum::extract::{Path, Query, State};
use axum::http::header::CACHE_CONTROL;
use axum::response::IntoResponse;
use haechi_core::id::DecisionId;
use haechi_core::{Outcome, Timestamp};
use serde::Deserialize;
use serde_json::json;

/// Records on a page, unless asked otherwise, and at most.
const PAGE: usize = 50;
const LONGEST_PAGE: usize = 200;

/// What may stand in the query.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct DecisionsQuery {
    outcome: Option<Outcome>,
    route: Option<String>,
    subject: Option<String>,
    cursor: Option<String>,
    limit: Option<usize>,
}

/// One of them.
pub(super) async fn one(
    State(context): State<Context>,
    _: Reader,
    Path(id): Path<String>,
) -> Result<impl IntoResponse, AdminError> {
    let id = DecisionId::parse(&id).ok_or(AdminError::NoDecision)?;
    let found = context.decisions.find(id).await.map_err(|_| AdminError::WorkersSilent)?;
    Ok(unkept(found.ok_or(AdminError::NoDecision)?))
}

/// The newest ones, page by page.
pub(super) async fn list(
    State(context): State<Context>,
    _: Reader,
    asked: Result<Query<DecisionsQuery>, QueryRejection>,
) -> Result<impl IntoResponse, AdminError> {
    let Query(asked) = asked.map_err(|rejection| AdminError::BadQuery(rejection.body_text()))?;
    let limit = asked.limit.unwrap_or(PAGE);
    if !(1..=LONGEST_PAGE).contains(&limit) {
        return Err(AdminError::BadQuery(format!("`limit` is between 1 and {LONGEST_PAGE}")));
    }
    let before = asked.cursor.as_deref().map(|cursor| place(cursor).ok_or(cursor)).transpose();
    let before =
        before.map_err(|_| AdminError::BadQuery("`cursor` is not one that a page gave".to_owned()))?;
    let DecisionsQuery { outcome, route, subject, .. } = asked;
    // One more tells whether there is another page.
    let wanted = WantedDecisions { before, outcome, route, subject, limit: limit + 1 };
    let mut decisions = context.decisions.newest(wanted).await.map_err(|_| AdminError::WorkersSilent)?;
    let more = decisions.len() > limit;
    decisions.truncate(limit);
    let next = decisions.last().filter(|_| more).map(cursor);
    Ok(unkept(json!({ "decisions": decisions, "next": next })))
}

/// One for each way in which shadow policies would change what happens.
pub(super) async fn shadow(
    State(context): State<Context>,
    _: Reader,
) -> Result<impl IntoResponse, AdminError> {
    let decisions = context.decisions.shadow().await.map_err(|_| AdminError::WorkersSilent)?;
    Ok(unkept(json!({ "decisions": decisions })))
}

/// Who called for what is nobody's to keep on the way.
fn unkept<T: serde::Serialize>(told: T) -> impl IntoResponse {
    ([(CACHE_CONTROL, "no-store")], Json(told))
}

/// Names the place after `last`.
fn cursor(last: &DecisionRecord) -> String {
    format!("{}-{}", last.received.as_millis(), last.id)
}

fn place(cursor: &str) -> Option<(Timestamp, DecisionId)> {
    let (millis, id) = cursor.rsplit_once('-')?;
    Some((Timestamp::from_millis(millis.parse().ok()?), DecisionId::parse(id)?))
}

//! `/api/v1/decisions`: what was decided lately, and why. For administrators and auditors.

use crate::answer::{Page, Shown, limit};
use crate::call::{Asked, Nothing};
use crate::change::Reader;
use crate::decisions::{DecisionRecord, WantedDecisions};
use crate::error::AdminError;
use crate::shape::shape;
use haechi_core::id::{DecisionId, RequestId};
use haechi_core::{Denial, Outcome, Timestamp};
use std::net::IpAddr;

shape! {
    /// Which decision.
    pub(crate) DecisionPath {
        /// Its id, as the answer and the access log have it.
        required id: String,
    }

    /// Which decisions.
    pub(crate) DecisionsQuery {
        /// Only with this outcome: `allow`, `deny` or `unavailable`.
        optional outcome: Option<String>,
        /// Only on the route of this name.
        optional route: Option<String>,
        /// Only about callers with this subject.
        optional subject: Option<String>,
        /// Only about the request of this id.
        optional request: Option<String>,
        /// Only those that were denied for such a reason: `roles`, `scopes`, `condition`, `forbidden`, `no_permit`, `error`, `decision_point` or `no_rule`.
        optional reason: Option<String>,
        /// Only of callers who came with the credential of this id, such as an API key.
        optional key: Option<String>,
        /// Only of clients at this address.
        optional address: Option<String>,
        /// Where the page begins: what the one before gave as `next`.
        optional cursor: Option<String>,
        /// At most so many, 1 to 200; 50 where it is left out.
        optional limit: Option<usize>,
    }
}

/// One of them.
pub(super) async fn one(
    reader: Reader,
    asked: Asked<DecisionPath, Nothing, Nothing>,
) -> Result<Shown<DecisionRecord>, AdminError> {
    let id = DecisionId::parse(&asked.path.id).ok_or(AdminError::NoDecision)?;
    let found = reader.running()?.decisions.find(id).await.map_err(|_| AdminError::WorkersSilent)?;
    found.map(Shown).ok_or(AdminError::NoDecision)
}

/// The newest ones, page by page.
pub(super) async fn list(
    reader: Reader,
    asked: Asked<Nothing, DecisionsQuery, Nothing>,
) -> Result<Page<DecisionRecord>, AdminError> {
    let DecisionsQuery { outcome, route, subject, request, reason, key, address, cursor, limit: most } =
        asked.query;
    let limit = limit(most)?;
    let before = cursor.as_deref().map(|cursor| place(cursor).ok_or(()));
    let before = before.transpose();
    let before =
        before.map_err(|()| AdminError::BadQuery("`cursor` is not one that a page gave".to_owned()))?;
    let request = request.map(|id| {
        RequestId::parse(&id).ok_or_else(|| AdminError::BadQuery("`request` is 32 hex digits".to_owned()))
    });
    let request = request.transpose()?;
    // One more tells whether there is another page.
    let wanted = WantedDecisions {
        before,
        outcome: named(outcome)?,
        route,
        subject,
        request,
        reason: denial(reason)?,
        credential: key,
        client: client(address)?,
        limit: limit + 1,
    };
    let decisions =
        reader.running()?.decisions.newest(wanted).await.map_err(|_| AdminError::WorkersSilent)?;
    Ok(Page::of(decisions, limit, |last| format!("{}-{}", last.received.as_millis(), last.id)))
}

/// One for each way in which shadow policies would change what happens.
pub(super) async fn shadow(
    reader: Reader,
    _: Asked<Nothing, Nothing, Nothing>,
) -> Result<Page<DecisionRecord>, AdminError> {
    let items = reader.running()?.decisions.shadow().await.map_err(|_| AdminError::WorkersSilent)?;
    Ok(Page { items, next: None })
}

pub(super) fn named(outcome: Option<String>) -> Result<Option<Outcome>, AdminError> {
    let Some(name) = outcome else { return Ok(None) };
    let found = Outcome::ALL.into_iter().find(|outcome| outcome.name() == name);
    let unknown = || AdminError::BadQuery("`outcome` is `allow`, `deny` or `unavailable`".to_owned());
    found.map(Some).ok_or_else(unknown)
}

pub(super) fn denial(reason: Option<String>) -> Result<Option<Denial>, AdminError> {
    let Some(name) = reason else { return Ok(None) };
    let found = Denial::ALL.into_iter().find(|denial| denial.name() == name);
    let names = || Denial::ALL.map(|denial| format!("`{}`", denial.name())).join(", ");
    found.map(Some).ok_or_else(|| AdminError::BadQuery(format!("`reason` is one of {}", names())))
}

pub(super) fn client(address: Option<String>) -> Result<Option<IpAddr>, AdminError> {
    let parsed = address.map(|address| address.parse()).transpose();
    parsed.map_err(|_| AdminError::BadQuery("`address` is no IP address".to_owned()))
}

fn place(cursor: &str) -> Option<(Timestamp, DecisionId)> {
    let (millis, id) = cursor.rsplit_once('-')?;
    Some((Timestamp::from_millis(millis.parse().ok()?), DecisionId::parse(id)?))
}

//! `/api/v1/approvals`: changes that wait for a second person.

use super::policies::{desk, make};
use crate::answer::{Done, Page, Shown, limit};
use crate::call::{Asked, Nothing};
use crate::change::{Change, Reader};
use crate::error::AdminError;
use crate::operations::topology::PageQuery;
use crate::operations::{audit, config};
use crate::pending::{ApprovalView, Content, author, say_who_asked};
use crate::policies::{Expected, PolicyEdit};
use crate::shape::shape;
use haechi_core::ports::{Approval, ApprovalState, Author, StoreError};

shape! {
    /// Which change.
    pub(crate) ApprovalPath {
        /// Its id.
        required id: String,
    }
}

/// Newest first, also those that were decided.
pub(super) async fn list(
    reader: Reader,
    asked: Asked<Nothing, PageQuery, Nothing>,
) -> Result<Page<ApprovalView>, AdminError> {
    let limit = limit(asked.query.limit)?;
    let found = reader.stores()?.approvals.page(asked.query.cursor.as_deref(), limit + 1).await?;
    let page = found.into_iter().map(ApprovalView::of).collect();
    Ok(Page::of(page, limit, |last: &ApprovalView| last.id.clone()))
}

pub(super) async fn show(
    reader: Reader,
    asked: Asked<ApprovalPath, Nothing, Nothing>,
) -> Result<Shown<ApprovalView>, AdminError> {
    Ok(Shown(ApprovalView::of(existing(&reader, &asked.path.id).await?)))
}

/// Somebody else agrees: it is looked at anew, and done.
pub(super) async fn approve(
    change: Change,
    asked: Asked<ApprovalPath, Nothing, Nothing>,
) -> Result<Shown<ApprovalView>, AdminError> {
    let approval = pending(&change, &asked.path.id).await?;
    let by = author(&change).await?;
    say_who_asked(&change, &approval).await;
    if !by.is_certainly_not(&approval.asked_by) {
        return Err(AdminError::SamePerson);
    }
    let content: Content = serde_json::from_str(&approval.content)
        .map_err(|error| AdminError::Store(format!("what was asked for cannot be read: {error}")))?;
    match content {
        Content::Policy { name, text, version } => {
            policy(&change, &approval, &by, (name, text, version)).await?;
        }
        Content::Config { text, follows } => {
            let generation = config::still_follows(&change, &text, &follows).await?;
            claim(&change, &approval, &by).await?;
            let done = config::apply_agreed(&change, text, generation).await;
            settled(&change, &approval, &by, done).await?;
        }
        Content::Erase { pseudonyms, subject, issuer } => {
            let people = audit::still_known(&change, (subject, issuer), &pseudonyms).await?;
            claim(&change, &approval, &by).await?;
            let done = audit::destroy(&change, people).await;
            settled(&change, &approval, &by, done).await?;
        }
    }
    show_again(&change, &approval.id).await
}

async fn policy(
    change: &Change,
    approval: &Approval,
    by: &Author,
    (name, text, version): (String, Option<String>, Option<i64>),
) -> Result<(), AdminError> {
    let (desk, now) = (desk(change)?, change.look.now());
    let edit = text.map_or(PolicyEdit::Delete, PolicyEdit::Put);
    let expected = version.map_or(Expected::Absent, |version| Expected::OneOf(vec![version]));
    // What cannot be done any more stays undecided: whoever asked may ask for something else.
    let prepared = desk.prepare(&name, &edit, &expected, now).await?;
    let [before, after] = prepared.hashes();
    change.detail("policy", name.clone()).await;
    change.detail("sha256_before", before).await;
    change.detail("sha256_after", after).await;
    claim(change, approval, by).await?;
    let people = (approval.asked_by.clone(), Some(by.clone()));
    let done = make(change, &desk, (&name, &edit), expected, people).await.map(drop);
    settled(change, approval, by, done).await
}

/// Of two who agree at once, one does it.
async fn claim(change: &Change, approval: &Approval, by: &Author) -> Result<(), AdminError> {
    let states = (ApprovalState::Pending, ApprovalState::Approved);
    let claimed = change.stores()?.approvals.decide(&approval.id, states, Some(by), change.look.now()).await;
    claimed.map_err(decided)
}

async fn settled(
    change: &Change,
    approval: &Approval,
    by: &Author,
    done: Result<(), AdminError>,
) -> Result<(), AdminError> {
    if done.is_err() {
        let states = (ApprovalState::Approved, ApprovalState::Failed);
        change.stores()?.approvals.decide(&approval.id, states, Some(by), change.look.now()).await?;
    }
    done
}

/// Takes it back, or says no.
pub(super) async fn reject(
    change: Change,
    asked: Asked<ApprovalPath, Nothing, Nothing>,
) -> Result<Done, AdminError> {
    let approval = pending(&change, &asked.path.id).await?;
    let by = author(&change).await?;
    let state = if by == approval.asked_by { ApprovalState::Withdrawn } else { ApprovalState::Rejected };
    say_who_asked(&change, &approval).await;
    change.detail("state", state.name()).await;
    let states = (ApprovalState::Pending, state);
    let done = change.stores()?.approvals.decide(&approval.id, states, Some(&by), change.look.now()).await;
    done.map_err(decided)?;
    Ok(Done)
}

fn decided(error: StoreError) -> AdminError {
    match error {
        StoreError::Changed(_) => AdminError::Conflict("it was decided already, or has expired".to_owned()),
        error => error.into(),
    }
}

async fn pending(change: &Change, id: &str) -> Result<Approval, AdminError> {
    let approval = existing(&change.look, id).await?;
    if approval.state != ApprovalState::Pending || approval.expires_at <= change.look.now() {
        return Err(AdminError::Conflict("it was decided already, or has expired".to_owned()));
    }
    Ok(approval)
}

async fn existing(reader: &Reader, id: &str) -> Result<Approval, AdminError> {
    let found = reader.stores()?.approvals.by_id(id).await?;
    found.ok_or_else(|| AdminError::Missing(format!("approval `{id}`")))
}

async fn show_again(change: &Change, id: &str) -> Result<Shown<ApprovalView>, AdminError> {
    Ok(Shown(ApprovalView::of(existing(&change.look, id).await?)))
}

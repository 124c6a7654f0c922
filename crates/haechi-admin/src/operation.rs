//! What one call is: the row that the table of calls has of it.

use crate::answer::Answer;
use crate::call::{self, Asked, Content, Parameters};
use crate::change::{Change, Reader};
use crate::context::{Context, Needs};
use crate::error::{AdminError, Success};
use crate::shape::Schemas;
use crate::standing::{Standing, Watching};
use axum::body::Body;
use axum::http::request::Parts;
use axum::response::Response;
use haechi_core::ports::{AuditActor, AuditOutcome};
use serde_json::{Map, Value};
use std::pin::Pin;

/// One call.
pub struct Operation {
    /// Its name.
    pub name: &'static str,
    /// Its method.
    pub method: Method,
    /// The pattern of its path.
    pub path: &'static str,
    /// Who may make it.
    pub needs: Needs,
    /// What it is called in the audit trail; `None` where it changes nothing.
    pub action: Option<&'static str>,
    /// Whether it takes a condition.
    pub condition: ConditionUse,
    /// What it does.
    pub summary: &'static str,
    pub(crate) answer: fn(Call) -> Answering,
    pub(crate) describe: fn(&mut Schemas) -> Description,
}

/// The methods that calls have.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Method {
    /// Looks.
    Get,
    /// Does.
    Post,
    /// Replaces.
    Put,
    /// Removes.
    Delete,
}

/// Whether a call takes a condition: `If-Match`, by the `ETag` of what it changes (RFC 9110 13.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ConditionUse {
    /// What it changes has no `ETag`.
    None,
    /// It may name one.
    Optional,
    /// It must say what it takes to be there; `If-None-Match: *` says nothing is (RFC 6585 3).
    Required,
}

/// An answer that is on its way.
pub(crate) type Answering = Pin<Box<dyn Future<Output = Result<Response, AdminError>> + Send>>;

/// A call of somebody who may make it.
pub(crate) struct Call {
    pub(crate) context: Context,
    /// `None` for probes.
    pub(crate) actor: Option<AuditActor>,
    pub(crate) parts: Parts,
    pub(crate) segments: Map<String, Value>,
    pub(crate) body: Body,
}

/// What a call takes and gives.
pub(crate) struct Description {
    pub(crate) path: Option<Value>,
    pub(crate) query: Option<Value>,
    pub(crate) body: Option<(&'static str, Value)>,
    pub(crate) answers: Vec<(Success, Option<(&'static str, Value)>)>,
}

impl Method {
    /// Its name (RFC 9110 9.1).
    pub const fn name(self) -> &'static str {
        match self {
            Self::Get => "GET",
            Self::Post => "POST",
            Self::Put => "PUT",
            Self::Delete => "DELETE",
        }
    }
}

/// A row of the table.
macro_rules! row {
    ($name:ident, $needs:ident, ($action:expr, $condition:ident), $method:ident $path:literal, $handler:path, $summary:literal, $answer:expr) => {
        $crate::operation::Operation {
            name: stringify!($name),
            method: Method::$method,
            path: $path,
            needs: $crate::context::Needs::$needs,
            action: $action,
            condition: $crate::operation::ConditionUse::$condition,
            summary: $summary,
            answer: $answer,
            describe: |schemas| $crate::operation::describe(schemas, $handler),
        }
    };
}

/// A call that changes nothing: its handler gets no way to.
macro_rules! read {
    ($name:ident, $needs:ident, $method:ident $path:literal, $handler:path, $summary:literal) => {
        $crate::operation::row!(
            $name, $needs, (None, None), $method $path, $handler, $summary,
            |call| Box::pin($crate::operation::look(call, $handler))
        )
    };
}

/// A call that looks, and whose answer goes on: its handler can ask again whether the caller still may.
macro_rules! watch {
    ($name:ident, $needs:ident, $method:ident $path:literal, $handler:path, $summary:literal) => {
        $crate::operation::row!(
            $name, $needs, (None, None), $method $path, $handler, $summary,
            |call| Box::pin($crate::operation::look_on(call, $handler))
        )
    };
}

/// A call that changes something: its handler can do so only through what writes to the audit trail first.
macro_rules! write {
    ($name:ident, $action:literal, $method:ident $path:literal, $handler:path, $summary:literal) => {
        $crate::operation::write!(@ None $name, $action, $method $path, $handler, $summary)
    };
    (@ $condition:ident $name:ident, $action:literal, $method:ident $path:literal, $handler:path, $summary:literal) => {
        $crate::operation::row!(
            $name, Change, (Some($action), $condition), $method $path, $handler, $summary,
            |call| Box::pin($crate::operation::change(call, ($action, $crate::operation::ConditionUse::$condition), $handler))
        )
    };
}

/// A call that changes what has an `ETag`: only where it is as `If-Match` says.
macro_rules! edit {
    ($name:ident, $action:literal, $method:ident $path:literal, $handler:path, $summary:literal) => {
        $crate::operation::write!(@ Optional $name, $action, $method $path, $handler, $summary)
    };
}

/// The same, only where the caller says what they take to be there.
macro_rules! guarded {
    ($name:ident, $action:literal, $method:ident $path:literal, $handler:path, $summary:literal) => {
        $crate::operation::write!(@ Required $name, $action, $method $path, $handler, $summary)
    };
}
pub(crate) use {edit, guarded, read, row, watch, write};

pub(crate) async fn look<P, Q, B, A, F>(
    call: Call,
    handler: impl FnOnce(Reader, Asked<P, Q, B>) -> F,
) -> Result<Response, AdminError>
where
    P: Parameters,
    Q: Parameters,
    B: Content,
    A: Answer,
    F: Future<Output = Result<A, AdminError>>,
{
    let asked = call::read(&call.parts, call.segments, call.body).await?;
    handler(Reader(call.context), asked).await?.answer()
}

pub(crate) async fn look_on<P, Q, B, A, F>(
    call: Call,
    handler: impl FnOnce(Watching, Asked<P, Q, B>) -> F,
) -> Result<Response, AdminError>
where
    P: Parameters,
    Q: Parameters,
    B: Content,
    A: Answer,
    F: Future<Output = Result<A, AdminError>>,
{
    let standing = call.parts.extensions.get::<Standing>().cloned();
    let standing =
        standing.ok_or_else(|| AdminError::Failed("nobody was asked whether they may".to_owned()))?;
    let asked = call::read(&call.parts, call.segments, call.body).await?;
    handler(Watching { look: Reader(call.context), standing }, asked).await?.answer()
}

pub(crate) async fn change<P, Q, B, A, F>(
    call: Call,
    (action, condition): (&'static str, ConditionUse),
    handler: impl FnOnce(Change, Asked<P, Q, B>) -> F,
) -> Result<Response, AdminError>
where
    P: Parameters,
    Q: Parameters,
    B: Content,
    A: Answer,
    F: Future<Output = Result<A, AdminError>>,
{
    let asked = call::read(&call.parts, call.segments, call.body).await?;
    match condition {
        ConditionUse::None => asked.condition.is_none()?,
        ConditionUse::Optional => {}
        ConditionUse::Required => asked.condition.is_given()?,
    }
    let actor = call.actor.ok_or_else(|| AdminError::NoCredential(Vec::new()))?;
    let trail = call.context.trail.clone();
    let change = Change::new(Reader(call.context), actor, action);
    let recorder = change.recorder();
    let done = handler(change, asked).await;
    let (unrecorded, recorded) = recorder.outcome().await;
    if let Some(error) = unrecorded {
        return Err(AdminError::Unrecorded(error));
    }
    if let (Err(AdminError::SamePerson), None) = (&done, &recorded)
        && let Err(error) = recorder.refused().await
    {
        tracing::error!(%error, action, "cannot write that a change was refused");
    }
    if let (Err(error), Some(mut event)) = (&done, recorded) {
        // It was written that it is done, and it was not. The message may name somebody.
        event.outcome = AuditOutcome::Failed;
        event.details.insert("error".to_owned(), error.name().into());
        if let Err(error) = trail.record(event).await {
            tracing::error!(%error, action, "cannot write that a change failed");
        }
    }
    done?.answer()
}

pub(crate) fn describe<P, Q, B, A, X, F>(
    schemas: &mut Schemas,
    _: impl FnOnce(X, Asked<P, Q, B>) -> F,
) -> Description
where
    P: Parameters,
    Q: Parameters,
    B: Content,
    A: Answer,
    F: Future<Output = Result<A, AdminError>>,
{
    Description {
        path: P::describe(schemas),
        query: Q::describe(schemas),
        body: B::describe(schemas),
        answers: A::describe(schemas),
    }
}

//! What the workers remember of decisions, as the admin API tells it.

use haechi_admin::decisions::{
    CallerRecord, CannotTell, DecisionRecord, DecisionStream, EvaluationError, ExternalAnswer, Fact, Origin,
    Place, RequestRecord, ShadowVerdict, WantedDecisions,
};
use haechi_authz::{DenyReason, FactValue, Read, Source, Verdict, principal_id, principal_kind};
use haechi_core::id::DecisionId;
use haechi_core::ports::BoxFuture;
use haechi_core::{AttributeValue, Caller, Outcome};
use haechi_proxy::{Decided, DecisionQueries, DecisionWatch, DecisionWatchers, Question, Wanted};
use serde_json::{Value, json};
use std::collections::HashSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::time::Duration;

/// A look whether the gate ends comes so often.
const LOOK_EVERY: Duration = Duration::from_millis(250);

/// Asks the workers, or lets them tell.
pub(crate) struct WorkerDecisions {
    pub(crate) queries: DecisionQueries,
    pub(crate) watchers: DecisionWatchers,
    /// Set when the gate ends.
    pub(crate) draining: Arc<AtomicBool>,
}

impl haechi_admin::Decisions for WorkerDecisions {
    fn find(&self, id: DecisionId) -> BoxFuture<'_, Result<Option<DecisionRecord>, CannotTell>> {
        Box::pin(async move {
            let answers = self.queries.ask(Question::Of(id)).await;
            match answers.decided.first() {
                Some(decided) => Ok(Some(record(decided))),
                // A worker that is silent may be the one that knows.
                None if answers.complete => Ok(None),
                None => Err(CannotTell),
            }
        })
    }

    fn newest(&self, wanted: WantedDecisions) -> BoxFuture<'_, Result<Vec<DecisionRecord>, CannotTell>> {
        let limit = wanted.limit;
        let question = Question::Recent(of(wanted));
        Box::pin(async move {
            let mut decided = self.all(question).await?;
            decided.sort_by_key(|decided| std::cmp::Reverse(decided.moment()));
            Ok(decided.iter().take(limit).map(record).collect())
        })
    }

    fn shadow(&self) -> BoxFuture<'_, Result<Vec<DecisionRecord>, CannotTell>> {
        Box::pin(async {
            let mut decided = self.all(Question::Shadow).await?;
            decided.sort_by_key(Decided::moment);
            // Each worker has a first one; the first of those counts.
            let mut seen = HashSet::new();
            decided
                .retain(|decided| seen.insert((decided.route.name.clone(), decided.decision.is_allowed())));
            Ok(decided.iter().map(record).collect())
        })
    }

    fn watch(&self, wanted: WantedDecisions) -> Option<Box<dyn DecisionStream>> {
        let watch = self.watchers.watch(of(wanted))?;
        Some(Box::new(WatchedDecisions { watch, draining: self.draining.clone() }))
    }
}

/// Decisions as the workers make them.
struct WatchedDecisions {
    watch: DecisionWatch,
    draining: Arc<AtomicBool>,
}

impl DecisionStream for WatchedDecisions {
    fn next(&mut self) -> BoxFuture<'_, Option<DecisionRecord>> {
        Box::pin(async {
            while !self.draining.load(Relaxed) {
                if let Ok(decided) = tokio::time::timeout(LOOK_EVERY, self.watch.next()).await {
                    return decided.map(|decided| record(&decided));
                }
            }
            None
        })
    }

    fn missed(&self) -> u64 {
        self.watch.missed()
    }
}

impl WorkerDecisions {
    async fn all(&self, question: Question) -> Result<Vec<Decided>, CannotTell> {
        let answers = self.queries.ask(question).await;
        if answers.complete { Ok(answers.decided) } else { Err(CannotTell) }
    }
}

fn of(wanted: WantedDecisions) -> Wanted {
    Wanted {
        before: wanted.before,
        outcome: wanted.outcome,
        route: wanted.route.map(String::into_boxed_str),
        subject: wanted.subject.map(String::into_boxed_str),
        request: wanted.request,
        reason: wanted.reason,
        credential: wanted.credential.map(String::into_boxed_str),
        client: wanted.client,
        limit: wanted.limit,
    }
}

fn record(decided: &Decided) -> DecisionRecord {
    let (decision, verdict) = (&decided.decision, &*decided.decision.verdict);
    let reason = decision.reason();
    let names = |names: &[Arc<str>]| names.iter().map(ToString::to_string).collect();
    let (any_of_roles, all_of_scopes) = match &reason {
        Some(DenyReason::Roles(roles)) => (names(roles), Vec::new()),
        Some(DenyReason::Scopes(scopes)) => (Vec::new(), names(scopes)),
        _ => (Vec::new(), Vec::new()),
    };
    let unavailable = decided.unavailable.as_ref().map(ToString::to_string);
    DecisionRecord {
        id: decision.id.to_string(),
        time: decided.received.rfc3339_millis().to_string(),
        received: decided.received,
        generation: decision.generation,
        outcome: decided.outcome(),
        reason: unavailable.or_else(|| reason.as_ref().map(DenyReason::describe)),
        any_of_roles,
        all_of_scopes,
        decided_by: verdict.decided_by.iter().map(origin).collect(),
        errors: verdict.errors.iter().map(error).collect(),
        read: verdict.reads.iter().map(|read| fact(read, decided)).collect(),
        external: decision.external.as_ref().map(|external| ExternalAnswer {
            name: external.name.to_string(),
            allowed: external.allowed,
            cached: external.cached,
        }),
        shadow: decision.shadow.as_deref().map(shadow),
        request: request(decided),
        caller: caller(&decided.caller),
        supposed: decided.supposed,
    }
}

fn shadow(verdict: &Verdict) -> ShadowVerdict {
    ShadowVerdict {
        outcome: Outcome::of(verdict.is_allowed()),
        reason: verdict.denied.as_ref().map(DenyReason::describe),
        decided_by: verdict.decided_by.iter().map(origin).collect(),
    }
}

fn error((source, message): &(Source, String)) -> EvaluationError {
    EvaluationError { origin: origin(source), message: message.clone() }
}

fn origin(source: &Source) -> Origin {
    let place = |place: &haechi_authz::Place| Place {
        file: place.file.to_string(),
        line: place.line,
        column: place.column,
    };
    match source {
        Source::Grant => Origin::Route,
        Source::Clause(name, at) => {
            Origin::Clause { name: (*name).to_owned(), place: at.as_ref().map(place) }
        }
        Source::Policy(at, id) => {
            Origin::Policy { place: place(at), id: id.as_ref().map(ToString::to_string) }
        }
    }
}

fn request(decided: &Decided) -> RequestRecord {
    let headers = decided.headers.iter().map(|(name, value)| (name.to_string(), value.to_string()));
    RequestRecord {
        id: decided.request.to_string(),
        method: decided.method.to_string(),
        host: decided.host.to_string(),
        path: decided.path.to_string(),
        route: decided.route.name.to_string(),
        client: decided.client.to_string(),
        secure: decided.secure,
        headers: headers.collect(),
    }
}

fn caller(caller: &Caller) -> CallerRecord {
    let attributes = caller.attributes.iter().map(|(name, value)| (name.to_string(), plain(value)));
    CallerRecord {
        kind: principal_kind(caller.kind).to_owned(),
        subject: caller.subject.to_string(),
        issuer: caller.issuer.to_string(),
        authenticator: caller.authenticator.to_string(),
        roles: caller.roles.iter().map(ToString::to_string).collect(),
        scopes: caller.scopes.iter().map(ToString::to_string).collect(),
        attributes: attributes.collect(),
        credential_id: caller.credential_id.as_ref().map(ToString::to_string),
    }
}

/// A fact as it was at that request; `null` where there was none.
fn fact(read: &Read, decided: &Decided) -> Fact {
    let value = match read.value(decided).unwrap_or(FactValue::Missing) {
        FactValue::Missing => Value::Null,
        FactValue::Kind(kind) => json!(principal_kind(kind)),
        FactValue::Principal(caller) => {
            json!(format!("{}::{:?}", principal_kind(caller.kind), principal_id(caller)))
        }
        FactValue::Bool(value) => json!(value),
        FactValue::Text(text) => json!(text),
        FactValue::Names(names) => json!(names),
        FactValue::Attribute(value) => plain(value),
        FactValue::Record(pairs) => {
            pairs.into_iter().map(|(name, value)| (name.to_owned(), json!(value))).collect()
        }
        FactValue::Ip(address) => json!(address.to_string()),
        FactValue::Time(at) => json!(at.rfc3339_millis().to_string()),
    };
    Fact { name: read.to_string(), value }
}

fn plain(value: &AttributeValue) -> Value {
    match value {
        AttributeValue::Bool(value) => json!(value),
        AttributeValue::Long(value) => json!(value),
        AttributeValue::String(value) => json!(value),
        AttributeValue::Set(members) => json!(members),
    }
}

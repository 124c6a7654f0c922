//! From what was judged to what is in the audit trail.

use crate::judge::{Judged, PermittedRequest};
use crate::plan::Plan;
use crate::preflight::Preflight;
use crate::record::Record;
use crate::refusal::{Refusal, Refused};
use crate::respond;
use crate::worker::Worker;
use haechi_audit::{AuditSlot, Recorded};

/// A judged request whose decision is in the audit trail.
pub(crate) enum RecordedRequest<'p> {
    /// It may go on, and only with the proof.
    Permitted(PermittedRequest<'p>, Recorded),
    /// It is answered as a preflight: nothing was decided.
    Preflight(Preflight<'p>),
    /// It goes no further.
    Refused(Refused),
}

/// Records what was decided about a request, or the wrong credential that it was refused for.
pub(crate) async fn record<'p>(
    worker: &Worker,
    place: AuditSlot<'_>,
    record: &Record,
    plan: &Plan,
    judged: Result<Judged<'p>, Refused>,
) -> RecordedRequest<'p> {
    match judged {
        Ok(Judged::Permitted(permitted)) => match decided(worker, place, record, plan).await {
            Ok(recorded) => RecordedRequest::Permitted(permitted, recorded),
            Err(unrecorded) => RecordedRequest::Refused(unrecorded),
        },
        Ok(Judged::Preflight(asked)) => RecordedRequest::Preflight(asked),
        Err(refused) if record.decided_request().is_some() => {
            let unrecorded = decided(worker, place, record, plan).await.err();
            RecordedRequest::Refused(unrecorded.unwrap_or(refused))
        }
        Err(refused) => {
            worker.audit().refused(record.line(), &refused, respond::status(&refused.refusal).as_u16());
            RecordedRequest::Refused(refused)
        }
    }
}

async fn decided(
    worker: &Worker,
    place: AuditSlot<'_>,
    record: &Record,
    plan: &Plan,
) -> Result<Recorded, Refused> {
    let no_decision = || Refused::new(Refusal::Internal, "a request is to be forwarded without a decision");
    let decided = record.decided_request().ok_or_else(no_decision)?;
    let recorded = worker.audit().decided(place, &decided, &plan.configuration, worker.uptime()).await?;
    record.announce();
    Ok(recorded)
}

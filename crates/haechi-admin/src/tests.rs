//! Every call of the table is asked for without a credential, and with one that is not enough.

use crate::context::{Context, Needs, NotAdmitted, Operators, Shown, Wish};
use crate::front::{Front, request};
use crate::operations::OPERATIONS;
use haechi_core::SystemClock;
use haechi_core::ports::{AuditActor, AuditError, AuditEvent, AuditTrail, BoxFuture};
use std::collections::BTreeSet;
use std::sync::Arc;

/// Knows the token `auditor`, who may read.
struct OneAuditor;

impl Operators for OneAuditor {
    fn admit(&self, shown: Shown, wish: Wish) -> BoxFuture<'_, Result<AuditActor, NotAdmitted>> {
        let actor = AuditActor {
            authenticator: "admin".into(),
            who: None,
            credential_id: None,
            uid: None,
            client: Some(shown.client),
        };
        let judged = match (&*shown.token, wish.needs) {
            ("auditor", Needs::Read) => Ok(actor),
            ("auditor", _) => Err(NotAdmitted::Forbidden(Box::new(actor))),
            _ => Err(NotAdmitted::Invalid),
        };
        Box::pin(std::future::ready(judged))
    }
}

struct Untold;

impl AuditTrail for Untold {
    fn record(&self, _: AuditEvent) -> BoxFuture<'_, Result<(), AuditError>> {
        Box::pin(std::future::ready(Ok(())))
    }
}

fn front() -> Front {
    let (trail, clock) = (Arc::new(Untold), Arc::new(SystemClock));
    let document = Arc::new(crate::openapi());
    Front::new(Context { running: None, directory: None, trail, clock, document }, Arc::new(OneAuditor))
}

#[tokio::test]
async fn nobody_makes_a_call_that_they_may_not() {
    let mut probes = Vec::new();
    for operation in OPERATIONS {
        let path = operation.path.replace(['{', '}'], "");
        let status = async |token| {
            let request = request(operation.method.name(), &path, token, "{}");
            front().answer(request, [127, 0, 0, 1].into()).await.status().as_u16()
        };
        let name = operation.name;
        match operation.needs {
            Needs::Nothing => {
                probes.push(name);
                continue;
            }
            Needs::Read => assert!(![401, 403].contains(&status(Some("auditor")).await), "{name}"),
            Needs::Change => assert_eq!(status(Some("auditor")).await, 403, "{name}"),
        }
        assert_eq!((status(None).await, status(Some("other")).await), (401, 401), "{name}");
    }
    assert_eq!(probes, ["live", "ready", "metrics"], "nothing else is open");
}

#[test]
fn calls_have_names_and_addresses_of_their_own() {
    let names: BTreeSet<_> = OPERATIONS.iter().map(|operation| operation.name).collect();
    let places: BTreeSet<_> = OPERATIONS.iter().map(|one| (one.path, one.method.name())).collect();
    assert_eq!((names.len(), places.len()), (OPERATIONS.len(), OPERATIONS.len()));
    for operation in OPERATIONS {
        let writes = operation.action.is_some();
        assert!(!writes || operation.needs == Needs::Change, "{}", operation.name);
    }
}

//! Every call of the table is asked for without a credential, and with one that is not enough.

use crate::context::{Context, Needs, NotAdmitted, Operators, Peer, Shown, Wish};
use crate::door::{Arrival, Door, OpenCalls};
use crate::front::{Front, request};
use crate::operations::OPERATIONS;
use haechi_core::ports::{AuditActor, AuditError, AuditEvent, AuditTrail, BoxFuture};
use haechi_core::{Host, SystemClock};
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
            pid: None,
            client: None,
        };
        let token = shown.fields.get_all("authorization").iter().next().map(|value| value.as_bytes());
        let judged = match (token, wish.needs) {
            (Some(b"Bearer auditor"), Needs::Read) => Ok(actor),
            (Some(b"Bearer auditor"), _) => Err(NotAdmitted::Forbidden(Box::new(actor))),
            (None, _) => Err(NotAdmitted::Absent(vec!["Basic realm=\"staff\"".to_owned()])),
            _ => Err(NotAdmitted::Invalid(Vec::new())),
        };
        Box::pin(std::future::ready(judged))
    }
}

/// An address to which nobody comes.
struct Nowhere(OpenCalls);

impl Door for Nowhere {
    fn name(&self) -> &'static str {
        "nowhere"
    }
    fn accept(&self) -> BoxFuture<'_, std::io::Result<Arrival>> {
        Box::pin(std::future::pending())
    }
    fn calls(&self) -> OpenCalls {
        self.0
    }
    fn takes_host(&self, host: Option<&Host>) -> bool {
        host.is_some_and(|host| host.name() == "localhost")
    }
}

struct Untold;

impl AuditTrail for Untold {
    fn record(&self, _: AuditEvent) -> BoxFuture<'_, Result<(), AuditError>> {
        Box::pin(std::future::ready(Ok(())))
    }
}

fn front(calls: OpenCalls) -> Front {
    let (trail, clock) = (Arc::new(Untold), Arc::new(SystemClock));
    let document = Arc::new(crate::openapi());
    let context = Context { running: None, directory: None, trail, clock, document };
    Front::new(context, Arc::new(OneAuditor), Arc::new(Nowhere(calls)), None)
}

const SOMEBODY: Peer =
    Peer::Address(std::net::SocketAddr::new(std::net::IpAddr::V4(std::net::Ipv4Addr::LOCALHOST), 1));

#[tokio::test]
async fn an_address_for_probes_answers_nothing_else() {
    for operation in OPERATIONS {
        let path = operation.path.replace(['{', '}'], "");
        let request = request(operation.method.name(), &path, Some("auditor"), "{}");
        let status = front(OpenCalls::Probes).answer(request, SOMEBODY).await.status().as_u16();
        assert_eq!(status == 404, operation.needs != Needs::Nothing, "{}", operation.name);
    }
}

#[tokio::test]
async fn each_way_in_is_invited_to() {
    let asked = request("GET", "/api/v1/users", None, "");
    let response = front(OpenCalls::All).answer(asked, SOMEBODY).await;
    let told: Vec<_> = response.headers().get_all("www-authenticate").iter().collect();
    assert_eq!(told, ["Bearer realm=\"haechi-admin\"", "Basic realm=\"staff\""]);
}

#[tokio::test]
async fn nobody_makes_a_call_that_they_may_not() {
    let mut probes = Vec::new();
    for operation in OPERATIONS {
        let path = operation.path.replace(['{', '}'], "");
        let status = async |token| {
            let request = request(operation.method.name(), &path, token, "{}");
            front(OpenCalls::All).answer(request, SOMEBODY).await.status().as_u16()
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

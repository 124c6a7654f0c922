//! Dry run: what the gate would do with a request that nobody has sent, for commands.

use crate::accept::{Accepted, Arrived, accept};
use crate::http1;
use crate::judge::{Judged, Observer, judge, judge_on_route};
use crate::metrics::WorkerMetrics;
use crate::plan::Plan;
use crate::rate_limit::Counting;
use crate::refusal::{Refusal, Refused};
use crate::respond;
use crate::settings::ListenerIndex;
use crate::transport::Transport;
use crate::websocket::handshake::Upgradable;
use crate::worker::plan::WorkerPlan;
use haechi_authz::RouteIndex;
use haechi_core::connection::TlsFacts;
use haechi_core::id::RequestId;
use haechi_core::{ConnectionFacts, RequestHead, Timestamp};
use std::net::SocketAddr;
use std::sync::Arc;

/// A plan without a worker.
pub struct DryRun(WorkerPlan);

/// A request, as an HTTP/1.1 client would send it.
#[derive(Clone, Debug)]
pub struct DryRequest<'a> {
    /// The method, as sent.
    pub method: &'a str,
    /// Path and query, as sent.
    pub target: &'a str,
    /// Names and values, `Host` among them.
    pub headers: &'a [(String, String)],
    /// The other end of the connection.
    pub peer: SocketAddr,
    /// Whether the connection is TLS.
    pub secure: bool,
    /// The time that policies see.
    pub time: Timestamp,
    /// The time as of which credentials are checked.
    pub now: Timestamp,
}

/// What would become of a request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum DryOutcome {
    /// It would go on to where its route leads.
    Forwarded,
    /// It would be answered as a preflight.
    Preflight {
        /// Whether the request that it announces may be made.
        granted: bool,
    },
    /// It would be refused.
    Refused(Refused),
}

impl DryRun {
    /// With caches of its own, like a worker's.
    pub fn new(plan: Arc<Plan>) -> Self {
        Self(WorkerPlan::new(plan, None, &WorkerMetrics::default()))
    }

    /// The plan.
    pub fn plan(&self) -> &Plan {
        &self.0.shared
    }

    /// Judges a request as the pipeline does, but for limits: what nobody has sent is not counted. `accepted` sees the canonical head, `observer` each step after it.
    pub async fn judge<O: Observer>(
        &self,
        request: &DryRequest<'_>,
        accepted: impl FnOnce(&RequestHead),
        observer: &mut O,
    ) -> DryOutcome {
        match self.judged(request, accepted, observer).await {
            Ok(Judged::Permitted(_)) => DryOutcome::Forwarded,
            Ok(Judged::Preflight(asked)) => DryOutcome::Preflight { granted: asked.is_granted() },
            Err(refused) => DryOutcome::Refused(refused),
        }
    }

    /// Judges a request as the pipeline would if the route with this index took it, whether or not it does.
    pub async fn judge_on_route<O: Observer>(
        &self,
        request: &DryRequest<'_>,
        route: RouteIndex,
        observer: &mut O,
    ) -> DryOutcome {
        let judged = match self.accepted(request) {
            Ok((head, body)) => {
                judge_on_route(head, body, (route, &self.0), request.now, Counting::Off, observer).await
            }
            Err(refused) => Err(refused),
        };
        match judged {
            Ok(_) => DryOutcome::Forwarded,
            Err(refused) => DryOutcome::Refused(refused),
        }
    }

    async fn judged<O: Observer>(
        &self,
        request: &DryRequest<'_>,
        accepted: impl FnOnce(&RequestHead),
        observer: &mut O,
    ) -> Result<Judged<'_>, Refused> {
        let (head, body) = self.accepted(request)?;
        accepted(&head);
        judge(head, body, &self.0, request.now, Counting::Off, observer).await
    }

    /// The canonical head, and the length of the body where it is known.
    fn accepted(&self, request: &DryRequest<'_>) -> Result<(Box<RequestHead>, Option<u64>), Refused> {
        let limits = self.0.shared.limits.head_limits();
        let read = http1::head::request_of(&request.bytes()?, limits);
        let read = read.map_err(|fault| Refused::new(Refusal::from(fault), fault.to_string()))?;
        let listener = ListenerIndex::new(0);
        let transport =
            Transport { listener, peer: request.peer, tls: None, redirect: None, authorizes: false };
        let arrived = Arrived {
            id: RequestId::from_bits(0),
            received: request.time,
            transport: &transport,
            connection: ConnectionFacts {
                tls: request.secure.then(TlsFacts::default),
                ..ConnectionFacts::plain(request.peer)
            },
            upgradable: Upgradable::Connection,
        };
        let body = read.framing.length();
        let Accepted { head, .. } =
            accept(read.lines, &arrived, &self.0.shared, || 0).map_err(|not| not.refused)?;
        Ok((head, body))
    }
}

impl DryRequest<'_> {
    /// The head as it would stand on the wire.
    fn bytes(&self) -> Result<Vec<u8>, Refused> {
        let mut out = format!("{} {} HTTP/1.1\r\n", self.method, self.target);
        let mut lines = 1;
        for (name, value) in self.headers {
            lines += 1;
            out.extend([name, ": ", value, "\r\n"]);
        }
        out.push_str("\r\n");
        // A line break inside a part would begin another field.
        if out.bytes().filter(|&byte| byte == b'\n').count() != lines + 1 {
            return Err(Refused::new(Refusal::BadRequest, "a part of the request has a line break"));
        }
        Ok(out.into_bytes())
    }
}

impl DryOutcome {
    /// The status of the answer; 200 stands for whatever the backend says.
    pub const fn status(&self) -> u16 {
        let status = match self {
            Self::Forwarded => respond::FORWARDED,
            Self::Preflight { .. } => respond::PREFLIGHT,
            Self::Refused(refused) => respond::status(&refused.refusal),
        };
        status.as_u16()
    }

    /// What the access log would call it.
    pub const fn name(&self) -> &'static str {
        match self {
            Self::Forwarded => "forwarded",
            Self::Preflight { .. } => "preflight",
            Self::Refused(refused) => refused.refusal.outcome().name(),
        }
    }
}

//! From a request to a call: the address says which, the credential says whether.

use crate::context::{Context, Needs, NotAdmitted, Operators, Peer, Shown, Wish};
use crate::door::{Door, OpenCalls};
use crate::error::AdminError;
use crate::limits::CallLimits;
use crate::operation::{Call, Operation};
use crate::operations::OPERATIONS;
use crate::pages::{AnswerCall, Calls, MayChange, Pages, is_page};
use crate::standing::Standing;
use axum::extract::Request;
use axum::http::HeaderMap;
use axum::http::header::{AUTHORIZATION, CACHE_CONTROL, HOST, HeaderValue};
use axum::http::request::Parts;
use axum::response::{IntoResponse, Response};
use haechi_core::Host;
use haechi_core::ports::{AuditActor, AuditEvent, AuditOutcome};
use serde_json::{Map, Value};
use std::sync::Arc;

/// Answers requests.
#[derive(Clone)]
pub(crate) struct Front {
    context: Context,
    operators: Arc<dyn Operators>,
    limits: Arc<CallLimits>,
    door: Arc<dyn Door>,
    pages: Option<Arc<dyn Pages>>,
}

/// A call, and what stands in its path.
type Found = (&'static Operation, Map<String, Value>);

impl Front {
    pub(crate) fn new(
        context: Context,
        operators: Arc<dyn Operators>,
        door: Arc<dyn Door>,
        pages: Option<Arc<dyn Pages>>,
    ) -> Self {
        let limits = Arc::new(CallLimits::new(context.clock.clone()));
        Self { context, operators, limits, door, pages }
    }

    /// What the address is called that it answers at.
    pub(crate) fn door_name(&self) -> &str {
        self.door.name()
    }

    /// Answers a request of `peer`. What is told here is nobody's to keep on the way.
    pub(crate) async fn answer(self, request: Request, peer: Peer) -> Response {
        match self
            .pages
            .clone()
            .filter(|pages| pages.are_shown() && self.may_show(peer, request.uri().path()))
        {
            Some(pages) => self.page(&*pages, request, peer).await,
            None => self.answer_call(request, peer).await,
        }
    }

    /// People come to the address where every call is answered. Whoever comes over the socket is no browser.
    fn may_show(&self, peer: Peer, path: &str) -> bool {
        self.door.calls() == OpenCalls::All && matches!(peer, Peer::Address(_)) && is_page(path)
    }

    async fn page(self, pages: &dyn Pages, request: Request, peer: Peer) -> Response {
        let (parts, body) = request.into_parts();
        if !self.door.takes_host(host(&parts).as_ref()) {
            return AdminError::Host.into_response();
        }
        // Pages are counted by address, also of whoever is logged in: their calls are counted again, by caller.
        if let Err(refused) = self.limits.unverified(peer) {
            return refused.into_response();
        }
        let secure = self.door.is_secure();
        let asked = self.clone();
        let may: MayChange = Arc::new(move |bearer| Box::pin(asked.clone().may_change(bearer, peer)));
        let answer: AnswerCall = Arc::new(move |request| Box::pin(self.clone().answer_call(request, peer)));
        pages.answer(Request::from_parts(parts, body), Calls::new(answer, may, peer, secure)).await
    }

    /// Whether any change would be let through.
    async fn may_change(self, bearer: HeaderValue, peer: Peer) -> bool {
        for operation in OPERATIONS.iter().filter(|operation| operation.needs == Needs::Change) {
            let fields = HeaderMap::from_iter([(AUTHORIZATION, bearer.clone())]);
            let shown = Shown { fields, path: operation.path.to_owned(), peer };
            let wish = Wish { operation: operation.name, needs: operation.needs };
            if self.operators.admit(shown, wish).await.is_ok() {
                return true;
            }
        }
        false
    }

    /// Answers a call, and nothing else.
    pub(crate) async fn answer_call(self, request: Request, peer: Peer) -> Response {
        let mut response = self.call(request, peer).await.unwrap_or_else(IntoResponse::into_response);
        response.headers_mut().insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
        response
    }

    async fn call(&self, request: Request, peer: Peer) -> Result<Response, AdminError> {
        let (mut parts, body) = request.into_parts();
        if !self.door.takes_host(host(&parts).as_ref()) {
            return Err(AdminError::Host);
        }
        let (operation, segments) = find(&parts, self.door.calls())?;
        let actor = match operation.needs {
            Needs::Nothing => {
                self.limits.probe(peer)?;
                None
            }
            needs => Some(self.admit(&mut parts, peer, operation, needs).await?),
        };
        (operation.answer)(Call { context: self.context.clone(), actor, parts, segments, body }).await
    }

    async fn admit(
        &self,
        parts: &mut Parts,
        peer: Peer,
        operation: &Operation,
        needs: Needs,
    ) -> Result<AuditActor, AdminError> {
        if parts.headers.get_all(AUTHORIZATION).iter().nth(1).is_some() {
            self.limits.unverified(peer)?;
            return Err(AdminError::AmbiguousCredential);
        }
        let shown = Shown { fields: parts.headers.clone(), path: parts.uri.path().to_owned(), peer };
        let wish = Wish { operation: operation.name, needs };
        let refused = match self.operators.admit(shown.clone(), wish).await {
            Ok(actor) => {
                parts.extensions.insert(Standing { operators: self.operators.clone(), shown, wish });
                self.limits.by(peer, &actor)?;
                return Ok(actor);
            }
            Err(refused) => refused,
        };
        // Whoever is known is counted as themselves. Junk counts for its address, and refuses nobody there who is known.
        match &refused {
            NotAdmitted::Forbidden(actor) => self.limits.by(peer, actor)?,
            _ => self.limits.unverified(peer)?,
        }
        self.tell(operation, &refused).await;
        Err(AdminError::of(refused))
    }

    /// Writes to the trail that somebody who is known was not let change something.
    async fn tell(&self, operation: &Operation, refused: &NotAdmitted) {
        let (Some(action), NotAdmitted::Forbidden(actor)) = (operation.action, refused) else { return };
        let event = AuditEvent {
            at: self.context.clock.now(),
            action,
            actor: Some((**actor).clone()),
            about: None,
            target: None,
            outcome: AuditOutcome::Refused,
            details: Map::new(),
        };
        if let Err(error) = self.context.trail.record(event).await {
            tracing::error!(%error, action, "cannot write that a change was refused");
        }
    }
}

/// What is asked for, or which methods the address takes.
fn find(parts: &Parts, open: OpenCalls) -> Result<Found, AdminError> {
    let method = match parts.method.as_str() {
        "HEAD" => "GET",
        other => other,
    };
    let mut methods: Vec<&str> = Vec::new();
    let open = |operation: &&Operation| open == OpenCalls::All || operation.needs == Needs::Nothing;
    for operation in OPERATIONS.iter().filter(open) {
        let Some(segments) = fits(operation.path, parts.uri.path())? else { continue };
        if operation.method.name() == method {
            return Ok((operation, segments));
        }
        methods.push(operation.method.name());
    }
    if methods.contains(&"GET") {
        methods.push("HEAD");
    }
    if methods.is_empty() { Err(AdminError::NotFound) } else { Err(AdminError::Method(methods.join(", "))) }
}

/// What stands for the names in `pattern`, where `path` is one of its paths. A literal segment goes before a name, because it stands earlier in the table.
fn fits(pattern: &str, path: &str) -> Result<Option<Map<String, Value>>, AdminError> {
    let (mut wanted, mut given) = (pattern.split('/'), path.split('/'));
    let mut segments = Map::new();
    loop {
        let (wanted, given) = match (wanted.next(), given.next()) {
            (None, None) => return Ok(Some(segments)),
            (Some(wanted), Some(given)) => (wanted, given),
            _ => return Ok(None),
        };
        match wanted.strip_prefix('{').and_then(|name| name.strip_suffix('}')) {
            Some(_) if given.is_empty() => return Ok(None),
            Some(name) => drop(segments.insert(name.to_owned(), decoded(given)?.into())),
            None if wanted == given => {}
            None => return Ok(None),
        }
    }
}

/// A segment without its escapes (RFC 3986 2.1).
fn decoded(segment: &str) -> Result<String, AdminError> {
    let bad = || AdminError::BadPath("an escape in it is no UTF-8 text".to_owned());
    let (mut bytes, mut rest) = (Vec::new(), segment.as_bytes());
    while let Some((first, after)) = rest.split_first() {
        rest = after;
        if *first != b'%' {
            bytes.push(*first);
            continue;
        }
        let (digits, after) = rest.split_at_checked(2).ok_or_else(bad)?;
        let digits =
            std::str::from_utf8(digits).ok().filter(|text| text.bytes().all(|b| b.is_ascii_hexdigit()));
        bytes.push(digits.and_then(|text| u8::from_str_radix(text, 16).ok()).ok_or_else(bad)?);
        rest = after;
    }
    String::from_utf8(bytes).map_err(|_| bad())
}

/// The one host that the call names.
fn host(parts: &Parts) -> Option<Host> {
    let mut hosts = parts.headers.get_all(HOST).iter();
    let host = hosts.next().and_then(|host| Host::parse(host.as_bytes()).ok());
    host.filter(|_| hosts.next().is_none())
}

/// A request with a body, for tests.
#[cfg(test)]
pub(crate) fn request(method: &str, path: &str, token: Option<&str>, body: &str) -> Request {
    let mut request = axum::http::Request::builder().method(method).uri(path).header(HOST, "localhost");
    if let Some(token) = token {
        request = request.header(AUTHORIZATION, format!("Bearer {token}"));
    }
    request.header("content-type", "application/json").body(axum::body::Body::from(body.to_owned())).unwrap()
}

//! The one place in the control plane where statuses are chosen (docs/answers.md). Errors are `application/problem+json` (RFC 9457).

use crate::context::{NotAdmitted, NotApplied, Refused};
use crate::inspection::InspectionError;
use crate::policies::{PolicyError, PolicyRefused};
use axum::body::Body;
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use haechi_authn::hashing::HashingError;
use haechi_authn::identity::{AccountError, ClientError, RotationError, TokenDeskError};
use haechi_core::ports::{AuditError, LimitAnswer, StoreError};
use serde_json::{Value, json};

/// How a caller is invited to show a token (RFC 6750 3).
const CHALLENGE: HeaderValue = HeaderValue::from_static("Bearer realm=\"haechi-admin\"");
const BAD_TOKEN: HeaderValue =
    HeaderValue::from_static("Bearer realm=\"haechi-admin\", error=\"invalid_token\"");
/// What is left of the limit, and the limit (draft-ietf-httpapi-ratelimit-headers).
const RATE_LIMIT: header::HeaderName = header::HeaderName::from_static("ratelimit");
const RATE_LIMIT_POLICY: header::HeaderName = header::HeaderName::from_static("ratelimit-policy");
/// The same for clients that know no structured fields.
const RATE_LIMIT_LIMIT: header::HeaderName = header::HeaderName::from_static("ratelimit-limit");
const RATE_LIMIT_REMAINING: header::HeaderName = header::HeaderName::from_static("ratelimit-remaining");
const RATE_LIMIT_RESET: header::HeaderName = header::HeaderName::from_static("ratelimit-reset");
/// As [`crate::limits`] counts.
const CALLS: HeaderValue = HeaderValue::from_static("100");
const CALLS_POLICY: HeaderValue = HeaderValue::from_static("\"admin\";q=100;w=1");
/// In seconds; what could not be found out now may be known then.
const RETRY_AFTER: HeaderValue = HeaderValue::from_static("5");

/// Why a call was not answered.
#[derive(Clone, Debug, thiserror::Error)]
pub(crate) enum AdminError {
    /// No such address.
    #[error("nothing is served at this address")]
    NotFound,
    /// The address takes other methods.
    #[error("this address takes {0}")]
    Method(String),
    /// A page that calls under a name of its own.
    #[error("the call must name this address in `Host`")]
    Host,
    /// Nothing was shown. What invites to further ways in.
    #[error("the call needs a bearer token with the role `haechi-admin`, or, to read, `haechi-auditor`")]
    NoCredential(Vec<String>),
    /// What was shown does not hold. The same invitations.
    #[error("the token is not valid")]
    BadCredential(Vec<String>),
    /// Two were shown.
    #[error("the call shows a credential in a way that could be read as two")]
    AmbiguousCredential,
    /// Its bearer may not.
    #[error(
        "the call needs the role `haechi-admin`, or, to read, `haechi-auditor`, and no policy against it"
    )]
    Forbidden,
    /// Nobody may.
    #[error(
        "the call needs a token with the role `haechi-admin`, and no `identity` is configured that could give one, nor `admin.administrators`"
    )]
    NoIdentity,
    /// Whether they may could not be found out.
    #[error("cannot verify the token now; try again")]
    CannotTell,
    /// Too many calls.
    #[error("too many calls; try again later")]
    TooMany(LimitAnswer),
    /// No such decision.
    #[error("no decision of this id is remembered: only the newest are, and only since the process started")]
    NoDecision,
    /// A worker is late.
    #[error("not every worker answered in time")]
    WorkersSilent,
    /// Only a running gate knows.
    #[error("only a running gate can tell; start it, or name it with `--admin`")]
    NotRunning,
    /// Nothing is kept.
    #[error("no `store` is configured; add `store: sqlite:haechi.db`")]
    NoStore,
    /// The query is not as described.
    #[error("the query cannot be read: {0}")]
    BadQuery(String),
    /// The path is not as described.
    #[error("the path cannot be read: {0}")]
    BadPath(String),
    /// The body is not as described.
    #[error("the body cannot be read: {0}")]
    BadBody(String),
    /// The body is of another kind.
    #[error("the body must be `application/json`; say so in `Content-Type`")]
    ContentType,
    /// The body is too long.
    #[error("a body has at most 8 MiB")]
    TooLarge,
    /// The body did not come.
    #[error("the body did not arrive in time")]
    TooSlow,
    /// The body is not text.
    #[error("the body is not UTF-8")]
    NotText,
    /// What is asked for may not be.
    #[error("{0}")]
    Invalid(String),
    /// The password may not be one.
    #[error("{0}")]
    Password(String),
    /// It is not there.
    #[error("there is no {0}")]
    Missing(String),
    /// It is there already.
    #[error("{0} exists already")]
    Exists(String),
    /// As things are, it cannot be done.
    #[error("{0}")]
    Conflict(String),
    /// It was changed meanwhile.
    #[error("it is not as `If-Match` says: it was changed meanwhile; read it again")]
    Changed,
    /// What has no `ETag` fits none.
    #[error("`If-Match` names an `ETag`, and what this call changes has none")]
    Untagged,
    /// What is there must be said.
    #[error(
        "the call must say what it changes: `If-Match` with the `ETag`, or `If-None-Match: *` where nothing is there yet"
    )]
    ConditionMissing,
    /// A configuration that is at fault.
    #[error("the configuration is invalid; nothing has changed")]
    Refused(Refused),
    /// Some of what was to be imported is at fault.
    #[error("some cannot be imported; nothing has changed")]
    NotImported(Refused),
    /// A policy that is at fault.
    #[error("the policies would be invalid; nothing has changed")]
    Policy(Refused),
    /// Something would not be true any more.
    #[error("a property of the configuration would not hold; nothing has changed")]
    Property(Refused),
    /// Whether it would stay true could not be found out.
    #[error("{0}; nothing has changed")]
    Unproved(String),
    /// Who agrees may be who asked.
    #[error(
        "a second person must agree, and this may be the one who asked: another subject is needed, and all accounts of the machine count as one"
    )]
    SamePerson,
    /// The store could not be asked.
    #[error("{0}")]
    Store(String),
    /// The trail cannot be written, so nothing was changed.
    #[error("{0}; nothing was changed")]
    Unrecorded(AuditError),
    /// No trail is kept.
    #[error("no `audit` is configured; add `audit: {{ file: audit/haechi.jsonl }}`")]
    NoTrail,
    /// Others ask for as much.
    #[error("as many searches and analyses run as may; try again")]
    Busy,
    /// It was given up.
    #[error("it took too long and was given up; ask for less, such as a shorter time")]
    TooLong,
    /// Something of ours failed.
    #[error("{0}")]
    Failed(String),
}

/// One for each way in, the bearer token first.
fn challenges(bearer: HeaderValue, others: &[String]) -> Vec<(header::HeaderName, HeaderValue)> {
    let others = others.iter().filter_map(|told| HeaderValue::from_str(told).ok());
    std::iter::once(bearer).chain(others).map(|told| (header::WWW_AUTHENTICATE, told)).collect()
}

/// What a call that was answered comes to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Success {
    /// It is shown.
    Shown,
    /// It was made.
    Made,
    /// It was done, and there is nothing to show.
    Done,
    /// It waits for somebody else.
    Accepted,
    /// It is shown, and says that something is not ready.
    NotReady,
}

impl Success {
    /// Its status.
    pub(crate) const fn status(self) -> u16 {
        self.code().as_u16()
    }

    const fn code(self) -> StatusCode {
        match self {
            Self::Shown => StatusCode::OK,
            Self::Made => StatusCode::CREATED,
            Self::Done => StatusCode::NO_CONTENT,
            Self::Accepted => StatusCode::ACCEPTED,
            Self::NotReady => StatusCode::SERVICE_UNAVAILABLE,
        }
    }

    /// The answer.
    pub(crate) fn answer(self, headers: HeaderMap, body: Body) -> Response {
        (self.code(), headers, body).into_response()
    }
}

impl AdminError {
    /// Why a caller was not admitted.
    pub(crate) fn of(refused: NotAdmitted) -> Self {
        match refused {
            NotAdmitted::NoIdentity => Self::NoIdentity,
            NotAdmitted::Absent(others) => Self::NoCredential(others),
            NotAdmitted::Invalid(others) => Self::BadCredential(others),
            NotAdmitted::Ambiguous => Self::AmbiguousCredential,
            NotAdmitted::Forbidden(_) => Self::Forbidden,
            NotAdmitted::Unavailable => Self::CannotTell,
        }
    }

    const fn status(&self) -> (StatusCode, &'static str) {
        match self {
            Self::NotFound => (StatusCode::NOT_FOUND, "not-found"),
            Self::Method(_) => (StatusCode::METHOD_NOT_ALLOWED, "method-not-allowed"),
            Self::Host => (StatusCode::FORBIDDEN, "host"),
            Self::NoCredential(_) => (StatusCode::UNAUTHORIZED, "no-credential"),
            Self::BadCredential(_) => (StatusCode::UNAUTHORIZED, "bad-credential"),
            Self::AmbiguousCredential => (StatusCode::BAD_REQUEST, "ambiguous-credential"),
            Self::Forbidden | Self::NoIdentity => (StatusCode::FORBIDDEN, "forbidden"),
            Self::CannotTell | Self::WorkersSilent => (StatusCode::SERVICE_UNAVAILABLE, "cannot-tell"),
            Self::TooMany(_) => (StatusCode::TOO_MANY_REQUESTS, "rate-limited"),
            Self::NoDecision => (StatusCode::NOT_FOUND, "no-decision"),
            Self::NotRunning => (StatusCode::CONFLICT, "not-running"),
            Self::NoStore => (StatusCode::CONFLICT, "no-store"),
            Self::BadQuery(_) => (StatusCode::BAD_REQUEST, "bad-query"),
            Self::BadPath(_) => (StatusCode::BAD_REQUEST, "bad-path"),
            Self::BadBody(_) => (StatusCode::BAD_REQUEST, "bad-body"),
            Self::ContentType => (StatusCode::UNSUPPORTED_MEDIA_TYPE, "content-type"),
            Self::TooLarge => (StatusCode::PAYLOAD_TOO_LARGE, "body-too-large"),
            Self::TooSlow => (StatusCode::REQUEST_TIMEOUT, "body-too-slow"),
            Self::NotText => (StatusCode::BAD_REQUEST, "not-text"),
            Self::Invalid(_) => (StatusCode::UNPROCESSABLE_ENTITY, "invalid"),
            Self::Password(_) => (StatusCode::UNPROCESSABLE_ENTITY, "password"),
            Self::Missing(_) => (StatusCode::NOT_FOUND, "missing"),
            Self::Exists(_) => (StatusCode::CONFLICT, "exists"),
            Self::Conflict(_) => (StatusCode::CONFLICT, "conflict"),
            Self::Changed => (StatusCode::PRECONDITION_FAILED, "changed"),
            Self::Untagged => (StatusCode::PRECONDITION_FAILED, "no-etag"),
            Self::ConditionMissing => (StatusCode::PRECONDITION_REQUIRED, "no-condition"),
            Self::Refused(_) => (StatusCode::UNPROCESSABLE_ENTITY, "configuration"),
            Self::NotImported(_) => (StatusCode::UNPROCESSABLE_ENTITY, "import"),
            Self::Policy(_) => (StatusCode::UNPROCESSABLE_ENTITY, "policy"),
            Self::Property(_) => (StatusCode::CONFLICT, "property"),
            Self::Unproved(_) => (StatusCode::SERVICE_UNAVAILABLE, "unproved"),
            Self::SamePerson => (StatusCode::FORBIDDEN, "same-person"),
            Self::Store(_) => (StatusCode::SERVICE_UNAVAILABLE, "store"),
            Self::Unrecorded(_) => (StatusCode::SERVICE_UNAVAILABLE, "unrecorded"),
            Self::NoTrail => (StatusCode::CONFLICT, "no-audit"),
            Self::Busy => (StatusCode::SERVICE_UNAVAILABLE, "busy"),
            Self::TooLong => (StatusCode::SERVICE_UNAVAILABLE, "too-long"),
            Self::Failed(_) => (StatusCode::INTERNAL_SERVER_ERROR, "failed"),
        }
    }

    /// The stable name of the problem.
    pub(crate) const fn name(&self) -> &'static str {
        self.status().1
    }

    fn headers(&self) -> Vec<(header::HeaderName, HeaderValue)> {
        match self {
            Self::NoCredential(others) => challenges(CHALLENGE, others),
            Self::BadCredential(others) => challenges(BAD_TOKEN, others),
            Self::CannotTell
            | Self::WorkersSilent
            | Self::Store(_)
            | Self::Unrecorded(_)
            | Self::Unproved(_)
            | Self::Busy => {
                vec![(header::RETRY_AFTER, RETRY_AFTER)]
            }
            Self::TooMany(answer) => {
                let seconds = answer.retry_after.as_secs_f64().ceil().max(1.0) as u64;
                let left = HeaderValue::from_str(&format!("\"admin\";r=0;t={seconds}"));
                let mut fields = vec![
                    (header::RETRY_AFTER, HeaderValue::from(seconds)),
                    (RATE_LIMIT_POLICY, CALLS_POLICY),
                    (RATE_LIMIT_LIMIT, CALLS),
                    (RATE_LIMIT_REMAINING, HeaderValue::from(0)),
                    (RATE_LIMIT_RESET, HeaderValue::from(seconds)),
                ];
                fields.extend(left.ok().map(|left| (RATE_LIMIT, left)));
                fields
            }
            Self::Method(allowed) => {
                let allowed = HeaderValue::from_str(allowed);
                allowed.into_iter().map(|allowed| (header::ALLOW, allowed)).collect()
            }
            _ => Vec::new(),
        }
    }

    fn more(&self) -> Option<[(&'static str, Value); 2]> {
        let (Self::Refused(Refused { faults, report })
        | Self::NotImported(Refused { faults, report })
        | Self::Policy(Refused { faults, report })
        | Self::Property(Refused { faults, report })) = self
        else {
            return None;
        };
        Some([("faults", faults.clone()), ("report", report.clone().into())])
    }
}

impl From<NotApplied> for AdminError {
    fn from(why: NotApplied) -> Self {
        match why {
            NotApplied::Refused(refused) => Self::Refused(refused),
            NotApplied::Changed => Self::Changed,
            NotApplied::Impossible(why) => Self::Conflict(why),
        }
    }
}

impl IntoResponse for AdminError {
    fn into_response(self) -> Response {
        let (status, name) = self.status();
        let mut problem = json!({
            "type": format!("urn:haechi:problem:{name}"),
            "title": status.canonical_reason(),
            "status": status.as_u16(),
            "detail": self.to_string(),
        });
        if let (Some(more), Value::Object(members)) = (self.more(), &mut problem) {
            members.extend(more.map(|(name, value)| (name.to_owned(), value)));
        }
        let kind = [(header::CONTENT_TYPE, "application/problem+json")];
        let mut response = (status, kind, format!("{problem}\n")).into_response();
        for (name, value) in self.headers() {
            response.headers_mut().append(name, value);
        }
        response
    }
}

impl From<InspectionError> for AdminError {
    fn from(error: InspectionError) -> Self {
        match error {
            InspectionError::Refused(refused) => Self::Refused(refused),
            InspectionError::Invalid(what) => Self::Invalid(what),
            InspectionError::Missing(what) => Self::Missing(what),
            InspectionError::Impossible(why) => Self::Conflict(why),
            InspectionError::Busy => Self::Busy,
            InspectionError::TooLong => Self::TooLong,
            InspectionError::Store(why) => Self::Store(why),
            InspectionError::Failed(what) => Self::Failed(what),
        }
    }
}

impl From<PolicyError> for AdminError {
    fn from(error: PolicyError) -> Self {
        match error {
            PolicyError::Invalid(why) => Self::Invalid(why),
            PolicyError::Missing(what) => Self::Missing(what),
            PolicyError::Changed => Self::Changed,
            PolicyError::Store(error) => error.into(),
            PolicyError::Refused(PolicyRefused::Faults(refused)) => Self::Policy(refused),
            PolicyError::Refused(PolicyRefused::Properties(refused)) => Self::Property(refused),
            PolicyError::Refused(PolicyRefused::Unproved(why)) => Self::Unproved(why),
            PolicyError::Refused(PolicyRefused::Busy) => Self::Busy,
            PolicyError::Refused(PolicyRefused::Failed(why)) => Self::Failed(why),
        }
    }
}

impl From<StoreError> for AdminError {
    fn from(error: StoreError) -> Self {
        match error {
            StoreError::Exists(what) => Self::Exists(what),
            StoreError::Missing(what) => Self::Missing(what),
            StoreError::Changed(_) => Self::Changed,
            StoreError::Unavailable(_) | StoreError::Corrupt(_) => Self::Store(error.to_string()),
        }
    }
}

impl From<AccountError> for AdminError {
    fn from(error: AccountError) -> Self {
        match error {
            AccountError::Store(error) => error.into(),
            AccountError::Name(_)
            | AccountError::Role { .. }
            | AccountError::Attribute(_)
            | AccountError::Hash(_)
            | AccountError::Scope(_) => Self::Invalid(error.to_string()),
            AccountError::Password(fault) => Self::Password(fault.to_string()),
            AccountError::KeyEnded { .. } => Self::Conflict(error.to_string()),
            AccountError::SessionsNotEnded(_)
            | AccountError::Hashing(HashingError::Busy | HashingError::BrokeOff) => {
                Self::Store(error.to_string())
            }
            AccountError::Hashing(_) | AccountError::Randomness(_) | AccountError::Factor(_) => {
                Self::Failed(error.to_string())
            }
        }
    }
}

impl From<TokenDeskError> for AdminError {
    fn from(error: TokenDeskError) -> Self {
        match error {
            TokenDeskError::Store(error) => error.into(),
            TokenDeskError::NoToken | TokenDeskError::Refresh | TokenDeskError::Neither => {
                Self::Invalid(error.to_string())
            }
            TokenDeskError::OtherIssuer | TokenDeskError::NoId => Self::Conflict(error.to_string()),
            TokenDeskError::Keys(_) => Self::Store(error.to_string()),
        }
    }
}

impl From<ClientError> for AdminError {
    fn from(error: ClientError) -> Self {
        match error {
            ClientError::Account(error) => error.into(),
            ClientError::Store(error) => error.into(),
            ClientError::Audience(_) | ClientError::Lifetime(_) => Self::Invalid(error.to_string()),
            ClientError::Keys(_) => Self::Password(error.to_string()),
            ClientError::NoSecret(_) | ClientError::RedirectUri(_) | ClientError::Public => {
                Self::Invalid(error.to_string())
            }
            ClientError::Randomness(_) => Self::Failed(error.to_string()),
        }
    }
}

impl From<RotationError> for AdminError {
    fn from(error: RotationError) -> Self {
        match error {
            RotationError::Store(error) => error.into(),
            RotationError::Missing(_) | RotationError::TooSoon | RotationError::Signs(_) => {
                Self::Invalid(error.to_string())
            }
            RotationError::NoSeal | RotationError::Seal { .. } => Self::Conflict(error.to_string()),
            RotationError::Keyring(_) => Self::Store(error.to_string()),
        }
    }
}

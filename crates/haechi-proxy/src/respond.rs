//! Error responses and other responses of our own: the one place in the data plane where status codes are chosen (docs/answers.md).

use crate::language::Language;
use crate::outcome::RequestOutcome;
use crate::record::Record;
use crate::refusal::{Refusal, Refused};
use crate::reply::{ErrorFormat, ReplyContext};
use crate::response::{Response, ResponseBody};
use crate::whole_seconds::whole_seconds;
use haechi_authn::{Challenge, ChallengeError, Effects, SetCookie};
use haechi_core::{Fields, Timestamp};
use http::{Method, StatusCode};
use serde::Serialize;
use std::time::Duration;

/// Answers with a refusal, and records it as what it is.
pub(crate) fn refuse(refused: Refused, to: ReplyContext, mut record: Record) -> Response {
    let Refused { refusal, reason, authenticator } = refused;
    record.refused(reason, authenticator);
    let refusal = &refusal;
    if let Some(limit) = refusal.limit() {
        record.limit(limit);
    }
    let status = status(refusal);
    record.answered(status, refusal.outcome());
    record.problem(refusal.name());
    let mut fields = Fields::with_capacity(8, 256);
    our_fields(&mut fields, &to, b"no-store");
    specific_fields(refusal, &mut fields);
    let (status, body) = match to.format {
        _ if refusal.oauth().is_some() => (status, oauth(refusal, &mut fields)),
        // A redirect is for whatever speaks HTTP below gRPC.
        ErrorFormat::Grpc(content_type) if !matches!(refusal, Refusal::Redirect { .. }) => {
            grpc(refusal, status, content_type, &mut fields)
        }
        ErrorFormat::Html(_) | ErrorFormat::Problem if refusal.body().is_some() => {
            (status, body_of_service(refusal, &mut fields))
        }
        ErrorFormat::Html(language) => (status, html(refusal, status, language, &to, &mut fields)),
        ErrorFormat::Problem | ErrorFormat::Grpc(_) => (status, problem(refusal, status, &to, &mut fields)),
    };
    Response { status, fields, body: ResponseBody::Full(body), close: refusal.closes(), record }
}

/// Adds what authenticators do to an answer, whoever made it.
pub(crate) fn apply_effects(effects: &Effects, fields: &mut Fields) {
    for cookie in effects.cookies() {
        fields.push(b"set-cookie", cookie.field_value().as_bytes());
    }
}

/// The status of an answer to a preflight, granted or not.
pub(crate) const PREFLIGHT: StatusCode = StatusCode::NO_CONTENT;

/// The status of a gRPC call that was answered, whatever the answer says.
pub(crate) const CALLED: StatusCode = StatusCode::OK;

/// What stands for the status that a backend chooses.
pub(crate) const FORWARDED: StatusCode = StatusCode::OK;

/// The status of a refusal.
pub(crate) const fn status(refusal: &Refusal) -> StatusCode {
    match refusal {
        Refusal::BadRequest => StatusCode::BAD_REQUEST,
        Refusal::BadBody | Refusal::FormBody => StatusCode::BAD_REQUEST,
        Refusal::OAuthRequest { .. } => StatusCode::BAD_REQUEST,
        Refusal::OAuthClient { .. } => StatusCode::UNAUTHORIZED,
        Refusal::AmbiguousCredential => StatusCode::BAD_REQUEST,
        Refusal::NotFound => StatusCode::NOT_FOUND,
        Refusal::MethodNotAllowed(_) => StatusCode::METHOD_NOT_ALLOWED,
        Refusal::NoCredential { .. } => StatusCode::UNAUTHORIZED,
        // Whatever was asked for, what comes next is a GET of another page (RFC 9110 15.4.4).
        Refusal::Login { .. } => StatusCode::SEE_OTHER,
        Refusal::LoginFirst { .. } => StatusCode::UNAUTHORIZED,
        Refusal::LoginRefused { .. } => StatusCode::BAD_REQUEST,
        Refusal::LoginDenied { .. } => StatusCode::FORBIDDEN,
        Refusal::LoginUntrusted { .. } => StatusCode::BAD_GATEWAY,
        Refusal::LoginInsufficient => StatusCode::FORBIDDEN,
        Refusal::StepUp { .. } | Refusal::SecondFactorNeeded => StatusCode::UNAUTHORIZED,
        Refusal::PasswordChangeNeeded => StatusCode::FORBIDDEN,
        Refusal::PasswordRefused { .. } => StatusCode::UNPROCESSABLE_ENTITY,
        Refusal::NotNow { .. } => StatusCode::CONFLICT,
        // The method and the body stay as they are (RFC 9110 15.4.9).
        Refusal::Redirect { .. } => StatusCode::PERMANENT_REDIRECT,
        Refusal::BadCredential { .. } => StatusCode::UNAUTHORIZED,
        Refusal::OfService { status, .. } => of_service(*status),
        Refusal::Forbidden { .. } => StatusCode::FORBIDDEN,
        Refusal::RateLimited { .. } => StatusCode::TOO_MANY_REQUESTS,
        Refusal::CannotTell { .. } => StatusCode::SERVICE_UNAVAILABLE,
        Refusal::Misdirected | Refusal::CertificateNotBelieved => StatusCode::MISDIRECTED_REQUEST,
        Refusal::TargetTooLong => StatusCode::URI_TOO_LONG,
        Refusal::HeadTooLarge | Refusal::TooManyFields => StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE,
        Refusal::BodyTooLarge => StatusCode::PAYLOAD_TOO_LARGE,
        Refusal::HeadTimeout | Refusal::RequestTimeout => StatusCode::REQUEST_TIMEOUT,
        Refusal::ExpectationFailed => StatusCode::EXPECTATION_FAILED,
        Refusal::UpgradeRequired => StatusCode::UPGRADE_REQUIRED,
        Refusal::BadGateway => StatusCode::BAD_GATEWAY,
        Refusal::GatewayTimeout => StatusCode::GATEWAY_TIMEOUT,
        Refusal::NoEndpoint => StatusCode::SERVICE_UNAVAILABLE,
        Refusal::Overloaded => StatusCode::SERVICE_UNAVAILABLE,
        Refusal::Internal => StatusCode::INTERNAL_SERVER_ERROR,
    }
}

/// The statuses that an authorization service may choose; it lets nobody through by another.
const fn of_service(status: u16) -> StatusCode {
    match status {
        302 => StatusCode::FOUND,
        303 => StatusCode::SEE_OTHER,
        307 => StatusCode::TEMPORARY_REDIRECT,
        401 => StatusCode::UNAUTHORIZED,
        429 => StatusCode::TOO_MANY_REQUESTS,
        _ => StatusCode::FORBIDDEN,
    }
}

/// Tells another gateway that a request of its own may go on, and what `write` says of its caller.
pub(crate) fn allowed(to: &ReplyContext, write: impl FnOnce(&mut Fields), mut record: Record) -> Response {
    let mut fields = Fields::with_capacity(14, 512);
    our_fields(&mut fields, to, b"no-store");
    write(&mut fields);
    let status = StatusCode::OK;
    record.answered(status, RequestOutcome::Allowed);
    Response { status, fields, body: ResponseBody::Full(Vec::new()), close: false, record }
}

/// Takes note that a request which nobody has sent may go on.
pub(crate) fn may_go_on(record: &mut Record) {
    record.answered(StatusCode::OK, RequestOutcome::Allowed);
}

/// Answers a question about requests that nobody has sent. Each has its own record, and what it came to stands there.
pub(crate) fn decisions(mut body: Vec<u8>, received: Timestamp, record: Record) -> Response {
    let id = record.line().id;
    let to = ReplyContext { id, received, decision: None, format: ErrorFormat::Problem };
    let mut fields = Fields::with_capacity(5, 192);
    our_fields(&mut fields, &to, b"no-store");
    fields.push(b"content-type", b"application/json");
    end_line(&mut body);
    Response { status: StatusCode::OK, fields, body: ResponseBody::Full(body), close: false, record }
}

/// What another gateway makes of the status of an answer that lets nobody through.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Passes {
    /// It passes every status but 2xx to the client.
    All,
    /// It takes 5xx for an answer that never came, and may let the request through then.
    NoServerError,
    /// It knows 401 and 403 alone.
    TwoStatuses,
}

/// The status with which another gateway is told that a request goes no further, where the client would be told `status`. Never one that lets it through.
pub(crate) const fn refused_as(status: StatusCode, passes: Passes) -> StatusCode {
    match (passes, status.as_u16()) {
        (_, 0..=299) => StatusCode::FORBIDDEN,
        (Passes::TwoStatuses, 300..=399 | 401) => StatusCode::UNAUTHORIZED,
        (Passes::TwoStatuses, _) | (Passes::NoServerError, 500..) => StatusCode::FORBIDDEN,
        _ => status,
    }
}

/// Makes the answer to a preflight, refused or not: a status that says nothing, because browsers go by the fields alone.
pub(crate) fn preflight(to: ReplyContext, write: impl FnOnce(&mut Fields), mut record: Record) -> Response {
    let mut fields = Fields::with_capacity(10, 512);
    our_fields(&mut fields, &to, b"no-store");
    write(&mut fields);
    let status = PREFLIGHT;
    record.answered(status, RequestOutcome::Preflight);
    Response { status, fields, body: ResponseBody::Full(Vec::new()), close: false, record }
}

/// Answers with a JSON document, or, without one, with 204.
pub(crate) fn document(
    mut body: Vec<u8>,
    cache_control: &[u8],
    to: &ReplyContext,
    mut record: Record,
) -> Response {
    let mut fields = Fields::with_capacity(4, 192);
    our_fields(&mut fields, to, cache_control);
    let status = if body.is_empty() { StatusCode::NO_CONTENT } else { StatusCode::OK };
    if !body.is_empty() {
        fields.push(b"content-type", b"application/json");
        end_line(&mut body);
    }
    record.answered(status, RequestOutcome::Answered);
    Response { status, fields, body: ResponseBody::Full(body), close: false, record }
}

/// Sends a browser on after a call of the gate's own, with these cookies (RFC 9110 15.4.4). What stood in the address of the call stays here.
pub(crate) fn see_other(
    location: &str,
    cookies: &[SetCookie],
    to: &ReplyContext,
    mut record: Record,
) -> Response {
    let mut fields = Fields::with_capacity(8, 1024);
    our_fields(&mut fields, to, b"no-store");
    fields.push(b"location", location.as_bytes());
    fields.push(b"referrer-policy", b"no-referrer");
    cookies.iter().for_each(|cookie| fields.push(b"set-cookie", cookie.field_value().as_bytes()));
    let status = StatusCode::SEE_OTHER;
    record.answered(status, RequestOutcome::Answered);
    Response { status, fields, body: ResponseBody::Full(Vec::new()), close: false, record }
}

/// A page of the gate's own, with these cookies: a heading, and what stands below it in HTML.
pub(crate) fn page(
    (heading, below): (&'static str, &str),
    language: Language,
    cookies: &[SetCookie],
    to: &ReplyContext,
    mut record: Record,
) -> Response {
    let mut fields = Fields::with_capacity(10, 1024);
    our_fields(&mut fields, to, b"no-store");
    page_fields(language, &mut fields);
    cookies.iter().for_each(|cookie| fields.push(b"set-cookie", cookie.field_value().as_bytes()));
    let status = StatusCode::OK;
    record.answered(status, RequestOutcome::Answered);
    let heading = language.said(heading);
    let body = page_text(language, heading, &format!("<h1>{heading}</h1>{below}"));
    Response { status, fields, body: ResponseBody::Full(body), close: false, record }
}

/// A page with a form, under a policy of its own, with these cookies. What was sent before was refused where it `has_problem`.
pub(crate) fn form_page(
    html: Vec<u8>,
    policy: &str,
    has_problem: bool,
    cookies: &[SetCookie],
    to: &ReplyContext,
    mut record: Record,
) -> Response {
    let mut fields = Fields::with_capacity(12, 1024);
    our_fields(&mut fields, to, b"no-store");
    fields.push(b"content-type", b"text/html; charset=utf-8");
    fields.push(b"content-security-policy", policy.as_bytes());
    fields.push(b"x-frame-options", b"DENY");
    fields.push(b"x-content-type-options", b"nosniff");
    // Under `no-referrer` browsers send forms with `Origin: null`, which could be anybody's.
    fields.push(b"referrer-policy", b"same-origin");
    fields.push(b"vary", b"accept-language");
    cookies.iter().for_each(|cookie| fields.push(b"set-cookie", cookie.field_value().as_bytes()));
    let status = if has_problem { StatusCode::BAD_REQUEST } else { StatusCode::OK };
    record.answered(status, RequestOutcome::Answered);
    Response { status, fields, body: ResponseBody::Full(html), close: false, record }
}

/// A script of our own pages, which never changes under its name.
pub(crate) fn script(text: &'static str, to: &ReplyContext, mut record: Record) -> Response {
    let mut fields = Fields::with_capacity(8, 256);
    our_fields(&mut fields, to, b"public, max-age=31536000, immutable");
    fields.push(b"content-type", b"text/javascript; charset=utf-8");
    fields.push(b"x-content-type-options", b"nosniff");
    fields.push(b"cross-origin-resource-policy", b"same-origin");
    record.answered(StatusCode::OK, RequestOutcome::Answered);
    let body = ResponseBody::Full(text.as_bytes().to_vec());
    Response { status: StatusCode::OK, fields, body, close: false, record }
}

/// What a client has registered (RFC 7591 3.2.1).
pub(crate) fn created(body: Vec<u8>, to: &ReplyContext, record: Record) -> Response {
    let mut response = document(body, b"no-store", to, record);
    response.status = StatusCode::CREATED;
    response.record.answered(StatusCode::CREATED, RequestOutcome::Answered);
    response
}

/// What every page of ours carries: nothing is loaded, run, framed or sent anywhere.
fn page_fields(language: Language, fields: &mut Fields) {
    fields.push(b"content-language", language.tag().as_bytes());
    fields.push(b"vary", b"Accept, Accept-Language");
    fields.push(b"content-type", b"text/html; charset=utf-8");
    fields.push(
        b"content-security-policy",
        b"default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
    );
    fields.push(b"x-content-type-options", b"nosniff");
    fields.push(b"referrer-policy", b"no-referrer");
}

fn page_text(language: Language, title: &str, body: &str) -> Vec<u8> {
    format!(
        "<!doctype html>\n<html lang=\"{lang}\"><meta charset=\"utf-8\"><meta name=\"viewport\" content=\"width=device-width\">\
         <meta name=\"color-scheme\" content=\"light dark\"><title>{title}</title>\
         <style>:root{{color-scheme:light dark}}body{{font:1rem/1.5 system-ui;max-width:36rem;margin:20vh auto;padding:0 1rem;color:#1a1a1a;background:#fff}}a{{color:#0b57d0}}code{{color:#595959}}\
         @media(prefers-color-scheme:dark){{body{{color:#ececec;background:#161616}}a{{color:#a8c7fa}}code{{color:#b0b0b0}}}}</style>\
         <main>{body}</main></html>\n",
        lang = language.tag(),
    )
    .into_bytes()
}

/// An address as it stands in an attribute. What is in it otherwise was checked where it was made.
pub(crate) fn in_attribute(text: &str) -> String {
    text.replace('&', "&amp;").replace('"', "&quot;").replace('<', "&lt;")
}

/// The status with which a WebSocket opens: 101 where the connection is upgraded (RFC 6455 4.2.2), 200 on a stream of its own (RFC 8441 5).
pub(crate) const fn websocket(upgraded: bool) -> StatusCode {
    if upgraded { StatusCode::SWITCHING_PROTOCOLS } else { StatusCode::OK }
}

/// What every answer of ours carries (RFC 9110 6.6.1 asks for `Date`).
fn our_fields(fields: &mut Fields, to: &ReplyContext, cache_control: &[u8]) {
    fields.push(b"date", httpdate::fmt_http_date(to.received.to_system()).as_bytes());
    fields.push(b"x-request-id", &to.id.hex());
    fields.push(b"cache-control", cache_control);
}

fn specific_fields(refusal: &Refusal, fields: &mut Fields) {
    let mut challenge = |challenge: &Challenge, error: Option<&ChallengeError>| {
        fields.push(b"www-authenticate", challenge.told(error).as_bytes());
    };
    match refusal {
        Refusal::MethodNotAllowed(allow) => {
            let list = allow.iter().map(Method::as_str).collect::<Vec<_>>().join(", ");
            fields.push(b"allow", list.as_bytes());
        }
        Refusal::NoCredential { challenges } | Refusal::LoginFirst { challenges, .. } => {
            challenges.iter().for_each(|known| challenge(known, None));
        }
        Refusal::BadCredential { challenges } | Refusal::StepUp { challenges, .. } => {
            challenges.iter().for_each(|(known, error)| challenge(known, error.as_ref()));
        }
        Refusal::OAuthClient { .. } => challenge(&Challenge::new("Basic", "clients"), None),
        Refusal::OfService { answer, .. } => {
            answer.fields.iter().for_each(|(name, value)| fields.push(name.as_bytes(), value));
        }
        Refusal::Forbidden { scopes: Some(scopes), metadata } => {
            let error = ChallengeError::InsufficientScope(scopes.clone());
            let bearer = Challenge::bare_bearer();
            let bearer = match metadata {
                Some(address) => bearer.with("resource_metadata", address),
                None => bearer,
            };
            challenge(&bearer, Some(&error));
        }
        Refusal::AmbiguousCredential => {
            challenge(&Challenge::bare_bearer(), Some(&ChallengeError::InvalidRequest));
        }
        Refusal::Login { to } => fields.push(b"location", to.location().as_bytes()),
        Refusal::Redirect { location } => fields.push(b"location", location.as_bytes()),
        Refusal::UpgradeRequired => fields.push(b"sec-websocket-version", b"13"),
        // RFC 6585 4.
        Refusal::RateLimited { retry_after } => {
            fields.push(b"retry-after", whole_seconds(*retry_after).to_string().as_bytes());
        }
        Refusal::CannotTell { retry_after } => {
            fields.push(
                b"retry-after",
                whole_seconds(retry_after.unwrap_or(RETRY_AFTER)).to_string().as_bytes(),
            );
        }
        Refusal::NoEndpoint | Refusal::Overloaded => {
            fields.push(b"retry-after", whole_seconds(RETRY_AFTER).to_string().as_bytes());
        }
        _ => {}
    }
}

/// When a client is asked to try again, where nobody knows better.
const RETRY_AFTER: Duration = Duration::from_secs(2);

#[derive(Serialize)]
struct Problem<'a> {
    r#type: String,
    title: &'a str,
    status: u16,
    detail: &'a str,
    request_id: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    decision_id: Option<String>,
}

/// RFC 9457.
fn problem(refusal: &Refusal, status: StatusCode, to: &ReplyContext, fields: &mut Fields) -> Vec<u8> {
    let (name, detail) = (refusal.name(), refusal.detail());
    fields.push(b"content-type", b"application/problem+json");
    let problem = Problem {
        r#type: format!("urn:haechi:problem:{name}"),
        title: status.canonical_reason().unwrap_or_default(),
        status: status.as_u16(),
        detail,
        request_id: to.id.to_string(),
        decision_id: to.decision.map(|id| id.to_string()),
    };
    json_line(&problem)
}

/// JSON as one line, so that the prompt of a terminal begins on the next.
fn json_line(value: &impl Serialize) -> Vec<u8> {
    let mut body = serde_json::to_vec(value).unwrap_or_default();
    end_line(&mut body);
    body
}

fn end_line(body: &mut Vec<u8>) {
    if !body.ends_with(b"\n") {
        body.push(b'\n');
    }
}

/// RFC 6749 5.2.
fn oauth(refusal: &Refusal, fields: &mut Fields) -> Vec<u8> {
    let (error, told) = refusal.oauth().unwrap_or_default();
    fields.push(b"content-type", b"application/json");
    json_line(&serde_json::json!({ "error": error, "error_description": told }))
}

/// What an authorization service has to say itself.
fn body_of_service(refusal: &Refusal, fields: &mut Fields) -> Vec<u8> {
    let Some(body) = refusal.body() else { return Vec::new() };
    fields.push(b"content-type", &body.content_type);
    fields.push(b"x-content-type-options", b"nosniff");
    body.bytes.clone()
}

/// The short page that browsers get in place of a problem.
fn html(
    refusal: &Refusal,
    status: StatusCode,
    language: Language,
    to: &ReplyContext,
    fields: &mut Fields,
) -> Vec<u8> {
    let detail = language.said(refusal.detail());
    page_fields(language, fields);
    let title = language.reason(status);
    let login = refusal.login().map_or_else(String::new, |login| {
        format!("<p><a href=\"{}\">{}</a></p>", in_attribute(login.location()), language.said("Log in"))
    });
    let heading = format!("{code} {title}", code = status.as_u16());
    let body = format!(
        "<h1>{heading}</h1><p>{detail}.</p>{login}<p><code>{request} {id}</code></p>",
        request = language.said("request"),
        id = to.id
    );
    page_text(language, &heading, &body)
}

/// gRPC callers read the status from `grpc-status`, on HTTP 200 (gRPC over HTTP/2, "Responses"). What a status becomes is what clients make of it
/// themselves (gRPC, "HTTP to gRPC Status Code Mapping"), save that time that ran out is `DEADLINE_EXCEEDED` and a limit is `RESOURCE_EXHAUSTED`.
/// gRPC-Web is the same here: trailers alone are sent as header fields, with no message in the body (gRPC-Web, "Message framing" 4), and base64
/// of no body is none.
fn grpc(
    refusal: &Refusal,
    status: StatusCode,
    content_type: &str,
    fields: &mut Fields,
) -> (StatusCode, Vec<u8>) {
    let code = match status.as_u16() {
        401 => "16",
        403 => "7",
        404 | 405 => "12",
        408 | 504 => "4",
        413 | 414 | 429 | 431 => "8",
        421 | 502 | 503 => "14",
        _ => "13",
    };
    fields.push(b"content-type", content_type.as_bytes());
    fields.push(b"grpc-status", code.as_bytes());
    fields.push(b"grpc-message", refusal.detail().as_bytes());
    (StatusCode::OK, Vec::new())
}

#[cfg(test)]
mod tests {
    use super::{apply_effects, specific_fields, status};
    use crate::outcome::RequestOutcome;
    use crate::refusal::Refusal;
    use haechi_authn::{Challenge, ChallengeError, Effects, LoginRedirect, SetCookie};
    use haechi_core::Fields;
    use std::time::Duration;

    /// The values of the field `name` in the answer to `refusal`.
    fn field(refusal: &Refusal, name: &str) -> Vec<String> {
        let mut fields = Fields::default();
        specific_fields(refusal, &mut fields);
        let values = fields.iter().filter(|field| field.name == name.as_bytes());
        values.map(|field| String::from_utf8(field.value.to_vec()).unwrap()).collect()
    }

    #[test]
    fn a_client_is_told_when_to_try_again() {
        let told = |retry_after| field(&Refusal::CannotTell { retry_after }, "retry-after");
        assert_eq!(told(None), ["2"]);
        assert_eq!(told(Some(Duration::from_secs(30))), ["30"]);
        assert_eq!(told(Some(Duration::from_millis(1001))), ["2"], "not too early");
        assert_eq!(told(Some(Duration::ZERO)), ["1"], "not at once");
        assert_eq!(field(&Refusal::Overloaded, "retry-after"), ["2"]);
    }

    #[test]
    fn a_browser_is_sent_to_the_login() {
        let login = Refusal::Login { to: LoginRedirect::new("/login").unwrap() };
        assert_eq!(status(&login).as_u16(), 303);
        assert_eq!(field(&login, "location"), ["/login"]);
        assert!(matches!(login.outcome(), RequestOutcome::Unauthenticated));
    }

    #[test]
    fn cookies_are_added_to_those_of_the_answer() {
        let mut fields = Fields::default();
        fields.push(b"set-cookie", b"theirs=1");
        let one = Effects::default().with_cookie(SetCookie::new("ours", "2").unwrap());
        apply_effects(&one, &mut fields);
        let values: Vec<_> = fields.iter().map(|field| field.value.to_vec()).collect();
        assert_eq!(values, [&b"theirs=1"[..], b"ours=2; Path=/; Secure; HttpOnly; SameSite=Lax"]);
    }

    #[test]
    fn an_error_is_told_by_the_challenges_that_can_carry_it() {
        let challenges = vec![Challenge::new("Basic", "staff").into(), Challenge::bearer("corp").into()];
        let errors = [Some(ChallengeError::InvalidToken), Some(ChallengeError::InvalidToken)];
        let after = challenges.iter().cloned().zip(errors).collect();
        let told = field(&Refusal::BadCredential { challenges: after }, "www-authenticate");
        assert_eq!(told, [r#"Basic realm="staff""#, r#"Bearer realm="corp", error="invalid_token""#]);
        let of_another = challenges.iter().cloned().map(|challenge| (challenge, None)).collect();
        let told = field(&Refusal::BadCredential { challenges: of_another }, "www-authenticate");
        assert_eq!(told, [r#"Basic realm="staff""#, r#"Bearer realm="corp""#], "each tells its own error");
        let told = field(&Refusal::NoCredential { challenges }, "www-authenticate");
        assert_eq!(told, [r#"Basic realm="staff""#, r#"Bearer realm="corp""#]);
        let forbidden = Refusal::Forbidden { scopes: Some("a b".into()), metadata: None };
        let told = field(&forbidden, "www-authenticate");
        assert_eq!(told, [r#"Bearer error="insufficient_scope", scope="a b""#]);
        let told = field(&Refusal::AmbiguousCredential, "www-authenticate");
        assert_eq!(told, [r#"Bearer error="invalid_request""#]);
    }
}

//! A provider's endpoints: what the gate asks, and what it believes of the shape of an answer.

use super::calls::{JSON, WebAnswer, WebCalls, WebRequest};
use super::config::OidcConfig;
use super::discovery::Metadata;
use super::fault::LoginFault;
use super::registered::{ClientForm, RegisteredClient};
use crate::jose::json::{Json, Object};
use haechi_core::{Secret, Timestamp};
use serde_json::{Map, Value};
use std::time::Duration;

/// The most bytes of an answer: a token has at most 16 KiB, and there are three.
const MOST: usize = 128 * 1024;
/// The longest access or refresh token, in bytes.
const LONGEST_TOKEN: usize = 16 * 1024;

/// What the token endpoint gave (RFC 6749 5.1, OpenID Connect Core 1.0, 3.1.3.3).
pub(crate) struct Granted {
    pub(crate) access_token: Secret<String>,
    pub(crate) refresh_token: Option<Secret<String>>,
    pub(crate) id_token: Option<Secret<String>>,
    pub(crate) expires_in: Option<Duration>,
    pub(crate) scope: Option<String>,
    /// What kind of token was issued in exchange for another (RFC 8693 2.2.1).
    pub(crate) issued_token_type: Option<String>,
}

/// Why the token endpoint gave nothing.
pub(super) enum Refused {
    /// It said no, with this `error`.
    By(String),
    /// Something else.
    Fault(LoginFault),
}

impl From<Refused> for LoginFault {
    fn from(refused: Refused) -> Self {
        match refused {
            Refused::By(error) => Self::Denied(error),
            Refused::Fault(fault) => fault,
        }
    }
}

/// Asks the token endpoint for what `parameters` say.
pub(super) async fn token(
    config: &OidcConfig,
    metadata: &Metadata,
    calls: &dyn WebCalls,
    parameters: &[(&str, &str)],
    now: Timestamp,
) -> Result<Granted, Refused> {
    let url = metadata.token_endpoint.clone();
    let answer = post(config, metadata, calls, url, parameters, now).await.map_err(Refused::Fault)?;
    let malformed = |why: String| Refused::Fault(LoginFault::untrusted(format!("token endpoint: {why}")));
    match answer.status {
        200 => read_granted(&answer).map_err(malformed),
        400 | 401 | 403 => Err(Refused::By(error_of(&answer))),
        429 | 500..=599 => {
            let why = format!("the token endpoint answers {}", answer.status);
            Err(Refused::Fault(LoginFault::unavailable(why)))
        }
        status => Err(malformed(format!("it answers {status}"))),
    }
}

/// Pushes an authorization request (RFC 9126 2). The `request_uri` that stands for it.
pub(super) async fn push(
    config: &OidcConfig,
    metadata: &Metadata,
    calls: &dyn WebCalls,
    endpoint: &str,
    parameters: &[(&str, &str)],
    now: Timestamp,
) -> Result<String, LoginFault> {
    let answer = post(config, metadata, calls, endpoint.to_owned(), parameters, now).await?;
    let told = |why: &str| format!("pushed authorization request: {why}");
    match answer.status {
        200 | 201 => {
            let document = Object::parse(&answer.body)
                .map_err(|fault| LoginFault::untrusted(told(&fault.to_string())))?;
            let uri = document.member("request_uri").and_then(Json::as_str).filter(|uri| !uri.is_empty());
            uri.map(str::to_owned).ok_or_else(|| LoginFault::untrusted(told("it has no `request_uri`")))
        }
        429 | 500..=599 => Err(LoginFault::unavailable(told(&format!("it answers {}", answer.status)))),
        _ => Err(LoginFault::Denied(told(&error_of(&answer)))),
    }
}

/// Gives a token back (RFC 7009 2.1).
pub(super) async fn revoke(
    config: &OidcConfig,
    metadata: &Metadata,
    calls: &dyn WebCalls,
    endpoint: &str,
    parameters: &[(&str, &str)],
    now: Timestamp,
) -> Result<(), LoginFault> {
    let answer = post(config, metadata, calls, endpoint.to_owned(), parameters, now).await?;
    match answer.status {
        200 => Ok(()),
        status => Err(LoginFault::unavailable(format!("the revocation endpoint answers {status}"))),
    }
}

/// Asks `userinfo`, whose answer must be about `subject` (OpenID Connect Core 1.0, 5.3).
pub(super) async fn userinfo(
    calls: &dyn WebCalls,
    endpoint: &str,
    access_token: &Secret<String>,
    subject: &str,
) -> Result<Map<String, Value>, LoginFault> {
    let request = WebRequest {
        url: endpoint.to_owned(),
        form: None,
        authorization: Some(Secret::new(format!("Bearer {}", access_token.expose()))),
        accept: JSON,
        limit: MOST,
    };
    let answer =
        calls.call(request).await.map_err(|fault| LoginFault::unavailable(format!("userinfo: {fault}")))?;
    let refuse = |why: String| LoginFault::untrusted(format!("userinfo: {why}"));
    match answer.status {
        200 => {}
        429 | 500..=599 => {
            return Err(LoginFault::unavailable(format!("userinfo answers {}", answer.status)));
        }
        status => return Err(refuse(format!("it answers {status}"))),
    }
    if !answer.is_of_type(JSON) {
        return Err(refuse("it is not JSON".to_owned()));
    }
    let document = Object::parse(&answer.body).map_err(|fault| refuse(fault.to_string()))?;
    if document.member("sub").and_then(Json::as_str) != Some(subject) {
        return Err(refuse("it is of another subject than the ID token".to_owned()));
    }
    serde_json::from_slice(&answer.body).map_err(|fault| refuse(fault.to_string()))
}

async fn post(
    config: &OidcConfig,
    metadata: &Metadata,
    calls: &dyn WebCalls,
    url: String,
    parameters: &[(&str, &str)],
    now: Timestamp,
) -> Result<WebAnswer, LoginFault> {
    let client = RegisteredClient {
        id: &config.client_id,
        proof: &config.proof,
        audience: &config.issuer,
        methods: metadata.client_authentication.as_deref(),
    };
    let form = ClientForm { url, parameters, accept: JSON, limit: MOST };
    Ok(client.post(calls, form, now).await?)
}

/// The `error` of a refusal, as it can stand in a log.
pub(crate) fn error_of(answer: &WebAnswer) -> String {
    let error = Object::parse(&answer.body).ok();
    let error = error.as_ref().and_then(|document| document.member("error")).and_then(Json::as_str);
    match error {
        Some(error) => shortened(error),
        None => format!("status {}", answer.status),
    }
}

/// Text from elsewhere, as it can stand in a log.
pub(crate) fn shortened(text: &str) -> String {
    text.chars().take(128).collect::<String>().escape_debug().to_string()
}

pub(crate) fn read_granted(answer: &WebAnswer) -> Result<Granted, String> {
    if !answer.is_of_type(JSON) {
        return Err("the answer is not JSON".to_owned());
    }
    let document = Object::parse(&answer.body).map_err(|fault| fault.to_string())?;
    let text = |name: &str| match document.member(name) {
        None | Some(Json::Null) => Ok(None),
        Some(Json::String(text)) if !text.is_empty() && text.len() <= LONGEST_TOKEN => {
            Ok(Some(text.to_string()))
        }
        Some(_) => Err(format!("`{name}` is no text, empty or too long")),
    };
    // What a header could not carry is refused here, before anybody forwards it (RFC 6750 2.1).
    let token = |name: &str| match text(name)? {
        Some(token) if !token.bytes().all(|byte| byte.is_ascii_graphic()) => {
            Err(format!("`{name}` is malformed"))
        }
        token => Ok(token.map(Secret::new)),
    };
    if !text("token_type")?.is_some_and(|kind| kind.eq_ignore_ascii_case("bearer")) {
        return Err("`token_type` is not `Bearer`".to_owned());
    }
    let expires_in = match document.member("expires_in") {
        None | Some(Json::Null) => None,
        Some(Json::Integer(seconds)) => {
            Some(u64::try_from(*seconds).map_err(|_| "`expires_in` is negative".to_owned())?)
        }
        // Some write it as text.
        Some(Json::String(text)) => Some(text.parse().map_err(|_| "`expires_in` is no number".to_owned())?),
        Some(_) => return Err("`expires_in` is no number".to_owned()),
    };
    Ok(Granted {
        access_token: token("access_token")?.ok_or("`access_token` is missing")?,
        refresh_token: token("refresh_token")?,
        id_token: token("id_token")?,
        expires_in: expires_in.map(Duration::from_secs),
        // Some write it where they grant none.
        scope: match document.member("scope") {
            Some(Json::String(none)) if none.is_empty() => None,
            _ => text("scope")?,
        },
        issued_token_type: text("issued_token_type")?,
    })
}

//! The OAuth 2 endpoints: forms in, JSON out, errors as RFC 6749 5.2 has them.

use super::told::Told;
use super::{Answer, json};
use crate::refusal::Refusal;
use haechi_authn::identity::{
    BearerRefused, ClientMetadata, Form, OAuthError, OAuthErrorKind, OAuthRequest, Provider, TokenGrant,
    is_form,
};
use haechi_authn::{Challenge, ChallengeError};
use haechi_core::{FieldName, RequestHead, Secret};
use serde::Serialize;
use serde_json::json;
use std::sync::Arc;

/// RFC 6749 5.1.
#[derive(Serialize)]
struct Granted<'a> {
    access_token: &'a str,
    token_type: &'static str,
    expires_in: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    refresh_token: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    id_token: Option<&'a str>,
    #[serde(skip_serializing_if = "str::is_empty")]
    scope: &'a str,
}

pub(super) async fn token(provider: &Provider, head: &RequestHead, body: &[u8]) -> (Answer, Option<Told>) {
    let request = match request(head, body) {
        Ok(request) => request,
        Err(refused) => return (refused, None),
    };
    match provider.token(request).await {
        Ok(TokenGrant { access_token, expires_in, refresh_token, id_token, scope, subject }) => {
            let granted = json(&Granted {
                access_token: access_token.expose(),
                token_type: "Bearer",
                expires_in: expires_in.as_secs(),
                refresh_token: refresh_token.as_ref().map(|token| token.expose().as_str()),
                id_token: id_token.as_ref().map(|token| token.expose().as_str()),
                scope: &scope,
            });
            (granted, Some(Told::done("token.issue", provider.issuer(), &subject)))
        }
        Err(error) => told_refused("token.issue", &error),
    }
}

pub(super) async fn revoke(provider: &Provider, head: &RequestHead, body: &[u8]) -> (Answer, Option<Told>) {
    let request = match request(head, body) {
        Ok(request) => request,
        Err(refused) => return (refused, None),
    };
    match provider.revoke(request).await {
        // RFC 7009 2.2: 200, and nobody reads the body.
        Ok(()) => (json(&json!({})), Some(Told::unnamed("token.revoke"))),
        Err(error) => told_refused("token.revoke", &error),
    }
}

/// Wrong credentials are recorded; what was only written wrongly, and what could not be found out, is not.
fn told_refused(action: &'static str, error: &OAuthError) -> (Answer, Option<Told>) {
    let is_credential = matches!(error.kind, OAuthErrorKind::InvalidClient | OAuthErrorKind::InvalidGrant);
    let told = is_credential && error.limited.is_none();
    (refused(error), told.then(|| Told::refused(action, error)))
}

pub(super) async fn introspect(provider: &Provider, head: &RequestHead, body: &[u8]) -> Answer {
    let request = match request(head, body) {
        Ok(request) => request,
        Err(refused) => return refused,
    };
    match provider.introspect(request).await {
        Ok(facts) => json(&facts),
        Err(error) => refused(&error),
    }
}

/// Whom an access token is of; the challenges of RFC 6750 3 where it does not hold.
pub(super) async fn userinfo(provider: &Provider, head: &RequestHead) -> Answer {
    let Ok(authorization) = head.fields.sole(FieldName::Authorization) else {
        return Answer::refused(Refusal::AmbiguousCredential, "`Authorization` stands twice");
    };
    let authorization = authorization.map(|field| Secret::new(field.to_vec()));
    match provider.userinfo(authorization).await {
        Ok(facts) => json(&facts),
        Err(fault) => bearer_refused(&fault),
    }
}

pub(super) fn bearer_refused(fault: &BearerRefused) -> Answer {
    let challenge = Arc::new(Challenge::bare_bearer());
    let refusal = match fault {
        BearerRefused::None => Refusal::NoCredential { challenges: vec![challenge] },
        BearerRefused::Invalid(_) => {
            Refusal::BadCredential { challenges: vec![(challenge, Some(ChallengeError::InvalidToken))] }
        }
        BearerRefused::Scope(scope) => Refusal::Forbidden { scopes: Some((*scope).into()), metadata: None },
        BearerRefused::Unavailable(_) => Refusal::CANNOT_TELL,
    };
    Answer::refused(refusal, fault.to_string())
}

pub(super) async fn register(provider: &Provider, head: &RequestHead, body: &[u8]) -> (Answer, Option<Told>) {
    let Ok(said) = serde_json::from_slice::<ClientMetadata>(body) else {
        let told = "the body is no client metadata in JSON";
        let error = OAuthErrorKind::InvalidClientMetadata.code();
        return (Answer::refused(Refusal::OAuthRequest { error, told }, told), None);
    };
    match provider.register(said, head.client).await {
        Ok((client, id)) => match serde_json::to_vec(&client) {
            Ok(body) => {
                (Answer::Created(body), Some(Told::unnamed("client.register").on(format!("client {id}"))))
            }
            Err(error) => (Answer::refused(Refusal::Internal, error.to_string()), None),
        },
        Err(error) => (refused(&error), None),
    }
}

fn request(head: &RequestHead, body: &[u8]) -> Result<OAuthRequest, Answer> {
    let request = |told: &'static str| {
        let refusal = Refusal::OAuthRequest { error: OAuthErrorKind::InvalidRequest.code(), told };
        Answer::refused(refusal, told)
    };
    let content_type = head.fields.sole(FieldName::ContentType).ok().flatten();
    if !is_form(content_type) {
        return Err(request("the body is not `application/x-www-form-urlencoded`"));
    }
    let authorization = head.fields.sole(FieldName::Authorization);
    let authorization = authorization.map_err(|_| request("`Authorization` stands twice"))?;
    let form = Form::parse(body).map_err(|error| refused(&error.into()))?;
    let authorization = authorization.map(|field| Secret::new(field.to_vec()));
    Ok(OAuthRequest { authorization, form, from: head.client })
}

fn refused(error: &OAuthError) -> Answer {
    if let Some(limited) = &error.limited {
        return Answer::Limited(**limited);
    }
    let refusal = match error.kind {
        OAuthErrorKind::Unavailable => Refusal::CANNOT_TELL,
        OAuthErrorKind::InvalidClient => Refusal::OAuthClient { told: error.told },
        kind => Refusal::OAuthRequest { error: kind.code(), told: error.told },
    };
    Answer::refused(refusal, error.to_string())
}

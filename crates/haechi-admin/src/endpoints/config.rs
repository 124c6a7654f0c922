//! `/api/v1/config`: another configuration, checked or put into force. For operators only.

use crate::Context;
use crate::context::InForce;
use crate::error::AdminError;
use axum::Json;
use axum::body::Bytes;
use axum::extract::rejection::BytesRejection;
use axum::extract::{FromRequestParts, State};
use axum::http::header::AUTHORIZATION;
use axum::http::request::Parts;
use axum::response::IntoResponse;
use serde_json::json;

/// Proof that the caller may change what the gate does.
pub(super) struct Operator;

impl FromRequestParts<Context> for Operator {
    type Rejection = AdminError;

    async fn from_request_parts(parts: &mut Parts, context: &Context) -> Result<Self, AdminError> {
        let mut given = parts.headers.get_all(AUTHORIZATION).iter();
        let token = match (given.next(), given.next()) {
            (Some(value), None) => bearer(value.as_bytes()),
            (None, _) => "",
            (Some(_), Some(_)) => return Err(AdminError::AmbiguousCredential),
        };
        context.operators.admit(token).map_err(|refused| AdminError::of(refused, given_none(parts)))?;
        Ok(Self)
    }
}

fn given_none(parts: &Parts) -> bool {
    !parts.headers.contains_key(AUTHORIZATION)
}

/// What stands after `Bearer `; empty where something else stands, which no token is.
fn bearer(value: &[u8]) -> &str {
    match value.split_at_checked(7) {
        Some((scheme, token)) if scheme.eq_ignore_ascii_case(b"bearer ") => {
            std::str::from_utf8(token).unwrap_or_default()
        }
        _ => "",
    }
}

/// Reads the file again, as SIGHUP does.
pub(super) async fn reload(State(context): State<Context>, _: Operator) -> Result<Json<InForce>, AdminError> {
    context.configuration.reload().await.map(Json).map_err(AdminError::Refused)
}

/// Says what a reload of the body would find wrong; nothing changes.
pub(super) async fn validate(
    State(context): State<Context>,
    _: Operator,
    body: Result<Bytes, BytesRejection>,
) -> Result<impl IntoResponse, AdminError> {
    let body = body.map_err(|_| AdminError::TooLarge)?;
    let text = String::from_utf8(body.into()).map_err(|_| AdminError::NotText)?;
    let InForce { routes, services, authenticators, .. } =
        context.configuration.validate(text).await.map_err(AdminError::Refused)?;
    let valid = json!({
        "valid": true,
        "routes": routes,
        "services": services,
        "authenticators": authenticators,
    });
    Ok(Json(valid))
}

//! `/api/v1/config`: another configuration, checked or put into force. For operators only.

use super::admitted::Operator;
use crate::Context;
use crate::context::InForce;
use crate::error::AdminError;
use axum::Json;
use axum::body::Bytes;
use axum::extract::State;
use axum::extract::rejection::BytesRejection;
use axum::response::IntoResponse;
use serde_json::json;

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

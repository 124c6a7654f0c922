//! `/livez` and `/readyz`, for supervisors and load balancers.

use crate::Context;
use crate::error::readiness;
use axum::Json;
use axum::extract::State;
use axum::response::IntoResponse;
use serde_json::json;

/// The process runs and its control runtime answers.
pub(super) async fn live() -> impl IntoResponse {
    Json(json!({ "status": "live" }))
}

/// Every part that requests depend on can do its work; otherwise 503, and which part cannot and why.
pub(super) async fn ready(State(context): State<Context>) -> impl IntoResponse {
    let components = context.health.components().await;
    let ready = components.iter().all(|component| component.reason.is_none());
    let word = if ready { "ready" } else { "not ready" };
    (readiness(ready), Json(json!({ "status": word, "components": components })))
}

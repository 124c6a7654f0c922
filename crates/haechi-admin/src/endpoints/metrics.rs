//! `/metrics`, in the Prometheus text format.

use crate::Context;
use crate::error::AdminError;
use axum::extract::State;
use axum::http::header;
use axum::response::IntoResponse;

/// OpenMetrics text, which Prometheus reads.
const CONTENT_TYPE: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

pub(super) async fn metrics(State(context): State<Context>) -> Result<impl IntoResponse, AdminError> {
    let mut text = String::new();
    prometheus_client::encoding::text::encode(&mut text, &context.registry)
        .map_err(|_| AdminError::Metrics)?;
    Ok(([(header::CONTENT_TYPE, CONTENT_TYPE)], text))
}

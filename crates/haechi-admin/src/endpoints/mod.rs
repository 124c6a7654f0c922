//! The endpoints: one file each.

mod admitted;
mod config;
mod decisions;
mod health;
mod metrics;

use crate::Context;
use crate::error::AdminError;
use axum::Router;
use axum::extract::{DefaultBodyLimit, Request};
use axum::http::header::HOST;
use axum::middleware::{Next, from_fn};
use axum::response::Response;
use axum::routing::{get, post};
use std::net::IpAddr;

/// No configuration is longer.
const MAX_BODY: usize = 8 * 1024 * 1024;

/// All endpoints.
pub(crate) fn router(context: Context) -> Router {
    Router::new()
        .route("/livez", get(health::live))
        .route("/readyz", get(health::ready))
        .route("/metrics", get(metrics::metrics))
        .route("/api/v1/config/reload", post(config::reload))
        .route("/api/v1/config/validate", post(config::validate))
        .route("/api/v1/decisions", get(decisions::list))
        .route("/api/v1/decisions/shadow", get(decisions::shadow))
        .route("/api/v1/decisions/{id}", get(decisions::one))
        .layer(DefaultBodyLimit::max(MAX_BODY))
        .fallback(|| async { AdminError::NotFound })
        .layer(from_fn(local_host))
        .with_state(context)
}

/// The listener is on loopback; a page in an operator's browser must not reach it under a name of its own (DNS rebinding).
async fn local_host(request: Request, next: Next) -> Result<Response, AdminError> {
    let mut hosts = request.headers().get_all(HOST).iter();
    let host = hosts
        .next()
        .and_then(|host| haechi_core::Host::parse(host.as_bytes()).ok())
        .ok_or(AdminError::Host)?;
    let name = host.name().trim_start_matches('[').trim_end_matches(']');
    let local = name == "localhost" || name.parse::<IpAddr>().is_ok();
    if local && hosts.next().is_none() { Ok(next.run(request).await) } else { Err(AdminError::Host) }
}

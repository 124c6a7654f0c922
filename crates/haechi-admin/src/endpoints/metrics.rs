//! `/metrics`, in the Prometheus text format.

use crate::Context;
use axum::extract::State;
use axum::http::header;
use axum::response::IntoResponse;
use haechi_core::metrics::{CONTENT_TYPE, Page};

pub(super) async fn metrics(State(context): State<Context>) -> impl IntoResponse {
    let mut page = Page::default();
    context.metrics.iter().for_each(|source| source.show(&mut page));
    ([(header::CONTENT_TYPE, CONTENT_TYPE)], page.to_string())
}

//! `/livez`, `/readyz` and `/metrics`, for supervisors, load balancers and scrapers; and what the calls are.

use crate::answer::{Metrics, Readiness, Shown};
use crate::call::{AnyQuery, Asked, Nothing};
use crate::change::Reader;
use crate::context::Component;
use crate::error::AdminError;
use crate::shape::shape;
use haechi_core::metrics::Page;
use serde_json::Value;

shape! {
    /// That the process runs.
    pub(crate) Live {
        /// `live`.
        required status: String,
    }

    /// Whether every part can do its work.
    pub(crate) Ready {
        /// `ready` or `not ready`.
        required status: String,
        /// The parts.
        required components: Vec<Component>,
    }
}

type Probe = Asked<Nothing, AnyQuery, Nothing>;
type Plain = Asked<Nothing, Nothing, Nothing>;

/// The process runs and its control runtime answers.
pub(super) async fn live(_: Reader, _: Probe) -> Result<Shown<Live>, AdminError> {
    Ok(Shown(Live { status: "live".to_owned() }))
}

/// Every part that requests depend on can do its work; otherwise which part cannot and why.
pub(super) async fn ready(reader: Reader, _: Probe) -> Result<Readiness<Ready>, AdminError> {
    let components = reader.running()?.health.components().await;
    let ready = components.iter().all(|component| component.reason.is_none());
    let status = if ready { "ready" } else { "not ready" }.to_owned();
    Ok(Readiness(ready, Ready { status, components }))
}

pub(super) async fn metrics(reader: Reader, _: Probe) -> Result<Metrics, AdminError> {
    let mut page = Page::default();
    reader.running()?.metrics.iter().for_each(|source| source.show(&mut page));
    Ok(Metrics(page.to_string()))
}

pub(super) async fn openapi(reader: Reader, _: Plain) -> Result<Shown<Value>, AdminError> {
    Ok(Shown((*reader.0.document).clone()))
}

//! Metrics of endpoints: health, ejection, draining, requests in flight, open connections.

use super::endpoint::EndpointState;
use crate::plan::Plan;
use crate::settings::Service;
use arc_swap::ArcSwap;
use haechi_core::metrics::{Gauge, Page, Source};
use std::fmt;
use std::sync::Arc;

/// The endpoints of the plan in force.
pub struct EndpointGauges(pub Arc<ArcSwap<Plan>>);

/// What every endpoint is told apart by.
const LABELS: &[&str] = &["service", "endpoint"];

impl Source for EndpointGauges {
    fn show(&self, page: &mut Page) {
        show(self.0.load().services(), page);
    }
}

/// Declares the gauges, and adds the endpoints of `services`.
pub(crate) fn show(services: &[Service], page: &mut Page) {
    let help = "1 while health checks find the endpoint healthy, or there are none";
    let healthy = |state: &EndpointState| u32::from(state.is_healthy());
    read(services, page.gauge("haechi_upstream_endpoint_healthy", help, LABELS), healthy);
    let help = "1 while the endpoint is ejected as an outlier because requests to it failed";
    let ejected = |state: &EndpointState| u32::from(state.is_ejected());
    read(services, page.gauge("haechi_upstream_endpoint_ejected", help, LABELS), ejected);
    let help = "1 while an operator keeps new requests from the endpoint";
    let drained = |state: &EndpointState| u32::from(state.is_drained());
    read(services, page.gauge("haechi_upstream_endpoint_drained", help, LABELS), drained);
    let help = "Requests in flight to the endpoint, WebSockets among them";
    let in_flight = page.gauge("haechi_upstream_endpoint_requests_in_flight", help, LABELS);
    read(services, in_flight, EndpointState::in_flight);
    let connections =
        page.gauge("haechi_upstream_endpoint_connections", "Open connections to the endpoint", LABELS);
    read(services, connections, EndpointState::connections);
}

fn read(services: &[Service], mut gauge: Gauge<'_>, value: impl Fn(&EndpointState) -> u32) {
    for service in services {
        for endpoint in &service.endpoints {
            let name = endpoint.state.to_string();
            gauge.set(&[&service.name, &name], f64::from(value(&endpoint.state)));
        }
    }
}

impl fmt::Debug for EndpointGauges {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("EndpointGauges")
    }
}

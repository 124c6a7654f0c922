//! How endpoints are, for a Prometheus registry.

use super::endpoint::EndpointState;
use crate::plan::Plan;
use arc_swap::ArcSwap;
use prometheus_client::collector::Collector;
use prometheus_client::encoding::DescriptorEncoder;
use prometheus_client::metrics::MetricType;
use std::fmt;
use std::sync::Arc;

/// The endpoints of the plan in force.
pub struct EndpointGauges(pub Arc<ArcSwap<Plan>>);

type Reading = fn(&EndpointState) -> u32;

const GAUGES: [(&str, &str, Reading); 3] = [
    (
        "haechi_upstream_endpoint_healthy",
        "1 while health checks find the endpoint well, or nobody checks",
        |state| u32::from(state.is_healthy()),
    ),
    (
        "haechi_upstream_endpoint_ejected",
        "1 while the endpoint is left out because requests to it failed",
        |state| u32::from(state.is_ejected()),
    ),
    ("haechi_upstream_endpoint_connections", "Open connections to the endpoint", EndpointState::connections),
];

impl Collector for EndpointGauges {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> fmt::Result {
        let plan = self.0.load();
        for (name, help, read) in GAUGES {
            let mut family = encoder.encode_descriptor(name, help, None, MetricType::Gauge)?;
            for service in plan.services() {
                for endpoint in &service.endpoints {
                    let labels =
                        [("service", service.name.to_string()), ("endpoint", endpoint.state.to_string())];
                    family.encode_family(&labels)?.encode_gauge(&read(&endpoint.state))?;
                }
            }
        }
        Ok(())
    }
}

impl fmt::Debug for EndpointGauges {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("EndpointGauges")
    }
}

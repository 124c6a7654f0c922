//! Telemetry: where traces are exported to.

use super::names::Resolver;
use crate::config::report::Fault;
use crate::config::written;
use haechi_authn::keys::WebOrigin;
use haechi_core::Secret;

/// Traces over OTLP/HTTP.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Traces {
    /// `https`, or plain `http` where that was allowed.
    pub endpoint: String,
    /// From 0 to 1.
    pub sample: f64,
    /// Lower-case names, and values that can be sent.
    pub headers: Vec<(Box<str>, Secret<String>)>,
    /// `service.name`.
    pub service_name: String,
}

pub(super) fn traces(resolver: &mut Resolver<'_>, written: &written::Traces) -> Option<Traces> {
    let endpoint = written.endpoint.as_ref()?;
    if WebOrigin::permitted(endpoint.as_str(), written.allow_http).is_err() {
        let fault = Fault::new(endpoint.span, "traces would leave this machine over plain `http`");
        resolver.faults.push(fault.help("write `https://`, or set `allow_http: true` beside it"));
    }
    let mut headers = Vec::with_capacity(written.headers.0.len());
    for (name, value) in &written.headers.0 {
        let Some(value) = value else { continue };
        let framing =
            ["content-type", "content-length", "content-encoding", "transfer-encoding", "host", "connection"];
        if framing.contains(&&*name.value.0) {
            let message = format!("`{}` is written by the gate", name.value);
            resolver.faults.push(Fault::new(name.span, message).help("remove it"));
        }
        if http::HeaderValue::from_str(value.value.expose()).is_err() {
            let fault = Fault::new(value.span, "this cannot be the value of a header");
            resolver.faults.push(fault.help("visible ASCII, on one line"));
        }
        headers.push((name.value.0.clone(), value.value.clone()));
    }
    Some(Traces {
        endpoint: endpoint.to_string(),
        sample: written.sample.0,
        headers,
        service_name: written.service_name.clone(),
    })
}

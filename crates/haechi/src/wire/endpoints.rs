//! How the control side reaches endpoints: names through the system's resolver, health checks through `reqwest`.

use super::http_client;
use haechi_core::ports::BoxFuture;
use haechi_proxy::{EndpointState, HealthCheck, Probe, Resolve, ServiceTls};
use reqwest::{Client, ClientBuilder, RequestBuilder};
use rustls::ClientConfig;
use std::io;
use std::net::SocketAddr;
use tokio::sync::OnceCell;

/// The `User-Agent` of health checks, by which a backend's log can leave them out.
const AGENT: &str = concat!("haechi-health/", env!("CARGO_PKG_VERSION"));

/// The resolver of the operating system: its hosts file, then DNS.
pub(crate) struct SystemResolver;

impl Resolve for SystemResolver {
    fn resolve<'a>(&'a self, host: &'a str, port: u16) -> BoxFuture<'a, io::Result<Vec<SocketAddr>>> {
        Box::pin(async move { Ok(tokio::net::lookup_host((host, port)).await?.collect()) })
    }
}

/// Health checks over HTTP, each over a connection of its own: whether connections are taken is part of the question.
///
/// The client for plain connections is made at the first check.
#[derive(Default)]
pub(crate) struct WebProbe(OnceCell<Client>);

impl WebProbe {
    async fn ask(&self, endpoint: &EndpointState, path: &str) -> Result<(), String> {
        let asked = match endpoint.tls() {
            None => {
                let client = self
                    .0
                    .get_or_try_init(|| async { client().build() })
                    .await
                    .map_err(http_client::message)?;
                client.get(format!("http://{endpoint}{path}"))
            }
            Some(tls) => secured(endpoint, tls, path).map_err(http_client::message)?,
        };
        let status = asked.send().await.map_err(http_client::message)?.status();
        if status.is_success() { Ok(()) } else { Err(format!("it answered {}", status.as_u16())) }
    }
}

fn client() -> ClientBuilder {
    http_client::builder().pool_max_idle_per_host(0).user_agent(AGENT)
}

/// A check under the same authorities, name and client certificate as requests.
fn secured(endpoint: &EndpointState, tls: &ServiceTls, path: &str) -> Result<RequestBuilder, reqwest::Error> {
    let client = client().tls_backend_preconfigured(ClientConfig::clone(tls.config()));
    let Some(name) = tls.server_name() else {
        return Ok(client.build()?.get(format!("https://{endpoint}{path}")));
    };
    let name = name.to_str();
    // The address names who must be there; where that is, is another question.
    let client = client.resolve_to_addrs(&name, &endpoint.addresses()).build()?;
    Ok(client.get(format!("https://{name}:{}{path}", endpoint.port())))
}

impl Probe for WebProbe {
    fn probe<'a>(
        &'a self,
        endpoint: &'a EndpointState,
        check: &'a HealthCheck,
    ) -> BoxFuture<'a, Result<(), String>> {
        Box::pin(self.ask(endpoint, &check.path))
    }
}

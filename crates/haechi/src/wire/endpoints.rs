//! How the control side reaches endpoints: names through the system's resolver, health checks through `reqwest`.

use haechi_core::ports::BoxFuture;
use haechi_proxy::{EndpointState, HealthCheck, Probe, Resolve};
use reqwest::redirect::Policy;
use std::io;
use std::net::SocketAddr;
use tokio::sync::OnceCell;

/// The resolver of the operating system: its hosts file, then DNS.
pub(crate) struct SystemResolver;

impl Resolve for SystemResolver {
    fn resolve<'a>(&'a self, host: &'a str, port: u16) -> BoxFuture<'a, io::Result<Vec<SocketAddr>>> {
        Box::pin(async move { Ok(tokio::net::lookup_host((host, port)).await?.collect()) })
    }
}

/// Health checks over plain HTTP, each over a connection of its own: whether connections are taken is part of the question.
///
/// The client is made at the first check.
#[derive(Default)]
pub(crate) struct WebProbe(OnceCell<reqwest::Client>);

impl WebProbe {
    async fn client(&self) -> Result<&reqwest::Client, reqwest::Error> {
        let make = || async {
            reqwest::Client::builder()
                .redirect(Policy::none())
                .no_proxy()
                .pool_max_idle_per_host(0)
                .user_agent(concat!("haechi-health/", env!("CARGO_PKG_VERSION")))
                .build()
        };
        self.0.get_or_try_init(make).await
    }

    async fn ask(&self, url: &str) -> Result<(), String> {
        let plain = |error: reqwest::Error| super::fetch::plain(&error.without_url());
        let answer = self.client().await.map_err(plain)?.get(url).send().await.map_err(plain)?;
        let status = answer.status();
        if status.is_success() { Ok(()) } else { Err(format!("it answered {}", status.as_u16())) }
    }
}

impl Probe for WebProbe {
    fn probe<'a>(
        &'a self,
        endpoint: &'a EndpointState,
        check: &'a HealthCheck,
    ) -> BoxFuture<'a, Result<(), String>> {
        let url = format!("http://{endpoint}{}", check.path);
        Box::pin(async move { self.ask(&url).await })
    }
}

//! Fetching key sets and discovery documents.

use super::http_client::{self, BodyError};
use haechi_authn::keys::{Fetch, FetchFault, Fetched};
use haechi_core::ports::BoxFuture;
use reqwest::header::CACHE_CONTROL;
use std::time::Duration;
use tokio::sync::OnceCell;

/// From connecting to the last byte.
const TIMEOUT: Duration = Duration::from_secs(5);

/// HTTPS through `reqwest` and `rustls`, against the machine's certificate authorities.
///
/// The client is made at the first fetch: a gate that fetches nothing keeps no certificates in memory.
#[derive(Default)]
pub(crate) struct WebFetch(OnceCell<reqwest::Client>);

impl WebFetch {
    async fn client(&self) -> Result<&reqwest::Client, reqwest::Error> {
        self.0.get_or_try_init(|| async { http_client::builder().timeout(TIMEOUT).build() }).await
    }

    async fn fetch(&self, url: &str, limit: usize) -> Result<Fetched, FetchFault> {
        let unreachable = |error| FetchFault::Unreachable(http_client::message(error));
        let client = self.client().await.map_err(unreachable)?;
        let answer = client.get(url).send().await.map_err(unreachable)?;
        let status = answer.status().as_u16();
        let cache_control = answer.headers().get_all(CACHE_CONTROL).iter().map(|value| value.as_bytes());
        let cache_control =
            cache_control.map(|value| String::from_utf8_lossy(value)).collect::<Vec<_>>().join(",");
        let body = http_client::body(answer, limit).await.map_err(|error| match error {
            BodyError::TooLong => FetchFault::TooLarge(limit),
            BodyError::Broken(error) => unreachable(error),
        })?;
        let cache_control = (!cache_control.is_empty()).then_some(cache_control);
        Ok(Fetched { status, cache_control, body })
    }
}

impl Fetch for WebFetch {
    fn get<'a>(&'a self, url: &'a str, limit: usize) -> BoxFuture<'a, Result<Fetched, FetchFault>> {
        Box::pin(self.fetch(url, limit))
    }
}

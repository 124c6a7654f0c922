//! Fetching key sets and discovery documents: the only requests that the gate makes on its own.

use haechi_authn::keys::{Fetch, FetchFault, Fetched};
use haechi_core::ports::BoxFuture;
use reqwest::header::CACHE_CONTROL;
use reqwest::redirect::Policy;
use std::time::Duration;
use tokio::sync::OnceCell;

/// From connecting to the last byte.
const TIMEOUT: Duration = Duration::from_secs(5);

/// HTTPS through `reqwest` and `rustls`, against the machine's certificate authorities. Follows no redirect and uses no proxy: only configured
/// origins are contacted.
///
/// The client is made at the first fetch: a gate that fetches nothing keeps no certificates in memory.
#[derive(Default)]
pub(crate) struct WebFetch(OnceCell<reqwest::Client>);

impl WebFetch {
    async fn client(&self) -> Result<&reqwest::Client, reqwest::Error> {
        let make = || async {
            reqwest::Client::builder()
                .redirect(Policy::none())
                .no_proxy()
                .timeout(TIMEOUT)
                .user_agent(concat!("haechi/", env!("CARGO_PKG_VERSION")))
                .build()
        };
        self.0.get_or_try_init(make).await
    }

    async fn fetch(&self, url: &str, limit: usize) -> Result<Fetched, FetchFault> {
        let unreachable = |error: reqwest::Error| FetchFault::Unreachable(plain(&error.without_url()));
        let client = self.client().await.map_err(unreachable)?;
        let mut answer = client.get(url).send().await.map_err(unreachable)?;
        let cache_control = answer.headers().get_all(CACHE_CONTROL).iter().map(|value| value.as_bytes());
        let cache_control =
            cache_control.map(|value| String::from_utf8_lossy(value)).collect::<Vec<_>>().join(",");
        let mut body = Vec::new();
        while let Some(piece) = answer.chunk().await.map_err(unreachable)? {
            if body.len() + piece.len() > limit {
                return Err(FetchFault::TooLarge(limit));
            }
            body.extend_from_slice(&piece);
        }
        let cache_control = (!cache_control.is_empty()).then_some(cache_control);
        Ok(Fetched { status: answer.status().as_u16(), cache_control, body })
    }
}

/// The error and what caused it; `reqwest` keeps the cause, such as a refused connection, to itself.
pub(super) fn plain(error: &reqwest::Error) -> String {
    let mut text = error.to_string();
    let mut source = std::error::Error::source(error);
    while let Some(cause) = source {
        text = format!("{text}: {cause}");
        source = cause.source();
    }
    text
}

impl Fetch for WebFetch {
    fn get<'a>(&'a self, url: &'a str, limit: usize) -> BoxFuture<'a, Result<Fetched, FetchFault>> {
        Box::pin(self.fetch(url, limit))
    }
}

//! Fetching key sets and discovery documents.

use super::http_client::{self, BodyError};
use crate::config::meant::Egress;
use haechi_authn::keys::{Fetch, FetchFault, Fetched};
use haechi_authn::oidc::{WebAnswer, WebCalls, WebRequest};
use haechi_core::ports::BoxFuture;
use reqwest::Response;
use reqwest::header::{
    ACCEPT, ACCEPT_ENCODING, AUTHORIZATION, CACHE_CONTROL, CONTENT_ENCODING, CONTENT_TYPE,
};
use std::io::Read;
use std::time::Duration;
use tokio::sync::OnceCell;

/// From connecting to the last byte.
const TIMEOUT: Duration = Duration::from_secs(5);

/// HTTPS through `reqwest` and `rustls`, against the machine's certificate authorities.
///
/// The client is made at the first fetch: a gate that fetches nothing keeps no certificates in memory.
pub(crate) struct WebFetch {
    egress: Egress,
    client: OnceCell<reqwest::Client>,
}

impl WebFetch {
    /// Through the proxies of `egress`.
    pub(crate) fn new(egress: &Egress) -> Self {
        Self { egress: egress.clone(), client: OnceCell::new() }
    }

    async fn client(&self) -> Result<&reqwest::Client, reqwest::Error> {
        let made = || async { http_client::outward(&self.egress).timeout(TIMEOUT).build() };
        self.client.get_or_try_init(made).await
    }

    async fn fetch(&self, url: &str, limit: usize) -> Result<Fetched, FetchFault> {
        let unreachable = |error| FetchFault::Unreachable(http_client::message(error));
        let client = self.client().await.map_err(unreachable)?;
        let answer = client.get(url).header(ACCEPT_ENCODING, "identity").send().await.map_err(unreachable)?;
        let status = answer.status().as_u16();
        let cache_control = answer.headers().get_all(CACHE_CONTROL).iter().map(|value| value.as_bytes());
        let cache_control =
            cache_control.map(|value| String::from_utf8_lossy(value)).collect::<Vec<_>>().join(",");
        let encoding = encoding(&answer);
        let body = http_client::body(answer, limit).await.map_err(|error| match error {
            BodyError::TooLong => FetchFault::TooLarge(limit),
            BodyError::Broken(error) => unreachable(error),
        })?;
        let body = decoded(body, &encoding, limit)?;
        let cache_control = (!cache_control.is_empty()).then_some(cache_control);
        Ok(Fetched { status, cache_control, body })
    }
}

/// `Content-Encoding` in lower case; empty where the body is as it is.
fn encoding(answer: &Response) -> String {
    let all = answer.headers().get_all(CONTENT_ENCODING).iter();
    let all = all.map(|value| String::from_utf8_lossy(value.as_bytes()).trim().to_ascii_lowercase());
    all.filter(|value| !value.is_empty() && value != "identity").collect::<Vec<_>>().join(", ")
}

/// The body without its encoding. Nobody asked for one, and some servers and caches send one all the same.
fn decoded(body: Vec<u8>, encoding: &str, limit: usize) -> Result<Vec<u8>, FetchFault> {
    let mut reader: Box<dyn Read + Send> = match encoding {
        "" => return Ok(body),
        "gzip" | "x-gzip" => Box::new(flate2::read::MultiGzDecoder::new(&*body)),
        "deflate" => Box::new(flate2::read::ZlibDecoder::new(&*body)),
        other => {
            let why = format!("the answer is encoded as `{}`, which was not asked for", other.escape_debug());
            return Err(FetchFault::Unreachable(why));
        }
    };
    let mut plain = Vec::new();
    // One byte more tells what is too long from what is not.
    let read = reader.by_ref().take(limit as u64 + 1).read_to_end(&mut plain);
    read.map_err(|_| FetchFault::Unreachable(format!("the answer is not proper {encoding}")))?;
    if plain.len() > limit { Err(FetchFault::TooLarge(limit)) } else { Ok(plain) }
}

impl Fetch for WebFetch {
    fn get<'a>(&'a self, url: &'a str, limit: usize) -> BoxFuture<'a, Result<Fetched, FetchFault>> {
        Box::pin(self.fetch(url, limit))
    }
}

impl WebFetch {
    async fn ask(&self, request: WebRequest) -> Result<WebAnswer, FetchFault> {
        let unreachable = |error| FetchFault::Unreachable(http_client::message(error));
        let WebRequest { url, form, authorization, accept, limit } = request;
        let client = self.client().await.map_err(unreachable)?;
        let mut asked = match form {
            Some(form) => client
                .post(url)
                .header(CONTENT_TYPE, "application/x-www-form-urlencoded")
                .body(form.expose().clone()),
            None => client.get(url),
        };
        if let Some(authorization) = authorization {
            asked = asked.header(AUTHORIZATION, authorization.expose().as_str());
        }
        let asked = asked.header(ACCEPT, accept).header(ACCEPT_ENCODING, "identity");
        let answer = asked.send().await.map_err(unreachable)?;
        let status = answer.status().as_u16();
        let content_type = answer.headers().get_all(CONTENT_TYPE).iter().collect::<Vec<_>>();
        let content_type = match &*content_type {
            [one] => Some(String::from_utf8_lossy(one.as_bytes()).into_owned()),
            _ => None,
        };
        let encoding = encoding(&answer);
        let body = http_client::body(answer, limit).await.map_err(|error| match error {
            BodyError::TooLong => FetchFault::TooLarge(limit),
            BodyError::Broken(error) => unreachable(error),
        })?;
        Ok(WebAnswer { status, content_type, body: decoded(body, &encoding, limit)? })
    }
}

impl WebCalls for WebFetch {
    fn call(&self, request: WebRequest) -> BoxFuture<'_, Result<WebAnswer, FetchFault>> {
        Box::pin(self.ask(request))
    }
}

#[cfg(test)]
mod tests {
    use super::{FetchFault, decoded};
    use flate2::Compression;
    use flate2::write::{GzEncoder, ZlibEncoder};
    use std::io::Write;

    #[test]
    fn what_is_encoded_all_the_same_is_decoded_and_bounded() {
        let text = b"{\"keys\":[]}".repeat(100);
        let mut gzip = GzEncoder::new(Vec::new(), Compression::default());
        gzip.write_all(&text).unwrap();
        let gzip = gzip.finish().unwrap();
        let mut zlib = ZlibEncoder::new(Vec::new(), Compression::default());
        zlib.write_all(&text).unwrap();
        for (encoding, body) in [
            ("gzip", gzip.clone()),
            ("x-gzip", gzip.clone()),
            ("deflate", zlib.finish().unwrap()),
            ("", text.clone()),
        ] {
            assert_eq!(decoded(body, encoding, text.len()).as_ref(), Ok(&text), "{encoding}");
        }
        let bomb = decoded(gzip.clone(), "gzip", text.len() - 1);
        assert_eq!(bomb, Err(FetchFault::TooLarge(text.len() - 1)));
        assert!(decoded(gzip[..gzip.len() - 9].to_vec(), "gzip", 9999).is_err(), "cut short");
        assert!(decoded(text.clone(), "gzip", 9999).is_err());
        assert!(decoded(gzip, "br", 9999).unwrap_err().to_string().contains("`br`"));
    }
}

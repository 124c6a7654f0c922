//! How the gate asks over HTTP for itself: issuers for keys, endpoints how they are, decision points, collectors of traces.

use crate::config::meant::Egress;
use haechi_authn::keys::WebOrigin;
use reqwest::redirect::Policy;
use reqwest::{Client, ClientBuilder, NoProxy, Proxy, Response, Url};

/// The `User-Agent` of requests.
const AGENT: &str = concat!("haechi/", env!("CARGO_PKG_VERSION"));

/// A client in the making. It follows no redirect and uses no proxy: only configured addresses are ever contacted, see [`outward`] for those outside. Certificates are verified,
/// against the system's authorities where nothing else is said.
pub(crate) fn builder() -> ClientBuilder {
    Client::builder().redirect(Policy::none()).no_proxy().user_agent(AGENT)
}

/// The same for addresses outside: through the proxies of `egress`. This machine is always reached directly.
pub(super) fn outward(egress: &Egress) -> ClientBuilder {
    let proxies = [("https", &egress.https), ("http", &egress.http)];
    proxies.into_iter().fold(builder(), |builder, (scheme, address)| {
        // What is no address was told when the configuration was read.
        match address.as_ref().and_then(|address| Url::parse(address.expose()).ok()) {
            Some(address) => builder.proxy(proxy(scheme, address, &egress.no_proxy)),
            None => builder,
        }
    })
}

fn proxy(scheme: &'static str, mut address: Url, no_proxy: &str) -> Proxy {
    let name = address.username().to_owned();
    let password = address.password().unwrap_or_default().to_owned();
    // Such an address has a host, so both can be taken out of it.
    let _ = (address.set_username(""), address.set_password(None));
    let proxy = Proxy::custom(move |target: &Url| {
        let outside = !WebOrigin::of(target.as_str()).is_ok_and(|origin| origin.is_loopback());
        (outside && target.scheme() == scheme).then(|| address.clone())
    });
    let proxy = proxy.no_proxy(NoProxy::from_string(no_proxy));
    if name.is_empty() { proxy } else { proxy.basic_auth(&name, &password) }
}

/// Why a body could not be read.
#[derive(Debug)]
pub(super) enum BodyError {
    /// It has more bytes than were allowed.
    TooLong,
    /// It was cut short.
    Broken(reqwest::Error),
}

/// The body of an answer, of at most `limit` bytes.
pub(super) async fn body(mut answer: Response, limit: usize) -> Result<Vec<u8>, BodyError> {
    let mut body = Vec::new();
    while let Some(piece) = answer.chunk().await.map_err(BodyError::Broken)? {
        if body.len() + piece.len() > limit {
            return Err(BodyError::TooLong);
        }
        body.extend_from_slice(&piece);
    }
    Ok(body)
}

/// The error and what caused it, which `reqwest` keeps to itself, such as a refused connection. Without the address, which may hold secrets.
pub(crate) fn message(error: reqwest::Error) -> String {
    let error = error.without_url();
    let mut text = error.to_string();
    let mut source = std::error::Error::source(&error);
    while let Some(cause) = source {
        text = format!("{text}: {cause}");
        source = cause.source();
    }
    text
}

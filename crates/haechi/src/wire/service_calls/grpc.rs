//! Asking authorization services over gRPC: Envoy's `ext_authz` v3, as a client of it.

use crate::wire::tls::system_authorities;
use bytes::Bytes;
use h2::client::{self, SendRequest};
use haechi_authn::external::{RequestFact, ServiceAnswer, ServiceCalls, ServiceQuestion};
use haechi_authn::keys::FetchFault;
use haechi_core::ports::BoxFuture;
use haechi_proxy::{Authorities, CHECK_PATH, CheckAnswer, CheckQuestion, Protocol, ServiceTls};
use http::{HeaderMap, Method, Request, Uri};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio::sync::Mutex;
use tokio_rustls::TlsConnector;

/// The most bytes of an answer's header fields, and of its trailers.
const MOST_FIELDS: u32 = 64 * 1024;

/// A service that is asked over one connection, which is made again when it breaks.
struct GrpcService {
    host: String,
    port: u16,
    secure: bool,
    authorities: Option<Arc<Authorities>>,
    kept: Mutex<Option<Link>>,
}

/// A connection.
#[derive(Clone)]
struct Link {
    sends: SendRequest<Bytes>,
    /// A question over it came to nothing: nobody asks over it again.
    is_suspect: Arc<AtomicBool>,
}

/// Marks a connection over which a question is given up: whoever waits no more cannot tell a slow service from a line that is dead.
struct Suspicion<'a>(Option<&'a Link>);

impl Drop for Suspicion<'_> {
    fn drop(&mut self) {
        if let Some(link) = self.0 {
            link.is_suspect.store(true, Relaxed);
        }
    }
}

/// Why a question came to nothing.
enum Fault {
    /// The connection is gone, perhaps since before: it may be asked again over another.
    Broken(String),
    /// This is the answer, and it is none.
    Answer(String),
}

/// How a service at `grpc://` or `grpcs://` is asked that these authorities vouch for, as PEM; the system's where there are none.
///
/// # Errors
/// Why it cannot be asked.
pub(super) fn grpc_calls(url: &str, authorities: Option<&[u8]>) -> Result<Arc<dyn ServiceCalls>, String> {
    let address: Uri = url.parse().map_err(|_| format!("`{url}` is no address"))?;
    let secure = address.scheme_str() == Some("grpcs");
    let host = address.host().ok_or_else(|| format!("`{url}` has no host"))?.to_owned();
    let port = address.port_u16().unwrap_or(if secure { 443 } else { 80 });
    let authorities = authorities.map(|pem| {
        let certificates: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(pem).collect();
        let certificates = certificates.map_err(|fault| fault.to_string())?;
        Authorities::new(certificates).map(Arc::new).map_err(|fault| fault.to_string())
    });
    let authorities = authorities.transpose();
    let authorities = authorities.map_err(|fault| format!("the authorities cannot be used: {fault}"))?;
    Ok(Arc::new(GrpcService { host, port, secure, authorities, kept: Mutex::default() }))
}

impl ServiceCalls for GrpcService {
    fn ask(&self, question: ServiceQuestion) -> BoxFuture<'_, Result<ServiceAnswer, FetchFault>> {
        Box::pin(self.asked(question))
    }
}

impl GrpcService {
    async fn asked(&self, question: ServiceQuestion) -> Result<ServiceAnswer, FetchFault> {
        let limit = question.limit;
        let message = Bytes::from(check(question)?.message());
        let mut again = true;
        let answer = loop {
            let link = self.link().await?;
            let mut suspicion = Suspicion(Some(&link));
            let outcome = self.call(&link, message.clone(), limit).await;
            suspicion.0 = suspicion.0.filter(|_| matches!(outcome, Err(Fault::Broken(_))));
            match outcome {
                Ok(answer) => break answer,
                // Asking changes nothing, so it may be asked twice.
                Err(Fault::Broken(_)) if again => again = false,
                Err(Fault::Broken(why) | Fault::Answer(why)) => return Err(FetchFault::Unreachable(why)),
            }
        };
        let CheckAnswer { status, fields, body } =
            CheckAnswer::of(&answer).map_err(|why| FetchFault::Unreachable(format!("its answer: {why}")))?;
        Ok(ServiceAnswer { status, fields, body })
    }

    /// The connection that is there, or a new one.
    async fn link(&self) -> Result<Link, FetchFault> {
        let mut kept = self.kept.lock().await;
        if let Some(link) = kept.as_ref().filter(|link| !link.is_suspect.load(Relaxed)) {
            return Ok(link.clone());
        }
        *kept = None;
        let link = self.connect().await.map_err(FetchFault::Unreachable)?;
        *kept = Some(link.clone());
        Ok(link)
    }

    async fn connect(&self) -> Result<Link, String> {
        let bare = self.host.trim_start_matches('[').trim_end_matches(']');
        let stream = TcpStream::connect((bare, self.port)).await.map_err(|error| error.to_string())?;
        stream.set_nodelay(true).map_err(|error| error.to_string())?;
        if !self.secure {
            return opened(stream).await;
        }
        let name = ServerName::try_from(bare.to_owned()).map_err(|error| error.to_string())?;
        let stream = self.connector()?.connect(name, stream).await.map_err(|error| error.to_string())?;
        match stream.get_ref().1.alpn_protocol() {
            Some(b"h2") => opened(stream).await,
            _ => Err("it does not speak HTTP/2, over which gRPC goes".to_owned()),
        }
    }

    fn connector(&self) -> Result<TlsConnector, String> {
        let authorities = match &self.authorities {
            Some(authorities) => authorities.clone(),
            None => system_authorities().ok_or("the system has no certificate authorities")?,
        };
        let tls =
            ServiceTls::new(authorities, None, None, Protocol::Http2).map_err(|error| error.to_string())?;
        Ok(TlsConnector::from(tls.config().clone()))
    }

    /// The message of the answer.
    async fn call(&self, link: &Link, message: Bytes, limit: usize) -> Result<Vec<u8>, Fault> {
        let broken = |error: h2::Error| Fault::Broken(error.to_string());
        let scheme = if self.secure { "https" } else { "http" };
        let request = Request::builder()
            .method(Method::POST)
            .uri(format!("{scheme}://{}:{}{CHECK_PATH}", self.host, self.port))
            .header("content-type", "application/grpc")
            .header("te", "trailers")
            .body(())
            .map_err(|error| Fault::Answer(error.to_string()))?;
        let mut sends = link.sends.clone().ready().await.map_err(broken)?;
        let (answer, mut body) = sends.send_request(request, false).map_err(broken)?;
        body.send_data(message, true).map_err(broken)?;
        let (head, mut body) = answer.await.map_err(broken)?.into_parts();
        let content_type = head.headers.get_all("content-type").iter().next();
        if head.status.as_u16() != 200
            || !content_type.is_some_and(|kind| kind.as_bytes().starts_with(b"application/grpc"))
        {
            return Err(Fault::Answer(format!("it answers {} and no gRPC", head.status.as_u16())));
        }
        let mut bytes = Vec::new();
        while let Some(piece) = body.data().await {
            let piece = piece.map_err(broken)?;
            if bytes.len() + piece.len() > limit {
                return Err(Fault::Answer(format!("the answer has more than {limit} bytes")));
            }
            bytes.extend_from_slice(&piece);
            body.flow_control().release_capacity(piece.len()).map_err(broken)?;
        }
        let trailers = body.trailers().await.map_err(broken)?;
        // An answer without a message has its status in its head.
        succeeded(trailers.as_ref().unwrap_or(&head.headers)).map_err(Fault::Answer)?;
        Ok(bytes)
    }
}

/// Only a call that says so has succeeded.
fn succeeded(fields: &HeaderMap) -> Result<(), String> {
    let mut said = fields.get_all("grpc-status").iter();
    match (said.next().map(|status| status.as_bytes()), said.next()) {
        (Some(b"0"), None) => Ok(()),
        (Some(status), None) => Err(format!(
            "the call failed with the gRPC status {}",
            String::from_utf8_lossy(status).escape_debug()
        )),
        _ => Err("the call broke off without a gRPC status".to_owned()),
    }
}

async fn opened(stream: impl AsyncRead + AsyncWrite + Send + Unpin + 'static) -> Result<Link, String> {
    let mut builder = client::Builder::new();
    builder.enable_push(false).max_header_list_size(MOST_FIELDS);
    let (sends, connection) = builder.handshake(stream).await.map_err(|error| error.to_string())?;
    let is_suspect = Arc::new(AtomicBool::new(false));
    let ended = is_suspect.clone();
    tokio::spawn(async move {
        // Why it ended is told to whoever asks over it.
        let _ = connection.await;
        ended.store(true, Relaxed);
    });
    Ok(Link { sends, is_suspect })
}

/// The question in Envoy's words.
fn check(question: ServiceQuestion) -> Result<CheckQuestion, FetchFault> {
    let ServiceQuestion { facts, fields, .. } = question;
    let text = |name: &str, value: Vec<u8>| {
        String::from_utf8(value).map_err(|_| FetchFault::Unreachable(format!("`{name}` cannot be sent")))
    };
    let mut asked = CheckQuestion::default();
    for (fact, value) in facts {
        let value = text(fact.field(), value)?;
        match fact {
            RequestFact::Method => asked.method = value,
            RequestFact::Scheme => asked.scheme = value,
            RequestFact::Host => asked.host = value,
            RequestFact::Uri => asked.path = value,
            RequestFact::ClientAddress => asked.client = value,
        }
    }
    for (name, value) in fields {
        let value = text(&name, value.expose().clone())?;
        asked.headers.push((name.into_owned(), value));
    }
    Ok(asked)
}

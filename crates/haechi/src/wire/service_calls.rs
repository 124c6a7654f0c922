//! Asking authorization services.

mod grpc;

use super::http_client::{self, BodyError};
use haechi_authn::external::{ServiceAnswer, ServiceCalls, ServiceQuestion};
use haechi_authn::keys::FetchFault;
use haechi_core::ports::BoxFuture;
use haechi_core::{Fields, Secret};
use reqwest::header::{ACCEPT_ENCODING, HeaderMap, HeaderName, HeaderValue};
use reqwest::{Certificate, Client};
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::OnceCell;

/// Many servers close a connection that was idle for five seconds; a question sent into one that closes would go unanswered.
const IDLE: Duration = Duration::from_secs(4);

/// HTTP through `reqwest` and `rustls`.
///
/// The client is made at the first question: a gate that only checks its configuration reads no certificates.
struct Service {
    authorities: Option<Vec<Certificate>>,
    client: OnceCell<Client>,
}

/// How the service at `url` is asked that these authorities vouch for, as PEM; the system's where there are none.
///
/// # Errors
/// Why the authorities cannot be used.
pub(super) fn service_calls(url: &str, authorities: Option<&[u8]>) -> Result<Arc<dyn ServiceCalls>, String> {
    if url.starts_with("grpc") {
        return grpc::grpc_calls(url, authorities);
    }
    let authorities = authorities.map(Certificate::from_pem_bundle).transpose();
    let authorities = authorities.map_err(|fault| format!("the authorities cannot be used: {fault}"))?;
    Ok(Arc::new(Service { authorities, client: OnceCell::new() }))
}

impl Service {
    async fn client(&self, url: &str) -> Result<&Client, FetchFault> {
        let made = || async {
            let builder = http_client::builder().pool_idle_timeout(IDLE);
            match &self.authorities {
                Some(authorities) => builder.tls_certs_only(authorities.clone()),
                // The system's certificates would be read for nothing.
                None if url.starts_with("http://") => builder.tls_certs_only([]),
                None => builder,
            }
            .build()
        };
        self.client.get_or_try_init(made).await.map_err(unreachable)
    }

    async fn asked(&self, question: ServiceQuestion) -> Result<ServiceAnswer, FetchFault> {
        let ServiceQuestion { url, facts, fields, limit } = question;
        let client = self.client(&url).await?;
        let mut headers = HeaderMap::with_capacity(fields.len() + 1);
        headers.insert(ACCEPT_ENCODING, HeaderValue::from_static("identity"));
        let facts = facts.into_iter().map(|(fact, value)| (fact.field().into(), Secret::new(value)));
        for (name, value) in facts.chain(fields) {
            let unsendable = || FetchFault::Unreachable(format!("`{name}` cannot be sent"));
            let field = HeaderName::from_bytes(name.as_bytes()).map_err(|_| unsendable())?;
            let mut value = HeaderValue::from_bytes(value.expose()).map_err(|_| unsendable())?;
            value.set_sensitive(true);
            headers.append(field, value);
        }
        let answer = client.get(url).headers(headers).send().await.map_err(unreachable)?;
        let status = answer.status().as_u16();
        let mut fields = Fields::default();
        for (name, value) in answer.headers() {
            fields.push(name.as_str().as_bytes(), value.as_bytes());
        }
        let body = http_client::body(answer, limit).await.map_err(|error| match error {
            BodyError::TooLong => FetchFault::TooLarge(limit),
            BodyError::Broken(error) => unreachable(error),
        })?;
        Ok(ServiceAnswer { status, fields, body })
    }
}

fn unreachable(error: reqwest::Error) -> FetchFault {
    FetchFault::Unreachable(http_client::message(error))
}

impl ServiceCalls for Service {
    fn ask(&self, question: ServiceQuestion) -> BoxFuture<'_, Result<ServiceAnswer, FetchFault>> {
        Box::pin(self.asked(question))
    }
}

//! The gate as a client of a token endpoint (RFC 6749 3.2): who is asked, and how the gate proves who it is.

use crate::Unavailable;
use crate::oidc::{
    ClientForm, ClientProof, Described, Discovery, Document, JSON, RegisteredClient, WebAnswer, WebCalls,
    WebRequest,
};
use crate::oidc_parameters::form;
use haechi_core::{Clock, Secret, Timestamp};
use std::sync::Arc;

/// The most bytes of an answer.
const MOST: usize = 64 * 1024;

/// Who gives tokens.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum TokenServer {
    /// The token endpoint at this address.
    At(String),
    /// The token endpoint that this issuer says it has.
    OfIssuer(Arc<str>),
}

/// What a client of a token endpoint is made of.
pub struct TokenClientParts {
    /// Who is asked.
    pub server: TokenServer,
    /// How the gate is registered there, and how it proves that; `None` where it says nothing of itself.
    pub client: Option<(String, ClientProof)>,
    /// Whether the server may be on plain http elsewhere than on loopback.
    pub allow_http: bool,
    /// Asks.
    pub calls: Arc<dyn WebCalls>,
    /// The clock.
    pub clock: Arc<dyn Clock>,
}

/// Asks a token endpoint.
pub(crate) struct TokenClient {
    server: TokenServer,
    client: Option<(String, ClientProof)>,
    calls: Arc<dyn WebCalls>,
    discovery: Option<Discovery<TokenEndpoint>>,
}

struct TokenEndpoint {
    url: String,
    methods: Option<Vec<String>>,
}

impl Described for TokenEndpoint {
    fn read(document: &Document<'_>) -> Result<Self, String> {
        Ok(Self {
            url: document.needed("token_endpoint")?,
            methods: document.texts("token_endpoint_auth_methods_supported"),
        })
    }
}

impl TokenClient {
    pub(crate) fn new(parts: TokenClientParts) -> Self {
        let TokenClientParts { server, client, allow_http, calls, clock } = parts;
        let discovery = match &server {
            TokenServer::At(_) => None,
            TokenServer::OfIssuer(issuer) => Some(Discovery::new(issuer.clone(), allow_http, clock)),
        };
        Self { server, client, calls, discovery }
    }

    /// Asks for what `parameters` say. Whoever asks bounds the time.
    ///
    /// # Errors
    /// There was no answer.
    pub(crate) async fn ask(
        &self,
        parameters: &[(&str, &str)],
        now: Timestamp,
    ) -> Result<WebAnswer, Unavailable> {
        let endpoint = match &self.discovery {
            None => None,
            Some(discovery) => Some(discovery.metadata(&*self.calls).await?),
        };
        let (url, vouches) = match (&self.server, &endpoint) {
            (TokenServer::At(url), _) => (url.clone(), url.as_str()),
            (TokenServer::OfIssuer(issuer), Some(endpoint)) => (endpoint.url.clone(), &**issuer),
            (TokenServer::OfIssuer(_), None) => return Err(Unavailable::new("there is no token endpoint")),
        };
        let Some((id, proof)) = &self.client else {
            let form = Some(Secret::new(form(parameters)));
            let request =
                WebRequest { url: url.clone(), form, authorization: None, accept: JSON, limit: MOST };
            let answer = self.calls.call(request).await;
            return answer.map_err(|fault| Unavailable::new(format!("`{url}`: {fault}")));
        };
        let methods = endpoint.as_ref().and_then(|endpoint| endpoint.methods.as_deref());
        let client = RegisteredClient { id, proof, audience: vouches, methods };
        client.post(&*self.calls, ClientForm { url, parameters, accept: JSON, limit: MOST }, now).await
    }
}

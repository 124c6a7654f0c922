//! What a provider says of itself (OpenID Connect Discovery 1.0).

use super::calls::{JSON, WebCalls, WebRequest};
use crate::Unavailable;
use crate::jose::json::{Json, Object};
use crate::keys::WebOrigin;
use arc_swap::ArcSwapOption;
use haechi_core::Clock;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::Mutex;

/// The most bytes of a discovery document.
const MOST: usize = 256 * 1024;
/// So long it is not asked for again.
const FRESH: Duration = Duration::from_secs(10 * 60);
/// So long it is gone by while the provider does not answer.
const USABLE: Duration = Duration::from_secs(60 * 60);
/// After a failure nobody asks for so long.
const SPACING: Duration = Duration::from_secs(1);

/// Where a provider's endpoints are, and what they take.
#[derive(Debug)]
pub(super) struct Metadata {
    pub(super) authorization_endpoint: String,
    pub(super) token_endpoint: String,
    pub(super) userinfo_endpoint: Option<String>,
    pub(super) end_session_endpoint: Option<String>,
    /// RFC 8414 2.
    pub(super) revocation_endpoint: Option<String>,
    /// RFC 9126 5.
    pub(super) pushed_authorization_request_endpoint: Option<String>,
    /// Whether its answers name it (RFC 9207 3).
    pub(super) names_itself: bool,
    /// How clients prove who they are; `None` where it does not say, which means `client_secret_basic`.
    pub(super) client_authentication: Option<Vec<String>>,
}

/// What is read of a provider's document.
pub(crate) trait Described: Sized + Send + Sync {
    /// Reads it.
    fn read(document: &Document<'_>) -> Result<Self, String>;
}

/// A provider's document, which is known to be of its issuer.
pub(crate) struct Document<'a> {
    members: Object<'a>,
    allow_http: bool,
}

/// The document, asked for when somebody needs it, and then not for a while.
pub(crate) struct Discovery<M> {
    issuer: Arc<str>,
    allow_http: bool,
    clock: Arc<dyn Clock>,
    known: ArcSwapOption<(Arc<M>, Duration)>,
    /// The last failure; held while somebody asks, so that one does.
    asking: Mutex<Option<(Duration, String)>>,
}

impl<M: Described> Discovery<M> {
    pub(crate) fn new(issuer: Arc<str>, allow_http: bool, clock: Arc<dyn Clock>) -> Self {
        Self { issuer, allow_http, clock, known: ArcSwapOption::empty(), asking: Mutex::new(None) }
    }

    /// What is known of the provider.
    pub(crate) async fn metadata(&self, calls: &dyn WebCalls) -> Result<Arc<M>, Unavailable> {
        if let Some(known) = self.younger_than(FRESH) {
            return Ok(known);
        }
        let mut failed = self.asking.lock().await;
        if let Some(known) = self.younger_than(FRESH) {
            return Ok(known);
        }
        let now = self.clock.uptime();
        let recent = failed.as_ref().filter(|(at, _)| now.saturating_sub(*at) < SPACING);
        let why = match recent {
            Some((_, why)) => why.clone(),
            None => match self.ask(calls).await {
                Ok(metadata) => {
                    let metadata = Arc::new(metadata);
                    self.known.store(Some(Arc::new((metadata.clone(), self.clock.uptime()))));
                    *failed = None;
                    return Ok(metadata);
                }
                Err(why) => {
                    tracing::warn!(issuer = %self.issuer, reason = why, "cannot discover the provider");
                    *failed = Some((self.clock.uptime(), why.clone()));
                    why
                }
            },
        };
        self.younger_than(USABLE).ok_or_else(|| Unavailable::new(why))
    }

    fn younger_than(&self, age: Duration) -> Option<Arc<M>> {
        let known = self.known.load();
        let (metadata, at) = &**known.as_ref()?;
        (self.clock.uptime().saturating_sub(*at) < age).then(|| metadata.clone())
    }

    async fn ask(&self, calls: &dyn WebCalls) -> Result<M, String> {
        let url = format!("{}/.well-known/openid-configuration", self.issuer.trim_end_matches('/'));
        let request =
            WebRequest { url: url.clone(), form: None, authorization: None, accept: JSON, limit: MOST };
        let answer = calls.call(request).await.map_err(|fault| format!("`{url}`: {fault}"))?;
        match answer.status {
            200 => self.read(&answer.body).map_err(|why| format!("`{url}`: {why}")),
            status => Err(format!("`{url}` answers {status}")),
        }
    }

    fn read(&self, body: &[u8]) -> Result<M, String> {
        let body = body.strip_prefix(b"\xef\xbb\xbf").unwrap_or(body);
        let members = Object::parse(body).map_err(|fault| fault.to_string())?;
        let document = Document { members, allow_http: self.allow_http };
        if document.text("issuer")?.as_deref() != Some(&*self.issuer) {
            return Err(format!("it is of another issuer than `{}`", self.issuer));
        }
        M::read(&document)
    }
}

impl Document<'_> {
    fn text(&self, name: &str) -> Result<Option<String>, String> {
        match self.members.member(name) {
            None | Some(Json::Null) => Ok(None),
            Some(Json::String(text)) => Ok(Some(text.to_string())),
            Some(_) => Err(format!("`{name}` is no text")),
        }
    }

    /// The address of an endpoint, which may be asked.
    pub(crate) fn address(&self, name: &str) -> Result<Option<String>, String> {
        match self.text(name)? {
            None => Ok(None),
            Some(url) => match WebOrigin::permitted(&url, self.allow_http) {
                Ok(_) => Ok(Some(url)),
                Err(fault) => Err(format!("`{name}`: {fault}")),
            },
        }
    }

    /// The address of an endpoint that must be there.
    pub(crate) fn needed(&self, name: &str) -> Result<String, String> {
        self.address(name)?.ok_or_else(|| format!("`{name}` is missing"))
    }

    /// A list of texts; `None` for what is none.
    pub(crate) fn texts(&self, name: &str) -> Option<Vec<String>> {
        let listed = self.members.member(name).and_then(Json::as_strings)?;
        Some(listed.into_iter().map(str::to_owned).collect())
    }

    fn says(&self, name: &str) -> bool {
        matches!(self.members.member(name), Some(Json::Bool(true)))
    }
}

impl Described for Metadata {
    fn read(document: &Document<'_>) -> Result<Self, String> {
        let pkce = document.texts("code_challenge_methods_supported");
        if pkce.is_some_and(|methods| !methods.iter().any(|method| method == "S256")) {
            return Err("the provider does not take PKCE with S256".to_owned());
        }
        Ok(Self {
            authorization_endpoint: document.needed("authorization_endpoint")?,
            token_endpoint: document.needed("token_endpoint")?,
            userinfo_endpoint: document.address("userinfo_endpoint")?,
            end_session_endpoint: document.address("end_session_endpoint")?,
            revocation_endpoint: document.address("revocation_endpoint")?,
            pushed_authorization_request_endpoint: document
                .address("pushed_authorization_request_endpoint")?,
            names_itself: document.says("authorization_response_iss_parameter_supported"),
            client_authentication: document.texts("token_endpoint_auth_methods_supported"),
        })
    }
}

//! Calls of the admin API, as commands make them.

use crate::cli::Failure;
use crate::cli::files::unreadable;
use crate::wire::{client_builder, client_message};
use haechi_authn::keys::WebOrigin;
use haechi_core::Secret;
use reqwest::{Certificate, Client, Method, RequestBuilder, Response, Url};
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value;
use std::path::Path;
use std::time::Duration;

/// No call takes longer: hashing a password is the slowest.
const WITHIN: Duration = Duration::from_secs(60);
/// No answer is longer.
const MAX_ANSWER: usize = 64 * 1024 * 1024;
/// So many items are asked for at once, which is the most that a page has.
const PAGE: usize = 200;

/// A running gate.
pub(crate) struct Gate {
    client: Client,
    base: Url,
    token: Option<Secret<String>>,
    /// What it is called in messages.
    name: String,
}

/// What it answered.
pub(crate) struct Answered {
    pub(crate) status: u16,
    pub(crate) body: Vec<u8>,
}

impl Gate {
    /// Over its Unix socket.
    pub(crate) fn over(path: &Path) -> Result<Self, Failure> {
        let client = client_builder().unix_socket(path).timeout(WITHIN).build().map_err(Failure::fault)?;
        let base = Url::parse("http://localhost/").map_err(Failure::fault)?;
        Ok(Self { client, base, token: None, name: format!("the gate at `{}`", path.display()) })
    }

    /// At an address. A token does not travel unencrypted to another machine.
    pub(crate) fn at(
        base: Url,
        token: Option<Secret<String>>,
        authorities: Option<&Path>,
    ) -> Result<Self, Failure> {
        if base.scheme() == "http" && !is_here(&base) {
            let message = format!(
                "`{base}` is not an address of this machine, and a token does not travel unencrypted; use `https`"
            );
            return Err(Failure::usage(message));
        }
        let mut builder = client_builder().timeout(WITHIN);
        if let Some(file) = authorities {
            builder = builder.tls_certs_merge(certificates(file)?);
        }
        let client = builder.build().map_err(Failure::fault)?;
        let name = format!("the gate at {}", base.as_str().trim_end_matches('/'));
        Ok(Self { client, base, token, name })
    }

    /// What it is called in messages.
    pub(crate) fn name(&self) -> &str {
        &self.name
    }

    /// What is at these segments of `/api/v1`.
    pub(crate) async fn get<T: DeserializeOwned>(
        &self,
        segments: &[&str],
        query: &[(&str, String)],
    ) -> Result<T, Failure> {
        let answered = self.ask(Method::GET, segments, query, None).await?;
        self.read(answered)
    }

    /// The same; `None` where it is not there.
    pub(crate) async fn find<T: DeserializeOwned>(&self, segments: &[&str]) -> Result<Option<T>, Failure> {
        let answered = self.ask(Method::GET, segments, &[], None).await?;
        if answered.problem().is_some_and(|(kind, _)| kind == "missing") {
            return Ok(None);
        }
        self.read(answered).map(Some)
    }

    /// A list, all pages of it, or the first of so many items.
    pub(crate) async fn list<T: DeserializeOwned>(
        &self,
        segments: &[&str],
        query: &[(&str, String)],
        most: usize,
    ) -> Result<Vec<T>, Failure> {
        self.pages((Method::GET, segments), query, most).await
    }

    /// The same, by calls of another method.
    pub(crate) async fn pages<T: DeserializeOwned>(
        &self,
        (method, segments): (Method, &[&str]),
        query: &[(&str, String)],
        most: usize,
    ) -> Result<Vec<T>, Failure> {
        #[derive(serde::Deserialize)]
        struct Page<T> {
            items: Vec<T>,
            next: Option<String>,
        }
        let (mut all, mut cursor) = (Vec::new(), None::<String>);
        loop {
            let mut asked = query.to_vec();
            asked.push(("limit", most.saturating_sub(all.len()).clamp(1, PAGE).to_string()));
            if let Some(cursor) = &cursor {
                asked.retain(|(name, _)| *name != "cursor");
                asked.push(("cursor", cursor.clone()));
            }
            let answered = self.ask(method.clone(), segments, &asked, None).await?;
            let page: Page<T> = self.read(answered)?;
            all.extend(page.items);
            cursor = page.next;
            if cursor.is_none() || all.len() >= most {
                return Ok(all);
            }
        }
    }

    /// Changes something, and reads what came of it.
    pub(crate) async fn change<T: DeserializeOwned>(
        &self,
        method: Method,
        segments: &[&str],
        body: &impl Serialize,
    ) -> Result<T, Failure> {
        let body = serde_json::to_value(body).map_err(Failure::fault)?;
        let answered = self.ask(method, segments, &[], Some(&body)).await?;
        self.read(answered)
    }

    /// Replaces a part of what was read in this revision, and reads what came of it; nothing is changed where it is another by now.
    pub(crate) async fn edit<T: DeserializeOwned>(
        &self,
        segments: &[&str],
        revision: i64,
        body: &Value,
    ) -> Result<T, Failure> {
        let request = self.request(Method::PUT, segments, &[], Some(body));
        let answered = self.send(request.header("if-match", format!("\"{revision}\""))).await?;
        self.read(answered)
    }

    /// Changes something that shows nothing.
    pub(crate) async fn act(
        &self,
        method: Method,
        segments: &[&str],
        body: Option<&Value>,
    ) -> Result<(), Failure> {
        let answered = self.ask(method, segments, &[], body).await?;
        if answered.is_good() { Ok(()) } else { Err(self.failure(&answered)) }
    }

    /// Asks, whatever the answer is.
    pub(crate) async fn ask(
        &self,
        method: Method,
        segments: &[&str],
        query: &[(&str, String)],
        body: Option<&Value>,
    ) -> Result<Answered, Failure> {
        self.send(self.request(method, segments, query, body)).await
    }

    /// Sends a text, on a condition, whatever the answer is.
    pub(crate) async fn send_with(
        &self,
        method: Method,
        segments: &[&str],
        query: &[(&str, String)],
        (field, condition): (&str, String),
        (kind, text): (&str, String),
    ) -> Result<Answered, Failure> {
        let request = self.request(method, segments, query, None).header(field, condition);
        self.send(request.header("content-type", kind).body(text)).await
    }

    fn request(
        &self,
        method: Method,
        segments: &[&str],
        query: &[(&str, String)],
        body: Option<&Value>,
    ) -> RequestBuilder {
        let mut url = self.base.clone();
        // A base that can have no path was refused as an argument.
        if let Ok(mut path) = url.path_segments_mut() {
            path.pop_if_empty().extend(["api", "v1"]).extend(segments);
        }
        if !query.is_empty() {
            url.query_pairs_mut().extend_pairs(query);
        }
        let mut request = self.client.request(method, url);
        if let Some(token) = &self.token {
            request = request.bearer_auth(token.expose());
        }
        if let Some(body) = body {
            request = request.header("content-type", "application/json").body(body.to_string());
        }
        request
    }

    async fn send(&self, request: RequestBuilder) -> Result<Answered, Failure> {
        let silent =
            |error| Failure::fault(format!("{} does not answer: {}", self.name, client_message(error)));
        let response = request.send().await.map_err(silent)?;
        let status = response.status().as_u16();
        let body = self.body(response).await?;
        Ok(Answered { status, body })
    }

    async fn body(&self, mut response: Response) -> Result<Vec<u8>, Failure> {
        let broken =
            |error| Failure::fault(format!("{} broke off its answer: {}", self.name, client_message(error)));
        let mut body = Vec::new();
        while let Some(piece) = response.chunk().await.map_err(broken)? {
            if body.len() + piece.len() > MAX_ANSWER {
                return Err(Failure::fault(format!("the answer of {} is too long", self.name)));
            }
            body.extend_from_slice(&piece);
        }
        Ok(body)
    }

    pub(crate) fn read<T: DeserializeOwned>(&self, answered: Answered) -> Result<T, Failure> {
        if !answered.is_good() {
            return Err(self.failure(&answered));
        }
        let unreadable =
            |error| Failure::fault(format!("the answer of {} cannot be read: {error}", self.name));
        serde_json::from_slice(&answered.body).map_err(unreadable)
    }

    /// What a refusal comes to: as if the command had done the work itself.
    pub(crate) fn failure(&self, answered: &Answered) -> Failure {
        let name = &self.name;
        match (answered.status, answered.problem()) {
            (401 | 403, Some((_, detail))) => Failure::fault(format!(
                "{name} does not let this caller in: {detail}; `--token` or `--token-file` says who calls"
            )),
            (_, Some((kind, detail))) if kind == "invalid" => Failure::usage(detail),
            (_, Some((_, detail))) => Failure::fault(detail),
            (status, None) => Failure::fault(format!("{name} answers {status}; is it an admin listener?")),
        }
    }
}

impl Answered {
    const fn is_good(&self) -> bool {
        matches!(self.status, 200..=299)
    }

    /// The kind of problem, and what is said about it.
    pub(crate) fn problem(&self) -> Option<(String, String)> {
        let body: Value = serde_json::from_slice(&self.body).ok()?;
        let kind = body.get("type")?.as_str()?.strip_prefix("urn:haechi:problem:")?.to_owned();
        Some((kind, body.get("detail")?.as_str()?.to_owned()))
    }
}

pub(super) fn is_here(url: &Url) -> bool {
    WebOrigin::of(url.as_str()).is_ok_and(|origin| origin.is_loopback())
}

fn certificates(file: &Path) -> Result<Vec<Certificate>, Failure> {
    let shown = file.display();
    let text = std::fs::read(file).map_err(unreadable(file))?;
    let bad =
        |error: reqwest::Error| Failure::fault(format!("`{shown}` has no certificates in PEM: {error}"));
    Certificate::from_pem_bundle(&text).map_err(bad)
}

//! What a call answered, for a page.

use crate::sessions::Session;
use axum::body::to_bytes;
use axum::http::StatusCode;
use axum::response::Response;
use haechi_admin::Calls;
use serde_json::Value;

/// The most that is read of an answer, in bytes.
const LONGEST: usize = 4 * 1024 * 1024;

/// Why a page has nothing of a call.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Failed {
    /// The token behind the session works no more.
    LoggedOut,
    /// Whoever is logged in may not see it.
    Forbidden,
    /// There is no such thing.
    Missing,
    /// Something else, as the call put it.
    Other(String),
}

/// Where a page reads.
pub(crate) struct Reads<'a> {
    pub(crate) at: &'a Calls,
    pub(crate) session: &'a Session,
}

impl Reads<'_> {
    /// The JSON document at `target`.
    pub(crate) async fn json(&self, target: &str) -> Result<Value, Failed> {
        self.json_in(target, &[StatusCode::OK]).await
    }

    /// How the parts of the gate are. That one is not ready is an answer as well.
    pub(crate) async fn readiness(&self) -> Result<Value, Failed> {
        self.json_in("/readyz", &[StatusCode::OK, StatusCode::SERVICE_UNAVAILABLE]).await
    }

    async fn json_in(&self, target: &str, good: &[StatusCode]) -> Result<Value, Failed> {
        let (status, body) = read(self.at.read(target, self.session.bearer.clone()).await).await?;
        let value: Result<Value, _> = serde_json::from_slice(&body);
        match value {
            Ok(value) if good.contains(&status) => Ok(value),
            value => Err(failed(status, &value.unwrap_or_default())),
        }
    }

    /// The text at `target`.
    pub(crate) async fn text(&self, target: &str) -> Result<String, Failed> {
        let (status, body) = read(self.at.read(target, self.session.bearer.clone()).await).await?;
        if status == StatusCode::OK {
            return Ok(String::from_utf8_lossy(&body).into_owned());
        }
        Err(failed(status, &Value::Null))
    }
}

async fn read(response: Response) -> Result<(StatusCode, Vec<u8>), Failed> {
    let status = response.status();
    match to_bytes(response.into_body(), LONGEST).await {
        Ok(body) => Ok((status, body.to_vec())),
        Err(error) => Err(Failed::Other(format!("the answer could not be read: {error}"))),
    }
}

fn failed(status: StatusCode, problem: &Value) -> Failed {
    match status {
        StatusCode::UNAUTHORIZED => Failed::LoggedOut,
        StatusCode::FORBIDDEN => Failed::Forbidden,
        StatusCode::NOT_FOUND => Failed::Missing,
        _ => {
            let told = problem.get("detail").or_else(|| problem.get("title")).and_then(Value::as_str);
            Failed::Other(told.map_or_else(|| status.to_string(), ToOwned::to_owned))
        }
    }
}

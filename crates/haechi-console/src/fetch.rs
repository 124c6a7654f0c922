//! What a call answered, for a page.

use crate::faults::Fault;
use crate::sessions::Session;
use axum::body::{Body, to_bytes};
use axum::http::{Method, StatusCode};
use axum::response::Response;
use haechi_admin::{Calls, Change};
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
    /// The call refuses what was asked, as it puts it.
    Refused(String),
    /// A text that was sent is at fault: where, and the whole report.
    Faulty(Vec<Fault>, String),
    /// It could not be found out, or done.
    Unavailable(String),
}

/// What a call came to that changed something, or waits for a second person.
pub(crate) struct Done {
    pub(crate) waits: bool,
    pub(crate) answer: Value,
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

    /// Asks a question that is too long for an address. Nothing is changed by it.
    pub(crate) async fn asked(&self, target: &str, question: &Value) -> Result<Value, Failed> {
        let content = if question.is_null() { Vec::new() } else { question.to_string().into_bytes() };
        let kind = if content.is_empty() { "" } else { "application/json" };
        let sent = Change { method: Method::POST, target: target.to_owned(), kind, content, seen: None };
        self.send(sent).await.map(|done| done.answer)
    }

    /// Changes something.
    pub(crate) async fn send(&self, change: Change) -> Result<Done, Failed> {
        let (status, body) = read(self.at.change(change, self.session.bearer.clone()).await).await?;
        let answer: Value = serde_json::from_slice(&body).unwrap_or_default();
        if !status.is_success() {
            return Err(failed(status, &answer));
        }
        Ok(Done { waits: status == StatusCode::ACCEPTED, answer })
    }

    async fn json_in(&self, target: &str, good: &[StatusCode]) -> Result<Value, Failed> {
        let (status, body) = read(self.at.read(target, self.session.bearer.clone()).await).await?;
        let value: Result<Value, _> = serde_json::from_slice(&body);
        match value {
            Ok(value) if good.contains(&status) => Ok(value),
            value => Err(failed(status, &value.unwrap_or_default())),
        }
    }

    /// What is at `target`, as it comes.
    pub(crate) async fn whole(&self, target: &str) -> Result<Body, Failed> {
        let response = self.at.read(target, self.session.bearer.clone()).await;
        if response.status() == StatusCode::OK {
            return Ok(response.into_body());
        }
        let (status, body) = read(response).await?;
        Err(failed(status, &serde_json::from_slice(&body).unwrap_or_default()))
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
        Err(error) => Err(Failed::Unavailable(format!("the answer could not be read: {error}"))),
    }
}

fn failed(status: StatusCode, problem: &Value) -> Failed {
    match status {
        StatusCode::UNAUTHORIZED => Failed::LoggedOut,
        StatusCode::FORBIDDEN => Failed::Forbidden,
        StatusCode::NOT_FOUND => Failed::Missing,
        _ => {
            // What was wrong with a text, with its places, where there is that.
            let told = ["report", "detail", "title"].iter().find_map(|name| problem.get(name)?.as_str());
            let told = told.map_or_else(|| status.to_string(), ToOwned::to_owned);
            let faults = Fault::all(problem.get("faults").unwrap_or(&Value::Null));
            if !faults.is_empty() && status.is_client_error() {
                return Failed::Faulty(faults, told);
            }
            if status.is_server_error() { Failed::Unavailable(told) } else { Failed::Refused(told) }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{Failed, failed};
    use axum::http::StatusCode;
    use serde_json::json;

    #[test]
    fn what_could_not_be_found_out_is_no_refusal() {
        let problem = json!({ "title": "t", "detail": "d" });
        for (status, told) in [
            (401, Failed::LoggedOut),
            (403, Failed::Forbidden),
            (404, Failed::Missing),
            (409, Failed::Refused("d".into())),
            (422, Failed::Refused("d".into())),
            (503, Failed::Unavailable("d".into())),
        ] {
            assert_eq!(failed(StatusCode::from_u16(status).unwrap(), &problem), told);
        }
    }
}

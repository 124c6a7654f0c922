//! Decision points: what is asked outside the gate, and what the answers mean.
//!
//! Questions are asked on the control runtime, so that a worker waits for an answer without standing still and all workers share connections.

mod answer;
mod question;
#[cfg(test)]
mod tests;
mod unasked;

pub(crate) use unasked::GivenAnswers;

use super::http_client::{self, BodyError};
use crate::config::Config;
use crate::config::meant::{self, PointType};
use haechi_authz::point::Answering;
use haechi_authz::{AnswerLifetimes, DecisionPoint, Facts, PointAnswer, Unavailable, Vocabulary};
use reqwest::header::{AUTHORIZATION, CONTENT_TYPE, HeaderMap, HeaderValue};
use reqwest::{Certificate, Client, Url};
use std::fmt;
use std::sync::Arc;
use std::time::Duration;
use tokio::runtime::Handle;
use tokio::sync::Semaphore;
use tokio::task::AbortHandle;

/// An answer is a yes or a no; more than this is something else.
const LONGEST_ANSWER: usize = 64 * 1024;
/// Questions under way to one decision point, over all workers.
const UNDER_WAY: usize = 256;
/// Questions that wait for their turn or are under way. One more cannot be asked.
const WAITING: usize = 4096;
/// Many servers close a connection that was idle for five seconds; a question sent into one that closes would go unanswered.
const IDLE: Duration = Duration::from_secs(4);

/// Why the points cannot be made.
#[derive(Debug, thiserror::Error)]
pub(crate) enum PointFault {
    #[error("cannot set up the client for the decision point `{0}`: {1}")]
    Client(Arc<str>, reqwest::Error),
    #[error("the token of the decision point `{0}` cannot be sent")]
    Token(Arc<str>),
}

/// One decision point, for all workers.
struct Point {
    name: Arc<str>,
    kind: PointType,
    url: Url,
    timeout: Duration,
    keeps: AnswerLifetimes,
    vocabulary: Arc<Vocabulary>,
    client: Client,
    control: Handle,
    room: Arc<Semaphore>,
    turn: Arc<Semaphore>,
}

/// Every decision point that the configuration names.
pub(crate) fn decision_points(
    config: &Config,
    control: &Handle,
) -> Result<Vec<Arc<dyn DecisionPoint>>, PointFault> {
    let point = |configured: &meant::DecisionPoint| {
        let point: Arc<dyn DecisionPoint> = Arc::new(Point {
            name: configured.name.clone(),
            kind: configured.kind,
            url: configured.url.clone(),
            timeout: configured.timeout,
            keeps: configured.keeps,
            vocabulary: config.policies.vocabulary().clone(),
            client: client(configured)?,
            control: control.clone(),
            room: Arc::new(Semaphore::new(WAITING)),
            turn: Arc::new(Semaphore::new(UNDER_WAY)),
        });
        Ok(point)
    };
    config.decision_points.values().map(point).collect()
}

/// Every decision point that the configuration names, none of which is asked: what they say is given.
pub(crate) fn unasked(config: &Config, answers: &GivenAnswers) -> Vec<Arc<dyn DecisionPoint>> {
    let unasked = |name: &Arc<str>| -> Arc<dyn DecisionPoint> {
        Arc::new(unasked::UnaskedPoint { name: name.clone(), answers: answers.clone() })
    };
    config.decision_points.keys().map(unasked).collect()
}

fn client(configured: &meant::DecisionPoint) -> Result<Client, PointFault> {
    let mut headers = HeaderMap::new();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    if let Some(token) = &configured.token {
        let value = HeaderValue::from_str(&format!("Bearer {}", token.expose()));
        let mut value = value.map_err(|_| PointFault::Token(configured.name.clone()))?;
        value.set_sensitive(true);
        headers.insert(AUTHORIZATION, value);
    }
    let unmade = |fault| PointFault::Client(configured.name.clone(), fault);
    let mut builder = http_client::builder().pool_idle_timeout(IDLE).default_headers(headers);
    if let Some(authorities) = &configured.authorities {
        let authority = |der: &rustls::pki_types::CertificateDer<'static>| Certificate::from_der(der);
        let authorities = authorities.iter().map(authority).collect::<Result<Vec<_>, _>>();
        builder = builder.tls_certs_only(authorities.map_err(unmade)?);
    } else if configured.url.scheme() == "http" {
        // The system's certificates would be read for nothing.
        builder = builder.tls_certs_only([]);
    }
    builder.build().map_err(unmade)
}

impl DecisionPoint for Point {
    fn name(&self) -> &Arc<str> {
        &self.name
    }

    fn question(&self, facts: &Facts<'_>) -> Result<Vec<u8>, Unavailable> {
        let question = match self.kind {
            PointType::Opa => question::opa(facts, &self.vocabulary),
            PointType::Authzen => question::authzen(facts, &self.vocabulary),
        };
        question.map_err(|reason| self.unavailable(reason))
    }

    fn keeps(&self) -> AnswerLifetimes {
        self.keeps
    }

    fn ask(&self, question: Vec<u8>) -> Answering<'_> {
        Box::pin(async move {
            let told = self.told(question).await.map_err(|reason| self.unavailable(reason))?;
            let meant = match self.kind {
                PointType::Opa => answer::opa(&told),
                PointType::Authzen => answer::authzen(&told),
            };
            meant.map(PointAnswer::from).map_err(|reason| self.unavailable(reason))
        })
    }
}

impl Point {
    fn unavailable(&self, reason: String) -> Unavailable {
        Unavailable { name: self.name.clone(), reason }
    }

    /// The body of a good answer, or why there is none.
    async fn told(&self, question: Vec<u8>) -> Result<Vec<u8>, String> {
        let Ok(room) = self.room.clone().try_acquire_owned() else {
            return Err("too many questions are waiting for it".to_owned());
        };
        let request = self.client.post(self.url.clone()).body(question);
        let (turn, timeout) = (self.turn.clone(), self.timeout);
        let asked = self.control.spawn(async move {
            let answer = async {
                let _turn = turn.acquire_owned().await.map_err(|_| "the gate ends".to_owned())?;
                exchange(request).await
            };
            let answer = tokio::time::timeout(timeout, answer).await;
            drop(room);
            answer
                .unwrap_or_else(|_| Err(format!("no answer within {}", humantime::format_duration(timeout))))
        });
        let _given_up = AbortOnDrop(asked.abort_handle());
        asked.await.unwrap_or_else(|_| Err("the question was given up".to_owned()))
    }
}

async fn exchange(request: reqwest::RequestBuilder) -> Result<Vec<u8>, String> {
    let answer = request.send().await.map_err(http_client::message)?;
    if answer.status() != reqwest::StatusCode::OK {
        return Err(format!("it answered with status {}", answer.status().as_u16()));
    }
    http_client::body(answer, LONGEST_ANSWER).await.map_err(|error| match error {
        BodyError::TooLong => "its answer is longer than 64 KiB".to_owned(),
        BodyError::Broken(error) => http_client::message(error),
    })
}

/// A client that is gone needs no answer.
struct AbortOnDrop(AbortHandle);

impl Drop for AbortOnDrop {
    fn drop(&mut self) {
        self.0.abort();
    }
}

impl fmt::Debug for Point {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Point").field("name", &self.name).field("kind", &self.kind).finish_non_exhaustive()
    }
}

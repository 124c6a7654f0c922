//! Queries of the admin API for decisions that workers remember. Workers look in passing, in their tick: at one number, unless somebody asks.

use super::Decided;
use haechi_core::id::{DecisionId, RequestId};
use haechi_core::{Denial, Outcome, Timestamp};
use std::net::IpAddr;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::sync::mpsc::{UnboundedSender, unbounded_channel};

/// How long workers may take. They look at the queries twenty times a second.
const ANSWERED_WITHIN: Duration = Duration::from_secs(2);

/// What is asked.
#[derive(Clone, Debug)]
pub enum Question {
    /// The decision of this id.
    Of(DecisionId),
    /// The newest ones.
    Recent(Wanted),
    /// The first request of each route and direction on which the shadow policies in force differ.
    Shadow,
}

/// Which of the newest decisions.
#[derive(Clone, Debug, Default)]
pub struct Wanted {
    /// Only those made before this one.
    pub before: Option<(Timestamp, DecisionId)>,
    /// Only with this outcome.
    pub outcome: Option<Outcome>,
    /// Only on the route of this name.
    pub route: Option<Box<str>>,
    /// Only about callers with this subject.
    pub subject: Option<Box<str>>,
    /// Only about this request.
    pub request: Option<RequestId>,
    /// Only those that were denied for such a reason.
    pub reason: Option<Denial>,
    /// Only of callers who came with the credential of this id.
    pub credential: Option<Box<str>>,
    /// Only of clients at this address.
    pub client: Option<IpAddr>,
    /// At most so many.
    pub limit: usize,
}

impl Wanted {
    /// Whether it is one of them.
    pub(crate) fn takes(&self, decided: &Decided) -> bool {
        self.before.is_none_or(|before| decided.moment() < before)
            && self.outcome.is_none_or(|outcome| decided.outcome() == outcome)
            && self.route.as_ref().is_none_or(|route| **route == *decided.route.name)
            && self.subject.as_ref().is_none_or(|subject| **subject == *decided.caller.subject)
            && self.request.is_none_or(|request| decided.request == request)
            && self.client.is_none_or(|client| decided.client == client)
            && self
                .credential
                .as_ref()
                .is_none_or(|id| decided.caller.credential_id.as_deref() == Some(&**id))
            && self
                .reason
                .is_none_or(|kind| decided.decision.reason().is_some_and(|reason| reason.kind() == kind))
    }
}

/// What workers answered.
#[derive(Clone, Debug, Default)]
pub struct Answers {
    /// In no order.
    pub decided: Vec<Decided>,
    /// Whether every worker has answered.
    pub complete: bool,
}

/// Where questions lie until every worker has taken them up.
#[derive(Clone, Debug, Default)]
pub struct DecisionQueries(Arc<Shared>);

#[derive(Debug, Default)]
struct Shared {
    /// The number of the newest question, for workers to see that there is one.
    newest: AtomicU64,
    open: Mutex<Open>,
}

#[derive(Debug, Default)]
struct Open {
    questions: Vec<PendingQuestion>,
    workers: usize,
}

#[derive(Debug)]
struct PendingQuestion {
    number: u64,
    question: Arc<Question>,
    answers: UnboundedSender<Vec<Decided>>,
    /// Workers that have not taken it up.
    left: usize,
}

impl DecisionQueries {
    /// Asks every worker. What has not come in time is missing.
    pub async fn ask(&self, question: Question) -> Answers {
        let only_one = matches!(question, Question::Of(_));
        let (answers, mut answered) = unbounded_channel();
        let number = self.0.put(question, answers);
        let _cleared = RemoveQuestion { queries: &self.0, number };
        let mut told = Answers::default();
        let gather = async {
            while let Some(decided) = answered.recv().await {
                told.decided.extend(decided);
                if only_one && !told.decided.is_empty() {
                    break;
                }
            }
        };
        let complete = tokio::time::timeout(ANSWERED_WITHIN, gather).await.is_ok();
        Answers { complete, ..told }
    }

    /// A worker's place.
    pub(crate) fn reader(&self) -> QueryReader {
        let mut open = self.0.open();
        open.workers += 1;
        QueryReader { queries: self.0.clone(), seen: self.0.newest.load(Ordering::Relaxed) }
    }
}

impl Shared {
    fn open(&self) -> MutexGuard<'_, Open> {
        self.open.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn put(&self, question: Question, answers: UnboundedSender<Vec<Decided>>) -> u64 {
        let mut open = self.open();
        let number = self.newest.load(Ordering::Relaxed) + 1;
        let left = open.workers;
        if left > 0 {
            open.questions.push(PendingQuestion { number, question: Arc::new(question), answers, left });
        }
        self.newest.store(number, Ordering::Release);
        number
    }
}

/// A question that nobody waits for any more does not stay.
struct RemoveQuestion<'a> {
    queries: &'a Shared,
    number: u64,
}

impl Drop for RemoveQuestion<'_> {
    fn drop(&mut self) {
        self.queries.open().questions.retain(|asked| asked.number != self.number);
    }
}

/// A worker's place at the queries, for as long as the worker runs.
#[derive(Debug)]
pub(crate) struct QueryReader {
    queries: Arc<Shared>,
    seen: u64,
}

/// A question that a worker has taken up.
pub(crate) struct TakenQuestion {
    pub(crate) question: Arc<Question>,
    answers: UnboundedSender<Vec<Decided>>,
}

impl TakenQuestion {
    /// Answers it.
    pub(crate) fn answer(self, decided: Vec<Decided>) {
        // Whoever asked may have left.
        let _ = self.answers.send(decided);
    }
}

impl QueryReader {
    /// The questions that this worker has not taken up yet.
    pub(crate) fn take(&mut self) -> Vec<TakenQuestion> {
        if self.queries.newest.load(Ordering::Acquire) == self.seen {
            return Vec::new();
        }
        let queries = self.queries.clone();
        let mut open = queries.open();
        self.take_from(&mut open)
    }

    fn take_from(&mut self, open: &mut Open) -> Vec<TakenQuestion> {
        let mut taken = Vec::new();
        open.questions.retain_mut(|asked| {
            if asked.number > self.seen {
                asked.left -= 1;
                taken
                    .push(TakenQuestion { question: asked.question.clone(), answers: asked.answers.clone() });
            }
            asked.left > 0
        });
        self.seen = self.queries.newest.load(Ordering::Relaxed);
        taken
    }
}

impl Drop for QueryReader {
    /// Nobody waits for a worker that is gone.
    fn drop(&mut self) {
        let queries = self.queries.clone();
        let mut open = queries.open();
        self.take_from(&mut open);
        open.workers -= 1;
    }
}

#[cfg(test)]
mod tests;

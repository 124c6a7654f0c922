//! The audit trail of the running gate, for the admin API. Off the workers, a few readers at a time, each for a bounded time.

use super::identity::issuer;
use super::reload::Reloader;
use crate::config::parse_time;
use crate::evidence::EvidenceError;
use crate::evidence::pages::{Cursor, newest};
use crate::evidence::people::{Meant, find};
use crate::evidence::records::{Deadline, each_record, public_key};
use crate::evidence::review::{Review, ReviewError, Reviewed, Smaller};
use haechi_admin::archive::{Person, RecordsQuery, SubjectQuery, WantedRecords};
use haechi_admin::inspection::{Inspected, InspectionError};
use haechi_audit::read::{Expectations, Filter, open, verify};
use haechi_audit::{Bundle, Trail, files_of};
use haechi_core::ports::BoxFuture;
use serde::Serialize;
use serde_json::Value;
use std::collections::BTreeSet;
use std::io;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::runtime::Handle;
use tokio::sync::Semaphore;
use tokio::sync::mpsc::Sender;
use tokio::task::spawn_blocking;

/// Nothing here takes longer to answer.
pub(super) const WITHIN: Duration = Duration::from_secs(30);
/// A review tells of so many accounts.
const MOST_ACCOUNTS: usize = 10_000;
/// So many read the trail at once.
const AT_ONCE: usize = 2;

/// The trail, and who knows users by name.
pub(crate) struct Archive {
    trail: Arc<Trail>,
    reloader: Arc<Reloader>,
    room: Arc<Semaphore>,
}

/// Does something that takes a while on a thread of its own, where there is room. Whoever hangs up does not end it, so the room is kept until it has ended.
pub(super) fn limited<T: Send + 'static>(
    room: &Arc<Semaphore>,
    what: impl FnOnce() -> Result<T, InspectionError> + Send + 'static,
) -> BoxFuture<'static, Result<T, InspectionError>> {
    let Ok(permit) = room.clone().try_acquire_owned() else {
        return Box::pin(std::future::ready(Err(InspectionError::Busy)));
    };
    let task = spawn_blocking(move || {
        let _permit = permit;
        what()
    });
    Box::pin(async move {
        match tokio::time::timeout(WITHIN, task).await {
            Ok(Ok(done)) => done,
            Ok(Err(_)) => Err(InspectionError::Failed("it stopped unexpectedly".to_owned())),
            Err(_) => Err(InspectionError::TooLong),
        }
    })
}

impl From<EvidenceError> for InspectionError {
    fn from(error: EvidenceError) -> Self {
        match error {
            EvidenceError::TooLong => Self::TooLong,
            other => Self::Failed(other.to_string()),
        }
    }
}

impl Archive {
    pub(crate) fn new(trail: Arc<Trail>, reloader: Arc<Reloader>) -> Self {
        Self { trail, reloader, room: Arc::new(Semaphore::new(AT_ONCE)) }
    }

    /// What chains of this process are called.
    pub(super) fn process(&self) -> &str {
        self.trail.process()
    }

    /// The configuration that is kept under this hash.
    pub(super) fn bundle(&self, sha256: &str) -> Result<Option<Bundle>, InspectionError> {
        match Bundle::read(&self.trail.options().file, sha256) {
            Ok(bundle) => Ok(Some(bundle)),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(InspectionError::Failed(format!("the configuration that is kept: {error}"))),
        }
    }

    /// The newest recorded decisions since then, at most so many, with what is sealed in them; and whether there are more.
    pub(super) fn decisions(
        &self,
        since: &str,
        limit: usize,
        until: Instant,
    ) -> Result<(Vec<Value>, bool), InspectionError> {
        let filter =
            Filter { since: Some(since.to_owned()), event: Some("decision".to_owned()), ..Filter::default() };
        let keys = self.trail.subjects().all().map_err(EvidenceError::from)?;
        let mut deadline = Deadline::new(until);
        let found = newest(&files(&self.trail)?, &filter, None, limit, &mut deadline)?;
        let (mut records, next) = found.unwrap_or_default();
        records.iter_mut().for_each(|record| open(record, &keys));
        Ok((records, next.is_some()))
    }

    /// Everybody whom this may mean.
    async fn meant(
        &self,
        who: SubjectQuery,
    ) -> Result<BTreeSet<crate::evidence::people::Person>, InspectionError> {
        let mut subjects = BTreeSet::from([who.subject.clone()]);
        if let Some(store) = self.reloader.store() {
            let user = store.users.by_name(&who.subject).await;
            let user = user.map_err(|error| InspectionError::Store(error.to_string()))?;
            subjects.extend(user.map(|user| user.id));
        }
        let (trail, own) = (self.trail.clone(), issuer(&self.reloader.config()));
        let found = limited(&self.room, move || {
            let meant = Meant { subjects, issuer: who.issuer.as_deref(), own_issuer: &own };
            Ok(find(trail.subjects(), &meant, &files(&trail)?)?)
        });
        found.await
    }

    async fn filter(&self, query: &RecordsQuery) -> Result<Filter, InspectionError> {
        let who = match &query.subject {
            Some(subject) => {
                let who = SubjectQuery { subject: subject.clone(), issuer: query.issuer.clone() };
                Some(self.meant(who).await?.into_iter().map(|person| person.pseudonym).collect())
            }
            None => None,
        };
        Ok(Filter {
            since: moment("since", query.since.as_deref())?,
            until: moment("until", query.until.as_deref())?,
            event: query.event.clone(),
            route: query.route.clone(),
            outcome: query.outcome.clone(),
            credential: query.key.clone(),
            request: query.request.clone(),
            decision: query.decision.clone(),
            who,
        })
    }
}

/// A review, as a call tells it.
#[derive(Serialize)]
struct ToldReview {
    #[serde(flatten)]
    review: Review,
    /// Whether the trail does not reach back as far as was asked.
    is_early: bool,
    /// Whether there are more accounts than are told of.
    truncated: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    smaller: Option<Smaller>,
}

/// The main file of the configuration in force, with secrets starred.
fn shown_main(reloader: &Reloader) -> String {
    let bundle = reloader.history().newest().and_then(|newest| newest.bundle);
    let bundle = bundle.unwrap_or_else(|| reloader.config().bundle.clone());
    bundle.files.get(&bundle.main).cloned().unwrap_or_default()
}

fn files(trail: &Trail) -> Result<Vec<PathBuf>, InspectionError> {
    let file = &trail.options().file;
    files_of(file).map_err(|error| EvidenceError::of(file, error).into())
}

/// As records have it.
fn moment(name: &str, text: Option<&str>) -> Result<Option<String>, InspectionError> {
    let read = |text: &str| {
        let time = parse_time(text).map_err(|why| InspectionError::Invalid(format!("`{name}`: {why}")))?;
        Ok(time.rfc3339_millis().to_string())
    };
    text.map(read).transpose()
}

impl haechi_admin::Archive for Archive {
    fn search(&self, wanted: WantedRecords) -> Inspected<'_, (Vec<Value>, Option<String>)> {
        Box::pin(async move {
            let WantedRecords { filter: query, limit } = wanted;
            let odd = || InspectionError::Invalid("`cursor` is not one that a page gave".to_owned());
            let from = query.cursor.as_deref().map(|text| Cursor::parse(text).ok_or_else(odd)).transpose()?;
            let (filter, trail) = (self.filter(&query).await?, self.trail.clone());
            let found = limited(&self.room, move || {
                let mut deadline = Deadline::new(Instant::now() + WITHIN);
                let found = newest(&files(&trail)?, &filter, from.as_ref(), limit, &mut deadline)?;
                let gone = "`cursor` is of a file that is no longer kept; begin anew";
                found.ok_or_else(|| InspectionError::Invalid(gone.to_owned()))
            });
            let (records, next) = found.await?;
            Ok((records, next.map(|next| next.to_string())))
        })
    }

    fn verify(&self) -> Inspected<'_, Value> {
        let trail = self.trail.clone();
        Box::pin(limited(&self.room, move || {
            let expected = Expectations {
                key: Some(public_key(&trail.options().key)?),
                checkpoints: trail.options().checkpoint_file.clone().filter(|path| path.exists()),
                ..Expectations::default()
            };
            let report = verify(&files(&trail)?, &expected)
                .map_err(|error| InspectionError::Failed(format!("cannot read the trail: {error}")))?;
            let holds = report.holds();
            let mut told =
                serde_json::to_value(report).map_err(|error| InspectionError::Failed(error.to_string()))?;
            if let Some(members) = told.as_object_mut() {
                members.insert("holds".to_owned(), holds.into());
            }
            Ok(told)
        }))
    }

    fn review(&self, days: u32) -> Inspected<'_, Value> {
        let (trail, reloader) = (self.trail.clone(), self.reloader.clone());
        Box::pin(limited(&self.room, move || {
            let reviewed = Reviewed::of(&files(&trail)?, days, Some(Instant::now() + WITHIN))?;
            let (config, main) = (reloader.config(), shown_main(&reloader));
            let own = issuer(&config);
            let people = (Some(trail.subjects()), &*own);
            let review = reviewed.review(&config, reloader.store(), people);
            let mut review = Handle::current().block_on(review).map_err(|error| match error {
                ReviewError::Evidence(error) => error.into(),
                ReviewError::Store(error) => InspectionError::Store(error.to_string()),
            })?;
            let (smaller, is_early) = (review.smaller(&main), review.is_early());
            let truncated = review.accounts.len() > MOST_ACCOUNTS;
            // Those first that nobody used: it is these that somebody asks about.
            review.accounts.sort_by_key(|account| !account.unused);
            review.accounts.truncate(MOST_ACCOUNTS);
            let told = ToldReview { review, is_early, truncated, smaller };
            serde_json::to_value(told).map_err(|error| InspectionError::Failed(error.to_string()))
        }))
    }

    fn people(&self, who: SubjectQuery) -> Inspected<'_, Vec<Person>> {
        Box::pin(async move {
            let found = self.meant(who).await?.into_iter();
            let person = |person: crate::evidence::people::Person| Person {
                issuer: person.issuer,
                subject: person.subject,
                pseudonym: person.pseudonym,
            };
            Ok(found.map(person).collect())
        })
    }

    fn export(
        &self,
        people: Vec<Person>,
        lines: Sender<Vec<u8>>,
    ) -> Result<Inspected<'static, ()>, InspectionError> {
        let trail = self.trail.clone();
        let permit = self.room.clone().try_acquire_owned().map_err(|_| InspectionError::Busy)?;
        let task = spawn_blocking(move || {
            let _permit = permit;
            let mut keys = trail.subjects().all().map_err(EvidenceError::from)?;
            let who: BTreeSet<String> = people.into_iter().map(|person| person.pseudonym).collect();
            keys.retain(|pseudonym, _| who.contains(pseudonym));
            let filter = Filter { who: Some(who), ..Filter::default() };
            each_record(&files(&trail)?, &filter, |mut record| {
                open(&mut record, &keys);
                // Whoever reads sets the pace, and ends it by leaving.
                let sent = lines.blocking_send(format!("{record}\n").into_bytes());
                sent.map_err(|_| InspectionError::Failed("the reader has left".to_owned()))
            })
        });
        Ok(Box::pin(async move {
            task.await.unwrap_or_else(|_| Err(InspectionError::Failed("it stopped unexpectedly".to_owned())))
        }))
    }

    fn erase(&self, people: Vec<Person>) -> Inspected<'_, ()> {
        let trail = self.trail.clone();
        Box::pin(limited(&self.room, move || {
            for person in &people {
                trail.subjects().erase(&person.issuer, &person.subject).map_err(EvidenceError::from)?;
            }
            Ok(())
        }))
    }
}

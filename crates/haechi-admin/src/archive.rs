//! The audit trail, read and erased by call: a port that the binary implements with the code of `haechi audit`.

use crate::inspection::{Inspected, InspectionError};
use crate::shape::shape;
use serde_json::Value;
use tokio::sync::mpsc::Sender;

/// Port: the audit trail of this process.
pub trait Archive: Send + Sync {
    /// Records, newest first.
    fn search(&self, wanted: WantedRecords) -> Inspected<'_, (Vec<Value>, Option<String>)>;

    /// Whether anything was removed, added, altered or moved.
    fn verify(&self) -> Inspected<'_, Value>;

    /// Everybody whom the trail knows by this subject, or by this user's name.
    fn people(&self, who: SubjectQuery) -> Inspected<'_, Vec<Person>>;

    /// Sends everything about these people to `lines`, oldest first, one JSON line at a time, for as long as somebody reads.
    ///
    /// # Errors
    /// [`InspectionError::Busy`].
    fn export(
        &self,
        people: Vec<Person>,
        lines: Sender<Vec<u8>>,
    ) -> Result<Inspected<'static, ()>, InspectionError>;

    /// Which access and which accounts nobody used for so many days, and the change that takes unused roles away.
    fn review(&self, days: u32) -> Inspected<'_, Value>;

    /// Destroys the keys of these people.
    fn erase(&self, people: Vec<Person>) -> Inspected<'_, ()>;
}

/// Somebody who has a key in the trail.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Person {
    /// Who vouches for the subject.
    pub issuer: String,
    /// The subject.
    pub subject: String,
    /// What records call them.
    pub pseudonym: String,
}

/// Which records.
#[derive(Clone, Debug)]
pub struct WantedRecords {
    /// Those that fit all that is given.
    pub filter: RecordsQuery,
    /// At most so many.
    pub limit: usize,
}

shape! {
    /// Which records; those that fit all that is given.
    pub RecordsQuery {
        /// Not before this time, RFC 3339.
        optional since: Option<String>,
        /// Before this time.
        optional until: Option<String>,
        /// What they tell of: `decision`, `refusal`, `login`, …
        optional event: Option<String>,
        /// The route.
        optional route: Option<String>,
        /// What it came to: `allow`, `deny`, `error`, `unavailable`, `done`, `refused`, `failed`.
        optional outcome: Option<String>,
        /// A person: the subject, or a user's name.
        optional subject: Option<String>,
        /// Who vouches for the subject; everybody where this is left out.
        optional issuer: Option<String>,
        /// A credential's id: an API key's, a token's.
        optional key: Option<String>,
        /// A request's id.
        optional request: Option<String>,
        /// A decision's id.
        optional decision: Option<String>,
        /// Where the page begins: what the one before gave as `next`.
        optional cursor: Option<String>,
        /// At most so many, 1 to 200; 50 where it is left out.
        optional limit: Option<usize>,
    }

    /// How long something must be unused.
    pub ReviewQuery {
        /// For so many days, 1 to 36500; 90 where it is left out.
        optional days: Option<u32>,
    }

    /// A person.
    pub SubjectQuery {
        /// The subject, or a user's name.
        required subject: String,
        /// Who vouches for the subject; everybody where this is left out.
        optional issuer: Option<String>,
    }

    /// Whom the trail has forgotten.
    pub Erased {
        /// How many keys were destroyed: a subject has one for each issuer that vouched for it.
        required erased: usize,
    }
}

impl RecordsQuery {
    /// All records of an event.
    pub fn of_event(event: &str, cursor: Option<String>) -> Self {
        Self {
            since: None,
            until: None,
            event: Some(event.to_owned()),
            route: None,
            outcome: None,
            subject: None,
            issuer: None,
            key: None,
            request: None,
            decision: None,
            cursor,
            limit: None,
        }
    }
}

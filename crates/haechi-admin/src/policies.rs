//! Policies that are kept in the store: who changes one says what they take to be there, and it counts only when it fits and stays proved.

use crate::refused::Refused;
use aws_lc_rs::digest::{SHA256, digest};
use haechi_core::Timestamp;
use haechi_core::ports::{Author, BoxFuture, Policies, PoliciesInForce, PolicyVersion, StoreError};
use std::sync::Arc;

/// No name is longer.
const LONGEST_NAME: usize = 64;
/// No policy is longer, in bytes.
const LONGEST_TEXT: usize = 256 * 1024;
/// No more count at once.
const MOST: usize = 1_000;

/// Port: the policies of this process, and whether others may take their place.
pub trait PolicyControl: Send + Sync {
    /// Those of files, which are read only.
    fn files(&self) -> Vec<FilePolicy>;

    /// The change of the store that is in force here; `None` where none is known.
    fn in_force(&self) -> Option<i64>;

    /// Whether these may count; `name` is the one that changes.
    fn check(&self, next: PoliciesInForce, name: String) -> BoxFuture<'_, Result<Checked, PolicyRefused>>;

    /// Puts into force what the store has now.
    fn follow(&self) -> BoxFuture<'_, ()>;
}

/// A policy file.
#[derive(Clone, Debug)]
pub struct FilePolicy {
    /// As the configuration names it.
    pub name: String,
    /// What it holds.
    pub text: String,
    /// Whether it is only compared with those in force.
    pub is_shadow: bool,
}

/// What was found of policies that may count.
#[derive(Clone, Debug, Default)]
pub struct Checked {
    /// The properties that were proved, by name.
    pub proved: Vec<String>,
    /// What is odd about the one that changes, but holds.
    pub odd: Vec<String>,
}

/// Why policies may not count.
#[derive(Clone, Debug)]
pub enum PolicyRefused {
    /// They do not fit the configuration.
    Faults(Refused),
    /// Something would not be true any more.
    Properties(Refused),
    /// Whether it would stay true could not be found out.
    Unproved(String),
    /// Others are asking already.
    Busy,
    /// Something of ours failed.
    Failed(String),
}

/// What is done to a policy.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PolicyEdit {
    /// It gets this text, and is made where it is not there.
    Put(String),
    /// It counts no more.
    Delete,
    /// It gets the text of this version.
    Rollback(i64),
}

/// What is taken to be there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Expected {
    /// No such policy.
    Absent,
    /// One, whichever.
    Present,
    /// One of these versions.
    OneOf(Vec<i64>),
}

/// Why a policy was not changed.
#[derive(Debug)]
pub enum PolicyError {
    /// What is asked for may not be.
    Invalid(String),
    /// It is not there.
    Missing(String),
    /// It is not as was expected.
    Changed,
    /// It may not count.
    Refused(PolicyRefused),
    /// The store could not be asked.
    Store(StoreError),
}

impl From<StoreError> for PolicyError {
    fn from(error: StoreError) -> Self {
        match error {
            StoreError::Changed(_) => Self::Changed,
            error => Self::Store(error),
        }
    }
}

/// A change that may be made.
#[derive(Clone, Debug)]
pub struct Prepared {
    /// The version that it would be, by nobody yet.
    next: PolicyVersion,
    /// The one that counts now.
    pub before: Option<PolicyVersion>,
    /// What was found.
    pub checked: Checked,
}

impl Prepared {
    /// What it stands on: nothing else may be there when it is made.
    pub fn stands_on(&self) -> Expected {
        self.before.as_ref().map_or(Expected::Absent, |before| Expected::OneOf(vec![before.version]))
    }

    /// The text that would count; `None` for a deletion.
    pub fn text(&self) -> Option<&str> {
        self.next.text.as_deref()
    }

    /// The version, made by these people.
    pub fn by(&self, by: Author, approved_by: Option<Author>) -> PolicyVersion {
        PolicyVersion { changed_by: by, approved_by, ..self.next.clone() }
    }

    /// The SHA-256 of the text before, and of the one after.
    pub fn hashes(&self) -> [Option<String>; 2] {
        let before = self.before.as_ref().and_then(|before| before.text.as_deref());
        [before.map(sha256), self.text().map(sha256)]
    }
}

/// Changes policies of the store.
#[derive(Clone)]
pub struct PolicyDesk {
    /// Where they are kept.
    pub policies: Arc<dyn Policies>,
    /// Who says whether they may count.
    pub control: Arc<dyn PolicyControl>,
}

impl PolicyDesk {
    /// Looks whether a change may be made, and makes none.
    ///
    /// # Errors
    /// [`PolicyError`].
    pub async fn prepare(
        &self,
        name: &str,
        edit: &PolicyEdit,
        expected: &Expected,
        now: Timestamp,
    ) -> Result<Prepared, PolicyError> {
        let in_force = self.policies.in_force().await?;
        let newest = self.policies.versions(name, None, 1).await?.into_iter().next();
        let version = newest.as_ref().map_or(0, |newest| newest.version) + 1;
        let before = newest.filter(|newest| newest.text.is_some());
        if *edit == PolicyEdit::Delete && before.is_none() {
            return Err(missing(name));
        }
        fits(expected, before.as_ref())?;
        let text = match edit {
            PolicyEdit::Put(text) => Some(text.clone()),
            PolicyEdit::Delete => None,
            PolicyEdit::Rollback(to) => Some(self.text_of(name, *to).await?),
        };
        if text.is_some() && before.is_none() {
            self.may_be_called(name)?;
        }
        check_length(text.as_deref())?;
        let nobody = Author { authenticator: String::new(), issuer: None, subject: None, uid: None };
        let next = PolicyVersion {
            serial: in_force.serial + 1,
            name: name.to_owned(),
            version,
            text,
            changed_at: now,
            changed_by: nobody,
            approved_by: None,
        };
        let candidate = with(in_force, &next);
        if candidate.policies.len() > MOST {
            return Err(PolicyError::Invalid(format!("the store keeps at most {MOST} policies")));
        }
        let checked = self.control.check(candidate, name.to_owned()).await.map_err(PolicyError::Refused)?;
        Ok(Prepared { next, before, checked })
    }

    async fn text_of(&self, name: &str, version: i64) -> Result<String, PolicyError> {
        let found = self.policies.version(name, version).await?;
        let missing = || PolicyError::Missing(format!("version {version} of the policy `{name}`"));
        let deleted = || {
            PolicyError::Invalid(format!("version {version} is where `{name}` was deleted; it has no text"))
        };
        found.ok_or_else(missing)?.text.ok_or_else(deleted)
    }

    fn may_be_called(&self, name: &str) -> Result<(), PolicyError> {
        let plain = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_');
        if name.is_empty() || name.len() > LONGEST_NAME || !name.bytes().all(plain) {
            let why = format!(
                "a policy of the store is called by 1 to {LONGEST_NAME} letters, digits, `-` and `_`"
            );
            return Err(PolicyError::Invalid(why));
        }
        if self.control.files().iter().any(|file| file.name == name) {
            return Err(PolicyError::Invalid(format!("`{name}` is the name of a policy file")));
        }
        Ok(())
    }
}

fn check_length(text: Option<&str>) -> Result<(), PolicyError> {
    match text {
        Some(text) if text.trim().is_empty() => {
            let why = "the policy has no text; delete it where it is to count no more";
            Err(PolicyError::Invalid(why.to_owned()))
        }
        Some(text) if text.len() > LONGEST_TEXT => {
            Err(PolicyError::Invalid("a policy has at most 256 KiB".to_owned()))
        }
        _ => Ok(()),
    }
}

fn missing(name: &str) -> PolicyError {
    PolicyError::Missing(format!("policy `{name}` in the store"))
}

fn fits(expected: &Expected, found: Option<&PolicyVersion>) -> Result<(), PolicyError> {
    let fits = match (expected, found) {
        (Expected::Absent, found) => found.is_none(),
        (Expected::Present, found) => found.is_some(),
        (Expected::OneOf(versions), Some(found)) => versions.contains(&found.version),
        (Expected::OneOf(_), None) => false,
    };
    if fits { Ok(()) } else { Err(PolicyError::Changed) }
}

fn with(in_force: PoliciesInForce, next: &PolicyVersion) -> PoliciesInForce {
    let mut policies = in_force.policies;
    policies.retain(|one| one.name != next.name);
    policies.extend(next.text.is_some().then(|| next.clone()));
    PoliciesInForce { serial: next.serial, policies }
}

/// In hex.
pub fn sha256(text: &str) -> String {
    digest(&SHA256, text.as_bytes()).as_ref().iter().map(|byte| format!("{byte:02x}")).collect()
}

//! `/api/v1/policies`: those of files, which are read only, and those of the store, which count beside them on all nodes.

use crate::answer::{Outcome, Page, Revised, Tagged, limit};
use crate::call::{Asked, Cedar, Condition, Json, Nothing};
use crate::change::{Change, Reader};
use crate::error::AdminError;
use crate::inspection::ActorView;
use crate::operations::topology::PageQuery;
use crate::pending::{ApprovalView, Content, ask, author, author_view};
use crate::policies::{Expected, FilePolicy, PolicyDesk, PolicyEdit, PolicyError, Prepared, sha256};
use crate::shape::shape;
use haechi_core::ports::{PolicyVersion, Revision};

/// So often a change is looked at anew because somebody changed another policy meanwhile.
const ATTEMPTS: usize = 4;

shape! {
    /// Which policy.
    pub(crate) PolicyPath {
        /// Its name.
        required name: String,
    }

    /// Which version of a policy.
    pub(crate) VersionPath {
        /// The policy's name.
        required name: String,
        /// The version's number.
        required version: String,
    }

    /// Whether it is only asked about.
    pub(crate) DryRunQuery {
        /// Say what would happen, and change nothing.
        optional dry_run: bool,
    }

    /// To which version a policy is set back.
    pub(crate) Rollback {
        /// Its number. The policy gets another version with the text of this one.
        required version: i64,
    }

    /// A policy, or a version of one.
    pub(crate) PolicyView {
        /// Its name; that of a file as the configuration names it.
        required name: String,
        /// `file`, or `store`.
        required source: String,
        /// `in_force`; `shadow`, compared and not enforced; `coming`, not in force in this process yet; `would_be`; of a version `current`, `earlier` or `deleted`.
        required state: String,
        /// The version, which is the `ETag` in quotes; left out for files.
        optional revision: Option<i64>,
        /// The SHA-256 of the text; left out where the policy was deleted.
        optional sha256: Option<String>,
        /// When it was changed.
        optional changed_at: Option<String>,
        /// Who changed it.
        optional changed_by: Option<ActorView>,
        /// Who agreed, where a second person had to.
        optional approved_by: Option<ActorView>,
        /// Cedar; where one policy is shown.
        optional text: Option<String>,
        /// The properties that were proved for the change.
        optional proved: Vec<String>,
        /// What is odd about it, but holds.
        optional warnings: Vec<String>,
    }
}

impl Revised for PolicyView {
    fn revision(&self) -> Revision {
        Revision::from_number(self.revision.unwrap_or_default())
    }
}

impl PolicyView {
    fn of_file(file: FilePolicy) -> Self {
        Self {
            name: file.name,
            source: "file".to_owned(),
            state: if file.is_shadow { "shadow" } else { "in_force" }.to_owned(),
            revision: None,
            sha256: Some(sha256(&file.text)),
            changed_at: None,
            changed_by: None,
            approved_by: None,
            text: Some(file.text),
            proved: Vec::new(),
            warnings: Vec::new(),
        }
    }

    fn of(version: PolicyVersion, state: &str) -> Self {
        Self {
            name: version.name,
            source: "store".to_owned(),
            state: state.to_owned(),
            revision: Some(version.version),
            sha256: version.text.as_deref().map(sha256),
            changed_at: Some(version.changed_at.rfc3339().to_string()),
            changed_by: Some(author_view(&version.changed_by)),
            approved_by: version.approved_by.as_ref().map(author_view),
            text: version.text,
            proved: Vec::new(),
            warnings: Vec::new(),
        }
    }

    fn without_text(self) -> Self {
        Self { text: None, ..self }
    }

    fn found(self, prepared: &Prepared) -> Self {
        let checked = prepared.checked.clone();
        Self { proved: checked.proved, warnings: checked.odd, ..self }
    }
}

/// Those of files first, then those of the store, each by name.
pub(super) async fn list(
    reader: Reader,
    asked: Asked<Nothing, PageQuery, Nothing>,
) -> Result<Page<PolicyView>, AdminError> {
    let limit = limit(asked.query.limit)?;
    let mut all = all(&reader).await?;
    let place = |one: &PolicyView| format!("{}:{}", one.source, one.name);
    all.sort_by_key(place);
    if let Some(cursor) = asked.query.cursor {
        all.retain(|one| place(one) > cursor);
    }
    Ok(Page::of(all.into_iter().map(PolicyView::without_text).collect(), limit, place))
}

pub(super) async fn show(
    reader: Reader,
    asked: Asked<PolicyPath, Nothing, Nothing>,
) -> Result<Tagged<PolicyView>, AdminError> {
    let found = all(&reader).await?.into_iter().find(|one| one.name == asked.path.name);
    found.map(Tagged).ok_or_else(|| AdminError::Missing(format!("policy `{}`", asked.path.name)))
}

async fn all(reader: &Reader) -> Result<Vec<PolicyView>, AdminError> {
    let control = &reader.running()?.policies;
    let mut all: Vec<PolicyView> = control.files().into_iter().map(PolicyView::of_file).collect();
    if reader.0.directory.is_some() {
        let stored = reader.stores()?.policies.in_force().await?;
        let here = control.in_force();
        let state = |serial: i64| if here.is_some_and(|here| here >= serial) { "in_force" } else { "coming" };
        all.extend(stored.policies.into_iter().map(|one| {
            let state = state(one.serial);
            PolicyView::of(one, state)
        }));
    }
    Ok(all)
}

/// All of them, newest first.
pub(super) async fn versions(
    reader: Reader,
    asked: Asked<PolicyPath, PageQuery, Nothing>,
) -> Result<Page<PolicyView>, AdminError> {
    let limit = limit(asked.query.limit)?;
    let odd = |_| AdminError::BadQuery("`cursor` is not one that a page gave".to_owned());
    let before = asked.query.cursor.map(|cursor| cursor.parse().map_err(odd)).transpose()?;
    let policies = &reader.stores()?.policies;
    let newest = newest(&reader, &asked.path.name).await?;
    let found = policies.versions(&asked.path.name, before, limit + 1).await?;
    let view = |one: PolicyVersion| version_view(one, newest).without_text();
    let last = |one: &PolicyView| one.revision.unwrap_or_default().to_string();
    Ok(Page::of(found.into_iter().map(view).collect(), limit, last))
}

pub(super) async fn version(
    reader: Reader,
    asked: Asked<VersionPath, Nothing, Nothing>,
) -> Result<Tagged<PolicyView>, AdminError> {
    let VersionPath { name, version } = asked.path;
    let missing = || AdminError::Missing(format!("version {version} of the policy `{name}`"));
    let newest = newest(&reader, &name).await?;
    let number = version.parse().map_err(|_| missing())?;
    let found = reader.stores()?.policies.version(&name, number).await?.ok_or_else(missing)?;
    Ok(Tagged(version_view(found, newest)))
}

async fn newest(reader: &Reader, name: &str) -> Result<i64, AdminError> {
    let newest = reader.stores()?.policies.versions(name, None, 1).await?.into_iter().next();
    let missing = || AdminError::Missing(format!("policy `{name}` in the store"));
    newest.map(|newest| newest.version).ok_or_else(missing)
}

fn version_view(version: PolicyVersion, newest: i64) -> PolicyView {
    let state = match &version.text {
        None => "deleted",
        Some(_) if version.version == newest => "current",
        Some(_) => "earlier",
    };
    PolicyView::of(version, state)
}

/// What a change of a policy answers.
pub(super) type Answered = Result<Outcome<PolicyView, ApprovalView>, AdminError>;

pub(super) async fn put(change: Change, asked: Asked<PolicyPath, DryRunQuery, Cedar>) -> Answered {
    let edit = PolicyEdit::Put(asked.body.0);
    edited(&change, "policy.put", (asked.path.name, edit), &asked.condition, asked.query.dry_run).await
}

pub(super) async fn delete(change: Change, asked: Asked<PolicyPath, DryRunQuery, Nothing>) -> Answered {
    let what = (asked.path.name, PolicyEdit::Delete);
    edited(&change, "policy.delete", what, &asked.condition, asked.query.dry_run).await
}

pub(super) async fn rollback(
    change: Change,
    asked: Asked<PolicyPath, DryRunQuery, Json<Rollback>>,
) -> Answered {
    let to = asked.body.0.version;
    change.detail("rollback_to", to).await;
    let what = (asked.path.name, PolicyEdit::Rollback(to));
    edited(&change, "policy.rollback", what, &asked.condition, asked.query.dry_run).await
}

async fn edited(
    change: &Change,
    action: &'static str,
    (name, edit): (String, PolicyEdit),
    condition: &Condition,
    dry_run: bool,
) -> Answered {
    let (stores, expected) = (change.stores()?, condition.expected()?);
    let desk = desk(change)?;
    if dry_run {
        let prepared = desk.prepare(&name, &edit, &expected, change.look.now()).await?;
        let would = prepared.by(author(change).await?, None);
        return Ok(Outcome::WouldBe(PolicyView::of(would, "would_be").found(&prepared)));
    }
    if let Some(lifetime) = change.look.rules()?.second_person {
        let prepared = desk.prepare(&name, &edit, &expected, change.look.now()).await?;
        say(change, &name, &prepared).await;
        let content = Content::Policy {
            name: name.clone(),
            text: prepared.text().map(str::to_owned),
            version: prepared.before.as_ref().map(|before| before.version),
        };
        let asked = (action, format!("policy {name}"), &content);
        return Ok(Outcome::Pending(ask(change, &stores, asked, lifetime).await?));
    }
    let by = (author(change).await?, None);
    make(change, &desk, (&name, &edit), expected, by).await
}

/// Changes go through what writes to the trail first.
pub(super) fn desk(change: &Change) -> Result<PolicyDesk, AdminError> {
    let control = change.look.running()?.policies.clone();
    Ok(PolicyDesk { policies: change.stores()?.policies, control })
}

/// Makes the change. Where another policy was changed meanwhile it is looked at anew; where this one was, it is not made.
pub(super) async fn make(
    change: &Change,
    desk: &PolicyDesk,
    (name, edit): (&str, &PolicyEdit),
    mut expected: Expected,
    (by, approved_by): (haechi_core::ports::Author, Option<haechi_core::ports::Author>),
) -> Answered {
    for _ in 0..ATTEMPTS {
        let prepared = desk.prepare(name, edit, &expected, change.look.now()).await?;
        expected = prepared.stands_on();
        say(change, name, &prepared).await;
        let version = prepared.by(by.clone(), approved_by.clone());
        match desk.policies.add(&version).await.map_err(PolicyError::from) {
            Ok(()) => {}
            Err(PolicyError::Changed) => continue,
            Err(error) => return Err(error.into()),
        }
        desk.control.follow().await;
        if version.text.is_none() {
            return Ok(Outcome::Gone);
        }
        let here = desk.control.in_force().is_some_and(|here| here >= version.serial);
        let view = PolicyView::of(version, if here { "in_force" } else { "coming" }).found(&prepared);
        let made = prepared.before.is_none();
        return Ok(if made { Outcome::Made(view) } else { Outcome::Changed(view) });
    }
    Err(AdminError::Changed)
}

async fn say(change: &Change, name: &str, prepared: &Prepared) {
    let [before, after] = prepared.hashes();
    change.detail("policy", name).await;
    change.detail("sha256_before", before).await;
    change.detail("sha256_after", after).await;
    change.detail("proved", prepared.checked.proved.clone()).await;
}

//! Changes that wait for a second person: what exactly is to be done, kept as it was asked for.

use crate::change::Change;
use crate::context::Stores;
use crate::error::AdminError;
use crate::inspection::ActorView;
use crate::shape::shape;
use aws_lc_rs::rand;
use haechi_core::Timestamp;
use haechi_core::ports::{Approval, ApprovalState, AuditSubject, Author};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::time::Duration;

/// What is recorded where somebody asks for a change that a second person must agree to.
const ASKED: &str = "approval.ask";

/// What is to be done.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case", deny_unknown_fields)]
pub(crate) enum Content {
    /// A policy of the store gets another text, or is deleted.
    Policy {
        /// Its name.
        name: String,
        /// Cedar; `None` deletes it.
        text: Option<String>,
        /// The version that this stands on; `None` where there was none.
        version: Option<i64>,
    },
    /// Another configuration is written into the file, and comes into force.
    Config {
        /// YAML, without secrets.
        text: String,
        /// The SHA-256 of the configuration that it follows on.
        follows: String,
    },
    /// The keys of a person are destroyed.
    Erase {
        /// Whom the trail knows by them.
        pseudonyms: Vec<String>,
        /// The subject, or a user's name.
        subject: String,
        /// Who vouches for the subject.
        issuer: Option<String>,
    },
}

shape! {
    /// A change that waits for a second person, or was decided.
    pub(crate) ApprovalView {
        /// Its id.
        required id: String,
        /// What is to be done, as the audit trail calls it: `policy.put`, `policy.delete`, `policy.rollback`, `config.apply`, `subject.erase`.
        required action: String,
        /// What it is done to.
        required target: String,
        /// What exactly, while it waits: the text of a policy or a configuration, and what it stands on.
        optional content: Option<Value>,
        /// `pending`, `approved`, `failed`, `rejected`, `withdrawn` or `expired`.
        required state: String,
        /// Who asked for it.
        required asked_by: ActorView,
        /// When.
        required asked_at: String,
        /// Nobody can agree any more from then on.
        required expires_at: String,
        /// Who decided.
        optional decided_by: Option<ActorView>,
        /// When it was decided, or expired.
        optional decided_at: Option<String>,
    }
}

/// As it is shown.
pub(crate) fn author_view(author: &Author) -> ActorView {
    ActorView {
        authenticator: author.authenticator.clone(),
        issuer: author.issuer.clone(),
        subject: author.subject.clone(),
        uid: author.uid,
        client: None,
    }
}

impl ApprovalView {
    pub(crate) fn of(approval: Approval) -> Self {
        let content = serde_json::from_str::<Value>(&approval.content).ok();
        let time = |at: Timestamp| at.rfc3339().to_string();
        Self {
            content: content.filter(|_| approval.state == ApprovalState::Pending).map(shown),
            id: approval.id,
            action: approval.action,
            target: approval.target,
            state: approval.state.name().to_owned(),
            asked_by: author_view(&approval.asked_by),
            asked_at: time(approval.asked_at),
            expires_at: time(approval.expires_at),
            decided_by: approval.decided_by.as_ref().map(author_view),
            decided_at: approval.decided_at.map(time),
        }
    }
}

/// Without the subject, whom the target names by pseudonym.
fn shown(mut content: Value) -> Value {
    if let Some(members) = content.as_object_mut() {
        members.retain(|name, _| !matches!(name.as_str(), "kind" | "subject" | "issuer" | "pseudonyms"));
    }
    content
}

/// Keeps a change until somebody else agrees, and records that it was asked for.
pub(crate) async fn ask(
    change: &Change,
    stores: &Stores,
    (action, target, content): (&'static str, String, &Content),
    lifetime: Duration,
) -> Result<ApprovalView, AdminError> {
    let now = change.look.now();
    let approval = Approval {
        id: id(now)?,
        action: action.to_owned(),
        target: target.clone(),
        content: serde_json::to_string(content).map_err(|error| AdminError::Failed(error.to_string()))?,
        asked_by: author(change).await?,
        asked_at: now,
        expires_at: now.plus(lifetime),
        state: ApprovalState::Pending,
        decided_by: None,
        decided_at: None,
    };
    change.rename(ASKED).await;
    change.target(target).await;
    change.detail("action", action).await;
    change.detail("approval", approval.id.clone()).await;
    stores.approvals.add(&approval).await?;
    Ok(ApprovalView::of(approval))
}

/// Who makes the call.
pub(crate) async fn author(change: &Change) -> Result<Author, AdminError> {
    let nobody = || AdminError::Failed("nobody is known to make the call".to_owned());
    change.actor().await.as_ref().map(Author::from).ok_or_else(nobody)
}

/// Says of a decision who had asked: as the one whom it concerns, because a name stands in no detail.
pub(crate) async fn say_who_asked(change: &Change, approval: &Approval) {
    change.target(format!("approval {}", approval.id)).await;
    change.detail("action", approval.action.clone()).await;
    change.detail("of", approval.target.clone()).await;
    match subject_of(&approval.asked_by) {
        Some(asked) => change.concerns(asked).await,
        None => change.detail("asked_by_uid", approval.asked_by.uid).await,
    }
}

/// Whom the trail knows an author as.
fn subject_of(author: &Author) -> Option<AuditSubject> {
    let (issuer, subject) = author.issuer.clone().zip(author.subject.clone())?;
    Some(AuditSubject { issuer, subject })
}

/// Later ids are later in the alphabet; nobody guesses one.
fn id(now: Timestamp) -> Result<String, AdminError> {
    let mut random = [0; 8];
    rand::fill(&mut random).map_err(|_| AdminError::Failed("there is no randomness".to_owned()))?;
    let random: String = random.iter().map(|byte| format!("{byte:02x}")).collect();
    Ok(format!("{:012x}{random}", now.as_millis()))
}

//! Policies as they are printed.

use crate::cli::output;
use crate::cli::{Common, Failure, Format};
use haechi_admin::policies::{FilePolicy, sha256};
use haechi_core::ports::{Author, PolicyVersion};
use serde::{Deserialize, Serialize};

/// A policy, or a version of one, as the admin API shows it.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct PolicyView {
    pub(super) name: String,
    pub(super) source: String,
    pub(super) state: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) revision: Option<i64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) sha256: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) changed_at: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) changed_by: Option<Author>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) approved_by: Option<Author>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) text: Option<String>,
}

impl PolicyView {
    pub(super) fn of_file(file: FilePolicy) -> Self {
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
        }
    }

    /// Whether it is in force only a running gate knows.
    pub(super) fn of(version: PolicyVersion, state: &str) -> Self {
        Self {
            name: version.name,
            source: "store".to_owned(),
            state: if version.text.is_some() { state } else { "deleted" }.to_owned(),
            revision: Some(version.version),
            sha256: version.text.as_deref().map(sha256),
            changed_at: Some(version.changed_at.rfc3339().to_string()),
            changed_by: Some(version.changed_by),
            approved_by: version.approved_by,
            text: version.text,
        }
    }
}

/// The text alone, or everything.
pub(super) fn print(view: PolicyView, format: Format) -> Result<(), Failure> {
    match (format, &view.text) {
        (Format::Json, _) => output::json(&view),
        (Format::Text, Some(text)) => output::line(text.trim_end()),
        (Format::Text, None) => Err(Failure::fault("the policy was deleted in this version; it has no text")),
    }
}

/// Without their texts.
pub(super) fn print_all(common: &Common, views: Vec<PolicyView>) -> Result<(), Failure> {
    let views: Vec<PolicyView> = views.into_iter().map(|view| PolicyView { text: None, ..view }).collect();
    let heads = ["name", "source", "state", "version", "changed", "by", "agreed", "sha256"];
    let fields = ["name", "source", "state", "revision", "changed_at", "changed_by", "approved_by", "sha256"];
    output::list(common, &views, (&heads, &fields), |view| {
        let who = |author: &Option<Author>| author.as_ref().map(named).unwrap_or_default();
        vec![
            view.name.clone(),
            view.source.clone(),
            view.state.clone(),
            view.revision.map(|revision| revision.to_string()).unwrap_or_default(),
            view.changed_at.clone().unwrap_or_default(),
            who(&view.changed_by),
            who(&view.approved_by),
            view.sha256.as_deref().unwrap_or_default().chars().take(12).collect(),
        ]
    })
}

/// Who it was, in a word.
pub(in crate::cli) fn named(author: &Author) -> String {
    match (&author.subject, author.uid) {
        (Some(subject), _) => subject.clone(),
        (None, Some(uid)) => format!("{} (uid {uid})", author.authenticator),
        (None, None) => author.authenticator.clone(),
    }
}

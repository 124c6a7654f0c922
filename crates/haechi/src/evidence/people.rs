//! Finds the pseudonyms of a person.

use super::EvidenceError;
use haechi_audit::read::{each_line, people};
use haechi_audit::subjects::{SubjectKey, Subjects};
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::fs::File;
use std::path::PathBuf;

/// A person who has a key.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Person {
    pub(crate) issuer: String,
    pub(crate) subject: String,
    pub(crate) pseudonym: String,
}

/// Who is meant.
pub(crate) struct Meant<'a> {
    /// The subjects that it may be: what was said, and the id of the user of this name.
    pub(crate) subjects: BTreeSet<String>,
    /// Who vouches; everybody where it is left out.
    pub(crate) issuer: Option<&'a str>,
    /// Who vouches for the store's users.
    pub(crate) own_issuer: &'a str,
}

/// Everybody who may be meant. Whoever has no key any more is nobody.
///
/// # Errors
/// [`EvidenceError`].
pub(crate) fn find(
    keys: &Subjects,
    meant: &Meant<'_>,
    files: &[PathBuf],
) -> Result<BTreeSet<Person>, EvidenceError> {
    let mut found = BTreeSet::new();
    let mut add = |issuer: &str, subject: &str| {
        let key = keys.find(issuer, subject)?;
        found.extend(key.map(|key| Person {
            issuer: issuer.to_owned(),
            subject: subject.to_owned(),
            pseudonym: key.pseudonym().to_owned(),
        }));
        Ok::<(), EvidenceError>(())
    };
    for subject in &meant.subjects {
        add(meant.issuer.unwrap_or(meant.own_issuer), subject)?;
    }
    if meant.issuer.is_none() {
        for (issuer, subject) in known(files, &keys.all()?)? {
            if meant.subjects.contains(&subject) {
                add(&issuer, &subject)?;
            }
        }
    }
    Ok(found)
}

/// Everybody whom the trail has called by name under a key that is still there.
fn known(
    files: &[PathBuf],
    keys: &HashMap<String, SubjectKey>,
) -> Result<BTreeSet<(String, String)>, EvidenceError> {
    let mut seen: HashSet<String> = HashSet::new();
    let mut known = BTreeSet::new();
    for path in files {
        let file = File::open(path).map_err(|error| EvidenceError::of(path, error))?;
        let read = each_line(&file, |_, bytes| {
            if !std::str::from_utf8(bytes).is_ok_and(|line| line.contains("\"sealed\":")) {
                return;
            }
            let Ok(mut record) = serde_json::from_slice::<Value>(bytes) else { return };
            let new: Vec<String> =
                people(&record).filter(|who| !seen.contains(*who)).map(str::to_owned).collect();
            if new.is_empty() {
                return;
            }
            haechi_audit::read::open(&mut record, keys);
            for of in [Some(&record), record.get("by")].into_iter().flatten() {
                let text = |name: &str| of.get("person")?.get(name)?.as_str().map(str::to_owned);
                known.extend(text("issuer").zip(text("subject")));
            }
            seen.extend(new);
        });
        read.map_err(|error| EvidenceError::of(path, error))?;
    }
    Ok(known)
}

/// Issuers and subjects in words, for messages.
pub(crate) fn told(people: &BTreeSet<Person>) -> String {
    let by_issuer: BTreeMap<&str, &str> =
        people.iter().map(|person| (&*person.issuer, &*person.subject)).collect();
    by_issuer
        .iter()
        .map(|(issuer, subject)| format!("`{subject}` of `{issuer}`"))
        .collect::<Vec<_>>()
        .join(", ")
}

//! Finds the pseudonyms of a person.

use super::{SubjectArgs, configured};
use crate::cli::store::with_store;
use crate::cli::{Common, Failure};
use crate::wire::own_issuer;
use haechi_audit::read::{each_line, people};
use haechi_audit::subjects::{SubjectKey, Subjects};
use haechi_audit::subjects_of;
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::fs::File;
use std::path::PathBuf;

/// A person who has a key.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Person {
    pub(super) issuer: String,
    pub(super) subject: String,
    pub(super) pseudonym: String,
}

/// The file of keys beside the trail.
pub(super) fn keys(common: &Common) -> Result<Subjects, Failure> {
    let path = subjects_of(&configured(common)?.1.options.file);
    if !path.exists() {
        return Err(Failure::fault(format!("`{}` is not there: the trail knows nobody yet", path.display())));
    }
    Subjects::open(&path).map_err(Failure::fault)
}

/// Everybody whom `who` may mean: with this subject, or the user of this name; of the issuer that is named, or of any. Whoever has no key any more is nobody.
pub(super) fn pseudonyms(
    common: &Common,
    who: &SubjectArgs,
    files: &[PathBuf],
) -> Result<BTreeSet<Person>, Failure> {
    let (config, _) = configured(common)?;
    let keys = keys(common)?;
    let mut subjects = BTreeSet::from([who.subject.clone()]);
    if config.store.is_some() {
        subjects.extend(user_of(common, &who.subject)?);
    }
    let mut found = BTreeSet::new();
    let mut add = |issuer: &str, subject: &str| {
        let key = keys.find(issuer, subject).map_err(Failure::fault)?;
        found.extend(key.map(|key| Person {
            issuer: issuer.to_owned(),
            subject: subject.to_owned(),
            pseudonym: key.pseudonym().to_owned(),
        }));
        Ok::<(), Failure>(())
    };
    let issuer = who.issuer.clone().unwrap_or_else(|| own_issuer(&config).to_string());
    for subject in &subjects {
        add(&issuer, subject)?;
    }
    if who.issuer.is_none() {
        for (issuer, subject) in known(files, &keys.all().map_err(Failure::fault)?)? {
            if subjects.contains(&subject) {
                add(&issuer, &subject)?;
            }
        }
    }
    Ok(found)
}

/// The id of a user, whom people know by name.
fn user_of(common: &Common, name: &str) -> Result<Option<String>, Failure> {
    let mut id = None;
    with_store(common, "", async |opened| {
        id = opened.store.users.by_name(name).await?.map(|user| user.id);
        Ok(())
    })?;
    Ok(id)
}

/// Everybody whom the trail has called by name under a key that is still there.
fn known(
    files: &[PathBuf],
    keys: &HashMap<String, SubjectKey>,
) -> Result<BTreeSet<(String, String)>, Failure> {
    let mut seen: HashSet<String> = HashSet::new();
    let mut known = BTreeSet::new();
    for path in files {
        let unreadable = |error| Failure::fault(format!("`{}`: {error}", path.display()));
        let file = File::open(path).map_err(unreadable)?;
        each_line(&file, |_, bytes| {
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
        })
        .map_err(unreadable)?;
    }
    Ok(known)
}

/// Issuers and subjects in words, for messages.
pub(super) fn told(people: &BTreeSet<Person>) -> String {
    let by_issuer: BTreeMap<&str, &str> =
        people.iter().map(|person| (&*person.issuer, &*person.subject)).collect();
    by_issuer
        .iter()
        .map(|(issuer, subject)| format!("`{subject}` of `{issuer}`"))
        .collect::<Vec<_>>()
        .join(", ")
}

//! Finds the pseudonyms of a person, whom people may know as a user of the store.

use super::{SubjectArgs, configured};
use crate::cli::store::with_store;
use crate::cli::{Common, Failure};
use crate::evidence::people::{Meant, Person, find};
use crate::wire::own_issuer;
use haechi_audit::subjects::Subjects;
use haechi_audit::subjects_of;
use std::collections::BTreeSet;
use std::path::PathBuf;

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
    let mut subjects = BTreeSet::from([who.subject.clone()]);
    if config.store.is_some() {
        subjects.extend(user_of(common, &who.subject)?);
    }
    let meant = Meant { subjects, issuer: who.issuer.as_deref(), own_issuer: &own_issuer(&config) };
    Ok(find(&keys(common)?, &meant, files)?)
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

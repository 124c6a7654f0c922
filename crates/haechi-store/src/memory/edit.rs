//! The first step of every change to a record that has revisions, in memory.

use crate::edits::Kind;
use haechi_core::ports::{ApiKeyRecord, ClientRecord, Edit, Revision, StoreError, UserRecord};

/// A record that has revisions.
pub(super) trait Revised {
    fn revision(&mut self) -> &mut Revision;
}

impl Revised for UserRecord {
    fn revision(&mut self) -> &mut Revision {
        &mut self.revision
    }
}

impl Revised for ApiKeyRecord {
    fn revision(&mut self) -> &mut Revision {
        &mut self.revision
    }
}

impl Revised for ClientRecord {
    fn revision(&mut self) -> &mut Revision {
        &mut self.revision
    }
}

/// The record with its next revision, if it is there and has the one that is asked for.
pub(super) fn edited<'a, R: Revised>(
    kind: Kind,
    edit: Edit<'_>,
    record: Option<&'a mut R>,
) -> Result<&'a mut R, StoreError> {
    let record = record.ok_or_else(|| kind.refused(edit, false))?;
    let revision = record.revision();
    if edit.revision.is_some_and(|wanted| wanted != *revision) {
        return Err(kind.refused(edit, true));
    }
    *revision = revision.next();
    Ok(record)
}

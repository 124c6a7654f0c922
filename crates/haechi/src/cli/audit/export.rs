//! `haechi audit export`: everything about a person.

use super::page::page;
use super::subjects::{keys, pseudonyms};
use super::{SubjectArgs, files};
use crate::cli::files::unwritable;
use crate::cli::output::{counted, said};
use crate::cli::{Common, Failure, output};
use crate::evidence::people::told;
use crate::evidence::records::each_record;
use haechi_audit::read::{Filter, open};
use serde_json::Value;
use std::path::Path;

pub(super) fn export(common: &Common, who: &SubjectArgs, html: Option<&Path>) -> Result<(), Failure> {
    let files = files(common, &[])?;
    let people = pseudonyms(common, who, &files)?;
    if people.is_empty() {
        said(&format!("the trail has nothing that can be read about `{}`", who.subject));
    }
    let keys = keys(common)?.all().map_err(Failure::fault)?;
    let keys = keys
        .into_iter()
        .filter(|(pseudonym, _)| people.iter().any(|person| person.pseudonym == *pseudonym))
        .collect();
    let filter = Filter {
        who: Some(people.iter().map(|person| person.pseudonym.clone()).collect()),
        ..Filter::default()
    };
    let mut records: Vec<Value> = Vec::new();
    let mut count = 0;
    each_record(&files, &filter, |mut record| {
        open(&mut record, &keys);
        count += 1;
        match html {
            Some(_) => records.push(record),
            None => output::line(&record.to_string())?,
        }
        Ok::<(), Failure>(())
    })?;
    if let Some(path) = html {
        let text = page(&who.subject, &people, &records);
        std::fs::write(path, text).map_err(unwritable(path))?;
    }
    if !people.is_empty() {
        said(&format!("{} about {}", counted(count, "record"), told(&people)));
    }
    Ok(())
}

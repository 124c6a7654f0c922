//! `haechi audit search`.

use super::subjects::pseudonyms;
use super::{SearchArgs, SubjectArgs, files};
use crate::cli::{Common, Failure, Format, output};
use crate::evidence::records::each_record;
use haechi_audit::read::Filter;
use haechi_core::Timestamp;
use serde_json::Value;

pub(super) fn search(common: &Common, arguments: &SearchArgs) -> Result<(), Failure> {
    let files = files(common, &arguments.files)?;
    let who = match &arguments.subject {
        Some(subject) => {
            let who = SubjectArgs { subject: subject.clone(), issuer: arguments.issuer.clone() };
            Some(pseudonyms(common, &who, &files)?.into_iter().map(|known| known.pseudonym).collect())
        }
        None => None,
    };
    let at = |time: Option<Timestamp>| time.map(|time| time.rfc3339_millis().to_string());
    let filter = Filter {
        since: at(arguments.since),
        until: at(arguments.until),
        event: arguments.event.clone(),
        route: arguments.route.clone(),
        outcome: arguments.outcome.clone(),
        credential: arguments.credential.clone(),
        request: arguments.request.clone(),
        decision: arguments.decision.clone(),
        who,
    };
    let mut count = 0u64;
    each_record(&files, &filter, |record| {
        count += 1;
        show(common.output, &record)
    })?;
    if count == 0 {
        output::said("no record fits");
    }
    Ok(())
}

/// Prints a record: for programs as it is, for people in a few words.
pub(super) fn show(format: Format, record: &Value) -> Result<(), Failure> {
    match format {
        Format::Json => output::line(&record.to_string()),
        Format::Text => output::line(&in_words(record)),
    }
}

/// When, what, what it came to, about what, and why.
pub(super) fn in_words(record: &Value) -> String {
    let text = |name: &str| record.get(name).and_then(Value::as_str).unwrap_or_default();
    let about = match text("event") {
        "decision" | "refusal" => {
            format!("{} {}{} ({})", text("method"), text("host"), text("path"), text("route"))
        }
        "checkpoint" | "start" | "sealed" | "deleted" => {
            let file = record.get("file");
            let part = |name: &str| {
                file.and_then(|file| file.get(name))
                    .map(|value| value.to_string().replace('"', ""))
                    .unwrap_or_default()
            };
            format!("{} {} bytes", part("name"), part("size"))
        }
        "continued" => format!("from {}", text("from")),
        "configuration" => text("sha256").to_owned(),
        _ => text("target").to_owned(),
    };
    let by = record.get("by").and_then(|by| by.get("who")).and_then(Value::as_str).unwrap_or_default();
    let who = [text("who"), by, text("about"), text("client")]
        .into_iter()
        .find(|who| !who.is_empty())
        .unwrap_or("-");
    let words = [text("at"), text("event"), text("outcome"), who, &about, text("reason")];
    let shown = words.into_iter().filter(|word| !word.is_empty()).collect::<Vec<_>>().join("  ");
    shown.chars().map(|c| if c.is_control() { '\u{fffd}' } else { c }).collect()
}

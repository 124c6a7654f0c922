//! The configurations that were in force, and their texts.

use super::candidate::{STARS, main_of};
use crate::fetch::Failed;
use crate::shown::{Ask, Shown};
use crate::table::{Column, address, below, items, plain, segment, table, text, time};
use maud::html;
use serde_json::Value;

const PAGE: &str = "/console/configurations";

/// All of them, newest first.
pub(crate) async fn list(ask: &Ask<'_>) -> Result<Shown, Failed> {
    let words = ask.words;
    let asked = [("cursor", ask.query.one("cursor"))];
    let list = ask.reads.json(&address("/api/v1/config/history", &asked)).await?;
    let link = |row: &Value| {
        let sha256 = plain(row.get("sha256"));
        html! { a href={ (PAGE) "/" (segment(&sha256)) } { code { (sha256.get(..12).unwrap_or_default()) } } }
    };
    let current = |row: &Value| {
        html! { @if row.get("current").and_then(Value::as_bool) == Some(true) { span .good { (words.in_force) } } }
    };
    let columns: [Column<'_>; 6] = [
        (words.since, &|row| time(words, row, "/at", "")),
        (words.generation, &|row| text(row, "/generation")),
        (words.because, &|row| text(row, "/because")),
        (words.by, &|row| text(row, "/by/subject")),
        (words.content, &link),
        (words.state, &current),
    ];
    let body = html! {
        (table(words.configurations, &columns, items(&list), words.none))
        (below(ask, PAGE, &asked, &list))
    };
    Ok(Shown::list(words.configurations, "/console/candidate", body, &list))
}

/// One of them with its files, and the way to have it again. `sha256` is as it stood in the address.
pub(crate) async fn one(ask: &Ask<'_>, sha256: &str) -> Result<Shown, Failed> {
    let words = ask.words;
    let kept = ask.reads.json(&format!("/api/v1/config/history/{sha256}")).await?;
    let files = kept.get("files").and_then(Value::as_object);
    let main = main_of(&kept);
    let body = html! {
        @if ask.reads.session.changes && !main.is_empty() {
            p { a .button href=(address("/console/candidate", &[("of", &plain(kept.get("sha256")))])) { (words.as_candidate) } }
            @if main.contains(STARS) { p .problem { (words.has_stars) } }
        }
        @for (name, text) in files.into_iter().flatten() {
            h2 { bdi { (name) } }
            pre tabindex="0" role="region" aria-label=(name) { (plain(Some(text))) }
        }
    };
    Ok(Shown::page(words.configurations, "/console/candidate", body))
}

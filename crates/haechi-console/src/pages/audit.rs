//! The audit trail: search, verify, everything about a person, and erasing it.

use crate::fetch::Failed;
use crate::shown::{Ask, Shown};
use crate::table::{Column, address, below, field, filter, form, items, plain, table, text, time};
use maud::{Markup, html};
use serde_json::Value;

const PAGE: &str = "/console/audit";
const FILTERS: [&str; 8] = ["since", "until", "event", "route", "outcome", "subject", "key", "request"];

/// Records that fit, newest first.
pub(crate) async fn list(ask: &Ask<'_>) -> Result<Shown, Failed> {
    let words = ask.words;
    let asked: Vec<(&str, &str)> =
        FILTERS.into_iter().chain(["cursor"]).map(|name| (name, ask.query.one(name))).collect();
    let list = ask.reads.json(&address("/api/v1/audit", &asked)).await?;
    let names = ["/by/subject", "/by/who", "/by/uid", "/who"];
    let who = |row: &Value| {
        let found = names.iter().map(|at| plain(row.pointer(at))).find(|found| !found.is_empty());
        html! { span .dim { (text(row, "/by/authenticator")) (text(row, "/authenticator")) } " " bdi { (found.unwrap_or_default()) } }
    };
    let whole = |row: &Value| html! { details { summary { (words.show) } pre { (format!("{row:#}")) } } };
    let what = |row: &Value| {
        html! { (text(row, "/method")) " " (text(row, "/path")) (text(row, "/target")) (text(row, "/about")) }
    };
    let columns: [Column<'_>; 6] = [
        (words.time, &|row| time(words, row, "/at", "")),
        (words.event, &|row| html! { span .nowrap { (text(row, "/event")) } }),
        (words.outcome, &|row| text(row, "/outcome")),
        (words.request, &what),
        (words.subject, &who),
        (words.whole, &whole),
    ];
    let labels = [
        words.since,
        words.until,
        words.event,
        words.route,
        words.outcome,
        words.subject,
        words.key,
        words.request_id,
    ];
    let body = html! {
        form .filter method="get" action=(PAGE) {
            @for (name, label) in FILTERS.into_iter().zip(labels) { (filter(name, label, ask.query.one(name))) }
            button type="submit" { (words.show) }
        }
        (ways(ask))
        (table(words.audit, &columns, items(&list), words.no_records))
        (below(ask, PAGE, &asked, &list))
    };
    Ok(Shown::list(words.audit, PAGE, body, &list))
}

fn ways(ask: &Ask<'_>) -> Markup {
    let subject = ask.query.one("subject");
    html! {
        p .more {
            a href={ (PAGE) "/verify" } { (ask.words.verify) }
            @if ask.reads.session.changes && !subject.is_empty() {
                a href=(address("/console/audit/export", &[("subject", subject)])) { (ask.words.everything) }
            }
            @if ask.reads.session.changes { a href=(address("/console/audit/erase", &[("subject", subject)])) { (ask.words.erase) } }
        }
    }
}

/// Whether anything was removed, added or changed.
pub(crate) async fn verify(ask: &Ask<'_>) -> Result<Shown, Failed> {
    let told = ask.reads.asked("/api/v1/audit/verify", &Value::Null).await?;
    let body = html! {
        p { a href=(PAGE) { (ask.words.audit) } }
        pre tabindex="0" role="region" aria-label=(ask.words.verify) { (format!("{told:#}")) }
    };
    Ok(Shown::page(ask.words.verify, PAGE, body))
}

/// The form that destroys a person's key.
pub(crate) fn erase(ask: &Ask<'_>) -> Shown {
    let words = ask.words;
    let content = html! {
        p .problem { (words.erase_text) }
        (field(ask, "subject", words.subject, "", true))
        (field(ask, "issuer", words.issuer, "", false))
        button type="submit" { (words.erase) }
    };
    Shown::page(words.erase, PAGE, form(ask, "audit/erase", &content))
}

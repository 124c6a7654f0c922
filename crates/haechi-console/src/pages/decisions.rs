//! What was decided lately, and why.

use crate::fetch::Failed;
use crate::shown::{Ask, Shown};
use crate::style::LIVE_PATH;
use crate::table::{Column, address, below, choice, filter, items, plain, segment, table, text, time};
use crate::words::Said;
use haechi_core::{Denial, Outcome};
use maud::{Markup, html};
use serde_json::Value;

const PAGE: &str = "/console/decisions";
/// What the list is filtered by; decisions as they are made by all but the last.
const FILTERS: [&str; 7] = ["outcome", "reason", "route", "subject", "key", "address", "request"];
/// What decisions are filtered by as they are made.
pub(crate) const LIVE: [&str; 6] = ["outcome", "reason", "route", "subject", "key", "address"];

/// Those that fit, newest first.
pub(crate) async fn list(ask: &Ask<'_>) -> Result<Shown, Failed> {
    let (words, reads, query) = (ask.words, &ask.reads, &ask.query);
    let asked: Vec<(&str, &str)> =
        FILTERS.iter().chain(&["cursor"]).map(|name| (*name, query.one(name))).collect();
    let filters = asked.get(..FILTERS.len()).unwrap_or_default();
    let list = reads.json(&address("/api/v1/decisions", &asked)).await?;
    let body = html! {
        form .filter method="get" action=(PAGE) {
            (filters_of(ask))
            (filter("request", words.request_id, query.one("request")))
            button type="submit" { (words.show) }
            a href=(address(PAGE, filters)) { (words.reload) }
            a href=(address("/console/decisions/live", filters.get(..LIVE.len()).unwrap_or_default())) { (words.live) }
        }
        (rows(words, items(&list)))
        (below(ask, PAGE, &asked, &list))
    };
    Ok(Shown::list(words.decisions, PAGE, body, &list))
}

/// Those that are made from now on, which needs script. The filters are those of the address.
pub(crate) fn live(ask: &Ask<'_>) -> Shown {
    let words = ask.words;
    let heads =
        [words.time, words.outcome, words.request, words.route, words.subject, words.reason, words.address];
    let body = html! {
        form .filter method="get" action={ (PAGE) "/live" } {
            (filters_of(ask))
            button type="submit" { (words.show) }
            button #pause .second type="button" hidden data-go=(words.go_on) data-pause=(words.pause) data-opening=(words.opening) data-running=(words.running)
                data-stopped=(words.stopped) data-broken=(words.broken) data-missed=(words.missed) data-allow=(words.allow) data-deny=(words.deny)
                data-unavailable=(words.unavailable) { (words.pause) }
        }
        p #said role="status" { noscript { (words.needs_script) } }
        div .scroll tabindex="0" role="region" aria-label=(words.live) {
            table {
                thead { tr { @for head in heads { th scope="col" { (head) } } } }
                tbody #live data-zone=(words.zone.name()) {}
            }
        }
        script src=(*LIVE_PATH) defer {}
    };
    Shown::page(words.live, PAGE, body)
}

/// The fields that choose among decisions.
fn filters_of(ask: &Ask<'_>) -> Markup {
    let (words, one) = (ask.words, |name: &str| ask.query.one(name).to_owned());
    let outcomes = Outcome::ALL.map(|outcome| (outcome.name(), words.word(outcome.name())));
    let reasons = Denial::ALL.map(|denial| (denial.name(), words.denial(denial.name())));
    html! {
        (choice("outcome", words.outcome, (&one("outcome"), words.any), &outcomes))
        (choice("reason", words.reason, (&one("reason"), words.any), &reasons))
        (filter("route", words.route, &one("route")))
        (filter("subject", words.subject, &one("subject")))
        (filter("key", words.key, &one("key")))
        (filter("address", words.address, &one("address")))
    }
}

fn rows(words: &Said, all: &[Value]) -> Markup {
    let at = |row: &Value| {
        let id = plain(row.get("id"));
        html! { a href={ (PAGE) "/" (segment(&id)) } { (time(words, row, "/time", &id)) } }
    };
    let request = |row: &Value| html! { (text(row, "/request/method")) " " (text(row, "/request/path")) };
    let columns: [Column<'_>; 7] = [
        (words.time, &at),
        (words.outcome, &|row| outcome(words, row)),
        (words.request, &request),
        (words.route, &|row| text(row, "/request/route")),
        (words.subject, &|row| text(row, "/caller/subject")),
        (words.reason, &|row| text(row, "/reason")),
        (words.address, &|row| text(row, "/request/client")),
    ];
    table(words.decisions, &columns, all, words.no_decisions)
}

fn outcome(words: &Said, row: &Value) -> Markup {
    match row.get("outcome").and_then(Value::as_str).unwrap_or_default() {
        "allow" => html! { span .good { (words.allow) } },
        other => html! { span .bad { (words.word(other)) } },
    }
}

/// One of them, with all that is known of it. `id` is as it stood in the address.
pub(crate) async fn one(ask: &Ask<'_>, id: &str) -> Result<Shown, Failed> {
    let words = ask.words;
    let record = ask.reads.json(&format!("/api/v1/decisions/{id}")).await?;
    let array = |name: &str| record.get(name).and_then(Value::as_array).map_or(&[][..], Vec::as_slice);
    let columns: [Column<'_>; 2] =
        [(words.fact, &|row| text(row, "/name")), (words.value, &|row| text(row, "/value"))];
    let request = html! { (text(&record, "/request/method")) " " (text(&record, "/request/host")) (text(&record, "/request/path")) };
    let body = html! {
        dl {
            dt { (words.time) } dd { (time(words, &record, "/time", "")) }
            dt { (words.outcome) } dd { (outcome(words, &record)) }
            dt { (words.reason) } dd { (text(&record, "/reason")) }
            dt { (words.request) } dd { (request) }
            dt { (words.route) } dd { (text(&record, "/request/route")) }
            dt { (words.address) } dd { (text(&record, "/request/client")) }
            dt { (words.subject) } dd { (text(&record, "/caller/subject")) }
            dt { (words.authenticator) } dd { (text(&record, "/caller/authenticator")) }
            dt { (words.roles) } dd { (text(&record, "/caller/roles")) }
        }
        h2 { (words.decided_by) }
        @if array("decided_by").is_empty() { p .dim { (words.none) } }
        ul { @for origin in array("decided_by") { li { (origin_of(origin)) } } }
        h2 { (words.facts) }
        (table(words.facts, &columns, array("read"), words.none))
        h2 { (words.whole) }
        pre tabindex="0" role="region" aria-label=(words.whole) { (format!("{record:#}")) }
    };
    Ok(Shown::page(words.decision, PAGE, body))
}

/// What decided, and where it stands.
fn origin_of(origin: &Value) -> Markup {
    html! {
        (text(origin, "/kind")) " " (text(origin, "/name")) (text(origin, "/id"))
        @if origin.get("file").is_some() {
            " " code { bdi { (plain(origin.get("file"))) ":" (plain(origin.get("line"))) ":" (plain(origin.get("column"))) } }
        }
    }
}

//! Who may do what, and what nobody needed.

use crate::fetch::Failed;
use crate::shown::{Ask, Shown};
use crate::table::{Column, address, choice, filter, plain, segment, table, text, time};
use crate::words::Said;
use maud::{Markup, html};
use serde_json::{Value, json};

const PAGE: &str = "/console/review";
/// So many rows of a kind are on the page; the files have all of them.
const MOST: usize = 500;

/// The review of so many days.
pub(crate) async fn show(ask: &Ask<'_>) -> Result<Shown, Failed> {
    let words = ask.words;
    let days = if ask.query.one("days").is_empty() { "90" } else { ask.query.one("days") };
    let all = ask.query.one("show") == "all";
    let review = ask.reads.json(&address("/api/v1/review", &[("days", days)])).await?;
    let access = rows(&review, "access", all);
    let accounts = rows(&review, "accounts", all);
    let files = |form: &str| address(PAGE, &[("days", days), ("show", "all"), ("as", form)]);
    let body = html! {
        form .filter method="get" action=(PAGE) {
            (filter("days", words.days_unused, days))
            (choice("show", words.show, (if all { "all" } else { "" }, words.only_unused), &[("all", words.all_of_them)]))
            button type="submit" { (words.show) }
        }
        p .dim { (words.not_before) " " (time(words, &review, "/since", "")) " · " (words.trail_from) " " (time(words, &review, "/trail_from", words.never)) }
        @if is(&review, "is_early") { p .problem { (words.trail_is_short) } }
        h2 { (words.access) }
        (access_table(words, &access))
        h2 { (words.accounts) }
        (accounts_table(words, &accounts))
        @if access.len() == MOST || accounts.len() == MOST || is(&review, "truncated") { p .problem { (words.truncated) } }
        (change(ask, review.get("smaller"), days))
        p .more { span .dim { (words.export) } a href=(files("csv")) { "CSV" } a href=(files("json")) { "JSON" } }
    };
    let records = json!([marked(&review, "access", "access"), marked(&review, "accounts", "account")]);
    let records = records.as_array().into_iter().flatten().filter_map(Value::as_array).flatten().cloned();
    Ok(Shown { records: Some(records.collect()), ..Shown::page(words.review, PAGE, body) })
}

fn is(of: &Value, name: &str) -> bool {
    of.get(name).and_then(Value::as_bool) == Some(true)
}

fn list<'a>(of: &'a Value, name: &str) -> &'a [Value] {
    of.get(name).and_then(Value::as_array).map_or(&[], Vec::as_slice)
}

/// The rows that are shown.
fn rows(review: &Value, name: &str, all: bool) -> Vec<Value> {
    list(review, name).iter().filter(|row| all || is(row, "unused")).take(MOST).cloned().collect()
}

/// All rows, each with what it is about.
fn marked(review: &Value, name: &str, about: &str) -> Value {
    let with = |row: &Value| {
        let mut marked = json!({ "about": about });
        if let (Some(marked), Some(row)) = (marked.as_object_mut(), row.as_object()) {
            marked.extend(row.clone());
        }
        marked
    };
    list(review, name).iter().map(with).collect()
}

fn used(words: &Said, row: &Value) -> Markup {
    html! {
        @if is(row, "unused") { span .bad { (words.not_used) } }
        @else { (time(words, row, "/last_used", words.never)) " (" (text(row, "/requests")) ")" }
    }
}

fn access_table(words: &Said, all: &[Value]) -> Markup {
    let route = |row: &Value| {
        let name = plain(row.get("route"));
        html! { a href=(address("/console/matrix", &[("route", &name)])) { (text(row, "/route")) } }
    };
    let columns: [Column<'_>; 3] = [
        (words.route, &route),
        (words.role, &|row| text(row, "/role")),
        (words.last_used, &|row| used(words, row)),
    ];
    table(words.access, &columns, all, words.all_is_used)
}

fn accounts_table(words: &Said, all: &[Value]) -> Markup {
    let name = |row: &Value| {
        let (kind, id) = (plain(row.get("kind")), plain(row.get("id")));
        let to = match &*kind {
            "user" => format!("/console/users/{}", segment(&plain(row.get("name")))),
            "client" => format!("/console/clients/{}", segment(&id)),
            _ => format!("/console/keys/{}", segment(&id)),
        };
        html! { a href=(to) { (text(row, "/name")) } " " span .dim { bdi { (id) } } }
    };
    let columns: [Column<'_>; 4] = [
        (
            words.kind,
            &|row| html! { (words.kind_of(row.get("kind").and_then(Value::as_str).unwrap_or_default())) },
        ),
        (words.name, &name),
        (words.roles, &|row| text(row, "/roles")),
        (words.last_used, &|row| used(words, row)),
    ];
    table(words.accounts, &columns, all, words.all_is_used)
}

/// What each route would name, and the way to a configuration in which it does.
fn change(ask: &Ask<'_>, smaller: Option<&Value>, days: &str) -> Markup {
    let words = ask.words;
    let Some(smaller) = smaller else { return html! {} };
    let routes = smaller.get("routes").and_then(Value::as_object);
    let left = list(smaller, "left");
    html! {
        h2 { (words.smaller) }
        ul { @for (route, roles) in routes.into_iter().flatten() {
            li {
                bdi { (route) } ": " code { bdi { "authorize: { roles: [" (plain(Some(roles))) "] }" } }
                @if left.iter().any(|one| one.as_str() == Some(route)) { " " span .dim { (words.by_hand) } }
            }
        } }
        @if ask.reads.session.changes {
            p { a .button href=(address("/console/candidate", &[("review", days)])) { (words.as_candidate) } }
        }
    }
}

//! What a configuration would mean that is not in force: whether it holds, whose access it changes, whether its properties and cases hold, and what it would
//! have made of the requests of the last hours.

use crate::fetch::Failed;
use crate::shown::{Ask, Shown};
use crate::table::{Column, address, choice, form, plain, table, text, time};
use crate::words::Said;
use crate::{faults, table};
use axum::http::Method;
use haechi_admin::Change;
use maud::{Markup, html};
use serde_json::{Value, json};

const PAGE: &str = "/console/candidate";
/// What faults call cases that were typed.
const CASES: &str = "cases.yaml";
/// What stands for a secret in a text that is shown.
pub(super) const STARS: &str = "***";
/// Of so many hours decisions are made again.
const HOURS: [&str; 4] = ["1", "6", "24", "168"];

/// The form for its text. What is answered stands above it.
pub(crate) async fn show(ask: &Ask<'_>) -> Shown {
    let words = ask.words;
    let typed = |name: &str| ask.query.one(name).to_owned();
    let hours = HOURS.map(|hours| (hours, hours));
    let chosen = if typed("hours").is_empty() { HOURS[0].to_owned() } else { typed("hours") };
    let written = written(ask).await;
    let in_force = ask.reads.json("/api/v1/config").await.unwrap_or_default();
    let writable = in_force.get("writable").and_then(Value::as_bool) == Some(true);
    let content = html! {
        label for="text" { (words.candidate) " (YAML)" }
        textarea #text name="text" rows="20" spellcheck="false" required aria-describedby="text-hint" { (written) }
        p #text-hint .hint { (words.candidate_hint) }
        label for="cases" { (words.cases) " (YAML)" }
        textarea #cases name="cases" rows="6" spellcheck="false" aria-describedby="cases-hint" { (typed("cases")) }
        p #cases-hint .hint { (words.cases_hint) }
        @if written.contains(STARS) { p .problem { (words.has_stars) } }
        (choice("hours", words.replay_hours, (&chosen, ""), &hours))
        input type="hidden" name="revision" value=(plain(in_force.get("generation")));
        p {
            button type="submit" { (words.check) } button .second type="submit" formaction={ (PAGE) "/rehearse" } { (words.rehearse) }
            @if writable { button .second type="submit" formaction={ (PAGE) "/apply" } { (words.apply) } }
        }
        @if !writable { p .hint { (words.not_writable) } }
    };
    let body = html! {
        @if ask.reads.session.changes { (form(ask, "candidate/validate", &content)) } @else { p .dim { (words.forbidden_text) } }
        p .more { a href="/console/configurations" { (words.configurations) } }
    };
    Shown::page(words.candidate, PAGE, body)
}

/// What was typed; else the configuration that was asked for by its hash, or that a review came to; else nothing.
async fn written(ask: &Ask<'_>) -> String {
    let (typed, of, days) = (ask.query.one("text"), ask.query.one("of"), ask.query.one("review"));
    if !typed.is_empty() {
        return typed.to_owned();
    }
    if !days.is_empty() {
        let review = ask.reads.json(&address("/api/v1/review", &[("days", days)])).await.unwrap_or_default();
        return plain(review.pointer("/smaller/config"));
    }
    if of.is_empty() {
        return String::new();
    }
    let kept = ask.reads.json(&format!("/api/v1/config/history/{}", table::segment(of))).await;
    kept.map(|kept| main_of(&kept)).unwrap_or_default()
}

/// The text of the main file.
pub(super) fn main_of(config: &Value) -> String {
    let main = config.get("main").and_then(Value::as_str).unwrap_or_default();
    let file = config.get("files").and_then(|files| files.get(main));
    plain(file)
}

/// What the file of the configuration in force is called.
pub(super) async fn file(ask: &Ask<'_>) -> String {
    let config = ask.reads.json("/api/v1/config").await.unwrap_or_default();
    plain(config.get("main"))
}

/// That it holds.
pub(crate) fn valid(ask: &Ask<'_>, told: &Value) -> Markup {
    let words = ask.words;
    html! {
        p .good role="status" {
            (words.would_be_taken) " "
            (words.routes) ": " (text(told, "/routes")) ", " (words.services) ": " (text(told, "/services")) ", "
            (words.authenticators) ": " (text(told, "/authenticators"))
        }
    }
}

/// That it holds, and everything else that can be found out about it.
pub(crate) async fn rehearsed(ask: &Ask<'_>, told: &Value) -> Markup {
    let (words, cases) = (ask.words, ask.query.one("cases"));
    let diff = of_text(ask, "config/diff").await;
    let proof = of_text(ask, "config/prove").await;
    let tried = match cases {
        "" => None,
        cases => {
            let asked = json!({ "config": ask.query.one("text"), "cases": cases.replace("\r\n", "\n") });
            Some(ask.reads.asked("/api/v1/config/test", &asked).await)
        }
    };
    let hours: u64 = ask.query.one("hours").parse().unwrap_or(1);
    let within = (hours.clamp(1, 744) * 3600).to_string();
    let replayed = of_text(ask, &address("config/replay", &[("within", &within)])).await;
    html! {
        (valid(ask, told))
        section { h2 { (words.differences) } (part(words, ("", &diff), differences)) }
        section { h2 { (words.properties) } (part(words, ("", &proof), properties)) }
        @if let Some(tried) = &tried { section { h2 { (words.cases) } (part(words, (cases, tried), tried_cases)) } }
        section { h2 { (words.replayed) } (part(words, ("", &replayed), replay)) }
        h2 { (words.candidate) }
    }
}

/// What a call says of the text.
async fn of_text(ask: &Ask<'_>, call: &str) -> Result<Value, Failed> {
    let content = ask.query.one("text").replace("\r\n", "\n").into_bytes();
    let target = format!("/api/v1/{call}");
    let sent = Change { method: Method::POST, target, kind: "application/yaml", content, seen: None };
    ask.reads.send(sent).await.map(|done| done.answer)
}

fn part(
    words: &Said,
    (typed, read): (&str, &Result<Value, Failed>),
    shown: fn(&Said, &Value) -> Markup,
) -> Markup {
    match read {
        Ok(read) => shown(words, read),
        Err(Failed::Faulty(all, _)) => faults::shown(words, (CASES, typed), all),
        Err(Failed::Refused(why) | Failed::Unavailable(why)) => {
            html! { p .problem { (words.failed) ": " (why) } }
        }
        Err(_) => html! { p .dim { (words.forbidden_text) } },
    }
}

fn list<'a>(of: &'a Value, name: &str) -> &'a [Value] {
    of.get(name).and_then(Value::as_array).map_or(&[], Vec::as_slice)
}

/// Routes whose access is another, with somebody for whom it is.
fn differences(words: &Said, told: &Value) -> Markup {
    let changed: Vec<Value> = list(told, "routes").iter().filter(|route| !is_same(route)).cloned().collect();
    let change = |row: &Value| {
        let word = |at: &str| row.get(at).and_then(Value::as_str).unwrap_or_default();
        let told = if word("relation").is_empty() { word("change") } else { word("relation") };
        let class = match told {
            "wider" | "added" | "incomparable" | "undecided" => "bad",
            _ => "",
        };
        html! { span class=(class) { (words.difference(told)) } }
    };
    let notes = |row: &Value| html! { @for note in list(row, "notes").iter().chain(list(row, "undecided")) { div { bdi { (plain(Some(note))) } } } };
    let columns: [Column<'_>; 5] = [
        (words.route, &|row| text(row, "/route")),
        (words.change, &change),
        (words.passes_now, &|row| example(words, row.get("gained"))),
        (words.passed_before, &|row| example(words, row.get("lost"))),
        (words.notes, &notes),
    ];
    table(words.differences, &columns, &changed, words.no_differences)
}

fn is_same(route: &Value) -> bool {
    route.get("relation").and_then(Value::as_str) == Some("same") && list(route, "notes").is_empty()
}

/// A request and its caller, with what matters of it, and the ways to have it explained.
pub(super) fn example(words: &Said, example: Option<&Value>) -> Markup {
    let Some(example) = example.filter(|example| example.is_object()) else { return html! {} };
    let of = |name: &str| plain(example.get(name));
    let matters = |fact: &str| list(example, "matters").iter().any(|one| plain(Some(one)).contains(fact));
    let who = ["kind", "subject", "roles", "scopes", "authenticator"].map(|name| (name, of(name)));
    let asked = ["method", "path", "host", "roles", "scopes"].map(|name| (name, of(name)));
    let asked: Vec<(&str, &str)> = asked.iter().map(|(name, value)| (*name, &**value)).collect();
    let more = ["headers", "attributes"].map(|name| example.get(name).and_then(Value::as_object));
    html! {
        code { bdi { (of("method")) " " (of("host")) (of("path")) } }
        @for (name, value) in who.iter().filter(|(_, value)| !value.is_empty()) { div { span .dim { (name) } " " bdi { (value) } } }
        @for (name, value) in more.into_iter().flatten().flatten() { div { span .dim { bdi { (name) } } " " bdi { (plain(Some(value))) } } }
        @if matters("time") { div { span .dim { (words.time) } " " (time(words, example, "/time", "")) } }
        @if matters("ip") { div { span .dim { (words.address) } " " bdi { (of("ip")) } } }
        div { a .target href=(address("/console/explain", &asked)) { (words.explain) } }
        details { summary { "haechi explain" } pre { (of("explain")) } }
    }
}

/// Properties, and who shows that one is not true.
fn properties(words: &Said, told: &Value) -> Markup {
    let outcome = |row: &Value| match row.get("outcome").and_then(Value::as_str).unwrap_or_default() {
        "proved" => html! { span .good { (words.proved) } },
        "does_not_hold" => html! { span .bad { (words.does_not_hold) } },
        _ => html! { span .bad { (words.not_decided) } },
    };
    let shows = |row: &Value| {
        html! { @for route in list(row, "routes").iter().filter(|route| route.get("outcome").and_then(Value::as_str) != Some("proved")) {
            div { (text(route, "/route")) " " (text(route, "/why")) }
            (example(words, route.get("example")))
        } }
    };
    let columns: [Column<'_>; 3] = [
        (words.property, &|row| text(row, "/name")),
        (words.outcome, &outcome),
        (words.counterexample, &shows),
    ];
    table(words.properties, &columns, list(told, "properties"), words.no_properties)
}

fn tried_cases(words: &Said, told: &Value) -> Markup {
    let outcome = |row: &Value| {
        let passed = row.get("passed").and_then(Value::as_bool) == Some(true);
        html! { span .good[passed] .bad[!passed] { (if passed { words.as_expected } else { words.otherwise }) } }
    };
    let columns: [Column<'_>; 4] = [
        (
            words.case,
            &|row| html! { (text(row, "/name")) " " span .dim { (words.line) " " (text(row, "/line")) } },
        ),
        (words.outcome, &outcome),
        (words.expected, &|row| text(row, "/expected")),
        (words.got, &|row| text(row, "/got")),
    ];
    table(words.cases, &columns, list(told, "cases"), words.none)
}

/// Recorded decisions that would come out otherwise.
fn replay(words: &Said, told: &Value) -> Markup {
    let request = |row: &Value| {
        let id = plain(row.pointer("/example/request"));
        html! {
            (time(words, row, "/example/at", "")) " "
            a href=(address("/console/audit", &[("request", &id)])) { (text(row, "/example/path")) }
            " " (text(row, "/example/roles"))
        }
    };
    let columns: [Column<'_>; 5] = [
        (words.route, &|row| html! { (text(row, "/method")) " " (text(row, "/route")) }),
        (
            words.was,
            &|row| html! { (words.word(row.get("was").and_then(Value::as_str).unwrap_or_default())) },
        ),
        (
            words.would_be,
            &|row| html! { b { (words.word(row.get("would_be").and_then(Value::as_str).unwrap_or_default())) } " " (text(row, "/because")) },
        ),
        (words.count, &|row| text(row, "/count")),
        (words.such_as, &request),
    ];
    html! {
        p {
            (words.decided_again) " " (text(told, "/decided")) ", " (words.the_same) " " (text(told, "/same"))
            @if told.get("unreadable").and_then(Value::as_u64) != Some(0) { ", " (words.unreadable) " " (text(told, "/unreadable")) }
            " · " (words.not_before) " " (time(words, told, "/since", ""))
            @if told.get("more").and_then(Value::as_bool) == Some(true) { " · " (words.oldest_left_out) }
        }
        (table(words.replayed, &columns, list(told, "changes"), words.no_replay_changes))
    }
}

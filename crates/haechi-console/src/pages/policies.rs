//! Policies: those of files, and those of the store, which can be changed here.

use crate::acts::NEW;
use crate::fetch::Failed;
use crate::shown::{Ask, Shown};
use crate::table::{
    Column, address, below, field, form, items, plain, segment, table, text, time, with_changes,
};
use maud::{Markup, html};
use serde_json::Value;

const PAGE: &str = "/console/policies";

/// All of them, and the way to another.
pub(crate) async fn list(ask: &Ask<'_>) -> Result<Shown, Failed> {
    let words = ask.words;
    let asked = [("cursor", ask.query.one("cursor"))];
    let list = ask.reads.json(&address("/api/v1/policies", &asked)).await?;
    let link = |row: &Value| {
        let name = segment(&plain(row.get("name")));
        html! { a href={ (PAGE) "/" (name) } { (text(row, "/name")) } }
    };
    let columns: [Column<'_>; 4] = [
        (words.name, &link),
        (words.source, &|row| text(row, "/source")),
        (words.state, &|row| text(row, "/state")),
        (
            words.changed,
            &|row| html! { (time(words, row, "/changed_at", "")) " " (text(row, "/changed_by/subject")) },
        ),
    ];
    let body = html! {
        @if ask.reads.session.changes {
            // The name of another is part of its address; `new` leads to it.
            form .filter method="get" action={ (PAGE) "/new" } {
                (field(ask, "name", words.new_policy, "", true))
                button type="submit" { (words.write) }
            }
        }
        p { a href="/console/approvals" { (words.approvals) } }
        (table(words.policies, &columns, items(&list), words.no_policies))
        (below(ask, PAGE, &asked, &list))
    };
    Ok(Shown::list(words.policies, PAGE, body, &list))
}

/// One of them, with its text and its versions; an empty one where there is none of the name.
pub(crate) async fn one(ask: &Ask<'_>, name: &str) -> Result<Shown, Failed> {
    let words = ask.words;
    let another = ask.query.one("name");
    let asked = if name == "new" && !another.is_empty() { segment(another) } else { name.to_owned() };
    let policy = match ask.reads.json(&format!("/api/v1/policies/{asked}")).await {
        Err(Failed::Missing) if ask.reads.session.changes => Value::Null,
        read => read?,
    };
    let versions = match ask.reads.json(&format!("/api/v1/policies/{asked}/versions")).await {
        Err(Failed::Missing) => Value::Null,
        read => read?,
    };
    let of_file = policy.get("source").and_then(Value::as_str) == Some("file");
    let notes = ["proved", "warnings"].map(|name| plain(policy.get(name)));
    let body = html! {
        @if policy.is_null() { p { (words.new_policy) ": " b { bdi { (if another.is_empty() { name } else { another }) } } } }
        @if !policy.is_null() { dl {
            dt { (words.name) } dd { (text(&policy, "/name")) }
            dt { (words.source) } dd { (text(&policy, "/source")) }
            dt { (words.state) } dd { (text(&policy, "/state")) }
            dt { (words.changed) } dd { (time(words, &policy, "/changed_at", "")) " " (text(&policy, "/changed_by/subject")) }
            @for note in notes.iter().filter(|note| !note.is_empty()) { dt {} dd { bdi { (note) } } }
        } }
        @if of_file || !ask.reads.session.changes {
            pre tabindex="0" role="region" aria-label=(words.policy) { (plain(policy.get("text"))) }
        } @else { (editor(ask, &asked, &policy)) }
        @if !items(&versions).is_empty() { (history(ask, &asked, &policy, &versions)) }
        @if !of_file && !policy.is_null() {
            @if ask.reads.session.changes {
                (form(ask, &format!("policies/{asked}/delete"), &html! {
                    (seen(&policy))
                    button .second type="submit" { (words.delete) }
                }))
            }
        }
    };
    Ok(Shown::page(words.policy, PAGE, body))
}

/// What is changed: the revision that is shown, or nothing yet.
fn seen(policy: &Value) -> Markup {
    let revision = if policy.is_null() { NEW.to_owned() } else { plain(policy.get("revision")) };
    html! { input type="hidden" name="revision" value=(revision); }
}

/// The text that was typed, where it was refused or checked, and else the one in force.
fn editor(ask: &Ask<'_>, name: &str, policy: &Value) -> Markup {
    let words = ask.words;
    let written = match ask.query.one("text") {
        "" => plain(policy.get("text")),
        typed => typed.to_owned(),
    };
    let content = html! {
        (seen(policy))
        label for="text" { "Cedar" }
        textarea #text name="text" rows="16" spellcheck="false" required { (written) }
        button type="submit" { (words.save) }
        button .second type="submit" formaction={ "/console/policies/" (name) "/check" } { (words.check) }
    };
    form(ask, &format!("policies/{name}/save"), &content)
}

fn history(ask: &Ask<'_>, name: &str, policy: &Value, versions: &Value) -> Markup {
    let words = ask.words;
    let back = |row: &Value| {
        let content = html! {
            (seen(policy))
            input type="hidden" name="version" value=(plain(row.get("revision")));
            button .second type="submit" { (words.roll_back) span .hidden { " " (text(row, "/revision")) } }
        };
        form(ask, &format!("policies/{name}/rollback"), &content)
    };
    let columns: [Column<'_>; 5] = [
        (words.version, &|row| text(row, "/revision")),
        (words.state, &|row| text(row, "/state")),
        (words.changed, &|row| time(words, row, "/changed_at", "")),
        (words.by, &|row| text(row, "/changed_by/subject")),
        (words.change, &back),
    ];
    let shown = with_changes(ask, &columns);
    html! { h2 { (words.versions) } (table(words.versions, shown, items(versions), words.none)) }
}

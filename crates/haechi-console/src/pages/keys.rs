//! API keys of the store.

use crate::fetch::Failed;
use crate::shown::{Ask, Shown};
use crate::table::{
    Column, address, below, button, choice, field, filter, form, items, plain, segment, table, text, time,
    to_form,
};
use crate::words::Said;
use maud::{Markup, html};
use serde_json::Value;

const PAGE: &str = "/console/keys";

/// Those that fit, newest first.
pub(crate) async fn list(ask: &Ask<'_>) -> Result<Shown, Failed> {
    let words = ask.words;
    let asked = ["state", "owner", "name", "role", "expires_within", "unused_for", "cursor"]
        .map(|name| (name, ask.query.one(name)));
    let list = ask.reads.json(&address("/api/v1/keys", &asked)).await?;
    let id = |row: &Value| segment(&plain(row.get("id")));
    let link = |row: &Value| html! { a href={ (PAGE) "/" (id(row)) } { (text(row, "/id")) } };
    let columns: [Column<'_>; 7] = [
        (words.id, &link),
        (words.name, &|row| text(row, "/name")),
        (words.owner, &|row| text(row, "/owner")),
        (words.roles, &|row| text(row, "/roles")),
        (words.state, &|row| state(words, row)),
        (words.ends, &|row| time(words, row, "/expires_at", words.never)),
        (words.last_used, &|row| used(words, row)),
    ];
    let body = html! {
        form .filter method="get" action=(PAGE) {
            (choice("state", words.state, (ask.query.one("state"), words.any), &["active", "expired", "revoked"].map(|state| (state, words.word(state)))))
            (filter("owner", words.owner, ask.query.one("owner")))
            (filter("name", words.name, ask.query.one("name")))
            (filter("role", words.role, ask.query.one("role")))
            button type="submit" { (words.show) }
            a href=(address(PAGE, &[("state", "active"), ("expires_within", "2592000")])) { (words.ending_soon) }
            a href=(address(PAGE, &[("state", "active"), ("unused_for", "7776000")])) { (words.unused) }
        }
        (to_form(ask, "keys/new", words.create_key))
        (table(words.keys, &columns, items(&list), words.no_keys))
        (below(ask, PAGE, &asked, &list))
    };
    Ok(Shown::list(words.keys, PAGE, body, &list))
}

fn state(words: &Said, row: &Value) -> Markup {
    match row.get("state").and_then(Value::as_str).unwrap_or_default() {
        "active" => html! { span .good { (words.active) } },
        other => html! { span .bad { (words.word(other)) } },
    }
}

fn used(words: &Said, row: &Value) -> Markup {
    html! { (time(words, row, "/last_used_at", words.never)) " " (text(row, "/last_used_from")) }
}

/// One of them, and what can be changed. `id` is as it stood in the address.
pub(crate) async fn one(ask: &Ask<'_>, id: &str) -> Result<Shown, Failed> {
    let words = ask.words;
    let key = ask.reads.json(&format!("/api/v1/keys/{id}")).await?;
    let works = key.get("state").and_then(Value::as_str) != Some("revoked");
    let overlap = html! {
        (field(ask, "hours", words.overlap, "", false))
        button .second type="submit" { (words.rotate) }
    };
    let body = html! {
        dl {
            dt { (words.id) } dd { (text(&key, "/id")) }
            dt { (words.name) } dd { (text(&key, "/name")) }
            dt { (words.owner) } dd { (text(&key, "/owner")) }
            dt { (words.state) } dd { (state(words, &key)) }
            dt { (words.roles) } dd { (text(&key, "/roles")) }
            dt { (words.scopes) } dd { (text(&key, "/scopes")) }
            dt { (words.addresses) } dd { (text(&key, "/allowed_addresses")) }
            dt { (words.limit) } dd { (text(&key, "/rate_limit")) " " (text(&key, "/quota")) }
            dt { (words.added) } dd { (time(words, &key, "/created_at", "")) }
            dt { (words.ends) } dd { (time(words, &key, "/expires_at", words.never)) }
            dt { (words.last_used) } dd { (used(words, &key)) }
            dt { (words.previous) } dd { (time(words, &key, "/previous_works_until", words.never)) }
        }
        p .more {
            a href=(address("/console/audit", &[("key", &plain(key.get("id")))])) { (words.audit) }
        }
        @if works && ask.reads.session.changes {
            h2 { (words.change) }
            (form(ask, &format!("keys/{id}/rotate"), &overlap))
            div .acts { (button(ask, &format!("keys/{id}/revoke"), words.revoke, &plain(key.get("id")))) }
        }
    };
    Ok(Shown::page(words.key, PAGE, body))
}

/// The form for another.
pub(crate) fn new(ask: &Ask<'_>) -> Shown {
    let words = ask.words;
    let content = html! {
        (field(ask, "owner", words.owner, "", true))
        (field(ask, "name", words.name, "", false))
        (field(ask, "roles", words.roles, words.many, false))
        (field(ask, "scopes", words.scopes, words.many, false))
        (field(ask, "days", words.days, words.days_hint, false))
        (field(ask, "addresses", words.addresses, words.addresses_hint, false))
        button type="submit" { (words.create_key) }
    };
    Shown::page(words.create_key, PAGE, form(ask, "keys/new", &content))
}

//! Users of the store.

use crate::fetch::Failed;
use crate::shown::{Ask, Shown};
use crate::table::{
    Column, address, below, button, choice, field, filter, form, items, plain, segment, table, text, time,
    to_form,
};
use crate::words::Said;
use maud::{Markup, html};
use serde_json::Value;

const PAGE: &str = "/console/users";

/// Users by name, those that fit.
pub(crate) async fn list(ask: &Ask<'_>) -> Result<Shown, Failed> {
    let words = ask.words;
    let asked = ["name", "role", "attribute", "state", "cursor"].map(|name| (name, ask.query.one(name)));
    let list = ask.reads.json(&address("/api/v1/users", &asked)).await?;
    let states = [("active", words.active), ("locked", words.locked), ("disabled", words.disabled)];
    let link = |row: &Value| {
        let to = segment(&plain(row.get("name")));
        html! { a href={ (PAGE) "/" (to) } { (text(row, "/name")) } }
    };
    let columns: [Column<'_>; 4] = [
        (words.name, &link),
        (words.roles, &|row| text(row, "/roles")),
        (words.state, &|row| state(words, row)),
        (words.added, &|row| time(words, row, "/created_at", "")),
    ];
    let body = html! {
        form .filter method="get" action=(PAGE) {
            (filter("name", words.name, ask.query.one("name")))
            (filter("role", words.role, ask.query.one("role")))
            (filter("attribute", words.attribute, ask.query.one("attribute")))
            (choice("state", words.state, (ask.query.one("state"), words.any), &states))
            button type="submit" { (words.show) }
        }
        (to_form(ask, "users/new", words.add_user))
        (table(words.users, &columns, items(&list), words.no_users))
        (below(ask, PAGE, &asked, &list))
    };
    Ok(Shown::list(words.users, PAGE, body, &list))
}

fn state(words: &Said, row: &Value) -> Markup {
    let is = |name: &str| row.get(name).is_some_and(|value| value.as_bool() == Some(true));
    html! {
        @if is("disabled") { span .bad { (words.disabled) } }
        @else if is_locked(row) { span .bad { (words.locked) } " " (time(words, row, "/locked_until", "")) }
        @else { span .good { (words.active) } }
        @if is("must_change_password") { " " span .dim { (words.must_change) } }
    }
}

fn is_locked(row: &Value) -> bool {
    row.get("locked_until").is_some_and(Value::is_string)
}

/// One of them, and what can be changed. `name` is as it stood in the address.
pub(crate) async fn one(ask: &Ask<'_>, name: &str) -> Result<Shown, Failed> {
    let words = ask.words;
    let user = ask.reads.json(&format!("/api/v1/users/{name}")).await?;
    let factor = user.get("second_factor").and_then(Value::as_bool) == Some(true);
    let disabled = user.get("disabled").and_then(Value::as_bool) == Some(true);
    let about = plain(user.get("name"));
    let act = |change: &str, label: &str| button(ask, &format!("users/{name}/{change}"), label, &about);
    let body = html! {
        dl {
            dt { (words.name) } dd { (text(&user, "/name")) }
            dt { (words.id) } dd { (text(&user, "/id")) }
            dt { (words.state) } dd { (state(words, &user)) }
            dt { (words.roles) } dd { (text(&user, "/roles")) }
            dt { (words.second_factor) } dd { @if factor { (words.yes) } @else { (words.no) } }
            dt { (words.added) } dd { (time(words, &user, "/created_at", "")) }
            dt { (words.attributes) } dd { code { (attributes(&user)) } }
        }
        p .more {
            a href=(address("/console/sessions", &[("user", &about)])) { (words.sessions) }
            a href=(address("/console/decisions", &[("subject", &plain(user.get("id")))])) { (words.decisions) }
            a href=(address("/console/audit", &[("subject", &plain(user.get("id")))])) { (words.audit) }
        }
        @if ask.reads.session.changes { (changes(ask, name, &user)) }
        div .acts {
            @if is_locked(&user) { (act("unlock", words.unlock)) }
            @if disabled { (act("enable", words.enable)) } @else { (act("disable", words.disable)) }
            (act("log-out", words.end_all))
            @if factor { (act("second-factor", words.take_factor)) }
            (act("delete", words.delete))
        }
    };
    Ok(Shown::page(words.user, PAGE, body))
}

fn attributes(user: &Value) -> String {
    user.get("attributes").map_or_else(|| "{}".to_owned(), ToString::to_string)
}

/// The forms on a user's page: what was typed, where it was refused, and else what is.
fn changes(ask: &Ask<'_>, name: &str, user: &Value) -> Markup {
    let words = ask.words;
    let or = |name: &str, is: String| match ask.query.one(name) {
        "" => is,
        typed => typed.to_owned(),
    };
    let revision = html! { input type="hidden" name="revision" value=(plain(user.get("revision"))); };
    let roles = html! {
        (revision)
        label for="roles" { (words.roles) }
        input #roles name="roles" value=(or("roles", plain(user.get("roles")))) autocomplete="off";
        button .second type="submit" { (words.save) }
    };
    let attributes = html! {
        (revision)
        label for="attributes" { (words.attributes) " (JSON)" }
        textarea #attributes name="attributes" rows="3" spellcheck="false" { (or("attributes", attributes(user))) }
        button .second type="submit" { (words.save) }
    };
    html! {
        h2 { (words.change) }
        (form(ask, &format!("users/{name}/roles"), &roles))
        (form(ask, &format!("users/{name}/attributes"), &attributes))
    }
}

/// The form for another.
pub(crate) fn new(ask: &Ask<'_>) -> Shown {
    let words = ask.words;
    let content = html! {
        (field(ask, "name", words.name, "", true))
        label for="password" { (words.password) }
        input #password name="password" type="password" autocomplete="new-password" required;
        (field(ask, "roles", words.roles, words.many, false))
        button type="submit" { (words.add_user) }
    };
    Shown::page(words.add_user, PAGE, form(ask, "users/new", &content))
}

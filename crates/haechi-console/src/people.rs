//! Users and API keys of the store.

use crate::fetch::{Failed, Reads};
use crate::shown::{Query, Shown};
use crate::table::{Column, address, filter, items, more, segment, table, text, time};
use crate::words::Words;
use maud::html;
use serde_json::{Value, json};

const USERS: &str = "/console/users";
const KEYS: &str = "/console/keys";

/// Users by name, or the one of a name.
pub(crate) async fn users(words: &'static Words, reads: &Reads<'_>, query: &Query) -> Result<Shown, Failed> {
    let asked = [("cursor", query.one("cursor"))];
    let name = query.one("name");
    let list = if name.is_empty() {
        reads.json(&address("/api/v1/users", &asked)).await?
    } else {
        match reads.json(&format!("/api/v1/users/{}", segment(name))).await {
            Ok(user) => json!({ "items": [user] }),
            Err(Failed::Missing) => json!({ "items": [] }),
            Err(failed) => return Err(failed),
        }
    };
    let state = |row: &Value| {
        let is = |name: &str| row.get(name).is_some_and(|value| value.as_bool() == Some(true));
        if is("disabled") {
            html! { span .bad { (words.disabled) } }
        } else if row.get("locked_until").is_some() {
            html! { span .bad { (words.locked) } " " (time(row, "/locked_until", "")) }
        } else {
            html! { span .good { (words.active) } }
        }
    };
    let columns: [Column<'_>; 5] = [
        (words.name, &|row| text(row, "/name")),
        (words.roles, &|row| text(row, "/roles")),
        (words.state, &state),
        (words.added, &|row| time(row, "/created_at", "")),
        (words.id, &|row| text(row, "/id")),
    ];
    let body = html! {
        form .filter method="get" action=(USERS) {
            (filter("name", words.name, name))
            button type="submit" { (words.show) }
        }
        (table(words.users, &columns, items(&list), words.no_users))
        (more(words, USERS, &asked, &list))
    };
    Ok((words.users, USERS, body))
}

/// API keys that fit, newest first.
pub(crate) async fn keys(words: &'static Words, reads: &Reads<'_>, query: &Query) -> Result<Shown, Failed> {
    let asked = ["state", "owner", "name", "role", "cursor"].map(|name| (name, query.one(name)));
    let list = reads.json(&address("/api/v1/keys", &asked)).await?;
    let state = |row: &Value| match row.get("state").and_then(Value::as_str).unwrap_or_default() {
        "active" => html! { span .good { (words.active) } },
        other => html! { span .bad { (words.word(other)) } },
    };
    let used =
        |row: &Value| html! { (time(row, "/last_used_at", words.never)) " " (text(row, "/last_used_from")) };
    let columns: [Column<'_>; 7] = [
        (words.name, &|row| text(row, "/name")),
        (words.owner, &|row| text(row, "/owner")),
        (words.roles, &|row| text(row, "/roles")),
        (words.state, &state),
        (words.ends, &|row| time(row, "/expires_at", words.never)),
        (words.last_used, &used),
        (words.id, &|row| text(row, "/id")),
    ];
    let body = html! {
        form .filter method="get" action=(KEYS) {
            div {
                label for="state" { (words.state) }
                select #state name="state" {
                    option value="" { (words.any) }
                    @for state in ["active", "expired", "revoked"] {
                        option value=(state) selected[query.one("state") == state] { (words.word(state)) }
                    }
                }
            }
            (filter("owner", words.owner, query.one("owner")))
            (filter("name", words.name, query.one("name")))
            (filter("role", words.role, query.one("role")))
            button type="submit" { (words.show) }
        }
        (table(words.keys, &columns, items(&list), words.no_keys))
        (more(words, KEYS, &asked, &list))
    };
    Ok((words.keys, KEYS, body))
}

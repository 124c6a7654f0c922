//! Who may make a request, and what would become of one.

use crate::fetch::Failed;
use crate::shown::{Ask, Shown};
use crate::table::{Column, address, filter, plain, table, text};
use crate::words::Said;
use maud::{Markup, html};
use serde_json::{Value, json};

const PAGE: &str = "/console/who-can";
const EXPLAIN: &str = "/console/explain";

/// Everybody who may make a request.
pub(crate) async fn show(ask: &Ask<'_>) -> Result<Shown, Failed> {
    let words = ask.words;
    let (method, path) = (ask.query.one("method"), ask.query.one("path"));
    let asked = [
        ("method", if method.is_empty() { "GET" } else { method }),
        ("path", path),
        ("host", ask.query.one("host")),
    ];
    let found = match path {
        "" => None,
        _ => Some(ask.reads.json(&address("/api/v1/who-can", &asked)).await?),
    };
    let body = html! {
        form .filter method="get" action=(PAGE) {
            (filter("method", words.method, asked[0].1))
            (filter("path", words.path, path))
            (filter("host", words.host, asked[2].1))
            button type="submit" { (words.show) }
        }
        @match &found {
            None => p .dim { (words.who_can_hint) },
            Some(found) => (answer(words, found)),
        }
    };
    let records = found.as_ref().map(|found| json!([found]));
    Ok(Shown { records, ..Shown::page(words.who_can, PAGE, body) })
}

fn answer(words: &Said, found: &Value) -> Markup {
    let list = |name: &str| found.get(name).and_then(Value::as_array).map_or(&[][..], Vec::as_slice);
    let depends = |row: &Value| html! { (text(row, "/condition")) (text(row, "/depends_on")) };
    let roles: [Column<'_>; 3] = [
        (words.role, &|row| text(row, "/role")),
        (words.outcome, &|row| may(words, row)),
        (words.condition, &|row| html! { code { (depends(row)) } }),
    ];
    let named: [Column<'_>; 4] = [
        (words.name, &|row| html! { (text(row, "/name")) " " span .dim { (text(row, "/id")) } }),
        (words.authenticator, &|row| text(row, "/authenticator")),
        (words.outcome, &|row| may(words, row)),
        (words.condition, &depends),
    ];
    html! {
        p { (words.route) ": " b { (text(found, "/route")) } " " (text(found, "/reason")) }
        @for note in list("notes") { p .dim { bdi { (plain(Some(note))) } } }
        h2 { (words.roles) } (table(words.roles, &roles, list("roles"), words.none))
        h2 { (words.users) } (table(words.users, &named, list("users"), words.nobody))
        h2 { (words.keys) } (table(words.keys, &named, list("keys"), words.nobody))
        h2 { (words.clients) } (table(words.clients, &named, list("clients"), words.nobody))
        @if found.get("truncated").and_then(Value::as_bool) == Some(true) { p .problem { (words.truncated) } }
    }
}

fn may(words: &Said, row: &Value) -> Markup {
    match row.get("outcome").and_then(Value::as_str).unwrap_or_default() {
        "allow" => html! { span .good { (words.allow) } },
        "depends" => html! { span { (words.depends) } },
        other => html! { span .bad { (words.word(other)) } },
    }
}

/// What would become of a request that nobody has sent.
pub(crate) async fn explain(ask: &Ask<'_>) -> Result<Shown, Failed> {
    let words = ask.words;
    let one = |name: &str| ask.query.one(name);
    let method = if one("method").is_empty() { "GET" } else { one("method") };
    let told = match one("path") {
        "" => None,
        path => Some(ask.reads.asked("/api/v1/explain", &question(ask, method, path)).await?),
    };
    let body = html! {
        form .filter method="get" action=(EXPLAIN) {
            (filter("method", words.method, method))
            (filter("path", words.path, one("path")))
            (filter("host", words.host, one("host")))
            (filter("ip", words.address, one("ip")))
            (filter("user", words.username, one("user")))
            (filter("roles", words.roles, one("roles")))
            (filter("scopes", words.scopes, one("scopes")))
            button type="submit" { (words.show) }
        }
        @match &told {
            None => p .dim { (words.explain_hint) },
            Some(told) => (explained(words, told)),
        }
    };
    Ok(Shown { records: told.map(|told| json!([told])), ..Shown::page(words.explain, EXPLAIN, body) })
}

fn question(ask: &Ask<'_>, method: &str, path: &str) -> Value {
    let one = |name: &str| Some(ask.query.one(name)).filter(|value| !value.is_empty());
    let words = |name: &str| -> Vec<&str> {
        ask.query.one(name).split([',', ' ']).filter(|word| !word.is_empty()).collect()
    };
    let mut question = json!({ "method": method, "path": path });
    let mut put = |name: &str, value: Value| {
        if let Some(members) = question.as_object_mut() {
            members.insert(name.to_owned(), value);
        }
    };
    one("host").into_iter().for_each(|host| put("host", host.into()));
    one("ip").into_iter().for_each(|ip| put("ip", ip.into()));
    if let Some(user) = one("user") {
        put("caller", json!({ "user": user }));
    } else if one("roles").is_some() || one("scopes").is_some() {
        put("caller", json!({ "roles": words("roles"), "scopes": words("scopes") }));
    }
    question
}

fn explained(words: &Said, told: &Value) -> Markup {
    let status = told.get("status").and_then(Value::as_u64).unwrap_or_default();
    html! {
        dl {
            dt { (words.outcome) } dd {
                span .good[status < 400] .bad[status >= 400] { (text(told, "/outcome")) " (" (status) ")" }
            }
            dt { (words.reason) } dd { (text(told, "/because")) }
        }
        h2 { (words.whole) }
        pre tabindex="0" role="region" aria-label=(words.whole) { (format!("{told:#}")) }
    }
}

//! What the configuration means: routes, and services with their endpoints.

use crate::fetch::Failed;
use crate::shown::{Ask, Shown};
use crate::table::{Column, address, button, for_programs, items, more, plain, segment, table, text};
use maud::{Markup, html};
use serde_json::{Value, json};

const ROUTES: &str = "/console/routes";
const SERVICES: &str = "/console/services";

/// Routes by name, after includes and defaults.
pub(crate) async fn routes(ask: &Ask<'_>) -> Result<Shown, Failed> {
    let words = ask.words;
    let asked = [("cursor", ask.query.one("cursor"))];
    let list = ask.reads.json(&address("/api/v1/routes", &asked)).await?;
    let name = |row: &Value| {
        let name = plain(row.get("name"));
        html! { a href=(address("/console/decisions", &[("route", &name)])) { (text(row, "/name")) } }
    };
    let matched = |row: &Value| html! { (text(row, "/methods")) " " (text(row, "/hosts")) " " code { (text(row, "/path")) } };
    let limits = |row: &Value| {
        let all = row.get("rate_limits").and_then(Value::as_array).map_or(&[][..], Vec::as_slice);
        html! { @for limit in all { div { (text(limit, "/name")) ": " (text(limit, "/requests")) "/" (text(limit, "/per_seconds")) "s" } } }
    };
    let columns: [Column<'_>; 6] = [
        (words.route, &name),
        (words.request, &matched),
        (
            words.authenticator,
            &|row| html! { (text(row, "/authenticate/mode")) " " (text(row, "/authenticate/authenticators")) },
        ),
        (words.rule, &rule),
        (words.service, &|row| text(row, "/service")),
        (words.limit, &limits),
    ];
    let body = html! {
        (table(words.routes, &columns, items(&list), words.none))
        (more(words, ROUTES, &asked, &list))
        (for_programs(ask, ROUTES, &asked))
    };
    Ok(Shown::list(words.routes, ROUTES, body, &list))
}

/// Who may pass, as the configuration says it.
fn rule(row: &Value) -> Markup {
    let groups = |name: &str| -> Vec<String> {
        let all = row.pointer(&format!("/authorize/{name}")).and_then(Value::as_array);
        all.map_or(&[][..], Vec::as_slice).iter().map(|one| plain(Some(one))).collect()
    };
    html! {
        (text(row, "/authorize/rule"))
        @for name in ["roles", "scopes", "when", "external"] {
            @for group in groups(name) { div { span .dim { (name) } " " bdi { (group) } } }
        }
    }
}

/// Services by name, with their endpoints as this process knows them.
pub(crate) async fn services(ask: &Ask<'_>) -> Result<Shown, Failed> {
    let words = ask.words;
    let asked = [("cursor", ask.query.one("cursor"))];
    let list = ask.reads.json(&address("/api/v1/services", &asked)).await?;
    let mut rows = Vec::new();
    for service in items(&list) {
        let all = service.get("endpoints").and_then(Value::as_array).map_or(&[][..], Vec::as_slice);
        rows.extend(all.iter().map(|one| json!({ "service": service.get("name"), "endpoint": one })));
    }
    let takes = |row: &Value| match row.pointer("/endpoint/available").and_then(Value::as_bool) {
        Some(true) => html! { span .good { (words.yes) } },
        _ => html! { span .bad { (words.no) } " " (text(row, "/endpoint/reason")) },
    };
    let switch = |row: &Value| {
        let (service, id) = (plain(row.get("service")), plain(row.pointer("/endpoint/id")));
        let drained = row.pointer("/endpoint/drained").and_then(Value::as_bool) == Some(true);
        let (act, label) = if drained { ("admit", words.admit) } else { ("drain", words.drain) };
        let to = format!("services/{}/endpoints/{}/{act}", segment(&service), segment(&id));
        button(ask, &to, label, &plain(row.pointer("/endpoint/url")))
    };
    let columns: [Column<'_>; 7] = [
        (words.service, &|row| text(row, "/service")),
        (words.endpoint, &|row| text(row, "/endpoint/url")),
        (words.health, &|row| text(row, "/endpoint/health")),
        (words.takes, &takes),
        (words.in_flight, &|row| text(row, "/endpoint/in_flight")),
        (words.circuit, &|row| text(row, "/endpoint/circuit/state")),
        (words.change, &switch),
    ];
    let shown = if ask.reads.session.changes { &columns[..] } else { columns.get(..6).unwrap_or_default() };
    let body = html! {
        p .dim { (words.of_this_process) }
        (table(words.services, shown, &rows, words.none))
        (more(words, SERVICES, &asked, &list))
        (for_programs(ask, SERVICES, &asked))
    };
    Ok(Shown::list(words.services, SERVICES, body, &json!({ "items": rows })))
}

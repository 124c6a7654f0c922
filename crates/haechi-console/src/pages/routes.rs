//! What the configuration means: routes, and services with their endpoints.

use super::endpoints;
use crate::fetch::Failed;
use crate::shown::{Ask, Shown};
use crate::table::{Column, address, below, button, items, plain, segment, table, text, with_changes};
use crate::words::Said;
use maud::{Markup, html};
use serde_json::{Value, json};
use std::collections::BTreeMap;

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
    let over = over_limits(&ask.reads.text("/metrics").await.unwrap_or_default());
    let limits = |row: &Value| {
        let all = row.get("rate_limits").and_then(Value::as_array).map_or(&[][..], Vec::as_slice);
        let over = over.get(&plain(row.get("name")));
        html! {
            @for limit in all { div { (text(limit, "/name")) ": " (text(limit, "/requests")) "/" (text(limit, "/per_seconds")) "s" } }
            @for (by, count) in over.into_iter().flatten() { div .bad { (words.over_limit_by) " " bdi { (by) } ": " (count) } }
        }
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
        (below(ask, ROUTES, &asked, &list))
    };
    Ok(Shown::list(words.routes, ROUTES, body, &list))
}

/// How many requests were over a limit of a route, by what the limit counts by, since the start.
fn over_limits(metrics: &str) -> BTreeMap<String, BTreeMap<String, u64>> {
    let mut found: BTreeMap<String, BTreeMap<String, u64>> = BTreeMap::new();
    for line in metrics.lines().filter(|line| line.starts_with("haechi_rate_limit_requests_total{")) {
        let label = |name: &str| {
            line.split_once(name).and_then(|(_, rest)| rest.split_once('"')).map(|(value, _)| value)
        };
        let count =
            line.rsplit_once(' ').and_then(|(_, count)| count.parse::<u64>().ok()).unwrap_or_default();
        if let (Some(route), Some(by), Some("over")) = (label("route=\""), label("by=\""), label("result=\""))
        {
            *found.entry(route.to_owned()).or_default().entry(by.to_owned()).or_default() += count;
        }
    }
    found
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

/// What an endpoint carries, and at most may.
fn circuit(words: &Said, row: &Value) -> Markup {
    let of = |now: &str, most: &str| {
        let at = |name: &str| plain(row.pointer(&format!("/endpoint/circuit/{name}")));
        format!("{}/{}", at(now), at(most))
    };
    let open = row.pointer("/endpoint/circuit/state").and_then(Value::as_str) == Some("open");
    html! {
        span .bad[open] { (text(row, "/endpoint/circuit/state")) }
        div .dim { (words.connections) " " (of("connections", "most_connections")) }
        div .dim { (words.pending) " " (of("pending", "most_pending")) }
    }
}

/// Services by name, with their endpoints as this process knows them.
pub(crate) async fn services(ask: &Ask<'_>) -> Result<Shown, Failed> {
    let words = ask.words;
    let asked = [("cursor", ask.query.one("cursor"))];
    let list = ask.reads.json(&address("/api/v1/services", &asked)).await?;
    let rows = endpoints::rows(&list);
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
        (words.takes, &|row| endpoints::takes(words, row)),
        (words.in_flight, &|row| text(row, "/endpoint/in_flight")),
        (words.circuit, &|row| circuit(words, row)),
        (words.change, &switch),
    ];
    let shown = with_changes(ask, &columns);
    let body = html! {
        p .dim { (words.of_this_process) }
        (table(words.services, shown, &rows, words.none))
        (below(ask, SERVICES, &asked, &list))
    };
    Ok(Shown::list(words.services, SERVICES, body, &json!({ "items": rows })))
}

//! How the gate is.

use super::endpoints;
use crate::causes::{Cause, Group, causes};
use crate::fetch::Failed;
use crate::history::{Rates, chart, spark};
use crate::shown::{Ask, Shown};
use crate::table::{Column, address, items, plain, table, text, time};
use crate::words::Said;
use maud::{Markup, html};
use serde_json::{Value, json};
use std::collections::BTreeMap;

/// So many causes of a kind are shown, the most frequent.
const MOST_CAUSES: usize = 12;
/// So many endpoints are shown, those first that take no requests. The first page stays small.
const MOST_ENDPOINTS: usize = 30;

/// The page. The configuration comes first: who may not see that sees nothing of what needs no role either.
pub(crate) async fn show(ask: &Ask<'_>) -> Result<Shown, Failed> {
    let (words, reads) = (ask.words, &ask.reads);
    let history = match reads.json("/api/v1/config/history?limit=1").await {
        Err(failed @ (Failed::LoggedOut | Failed::Forbidden)) => return Err(failed),
        read => read,
    };
    let (ready, metrics) = (reads.readiness().await, reads.text("/metrics").await);
    let services = reads.json("/api/v1/services?limit=200").await;
    let (issuers, certificates) =
        (reads.json("/api/v1/issuers").await, reads.json("/api/v1/certificates").await);
    let body = html! {
        (last_hour(ask))
        (part(words, words.refusals, &metrics, |metrics| refusals(words, &ask.history.causes(&causes(metrics)))))
        (part(words, words.parts, &ready, |ready| components(words, ready)))
        (part(words, words.configuration, &history, |history| configuration(words, history)))
        (part(words, words.requests, &metrics, |metrics| requests(words, metrics)))
        (part(words, words.endpoints, &services, |services| endpoints_table(words, services)))
        (part(words, words.issuers, &issuers, |issuers| issuers_table(words, issuers)))
        (part(words, words.certificates, &certificates, |all| certificates_table(words, all)))
    };
    Ok(Shown::page(words.overview, "/console", body))
}

/// Charts of the hour before.
fn last_hour(ask: &Ask<'_>) -> Markup {
    let (words, rates) = (ask.words, ask.history.rates());
    let ends = (words.now, words.most);
    let of = |pick: fn(&Rates) -> f64| rates.iter().map(pick).collect::<Vec<_>>();
    html! {
        section {
            h2 { (words.last_hour) }
            div .charts {
                (chart(words.requests_a_second, ends, "/s", &of(|one| one.requests)))
                (chart(words.refused_a_second, ends, "/s", &of(|one| one.refused)))
                (chart(words.failed_a_second, ends, "/s", &of(|one| one.failed)))
                (chart(words.took, ends, "ms", &of(|one| one.took)))
            }
        }
    }
}

/// What was refused in the hour before, and why.
fn refusals(words: &Said, all: &[Cause]) -> Markup {
    let of = |groups: &[Group]| -> Vec<&Cause> {
        all.iter().filter(|cause| groups.contains(&cause.group)).take(MOST_CAUSES).collect()
    };
    let elsewhere = [Group::Rejected, Group::Unknown, Group::RateLimit, Group::Limit];
    html! {
        @if all.is_empty() { p .dim { (words.nothing_refused) } }
        (causes_table(words, words.told_clients, &of(&[Group::Problem])))
        (causes_table(words, words.denials, &of(&[Group::Denial])))
        (causes_table(words, words.behind_refusals, &of(&elsewhere)))
    }
}

fn causes_table(words: &Said, title: &str, all: &[&Cause]) -> Markup {
    html! {
        @if !all.is_empty() {
            h3 { (title) }
            div .scroll tabindex="0" role="region" aria-label=(title) {
                table {
                    thead { tr {
                        th scope="col" { (words.reason) } th scope="col" { (words.count) } th scope="col" { (words.last_hour) }
                    } }
                    tbody { @for cause in all {
                        tr {
                            td { (named(words, cause)) }
                            td { (cause.count) }
                            td { (spark(&cause.spans)) }
                        }
                    } }
                }
            }
        }
    }
}

/// A cause in words, with what the gate calls it, and a link to where more of it is told.
fn named(words: &Said, cause: &Cause) -> Markup {
    let name = &*cause.name;
    let (said, to) = match cause.group {
        Group::Problem => (words.problem(name), of_problem(name).to_owned()),
        Group::Denial => {
            (words.denial(name), address("/console/decisions", &[("outcome", "deny"), ("reason", name)]))
        }
        Group::Rejected => (words.rejected_by, "/console/audit?event=refusal".to_owned()),
        Group::Unknown => (words.unknown_to, "/console/audit?event=refusal".to_owned()),
        Group::RateLimit => (words.over_limit_by, "/console/routes".to_owned()),
        Group::Limit => (words.reached_limit, String::new()),
    };
    html! {
        @if to.is_empty() { (said) } @else { a href=(to) { (said) } }
        @if said != name { " " code { bdi { (name) } } }
    }
}

/// The page that tells more of a problem.
fn of_problem(name: &str) -> &'static str {
    match name {
        "forbidden" => "/console/decisions?outcome=deny",
        "cannot-tell" => "/console/decisions?outcome=unavailable",
        "invalid-credentials" => "/console/audit?event=refusal",
        "rate-limited" | "no-route" | "method-not-allowed" => "/console/routes",
        "bad-gateway" | "gateway-timeout" | "no-endpoint" | "overloaded" => "/console/services",
        _ => "",
    }
}

/// A part of the page; why it is not there, where it is not.
fn part<T>(words: &Said, title: &str, read: &Result<T, Failed>, shown: impl Fn(&T) -> Markup) -> Markup {
    html! {
        section {
            h2 { (title) }
            @match read {
                Ok(read) => (shown(read)),
                Err(Failed::Refused(why) | Failed::Faulty(_, why) | Failed::Unavailable(why)) => p .problem { (words.failed) ": " (why) },
                Err(_) => p .dim { (words.forbidden) },
            }
        }
    }
}

fn components(words: &Said, ready: &Value) -> Markup {
    let all = ready.get("components").and_then(Value::as_array).map_or(&[][..], Vec::as_slice);
    let state = |row: &Value| match row.get("reason").and_then(Value::as_str) {
        None => html! { span .good { (words.ready) } " " (text(row, "/notes")) },
        Some(reason) => html! { span .bad { (words.not_ready) } ": " bdi { (reason) } },
    };
    table(words.parts, &[(words.part, &|row| text(row, "/name")), (words.state, &state)], all, words.none)
}

fn configuration(words: &Said, history: &Value) -> Markup {
    let by = |row: &Value| {
        let by = row.get("by").unwrap_or(&Value::Null);
        html! { bdi { (plain(by.pointer("/subject").or_else(|| by.pointer("/who/subject")).or(by.get("uid")))) } }
    };
    let columns: [Column<'_>; 4] = [
        (words.generation, &|row| text(row, "/generation")),
        (words.since, &|row| time(words, row, "/at", "")),
        (words.because, &|row| text(row, "/because")),
        (words.by, &by),
    ];
    table(words.configuration, &columns, items(history), words.none)
}

/// Requests by status, over all routes.
fn requests(words: &Said, metrics: &str) -> Markup {
    let mut counts: BTreeMap<&str, u64> = BTreeMap::new();
    for line in metrics.lines().filter(|line| line.starts_with("haechi_http_requests_total{")) {
        let status = line.split_once("status=\"").and_then(|(_, rest)| rest.split_once('"'));
        let count = line.rsplit_once(' ').and_then(|(_, count)| count.parse::<u64>().ok());
        if let (Some((status, _)), Some(count)) = (status, count) {
            *counts.entry(status).or_default() += count;
        }
    }
    let rows: Vec<Value> =
        counts.into_iter().map(|(status, count)| json!({ "status": status, "count": count })).collect();
    let columns: [Column<'_>; 2] =
        [(words.status, &|row| text(row, "/status")), (words.count, &|row| text(row, "/count"))];
    table(words.requests, &columns, &rows, words.none)
}

fn endpoints_table(words: &Said, services: &Value) -> Markup {
    let mut rows = endpoints::rows(services);
    let all = rows.len();
    rows.sort_by_key(|row| row.pointer("/endpoint/available").and_then(Value::as_bool) == Some(true));
    rows.truncate(MOST_ENDPOINTS);
    let columns: [Column<'_>; 5] = [
        (words.service, &|row| text(row, "/service")),
        (words.endpoint, &|row| text(row, "/endpoint/url")),
        (words.health, &|row| text(row, "/endpoint/health")),
        (words.takes, &|row| endpoints::takes(words, row)),
        (words.in_flight, &|row| text(row, "/endpoint/in_flight")),
    ];
    html! {
        (table(words.endpoints, &columns, &rows, words.none))
        @if all > rows.len() { p .more { a href="/console/services" { (words.all_of_them) " (" (all) ")" } } }
    }
}

fn issuers_table(words: &Said, issuers: &Value) -> Markup {
    let state = |row: &Value| match row.get("ready").and_then(Value::as_bool) {
        Some(true) => html! { span .good { (words.ready) } },
        _ => html! { span .bad { (words.not_ready) } ": " (text(row, "/reason")) },
    };
    let keys = |row: &Value| {
        let count = row.get("keys").and_then(Value::as_array).map_or(0, Vec::len);
        html! { (count) }
    };
    let columns: [Column<'_>; 4] = [
        (words.authenticator, &|row| text(row, "/authenticator")),
        (words.issuer, &|row| text(row, "/issuer")),
        (words.state, &state),
        (words.key_count, &keys),
    ];
    table(words.issuers, &columns, items(issuers), words.none)
}

fn certificates_table(words: &Said, all: &Value) -> Markup {
    let columns: [Column<'_>; 3] = [
        (words.subject, &|row| text(row, "/subject")),
        (words.file, &|row| text(row, "/file")),
        (words.ends, &|row| time(words, row, "/not_after", "")),
    ];
    table(words.certificates, &columns, items(all), words.none)
}

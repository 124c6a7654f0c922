//! Changes that wait for a second person.

use crate::fetch::Failed;
use crate::shown::{Ask, Shown};
use crate::table::{Column, address, below, button, items, plain, segment, table, text, time, with_changes};
use maud::html;
use serde_json::Value;

const PAGE: &str = "/console/approvals";

/// Those that wait, and those that were decided.
pub(crate) async fn list(ask: &Ask<'_>) -> Result<Shown, Failed> {
    let words = ask.words;
    let asked = [("cursor", ask.query.one("cursor"))];
    let list = ask.reads.json(&address("/api/v1/approvals", &asked)).await?;
    let content = |row: &Value| match row.get("content").filter(|content| !content.is_null()) {
        None => html! {},
        Some(content) => html! {
            details {
                summary { (words.content) }
                @for (name, value) in content.as_object().into_iter().flatten() {
                    div { span .dim { bdi { (name) } } }
                    pre { (plain(Some(value))) }
                }
            }
        },
    };
    let decide = |row: &Value| {
        let id = plain(row.get("id"));
        let to = |what: &str| format!("approvals/{}/{what}", segment(&id));
        html! {
            @if row.get("decided_at").is_none_or(Value::is_null) {
                (button(ask, &to("approve"), words.approve, &id))
                (button(ask, &to("reject"), words.reject, &id))
            }
        }
    };
    let columns: [Column<'_>; 7] = [
        (words.change, &|row| html! { (text(row, "/action")) " " (text(row, "/target")) }),
        (words.content, &content),
        (words.state, &|row| text(row, "/state")),
        (words.by, &|row| html! { (text(row, "/asked_by/subject")) " " (time(words, row, "/asked_at", "")) }),
        (words.ends, &|row| time(words, row, "/expires_at", "")),
        (
            words.decided_by,
            &|row| html! { (text(row, "/decided_by/subject")) " " (time(words, row, "/decided_at", "")) },
        ),
        (words.decide, &decide),
    ];
    let shown = with_changes(ask, &columns);
    let body = html! {
        (table(words.approvals, shown, items(&list), words.no_approvals))
        (below(ask, PAGE, &asked, &list))
    };
    Ok(Shown::list(words.approvals, PAGE, body, &list))
}

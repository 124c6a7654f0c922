//! Logins that can be refreshed.

use crate::fetch::Failed;
use crate::shown::{Ask, Shown};
use crate::table::{
    Column, address, below, button, filter, items, plain, segment, table, text, time, with_changes,
};
use maud::html;
use serde_json::Value;

const PAGE: &str = "/console/sessions";

/// The newest, of one user where one is asked for.
pub(crate) async fn list(ask: &Ask<'_>) -> Result<Shown, Failed> {
    let words = ask.words;
    let asked = [("user", ask.query.one("user"))];
    let list = ask.reads.json(&address("/api/v1/sessions", &asked)).await?;
    let end = |row: &Value| {
        let id = plain(row.get("id"));
        button(ask, &format!("sessions/{}/end", segment(&id)), words.end, &id)
    };
    let columns: [Column<'_>; 6] = [
        (words.subject, &|row| text(row, "/subject")),
        (words.authenticator, &|row| text(row, "/authenticator")),
        (words.since, &|row| time(words, row, "/created_at", "")),
        (words.ends, &|row| time(words, row, "/expires_at", "")),
        (words.id, &|row| text(row, "/id")),
        (words.change, &end),
    ];
    let shown = with_changes(ask, &columns);
    let body = html! {
        form .filter method="get" action=(PAGE) {
            (filter("user", words.username, ask.query.one("user")))
            button type="submit" { (words.show) }
        }
        (table(words.sessions, shown, items(&list), words.no_sessions))
        (below(ask, PAGE, &asked, &list))
    };
    Ok(Shown::list(words.sessions, PAGE, body, &list))
}

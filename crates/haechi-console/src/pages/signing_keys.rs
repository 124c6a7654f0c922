//! The keys that tokens are signed with.

use crate::fetch::Failed;
use crate::shown::{Ask, Shown};
use crate::table::{Column, below, button, items, plain, segment, table, text, time, with_changes};
use maud::html;
use serde_json::Value;

const PAGE: &str = "/console/signing-keys";

/// All of them, oldest first.
pub(crate) async fn list(ask: &Ask<'_>) -> Result<Shown, Failed> {
    let words = ask.words;
    let list = ask.reads.json("/api/v1/signing-keys").await?;
    let retire = |row: &Value| {
        let kid = plain(row.get("kid"));
        button(ask, &format!("signing-keys/{}/retire", segment(&kid)), words.retire, &kid)
    };
    let columns: [Column<'_>; 7] = [
        (words.id, &|row| text(row, "/kid")),
        (words.algorithm, &|row| text(row, "/algorithm")),
        (words.state, &|row| text(row, "/state")),
        (words.since, &|row| time(words, row, "/active_from", "")),
        (words.published_until, &|row| time(words, row, "/published_until", "")),
        (words.seal, &|row| text(row, "/seal")),
        (words.change, &retire),
    ];
    let shown = with_changes(ask, &columns);
    let body = html! {
        (button(ask, "signing-keys/rotate", words.rotate, ""))
        (table(words.signing_keys, shown, items(&list), words.none))
        (below(ask, PAGE, &[], &list))
    };
    Ok(Shown::list(words.signing_keys, PAGE, body, &list))
}

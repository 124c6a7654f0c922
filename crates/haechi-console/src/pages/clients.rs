//! Machine clients, and programs that people log in to.

use crate::fetch::Failed;
use crate::shown::{Ask, Shown};
use crate::table::{
    Column, address, below, button, field, form, items, plain, segment, table, text, time, to_form,
};
use maud::html;
use serde_json::Value;

const PAGE: &str = "/console/clients";

/// By name.
pub(crate) async fn list(ask: &Ask<'_>) -> Result<Shown, Failed> {
    let words = ask.words;
    let asked = [("cursor", ask.query.one("cursor"))];
    let list = ask.reads.json(&address("/api/v1/clients", &asked)).await?;
    let link = |row: &Value| {
        let id = segment(&plain(row.get("client_id")));
        html! { a href={ (PAGE) "/" (id) } { (text(row, "/name")) } }
    };
    let columns: [Column<'_>; 5] = [
        (words.name, &link),
        (words.roles, &|row| text(row, "/roles")),
        (words.scopes, &|row| text(row, "/scopes")),
        (words.proof, &|row| text(row, "/proof")),
        (words.added, &|row| time(words, row, "/created_at", "")),
    ];
    let body = html! {
        (to_form(ask, "clients/new", words.add_client))
        (table(words.clients, &columns, items(&list), words.no_clients))
        (below(ask, PAGE, &asked, &list))
    };
    Ok(Shown::list(words.clients, PAGE, body, &list))
}

/// One of them, and what can be changed. `id` is as it stood in the address.
pub(crate) async fn one(ask: &Ask<'_>, id: &str) -> Result<Shown, Failed> {
    let words = ask.words;
    let client = ask.reads.json(&format!("/api/v1/clients/{id}")).await?;
    let has_secret = plain(client.get("proof")).contains("secret");
    let overlap = html! {
        (field(ask, "hours", words.overlap, "", false))
        button .second type="submit" { (words.rotate) }
    };
    let body = html! {
        dl {
            dt { (words.name) } dd { (text(&client, "/name")) }
            dt { (words.id) } dd { (text(&client, "/client_id")) }
            dt { (words.proof) } dd { (text(&client, "/proof")) }
            dt { (words.roles) } dd { (text(&client, "/roles")) }
            dt { (words.scopes) } dd { (text(&client, "/scopes")) }
            dt { (words.audiences) } dd { (text(&client, "/audiences")) }
            dt { (words.redirects) } dd { (text(&client, "/redirect_uris")) }
            dt { (words.added) } dd { (time(words, &client, "/created_at", "")) }
            dt { (words.previous) } dd { (time(words, &client, "/previous_secret_until", words.never)) }
        }
        @if ask.reads.session.changes {
            h2 { (words.change) }
            @if has_secret { (form(ask, &format!("clients/{id}/rotate"), &overlap)) }
            div .acts { (button(ask, &format!("clients/{id}/delete"), words.delete, &plain(client.get("name")))) }
        }
    };
    Ok(Shown::page(words.client, PAGE, body))
}

/// The form for another.
pub(crate) fn new(ask: &Ask<'_>) -> Shown {
    let words = ask.words;
    let content = html! {
        (field(ask, "name", words.name, "", true))
        (field(ask, "roles", words.roles, words.many, false))
        (field(ask, "scopes", words.scopes, words.many, false))
        (field(ask, "audiences", words.audiences, words.many, false))
        button type="submit" { (words.add_client) }
    };
    Shown::page(words.add_client, PAGE, form(ask, "clients/new", &content))
}

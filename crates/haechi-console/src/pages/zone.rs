//! The zone in which times are told.

use crate::place::place;
use crate::shown::{Ask, Shown};
use crate::zone::names;
use maud::html;

/// The form that chooses it, which leads back to where its reader came from.
pub(crate) fn show(ask: &Ask<'_>) -> Shown {
    let words = ask.words;
    let next = if ask.from.starts_with("/console/zone") { "/console" } else { place(&ask.from) };
    let body = html! {
        form .change method="post" action="/console/zone" {
            input type="hidden" name="next" value=(next);
            label for="zone" { (words.time_zone) }
            select #zone name="zone" aria-describedby="zone-hint" {
                @for name in names() { option selected[name == words.zone.name()] { (name) } }
            }
            p #zone-hint .hint { (words.zone_hint) }
            button type="submit" { (words.save) }
        }
    };
    Shown::page(words.time_zone, "", body)
}

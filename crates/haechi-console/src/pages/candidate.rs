//! What a configuration would mean that is not in force.

use crate::shown::{Ask, Shown};
use crate::table::form;
use maud::html;

const PAGE: &str = "/console/candidate";

/// The form for its text. What is answered stands above it.
pub(crate) fn show(ask: &Ask<'_>) -> Shown {
    let words = ask.words;
    let content = html! {
        label for="text" { (words.candidate) " (YAML)" }
        textarea #text name="text" rows="20" spellcheck="false" required aria-describedby="text-hint" { (ask.query.one("text")) }
        p #text-hint .hint { (words.candidate_hint) }
        button type="submit" { (words.check) }
        button .second type="submit" formaction={ (PAGE) "/diff" } { (words.compare) }
    };
    Shown::page(words.candidate, PAGE, form(ask, "candidate/validate", &content))
}

//! What the provider's pages are made of: forms, fields, and words about scopes.

use super::words::Words;
use haechi_authn::identity::Page;
use maud::{Markup, html};

pub(super) fn form(page: &Page, base: &str, path: &str, inside: Markup) -> Markup {
    html! {
        form method="post" action={ (base) "/" (path) } {
            input type="hidden" name="ticket" value=(page.ticket);
            (inside)
        }
    }
}

/// A field and its label. `bad` says that the problem is about it.
pub(super) struct Field<'a> {
    pub(super) name: &'a str,
    pub(super) label: &'a str,
    pub(super) kind: &'a str,
    pub(super) complete: &'a str,
    pub(super) value: &'a str,
    pub(super) focus: bool,
    pub(super) bad: bool,
}

pub(super) fn field(field: &Field<'_>) -> Markup {
    let Field { name, label, kind, complete, value, focus, bad } = *field;
    let described = bad.then_some("problem");
    let invalid = bad.then_some("true");
    html! {
        label for=(name) { (label) }
        input id=(name) name=(name) type=(kind) autocomplete=(complete) value=(value) required autocapitalize="none"
            spellcheck="false" autofocus[focus] aria-invalid=[invalid] aria-describedby=[described];
    }
}

pub(super) fn on_to(page: &Page, words: &Words) -> Markup {
    match &page.client {
        Some(client) => html! { p .dim { (words.on_to) " " strong { (client) } } },
        None => html! {},
    }
}

pub(super) fn password_field<'a>(
    name: &'a str,
    label: &'a str,
    complete: &'a str,
    focus: bool,
    bad: bool,
) -> Field<'a> {
    Field { name, label, kind: "password", complete, value: "", focus, bad }
}

pub(super) fn scope_text(scope: &str, words: &Words) -> Markup {
    match scope {
        "openid" => html! { (words.scope_openid) },
        "profile" => html! { (words.scope_profile) },
        "offline_access" => html! { (words.scope_offline) },
        other => html! { code { (other) } },
    }
}

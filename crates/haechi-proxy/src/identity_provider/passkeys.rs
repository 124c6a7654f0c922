//! Passkeys on the provider's pages, in HTML.

use super::fields::{Field, field, form, password_field};
use super::own_pages::{link, time};
use super::passkey_script::passkey_script;
use super::words::Words;
use haechi_authn::identity::{OwnPage, OwnPasskey, Page, PasskeyQuestion, Problem};
use maud::{Markup, html};

/// Has the page run the script.
pub(super) fn script(base: &str) -> Markup {
    html! { script src={ (base) "/" (passkey_script()) } defer {} }
}

/// The form that asks for a passkey. It is there where the browser runs the script and has passkeys.
pub(super) fn question(page: &Page, asked: &PasskeyQuestion, base: &str, words: &Words) -> Markup {
    let (path, action) =
        if asked.creates { (OwnPage::Passkeys.name(), "create") } else { ("authorize", "passkey") };
    let label = if asked.creates { words.passkey_create } else { words.passkey_log_in };
    html! {
        form method="post" action={ (base) "/" (path) } data-passkey=(asked.options) data-creates[asked.creates] hidden {
            input type="hidden" name="ticket" value=(page.ticket);
            input type="hidden" name="action" value=(action);
            input type="hidden" name="passkey";
            p .problem role="alert" data-failed hidden { (words.passkey_failed) }
            button .second[!asked.creates] type="button" data-start { (label) }
        }
    }
}

/// The passkeys that there are, and a form to add one.
pub(super) fn passkeys(page: &Page, own: &[OwnPasskey], base: &str, words: &Words) -> Markup {
    let bad = page.problem == Some(Problem::Current);
    let name = Field {
        name: "name",
        label: words.passkey_name,
        kind: "text",
        complete: "off",
        value: "",
        focus: false,
        bad: false,
    };
    html! {
        p { (words.passkeys_text) }
        @if own.is_empty() { p .dim { (words.no_passkeys) } }
        ul .plain { @for one in own { li { (one_passkey(page, one, base, words)) } } }
        h2 { (words.passkey_add) }
        (form(page, base, OwnPage::Passkeys.name(), html! {
            input type="text" name="username" value=(page.username) autocomplete="username" hidden;
            (field(&name))
            (field(&password_field("password", words.current_password, "current-password", bad, bad)))
            button type="submit" name="action" value="add" { (words.passkey_add) }
        }))
        p { (link(base, OwnPage::Account, words.back_to_account)) }
    }
}

fn one_passkey(page: &Page, one: &OwnPasskey, base: &str, words: &Words) -> Markup {
    html! {
        p {
            strong { (one.name) }
            br;
            span .dim {
                @if one.synced { (words.passkey_synced) } @else { (words.passkey_bound) }
                br;
                (words.began) " " (time(one.created))
                @if let Some(used) = one.used { br; (words.used) " " (time(used)) }
            }
        }
        (form(page, base, OwnPage::Passkeys.name(), html! {
            input type="hidden" name="id" value=(one.id);
            button .second type="submit" name="action" value="remove" { (words.passkey_remove) }
        }))
    }
}

/// The page that makes a passkey.
pub(super) fn new_passkey(page: &Page, name: &str, base: &str, words: &Words) -> Markup {
    html! {
        p { (words.passkey_make) " " strong { (name) } }
        p data-without { (words.passkey_without) }
        @if let Some(asked) = &page.passkey { (question(page, asked, base, words)) }
        p { (link(base, OwnPage::Passkeys, words.cancel)) }
    }
}

/// Whether to take one away.
pub(super) fn remove_passkey(page: &Page, (id, name): (&str, &str), base: &str, words: &Words) -> Markup {
    let bad = page.problem == Some(Problem::Current);
    html! {
        p { strong { (name) } }
        p { (words.passkey_remove_text) }
        (form(page, base, OwnPage::Passkeys.name(), html! {
            input type="hidden" name="id" value=(id);
            input type="text" name="username" value=(page.username) autocomplete="username" hidden;
            (field(&password_field("password", words.current_password, "current-password", true, bad)))
            button type="submit" name="action" value="confirm" { (words.passkey_remove) }
        }))
        p { (link(base, OwnPage::Passkeys, words.cancel)) }
    }
}

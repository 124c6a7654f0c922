//! The pages on which people see to their own account, in HTML: password, second factor, logins, and what applications may have.

use super::fields::{Field, field, form, on_to, password_field, scope_text};
use super::own_password::told_of;
use super::words::{Language, Words};
use haechi_authn::hashing::PasswordFault;
use haechi_authn::identity::{
    Account, FactorStanding, GivenConsent, NewFactor, OwnLogin, OwnPage, Page, Problem,
};
use haechi_core::{Secret, Timestamp};
use maud::{Markup, html};
use qrcodegen::{QrCode, QrCodeEcc};
use std::fmt::Write;

/// The light space around a QR code, in modules (ISO/IEC 18004).
const QUIET: i32 = 4;

pub(super) fn link(base: &str, page: OwnPage, text: &str) -> Markup {
    html! { a href={ (base) "/" (page.name()) } { (text) } }
}

/// Another password; the one of now is asked for where it was not shown on the page before.
pub(super) fn new_password(page: &Page, asks_current: bool, base: &str, words: &Words) -> Markup {
    let is_bad = |is: fn(Problem) -> bool| page.problem.is_some_and(is);
    let current = is_bad(|problem| problem == Problem::Current);
    let new = is_bad(|problem| matches!(problem, Problem::Password(_) | Problem::Repeated));
    html! {
        (on_to(page, words))
        @if !asks_current { p { (words.must_change) } }
        p .dim { (words.password_rule) }
        // After a reload of what follows the page of one's own is there again.
        (form(page, base, if asks_current { OwnPage::Password.name() } else { "authorize" }, html! {
            // For password managers: whose password it is.
            input type="text" name="username" value=(page.username) autocomplete="username" hidden;
            @if asks_current {
                (field(&password_field("password", words.current_password, "current-password", !new, current)))
            }
            (field(&password_field("new_password", words.new_password, "new-password", !asks_current || new, new)))
            (field(&password_field("repeated", words.repeated_password, "new-password", false, new)))
            button type="submit" name="action" value="change" { (words.change_password) }
        }))
        @if asks_current { p { (link(base, OwnPage::Account, words.back_to_account)) } }
    }
}

/// What is wrong with a password.
pub(super) fn password_problem(fault: PasswordFault, language: Language) -> &'static str {
    language.said(told_of(fault))
}

pub(super) fn second_factor(
    page: &Page,
    (standing, has_passkeys): (&FactorStanding, bool),
    setting_up: Option<&NewFactor>,
    base: &str,
    words: &Words,
) -> Markup {
    let asks_passkey = has_passkeys && !standing.asks_passkey;
    html! {
        @if !standing.is_on { p { (words.factor_off) } }
        @if standing.has_app { p { (words.factor_on) } }
        @if standing.asks_passkey { p { (words.passkey_asked) } }
        @match setting_up {
            Some(new) => (set_up(page, new, base, words)),
            None => (with_password(page, (standing, asks_passkey), base, words)),
        }
        p { (link(base, OwnPage::Account, words.back_to_account)) }
    }
}

/// The secret, to be scanned or typed, and the field for its first code.
fn set_up(page: &Page, new: &NewFactor, base: &str, words: &Words) -> Markup {
    let bad = page.problem == Some(Problem::FirstCode);
    let code = Field {
        name: "code",
        label: words.first_code,
        kind: "text",
        complete: "one-time-code",
        value: "",
        focus: true,
        bad,
    };
    html! {
        p { (words.set_up_text) }
        (qr(new.uri.expose(), words.qr))
        p { (words.set_up_key) " " code { (grouped(new.secret.expose())) } }
        p { a href=(new.uri.expose()) { (words.set_up_link) } }
        (form(page, base, OwnPage::SecondFactor.name(), html! {
            (field(&code))
            button type="submit" name="action" value="confirm" { (words.turn_on) }
        }))
    }
}

fn with_password(
    page: &Page,
    (standing, can_ask_passkey): (&FactorStanding, bool),
    base: &str,
    words: &Words,
) -> Markup {
    let bad = page.problem == Some(Problem::Current);
    html! {
        (form(page, base, OwnPage::SecondFactor.name(), html! {
            input type="text" name="username" value=(page.username) autocomplete="username" hidden;
            (field(&password_field("password", words.current_password, "current-password", true, bad)))
            button type="submit" name="action" value="enrol" {
                @if standing.has_app { (words.another_app) } @else { (words.set_up) }
            }
            @if can_ask_passkey {
                button .second type="submit" name="action" value="passkey" { (words.ask_passkey) }
            }
            @if standing.is_on {
                button .second type="submit" name="action" value="codes" { (words.new_codes) }
                button .second type="submit" name="action" value="disable" { (words.turn_off) }
            }
        }))
    }
}

/// In fours, as people read it out.
fn grouped(secret: &str) -> String {
    let fours = secret.as_bytes().chunks(4).map(String::from_utf8_lossy);
    fours.collect::<Vec<_>>().join(" ")
}

/// Dark on light whatever the page's colours: cameras want it so. Nothing where the text is too long for one.
fn qr(text: &str, label: &str) -> Markup {
    let Ok(code) = QrCode::encode_text(text, QrCodeEcc::Medium) else { return html! {} };
    let size = code.size();
    let mut path = String::new();
    for y in 0..size {
        for x in 0..size {
            if code.get_module(x, y) {
                // A `String` takes everything.
                let _ = write!(path, "M{},{}h1v1h-1z", x + QUIET, y + QUIET);
            }
        }
    }
    let whole = size + 2 * QUIET;
    html! {
        svg .qr xmlns="http://www.w3.org/2000/svg" viewBox={ "0 0 " (whole) " " (whole) } role="img" aria-label=(label) {
            rect width="100%" height="100%" fill="#ffffff" {}
            path d=(path) fill="#000000" {}
        }
    }
}

pub(super) fn recovery_codes(codes: &[Secret<String>], base: &str, words: &Words) -> Markup {
    html! {
        p { (words.codes_text) }
        ul .codes { @for code in codes { li { code { (code.expose()) } } } }
        p { (link(base, OwnPage::Account, words.codes_kept)) }
    }
}

pub(super) fn account(page: &Page, account: &Account, base: &str, words: &Words) -> Markup {
    let others = account.logins.iter().any(|login| !login.is_this);
    html! {
        p { (words.logged_in_as) " " strong { (page.username) } }
        ul .plain {
            li { (link(base, OwnPage::Password, words.change_password)) }
            li {
                (link(base, OwnPage::SecondFactor, words.code_title)) " "
                span .dim { @if account.second_factor { (words.is_on) } @else { (words.is_off) } }
            }
            @if let Some(passkeys) = account.passkeys {
                li {
                    (link(base, OwnPage::Passkeys, words.passkeys)) " "
                    span .dim { "(" (passkeys) ")" }
                }
            }
            li { a href={ (base) "/end_session" } { (words.log_out) } }
        }
        h2 { (words.logins) }
        ul .plain { @for login in &account.logins { li { (one_login(page, login, base, words)) } } }
        @if others {
            (form(page, base, OwnPage::Account.name(), html! {
                button .second type="submit" name="action" value="end_others" { (words.end_others) }
            }))
        }
        h2 { (words.consents) }
        @if account.consents.is_empty() { p .dim { (words.no_consents) } }
        ul .plain { @for given in &account.consents { li { (one_consent(page, given, base, words)) } } }
    }
}

fn one_login(page: &Page, login: &OwnLogin, base: &str, words: &Words) -> Markup {
    let what = match &login.client {
        Some(client) => client,
        None if login.in_browser => words.browser,
        None => words.token_login,
    };
    html! {
        p {
            strong { (what) }
            @if login.is_this { " (" (words.this_login) ")" }
            br;
            span .dim {
                (words.began) " " (time(login.began))
                @if let Some(used) = login.used { br; (words.used) " " (time(used)) }
            }
        }
        (form(page, base, OwnPage::Account.name(), html! {
            input type="hidden" name="login" value=(login.id);
            button .second type="submit" name="action" value="end" { (words.end_login) }
        }))
    }
}

fn one_consent(page: &Page, given: &GivenConsent, base: &str, words: &Words) -> Markup {
    html! {
        p { strong { (given.name) } }
        ul {
            @for scope in &given.scopes { li { (scope_text(scope, words)) } }
            @if given.scopes.is_empty() { li { (words.scope_nothing) } }
        }
        (form(page, base, OwnPage::Account.name(), html! {
            input type="hidden" name="client" value=(given.client);
            button .second type="submit" name="action" value="withdraw" { (words.withdraw) }
        }))
    }
}

/// To the minute, in UTC: nobody knows where the reader is.
pub(super) fn time(at: Timestamp) -> Markup {
    let exact = at.rfc3339().to_string();
    let shown = exact.get(..16).unwrap_or(&exact).replace('T', " ");
    html! { time datetime=(exact) { (shown) " UTC" } }
}

//! The provider's pages: HTML without script, whose one style and whose forms' aims the policy names (docs/identity-provider.md#pages).

use super::fields::{Field, field, form, on_to, password_field, scope_text};
use super::words::{Language, Words};
use super::{own_pages, passkeys};
use aws_lc_rs::digest::{SHA256, digest};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use haechi_authn::identity::{Page, PageKind, Problem};
use maud::{DOCTYPE, Markup, PreEscaped, html};
use std::sync::LazyLock;

const STYLE: &str = "\
:root{color-scheme:light dark;--fg:#1a1a1a;--bg:#fff;--dim:#595959;--line:#8a8a8a;--act:#0b57d0;--on:#fff;--bad:#b3261e}\
@media(prefers-color-scheme:dark){:root{--fg:#ececec;--bg:#161616;--dim:#b0b0b0;--line:#8a8a8a;--act:#a8c7fa;--on:#10233f;--bad:#ffb4ab}}\
*{box-sizing:border-box}body{font:1rem/1.5 system-ui,sans-serif;color:var(--fg);background:var(--bg);max-width:26rem;margin:0 auto;padding:8vh 1rem 2rem;overflow-wrap:anywhere}\
h1{font-size:1.5rem;margin:0 0 1rem}label{display:block;margin:1rem 0 .25rem;font-weight:600}\
input{width:100%;padding:.6rem;font:inherit;color:inherit;background:transparent;border:1px solid var(--line);border-radius:.4rem}\
input[aria-invalid]{border-color:var(--bad)}button{width:100%;margin-top:1rem;padding:.65rem;font:inherit;font-weight:600;border-radius:.4rem;border:1px solid var(--act);background:var(--act);color:var(--on);cursor:pointer}\
button.second{background:transparent;color:var(--act)}:focus-visible{outline:3px solid var(--act);outline-offset:2px}\
.problem{color:var(--bad);border-left:.25rem solid var(--bad);padding-left:.75rem;margin:1rem 0}.dim{color:var(--dim)}code{font-size:1rem}\
li{margin:.25rem 0}h2{font-size:1.15rem;margin:2rem 0 .5rem}a{color:var(--act)}.plain{list-style:none;padding:0}.plain>li{border-top:1px solid var(--line);padding:.5rem 0}\
.codes{padding-left:1.2rem}.qr{display:block;width:14rem;max-width:100%;margin:1rem auto;border-radius:.4rem}";

/// The style's hash, as a policy has it.
static STYLE_SHA256: LazyLock<String> =
    LazyLock::new(|| STANDARD.encode(digest(&SHA256, STYLE.as_bytes()).as_ref()));

/// The policy of a page whose form may lead to `leads_to` besides this site, and that runs `script`, by its whole address, and nothing else. Browsers hold
/// redirects after a form to it as well.
pub(super) fn policy(leads_to: Option<&str>, script: Option<&str>) -> String {
    let script = script.map_or_else(String::new, |address| format!(" script-src {address};"));
    let leads_to = leads_to.map_or_else(String::new, |origin| format!(" {origin}"));
    let style = &*STYLE_SHA256;
    format!(
        "default-src 'none'; style-src 'sha256-{style}';{script} form-action 'self'{leads_to}; base-uri 'none'; frame-ancestors 'none'"
    )
}

/// A page as it is sent. `base` is below which path the provider answers.
pub(super) fn render(page: &Page, base: &str, language: Language) -> Vec<u8> {
    let words = Words::of(language);
    let title = title(&page.kind, words);
    let whole = html! {
        (DOCTYPE)
        html lang=(language.tag()) {
            head {
                meta charset="utf-8";
                meta name="viewport" content="width=device-width, initial-scale=1";
                meta name="robots" content="noindex";
                title { (title) }
                style { (PreEscaped(STYLE)) }
                @if page.passkey.is_some() { (passkeys::script(base)) }
            }
            body {
                main {
                    h1 { (title) }
                    (problem(page.problem, words, language))
                    (body(page, base, words))
                }
            }
        }
    };
    whole.into_string().into_bytes()
}

fn title(kind: &PageKind, words: &Words) -> &'static str {
    match kind {
        PageKind::Login => words.log_in,
        PageKind::Code { .. } | PageKind::SecondFactor { .. } => words.code_title,
        PageKind::NewPassword { .. } => words.change_password,
        PageKind::RecoveryCodes(_) => words.codes_title,
        PageKind::Passkeys(_) => words.passkeys,
        PageKind::NewPasskey { .. } => words.passkey_add,
        PageKind::RemovePasskey { .. } => words.passkey_remove_title,
        PageKind::Account(_) => words.account,
        PageKind::Consent { .. } => words.consent,
        PageKind::Logout => words.log_out_question,
        PageKind::LoggedOut => words.logged_out,
    }
}

fn body(page: &Page, base: &str, words: &Words) -> Markup {
    match &page.kind {
        PageKind::Login => login(page, base, words),
        PageKind::Code { has_app } => code(page, *has_app, base, words),
        PageKind::NewPassword { asks_current } => own_pages::new_password(page, *asks_current, base, words),
        PageKind::SecondFactor { standing, has_passkeys, setting_up } => {
            let asks = (standing, *has_passkeys);
            own_pages::second_factor(page, asks, setting_up.as_ref(), base, words)
        }
        PageKind::RecoveryCodes(codes) => own_pages::recovery_codes(codes, base, words),
        PageKind::Passkeys(own) => passkeys::passkeys(page, own, base, words),
        PageKind::NewPasskey { name } => passkeys::new_passkey(page, name, base, words),
        PageKind::RemovePasskey { id, name } => passkeys::remove_passkey(page, (id, name), base, words),
        PageKind::Account(account) => own_pages::account(page, account, base, words),
        PageKind::Consent { scopes, registered, sent_to } => {
            consent(page, (scopes, *registered, sent_to), base, words)
        }
        PageKind::Logout => form(
            page,
            base,
            "end_session",
            html! {
                p { (words.logged_in_as) " " strong { (page.username) } }
                button type="submit" name="action" value="logout" { (words.log_out) }
            },
        ),
        PageKind::LoggedOut => html! { p { (words.logged_out_text) } },
    }
}

/// What was wrong, first on the page and tied to the fields by its id.
fn problem(problem: Option<Problem>, words: &Words, language: Language) -> Markup {
    let Some(problem) = problem else { return html! {} };
    let text = match problem {
        Problem::Credentials => words.wrong_credentials,
        Problem::Code => words.wrong_code,
        Problem::FirstCode => words.wrong_first_code,
        Problem::Passkey => words.wrong_passkey,
        Problem::NewPasskey => words.wrong_new_passkey,
        Problem::Current => words.wrong_current,
        Problem::Repeated => words.not_repeated,
        Problem::Password(fault) => own_pages::password_problem(fault, language),
        Problem::ShortPassword => words.short_password,
        Problem::LastPasskey => words.last_passkey,
        Problem::Form => words.old_form,
    };
    html! { p #problem .problem role="alert" { (text) } }
}

fn login(page: &Page, base: &str, words: &Words) -> Markup {
    let bad = page.problem == Some(Problem::Credentials);
    let named = !page.username.is_empty();
    let name = Field {
        name: "username",
        label: words.username,
        kind: "text",
        complete: "username",
        value: &page.username,
        focus: !named,
        bad,
    };
    let password = password_field("password", words.password, "current-password", named, bad);
    html! {
        (on_to(page, words))
        (form(page, base, "authorize", html! {
            (field(&name))
            (field(&password))
            button type="submit" name="action" value="login" { (words.log_in) }
            @if page.client.is_some() {
                button .second type="submit" name="action" value="cancel" formnovalidate { (words.cancel) }
            }
        }))
        @if let Some(asked) = &page.passkey { (passkeys::question(page, asked, base, words)) }
    }
}

fn code(page: &Page, has_app: bool, base: &str, words: &Words) -> Markup {
    let bad = page.problem == Some(Problem::Code);
    html! {
        (on_to(page, words))
        p { @if has_app { (words.code_text) } @else { (words.passkey_second_text) } }
        (form(page, base, "authorize", html! {
            (field(&code_field(words.code, bad)))
            button type="submit" name="action" value="login" { (words.code_continue) }
            @if page.client.is_some() {
                button .second type="submit" name="action" value="cancel" formnovalidate { (words.cancel) }
            }
        }))
        @if let Some(asked) = &page.passkey { (passkeys::question(page, asked, base, words)) }
    }
}

fn code_field(label: &str, bad: bool) -> Field<'_> {
    Field { name: "code", label, kind: "text", complete: "one-time-code", value: "", focus: true, bad }
}

fn consent(
    page: &Page,
    (scopes, registered, sent_to): (&[String], bool, &str),
    base: &str,
    words: &Words,
) -> Markup {
    html! {
        p { strong { (page.client.as_deref().unwrap_or_default()) } " " (words.asks_for) }
        ul {
            @for scope in scopes { li { (scope_text(scope, words)) } }
            @if scopes.is_empty() { li { (words.scope_nothing) } }
        }
        @if registered { p .problem { (words.registered) } }
        p .dim { (words.sent_to) " " code { (sent_to) } }
        p .dim { (words.logged_in_as) " " strong { (page.username) } }
        (form(page, base, "authorize", html! {
            button type="submit" name="action" value="allow" { (words.allow) }
            button .second type="submit" name="action" value="deny" { (words.deny) }
        }))
    }
}

#[cfg(test)]
mod tests {
    use super::{policy, render};
    use crate::identity_provider::passkey_script::passkey_script;
    use crate::identity_provider::words::Language;
    use haechi_authn::identity::{
        Account, FactorStanding, GivenConsent, NewFactor, OwnLogin, OwnPasskey, Page, PageKind,
        PasskeyQuestion, Problem,
    };
    use haechi_core::Timestamp;
    use std::time::Duration;

    fn page(kind: PageKind) -> Page {
        Page {
            kind,
            ticket: "t\"><script>".into(),
            problem: None,
            username: "<img src=x>".into(),
            client: Some("\"><b>".into()),
            leads_to: None,
            passkey: Some(PasskeyQuestion { options: "{\"a\":\"<b>\"}".into(), creates: false }),
            cookies: Vec::new(),
        }
    }

    fn new_factor() -> NewFactor {
        let uri = "otpauth://totp/a:b?secret=\"><script>".into();
        NewFactor { secret: "<i>".into(), uri, lasts: Duration::from_secs(60) }
    }

    fn second_factor(is_on: bool, setting_up: Option<NewFactor>) -> PageKind {
        let standing = FactorStanding { is_on, has_app: is_on, ..FactorStanding::default() };
        PageKind::SecondFactor { standing, has_passkeys: true, setting_up }
    }

    fn account() -> Account {
        let login = OwnLogin {
            id: "\"><img src=x>".into(),
            is_this: false,
            in_browser: false,
            client: Some("<b>".into()),
            began: Timestamp::from_seconds(1_800_000_000),
            used: Some(Timestamp::from_seconds(1_800_000_060)),
            ends: Timestamp::from_seconds(1_800_000_600),
        };
        let given =
            GivenConsent { client: "\"><b>".into(), name: "<script>".into(), scopes: vec!["<i>".into()] };
        Account { second_factor: true, passkeys: Some(1), logins: vec![login], consents: vec![given] }
    }

    fn passkey() -> OwnPasskey {
        let created = Timestamp::from_seconds(1_800_000_000);
        OwnPasskey { id: "\"><b>".into(), name: "<i>".into(), synced: true, created, used: Some(created) }
    }

    fn all() -> Vec<PageKind> {
        let scopes = vec!["openid".into(), "<i>".into()];
        vec![
            PageKind::Login,
            PageKind::Code { has_app: true },
            PageKind::Code { has_app: false },
            PageKind::NewPassword { asks_current: true },
            second_factor(true, None),
            second_factor(false, Some(new_factor())),
            PageKind::RecoveryCodes(vec!["<b>".into()]),
            PageKind::Passkeys(vec![passkey()]),
            PageKind::NewPasskey { name: "<b>".into() },
            PageKind::RemovePasskey { id: "\"><i>".into(), name: "<b>".into() },
            PageKind::Account(Box::new(account())),
            PageKind::Consent { scopes, registered: true, sent_to: "<a>".into() },
            PageKind::Logout,
            PageKind::LoggedOut,
        ]
    }

    #[test]
    fn nothing_that_comes_from_elsewhere_becomes_markup_and_nothing_runs() {
        for kind in all() {
            for language in [Language::English, Language::Korean] {
                let text = String::from_utf8(render(&page(kind.clone()), "/auth", language)).unwrap();
                let script = format!("<script src=\"/auth/{}\" defer></script>", passkey_script());
                assert_eq!(text.matches(&script).count(), 1, "the one script, by its address");
                let text = text.replace(&script, "");
                for bad in
                    ["<script", "<img", "<b>", "<i>", "<a>", " onclick", " onload", "javascript:", " style="]
                {
                    assert!(!text.contains(bad), "{kind:?}: {bad}");
                }
            }
        }
    }

    #[test]
    fn every_field_has_a_label_and_the_problem_is_tied_to_it() {
        let mut login = page(PageKind::Login);
        login.problem = Some(Problem::Credentials);
        let text = String::from_utf8(render(&login, "/auth", Language::English)).unwrap();
        for name in ["username", "password"] {
            assert!(text.contains(&format!("<label for=\"{name}\">")), "{text}");
            assert!(text.contains(&format!("id=\"{name}\" name=\"{name}\"")), "{text}");
        }
        assert_eq!(text.matches("aria-describedby=\"problem\"").count(), 2);
        assert!(text.contains("id=\"problem\"") && text.contains("role=\"alert\""), "{text}");
        assert!(text.contains("action=\"/auth/authorize\""), "{text}");
    }

    #[test]
    fn the_policy_lets_forms_go_where_they_must_and_nowhere_else() {
        let told = policy(Some("https://app.example.com"), None);
        assert!(told.contains("default-src 'none'; style-src 'sha256-"), "{told}");
        assert!(told.contains("form-action 'self' https://app.example.com; "), "{told}");
        assert!(told.ends_with("frame-ancestors 'none'"), "{told}");
        assert!(
            policy(None, None).contains("form-action 'self'; ") && !policy(None, None).contains("script-src")
        );
        let told = policy(None, Some("https://login.example.com/auth/passkey-1.js"));
        assert!(
            told.contains("; script-src https://login.example.com/auth/passkey-1.js; form-action "),
            "{told}"
        );
    }
}

//! The pages on which people see to their own account, and the page of a password that must be changed (docs/identity-provider.md#ones-own-account).

use super::{World, between};
use crate::harness::authenticator_app::code_in;
use crate::harness::{PASSWORD, Reply, haechi, haechi_with_input};
use crate::login::browser::{Browser, find_parameter, location, parameter};
use haechi_testkit::Backend;
use serde_json::json;

const NEW: &str = "four goats under a red moon";

impl World {
    fn own(&self, name: &str) -> String {
        format!("{}/auth/{name}", self.issuer)
    }

    /// Logs `alice` in on the way to a page of her own.
    #[track_caller]
    fn log_in_to(&self, browser: &mut Browser, name: &str, password: &str) -> Reply {
        let page = browser.open(&self.own(name)).expect(200);
        let sent = [("username", "alice"), ("password", password), ("action", "login")];
        let to = location(&self.send(browser, &page, &sent), &self.issuer);
        assert_eq!(to, self.own(name));
        browser.open(&to).expect(200)
    }

    fn is_logged_in(&self, browser: &mut Browser) -> bool {
        !browser.open(&self.own("account")).expect(200).text().contains("name=\"username\" type=\"text\"")
    }
}

#[test]
fn a_password_is_changed_on_a_page_and_other_browsers_are_logged_out() {
    let backend = Backend::saying("reached");
    let world = World::new(&backend);
    let (mut here, mut elsewhere) = (Browser::default(), Browser::default());
    world.log_in_to(&mut elsewhere, "account", PASSWORD);
    let page = world.log_in_to(&mut here, "password", PASSWORD);
    let change = |browser: &mut Browser, page: &Reply, current: &str, new: &str, repeated: &str| {
        let sent =
            [("password", current), ("new_password", new), ("repeated", repeated), ("action", "change")];
        world.send(browser, page, &sent)
    };
    for (current, new, repeated, why) in [
        ("wrong", NEW, NEW, "current password is wrong"),
        (PASSWORD, NEW, "something else entirely", "are not the same"),
        (PASSWORD, "short", "short", "at least 15 characters"),
        (PASSWORD, PASSWORD, PASSWORD, "the one from before"),
    ] {
        let told = change(&mut here, &page, current, new, repeated).expect(400).text();
        assert!(between(&told, "role=\"alert\">", "<").contains(why), "{told}");
    }
    assert!(world.is_logged_in(&mut elsewhere));
    let to = location(&change(&mut here, &page, PASSWORD, NEW, NEW), &world.issuer);
    assert_eq!(to, world.own("account"));
    assert!(world.is_logged_in(&mut here) && !world.is_logged_in(&mut elsewhere));
    // The page that lay about is good for nothing any more.
    change(&mut here, &page, NEW, PASSWORD, PASSWORD).expect(400);
    world.gate.post_json("/auth/login", &json!({ "username": "alice", "password": NEW })).expect(200);
}

#[test]
fn who_must_change_the_password_does_so_on_the_way() {
    let backend = Backend::saying("reached");
    let world = World::new(&backend);
    let mut browser = Browser::default();
    world.log_in_to(&mut browser, "account", PASSWORD);
    let set = ["user", "set-password", "alice", "--must-change"];
    haechi_with_input(world.gate.folder().path(), &set, &format!("{PASSWORD}\n")).success();
    let request = world.request(&world.public.id, &[]);
    let page = browser.open(&request).expect(200);
    let sent = [("username", "alice"), ("password", PASSWORD), ("action", "login")];
    let page = world.send(&mut browser, &page, &sent).expect(200);
    assert_eq!(between(&page.text(), "<h1>", "</h1>"), "Change password");
    assert!(!world.is_logged_in(&mut browser), "not yet");
    let same = [("new_password", PASSWORD), ("repeated", PASSWORD), ("action", "change")];
    let told = world.send(&mut browser, &page, &same).expect(400).text();
    assert!(told.contains("the one from before"), "{told}");
    let new = [("new_password", NEW), ("repeated", NEW), ("action", "change")];
    // A form is good in the browser that it was shown in.
    let other = world.send(&mut Browser::default(), &page, &new);
    assert!(find_parameter(other.field("location").unwrap_or_default(), "code").is_none());
    let to = location(&world.send(&mut browser, &page, &new), &world.issuer);
    world.token(&world.public, &parameter(&to, "code"), &[]).expect(200);
    // Once more with the same form: the password is another by now.
    assert!(world.send(&mut browser, &page, &new).field("location").is_none());
}

#[test]
fn an_app_is_set_up_and_taken_away_on_a_page() {
    let backend = Backend::saying("reached");
    let world = World::new(&backend);
    let (mut here, mut elsewhere) = (Browser::default(), Browser::default());
    world.log_in_to(&mut elsewhere, "account", PASSWORD);
    let page = world.log_in_to(&mut here, "totp", PASSWORD);
    world.send(&mut here, &page, &[("password", "wrong"), ("action", "enrol")]).expect(400);
    let page = world.send(&mut here, &page, &[("password", PASSWORD), ("action", "enrol")]).expect(200);
    let secret = between(&page.text(), "otpauth://totp/", "\"").to_owned();
    let secret = between(&secret, "secret=", "&").to_owned();
    assert!(page.text().contains("<svg"), "there is a QR code");
    world.send(&mut here, &page, &[("code", "000000"), ("action", "confirm")]).expect(400);
    let sent = [("code", &*code_in(&secret, 0)), ("action", "confirm")];
    let shown = world.send(&mut here, &page, &sent).expect(200).text();
    let recovery = between(&shown, "<li><code>", "</code>").to_owned();
    assert_eq!((shown.matches("<li><code>").count(), recovery.len()), (10, 19));
    assert!(world.is_logged_in(&mut here) && !world.is_logged_in(&mut elsewhere));
    let who = json!({ "username": "alice", "password": PASSWORD });
    world.gate.post_json("/auth/login", &who).expect(401);
    let page = here.open(&world.own("totp")).expect(200);
    world.send(&mut here, &page, &[("password", "wrong"), ("action", "disable")]).expect(400);
    world.send(&mut here, &page, &[("password", PASSWORD), ("action", "disable")]).expect(200);
    world.gate.post_json("/auth/login", &who).expect(200);
}

#[test]
fn the_account_shows_logins_and_consents_and_ends_them() {
    let backend = Backend::saying("reached");
    let world = World::with(&backend, "", &["--consent"]);
    let (mut here, mut elsewhere) = (Browser::default(), Browser::default());
    world.log_in_to(&mut elsewhere, "account", PASSWORD);
    let page = world.log_in_to(&mut here, "account", PASSWORD);
    assert_eq!(page.text().matches("End this login").count(), 2);
    // An application with consent.
    let request = world.request(&world.client.id, &[("scope", "openid offline_access")]);
    let consent = here.open(&request).expect(200);
    let to = location(&world.send(&mut here, &consent, &[("action", "allow")]), &world.issuer);
    let tokens = world.token(&world.client, &parameter(&to, "code"), &[]).expect(200).json();
    let page = here.open(&world.own("account")).expect(200);
    assert!(page.text().contains("<strong>shop</strong>"));
    // The token of an application sees to nobody's account.
    let token = tokens["access_token"].as_str().unwrap();
    world.gate.get_with_token("/auth/sessions", token).expect(403);
    // What another site sends ends nothing, and neither does another's form.
    let ticket = between(&page.text(), "name=\"ticket\" value=\"", "\"").to_owned();
    let form = format!("ticket={ticket}&action=end_others");
    here.submit(
        &world.own("account"),
        &form,
        &["Origin: https://evil.example", "Sec-Fetch-Site: cross-site"],
    )
    .expect(400);
    elsewhere.submit(&world.own("account"), &form, &[&format!("Origin: {}", world.issuer)]);
    assert!(world.is_logged_in(&mut here) && world.is_logged_in(&mut elsewhere));
    let client = world.client.id.clone();
    location(&world.send(&mut here, &page, &[("client", &client), ("action", "withdraw")]), &world.issuer);
    let refresh = tokens["refresh_token"].as_str().unwrap();
    let form = [
        ("grant_type", "refresh_token"),
        ("refresh_token", refresh),
        ("client_id", &*client),
        ("client_secret", &*world.client.secret),
    ];
    world.post("/auth/token", &form).expect(400);
    assert!(here.open(&request).expect(200).text().contains("value=\"allow\""), "asked again");
    location(&world.send(&mut here, &page, &[("action", "end_others")]), &world.issuer);
    assert!(world.is_logged_in(&mut here) && !world.is_logged_in(&mut elsewhere));
    let page = here.open(&world.own("account")).expect(200);
    let login = between(&page.text(), "name=\"login\" value=\"", "\"").to_owned();
    location(&world.send(&mut here, &page, &[("login", &login), ("action", "end")]), &world.issuer);
    assert!(!world.is_logged_in(&mut here));
}

#[test]
fn whoever_ends_all_logins_of_a_user_ends_those_of_browsers_too() {
    let backend = Backend::saying("reached");
    let world = World::new(&backend);
    let mut browser = Browser::default();
    world.log_in_to(&mut browser, "account", PASSWORD);
    let folder = world.gate.folder().path();
    let listed = haechi(folder, &["session", "list", "--user", "alice", "--output", "json"]).success().stdout;
    assert!(listed.contains("identity provider"), "{listed}");
    haechi(folder, &["session", "end", "--user", "alice"]).success();
    assert!(!world.is_logged_in(&mut browser));
}

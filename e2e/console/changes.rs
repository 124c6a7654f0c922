//! What is changed at the console: each change is a call in the name of whoever is logged in, asked for by a form of ours.

use super::{at, cookie, from, page, records, start};
use crate::harness::{Gate, PASSWORD, Reply};

/// What forms of this session carry.
fn tie(gate: &Gate, cookie: &str) -> String {
    let shown = page(gate, cookie, "/console/users").expect(200).text();
    shown.split("name=\"tie\" value=\"").nth(1).unwrap().split('"').next().unwrap().to_owned()
}

/// How many such changes the trail has of people who came over the network, rather than of commands.
fn changed(gate: &Gate, action: &str) -> usize {
    records(gate, action).iter().filter(|one| one["by"]["authenticator"] != "command").count()
}

/// Somebody at the console.
pub(super) struct Operator<'a> {
    gate: &'a Gate,
    pub(super) cookie: String,
    tie: String,
}

impl<'a> Operator<'a> {
    pub(super) fn log_in(gate: &'a Gate, name: &str) -> Self {
        let cookie = cookie(gate, name);
        Self { gate, tie: tie(gate, &cookie), cookie }
    }

    pub(super) fn send(&self, path: &str, fields: &[(&str, &str)]) -> Reply {
        self.send_with(path, &[&[("tie", &*self.tie)], fields].concat(), &from(self.gate))
    }

    fn send_with(&self, path: &str, fields: &[(&str, &str)], origin: &str) -> Reply {
        let data: Vec<String> = fields.iter().map(|(name, value)| format!("{name}={value}")).collect();
        let mut arguments = vec!["--header", &self.cookie, "--header", origin];
        arguments.extend(data.iter().flat_map(|field| ["--data-urlencode", field]));
        if data.is_empty() {
            arguments.extend(["--data", ""]);
        }
        at(self.gate, path, &arguments)
    }

    /// The same of somebody who shows the password again.
    pub(super) fn confirm(&self, path: &str, fields: &[(&str, &str)]) -> Reply {
        self.send(path, &[fields, &[("again-password", PASSWORD)]].concat())
    }

    pub(super) fn page(&self, path: &str) -> String {
        page(self.gate, &self.cookie, path).expect(200).text()
    }
}

const NEW_USER: [(&str, &str); 3] = [("name", "bob"), ("password", PASSWORD), ("roles", "USER")];

#[test]
fn users_are_added_changed_and_deleted_by_forms() {
    let gate = start();
    let root = Operator::log_in(&gate, "root");
    assert!(root.page("/console/users").contains("href=\"/console/users/new\""));
    // Who may do what is said by whoever has just shown who they are. What is secret of the form is typed again, and stands on no page.
    let asked = root.send("/console/users/new", &NEW_USER).expect(200).text();
    assert!(
        asked.contains("again-password") && asked.contains("value=\"bob\"") && !asked.contains(PASSWORD),
        "{asked}"
    );
    assert!(!root.page("/console/users").contains("bob"));
    let added = root.confirm("/console/users/new", &NEW_USER).expect(303);
    assert_eq!(added.field("location"), Some("/console/users?done=done"));
    // What is refused is said on the form, with what was typed; the password is typed again.
    let twice = root.send("/console/users/new", &NEW_USER).expect(422).text();
    assert!(twice.contains("value=\"bob\"") && twice.contains("role=\"alert\""), "{twice}");
    assert!(!twice.contains(PASSWORD));

    root.send("/console/users/bob/roles", &[("roles", "")]).expect(303);
    assert!(root.page("/console/users/bob").contains("name=\"roles\" value=\"\""));
    root.send("/console/users/bob/roles", &[("roles", "NONE")]).expect(422);
    root.send("/console/users/bob/attributes", &[("attributes", "[]")]).expect(422);
    root.send("/console/users/bob/attributes", &[("attributes", "{}")]).expect(303);
    root.send("/console/users/bob/disable", &[]).expect(303);
    assert!(root.page("/console/users/bob").contains("/console/users/bob/enable"));
    root.send("/console/users/bob/enable", &[]).expect(303);
    // Somebody else was faster.
    root.send("/console/users/bob/roles", &[("roles", "USER"), ("revision", "1")]).expect(422);

    let other = Operator::log_in(&gate, "root");
    for act in ["delete", "roles", "attributes"] {
        let asked = other.send(&format!("/console/users/bob/{act}"), &[]).expect(200).text();
        assert!(asked.contains("again-password") && root.page("/console/users").contains("bob"), "{act}");
    }
    root.send("/console/users/bob/delete", &[]).expect(303);
    assert!(!root.page("/console/users").contains("bob"));
    for action in ["user.add", "user.set_roles", "user.set_state", "user.delete"] {
        assert_ne!(changed(&gate, action), 0, "{action}");
    }
}

#[test]
fn a_password_is_asked_for_again_before_a_secret_is_shown_or_anything_is_gone() {
    let gate = start();
    let root = Operator::log_in(&gate, "root");
    let wanted = [("owner", "acme"), ("roles", "USER"), ("days", "30")];
    let asked = root.send("/console/keys/new", &wanted).expect(200).text();
    assert!(asked.contains("again-password") && asked.contains("value=\"acme\""), "{asked}");
    let wrong = [&wanted[..], &[("again-password", "wrong wrong wrong wrong")]].concat();
    root.send("/console/keys/new", &wrong).expect(403);
    assert!(!root.page("/console/keys").contains("acme"));
    let made = root.confirm("/console/keys/new", &wanted).expect(200).text();
    let secret =
        made.split("<code class=\"secret\"><bdi>").nth(1).unwrap().split('<').next().unwrap().to_owned();
    assert!(secret.starts_with("hk_") || secret.len() > 20, "{made}");
    let listed = root.page("/console/keys");
    assert!(listed.contains("acme") && !listed.contains(&secret));

    // It is the same session with another login, and is not asked again for a while.
    let id = listed.split("href=\"/console/keys/").nth(2).unwrap().split('"').next().unwrap().to_owned();
    let rotated = root.send(&format!("/console/keys/{id}/rotate"), &[("hours", "1")]).expect(200).text();
    assert!(rotated.contains("class=\"secret\""), "{rotated}");
    root.send(&format!("/console/keys/{id}/revoke"), &[]).expect(303);
    assert!(root.page(&format!("/console/keys/{id}")).contains("revoked"));
    // Another session of the same person is.
    let other = Operator::log_in(&gate, "root");
    assert!(other.send("/console/users/alice/delete", &[]).expect(200).text().contains("again-password"));
    assert_eq!(records(&gate, "user.delete").len(), 0);
}

#[test]
fn who_may_only_read_has_no_buttons_and_what_they_send_is_refused() {
    let gate = start();
    let eve = Operator::log_in(&gate, "eve");
    for path in [
        "/console/users",
        "/console/users/alice",
        "/console/keys",
        "/console/sessions",
        "/console/services",
        "/console/policies",
    ] {
        let shown = eve.page(path);
        // The forms of logging out and of the language are everybody's.
        assert_eq!(shown.matches("method=\"post\"").count(), 2, "{path}");
    }
    eve.confirm("/console/users/new", &NEW_USER).expect(403);
    eve.send("/console/users/alice/disable", &[]).expect(403);
    eve.confirm("/console/users/alice/delete", &[]).expect(403);
    assert!(!eve.page("/console/users").contains("bob"));
    assert!(records(&gate, "user.set_state").iter().all(|one| one["outcome"] == "refused"));
    assert!(eve.page("/console/users/alice").contains("active"));
}

#[test]
fn a_change_that_no_form_of_this_session_asked_for_is_not_made() {
    let gate = start();
    let root = Operator::log_in(&gate, "root");
    let other = Operator::log_in(&gate, "root");
    for path in [
        "/console/users/new",
        "/console/users/alice/disable",
        "/console/users/alice/delete",
        "/console/keys/new",
        "/console/clients/new",
        "/console/signing-keys/rotate",
        "/console/policies/p/save",
        "/console/audit/erase",
    ] {
        let fields = [
            &NEW_USER[..],
            &[
                ("owner", "o"),
                ("subject", "s"),
                ("text", "permit(principal, action, resource);"),
                ("again-password", PASSWORD),
            ],
        ]
        .concat();
        root.send_with(path, &fields, &from(&gate)).expect(403);
        root.send_with(path, &[&[("tie", &*other.tie)], &fields[..]].concat(), &from(&gate)).expect(403);
        let right = [&[("tie", &*root.tie)], &fields[..]].concat();
        for origin in ["Origin: http://evil.example", "Origin: null", "X: y", "Sec-Fetch-Site: same-site"] {
            root.send_with(path, &right, origin).expect(403);
        }
    }
    let stranger = Operator { gate: &gate, cookie: "X: y".into(), tie: root.tie.clone() };
    let shown = stranger.send("/console/users/alice/disable", &[]);
    assert!(shown.text().contains("type=\"password\""));
    for action in
        ["user.add", "user.set_state", "user.delete", "key.create", "client.add", "signing_key.rotate"]
    {
        assert_eq!(changed(&gate, action), 0, "{action}");
    }
    root.send("/console/nothing", &[]).expect(404);
}

#[test]
fn clients_sessions_endpoints_and_policies_are_changed_by_forms() {
    let gate = start();
    let root = Operator::log_in(&gate, "root");
    let made =
        root.confirm("/console/clients/new", &[("name", "nightly"), ("roles", "USER")]).expect(200).text();
    assert!(made.contains("class=\"secret\""), "{made}");
    let clients = root.page("/console/clients");
    let id = clients.split("href=\"/console/clients/").nth(2).unwrap().split('"').next().unwrap().to_owned();
    root.send(&format!("/console/clients/{id}/rotate"), &[]).expect(200);
    root.send(&format!("/console/clients/{id}/delete"), &[]).expect(303);
    assert!(!root.page("/console/clients").contains("nightly"));

    let wrong = root
        .send("/console/policies/quiet/save", &[("text", "permit(</script>"), ("revision", "new")])
        .expect(422)
        .text();
    assert!(
        wrong.contains("role=\"alert\"")
            && wrong.contains("permit(&lt;/script&gt;")
            && !wrong.contains("</script>")
    );
    let text = "forbid(principal, action, resource)\r\nwhen { context.path like \"/quiet/*\" };\r\n";
    let checked =
        root.send("/console/policies/quiet/check", &[("text", text), ("revision", "new")]).expect(200).text();
    assert!(checked.contains("role=\"status\""), "{checked}");
    assert!(!root.page("/console/policies").contains("quiet"), "it was only checked");
    root.send("/console/policies/quiet/save", &[("text", text), ("revision", "new")]).expect(303);
    let shown = root.page("/console/policies/quiet");
    assert!(shown.contains("like &quot;/quiet/*&quot;") && shown.contains("name=\"version\""), "{shown}");
    // Who has seen nothing of it may not take it away.
    root.send("/console/policies/quiet/delete", &[]).expect(422);
    let revision =
        shown.split("name=\"revision\" value=\"").nth(1).unwrap().split('"').next().unwrap().to_owned();
    root.send("/console/policies/quiet/delete", &[("revision", &revision)]).expect(303);

    let eve = Operator::log_in(&gate, "eve");
    let sessions = root.page("/console/sessions");
    let all: Vec<&str> = sessions
        .split("action=\"/console/sessions/")
        .skip(1)
        .map(|rest| rest.split('"').next().unwrap())
        .collect();
    assert!(all.len() >= 2, "{sessions}");
    for to in all {
        // Ending one's own is a way to log out.
        drop(root.send(&format!("/console/sessions/{to}"), &[]));
    }
    crate::harness::eventually(crate::harness::PATIENCE, || {
        page(&gate, &eve.cookie, "/console/users").text().contains("type=\"password\"").then_some(())
    });
}

#[test]
fn tables_are_given_to_programs_as_they_are() {
    let gate = start();
    let root = Operator::log_in(&gate, "root");
    let csv = page(&gate, &root.cookie, "/console/users?as=csv").expect(200);
    assert_eq!(csv.field("content-disposition"), Some("attachment; filename=\"haechi-users.csv\""));
    let text = csv.text();
    assert!(text.lines().count() == 4 && text.contains("\"alice\""), "{text}");
    let json = page(&gate, &root.cookie, "/console/users?as=json").expect(200).json();
    assert_eq!(json.as_array().unwrap().len(), 3);
    for path in [
        "keys",
        "clients",
        "sessions",
        "signing-keys",
        "routes",
        "services",
        "policies",
        "decisions",
        "audit",
        "matrix",
    ] {
        let reply = page(&gate, &root.cookie, &format!("/console/{path}?as=json")).expect(200);
        assert!(reply.json().is_array(), "{path}");
    }
}

#[test]
fn the_language_is_chosen_at_a_page_and_kept() {
    let gate = start();
    let own = from(&gate);
    let here = format!("Referer: http://{}/console/users?name=a", gate.admin_address());
    let chosen =
        at(&gate, "/console/language", &["--header", &own, "--header", &here, "--data", "language=ko"])
            .expect(303);
    assert_eq!(chosen.field("location"), Some("/console/users?name=a"));
    let set = chosen.field("set-cookie").unwrap().split(';').next().unwrap().to_owned();
    let shown = at(&gate, "/console", &["--header", &format!("Cookie: {set}")]).expect(200).text();
    assert!(shown.contains("<html lang=\"ko\">"), "{shown}");
    let away = ["--header", &own, "--header", "Referer: https://evil.example/x", "--data", "language=en"];
    assert_eq!(at(&gate, "/console/language", &away).expect(303).field("location"), Some("/console"));
    at(&gate, "/console/language", &["--header", "Origin: http://evil.example", "--data", "language=ko"])
        .expect(403);
}

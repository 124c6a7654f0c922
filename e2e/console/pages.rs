//! What pages of the console show and choose: refusals by reason, times, a candidate before it counts, cells of the matrix, what nobody used, users and keys.

use super::changes::Operator;
use super::{HOSTILE, at, from, page, records, start, start_with};
use crate::harness::{Gate, PATIENCE, eventually, haechi};

/// What stands between the first `before` and the next `after`.
fn between<'a>(text: &'a str, before: &str, after: &str) -> &'a str {
    text.split_once(before).unwrap_or_else(|| panic!("no {before} in {text}")).1.split_once(after).unwrap().0
}

fn key(gate: &Gate) -> String {
    let made = haechi(gate.folder().path(), &["key", "create", "--owner", "acme"]).success().stdout;
    format!("X-API-Key: {}", made.trim())
}

#[test]
fn refusals_are_told_by_reason_and_lead_to_their_decisions() {
    let gate = start();
    let (root, key) = (Operator::log_in(&gate, "root"), key(&gate));
    let shown = eventually(PATIENCE, || {
        gate.get("/orders/1").expect(401);
        gate.get_with("/orders/1", &["X-API-Key: hk_wrong_wrong"]).expect(401);
        gate.get_with("/orders/1", &[&key]).expect(403);
        let shown = root.page("/console");
        shown.contains("<code><bdi>forbidden").then_some(shown)
    });
    for told in ["no-credential", "not-authenticated", "invalid-credentials", "roles"] {
        assert_eq!(shown.contains(&format!("<code><bdi>{told}")), told != "no-credential", "{told}: {shown}");
    }
    assert!(
        shown.contains("A role is missing") && shown.contains("Credential that does not hold, for"),
        "{shown}"
    );
    let link = "/console/decisions?outcome=deny&amp;reason=roles";
    assert!(shown.contains(link) && shown.len() < 50_000, "{} {shown}", shown.len());
    let chosen = |query: &str| {
        let text = root.page(&format!("/console/decisions?{query}&as=json"));
        serde_json::from_str::<serde_json::Value>(&text).unwrap().as_array().unwrap().len()
    };
    assert!(chosen("outcome=deny&reason=roles") > 0);
    assert_eq!(chosen("reason=scopes"), 0);
    assert!(chosen("address=127.0.0.1") > 0 && chosen("address=10.9.8.7") == 0);
    let record: serde_json::Value = serde_json::from_str(&root.page("/console/decisions?as=json")).unwrap();
    let id = record[0]["caller"]["credential_id"].as_str().unwrap();
    assert!(chosen(&format!("key={id}")) > 0 && chosen("key=other") == 0);
    for odd in ["address=x", "reason=x"] {
        page(&gate, &root.cookie, &format!("/console/decisions?{odd}")).expect(422);
    }
}

#[test]
fn times_are_told_in_the_zone_that_was_chosen_with_utc_beside() {
    let gate = start();
    let root = Operator::log_in(&gate, "root");
    let plain = root.page("/console/users/alice");
    let utc = between(&plain, "<time datetime=\"", "\"").to_owned();
    assert!(plain.contains(&format!(">{}</time>", utc.replace('T', " ").trim_end_matches('Z'))), "{plain}");
    let own = from(&gate);
    let choose = |zone: &str, next: &str, origin: &str| {
        let (zone, next) = (format!("zone={zone}"), format!("next={next}"));
        at(
            &gate,
            "/console/zone",
            &["--header", origin, "--data-urlencode", &zone, "--data-urlencode", &next],
        )
    };
    let chosen = choose("Asia/Seoul", "/console/users/alice", &own).expect(303);
    assert_eq!(chosen.field("location"), Some("/console/users/alice"));
    let set = chosen.field("set-cookie").unwrap();
    assert!(set.starts_with("haechi-console-zone=Asia/Seoul; Path=/console; HttpOnly"), "{set}");
    let both = format!("{}; haechi-console-zone=Asia/Seoul", root.cookie);
    let there = page(&gate, &both, "/console/users/alice").expect(200).text();
    assert!(there.contains("+09:00 <span class=\"dim\">") && there.contains(" UTC</span></time>"), "{there}");
    assert!(there.contains(&format!("datetime=\"{utc}\"")), "{there}");
    // What is no zone is UTC, and what is no page is the first.
    let odd = choose(HOSTILE, "https://evil.example", &own).expect(303);
    assert!(odd.field("set-cookie").unwrap().starts_with("haechi-console-zone=UTC;"));
    assert_eq!(odd.field("location"), Some("/console"));
    choose("Asia/Seoul", "/console", "Origin: http://evil.example").expect(403);
    let strange = format!("{}; haechi-console-zone={HOSTILE}", root.cookie);
    assert!(!page(&gate, &strange, "/console/zone").expect(200).text().contains("<img"));
}

fn text(gate: &Gate) -> String {
    std::fs::read_to_string(gate.folder().file("haechi.yaml")).unwrap()
}

#[test]
fn faults_of_a_text_are_marked_where_they_stand() {
    let gate = start();
    let root = Operator::log_in(&gate, "root");
    let broken = text(&gate).replace("roles: [USER]", "roles: [USERR]");
    let line = 1 + broken.lines().position(|line| line.contains("USERR")).unwrap();
    let shown = root.send("/console/candidate/validate", &[("text", &broken)]).expect(422).text();
    assert!(shown.contains(&format!("href=\"#line-{line}\"")), "{shown}");
    assert!(
        shown.contains(&format!("id=\"line-{line}\" class=\"faulty\""))
            || shown.contains(&format!("class=\"faulty\" id=\"line-{line}\"")),
        "{shown}"
    );
    assert!(
        shown.contains("<mark>USERR</mark>") && shown.matches("USERR").count() > 2,
        "it stays in the form: {shown}"
    );
    let hostile = format!("{}x: \"{HOSTILE}\"\n", text(&gate));
    let shown = root.send("/console/candidate/validate", &[("text", &hostile)]).expect(422).text();
    assert!(!shown.contains("<img") && shown.contains("&lt;img"), "{shown}");
    let policy = "permit(principal, action, resource)\nwhen { principl };";
    let shown =
        root.send("/console/policies/p/check", &[("text", policy), ("revision", "new")]).expect(422).text();
    assert!(shown.contains("id=\"line-2\"") && shown.contains("<mark>principl</mark>"), "{shown}");
}

#[test]
fn a_candidate_is_tried_in_every_way_and_applied_and_taken_back() {
    let gate = start_with(", write_config: true", "");
    let (root, eve, key) = (Operator::log_in(&gate, "root"), Operator::log_in(&gate, "eve"), key(&gate));
    gate.get_with("/orders/1", &[&key]).expect(403);
    let before = text(&gate);
    let wider = before.replace("authorize: { roles: [USER] }", "authorize: any");
    let cases = "- { name: everybody, request: { method: GET, path: /orders/1 }, caller: { roles: [] }, expect: deny }";
    let fields = [("text", &*wider), ("cases", cases), ("hours", "1")];
    let tried = root.send("/console/candidate/rehearse", &fields).expect(200).text();
    assert!(tried.contains("wider") && tried.contains("haechi explain"), "{tried}");
    assert!(tried.contains("otherwise") && tried.contains("everybody"), "{tried}");
    assert!(tried.contains("/orders/1") && tried.contains("Decided again:"), "{tried}");
    assert_eq!(text(&gate), before, "it was only tried");
    let broken = [("text", &*before), ("cases", "- { nam: <img src=x> }"), ("hours", "1")];
    let faulty = root.send("/console/candidate/rehearse", &broken).expect(200).text();
    assert!(faulty.contains("id=\"line-1\"") && !faulty.contains("<img"), "{faulty}");

    assert!(!eve.page("/console/candidate").contains("textarea"));
    eve.confirm("/console/candidate/apply", &[("text", &wider), ("revision", "1")]).expect(403);
    let asked =
        root.send("/console/candidate/apply", &[("text", &wider), ("revision", "1")]).expect(200).text();
    assert!(asked.contains("again-password") && text(&gate) == before, "{asked}");
    root.confirm("/console/candidate/apply", &[("text", &wider), ("revision", "7")]).expect(422);
    let applied = root.send("/console/candidate/apply", &[("text", &wider), ("revision", "1")]).expect(303);
    assert_eq!(applied.field("location"), Some("/console/configurations?done=done"));
    assert_eq!(text(&gate), wider);
    gate.get_with("/orders/1", &[&key]).expect(502);
    assert_eq!(records(&gate, "config.apply").iter().filter(|one| one["outcome"] == "done").count(), 1);

    let listed = root.page("/console/configurations");
    assert!(listed.contains("in force") && listed.contains("the admin API"), "{listed}");
    let first = listed.rsplit("href=\"/console/configurations/").next().unwrap().split('"').next().unwrap();
    let kept = root.page(&format!("/console/configurations/{first}"));
    assert!(
        kept.contains("roles: [USER]") && kept.contains(&format!("/console/candidate?of={first}")),
        "{kept}"
    );
    let again = root.page(&format!("/console/candidate?of={first}"));
    assert!(again.contains("roles: [USER]"), "{again}");
    root.send("/console/candidate/apply", &[("text", &before), ("revision", "2")]).expect(303);
    gate.get_with("/orders/1", &[&key]).expect(403);
    assert_eq!(text(&gate), before);
}

#[test]
fn a_gate_that_may_not_write_its_file_says_so() {
    let gate = start();
    let root = Operator::log_in(&gate, "root");
    let shown = root.page("/console/candidate");
    assert!(shown.contains("write_config: true") && !shown.contains("/console/candidate/apply"), "{shown}");
    let refused = root
        .confirm("/console/candidate/apply", &[("text", &text(&gate)), ("revision", "1")])
        .expect(422)
        .text();
    assert!(refused.contains("write_config"), "{refused}");
}

#[test]
fn the_matrix_is_filtered_and_a_cell_opens_its_proof() {
    let gate = start();
    let eve = Operator::log_in(&gate, "eve");
    let all = eve.page("/console/matrix");
    let link = "/console/matrix/cell?route=orders&amp;method=GET&amp;caller=USER";
    assert!(all.contains(link), "{all}");
    let some = eve.page("/console/matrix?route=ord&caller=USER&outcome=allow");
    assert!(
        some.contains(link) && !some.contains("caller=anonymous") && !some.contains("route=open"),
        "{some}"
    );
    assert!(!eve.page("/console/matrix?route=ord&caller=USER&outcome=deny").contains(link));
    let cell = eve.page("/console/matrix/cell?route=orders&method=GET&caller=USER");
    assert!(cell.contains("Everybody passes") && cell.contains(">proved<"), "{cell}");
    let denied = eve.page("/console/matrix/cell?route=orders&method=GET&caller=no+role");
    assert!(
        denied.contains("Nobody passes")
            && denied.contains(">proved<")
            && !denied.contains("Everybody passes"),
        "{denied}"
    );
    page(&gate, &eve.cookie, "/console/matrix/cell?route=none&method=GET&caller=USER").expect(422);
}

#[test]
fn what_nobody_used_is_on_a_page_and_in_files() {
    let gate = start();
    let (root, eve) = (Operator::log_in(&gate, "root"), Operator::log_in(&gate, "eve"));
    gate.get("/open").expect(502);
    let unused = eve.page("/console/review?days=30");
    assert!(unused.contains("route=orders") && !unused.contains("route=open"), "{unused}");
    assert!(unused.contains("/console/users/alice") && unused.contains("The trail begins later"), "{unused}");
    assert!(eve.page("/console/review?days=30&show=all").contains("route=open"));
    let csv = eve.page("/console/review?days=30&show=all&as=csv");
    assert!(
        csv.starts_with("\"about\"") && csv.contains("\"account\"") && csv.contains("\"orders\""),
        "{csv}"
    );
    page(&gate, &root.cookie, "/console/review?days=0").expect(422);
}

#[test]
fn users_are_searched_and_keys_that_end_soon_or_are_unused_found() {
    let gate = start();
    let root = Operator::log_in(&gate, "root");
    let found = root.page("/console/users?name=ALI&role=USER&state=active");
    assert!(found.contains("/console/users/alice") && !found.contains("/console/users/eve"), "{found}");
    assert!(!root.page("/console/users?state=disabled").contains("/console/users/alice"));
    let folder = gate.folder().path();
    haechi(folder, &["key", "create", "--owner", "soon", "--expires", "5d"]).success();
    haechi(folder, &["key", "create", "--owner", "never"]).success();
    let keys = root.page("/console/keys");
    let links: Vec<String> = keys
        .split("href=\"")
        .filter_map(|rest| rest.split('"').next())
        .filter(|link| link.contains("expires_within") || link.contains("unused_for"))
        .map(|link| link.replace("&amp;", "&"))
        .collect();
    assert_eq!(links.len(), 2, "{keys}");
    let ending = root.page(&links[0]);
    assert!(ending.contains("<bdi>soon") && !ending.contains("<bdi>never"), "{ending}");
    assert!(!root.page(&links[1]).contains("<bdi>soon"), "it was made just now");
}

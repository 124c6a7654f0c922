//! Two people for one change (docs/admin-api.md).

use super::{FORBID, NEW, Site, configuration, ended, if_match, kind};
use crate::harness::{Folder, PATIENCE, curl, eventually, haechi};
use haechi_testkit::Backend;
use serde_json::{Value, json};

fn admin(more: &str) -> String {
    format!(
        "admin: {{ bind: 127.0.0.1:0, socket: admin.sock, approvals: 2{more} }}\nstore: sqlite:haechi.db\n"
    )
}

fn asked(site: &Site, method: &str, path: &str, field: &str, body: Option<&str>) -> String {
    let pending = site.call(method, path, field, body).expect(202).json();
    assert_eq!(pending["state"], "pending", "{pending}");
    pending["id"].as_str().unwrap().to_owned()
}

#[test]
fn a_policy_counts_when_a_second_person_agrees() {
    let site = Site::start(&admin(""), &[]);
    let id = asked(&site, "PUT", "policies/no-orders", NEW, Some(FORBID));
    assert_eq!(site.asks("/orders"), (200, true));
    let shown = site.call_as(2, "GET", &format!("approvals/{id}"), "", None).expect(200).json();
    assert_eq!((&shown["content"]["text"], &shown["action"]), (&json!(FORBID), &json!("policy.put")));
    let approve = format!("approvals/{id}/approve");
    assert_eq!(kind(&site.call("POST", &approve, "", None).expect(403).json()), "same-person");
    let tried = site.records("approval.approve");
    assert_eq!(
        (tried.len(), &tried[0]["outcome"]),
        (1, &json!("refused")),
        "an attempt is on record: {tried:?}"
    );
    assert_eq!(tried[0]["target"], json!(format!("approval {id}")));
    site.call_as(2, "POST", &approve, "", None).expect(403);
    assert_eq!(site.asks("/orders"), (200, true));
    let done = site.call_as(1, "POST", &approve, "", None).expect(200).json();
    assert_eq!((&done["state"], &done["content"]), (&json!("approved"), &Value::Null));
    assert_ne!(done["asked_by"]["subject"], done["decided_by"]["subject"]);
    assert_eq!(site.asks("/orders"), (403, false));
    let policy = site.get("policies/no-orders");
    assert_eq!((&policy["changed_by"], &policy["approved_by"]), (&done["asked_by"], &done["decided_by"]));
    site.call_as(1, "POST", &approve, "", None).expect(409);
    let (asked, agreed) = (site.records("approval.ask"), site.records("approval.approve"));
    assert_eq!((asked.len(), asked[0]["details"]["action"].as_str()), (1, Some("policy.put")), "{asked:?}");
    let agreed: Vec<_> = agreed.iter().filter(|record| record["outcome"] == "done").collect();
    assert_eq!(agreed.len(), 1, "{agreed:?}");
    assert!(
        agreed[0]["by"]["who"].is_string() && agreed[0]["about"].is_string(),
        "both are named: {agreed:?}"
    );
    assert_ne!(agreed[0]["by"]["who"], agreed[0]["about"]);
    assert_eq!(asked[0]["by"]["who"], agreed[0]["about"]);
    assert!(agreed[0]["details"]["sha256_after"].is_string(), "{agreed:?}");
    assert!(site.records("policy.put").is_empty());
    // The root of the machine is one person as well, and another than both.
    let id = self::asked(&site, "DELETE", "policies/no-orders", &if_match(1), None);
    let socket = site.gate.folder().file("admin.sock");
    let over = |method: &str, path: &str| {
        let url = format!("http://gate/api/v1/{path}");
        curl(&["--unix-socket", socket.to_str().unwrap(), "--request", method, &url])
    };
    over("POST", &format!("approvals/{id}/approve")).expect(200);
    assert_eq!(site.asks("/orders"), (200, true));
    let path = site.gate.folder().path().to_owned();
    let told = haechi(&path, &["policy", "rollback", "no-orders", "1"]).success();
    assert!(told.stderr.contains("haechi approval approve"), "{told:?}");
    let id = told.stdout.trim();
    assert!(haechi(&path, &["approval", "list"]).success().stdout.contains(id));
    let own = haechi(&path, &["approval", "approve", id]);
    assert!(own.code == 1 && own.stderr.contains("second person"), "{own:?}");
    assert_eq!(site.asks("/orders"), (200, true));
    site.call("POST", &format!("approvals/{id}/approve"), "", None).expect(200);
    assert_eq!(site.asks("/orders"), (403, false));
}

#[test]
fn what_was_asked_for_is_looked_at_anew() {
    let site = Site::start(&admin(""), &[]);
    let put = |text: &str, field: &str| asked(&site, "PUT", "policies/p", field, Some(text));
    let (first, second) = (put(FORBID, NEW), put("forbid(principal, action, resource);", NEW));
    site.call("PUT", "policies/q", NEW, Some("nonsense")).expect(422);
    let agree = |id: &str| site.call_as(1, "POST", &format!("approvals/{id}/approve"), "", None);
    agree(&first).expect(200);
    assert_eq!(kind(&agree(&second).expect(412).json()), "changed", "it stood on something else");
    assert_eq!(site.asks("/open").0, 200);
    // It waits on, and is said no to; what one asked for oneself is taken back.
    let state = |id: &str| site.get(&format!("approvals/{id}"))["state"].clone();
    assert_eq!(state(&second), "pending");
    site.call_as(1, "DELETE", &format!("approvals/{second}"), "", None).expect(204);
    assert_eq!(state(&second), "rejected");
    let third = asked(&site, "DELETE", "policies/p", &if_match(1), None);
    site.call_as(2, "DELETE", &format!("approvals/{third}"), "", None).expect(403);
    site.call("DELETE", &format!("approvals/{third}"), "", None).expect(204);
    assert_eq!(state(&third), "withdrawn");
    agree(&third).expect(409);
    agree("nothing").expect(404);
    assert_eq!(site.asks("/orders"), (403, false));
    let mut decided = site.records("approval.reject");
    // The auditor was not let do it.
    decided.retain(|record| record["outcome"] == "done");
    let states: Vec<_> = decided.iter().map(|one| one["details"]["state"].clone()).collect();
    assert_eq!(states, ["rejected", "withdrawn"]);
    let listed = site.call_as(2, "GET", "approvals?limit=2", "", None).expect(200).json();
    assert_eq!((&listed["items"][0]["id"], listed["items"].as_array().unwrap().len()), (&json!(third), 2));
}

#[test]
fn what_nobody_agrees_to_expires() {
    let site = Site::start(&admin(", approval_lifetime: 1s"), &[]);
    let id = asked(&site, "PUT", "policies/p", NEW, Some(FORBID));
    eventually(PATIENCE, || (site.get(&format!("approvals/{id}"))["state"] == "expired").then_some(()));
    site.call_as(1, "POST", &format!("approvals/{id}/approve"), "", None).expect(409);
    assert_eq!(site.asks("/orders"), (200, true));
    let told = eventually(PATIENCE, || site.records("approval.expire").pop());
    assert_eq!(
        (&told["target"], &told["details"]["of"]),
        (&json!(format!("approval {id}")), &json!("policy p"))
    );
    assert!(told["about"].is_string(), "{told}");
}

#[test]
fn nobody_is_erased_by_one_person() {
    let site = Site::start(&admin(""), &[]);
    assert_eq!(site.asks("/orders").0, 200);
    let erase = json!({ "subject": "alice" }).to_string();
    let id = asked(&site, "POST", "audit/erase", "", Some(&erase));
    let known = || site.call("GET", "audit/export?subject=alice", "", None).status;
    assert_eq!(known(), 200);
    let shown = site.get(&format!("approvals/{id}"));
    assert!(!shown.to_string().contains("alice"), "{shown}");
    site.call_as(1, "POST", &format!("approvals/{id}/approve"), "", None).expect(200);
    assert_eq!(known(), 404);
    // By command it is the same, and on the store itself nothing is done.
    let path = site.gate.folder().path().to_owned();
    let told = haechi(&path, &["audit", "erase", "--subject", "root", "--yes"]).success();
    assert!(told.stderr.contains("second person"), "{told:?}");
    site.gate.folder().write("p.cedar", FORBID);
    let folder = ended(site.gate);
    for command in [
        &["audit", "erase", "--subject", "root", "--yes"][..],
        &["policy", "put", "p", "p.cedar"],
        &["policy", "delete", "p"],
        &["policy", "rollback", "p", "1"],
    ] {
        let refused = haechi(folder.path(), command);
        assert!(refused.code == 1 && refused.stderr.contains("approvals: 2"), "{command:?} {refused:?}");
    }
    assert_eq!(haechi(folder.path(), &["policy", "list"]).success().stdout.lines().count(), 1);
}

#[test]
fn two_people_need_a_store() {
    let backend = Backend::saying("reached");
    let text = configuration(&backend, "admin: { bind: 127.0.0.1:0, approvals: 2 }\n");
    let folder =
        Folder::exactly(&text.replace("identity: { issuer: http://localhost:8080, path: /auth }\n", ""));
    let told = haechi(folder.path(), &["check"]);
    assert!(told.stderr.contains("`approvals: 2` needs a store"), "{told:?}");
    folder.write("haechi.yaml", &text.replace("approvals: 2", "approvals: 3"));
    assert_eq!(haechi(folder.path(), &["check"]).code, 1);
}

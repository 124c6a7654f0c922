//! `/auth/sessions`: where the caller is logged in, and what they have let applications have, in JSON.

use super::told::Told;
use super::{Answer, json};
use crate::refusal::Refusal;
use haechi_authn::identity::{Account, LogoutRefused, OwnEnd, Provider};
use haechi_authz::Permitted;
use serde::Deserialize;
use serde_json::{Value, json};

/// What is to be ended: one of them.
#[derive(Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
enum Asked {
    /// The login of this id.
    End(String),
    /// Nothing is said of which.
    EndOthers(True),
    /// What the client of this id may have.
    Withdraw(String),
}

/// `true`, and nothing else.
#[derive(Deserialize)]
#[serde(try_from = "bool")]
struct True;

impl TryFrom<bool> for True {
    type Error = &'static str;

    fn try_from(value: bool) -> Result<Self, Self::Error> {
        if value { Ok(Self) } else { Err("only `true` says anything") }
    }
}

pub(super) async fn answer(
    provider: &Provider,
    permitted: &Permitted,
    body: &[u8],
) -> (Answer, Option<Told>) {
    let caller = permitted.caller();
    if permitted.head().method != http::Method::POST {
        return match provider.account(caller).await {
            Ok(account) => (json(&shown(&account)), None),
            Err(refused) => (refuse(&refused), None),
        };
    }
    let (what, action) = match serde_json::from_slice(body) {
        Ok(Asked::End(id)) => (OwnEnd::Login(id), "session.end"),
        Ok(Asked::EndOthers(True)) => (OwnEnd::Others, "session.end_others"),
        Ok(Asked::Withdraw(client)) => (OwnEnd::Consent(client), "consent.withdraw"),
        Err(_) => return (Answer::refused(Refusal::BadBody, "the body is nothing to be ended"), None),
    };
    match provider.end_own(caller, what).await {
        Ok(ended) => (Answer::Nothing, ended.then(|| Told::by(action, caller))),
        Err(refused) => (refuse(&refused), None),
    }
}

fn refuse(refused: &LogoutRefused) -> Answer {
    let refusal = match refused {
        // A token of an application, or of a login that has ended meanwhile.
        LogoutRefused::NoSession => Refusal::Forbidden { scopes: None, metadata: None },
        LogoutRefused::Unavailable(_) => Refusal::CANNOT_TELL,
    };
    Answer::refused(refusal, refused.to_string())
}

fn shown(account: &Account) -> Value {
    let logins = account.logins.iter().map(|login| {
        json!({
            "id": login.id,
            "current": login.is_this,
            "browser": login.in_browser,
            "client": login.client,
            "created_at": login.began.rfc3339().to_string(),
            "last_used_at": login.used.map(|used| used.rfc3339().to_string()),
            "expires_at": login.ends.rfc3339().to_string(),
        })
    });
    let consents = account
        .consents
        .iter()
        .map(|given| json!({ "client": given.client, "name": given.name, "scopes": given.scopes }));
    json!({
        "second_factor": account.second_factor,
        "sessions": logins.collect::<Vec<_>>(),
        "consents": consents.collect::<Vec<_>>(),
    })
}

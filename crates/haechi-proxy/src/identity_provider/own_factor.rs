//! `POST /auth/totp`: people's own second factor, in JSON.

use super::told::Told;
use super::{Answer, Tokens, json, of_pair};
use crate::refusal::Refusal;
use haechi_authn::identity::{Credentials, FactorAction, FactorDone, FactorRefused, Provider};
use haechi_core::Secret;
use serde::Deserialize;
use serde_json::{Map, Value, json};
use std::net::IpAddr;

/// What is asked for.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Asked {
    username: String,
    password: String,
    /// A code of the second factor that is in force, or a recovery code.
    totp: Option<String>,
    action: Action,
    /// The first code of a secret that is being set up.
    code: Option<String>,
}

#[derive(Clone, Copy, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Action {
    Show,
    Enrol,
    Confirm,
    RecoveryCodes,
    Disable,
}

impl Action {
    /// What the audit trail calls it; nothing where nothing is changed.
    const fn name(self) -> Option<&'static str> {
        match self {
            Self::Show => None,
            Self::Enrol => Some("second_factor.begin"),
            Self::Confirm => Some("second_factor.enable"),
            Self::RecoveryCodes => Some("second_factor.recovery_codes"),
            Self::Disable => Some("second_factor.disable"),
        }
    }
}

pub(super) async fn answer(provider: &Provider, body: &[u8], client: IpAddr) -> (Answer, Option<Told>) {
    let bad = || (Answer::refused(Refusal::BadBody, "the body is no change of a second factor"), None);
    let Ok(asked) = serde_json::from_slice::<Asked>(body) else { return bad() };
    let Asked { username, password, totp, action, code } = asked;
    let wanted = match (action, code) {
        (Action::Confirm, Some(code)) => FactorAction::Confirm(Secret::new(code)),
        (Action::Show, None) => FactorAction::Show,
        (Action::Enrol, None) => FactorAction::Begin,
        (Action::RecoveryCodes, None) => FactorAction::RecoveryCodes,
        (Action::Disable, None) => FactorAction::Remove,
        (Action::Confirm, None) | (_, Some(_)) => return bad(),
    };
    let shows = Credentials { name: username, password: Secret::new(password), code: totp.map(Secret::new) };
    let name = action.name().unwrap_or("second_factor.show");
    match provider.second_factor(shows, wanted, client).await {
        Ok((done, subject)) => {
            let told = action.name().map(|name| match &done {
                FactorDone::Confirmed(_, pair) | FactorDone::Removed(pair) => of_pair(name, provider, pair),
                _ => Told::done(name, provider.issuer(), &subject),
            });
            (said(&done), told)
        }
        Err(FactorRefused::Login(refused)) => super::refused_login(name, refused),
        Err(refused @ FactorRefused::FirstCode) => {
            (super::bad_login(&refused.to_string()), Some(Told::refused(name, refused)))
        }
        Err(refused @ (FactorRefused::None | FactorRefused::ShortPassword)) => {
            let refusal = Refusal::NotNow { told: told_of(&refused) };
            (Answer::refused(refusal, refused.to_string()), Some(Told::refused(name, refused)))
        }
    }
}

const fn told_of(refused: &FactorRefused) -> &'static str {
    match refused {
        FactorRefused::ShortPassword => {
            "the password is too short to go without a second factor; choose a longer one first"
        }
        _ => "there is no second factor",
    }
}

fn said(done: &FactorDone) -> Answer {
    match done {
        FactorDone::Shown(standing) => {
            json(&json!({ "enrolled": standing.is_on, "recovery_codes_left": standing.recovery_codes }))
        }
        FactorDone::Begun(new) => json(&json!({
            "secret": new.secret.expose(),
            "otpauth_uri": new.uri.expose(),
            "expires_in": new.lasts.as_secs(),
        })),
        FactorDone::Confirmed(codes, pair) => {
            let mut body = tokens_as_map(&Tokens::of(pair));
            body.insert("recovery_codes".to_owned(), shown(codes));
            json(&body)
        }
        FactorDone::RecoveryCodes(codes) => json(&json!({ "recovery_codes": shown(codes) })),
        FactorDone::Removed(pair) => json(&Tokens::of(pair)),
    }
}

fn tokens_as_map(tokens: &Tokens<'_>) -> Map<String, Value> {
    match serde_json::to_value(tokens) {
        Ok(Value::Object(members)) => members,
        _ => Map::new(),
    }
}

fn shown(codes: &[Secret<String>]) -> Value {
    codes.iter().map(|code| Value::from(code.expose().as_str())).collect()
}

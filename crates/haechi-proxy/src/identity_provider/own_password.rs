//! `POST /auth/password`: people's own password, in JSON.

use super::told::Told;
use super::{Answer, Tokens, json, of_pair, refused_login};
use crate::refusal::Refusal;
use haechi_authn::hashing::PasswordFault;
use haechi_authn::identity::{ChangeRefused, Credentials, Provider};
use haechi_core::Secret;
use serde::Deserialize;
use std::net::IpAddr;

/// What the audit trail calls it.
const ACTION: &str = "password.change";

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Asked {
    username: String,
    password: String,
    new_password: String,
    /// A code of the second factor, or a recovery code.
    totp: Option<String>,
}

pub(super) async fn answer(provider: &Provider, body: &[u8], client: IpAddr) -> (Answer, Option<Told>) {
    let Ok(Asked { username, password, new_password, totp }) = serde_json::from_slice(body) else {
        return (Answer::refused(Refusal::BadBody, "the body is no change of a password"), None);
    };
    let shows = Credentials { name: username, password: Secret::new(password), code: totp.map(Secret::new) };
    match provider.change_password(shows, Secret::new(new_password), client).await {
        Ok(pair) => (json(&Tokens::of(&pair)), Some(of_pair(ACTION, provider, &pair))),
        Err(ChangeRefused::Login(refused)) => refused_login(ACTION, refused),
        Err(ChangeRefused::Password(fault)) => {
            let refusal = Refusal::PasswordRefused { told: told_of(fault) };
            (Answer::refused(refusal, fault.to_string()), Some(Told::refused(ACTION, fault)))
        }
    }
}

/// What people are told of a password that may not be one.
pub(super) const fn told_of(fault: PasswordFault) -> &'static str {
    match fault {
        PasswordFault::TooShort => {
            "a password has at least 15 characters, or 8 where a second factor is asked for beside it"
        }
        PasswordFault::TooLong => "a password has at most 128 characters",
        PasswordFault::ControlCharacter => "a password has no control characters",
        PasswordFault::Common => "this password is a common one",
        PasswordFault::Pattern => "this password is a pattern",
        PasswordFault::LikeName => "this password is little more than the user's name",
        PasswordFault::Same => "this password is the one from before",
    }
}

//! What a form of the provider's carries: which request it is for, how far the login has come, and in which browser. Sealed, so that nothing is kept for
//! those who never come back, and nobody changes or makes one.

use crate::jose::base64url;
use aws_lc_rs::aead::{AES_256_GCM, Aad, Nonce, RandomizedNonceKey};
use haechi_core::Timestamp;
use serde::{Deserialize, Serialize};
use std::time::Duration;

/// A form that lay about for longer is shown again.
pub(super) const LASTS: Duration = Duration::from_secs(30 * 60);
const PURPOSE: &[u8] = b"haechi identity form";

/// What a form is for.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) enum Goal {
    /// An authorization request, by its query as it came.
    #[serde(rename = "a")]
    Authorize(String),
    /// A logout.
    #[serde(rename = "l")]
    Logout,
    /// A page of a person's own.
    #[serde(rename = "o")]
    Own(OwnPage),
}

/// A page on which people see to their own account.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum OwnPage {
    /// What the account has.
    #[serde(rename = "a")]
    Account,
    /// The password.
    #[serde(rename = "p")]
    Password,
    /// The second factor.
    #[serde(rename = "t")]
    SecondFactor,
    /// The passkeys.
    #[serde(rename = "k")]
    Passkeys,
}

impl OwnPage {
    /// Its address, below the provider's path.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Account => "account",
            Self::Password => "password",
            Self::SecondFactor => "totp",
            Self::Passkeys => "passkeys",
        }
    }
}

/// How far a login has come.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) enum Stage {
    /// Name and password are asked for.
    #[serde(rename = "p")]
    Password,
    /// The user of this id has shown the password that this tells, and is asked for a code.
    #[serde(rename = "c")]
    Code { user: String, password: String },
    /// They are logged in, in the browser session of this id; whether the client may have what it asks for.
    #[serde(rename = "k")]
    Consent { session: String },
    /// The user of this id has shown all that is asked for, and must choose another password.
    #[serde(rename = "n")]
    NewPassword { user: String, proved: Proved },
    /// A page of a person's own, shown in the browser session of this id.
    #[serde(rename = "o")]
    Own { session: String },
    /// The same session; the password was shown, and a passkey of this name is to be added.
    #[serde(rename = "w")]
    NewPasskey { session: String, name: String },
    /// Whether to log out; where to go then.
    #[serde(rename = "e")]
    Logout { session: String, to: Option<String> },
}

/// Who has shown what.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Proved {
    /// What tells the password that it was.
    #[serde(rename = "p")]
    pub(super) password: String,
    /// By what.
    #[serde(rename = "m")]
    pub(super) methods: Vec<String>,
    /// By which passkey, where by one.
    #[serde(rename = "k", default, skip_serializing_if = "Option::is_none")]
    pub(super) passkey: Option<String>,
}

/// What a form carries.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Ticket {
    #[serde(rename = "g")]
    pub(super) goal: Goal,
    #[serde(rename = "s")]
    pub(super) stage: Stage,
    /// What ties it to the browser.
    #[serde(rename = "b")]
    pub(super) tie: String,
    /// When it was shown, in milliseconds.
    #[serde(rename = "t")]
    pub(super) at: i64,
}

impl Ticket {
    /// Whether it may still be sent.
    pub(super) fn is_alive(&self, now: Timestamp) -> bool {
        let shown = Timestamp::from_millis(self.at);
        now.since(shown) < LASTS && shown <= now.plus(Duration::from_secs(60))
    }
}

/// Seals and opens forms, on all nodes alike.
pub(super) struct TicketSeal(RandomizedNonceKey);

impl TicketSeal {
    pub(super) fn new(key: &[u8; 32]) -> Option<Self> {
        RandomizedNonceKey::new(&AES_256_GCM, key).ok().map(Self)
    }

    pub(super) fn seal(&self, ticket: &Ticket) -> Option<String> {
        let mut body = serde_json::to_vec(ticket).ok()?;
        let nonce = self.0.seal_in_place_append_tag(Aad::from(PURPOSE), &mut body).ok()?;
        Some(base64url::encode([nonce.as_ref().as_slice(), body.as_slice()].concat()))
    }

    pub(super) fn open(&self, text: &str) -> Option<Ticket> {
        let sealed = base64url::decode(text)?;
        let (nonce, body) = sealed.split_at_checked(12)?;
        let nonce = Nonce::try_assume_unique_for_key(nonce).ok()?;
        let mut body = body.to_vec();
        let opened = self.0.open_in_place(nonce, Aad::from(PURPOSE), &mut body).ok()?;
        serde_json::from_slice(opened).ok()
    }
}

#[cfg(test)]
mod tests {
    use super::{Goal, LASTS, Stage, Ticket, TicketSeal};
    use haechi_core::Timestamp;
    use std::time::Duration;

    const NOW: Timestamp = Timestamp::from_seconds(1_800_000_000);

    #[test]
    fn a_form_comes_back_as_it_was_and_nobody_makes_one() {
        let ticket = Ticket {
            goal: Goal::Authorize("client_id=a".into()),
            stage: Stage::Consent { session: "s".into() },
            tie: "t".into(),
            at: NOW.as_millis(),
        };
        let seal = TicketSeal::new(&[7; 32]).unwrap();
        let text = seal.seal(&ticket).unwrap();
        assert_eq!(seal.open(&text), Some(ticket.clone()));
        assert!(!text.contains("client_id"));
        assert_eq!(TicketSeal::new(&[8; 32]).unwrap().open(&text), None);
        for at in 0..text.len() {
            let mut other = text.clone().into_bytes();
            other[at] = if other[at] == b'A' { b'B' } else { b'A' };
            assert_eq!(seal.open(&String::from_utf8(other).unwrap()), None, "{at}");
        }
        assert!(ticket.is_alive(NOW) && !ticket.is_alive(NOW.plus(LASTS)));
        assert!(!ticket.is_alive(NOW.minus(Duration::from_secs(61))), "from the future");
    }
}

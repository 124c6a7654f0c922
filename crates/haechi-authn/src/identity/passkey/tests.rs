//! What is kept of passkeys: whose they are, and that each challenge is answered once.

use super::ceremony::tests::{Authenticator, PARTY_ISSUER};
use super::ceremony::{Expected, PasskeyFault, RelyingParty, check_creation};
use super::{MOST, PasskeyError, Passkeys};
use haechi_core::Timestamp;
use haechi_testkit::{Fault, FaultyStore};
use std::sync::Arc;
use std::time::Duration;

const NOW: Timestamp = Timestamp::from_seconds(1_800_000_000);

fn passkeys() -> (Arc<FaultyStore>, Passkeys) {
    let store = FaultyStore::new();
    (store.clone(), Passkeys::new(store))
}

fn party() -> RelyingParty {
    RelyingParty::of(PARTY_ISSUER).unwrap()
}

async fn add(passkeys: &Passkeys, user: &str, device: &Authenticator) -> Result<(), PasskeyError> {
    let new = check_creation(&party(), &device.creation(&[7; 32]), &[7; 32]).unwrap();
    passkeys.add(user, "phone", new, NOW).await
}

async fn take(
    passkeys: &Passkeys,
    device: &Authenticator,
    challenge: [u8; 32],
) -> Result<super::ShownPasskey, PasskeyError> {
    let answer = device.assertion(&challenge);
    let expected = Expected { challenge: &challenge, owner: None, verified: true };
    let until = NOW.plus(Duration::from_secs(1800));
    passkeys.take(&party(), &answer, &expected, (NOW, until)).await
}

fn refused<T: std::fmt::Debug>(outcome: Result<T, PasskeyError>) -> PasskeyFault {
    match outcome {
        Err(PasskeyError::Refused(fault)) => fault,
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn a_passkey_logs_in_whose_it_is_and_a_challenge_counts_once() {
    let (_, passkeys) = passkeys();
    let device = Authenticator::new("u-1");
    add(&passkeys, "u-1", &device).await.unwrap();
    let shown = take(&passkeys, &device, [1; 32]).await.unwrap();
    assert_eq!((&*shown.user, shown.synced), ("u-1", false));
    assert_eq!(refused(take(&passkeys, &device, [1; 32]).await), PasskeyFault::Used);
    take(&passkeys, &device, [2; 32]).await.unwrap();
    let own = passkeys.of("u-1", NOW).await.unwrap();
    assert_eq!((own.len(), &*own[0].name, own[0].used), (1, "phone", Some(NOW)));
}

#[tokio::test]
async fn a_counter_that_goes_back_is_a_copy() {
    let (_, passkeys) = passkeys();
    let mut device = Authenticator::new("u-1");
    device.counter = 5;
    add(&passkeys, "u-1", &device).await.unwrap();
    device.counter = 6;
    take(&passkeys, &device, [1; 32]).await.unwrap();
    for behind in [6, 5, 0] {
        device.counter = behind;
        assert_eq!(refused(take(&passkeys, &device, [2; 32]).await), PasskeyFault::Counter, "{behind}");
    }
    device.counter = 7;
    take(&passkeys, &device, [2; 32]).await.unwrap();
}

#[tokio::test]
async fn a_passkey_is_one_users_and_gone_once_it_was_taken_away() {
    let (_, passkeys) = passkeys();
    let device = Authenticator::new("u-1");
    add(&passkeys, "u-1", &device).await.unwrap();
    assert_eq!(refused(add(&passkeys, "u-2", &device).await), PasskeyFault::Known);
    let id = passkeys.of("u-1", NOW).await.unwrap().remove(0).id;
    assert_eq!(passkeys.remove("u-2", &id, NOW).await.unwrap(), None, "it is not theirs");
    assert!(passkeys.has("u-1", &id, NOW).await.unwrap() && !passkeys.has("u-2", &id, NOW).await.unwrap());
    assert_eq!(passkeys.remove("u-1", &id, NOW).await.unwrap().as_deref(), Some("phone"));
    assert!(!passkeys.has("u-1", &id, NOW).await.unwrap());
    assert_eq!(refused(take(&passkeys, &device, [1; 32]).await), PasskeyFault::Unknown);
}

#[tokio::test]
async fn nobody_has_more_than_there_may_be() {
    let (_, passkeys) = passkeys();
    for _ in 0..MOST {
        add(&passkeys, "u-1", &Authenticator::new("u-1")).await.unwrap();
    }
    assert_eq!(refused(add(&passkeys, "u-1", &Authenticator::new("u-1")).await), PasskeyFault::TooMany);
    assert_eq!(passkeys.remove_all("u-1", NOW).await.unwrap(), MOST);
    assert!(passkeys.of("u-1", NOW).await.unwrap().is_empty());
}

#[tokio::test]
async fn a_store_that_does_not_answer_is_no_wrong_passkey() {
    let (store, passkeys) = passkeys();
    let device = Authenticator::new("u-1");
    add(&passkeys, "u-1", &device).await.unwrap();
    store.set_fault(Fault::Fails);
    assert!(matches!(take(&passkeys, &device, [1; 32]).await, Err(PasskeyError::Store(_))));
}

use super::{FactorError, FactorStanding, SET_UP_WITHIN, SecondFactors};
use crate::identity::seal::{Seal, Seals};
use crate::identity::totp::TotpSecret;
use haechi_core::Timestamp;
use haechi_core::ports::RecordKind;
use haechi_testkit::FaultyStore;
use std::sync::Arc;
use std::time::Duration;

const NOW: Timestamp = Timestamp::from_seconds(1_800_000_000);
const WHO: (&str, &str, &str) = ("u-1", "mina", "http://localhost:8080");

fn factors(store: &Arc<FaultyStore>, seals: &[u8]) -> SecondFactors {
    let seal = |n: &u8| Seal::parse(&format!("{}{n:02x}", "5a".repeat(31))).unwrap();
    SecondFactors::new(store.clone(), Arc::new(Seals::new(seals.iter().map(seal).collect())))
}

/// What an app would show.
pub(in crate::identity) fn code_of(base32: &str, at: Timestamp) -> String {
    let letters = b"ABCDEFGHIJKLMNOPQRSTUVWXYZ234567";
    let bits: Vec<u8> = base32
        .bytes()
        .flat_map(|letter| {
            let value = letters.iter().position(|known| *known == letter).unwrap();
            (0..5).rev().map(move |bit| u8::from(value >> bit & 1 == 1))
        })
        .collect();
    let bytes: Vec<u8> = bits.chunks(8).map(|eight| eight.iter().fold(0, |n, bit| n << 1 | bit)).collect();
    let secret = TotpSecret::of_bytes(&bytes).unwrap();
    secret.code(u64::try_from(at.as_seconds() / 30).unwrap())
}

fn later(seconds: u64) -> Timestamp {
    NOW.plus(Duration::from_secs(seconds))
}

/// The app's secret and the recovery codes of a user who has set both up.
async fn set_up(factors: &SecondFactors) -> (String, Vec<String>) {
    let new = factors.begin(WHO, NOW).await.unwrap();
    let secret = new.secret.expose().clone();
    let codes = factors.confirm("u-1", &code_of(&secret, NOW), NOW).await.unwrap().unwrap();
    (secret, codes.iter().map(|code| code.expose().clone()).collect())
}

#[tokio::test]
async fn a_factor_counts_once_a_code_of_it_was_shown() {
    let store = FaultyStore::new();
    let factors = factors(&store, &[]);
    assert_eq!(factors.standing("u-1", NOW).await.unwrap(), FactorStanding::default());
    let new = factors.begin(WHO, NOW).await.unwrap();
    assert!(!factors.standing("u-1", NOW).await.unwrap().is_on);
    let code = code_of(new.secret.expose(), NOW);
    assert!(!factors.takes("u-1", &code, NOW).await.unwrap(), "it is not in force");
    assert!(factors.confirm("u-1", "000000", NOW).await.unwrap().is_none());
    let late = NOW.plus(SET_UP_WITHIN);
    assert!(factors.confirm("u-1", &code_of(new.secret.expose(), late), late).await.unwrap().is_none());
    assert!(factors.confirm("u-2", &code, NOW).await.unwrap().is_none());
    assert_eq!(factors.confirm("u-1", &code, NOW).await.unwrap().unwrap().len(), 10);
    let standing = factors.standing("u-1", NOW).await.unwrap();
    assert_eq!((standing.is_on, standing.recovery_codes), (true, 10));
    assert!(!factors.takes("u-1", &code, NOW).await.unwrap(), "it was used to set it up");
}

#[tokio::test]
async fn no_code_counts_twice_whoever_presents_it() {
    let store = FaultyStore::new();
    let (one, another) = (factors(&store, &[]), factors(&store, &[]));
    let (secret, recovery) = set_up(&one).await;
    let now = later(60);
    let code = code_of(&secret, now);
    let (a, b, c) = tokio::join!(
        one.takes("u-1", &code, now),
        another.takes("u-1", &code, now),
        one.takes("u-1", &code, now)
    );
    assert_eq!([a, b, c].into_iter().filter(|taken| *taken.as_ref().unwrap()).count(), 1);
    assert!(!one.takes("u-1", &code_of(&secret, later(30)), now).await.unwrap(), "of a step before");
    let (a, b) = tokio::join!(one.takes("u-1", &recovery[0], now), another.takes("u-1", &recovery[0], now));
    assert!(a.unwrap() ^ b.unwrap());
    assert!(!one.takes("u-1", &recovery[0], now).await.unwrap());
    assert!(
        one.takes("u-1", &format!(" {} ", recovery[1].to_uppercase().replace('-', " ")), now).await.unwrap()
    );
    assert_eq!(one.standing("u-1", now).await.unwrap().recovery_codes, 8);
    assert!(!one.takes("u-2", &recovery[2], now).await.unwrap(), "another user's");
    let kept =
        store.inner().identity_records.get(RecordKind::SecondFactor, "u-1", now).await.unwrap().unwrap().0;
    assert!(
        recovery.iter().all(|code| !kept.contains(&code.replace('-', ""))),
        "only hashes are kept: {kept}"
    );
}

#[tokio::test]
async fn the_secret_is_sealed_where_there_is_a_seal_and_what_does_not_open_is_no_wrong_code() {
    let store = FaultyStore::new();
    let sealing = factors(&store, &[1]);
    let (secret, _) = set_up(&sealing).await;
    let kept = |store: &Arc<FaultyStore>| {
        let records = store.inner().identity_records.clone();
        async move { records.get(RecordKind::SecondFactor, "u-1", NOW).await.unwrap().unwrap().0 }
    };
    let before = kept(&store).await;
    assert!(before.contains("\"secret\":\"SFNLM"), "it begins as what is sealed does: {before}");
    let unsealed = factors(&store, &[]).takes("u-1", &code_of(&secret, later(60)), later(60)).await;
    assert!(matches!(unsealed, Err(FactorError::Seal(_))), "{unsealed:?}");
    let next = factors(&store, &[2, 1]);
    assert!(next.takes("u-1", &code_of(&secret, later(60)), later(60)).await.unwrap());
    assert!(factors(&store, &[2]).takes("u-1", &code_of(&secret, later(120)), later(120)).await.unwrap());
}

#[tokio::test]
async fn a_factor_that_is_removed_is_gone_and_is_set_up_anew() {
    let store = FaultyStore::new();
    let factors = factors(&store, &[]);
    let (secret, recovery) = set_up(&factors).await;
    assert!(factors.note_short_password("u-1", true, NOW).await.unwrap());
    let before = factors.remove("u-1", NOW).await.unwrap();
    assert_eq!(
        before,
        FactorStanding {
            is_on: true,
            has_app: true,
            asks_passkey: false,
            recovery_codes: 10,
            short_password: true
        }
    );
    assert_eq!(factors.standing("u-1", NOW).await.unwrap(), FactorStanding::default());
    assert!(!factors.takes("u-1", &code_of(&secret, later(60)), later(60)).await.unwrap());
    assert!(!factors.takes("u-1", &recovery[0], later(60)).await.unwrap());
    assert!(!factors.note_short_password("u-1", true, NOW).await.unwrap(), "nothing to note it with");
    assert!(factors.renew_recovery("u-1", NOW).await.unwrap().is_none());
    let (other, _) = set_up(&factors).await;
    assert_ne!(other, secret);
}

#[tokio::test]
async fn new_recovery_codes_take_the_place_of_all_before() {
    let store = FaultyStore::new();
    let factors = factors(&store, &[]);
    let (_, old) = set_up(&factors).await;
    let new = factors.renew_recovery("u-1", NOW).await.unwrap().unwrap();
    assert!(!factors.takes("u-1", &old[0], NOW).await.unwrap());
    assert!(factors.takes("u-1", new[0].expose(), NOW).await.unwrap());
}

#[tokio::test]
async fn a_passkey_can_be_asked_for_without_an_app() {
    let store = FaultyStore::new();
    let factors = factors(&store, &[1]);
    let codes = factors.ask_for_passkey("u-1", NOW).await.unwrap();
    let standing = factors.standing("u-1", NOW).await.unwrap();
    assert_eq!((standing.is_on, standing.has_app, standing.asks_passkey), (true, false, true));
    // There is no app whose code would do; a recovery code does, once.
    assert!(!factors.takes("u-1", "000000", NOW).await.unwrap());
    assert!(factors.takes("u-1", codes[0].expose(), NOW).await.unwrap());
    assert!(!factors.takes("u-1", codes[0].expose(), NOW).await.unwrap());
    assert!(factors.note_short_password("u-1", true, NOW).await.unwrap());
    // An app beside it changes nothing of that, and it can go alone.
    let new = factors.begin(WHO, NOW).await.unwrap();
    factors.confirm("u-1", &code_of(new.secret.expose(), NOW), NOW).await.unwrap().unwrap();
    let standing = factors.standing("u-1", NOW).await.unwrap();
    assert_eq!((standing.has_app, standing.asks_passkey, standing.short_password), (true, true, true));
    factors.ask_for_app_alone("u-1", NOW).await.unwrap();
    assert!(factors.standing("u-1", NOW).await.unwrap().is_on);
    factors.remove("u-1", NOW).await.unwrap();
    assert!(!factors.takes("u-1", codes[1].expose(), NOW).await.unwrap());
}

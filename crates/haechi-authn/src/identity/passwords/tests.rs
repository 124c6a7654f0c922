use super::{BY_NAME, Lockout, PasswordRefused, PasswordVerifier};
use crate::hashing::PasswordPool;
use crate::identity::SecondFactors;
use crate::test_support::{change_user, clock, user};
use haechi_core::ports::{LoginState, UserRecord};
use haechi_core::{Attributes, Clock, Secret};
use haechi_testkit::{Fault, FaultyStore, FixedClock};
use std::net::{IpAddr, Ipv4Addr};
use std::num::NonZeroU32;
use std::sync::Arc;
use std::time::Duration;
use tokio::runtime::Handle;

pub(crate) const PASSWORD: &str = "tidal-orbit-mango-stove";

pub(crate) struct World {
    pub(crate) store: Arc<FaultyStore>,
    pub(crate) clock: Arc<FixedClock>,
    pub(crate) pool: Arc<PasswordPool>,
}

impl World {
    /// A store with the user `mina`, role MANAGER, tenant acme.
    pub(crate) async fn new() -> Self {
        let pool = PasswordPool::new(Handle::current(), std::num::NonZeroUsize::MIN, 63).unwrap();
        let world = Self { store: FaultyStore::new(), clock: clock(), pool: Arc::new(pool) };
        let mina = UserRecord {
            id: "u-1".into(),
            name: "mina".into(),
            password_hash: world.pool.hash(Secret::from(PASSWORD)).await.unwrap(),
            roles: vec!["MANAGER".into()],
            attributes: Attributes::from([(
                "tenant".into(),
                haechi_core::AttributeValue::String("acme".into()),
            )]),
            disabled: false,
            created_at: world.clock.now(),
            revision: haechi_core::ports::Revision::first(world.clock.now()),
            login: LoginState::default(),
            password: Default::default(),
        };
        world.store.inner().users.add(&mina).await.unwrap();
        world
    }

    pub(crate) fn verifier(&self) -> PasswordVerifier {
        let factors = self.factors();
        PasswordVerifier::new(
            self.store.clone(),
            factors,
            self.pool.clone(),
            self.clock.clone(),
            Self::lockout(),
        )
    }

    pub(crate) fn factors(&self) -> SecondFactors {
        SecondFactors::new(self.store.clone(), Arc::default())
    }

    pub(crate) fn lockout() -> Lockout {
        Lockout { failures: NonZeroU32::new(3).unwrap(), lasts: Duration::from_secs(900) }
    }

    async fn try_password(&self, name: &str, password: &str) -> Result<String, PasswordRefused> {
        self.try_from_host(name, password, 7).await
    }

    async fn try_from_host(&self, name: &str, password: &str, host: u8) -> Result<String, PasswordRefused> {
        Ok(self.verifier().verify(name, Secret::from(password), from(host)).await?.id)
    }
}

pub(crate) const fn from(host: u8) -> IpAddr {
    IpAddr::V4(Ipv4Addr::new(192, 0, 2, host))
}

const WRONG: Result<String, PasswordRefused> = Err(PasswordRefused::Mismatch);
const LOCKED: Result<String, PasswordRefused> =
    Err(PasswordRefused::Wrong("the user is locked for this address"));

#[tokio::test]
async fn the_right_password_and_a_wrong_one() {
    let world = World::new().await;
    assert_eq!(world.try_password("mina", PASSWORD).await, Ok("u-1".into()));
    assert_eq!(world.try_password("mina", "tidal-orbit-mango-stovf").await, WRONG);
    assert_eq!(user(&world.store, "mina").await.unwrap().login.failures, 0, "known here: counted here alone");
    assert_eq!(world.try_from_host("mina", "wrong", 8).await, WRONG);
    assert_eq!(user(&world.store, "mina").await.unwrap().login.failures, 1);
    assert_eq!(world.try_password("mina", PASSWORD).await, Ok("u-1".into()));
    assert_eq!(user(&world.store, "mina").await.unwrap().login.failures, 0, "success clears the count");
}

#[tokio::test]
async fn every_refusal_does_the_same_work() {
    let world = World::new().await;
    let mut work = Vec::new();
    for (name, password, disabled, locked) in [
        ("mina", "wrong", false, false),
        ("nobody", "wrong", false, false),
        ("mina", PASSWORD, true, false),
        ("mina", PASSWORD, false, true),
    ] {
        let locked_until = locked.then(|| world.clock.now().plus(Duration::from_secs(1)));
        change_user(&world.store, "mina", |mina| {
            mina.disabled = disabled;
            mina.login = LoginState { failures: 0, locked_until };
        })
        .await;
        let (hashes, calls) = (world.pool.done(), world.store.asked());
        let outcome = world.try_password(name, password).await;
        assert!(outcome.is_err_and(|refused| refused.is_verdict()), "{name}");
        work.push((world.pool.done() - hashes, world.store.asked() - calls));
    }
    assert_eq!(work, [(1, 3); 4], "one hash, two reads and a write each");
}

#[tokio::test]
async fn refusals_come_at_fixed_moments() {
    let world = World::new().await;
    tokio::time::pause();
    let started = tokio::time::Instant::now();
    assert_eq!(world.try_password("mina", "wrong").await, WRONG);
    // A paused clock moves by whole milliseconds, and stood between two.
    let elapsed = started.elapsed().as_millis();
    assert!(elapsed >= 50 && elapsed % 50 <= 2, "{elapsed}");
}

#[tokio::test]
async fn failures_lock_and_time_unlocks() {
    let world = World::new().await;
    for _ in 0..3 {
        assert_eq!(world.try_password("mina", "wrong").await, WRONG);
    }
    let (hashes, calls) = (world.pool.done(), world.store.asked());
    assert_eq!(world.try_password("mina", PASSWORD).await, LOCKED);
    assert_eq!((world.pool.done(), world.store.asked()), (hashes, calls), "refused before anybody is asked");
    assert_eq!(
        world.try_from_host("mina", PASSWORD, 8).await,
        Ok("u-1".into()),
        "a stranger locks nobody else"
    );
    world.clock.advance(Duration::from_secs(899));
    assert_eq!(world.try_password("mina", "wrong").await, LOCKED);
    world.clock.set(haechi_core::Timestamp::from_millis(0));
    world.clock.advance(Duration::from_secs(2));
    assert_eq!(world.try_password("mina", PASSWORD).await, Ok("u-1".into()), "guessing on locks no longer");
}

#[tokio::test]
async fn what_the_world_guesses_locks_for_strangers_alone() {
    let world = World::new().await;
    assert_eq!(world.try_from_host("mina", PASSWORD, 250).await, Ok("u-1".into()));
    for guess in 0..3 * BY_NAME {
        let host = u8::try_from(guess % 200).unwrap();
        assert_eq!(world.try_from_host("mina", "wrong", host).await, WRONG, "{guess}");
    }
    assert!(user(&world.store, "mina").await.unwrap().login.locked_until.is_some(), "on every node");
    assert!(world.try_from_host("mina", PASSWORD, 240).await.is_err());
    assert_eq!(world.try_from_host("mina", PASSWORD, 250).await, Ok("u-1".into()), "known here");
}

#[tokio::test]
async fn guesses_made_at_once_count_as_much_as_guesses_in_turn() {
    let world = World::new().await;
    let verifier = Arc::new(world.verifier());
    let guess = |password: &'static str| {
        let verifier = verifier.clone();
        tokio::spawn(async move { verifier.verify("mina", Secret::from(password), from(7)).await })
    };
    // One worker: they all read the user before the first is counted, and are hashed in this order.
    let guesses = [guess("wrong"), guess("wrong"), guess("wrong"), guess(PASSWORD)];
    let mut outcomes = Vec::new();
    for guess in guesses {
        outcomes.push(guess.await.unwrap().map(|user| user.id));
    }
    assert_eq!(outcomes, [WRONG, WRONG, WRONG, LOCKED]);
}

#[tokio::test]
async fn could_not_ask_is_not_wrong() {
    let world = World::new().await;
    world.store.set_fault(Fault::Fails);
    assert!(matches!(world.try_password("mina", PASSWORD).await, Err(PasswordRefused::Unavailable(_))));
    world.store.set_fault(Fault::None);
    change_user(&world.store, "mina", |mina| mina.password_hash = Secret::from("garbled")).await;
    assert!(matches!(world.try_password("mina", PASSWORD).await, Err(PasswordRefused::Unavailable(_))));
}

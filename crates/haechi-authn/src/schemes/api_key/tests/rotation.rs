//! Rotation against a model: whatever the order of changes, two nodes say of every secret what the model says.

use super::{World, with};
use crate::api_key::ApiKey;
use crate::test_support::{api_key, ask};
use crate::{Attempt, Authenticator, RevocationView, RevocationWatch, Scheme};
use haechi_core::ports::StoreError;
use haechi_core::{Clock, Timestamp};
use proptest::prelude::*;
use std::rc::Rc;
use std::time::Duration;

#[derive(Clone, Debug)]
enum Step {
    /// A new secret; the one before works for so many seconds.
    Rotate(u64),
    Revoke,
    /// So many seconds pass.
    Pass(u64),
}

/// What is true of the key.
struct Model {
    secrets: Vec<ApiKey>,
    previous_until: Option<Timestamp>,
    expires_at: Timestamp,
    revoked: bool,
}

impl Model {
    fn works(&self, secret: usize, now: Timestamp) -> bool {
        let last = self.secrets.len() - 1;
        let alive = match last - secret {
            0 => true,
            1 => self.previous_until.is_some_and(|end| now < end),
            _ => false,
        };
        alive && !self.revoked && now < self.expires_at
    }
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        4 => (0..20_u64).prop_map(Step::Rotate),
        1 => Just(Step::Revoke),
        5 => (0..15_u64).prop_map(Step::Pass),
    ]
}

/// Learns what the store has told since.
async fn learn(world: &World, watch: &RevocationWatch) {
    let view = RevocationView::clone(&watch.view());
    let told = world.store.inner().revocations.changes_since(view.epoch, usize::MAX).await.unwrap();
    watch.replace(view.with(&told.changes, told.epoch, world.clock.uptime()));
}

async fn agree(
    world: &World,
    nodes: &[(Rc<dyn Scheme>, &RevocationWatch)],
    model: &Model,
) -> Result<(), TestCaseError> {
    for (node, watch) in nodes {
        learn(world, watch).await;
        for (index, secret) in model.secrets.iter().enumerate() {
            let attempt = ask(&**node, &with(secret), world.clock.now()).await;
            let works = matches!(attempt, Attempt::Verified(_));
            prop_assert!(works || matches!(attempt, Attempt::Rejected(_)), "{:?}", attempt);
            prop_assert_eq!(works, model.works(index, world.clock.now()), "secret {}: {:?}", index, attempt);
        }
    }
    let alive = (0..model.secrets.len()).filter(|index| model.works(*index, world.clock.now()));
    prop_assert!(alive.count() <= 2);
    Ok(())
}

async fn run(steps: Vec<Step>) -> Result<(), TestCaseError> {
    let world = World::new();
    let other = world.beside();
    let nodes = [
        (world.authenticator.for_worker(), &*world.watch),
        (other.authenticator.for_worker(), &*other.watch),
    ];
    let first = ApiKey::generate().unwrap();
    let mut record = api_key(&first.sha256(), world.clock.now());
    let expires_at = world.clock.now().plus(Duration::from_secs(60));
    record.expires_at = Some(expires_at);
    let keys = world.store.inner().api_keys.clone();
    keys.add(&record).await.unwrap();
    let mut model = Model { secrets: vec![first], previous_until: None, expires_at, revoked: false };
    agree(&world, &nodes, &model).await?;
    for step in steps {
        match step {
            Step::Rotate(overlap) => {
                let (next, until) =
                    (ApiKey::generate().unwrap(), world.clock.now().plus(Duration::from_secs(overlap)));
                match keys.rotate("k-1".into(), &next.sha256(), until).await {
                    Ok(()) => {
                        prop_assert!(!model.revoked);
                        model.secrets.push(next);
                        model.previous_until = Some(until);
                    }
                    Err(StoreError::Missing(_)) => prop_assert!(model.revoked),
                    Err(error) => return Err(TestCaseError::fail(error.to_string())),
                }
            }
            Step::Revoke => {
                keys.revoke("k-1".into()).await.unwrap();
                model.revoked = true;
            }
            Step::Pass(seconds) => world.clock.advance(Duration::from_secs(seconds)),
        }
        agree(&world, &nodes, &model).await?;
    }
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(96))]

    #[test]
    fn every_node_says_what_the_model_says(steps in prop::collection::vec(step(), 0..24)) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
        runtime.block_on(run(steps))?;
    }
}

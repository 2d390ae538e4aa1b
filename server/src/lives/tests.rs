//! A prediction from its receipt to its payout, on both databases.

use std::sync::Arc;

use contracts::round;
use contracts::tree::{Leaf, PredictionLeaf};
use domain::timestamp::SECOND_US;
use domain::{ModelId, Outcome, Probability, RoundState};

use super::*;
use crate::chain::testing::{deployment, event};
use crate::chain::{self, set_deployment};
use crate::db::Db;
use crate::db::testing::each_database;
use crate::predictions::{ReceiptSigner, Said, Submission, Writer};
use crate::rounds::NOT_DUE;
use crate::settlement::testing::{lock, score};
use crate::stakes::testing::{START_US, in_transaction, open_round, three_models, tokens};
use crate::{models, settlement};

/// A moment in which the round takes predictions.
const POSTED_US: i64 = START_US - 100 * SECOND_US;

struct World {
    db: Db,
    writer: Writer,
    models: Vec<ModelId>,
    round: Round,
}

impl World {
    async fn new(db: Db) -> Self {
        let signer = ReceiptSigner::from_secret(&[7; 32], 31_337, deployment().registry);
        let writer = Writer::start(db.clone(), Arc::new(signer.expect("a key")), Arc::default());
        let (models, round) = in_transaction(&db, async |conn| {
            set_deployment(conn, &deployment()).await.expect("kept");
            let models = three_models(conn, tokens(10_000)).await;
            (models, open_round(conn, START_US).await)
        })
        .await;
        Self {
            db,
            writer,
            models,
            round,
        }
    }

    async fn post(&self, model: &ModelId, ppm: u32) -> Receipt {
        let posted = Probability::from_ppm(ppm).expect("in range");
        self.say(model, Said::Open { posted, ask: None }).await
    }

    async fn say(&self, model: &ModelId, said: Said) -> Receipt {
        let mut conn = self.db.read().await.expect("a connection");
        let account = models::get(&mut conn, model).await.expect("there").account;
        drop(conn);
        let submission = Submission {
            round: self.round.id.clone(),
            model: model.clone(),
            account,
            said,
            nonce: None,
            received_us: POSTED_US,
        };
        let stored = predictions::submit(&self.writer, submission).await;
        stored.expect("accepted").receipt
    }

    /// Locks the round over the first two models' predictions.
    async fn lock(&self) -> Lock {
        let reports: Vec<_> = self
            .models
            .iter()
            .cloned()
            .zip([620_000, 400_000])
            .collect();
        in_transaction(&self.db, async |conn| {
            lock(conn, POSTED_US, &self.round, &deployment(), &reports).await
        })
        .await
    }

    /// The registry's event makes the locked round committed.
    async fn commit(&self, lock: &Lock) {
        let said = chain::Said::RoundCommitted {
            round: lock.chain_round,
            commitment: lock.commitment,
        };
        let mined = event(deployment().registry, 1, said);
        in_transaction(&self.db, async |conn| {
            settlement::on_event(conn, 1, &mined)
                .await
                .expect("applies");
        })
        .await;
    }

    async fn advance(&self, from: RoundState, to: RoundState) {
        in_transaction(&self.db, async |conn| {
            rounds::advance(conn, &self.round.id, from, to, NOT_DUE)
                .await
                .expect("advances");
        })
        .await;
    }

    /// The scores beside the payouts, as the score job writes both.
    async fn score(&self) {
        in_transaction(&self.db, async |conn| {
            let id = &self.round.id;
            let resolution = prices::resolution(conn, id).await.expect("reads");
            let counted = predictions::counted(conn, id).await.expect("reads");
            let resolution = resolution.expect("resolved");
            scores::score(conn, &self.round, &resolution, &counted, &[])
                .await
                .expect("scores");
        })
        .await;
    }

    async fn life(&self, model: &ModelId) -> Life {
        let mut conn = self.db.read().await.expect("a connection");
        let life = of_model(&mut conn, POSTED_US, &self.round.id, model).await;
        life.expect("a life")
    }

    async fn stages(&self) -> Vec<(Stage, Option<Absence>)> {
        let mut stages = Vec::new();
        for model in &self.models {
            let life = self.life(model).await;
            stages.push((life.stage, life.absence));
        }
        stages
    }

    async fn proof(&self, life: &Life) -> Option<Inclusion> {
        let mut conn = self.db.read().await.expect("a connection");
        let proof = inclusion(&mut conn, POSTED_US, life).await;
        proof.expect("an answer")
    }
}

#[tokio::test]
async fn a_prediction_is_received_counted_scored_and_paid() {
    each_database(|db| async move {
        let world = World::new(db).await;
        let (ada, bob) = (&world.models[0], &world.models[1]);
        world.post(ada, 500_000).await;
        let stands = world.post(ada, 620_000).await;
        world.post(bob, 400_000).await;
        let received = world.life(ada).await;
        assert_eq!(received.stage, Stage::Received);
        assert_eq!(received.latest, Some(stands));
        assert!(received.counted.is_none() && received.crowd.is_none());
        let locked = world.lock().await;
        let absent = (Stage::Absent, Some(Absence::NoPrediction));
        let counted = (Stage::Counted, None);
        assert_eq!(world.stages().await, [counted, counted, absent]);
        world.commit(&locked).await;
        let hidden = world.life(ada).await;
        assert_eq!(
            hidden.counted.as_ref().map(|one| one.model_index),
            Some(Some(0))
        );
        assert!(hidden.crowd.is_none(), "secret until the outcome");
        assert!(world.proof(&hidden).await.is_none(), "and so are sums");

        let settled = in_transaction(&world.db, async |conn| score(conn, &world.round).await).await;
        let paid = world.life(ada).await;
        assert_eq!(
            paid.outcome,
            Some(Outcome::Direction(domain::Direction::Up))
        );
        assert_eq!(paid.crowd.map(Probability::ppm), Some(510_000));
        let delta = paid.payout.as_ref().map(|payout| payout.delta);
        assert_eq!(delta, Some(settled.payouts[0].1));
        world.score().await;
        let scored = (Stage::Scored, None);
        assert_eq!(world.stages().await, [scored, scored, absent]);
        let brier = world.life(ada).await.score.map(|row| row.brier.units());
        assert_eq!(brier, Some(855_600_000));
        use RoundState as S;
        world.advance(S::Scored, S::Batched).await;
        assert_eq!(world.stages().await, [scored, scored, absent]);
        world.advance(S::Batched, S::Final).await;
        let paid = (Stage::Paid, None);
        assert_eq!(world.stages().await, [paid, paid, absent]);
    })
    .await;
}

#[tokio::test]
async fn a_seal_that_nobody_opened_is_absent() {
    each_database(|db| async move {
        let world = World::new(db).await;
        let (ada, cleo) = (&world.models[0], &world.models[2]);
        world.post(ada, 620_000).await;
        let seal = chain::B256::repeat_byte(7);
        let receipt = world.say(cleo, Said::Sealed { seal }).await;
        assert!(is_sealed(&receipt));
        let closed = world.life(cleo).await;
        assert_eq!((closed.stage, closed.absence), (Stage::Sealed, None));
        world.lock().await;
        let never = world.life(cleo).await;
        let absence = Some(Absence::NeverRevealed);
        assert_eq!((never.stage, never.absence), (Stage::Absent, absence));
        world.advance(RoundState::Locked, RoundState::Void).await;
        let void = world.life(ada).await;
        let absence = Some(Absence::RoundVoid);
        assert_eq!((void.stage, void.absence), (Stage::Void, absence));
    })
    .await;
}

/// With the contracts' own functions and nothing of ours.
#[tokio::test]
async fn the_proof_leads_from_the_leaf_to_the_commitment_of_the_chain() {
    each_database(|db| async move {
        let world = World::new(db).await;
        world.post(&world.models[0], 620_000).await;
        world.post(&world.models[1], 400_000).await;
        let locked = world.lock().await;
        world.commit(&locked).await;
        in_transaction(&world.db, async |conn| score(conn, &world.round).await).await;
        for (model, p) in world.models.iter().zip([620_000, 400_000]) {
            let life = world.life(model).await;
            let proof = world.proof(&life).await.expect("a proof");
            let leaf = PredictionLeaf {
                index: proof.leaf.index,
                w: 50_000_000_000,
                p,
            };
            assert_eq!(proof.leaf, leaf);
            let top = proof.proof.climb(leaf.index, leaf.node()).expect("sums");
            assert_eq!(top, proof.top);
            let chain_round = round::round_id(
                deployment().chain_id,
                deployment().registry,
                alloy::primitives::keccak256("btc-usd-5m"),
                u64::try_from(START_US / SECOND_US).expect("after 1970"),
            );
            let commitment = round::commitment(chain_round, top.root(), proof.lock.salt);
            assert_eq!(commitment, locked.commitment);
        }
        let silent = world.life(&world.models[2]).await;
        assert!(world.proof(&silent).await.is_none());
    })
    .await;
}

#[tokio::test]
async fn a_page_has_each_round_and_model_once_and_the_next_goes_on_behind_it() {
    each_database(|db| async move {
        let world = World::new(db).await;
        let mut stands = Vec::new();
        for (model, ppm) in world.models.iter().zip([500_000, 510_000, 520_000]) {
            world.post(model, 600_000).await;
            stands.push(world.post(model, ppm).await);
        }
        stands.reverse();
        // More models than one question takes, most of them silent.
        let mut asked = world.models.clone();
        asked.extend((0..150).map(|n| format!("btc-usd-5m-n{n}").parse().expect("an id")));
        let mut conn = world.db.read().await.expect("a connection");
        let first = predictions::latest_of_models(&mut conn, &asked, i64::MAX, 2).await;
        let first = first.expect("a page");
        assert_eq!(first, stands[..2]);
        let before = first[1].sequence;
        let second = predictions::latest_of_models(&mut conn, &asked, before, 2).await;
        assert_eq!(second.expect("a page"), stands[2..]);
        let none = predictions::latest_of_models(&mut conn, &[], i64::MAX, 2).await;
        assert!(none.expect("a page").is_empty());
        let lives = of_receipts(&mut conn, POSTED_US, first)
            .await
            .expect("lives");
        let of: Vec<&ModelId> = lives.iter().map(|life| &life.model).collect();
        assert_eq!(of, [&world.models[2], &world.models[1]]);
        let replaced = predictions::receipts(&mut conn, &world.round.id, &world.models[0], 10);
        let replaced = replaced.await.expect("receipts");
        let posted: Vec<Option<u32>> = replaced.iter().map(|one| one.posted_ppm).collect();
        assert_eq!(posted, [Some(500_000), Some(600_000)]);
    })
    .await;
}

//! Rounds with sealed predictions through the jobs that `serve` runs, the clock moved by hand.

use std::sync::Arc;

use contracts::round::seal;
use domain::timestamp::SECOND_US;
use domain::{ModelId, Probability, RoundId, RoundState, TokenAmount, WallClock};

use crate::app::{App, testing};
use crate::chain::testing::{deployment, event, head};
use crate::chain::{B256, Said as ChainSaid};
use crate::db::Db;
use crate::db::testing::each_database;
use crate::predictions::{self, PredictionError, Receipt, Said, Submission};
use crate::record::format::RoundFile;
use crate::record::{Standing, check_receipt, recompute_round, signer_of};
use crate::settlement::testing::score;
use crate::stakes::testing::{START_US, three_models, tokens};
use crate::{jobs, models, rounds, settlement};

const DEADLINE_US: i64 = START_US - 60 * SECOND_US;
const LOCK_US: i64 = START_US - 50 * SECOND_US;
const SALT: B256 = B256::repeat_byte(0x5a);

/// Three staked models with the places 0, 1 and 2, and an open round.
struct World {
    app: Arc<App>,
    wall: WallClock,
    models: Vec<ModelId>,
    _folder: tempfile::TempDir,
}

fn round() -> RoundId {
    "btc-usd-5m-20240305T1200Z".parse().expect("an id")
}

fn p(ppm: u32) -> Probability {
    Probability::from_ppm(ppm).expect("in range")
}

impl World {
    async fn new(db: &Db) -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let wall = WallClock::manual(START_US - 599 * SECOND_US);
        let app = testing::over(db.clone(), wall.clone(), folder.path(), Some(deployment()));
        let mut tx = db.begin().await.expect("a transaction");
        let models = three_models(&mut tx, tokens(1_000)).await;
        tx.commit().await.expect("committed");
        let world = Self {
            app,
            wall,
            models,
            _folder: folder,
        };
        // Makes the round; opens it.
        world.tick(START_US - 599 * SECOND_US).await;
        world.tick(START_US - 598 * SECOND_US).await;
        // Freezes the features, of which there are none.
        world.tick(START_US - 119 * SECOND_US).await;
        assert_eq!(world.state().await, RoundState::Open);
        world
    }

    /// The jobs of this moment, by a fresh view of the chain.
    async fn tick(&self, at_us: i64) {
        self.wall.set(at_us);
        let mut tx = self.app.db.begin().await.expect("a transaction");
        let number = u64::try_from((at_us - START_US) / SECOND_US + 10_000).expect("positive");
        head(&mut tx, number, at_us).await;
        tx.commit().await.expect("committed");
        jobs::tick(&self.app).await.expect("ticked");
    }

    async fn state(&self) -> RoundState {
        let mut conn = self.app.db.read().await.expect("a connection");
        let found = rounds::get(&mut conn, &round()).await;
        found.expect("the round").state
    }

    async fn next_due_us(&self) -> Option<i64> {
        let mut conn = self.app.db.read().await.expect("a connection");
        rounds::next_due_us(&mut conn).await.expect("reads")
    }

    async fn say(&self, n: usize, at_us: i64, said: Said) -> Result<Receipt, PredictionError> {
        self.wall.set(at_us);
        let model = &self.models[n];
        let account = {
            let mut conn = self.app.db.read().await.expect("a connection");
            models::get(&mut conn, model)
                .await
                .expect("a model")
                .account
        };
        let submission = Submission {
            round: round(),
            model: model.clone(),
            account,
            said,
            nonce: None,
            received_us: at_us,
        };
        let said = predictions::submit(&self.app.writer, submission).await;
        said.map(|acknowledged| acknowledged.receipt)
    }

    /// What the model of place `n` seals: 0.6, its index, 7 tokens.
    fn sealed(&self, n: usize) -> Said {
        let index = u32::try_from(n).expect("small");
        let chain_round = self.app.receipts.chain_round(&round());
        Said::Sealed {
            seal: seal(chain_round, index, tokens(7).units(), 600_000, SALT),
        }
    }

    async fn open(&self, n: usize, ppm: u32) -> Receipt {
        let said = Said::Open {
            posted: p(ppm),
            ask: None,
        };
        let at_us = DEADLINE_US - SECOND_US;
        self.say(n, at_us, said).await.expect("taken")
    }

    /// Which models count, and with which stake.
    async fn counted(&self) -> Vec<(ModelId, TokenAmount)> {
        let mut conn = self.app.db.read().await.expect("a connection");
        let counted = predictions::counted(&mut conn, &round()).await;
        let counted = counted.expect("reads").into_iter();
        counted.map(|one| (one.model, one.at_risk)).collect()
    }

    /// The round's file of the public record: its commitment was mined, it went up.
    async fn record(&self) -> (RoundFile, Vec<u8>) {
        let mut tx = self.app.db.begin().await.expect("a transaction");
        let lock = settlement::lock(&mut tx, &round()).await.expect("reads");
        let lock = lock.expect("locked");
        let said = ChainSaid::RoundCommitted {
            round: lock.chain_round,
            commitment: lock.commitment,
        };
        let mined = event(deployment().registry, 77, said);
        settlement::on_event(&mut tx, 1, &mined)
            .await
            .expect("applies");
        let found = rounds::get(&mut tx, &round()).await.expect("the round");
        score(&mut tx, &found).await;
        let lease = settlement::lease::take(&mut tx, "test", 1, 9).await;
        let lease = lease.expect("asks").expect("free");
        let now_us = START_US + 320 * SECOND_US;
        let batch = settlement::plan_batch(&mut tx, &lease, now_us, now_us, &deployment()).await;
        let batch = batch.expect("plans").expect("a batch");
        let record = settlement::record(&mut tx, &deployment(), None, &batch.id).await;
        let files = record.expect("a record").files;
        tx.rollback().await.expect("rolls back");
        let bytes = |path: &str| {
            let found = files.iter().find(|file| file.path == path);
            found.expect("a file").bytes.clone()
        };
        let is_round = |path: &str| {
            path.starts_with("rounds/btc")
                && !path.ends_with("evidence.json")
                && !path.ends_with("batch.json")
        };
        let path = files
            .iter()
            .map(|file| &file.path)
            .find(|path| is_round(path));
        let file = serde_json::from_slice(&bytes(path.expect("a round"))).expect("a round's file");
        (file, bytes("tournaments/btc-usd-5m.toml"))
    }
}

/// What does not follow and is about seals; prices and scores are those of a stub.
fn wrong_seals(file: &RoundFile, rule: &[u8]) -> Vec<String> {
    let found = recompute_round(file, rule, None);
    let found = found.iter().map(ToString::to_string);
    found
        .filter(|line| line.contains("seal") || line.contains("revealed"))
        .collect()
}

#[tokio::test]
async fn without_a_seal_a_round_locks_at_its_deadline() {
    each_database(|db| async move {
        let world = World::new(&db).await;
        world.open(0, 550_000).await;
        let chain_round = world.app.receipts.chain_round(&round());
        let seal = seal(chain_round, 1, u64::MAX, 600_000, SALT);
        let at_us = DEADLINE_US - 2 * SECOND_US;
        let sealed = world.say(1, at_us, Said::Sealed { seal }).await;
        sealed.expect("taken");
        let opened = Said::Opened {
            posted: p(600_000),
            ask: None,
            salt: SALT,
        };
        let opened = world.say(1, DEADLINE_US - SECOND_US, opened).await;
        assert_eq!(
            opened.expect("opens").stake_counted,
            "5",
            "the default limit"
        );
        world.tick(DEADLINE_US).await;
        assert_eq!(world.state().await, RoundState::Locked);
        assert_eq!(world.counted().await.len(), 2);
    })
    .await;
}

#[tokio::test]
async fn the_lock_waits_for_the_last_seal_and_not_longer() {
    each_database(|db| async move {
        let world = World::new(&db).await;
        world.open(0, 550_000).await;
        let before_us = DEADLINE_US - SECOND_US;
        let sealed = world.say(1, before_us, world.sealed(1)).await;
        let sealed = sealed.expect("taken");
        world
            .say(2, before_us, world.sealed(2))
            .await
            .expect("taken");
        world.tick(DEADLINE_US).await;
        assert_eq!(
            world.state().await,
            RoundState::Open,
            "two seals are closed"
        );
        assert_eq!(world.next_due_us().await, Some(LOCK_US));
        let opens = || Said::Opened {
            posted: p(600_000),
            ask: Some(tokens(7)),
            salt: SALT,
        };
        let opened = world.say(1, DEADLINE_US + SECOND_US, opens()).await;
        let opened = opened.expect("opens");
        assert_eq!(world.next_due_us().await, Some(LOCK_US), "one is closed");
        let last_us = DEADLINE_US + 2 * SECOND_US;
        let again = world.say(2, last_us, opens()).await.expect("opens");
        assert_eq!(world.next_due_us().await, Some(last_us), "none is");
        world.tick(last_us).await;
        assert_eq!(world.state().await, RoundState::Locked);
        let counted: Vec<_> = world.counted().await.into_iter().map(|(_, w)| w).collect();
        assert_eq!(counted, [tokens(5), tokens(7), tokens(7)]);
        // Whoever did not hear the answer asks again, after the lock.
        let repeated = world.say(2, last_us + 1, opens()).await.expect("is told");
        assert_eq!(repeated, again);

        let (file, rule) = world.record().await;
        assert_eq!(wrong_seals(&file, &rule), Vec::<String>::new());
        assert!(file.never_revealed.is_empty());
        let row = &file.predictions[1];
        assert_eq!(
            row.seal.as_ref().map(|seal| seal.w),
            Some(tokens(7).units())
        );
        let by = opened.sequence;
        assert_eq!(check_receipt(&sealed, &file), Standing::Opened { by });
        assert_eq!(check_receipt(&opened, &file), Standing::Included);
        for receipt in [&sealed, &opened] {
            let signer = signer_of(receipt, 31_337, deployment().registry);
            assert_eq!(signer, Ok(world.app.receipts.address()));
        }
        let mut forged = file.clone();
        forged.predictions[1].posted = 610_000;
        assert!(!wrong_seals(&forged, &rule).is_empty(), "it opens nothing");
        let mut forged = sealed.clone();
        forged.seal = Some(B256::ZERO.to_string());
        let omitted = check_receipt(&forged, &file);
        assert_ne!(omitted, Standing::Opened { by });
    })
    .await;
}

#[tokio::test]
async fn a_seal_that_nobody_opens_is_absent_and_the_others_settle() {
    each_database(|db| async move {
        let world = World::new(&db).await;
        world.open(0, 550_000).await;
        world.open(2, 450_000).await;
        let earlier = world.open(1, 500_000).await;
        let before_us = DEADLINE_US - SECOND_US;
        let sealed = world.say(1, before_us, world.sealed(1)).await;
        let sealed = sealed.expect("taken");
        world.tick(LOCK_US - 1).await;
        assert_eq!(world.state().await, RoundState::Open);
        world.tick(LOCK_US).await;
        assert_eq!(world.state().await, RoundState::Locked);
        let counted: Vec<_> = world.counted().await.into_iter().map(|(m, _)| m).collect();
        assert_eq!(counted, [world.models[0].clone(), world.models[2].clone()]);
        let late = Said::Opened {
            posted: p(600_000),
            ask: Some(tokens(7)),
            salt: SALT,
        };
        let late = world.say(1, LOCK_US + 1, late).await;
        assert!(
            matches!(late, Err(PredictionError::SealLate { missed_us: 1, .. })),
            "{late:?}"
        );
        let (file, rule) = world.record().await;
        assert_eq!(wrong_seals(&file, &rule), Vec::<String>::new());
        let absent = &file.never_revealed;
        assert_eq!(absent.len(), 1);
        assert_eq!(absent[0].sequence, sealed.sequence);
        assert_eq!(file.burned, {
            let paid: i64 = file.predictions.iter().map(|row| row.delta).sum();
            paid.unsigned_abs()
        });
        assert_eq!(check_receipt(&sealed, &file), Standing::NeverRevealed);
        let by = sealed.sequence;
        assert_eq!(check_receipt(&earlier, &file), Standing::Replaced { by });
    })
    .await;
}

#[tokio::test]
async fn a_round_of_closed_seals_alone_is_one_where_nobody_predicted() {
    each_database(|db| async move {
        let world = World::new(&db).await;
        let before_us = DEADLINE_US - SECOND_US;
        world
            .say(1, before_us, world.sealed(1))
            .await
            .expect("taken");
        world.tick(LOCK_US).await;
        let mut conn = db.read().await.expect("a connection");
        let found = rounds::get(&mut conn, &round()).await.expect("the round");
        assert_eq!(
            (found.state, found.void_reason.as_str()),
            (RoundState::Void, "nobody predicted"),
            "the reason is public at once, so it says nothing of seals"
        );
    })
    .await;
}

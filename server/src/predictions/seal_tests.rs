//! Every order of sealing, opening and posting openly, on both databases.

use std::sync::Arc;

use contracts::round::seal as seal_of;
use domain::timestamp::SECOND_US;
use domain::{AccountId, ModelId, Probability, RoundId, TokenAmount};

use super::*;
use crate::db::Db;
use crate::db::testing::each_database;
use crate::models;
use crate::rounds::{self, Round};
use crate::stakes::testing::{START_US, open_round, three_models, tokens};

const SALT: B256 = B256::repeat_byte(0x5a);

/// Three models with places 0, 1 and 2 and 1,000 tokens each, and an open round.
struct World {
    db: Db,
    writer: Writer,
    signer: Arc<ReceiptSigner>,
    due: Arc<tokio::sync::Notify>,
    round: Round,
    models: Vec<(ModelId, AccountId)>,
}

/// What may be sealed: p in ppm, the stake in tokens, the salt.
#[derive(Clone, Copy)]
struct Content(u32, Option<u64>, B256);

const USUAL: Content = Content(610_000, Some(7), SALT);

impl Content {
    fn ask(self) -> Option<TokenAmount> {
        self.1.map(tokens)
    }

    fn opened(self) -> Said {
        Said::Opened {
            posted: Probability::from_ppm(self.0).expect("in range"),
            ask: self.ask(),
            salt: self.2,
        }
    }

    fn open(self) -> Said {
        Said::Open {
            posted: Probability::from_ppm(self.0).expect("in range"),
            ask: self.ask(),
        }
    }
}

impl World {
    async fn new(db: &Db) -> Self {
        let mut tx = db.begin().await.expect("begins");
        let ids = three_models(&mut tx, tokens(1_000)).await;
        let round = open_round(&mut tx, START_US).await;
        let mut models = Vec::new();
        for id in ids {
            let account = models::get(&mut tx, &id).await.expect("a model").account;
            models.push((id, account));
        }
        tx.commit().await.expect("commits");
        let signer = ReceiptSigner::from_secret(&[7; 32], 1, crate::chain::ChainAddress::ZERO);
        let (signer, due) = (Arc::new(signer.expect("a key")), Arc::default());
        Self {
            writer: Writer::start(db.clone(), Arc::clone(&signer), Arc::clone(&due)),
            db: db.clone(),
            signer,
            due,
            round,
            models,
        }
    }

    fn id(&self) -> &RoundId {
        &self.round.id
    }

    /// The content sealed for a model with this index.
    fn sealed(&self, index: u32, content: Content) -> Said {
        let w = content.ask().map_or(NO_STAKE, TokenAmount::units);
        let chain_round = self.signer.chain_round(self.id());
        Said::Sealed {
            seal: seal_of(chain_round, index, w, content.0, content.2),
        }
    }

    fn submission(&self, n: usize, at_us: i64, said: Said) -> Submission {
        let (model, account) = self.models[n].clone();
        Submission {
            round: self.id().clone(),
            model,
            account,
            said,
            nonce: None,
            received_us: at_us,
        }
    }

    async fn say_at(&self, n: usize, at_us: i64, said: Said) -> Verdict {
        submit(&self.writer, self.submission(n, at_us, said)).await
    }

    /// The first model says it before the deadline.
    async fn say(&self, said: Said) -> Verdict {
        let at_us = self.round.schedule.deadline_us - SECOND_US;
        self.say_at(0, at_us, said).await
    }

    /// Sequence and posted ppm of what would count of the first model.
    async fn counts(&self) -> Option<(i64, u32)> {
        let mut conn = self.db.read().await.expect("reads");
        let latest = latest(&mut conn, self.id()).await.expect("latest");
        latest.first().map(|one| (one.sequence, one.posted.ppm()))
    }

    async fn closed(&self) -> Vec<i64> {
        let mut conn = self.db.read().await.expect("reads");
        let closed = unopened(&mut conn, self.id()).await.expect("reads");
        let any = is_any_sealed(&mut conn, self.id()).await.expect("reads");
        assert_eq!(any, !closed.is_empty());
        closed.iter().map(|one| one.sequence).collect()
    }
}

fn is_unknown(verdict: &Verdict, replaced: bool) -> bool {
    matches!(
        verdict,
        Err(PredictionError::SealUnknown { is_replaced, .. }) if *is_replaced == replaced
    )
}

fn is_not_opened(verdict: &Verdict) -> bool {
    matches!(verdict, Err(PredictionError::SealNotOpened { .. }))
}

#[tokio::test]
async fn a_seal_counts_nothing_until_what_it_holds_is_shown() {
    each_database(|db| async move {
        let world = World::new(&db).await;
        let sealed = world.say(world.sealed(0, USUAL)).await.expect("taken");
        assert_eq!(sealed.receipt.p_ppm, None);
        assert_eq!(
            (world.counts().await, world.closed().await),
            (None, vec![1])
        );
        let opened = world.say(USUAL.opened()).await.expect("opens");
        assert_eq!(opened.receipt.p_ppm, Some(610_000));
        assert_eq!(opened.receipt.stake_counted, "7");
        assert!(sealed.receipt.seal.is_some(), "both name it");
        assert_eq!(opened.receipt.seal, sealed.receipt.seal);
        assert_eq!(world.counts().await, Some((2, 610_000)));
        assert_eq!(world.closed().await, Vec::<i64>::new());
        let mut conn = db.read().await.expect("reads");
        let openings = openings(&mut conn, world.id()).await.expect("reads");
        let opening = openings[&2];
        assert_eq!(
            (opening.sequence, opening.index, opening.salt),
            (1, 0, SALT)
        );
        assert_eq!(opening.stake_units, tokens(7).units());
        assert_eq!(models_heard(&mut conn, world.id()).await.expect("reads"), 1);
    })
    .await;
}

#[tokio::test]
async fn the_latest_wins_sealed_or_open() {
    each_database(|db| async move {
        let world = World::new(&db).await;
        let other = Content(450_000, None, B256::repeat_byte(1));
        world.say(other.open()).await.expect("taken");
        world.say(world.sealed(0, USUAL)).await.expect("taken");
        assert_eq!(
            world.counts().await,
            None,
            "the seal replaced what was open"
        );
        world.say(other.open()).await.expect("taken");
        assert_eq!(world.counts().await, Some((3, 450_000)), "and is replaced");
        assert_eq!(world.closed().await, Vec::<i64>::new());
        let gone = world.say(USUAL.opened()).await;
        assert!(is_unknown(&gone, true), "{gone:?}");
        world.say(world.sealed(0, USUAL)).await.expect("taken");
        world.say(world.sealed(0, other)).await.expect("taken");
        let replaced = world.say(USUAL.opened()).await;
        assert!(is_not_opened(&replaced), "{replaced:?}");
        assert_eq!(world.closed().await, [5]);
        world.say(other.opened()).await.expect("opens");
        assert_eq!(world.counts().await, Some((6, 450_000)));
        world.say(USUAL.open()).await.expect("taken");
        assert_eq!(
            world.counts().await,
            Some((7, 610_000)),
            "also what was opened"
        );
    })
    .await;
}

#[tokio::test]
async fn only_what_was_sealed_opens_a_seal() {
    each_database(|db| async move {
        let world = World::new(&db).await;
        let none = world.say(USUAL.opened()).await;
        assert!(is_unknown(&none, false), "{none:?}");
        world.say(world.sealed(0, USUAL)).await.expect("taken");
        for wrong in [
            Content(610_001, USUAL.1, SALT),
            Content(610_000, Some(8), SALT),
            Content(610_000, None, SALT),
            Content(610_000, USUAL.1, B256::ZERO),
        ] {
            let refused = world.say(wrong.opened()).await;
            assert!(is_not_opened(&refused), "{refused:?}");
        }
        // The seal of the first model, under the name of the second.
        let at_us = world.round.schedule.deadline_us - SECOND_US;
        let copied = world.say_at(1, at_us, world.sealed(0, USUAL)).await;
        copied.expect("nobody can tell");
        let refused = world.say_at(1, at_us, USUAL.opened()).await;
        assert!(is_not_opened(&refused), "{refused:?}");
        world
            .say(USUAL.opened())
            .await
            .expect("the right one opens");
        // A seal that was made before the model had its place.
        let early = world.say_at(2, at_us, world.sealed(NO_INDEX, USUAL)).await;
        early.expect("taken");
        let opened = world.say_at(2, at_us, USUAL.opened()).await;
        opened.expect("opens");
        assert_eq!(world.closed().await.len(), 1, "the copy");
    })
    .await;
}

#[tokio::test]
async fn after_the_deadline_the_latest_seal_is_opened_and_nothing_else() {
    each_database(|db| async move {
        let world = World::new(&db).await;
        let (deadline_us, lock_us) = (
            world.round.schedule.deadline_us,
            world.round.schedule.lock_us,
        );
        let early = world
            .say_at(0, world.round.schedule.opens_us - 1, USUAL.opened())
            .await;
        assert!(matches!(early, Err(PredictionError::NotOpenYet { .. })));
        world.say(world.sealed(0, USUAL)).await.expect("taken");
        let second = world.sealed(1, USUAL);
        world
            .say_at(1, deadline_us - 1, second)
            .await
            .expect("taken");
        for late in [USUAL.open(), world.sealed(0, Content(1, None, SALT))] {
            let refused = world.say_at(0, deadline_us, late).await;
            let is_late = matches!(refused, Err(PredictionError::Late { missed_us: 0, .. }));
            assert!(is_late, "{refused:?}");
        }
        let opened = world.say_at(0, deadline_us, USUAL.opened()).await;
        let opened = opened.expect("opens");
        let again = world.say_at(0, lock_us - 1, USUAL.opened()).await;
        let again = again.expect("the same");
        assert_eq!(again.receipt, opened.receipt);
        assert_eq!(again.notices, [Notice::Duplicate, Notice::Thin]);
        let other = Content(450_000, None, SALT);
        let refused = world.say_at(0, deadline_us + 1, other.opened()).await;
        assert!(is_unknown(&refused, true), "{refused:?}");
        let late = world.say_at(1, lock_us, USUAL.opened()).await;
        let is_late = matches!(late, Err(PredictionError::SealLate { missed_us: 0, .. }));
        assert!(is_late, "{late:?}");
        assert_eq!(world.closed().await.len(), 1);
        assert_eq!(world.counts().await, Some((3, 610_000)));
    })
    .await;
}

#[tokio::test]
async fn the_last_seal_that_is_opened_makes_the_round_due() {
    each_database(|db| async move {
        let world = World::new(&db).await;
        let deadline_us = world.round.schedule.deadline_us;
        let due_us = async || {
            let mut conn = db.read().await.expect("reads");
            rounds::next_due_us(&mut conn).await.expect("reads")
        };
        for n in 0..3 {
            let index = u32::try_from(n).expect("small");
            let sealed = world.sealed(index, USUAL);
            world
                .say_at(n, deadline_us - 1, sealed)
                .await
                .expect("taken");
        }
        let early = world.say_at(0, deadline_us - 1, USUAL.opened()).await;
        early.expect("opens before the deadline");
        world
            .say_at(1, deadline_us + 7, USUAL.opened())
            .await
            .expect("opens");
        assert_eq!(due_us().await, None, "one is closed");
        world
            .say_at(2, deadline_us + 8, USUAL.opened())
            .await
            .expect("opens");
        assert_eq!(due_us().await, Some(deadline_us + 8));
        let rung = std::time::Duration::from_secs(5);
        let rung = tokio::time::timeout(rung, world.due.notified()).await;
        rung.expect("the timetable is rung");
    })
    .await;
}

#[tokio::test]
async fn the_same_again_gives_the_same_receipt_and_undoes_nothing() {
    each_database(|db| async move {
        let world = World::new(&db).await;
        let sealed = world.say(world.sealed(0, USUAL)).await.expect("taken");
        let again = world.say(world.sealed(0, USUAL)).await.expect("taken");
        assert_eq!(again.receipt, sealed.receipt);
        let reveal_until_us = world.round.schedule.lock_us;
        let waits = Notice::Sealed { reveal_until_us };
        assert_eq!(again.notices, [Notice::Duplicate, waits]);
        let opened = world.say(USUAL.opened()).await.expect("opens");
        // A seal that comes a second time, after it was opened: on a slow way, or by a retry.
        let late = world.say(world.sealed(0, USUAL)).await.expect("taken");
        assert_eq!(late.receipt, sealed.receipt);
        assert_eq!(late.notices, [Notice::Duplicate]);
        assert_eq!(world.counts().await, Some((2, 610_000)), "it stays open");
        let repeated = world.say(USUAL.opened()).await.expect("the same");
        assert_eq!(repeated.receipt, opened.receipt);
        // All of it in one request.
        let at_us = world.round.schedule.deadline_us - SECOND_US;
        let all = [
            world.sealed(1, USUAL),
            USUAL.opened(),
            world.sealed(1, USUAL),
            USUAL.opened(),
        ];
        let all = all.into_iter().map(|said| world.submission(1, at_us, said));
        let verdicts = submit_all(&world.writer, all.collect()).await;
        let sequences: Vec<i64> = verdicts
            .expect("stored")
            .into_iter()
            .map(|verdict| verdict.expect("taken").receipt.sequence)
            .collect();
        assert_eq!(sequences, [3, 4, 3, 4]);
    })
    .await;
}

#[tokio::test]
async fn a_receipt_says_what_would_be_risked_and_its_notices_why() {
    each_database(|db| async move {
        let world = World::new(&db).await;
        let half = |ask: Option<&str>| Said::Open {
            posted: Probability::HALF,
            ask: ask.map(|ask| TokenAmount::from_tokens(ask).expect("an amount")),
        };
        let alone = world.say(half(None)).await.expect("taken");
        assert_eq!(alone.receipt.stake_counted, "5");
        assert_eq!(alone.notices, [Notice::Thin]);
        let at_us = world.round.schedule.deadline_us - SECOND_US;
        let (named, counted) = (tokens(50), tokens(20));
        let two = world
            .say_at(1, at_us, half(Some("50")))
            .await
            .expect("taken");
        assert_eq!(two.receipt.stake_counted, "20", "the cap");
        assert_eq!(two.notices, [Notice::Underfunded { named, counted }]);
        let three = world
            .say_at(2, at_us, half(Some("0.5")))
            .await
            .expect("taken");
        assert_eq!(three.receipt.stake_counted, "0");
        let (named, counted) = (
            TokenAmount::from_tokens("0.5").expect("an amount"),
            TokenAmount::ZERO,
        );
        let minimum = tokens(1);
        assert_eq!(
            three.notices,
            [
                Notice::Underfunded { named, counted },
                Notice::BelowMinimum { minimum }
            ]
        );
        let again = world.say(half(None)).await.expect("taken");
        assert_eq!(again.receipt, alone.receipt);
        assert_eq!(again.notices, [Notice::Duplicate], "not alone any more");
    })
    .await;
}

//! Stakes on both databases.

use alloy::primitives::Address;
use domain::{Delta, TokenAmount};

use super::registered::Registered;
use super::*;
use crate::chain::testing::{deployment, event};
use crate::chain::{Event, Said};
use crate::db::testing::each_database;
use testing::{START_US, in_transaction, model, open_round, three_models, tokens, tournament};

fn of_vault(number: i64, said: Said) -> Event {
    event(deployment().vault, number, said)
}

async fn ask_all(conn: &mut Conn, round: &RoundId, models: &[ModelId]) -> Vec<AtRisk> {
    let rule = tournament(conn).await.tournament.stake;
    let asks: Vec<_> = models.iter().map(|model| (model.clone(), None)).collect();
    snapshot(conn, round, &rule, &asks)
        .await
        .expect("a snapshot")
}

#[tokio::test]
async fn what_one_round_holds_the_next_cannot_risk() {
    each_database(|db| async move {
        let mut tx = db.begin().await.expect("begins");
        let models = three_models(&mut tx, tokens(1_000)).await;
        let first = open_round(&mut tx, START_US).await;
        let second = open_round(&mut tx, START_US + 300_000_000).await;
        let taken = ask_all(&mut tx, &first.id, &models).await;
        assert!(
            taken.iter().all(|one| one.at_risk == tokens(5)),
            "half a percent of 1,000"
        );
        let indices: Vec<_> = taken.iter().map(|one| one.model_index).collect();
        assert_eq!(indices, vec![Some(0), Some(1), Some(2)]);
        let taken = ask_all(&mut tx, &second.id, &models).await;
        assert_eq!(
            taken[0].at_risk.units(),
            4_975_000_000,
            "half a percent of 995"
        );
        let again = tournament(&mut tx).await.tournament.stake;
        let refused = snapshot(&mut tx, &first.id, &again, &[(models[0].clone(), None)]).await;
        assert!(matches!(refused, Err(StakeError::AlreadyReserved(_))));
        tx.commit().await.expect("commits");
    })
    .await;
}

#[tokio::test]
async fn what_would_be_risked_is_what_the_lock_then_takes() {
    each_database(|db| async move {
        let mut tx = db.begin().await.expect("begins");
        let mut models = three_models(&mut tx, tokens(1_000)).await;
        models.push(model(&mut tx, "unstaked", Address::repeat_byte(0x77)).await);
        let entered = tournament(&mut tx).await;
        let rule = &entered.tournament.stake;
        let named = [None, Some(tokens(7)), Some(tokens(500)), Some(tokens(7))];
        let asks: Vec<_> = models.into_iter().zip(named).collect();
        let would = would_risk(&mut tx, &entered.tournament, &asks).await;
        let would = would.expect("reads");
        let risks: Vec<_> = would.iter().map(|one| one.at_risk).collect();
        assert_eq!(
            risks,
            [tokens(5), tokens(7), tokens(20), TokenAmount::ZERO],
            "the default limit, what is named, the cap, no stake"
        );
        assert_eq!(would[0].free, tokens(1_000));
        assert_eq!(
            (would[2].model_index, would[3].model_index),
            (Some(2), None)
        );
        let round = open_round(&mut tx, START_US).await;
        let taken = snapshot(&mut tx, &round.id, rule, &asks).await;
        let taken = taken.expect("a snapshot");
        assert_eq!(
            risks,
            taken.iter().map(|one| one.at_risk).collect::<Vec<_>>()
        );
        let later = would_risk(&mut tx, &entered.tournament, &asks[..1]).await;
        let later = later.expect("reads");
        assert_eq!(
            later[0].free,
            tokens(995),
            "what the round holds is not free"
        );
        tx.commit().await.expect("commits");
    })
    .await;
}

#[tokio::test]
async fn a_scored_round_holds_only_losses_and_a_final_one_nothing() {
    each_database(|db| async move {
        let mut tx = db.begin().await.expect("begins");
        let models = three_models(&mut tx, tokens(1_000)).await;
        let round = open_round(&mut tx, START_US).await.id;
        ask_all(&mut tx, &round, &models).await;
        let deltas = [
            (models[0].clone(), Delta::from_units(-2_000_000_000)),
            (models[1].clone(), Delta::from_units(1_000_000_000)),
        ];
        keep_only_losses(&mut tx, &round, &deltas)
            .await
            .expect("keeps");
        let mut free = Vec::new();
        for model in &models {
            let stake = of_model(&mut tx, model)
                .await
                .expect("reads")
                .expect("a stake");
            free.push((stake.reserved, stake.free));
        }
        assert_eq!(free[0], (tokens(2), tokens(998)));
        assert_eq!(
            free[1],
            (TokenAmount::ZERO, tokens(1_000)),
            "a gain is not free yet"
        );
        assert_eq!(free[2], (tokens(5), tokens(995)), "not scored yet");
        let too_much = [(models[0].clone(), Delta::from_units(-6_000_000_000))];
        assert!(keep_only_losses(&mut tx, &round, &too_much).await.is_err());
        release(&mut tx, &round).await.expect("releases");
        let stake = of_model(&mut tx, &models[0])
            .await
            .expect("reads")
            .expect("a stake");
        assert_eq!(stake.free, tokens(1_000));
        tx.commit().await.expect("commits");
    })
    .await;
}

#[tokio::test]
async fn events_move_what_is_claimable_and_requests_what_is_free() {
    each_database(|db| async move {
        let mut tx = db.begin().await.expect("begins");
        let models = three_models(&mut tx, tokens(1_000)).await;
        let said = [
            Said::Deposited {
                index: 0,
                amount: tokens(100).units(),
            },
            Said::WithdrawalRequested {
                index: 0,
                amount: u64::MAX,
                matures_at: 7,
            },
            Said::WithdrawalRequested {
                index: 0,
                amount: tokens(300).units(),
                matures_at: 9,
            },
            Said::Funded { amount: 17 },
        ];
        for (number, said) in said.into_iter().enumerate() {
            let number = i64::try_from(number).expect("small") + 10;
            apply(&mut tx, &of_vault(number, said))
                .await
                .expect("applies");
        }
        let stake = of_model(&mut tx, &models[0])
            .await
            .expect("reads")
            .expect("a stake");
        assert_eq!(
            (stake.claimable, stake.requested),
            (tokens(1_100), tokens(300))
        );
        assert_eq!((stake.free, stake.matures_us), (tokens(800), 9_000_000));
        let paid = Said::Withdrawn {
            index: 0,
            amount: tokens(300).units(),
            requested_left: 0,
        };
        apply(&mut tx, &of_vault(20, paid)).await.expect("applies");
        let stake = of_model(&mut tx, &models[0])
            .await
            .expect("reads")
            .expect("a stake");
        assert_eq!(
            (stake.claimable, stake.requested),
            (tokens(800), TokenAmount::ZERO)
        );
        the_ledger_takes_what_fits_and_refuses_the_rest(&mut tx).await;
    })
    .await;
}

/// Model 0 can claim 800 tokens and 17 units are in the pool.
async fn the_ledger_takes_what_fits_and_refuses_the_rest(tx: &mut Conn) {
    let vault = deployment().vault.to_string();
    let credits = [Credit {
        model_index: 0,
        stake_delta: -5,
        pool_reward: 3,
    }];
    credit(tx, &vault, &credits, 3).await.expect("credits");
    let entries = ledger(tx, &vault).await.expect("a ledger");
    assert_eq!(entries[0].claimable.units(), 799_999_999_998);
    assert_eq!(pool(tx, &vault).await.expect("a pool"), 14);
    let foreign = Said::Deposited {
        index: 99,
        amount: 1,
    };
    assert!(
        apply(tx, &of_vault(21, foreign)).await.is_err(),
        "no such model"
    );
    let overdrawn = [Credit {
        model_index: 0,
        stake_delta: i64::MIN / 2,
        pool_reward: 0,
    }];
    assert!(
        credit(tx, &vault, &overdrawn, 0).await.is_err(),
        "below zero"
    );
}

#[tokio::test]
async fn only_the_accounts_own_wallet_links_a_registration() {
    each_database(|db| async move {
        in_transaction(&db, async |conn| {
            let key = tournament(conn).await.chain_key.parse().expect("a key");
            let wallet = Address::repeat_byte(0x21);
            let dora = model(conn, "dora", wallet).await;
            let said = |index, owner| Said::ModelRegistered {
                index,
                tournament: key,
                model_key: model_key(&dora),
                owner,
                amount: tokens(1_000).units(),
            };
            let stranger = Address::repeat_byte(0x66);
            apply(conn, &of_vault(1, said(0, stranger)))
                .await
                .expect("applies");
            assert_eq!(of_model(conn, &dora).await.expect("reads"), None);
            apply(conn, &of_vault(2, said(1, wallet)))
                .await
                .expect("applies");
            let stake = of_model(conn, &dora)
                .await
                .expect("reads")
                .expect("a stake");
            assert_eq!((stake.model_index, stake.owner), (1, wallet.to_string()));
            let round = open_round(conn, START_US).await;
            let taken = ask_all(conn, &round.id, std::slice::from_ref(&dora)).await;
            assert_eq!(taken[0].model_index, Some(1));
        })
        .await;
    })
    .await;
}

#[tokio::test]
async fn what_the_cap_leaves_under_the_minimum_is_scored_not_staked() {
    each_database(|db| async move {
        let mut tx = db.begin().await.expect("begins");
        let models = three_models(&mut tx, tokens(1_000)).await;
        let round = open_round(&mut tx, START_US).await.id;
        let mut rule = tournament(&mut tx).await.tournament.stake;
        rule.round_cap = tokens(4);
        let asks = [
            (models[0].clone(), Some(tokens(9))),
            (models[1].clone(), Some(tokens(1))),
        ];
        let taken = snapshot(&mut tx, &round, &rule, &asks)
            .await
            .expect("a snapshot");
        assert_eq!(taken[0].model_index, Some(0));
        assert_eq!(taken[0].at_risk.units(), 3_600_000_000);
        let left = (taken[1].model_index, taken[1].at_risk);
        assert_eq!(left, (None, TokenAmount::ZERO), "0.4 of a token");
    })
    .await;
}

#[tokio::test]
async fn a_registration_in_another_tournament_is_not_the_models() {
    each_database(|db| async move {
        let mut tx = db.begin().await.expect("begins");
        tournament(&mut tx).await;
        let wallet = Address::repeat_byte(0x21);
        let dora = model(&mut tx, "dora", wallet).await;
        let elsewhere = Said::ModelRegistered {
            index: 0,
            tournament: chain::B256::repeat_byte(0x77),
            model_key: model_key(&dora),
            owner: wallet,
            amount: tokens(1_000).units(),
        };
        apply(&mut tx, &of_vault(1, elsewhere))
            .await
            .expect("applies");
        assert_eq!(of_model(&mut tx, &dora).await.expect("reads"), None);
    })
    .await;
}

#[tokio::test]
async fn a_lock_reads_the_registrations_of_its_predictions_only() {
    each_database(|db| async move {
        let mut tx = db.begin().await.expect("begins");
        let models = three_models(&mut tx, tokens(1_000)).await;
        let key = tournament(&mut tx).await.chain_key;
        // Registered by strangers under keys of their own: nobody asks for them.
        for index in 3_u32..40 {
            let said = Said::ModelRegistered {
                index,
                tournament: key.parse().expect("a key"),
                model_key: chain::B256::with_last_byte(7),
                owner: Address::repeat_byte(0x99),
                amount: tokens(1_000).units(),
            };
            let number = 60 + i64::from(index);
            apply(&mut tx, &of_vault(number, said))
                .await
                .expect("applies");
        }
        let asked = [&models[2], &models[0]];
        let fresh = Registered::read(&mut tx, &key, &asked)
            .await
            .expect("reads");
        assert_eq!((fresh.linked.len(), fresh.unlinked.len()), (0, 2));
        let round = open_round(&mut tx, START_US).await;
        let order = [models[2].clone(), models[0].clone()];
        let taken = ask_all(&mut tx, &round.id, &order).await;
        let indices: Vec<_> = taken.iter().map(|one| one.model_index).collect();
        assert_eq!(indices, vec![Some(2), Some(0)], "in the order of the asks");
        let again = Registered::read(&mut tx, &key, &asked)
            .await
            .expect("reads");
        assert_eq!((again.linked.len(), again.unlinked.len()), (2, 0));
        let all = models.iter().collect::<Vec<_>>();
        let held = store::reserved(&mut tx, &all[..2]).await.expect("reads");
        assert_eq!(held.len(), 1, "the first holds, the second did not ask");
        assert_eq!(held[models[0].as_str()], tokens(5).units());
    })
    .await;
}

//! Many predictions in one commit.

use super::*;

#[tokio::test]
async fn each_of_many_has_its_own_verdict_on_both_databases() {
    each_database(|db| async move {
        let writer = writer(&db);
        let mut tx = db.begin().await.expect("begin");
        let (round, model, account) = open_round_with_model(&mut tx).await;
        tx.commit().await.expect("commit");
        let good = submission(&round, &model, &account, 0.5);
        let late = Submission {
            received_us: NOW_US + 240 * SECOND_US,
            ..good.clone()
        };
        let elsewhere = Submission {
            round: ROUND.replace("1200Z", "1700Z").parse().expect("valid"),
            ..good.clone()
        };
        let nobodys = Submission {
            model: "nobody".parse().expect("an id"),
            ..good.clone()
        };
        let changed = submission(&round, &model, &account, 0.6);
        let many = vec![
            good.clone(),
            late,
            elsewhere,
            good.clone(),
            nobodys,
            changed.clone(),
            good.clone(),
        ];
        let verdicts = submit_all(&writer, many).await.expect("stored");
        let sequences: Vec<Option<i64>> = verdicts
            .iter()
            .map(|verdict| verdict.as_ref().ok().map(|receipt| receipt.sequence))
            .collect();
        // The same again is the same receipt; back to what was said before the change is new.
        let expected = [Some(1), None, None, Some(1), None, Some(2), Some(3)];
        assert_eq!(sequences, expected);
        assert!(matches!(verdicts[1], Err(PredictionError::Late { .. })));
        assert!(matches!(
            verdicts[2],
            Err(PredictionError::Round(RoundError::UnknownRound(_)))
        ));
        assert!(matches!(
            verdicts[4],
            Err(PredictionError::Model(ModelError::UnknownModel(_)))
        ));
        let again = submit(&writer, good).await.expect("stored before");
        assert_eq!(Some(&again), verdicts[6].as_ref().ok());
        let mut conn = db.read().await.expect("read");
        let latest = latest(&mut conn, &round).await.expect("latest");
        assert_eq!((latest.len(), latest[0].sequence), (1, 3));
    })
    .await;
}

#[tokio::test]
async fn a_large_group_of_many_models_loses_nobody_on_both_databases() {
    each_database(|db| async move {
        let writer = writer(&db);
        let mut tx = db.begin().await.expect("begin");
        let (round, _, account) = open_round_with_model(&mut tx).await;
        let mut models = Vec::new();
        for number in 0..45 {
            let (tournament, name) = (round.tournament(), format!("model {number}"));
            let model = models::register_external(&mut tx, 1, &account, tournament, &name).await;
            models.push(model.expect("a model").id);
        }
        tx.commit().await.expect("commit");
        // Each model says 30 things at once: more than one statement holds.
        let many: Vec<Submission> = (0..30)
            .flat_map(|turn| models.iter().map(move |model| (turn, model)))
            .map(|(turn, model)| {
                let p = 0.4 + f64::from(turn) / 1_000.0;
                submission(&round, model, &account, p)
            })
            .collect();
        let count = many.len();
        let verdicts = submit_all(&writer, many).await.expect("stored");
        let sequences: Vec<i64> = verdicts
            .iter()
            .map(|verdict| verdict.as_ref().expect("accepted").sequence)
            .collect();
        let expected: Vec<i64> = (1..).take(count).collect();
        assert_eq!(sequences, expected);
        let mut conn = db.read().await.expect("read");
        let latest = latest(&mut conn, &round).await.expect("latest");
        assert_eq!(latest.len(), models.len());
        assert!(latest.iter().all(|one| one.posted.ppm() == 429_000));
        let acknowledged = acknowledged(&mut conn, &round, 1_000, 1_000);
        let acknowledged = acknowledged.await.expect("reads");
        let stored: Vec<i64> = acknowledged.iter().map(|one| one.sequence).collect();
        let expected: Vec<i64> = (1_001..=1_350).collect();
        assert_eq!(stored, expected);
    })
    .await;
}

//! The way of a diagnosis on both databases, and what reports say.

use domain::{Direction, MarketClock, WallClock};
use scorer::matrix::Matrix;
use sha2::{Digest as _, Sha256};

use super::*;
use crate::accounts;
use crate::db::testing::each_database;
use crate::{models, rounds};

const FILE: &str = include_str!("../demo/btc-usd-5m.toml");
const NOW_US: i64 = 1_709_639_700_000_000;
const ERA_US: i64 = 300_000_000;

/// `count` eras whose answers swing with `pace` around one half.
fn eras(count: usize, pace: f64) -> Vec<Era> {
    (0..count)
        .map(|n| {
            let place = f64::from(u32::try_from(n).expect("few"));
            Era {
                start_us: i64::try_from(n).expect("few") * ERA_US,
                p: Probability::from_f64(0.5 + 0.1 * (place * pace).sin()).expect("valid"),
                outcome: if n % 3 == 0 {
                    Direction::Down
                } else {
                    Direction::Up
                },
            }
        })
        .collect()
}

fn rival(name: &str, is_own: bool, eras: Vec<Era>) -> Rival {
    Rival {
        model: format!("btc-usd-5m-{name}").parse().expect("an id"),
        name: name.to_owned(),
        is_own,
        is_same_graph: false,
        eras,
    }
}

fn material(eras: Vec<Era>, rivals: Vec<Rival>) -> Material {
    let p = || eras.iter().map(|era| era.p.to_f64());
    let columns = p()
        .map(|_| 1.0)
        .chain(p().map(|p| -p))
        .chain(p().map(|p| p * p));
    let features = Matrix::from_columns(eras.len(), 3, columns.collect());
    Material {
        features: features.expect("three columns"),
        names: ["flat", "mirror", "square"].map(str::to_owned).into(),
        pools: Vec::new(),
        rivals,
        eras,
    }
}

#[test]
fn a_report_scores_every_era() {
    let eras = eras(600, 0.7);
    let report = Report::make(&material(eras.clone(), Vec::new())).expect("a report");
    let skills: Vec<f64> = eras.iter().map(Era::skill).collect();
    let mean = skills.iter().sum::<f64>() / 600.0;
    assert!((report.skill.mean - mean).abs() < 1e-12);
    assert_eq!(report.skill.eras, 600);
    // 288 eras are a day.
    let days: Vec<usize> = report.days.iter().map(|day| day.skill.eras).collect();
    assert_eq!(days, [288, 288, 24]);
    assert!((report.brier_mean - mean - 0.75).abs() < 1e-12);
    assert_eq!(report.calibration.forecasts, 600);
    let names: Vec<&str> = report
        .exposures
        .iter()
        .map(|one| one.feature.as_str())
        .collect();
    assert_eq!(
        names,
        ["mirror", "square"],
        "a flat feature has no exposure"
    );
    assert!((report.exposures[0].correlation + 1.0).abs() < 1e-9);
    assert_eq!((report.crowd, report.compared), (None, 0));
    let none = Report::make(&material(Vec::new(), Vec::new()));
    assert!(matches!(none, Err(DiagnosticError::NoEras)));
}

#[test]
fn copies_are_named_and_strangers_only_by_name() {
    let own = eras(400, 0.7);
    let shifted = own.iter().map(|era| Era {
        p: Probability::from_ppm(era.p.ppm() / 2 + 100_000).expect("valid"),
        ..*era
    });
    let mut same_file = rival("renamed", true, Vec::new());
    same_file.is_same_graph = true;
    let rivals = vec![
        rival("other", false, eras(400, 1.9)),
        rival("copy", false, shifted.collect()),
        rival("mine", true, eras(400, 0.71)),
        rival("short", false, eras(COMMON_LEAST - 1, 0.7)),
        same_file,
    ];
    let report = Report::make(&material(own, rivals)).expect("a report");
    let clones: Vec<&str> = report.clones.iter().map(|kin| kin.name.as_str()).collect();
    assert_eq!(clones, ["renamed", "copy"]);
    let copy = &report.clones[1];
    assert!(copy.correlation.is_some_and(|r| r > 0.999), "{copy:?}");
    assert_eq!(copy.model, None, "somebody else's id is not told");
    let mine: Vec<&str> = report.own.iter().map(|kin| kin.name.as_str()).collect();
    assert_eq!(mine, ["renamed", "mine"]);
    assert!(report.own.iter().all(|kin| kin.model.is_some()));
    assert_eq!(report.compared, 4);
}

#[test]
fn the_crowd_is_the_aggregate_where_a_day_of_it_exists() {
    let own = eras(400, 0.7);
    let others = vec![
        rival("a", false, eras(400, 1.3)),
        rival("b", false, eras(350, 0.2)),
        rival("mine", true, own.clone()),
    ];
    let mut material = material(own.clone(), others);
    let crowd = |material: &Material| Report::make(material).expect("a report").crowd;
    let plain = crowd(&material).expect("two others");
    assert_eq!((plain.source, plain.models), (CrowdSource::Models, Some(2)));
    assert_eq!(plain.eras, 400);
    let pool = |era: &Era| (era.start_us, era.p);
    material.pools = own.iter().map(pool).take(COMMON_LEAST - 1).collect();
    assert_eq!(crowd(&material), Some(plain), "less than a day of rounds");
    material.pools = own.iter().map(pool).take(COMMON_LEAST).collect();
    let staked = crowd(&material).expect("a day of rounds");
    assert_eq!(
        (staked.source, staked.models),
        (CrowdSource::Aggregates, None)
    );
    assert!(staked.correlation.is_some_and(|r| (r - 1.0).abs() < 1e-9));
    let skill = staked.skill.expect("eras");
    assert!(skill.mean.abs() < 1e-12, "no better than itself: {skill:?}");
    material.pools.clear();
    material.rivals.retain(|rival| rival.is_own);
    assert_eq!(crowd(&material), None, "one's own models are no crowd");
}

async fn hosted(conn: &mut Conn, owner: &str, name: &str) -> Model {
    let account = accounts::create(conn, 1, owner, "", false).await;
    let account = account.expect("an account").id;
    let artifact = models::Artifact {
        digest: hex::encode(Sha256::digest(name)),
        size_bytes: 1,
    };
    let tournament = "btc-usd-5m".parse().expect("an id");
    let model = models::register_hosted(conn, 1, &account, &tournament, name, &artifact, false);
    let model = model.await.expect("new");
    models::set_checked(conn, &model.id, true, "", "")
        .await
        .expect("checked");
    models::get(conn, &model.id).await.expect("reads")
}

/// Queues a model's diagnosis over two rows of one column.
async fn queued(conn: &mut Conn, now_us: i64, model: &Model, dataset: &str) -> String {
    let rows = [0.5, 1.5];
    let job = runners::publish_diagnosis(conn, now_us, model, dataset, &rows, 1).await;
    let job = job.expect("published");
    queue(conn, now_us, model, dataset, &job)
        .await
        .expect("queued");
    job
}

async fn progress(conn: &mut Conn, model: &Model) -> (Progress, Diagnosis) {
    let known = of_model(conn, NOW_US, model, true).await.expect("reads");
    (known.progress, known)
}

fn two_eras() -> Vec<Era> {
    eras(2, 0.7)
}

#[tokio::test]
async fn a_diagnosis_goes_from_the_queue_to_a_report() {
    each_database(|db| async move {
        let mut tx = db.begin().await.expect("begin");
        rounds::enter(&mut tx, 1, FILE).await.expect("enters");
        let model = hosted(&mut tx, "ada", "a").await;
        let without = of_model(&mut tx, NOW_US, &model, false)
            .await
            .expect("reads");
        assert_eq!(without.progress, Progress::None);
        assert_eq!(without.reason, "no dataset is published yet");
        assert_eq!(progress(&mut tx, &model).await.0, Progress::Queued);
        let job = queued(&mut tx, NOW_US, &model, "1.1.0-20240303").await;
        assert!(
            is_known(&mut tx, &model.id, "1.1.0-20240303")
                .await
                .expect("reads")
        );
        assert_eq!(progress(&mut tx, &model).await.0, Progress::Queued);
        let clock = MarketClock::live(WallClock::manual(NOW_US));
        let lent = runners::next_job(&mut tx, &clock, "r1")
            .await
            .expect("reads");
        assert_eq!(lent.expect("a job").id, job);
        assert_eq!(progress(&mut tx, &model).await.0, Progress::Running);

        let answers = two_eras().iter().map(|era| era.p).collect::<Vec<_>>();
        record(&mut tx, NOW_US, &job, Ok(&answers))
            .await
            .expect("recorded");
        record(&mut tx, NOW_US, &job, Err("late"))
            .await
            .expect("changes nothing");
        assert_eq!(progress(&mut tx, &model).await.0, Progress::Running);
        let waiting = answered(&mut tx, 9).await.expect("reads");
        assert_eq!(waiting.len(), 1);
        assert_eq!(waiting[0].answers, answers);
        let (id, dataset) = (&waiting[0].model, waiting[0].dataset.as_str());
        set_eras(&mut tx, id, dataset, &two_eras())
            .await
            .expect("kept");
        let report = Report::make(&material(two_eras(), Vec::new())).expect("a report");
        finish(&mut tx, NOW_US + 5, id, dataset, &report)
            .await
            .expect("finished");
        let (done, known) = progress(&mut tx, &model).await;
        let finding = known.finding.expect("a report");
        assert_eq!((done, finding.done_us), (Progress::Done, NOW_US + 5));
        // Reading JSON may change the last bit of a number.
        let written = serde_json::to_string(&report).expect("JSON");
        let read: Report = serde_json::from_str(&written).expect("a report");
        assert_eq!((finding.report, finding.eras), (read, two_eras()));
        assert_eq!(finding.artifact, model.artifact);
        assert!(answered(&mut tx, 9).await.expect("reads").is_empty());
    })
    .await;
}

#[tokio::test]
async fn a_newer_version_shows_the_older_report_until_it_has_one() {
    each_database(|db| async move {
        let mut tx = db.begin().await.expect("begin");
        rounds::enter(&mut tx, 1, FILE).await.expect("enters");
        let (a, b) = (
            hosted(&mut tx, "ada", "a").await,
            hosted(&mut tx, "bob", "b").await,
        );
        let report = Report::make(&material(two_eras(), Vec::new())).expect("a report");
        for (now_us, dataset) in [(NOW_US, "1.1.0-20240303"), (NOW_US + 1, "1.1.0-20240304")] {
            let job = queued(&mut tx, now_us, &a, dataset).await;
            if now_us > NOW_US {
                let (newest, known) = progress(&mut tx, &a).await;
                let finding = known.finding.expect("of the older version");
                assert_eq!(
                    (newest, known.dataset.as_str()),
                    (Progress::Queued, dataset)
                );
                assert_eq!(finding.dataset, "1.1.0-20240303");
            }
            record(&mut tx, now_us, &job, Ok(&[]))
                .await
                .expect("recorded");
            let mut kept = two_eras();
            kept.truncate(usize::try_from(now_us - NOW_US).expect("small") + 1);
            set_eras(&mut tx, &a.id, dataset, &kept)
                .await
                .expect("kept");
            let known = eras_of_tournament(&mut tx, &a.tournament)
                .await
                .expect("reads");
            assert_eq!(known, [(a.id.clone(), kept)], "the newest alone");
            finish(&mut tx, now_us, &a.id, dataset, &report)
                .await
                .expect("finished");
        }
        assert!(
            !is_known(&mut tx, &a.id, "1.1.0-20240303")
                .await
                .expect("reads")
        );

        let job = queued(&mut tx, NOW_US, &b, "1.1.0-20240304").await;
        record(&mut tx, NOW_US, &job, Err("limit-cpu: too slow"))
            .await
            .expect("recorded");
        let (failed, known) = progress(&mut tx, &b).await;
        assert_eq!(
            (failed, known.reason.as_str()),
            (Progress::Failed, "limit-cpu: too slow")
        );
        assert!(known.finding.is_none());
    })
    .await;
}

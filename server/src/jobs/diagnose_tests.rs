//! From accepted models over a runner's answers to their reports, over a published dataset.

use std::sync::Arc;

use domain::{Probability, TournamentId};

use super::diagnose_model::Diagnoses;
use super::publish_dataset;
use crate::accounts;
use crate::app::App;
use crate::app::testing::{NOW_US, app};
use crate::diagnostics::{self, CrowdSource, Diagnosis, Progress};
use crate::models::{self, Model};
use crate::runners::{self, JobKind, ModelResult, Status};

/// Accepted hosted models: name, owner, content.
const MODELS: [(&str, &str, &[u8]); 3] = [
    ("first", "ada", b"one"),
    ("second", "ada", b"two"),
    ("copy", "bob", b"one"),
];

async fn accepted(app: &App) -> Vec<Model> {
    let folder = models::artifacts_dir(&app.settings.data_dir);
    let tournament: TournamentId = "btc-usd-5m".parse().expect("an id");
    let mut tx = app.db.begin().await.expect("begin");
    let mut all = Vec::new();
    for (name, owner, bytes) in MODELS {
        let owner = match accounts::by_name(&mut tx, owner).await.expect("reads") {
            Some(known) => known.id,
            None => {
                accounts::create(&mut tx, 1, owner, "", false)
                    .await
                    .expect("new")
                    .id
            }
        };
        let model = models::upload(&mut tx, &folder, 1, &owner, &tournament, name, bytes, false);
        let model = model.await.expect("new");
        models::set_checked(&mut tx, &model.id, true, "", "")
            .await
            .expect("checked");
        all.push(models::get(&mut tx, &model.id).await.expect("reads"));
    }
    tx.commit().await.expect("commit");
    all
}

async fn publish(app: &App) {
    let done = publish_dataset::publish(&app.db, &app.releases, NOW_US, true).await;
    done.expect("published");
}

async fn diagnosis(app: &App, model: &Model) -> Diagnosis {
    let has_dataset = app.releases.newest().await.expect("listed").is_some();
    let mut conn = app.db.read().await.expect("read");
    let known = diagnostics::of_model(&mut conn, NOW_US, model, has_dataset).await;
    known.expect("reads")
}

/// What a model answers to row `row`.
fn said(model: &Model, row: usize) -> Probability {
    let place = f64::from(u32::try_from(row).expect("few"));
    let pace = if model.name == "second" { 1.3 } else { 0.7 };
    Probability::from_f64(0.5 + 0.05 * (place * pace).sin()).expect("valid")
}

/// A runner that answers every job there is; answers how many.
async fn answer_all(app: &App, models: &[Model]) -> usize {
    let mut tx = app.db.begin().await.expect("begin");
    let mut answered = 0;
    while let Some(job) = runners::next_job(&mut tx, &app.market, "r1")
        .await
        .expect("reads")
    {
        assert_eq!(job.kind, JobKind::Diagnose);
        assert!(job.features.rows > 1_000, "six days of rounds");
        let id = &job.models[0].model;
        let model = models.iter().find(|model| model.id == *id).expect("ours");
        let rows = usize::try_from(job.features.rows).expect("few");
        let answers: Vec<Probability> = (0..rows).map(|row| said(model, row)).collect();
        let result = ModelResult {
            model: model.id.clone(),
            status: Status::Ok,
            detail: String::new(),
            cpu_ms: 1,
            wall_ms: 1,
        };
        runners::record_results(&mut tx, NOW_US, &job, &[result])
            .await
            .expect("recorded");
        diagnostics::record(&mut tx, NOW_US, &job.id, Ok(&answers))
            .await
            .expect("recorded");
        answered += 1;
    }
    tx.commit().await.expect("commit");
    answered
}

#[tokio::test]
async fn accepted_models_are_diagnosed_over_the_validation_part() {
    let (app, _wall, _folder) = app().await;
    let models = accepted(&app).await;
    let first = &models[0];
    let mut diagnoses = Diagnoses::default();
    diagnoses.tick(&app).await.expect("nothing to do");
    let none = diagnosis(&app, first).await;
    assert_eq!(none.progress, Progress::None);
    assert_eq!(none.reason, "no dataset is published yet");

    publish(&app).await;
    assert_eq!(diagnosis(&app, first).await.progress, Progress::Queued);
    diagnoses.tick(&app).await.expect("queued");
    assert_eq!(answer_all(&app, &models).await, MODELS.len());
    assert_eq!(diagnosis(&app, first).await.progress, Progress::Running);
    diagnoses.tick(&app).await.expect("evaluated");
    // A server that starts again knows what was done.
    Diagnoses::default()
        .tick(&app)
        .await
        .expect("nothing more to do");
    assert_eq!(answer_all(&app, &models).await, 0, "a version is run once");

    let known = diagnosis(&app, first).await;
    assert_eq!(
        (known.progress, known.reason.as_str()),
        (Progress::Done, "")
    );
    let finding = known.finding.expect("a report");
    let report = finding.report;
    assert_eq!(finding.dataset, known.dataset);
    assert_eq!(report.skill.eras, finding.eras.len());
    assert_eq!((report.days.len(), report.exposures.len()), (6, 12));
    let crowd = report.crowd.expect("bob's model");
    assert_eq!((crowd.source, crowd.models), (CrowdSource::Models, Some(1)));
    assert_eq!(report.compared, 2);
    let own: Vec<_> = report.own.iter().map(|kin| kin.name.as_str()).collect();
    assert_eq!(own, ["second"]);
    let clones: Vec<_> = report
        .clones
        .iter()
        .map(|kin| (kin.name.as_str(), &kin.model))
        .collect();
    assert_eq!(clones, [("copy", &None)]);
    assert!(report.clones[0].is_same_graph);
}

#[tokio::test]
async fn answers_that_do_not_fit_the_rows_are_our_fault() {
    let (app, _wall, _folder): (Arc<App>, _, _) = app().await;
    let models = accepted(&app).await;
    publish(&app).await;
    let mut diagnoses = Diagnoses::default();
    diagnoses.tick(&app).await.expect("queued");
    let mut tx = app.db.begin().await.expect("begin");
    let job = runners::next_job(&mut tx, &app.market, "r1")
        .await
        .expect("reads");
    let job = job.expect("a job");
    let short = [Probability::HALF];
    diagnostics::record(&mut tx, NOW_US, &job.id, Ok(&short))
        .await
        .expect("recorded");
    tx.commit().await.expect("commit");
    diagnoses.tick(&app).await.expect("goes on");
    let mut models = models.iter();
    let model = models
        .find(|model| model.id == job.models[0].model)
        .expect("ours");
    let failed = diagnosis(&app, model).await;
    assert_eq!(failed.progress, Progress::Failed);
    assert!(
        failed.reason.contains("the server could not"),
        "{}",
        failed.reason
    );
}

//! The page of a model's validation diagnostics in each of its states.

use axum::http::StatusCode;
use domain::{Direction, ModelId, Probability};
use scorer::matrix::Matrix;

use super::page;
use crate::app::App;
use crate::app::testing::{NOW_US, app};
use crate::diagnostics::{self, Era, Material, Report, Rival};
use crate::models::{self, Artifact, Model};
use crate::{accounts, runners};

const PATH: &str = "/models/btc-usd-5m-net/diagnostics";
const DATASET: &str = "1.1.0-20240303";
const ERA_US: i64 = 300_000_000;
/// Six days, as the validation part has.
const ERAS: i64 = 1_728;

async fn accepted(app: &App) -> Model {
    let mut tx = app.db.begin().await.expect("begins");
    let account = accounts::create(&mut tx, NOW_US, "someone", "", false).await;
    let account = account.expect("an account");
    let artifact = Artifact {
        digest: "ab".repeat(32),
        size_bytes: 1,
    };
    let tournament = "btc-usd-5m".parse().expect("an id");
    let model = models::register_hosted(
        &mut tx,
        NOW_US,
        &account.id,
        &tournament,
        "net",
        &artifact,
        false,
    );
    let model = model.await.expect("a model");
    models::set_checked(&mut tx, &model.id, true, "", "")
        .await
        .expect("checked");
    let model = models::get(&mut tx, &model.id).await.expect("reads");
    tx.commit().await.expect("commits");
    model
}

async fn queued(app: &App, model: &Model) -> String {
    let mut tx = app.db.begin().await.expect("begins");
    let job = runners::publish_diagnosis(&mut tx, NOW_US, model, DATASET, &[0.5], 1).await;
    let job = job.expect("published");
    diagnostics::queue(&mut tx, NOW_US, model, DATASET, &job)
        .await
        .expect("queued");
    tx.commit().await.expect("commits");
    job
}

/// Six days before the clock's day; up comes a little more often when the model says so.
fn eras(pace: f64) -> Vec<Era> {
    let first_us = NOW_US.div_euclid(86_400_000_000) * 86_400_000_000 - 7 * 86_400_000_000;
    let era = |n: i64| {
        let place = f64::from(i32::try_from(n).expect("few"));
        let p = 0.5 + 0.04 * (place * pace).sin();
        let luck = (n * 7_919 + 13).rem_euclid(1_000);
        let is_up = f64::from(i32::try_from(luck).expect("few")) < p * 1_000.0;
        Era {
            start_us: first_us + n * ERA_US,
            p: Probability::from_f64(p).expect("valid"),
            outcome: if is_up {
                Direction::Up
            } else {
                Direction::Down
            },
        }
    };
    (0..ERAS).map(era).collect()
}

fn rival(name: &str, is_own: bool, pace: f64) -> Rival {
    Rival {
        model: ModelId::try_from(format!("btc-usd-5m-{name}")).expect("an id"),
        name: name.to_owned(),
        is_own,
        is_same_graph: false,
        eras: eras(pace),
    }
}

/// The report of a model that has a copy, a sibling and a crowd.
fn report() -> Report {
    let eras = eras(0.37);
    let columns = [0.37, 0.1, 0.02].map(|pace: f64| {
        let place = move |n: i64| f64::from(i32::try_from(n).expect("few")) * pace;
        (0..ERAS).map(move |n| (place(n) + pace * 3.0).sin())
    });
    let values: Vec<f64> = columns.into_iter().flatten().collect();
    let features = Matrix::from_columns(eras.len(), 3, values);
    let made = Report::make(&Material {
        features: features.expect("three columns"),
        names: ["return_1", "range_12", "time_of_day"]
            .map(str::to_owned)
            .into(),
        pools: Vec::new(),
        rivals: vec![
            rival("stranger", false, 0.37),
            rival("sibling", true, 0.4),
            rival("forest", false, 1.1),
        ],
        eras,
    });
    made.expect("a report")
}

#[tokio::test]
async fn a_finished_diagnosis_is_charts_and_tables() {
    let (app, _wall, _folder) = app().await;
    let model = accepted(&app).await;
    let none = page(&app, PATH, StatusCode::OK).await;
    assert!(none.contains("There is nothing to show: no dataset is published yet."));
    let job = queued(&app, &model).await;
    let waiting = page(&app, PATH, StatusCode::OK).await;
    assert!(waiting.contains("Waits for a runner"));
    assert!(
        waiting.contains(&format!("data-live=\"{PATH}\"")),
        "looks again"
    );
    let mut tx = app.db.begin().await.expect("begins");
    let half = [Probability::HALF];
    diagnostics::record(&mut tx, NOW_US, &job, Ok(&half))
        .await
        .expect("recorded");
    diagnostics::set_eras(&mut tx, &model.id, DATASET, &eras(0.37))
        .await
        .expect("kept");
    diagnostics::finish(&mut tx, NOW_US, &model.id, DATASET, &report())
        .await
        .expect("finished");
    tx.commit().await.expect("commits");

    let html = page(&app, PATH, StatusCode::OK).await;
    assert!(!html.contains("data-live"), "a report stands still");
    for part in [
        "h-score",
        "h-sum",
        "h-days",
        "h-calibration",
        "h-exposure",
        "h-crowd",
    ] {
        assert!(html.contains(&format!("id=\"{part}\"")), "{part}");
    }
    assert!(
        html.contains("aria-labelledby=\"diagnosis-title"),
        "the chart of sums"
    );
    assert_eq!(html.matches("class=\"dot\"").count(), 10, "ten bins");
    assert!(html.contains("1,728 eras") && html.contains(DATASET));
    assert!(html.contains("the plain mean of 2 hosted models of other accounts"));
    assert!(html.contains("<a href=\"/models/btc-usd-5m-sibling\">sibling</a>"));
    assert!(html.contains("<dt>stranger</dt><dd>the same answers"));
    assert!(
        !html.contains("/models/btc-usd-5m-stranger"),
        "only by name"
    );
    let model_page = page(&app, "/models/btc-usd-5m-net", StatusCode::OK).await;
    assert!(model_page.contains(&format!("href=\"{PATH}\"")));
}

#[tokio::test]
async fn a_failed_diagnosis_says_why() {
    let (app, _wall, _folder) = app().await;
    let model = accepted(&app).await;
    let job = queued(&app, &model).await;
    let mut tx = app.db.begin().await.expect("begins");
    let reason = "limit-cpu: more than 10 s <of> processor time";
    diagnostics::record(&mut tx, NOW_US, &job, Err(reason))
        .await
        .expect("recorded");
    tx.commit().await.expect("commits");
    let html = page(&app, PATH, StatusCode::OK).await;
    assert!(
        html.contains("limit-cpu: more than 10 s &#60;of&#62; processor time"),
        "{html}"
    );
    page(&app, "/models/nobody/diagnostics", StatusCode::NOT_FOUND).await;
}

//! Has accepted models answer the validation part of the newest dataset, and says what came of it.
//!
//! A loop of its own beside the deadline loop: nothing here may keep a round waiting. A model is run
//! once for each version of the dataset; a new version runs all of them again, so that models are
//! compared over the same days.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, ensure};
use datasets::candle::Asset;
use datasets::dataset::Row;
use datasets::features::{FEATURE_COUNT, FEATURE_SCHEMA_VERSION};
use datasets::{Version, row_file};
use domain::{ModelId, Tournament};
use sha2::{Digest, Sha256};
use tokio_util::sync::CancellationToken;

use super::diagnosis_material::material;
use crate::app::App;
use crate::diagnostics::{self, Answered, Era, Report};
use crate::models::Model;
use crate::releases::Release;
use crate::wall::pause;
use crate::{models, rounds, runners};

/// Between two looks.
const NAP: Duration = Duration::from_secs(1);
const NAP_AFTER_FAILURE: Duration = Duration::from_secs(10);
/// How old our view of the published versions may be, wall microseconds.
const OLDEST_VIEW_US: i64 = 20_000_000;
/// Answers evaluated in one look; the rest waits for the next.
const BATCH: i64 = 16;
/// Validation parts kept in memory, half a megabyte each.
const PARTS_KEPT: usize = 6;

/// Looks every second, until `stop`.
pub async fn run(app: Arc<App>, stop: CancellationToken) {
    let mut diagnoses = Diagnoses::default();
    while !stop.is_cancelled() {
        let nap = match diagnoses.tick(&app).await {
            Ok(()) => NAP,
            Err(error) => {
                let error = format!("{error:#}");
                tracing::warn!(error, "models are not diagnosed; it is tried again");
                NAP_AFTER_FAILURE
            }
        };
        tokio::select! {
            () = stop.cancelled() => return,
            () = pause(nap) => {}
        }
    }
}

/// What the loop remembers between two looks.
#[derive(Debug, Default)]
pub struct Diagnoses {
    release: Option<Arc<Release>>,
    looked_us: i64,
    /// Models queued over the newest version; remembering them here only saves the reads.
    queued: HashSet<ModelId>,
    parts: HashMap<(Version, Asset), Arc<Vec<Row>>>,
}

impl Diagnoses {
    /// Everything there is to do now, once.
    ///
    /// # Errors
    /// Database and storage errors; files of the store that cannot be read.
    pub async fn tick(&mut self, app: &App) -> anyhow::Result<()> {
        // A store of datasets that is away keeps no answers waiting.
        let published = self.publish(app).await;
        self.evaluate(app).await?;
        published
    }

    /// Gives every model that the newest version does not know to the runners.
    async fn publish(&mut self, app: &App) -> anyhow::Result<()> {
        let Some(release) = self.newest(app).await? else {
            return Ok(());
        };
        let entered = {
            let mut conn = app.db.read().await?;
            rounds::tournaments(&mut conn).await?
        };
        for tournament in entered.into_iter().map(|entered| entered.tournament) {
            let active = {
                let mut conn = app.db.read().await?;
                models::active_hosted(&mut conn, &tournament.id).await?
            };
            let fresh = active
                .iter()
                .filter(|model| !self.queued.contains(&model.id));
            let fresh: Vec<&Model> = fresh.collect();
            if !fresh.is_empty() {
                let rows = self.rows(app, &release, asset(&tournament)?).await?;
                for model in fresh {
                    queue(app, model, &release, &rows).await?;
                    self.queued.insert(model.id.clone());
                }
            }
        }
        Ok(())
    }

    /// The newest version whose rows hold what models of today are fed with.
    async fn newest(&mut self, app: &App) -> anyhow::Result<Option<Arc<Release>>> {
        let now_us = app.wall.now_us();
        let is_fresh = now_us.saturating_sub(self.looked_us) < OLDEST_VIEW_US;
        if self.release.is_none() || !is_fresh {
            let newest = app.releases.newest().await?;
            let newest = newest.filter(|release| {
                release.manifest.feature_schema_version == FEATURE_SCHEMA_VERSION
            });
            let version = |release: &Option<Arc<Release>>| {
                release.as_ref().map(|release| release.manifest.version)
            };
            if version(&newest) != version(&self.release) {
                self.queued.clear();
            }
            self.release = newest;
            self.looked_us = now_us;
        }
        Ok(self.release.clone())
    }

    /// The validation part of a version, checked against its manifest.
    async fn rows(
        &mut self,
        app: &App,
        release: &Release,
        asset: Asset,
    ) -> anyhow::Result<Arc<Vec<Row>>> {
        let key = (release.manifest.version, asset);
        if let Some(rows) = self.parts.get(&key) {
            return Ok(Arc::clone(rows));
        }
        let path = format!("{asset}/validation.parquet");
        let mut files = release.manifest.files.iter();
        let file = files.find(|file| file.path == path);
        let file = file.with_context(|| format!("version {} has no {path}", key.0))?;
        let bytes = app.releases.small_file(file).await?;
        let sha256 = hex::encode(Sha256::digest(&bytes));
        ensure!(sha256 == file.sha256, "{path} of {} is damaged", key.0);
        let rows = tokio::task::spawn_blocking(move || row_file::read(&bytes));
        let rows = Arc::new(rows.await??);
        if self.parts.len() >= PARTS_KEPT {
            self.parts.clear();
        }
        self.parts.insert(key, Arc::clone(&rows));
        Ok(rows)
    }

    /// Evaluates what runners answered. All eras are kept before the first report is made, so that
    /// models that arrive together are compared with each other.
    async fn evaluate(&mut self, app: &App) -> anyhow::Result<()> {
        let answered = {
            let mut conn = app.db.read().await?;
            diagnostics::answered(&mut conn, BATCH).await?
        };
        let mut cases = Vec::with_capacity(answered.len());
        for answered in answered {
            match self.case(app, &answered).await {
                Ok(case) => cases.push((answered, case)),
                Err(error) => give_up(app, &answered, &error).await?,
            }
        }
        for (answered, case) in &cases {
            let mut tx = app.db.begin().await?;
            let (model, dataset) = (&answered.model, &answered.dataset);
            diagnostics::set_eras(&mut tx, model, dataset, &case.eras).await?;
            tx.commit().await?;
        }
        for (answered, case) in cases {
            report(app, &answered, case).await?;
        }
        Ok(())
    }

    /// The answers beside the rows that they are about.
    async fn case(&mut self, app: &App, answered: &Answered) -> anyhow::Result<Case> {
        let tournament = {
            let mut conn = app.db.read().await?;
            rounds::tournament(&mut conn, &answered.tournament).await?
        };
        let release = app.releases.release(answered.dataset.parse()?).await?;
        let rows = self.rows(app, &release, asset(&tournament.tournament)?);
        let rows = rows.await?;
        ensure!(
            rows.len() == answered.answers.len(),
            "{} answers to {} rows",
            answered.answers.len(),
            rows.len()
        );
        let eras = rows.iter().zip(&answered.answers).filter_map(|(row, p)| {
            Some(Era {
                start_us: row.t_us,
                p: *p,
                outcome: row.target?,
            })
        });
        Ok(Case {
            eras: eras.collect(),
            rows,
        })
    }
}

/// Answers and the rows that they are about.
struct Case {
    eras: Vec<Era>,
    rows: Arc<Vec<Row>>,
}

fn asset(tournament: &Tournament) -> anyhow::Result<Asset> {
    let mut all = Asset::ALL.into_iter();
    let asset = all.find(|asset| asset.name() == tournament.asset);
    asset.with_context(|| format!("no dataset has the asset {:?}", tournament.asset))
}

async fn queue(app: &App, model: &Model, release: &Release, rows: &[Row]) -> anyhow::Result<()> {
    let dataset = release.manifest.version.to_string();
    {
        let mut conn = app.db.read().await?;
        if diagnostics::is_known(&mut conn, &model.id, &dataset).await? {
            return Ok(());
        }
    }
    let features: Vec<f32> = rows.iter().flat_map(|row| &row.features).copied().collect();
    let now_us = app.wall.now_us();
    let mut tx = app.db.begin().await?;
    let job =
        runners::publish_diagnosis(&mut tx, now_us, model, &dataset, &features, FEATURE_COUNT)
            .await?;
    diagnostics::queue(&mut tx, now_us, model, &dataset, &job).await?;
    tx.commit().await?;
    app.runner_wake.notify_waiters();
    Ok(())
}

/// The owner sees that it is our fault; the log says which.
async fn give_up(app: &App, answered: &Answered, error: &anyhow::Error) -> anyhow::Result<()> {
    let (model, error) = (&answered.model, format!("{error:#}"));
    tracing::error!(%model, error, "a model's validation answers cannot be evaluated");
    let reason = "the server could not evaluate the answers; the next dataset version tries again";
    let mut tx = app.db.begin().await?;
    let now_us = app.market.now_us();
    diagnostics::fail(&mut tx, now_us, model, &answered.dataset, reason).await?;
    tx.commit().await?;
    Ok(())
}

async fn report(app: &App, answered: &Answered, case: Case) -> anyhow::Result<()> {
    let material = {
        let mut conn = app.db.read().await?;
        let (model, tournament) = (&answered.model, &answered.tournament);
        material(&mut conn, model, tournament, case.eras, &case.rows).await?
    };
    let made = tokio::task::spawn_blocking(move || Report::make(&material));
    let report = match made.await? {
        Ok(report) => report,
        Err(error) => return give_up(app, answered, &error.into()).await,
    };
    let mut tx = app.db.begin().await?;
    let (model, dataset) = (&answered.model, &answered.dataset);
    diagnostics::finish(&mut tx, app.market.now_us(), model, dataset, &report).await?;
    tx.commit().await?;
    let clones = report.clones.len();
    tracing::info!(%model, dataset, clones, "a model was diagnosed");
    Ok(())
}

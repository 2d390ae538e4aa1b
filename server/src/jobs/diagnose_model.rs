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
use datasets::features::{FEATURE_COUNT, FEATURE_SCHEMA_VERSION, FEATURES};
use datasets::{Version, row_file};
use domain::{ModelId, Probability, Tournament, TournamentId};
use scorer::matrix::Matrix;
use sha2::{Digest, Sha256};
use tokio_util::sync::CancellationToken;

use crate::app::App;
use crate::db::Conn;
use crate::diagnostics::{self, Answered, Era, Material, Report, Rival};
use crate::models::Model;
use crate::releases::Release;
use crate::wall::pause;
use crate::{aggregates, models, rounds, runners};

/// Between two looks.
const NAP: Duration = Duration::from_secs(1);
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
        if let Err(error) = diagnoses.tick(&app).await {
            let error = format!("{error:#}");
            tracing::warn!(error, "models are not diagnosed; it is tried again");
        }
        tokio::select! {
            () = stop.cancelled() => return,
            () = pause(NAP) => {}
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
        self.publish(app).await?;
        self.evaluate(app).await
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
    let now_us = app.wall.now_us();
    diagnostics::fail(&mut tx, now_us, model, &answered.dataset, reason).await?;
    tx.commit().await?;
    Ok(())
}

async fn report(app: &App, answered: &Answered, case: Case) -> anyhow::Result<()> {
    let (pools, rivals) = {
        let mut conn = app.db.read().await?;
        let pools = pools(&mut conn, &answered.tournament, &case.eras).await?;
        (pools, rivals(&mut conn, &answered.model).await?)
    };
    let made = tokio::task::spawn_blocking(move || {
        Report::make(&Material {
            features: features(&case.rows),
            eras: case.eras,
            names: FEATURES.iter().map(|one| one.name.to_owned()).collect(),
            pools,
            rivals,
        })
    });
    let report = match made.await? {
        Ok(report) => report,
        Err(error) => return give_up(app, answered, &error.into()).await,
    };
    let mut tx = app.db.begin().await?;
    let (model, dataset) = (&answered.model, &answered.dataset);
    diagnostics::finish(&mut tx, app.wall.now_us(), model, dataset, &report).await?;
    tx.commit().await?;
    let clones = report.clones.len();
    tracing::info!(%model, dataset, clones, "a model was diagnosed");
    Ok(())
}

/// The staked crowd of the same rounds, as far as they have an outcome.
async fn pools(
    conn: &mut Conn,
    tournament: &TournamentId,
    eras: &[Era],
) -> anyhow::Result<Vec<(i64, Probability)>> {
    let Some((first, last)) = eras.first().zip(eras.last()) else {
        return Ok(Vec::new());
    };
    let rounds = i64::try_from(eras.len())
        .unwrap_or(i64::MAX)
        .saturating_mul(2);
    let until_us = last.start_us.saturating_add(1);
    let found = aggregates::of_resolved_rounds(conn, tournament, until_us, rounds).await?;
    let start =
        |(aggregate, _): &(aggregates::Aggregate, _)| (aggregate.round.start_us(), aggregate.pool);
    let mut pools: Vec<(i64, Probability)> = found.iter().map(start).collect();
    pools.retain(|(start_us, _)| *start_us >= first.start_us);
    pools.reverse();
    Ok(pools)
}

/// Every other hosted model of the tournament, with what it answered.
async fn rivals(conn: &mut Conn, id: &ModelId) -> anyhow::Result<Vec<Rival>> {
    let own = models::get(conn, id).await?;
    let known = diagnostics::eras_of_tournament(conn, &own.tournament).await?;
    let mut known: HashMap<ModelId, Vec<Era>> = known.into_iter().collect();
    let all = models::list(conn, Some(&own.tournament), None).await?;
    let hosted = all
        .into_iter()
        .filter(|other| other.id != own.id && !other.artifact.is_empty());
    let rival = |other: Model| Rival {
        is_own: other.account == own.account,
        is_same_graph: graph(&other) == graph(&own),
        eras: known.remove(&other.id).unwrap_or_default(),
        model: other.id,
        name: other.name,
    };
    Ok(hosted.map(rival).collect())
}

/// What names a model's graph: the digest of its canonical form where the check wrote one, else that
/// of the file.
fn graph(model: &Model) -> String {
    let card: Option<serde_json::Value> = serde_json::from_str(&model.card).ok();
    let canonical = card.as_ref().and_then(|card| card.get("canonical_digest"));
    let canonical = canonical.and_then(|digest| digest.as_str());
    canonical.unwrap_or(&model.artifact).to_owned()
}

fn features(rows: &[Row]) -> Matrix {
    let values = (0..FEATURE_COUNT).flat_map(|column| {
        rows.iter().map(move |row| {
            row.features
                .get(column)
                .copied()
                .map_or(f64::NAN, f64::from)
        })
    });
    Matrix::from_columns(rows.len(), FEATURE_COUNT, values.collect()).unwrap_or_default()
}

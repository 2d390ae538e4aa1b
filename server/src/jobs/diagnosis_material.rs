//! What the report of one model is made from: its rows, the crowd of the same rounds, and every other
//! model of its tournament. Reads through verbs and writes nothing.

use std::collections::HashMap;

use datasets::dataset::Row;
use datasets::features::{FEATURE_COUNT, FEATURES};
use domain::{ModelId, Probability, TournamentId};
use scorer::matrix::Matrix;

use crate::db::Conn;
use crate::diagnostics::{self, Era, Material, Rival};
use crate::models::Model;
use crate::{aggregates, models};

/// Gathers the material of `model`, which answered `eras` over `rows`.
pub(super) async fn material(
    conn: &mut Conn,
    model: &ModelId,
    tournament: &TournamentId,
    eras: Vec<Era>,
    rows: &[Row],
) -> anyhow::Result<Material> {
    Ok(Material {
        features: features(rows),
        names: FEATURES.iter().map(|one| one.name.to_owned()).collect(),
        pools: pools(conn, tournament, &eras).await?,
        rivals: rivals(conn, model).await?,
        eras,
    })
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

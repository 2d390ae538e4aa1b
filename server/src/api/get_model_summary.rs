//! `GET /models/{id}/summary`.

use std::sync::Arc;

use axum::Json;
use axum::extract::{Path, State};
use domain::timestamp::rfc3339;
use scorer::calibration::{Bin, Calibration};
use scorer::summary::Summary;
use scorer::trading::Rule;
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use super::extract::{ApiQuery, bad_query, model_id};
use super::problem::{Problem, QueryProblems, UnknownModel};
use crate::app::App;
use crate::scores::{self, Estimate, ModelSummary, Point, ROUNDS};
use crate::{models, rounds};

#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct SummaryQuery {
    /// Cost of the trading view in basis points per unit of turnover, 0 to 1000; 2 when absent.
    cost_bp: Option<f64>,
    /// A position needs |p − ½| above this, 0 to 0.5; 0 when absent.
    threshold: Option<f64>,
}

/// What a model's last 2016 scored rounds come to.
#[derive(Serialize, ToSchema)]
pub(super) struct SummaryBody {
    /// Null without scored rounds.
    skill_half: Option<SkillSummaryBody>,
    /// Null without scored rounds.
    skill_persistence: Option<SkillSummaryBody>,
    /// Over the rounds that had a crowd; null without any.
    skill_crowd: Option<SkillSummaryBody>,
    /// Null without scored rounds.
    calibration: Option<CalibrationBody>,
    trading: TradingBody,
}

/// A series of Brier scores less those of a baseline, round by round.
#[derive(Serialize, ToSchema)]
pub(super) struct SkillSummaryBody {
    /// n.
    rounds: usize,
    mean: f64,
    /// Of the 95 % interval of the mean; null under ten rounds.
    low: Option<f64>,
    /// Of the 95 % interval of the mean; null under ten rounds.
    high: Option<f64>,
    /// Standard deviation (ddof 0).
    std: f64,
    /// mean/std, of one round; null when std is 0.
    sharpe: Option<f64>,
    /// The deepest fall of the running sum from its highest value so far.
    max_drawdown: f64,
    /// Of neighbouring rounds; null when std is 0.
    autocorrelation: Option<f64>,
    /// Share of rounds above 0.
    share_positive: f64,
}

/// Whether up comes as often as the counted probabilities say.
#[derive(Serialize, ToSchema)]
pub(super) struct CalibrationBody {
    forecasts: usize,
    /// Σ n_b/n·|p̄_b − ȳ_b| over the bins.
    expected_error: f64,
    /// Mean (p − y)² = reliability − resolution + uncertainty + within.
    brier_loss: f64,
    reliability: f64,
    resolution: f64,
    uncertainty: f64,
    within: f64,
    /// At most ten of equal counts, in rising p.
    bins: Vec<BinBody>,
}

#[derive(Serialize, ToSchema)]
struct BinBody {
    count: usize,
    mean_p: f64,
    /// Share of rounds that went up.
    frequency: f64,
    /// Of Wilson's 95 % interval of the share.
    low: f64,
    /// Of Wilson's 95 % interval of the share.
    high: f64,
}

/// Long above ½, short below, when |p − ½| exceeds the threshold; held for the round's interval at
/// its return.
#[derive(Serialize, ToSchema)]
struct TradingBody {
    cost_bp: f64,
    threshold: f64,
    /// From 1 at the start, after costs.
    final_equity: f64,
    /// From 1 at the start, without costs.
    gross_equity: f64,
    /// The deepest fall from the highest equity so far, as a share of it.
    max_drawdown: f64,
    /// Σ|Δposition|; a turn from long to short counts 2.
    turnover: usize,
    /// Positions opened.
    trades: usize,
    intervals_in_market: usize,
    /// Share of those in which the market moved to the position's side; null without any.
    hit_rate: Option<f64>,
    /// At the start of the first round and at the end of every round; empty without scored rounds.
    account: Vec<PointBody>,
}

#[derive(Serialize, ToSchema)]
struct PointBody {
    at: String,
    /// After costs.
    equity: f64,
    /// Without costs.
    gross: f64,
}

/// A model's summaries, calibration and trading view over its last 2016 scored rounds.
#[utoipa::path(
    get,
    path = "/models/{id}/summary",
    tag = "models",
    params(("id" = String, Path, description = "Model id"), SummaryQuery),
    responses((status = 200, body = SummaryBody), QueryProblems, UnknownModel)
)]
pub(super) async fn get_model_summary(
    State(app): State<Arc<App>>,
    Path(id): Path<String>,
    ApiQuery(query): ApiQuery<SummaryQuery>,
) -> Result<Json<SummaryBody>, Problem> {
    let id = model_id(&id)?;
    let rule = scores::trading_rule(query.cost_bp, query.threshold).map_err(|error| {
        let remedy =
            "Send `cost_bp` from 0 to 1000 and `threshold` from 0 to 0.5, or leave them out.";
        bad_query(format!("{error}."), remedy.to_owned())
    })?;
    let mut conn = app.db.read().await?;
    let model = models::get(&mut conn, &id).await?;
    let entered = rounds::tournament(&mut conn, &model.tournament).await?;
    let rows = scores::of_model(&mut conn, &id, ROUNDS).await?;
    let summary = scores::summary(&mut conn, &entered.tournament, &rows, rule).await?;
    Ok(Json(SummaryBody::new(&summary, rule)))
}

impl SummaryBody {
    fn new(summary: &ModelSummary, rule: Rule) -> Self {
        let skills = &summary.skills;
        Self {
            skill_half: skills.half.as_ref().map(SkillSummaryBody::from),
            skill_persistence: skills.persistence.as_ref().map(SkillSummaryBody::from),
            skill_crowd: skills.crowd.as_ref().map(SkillSummaryBody::from),
            calibration: summary.calibration.as_ref().map(CalibrationBody::from),
            trading: TradingBody::new(summary, rule),
        }
    }
}

impl From<&Summary> for SkillSummaryBody {
    fn from(summary: &Summary) -> Self {
        let interval = Estimate::from(summary).interval;
        Self {
            rounds: summary.eras,
            mean: summary.mean,
            low: interval.map(|(low, _)| low),
            high: interval.map(|(_, high)| high),
            std: summary.std,
            sharpe: summary.sharpe,
            max_drawdown: summary.max_drawdown,
            autocorrelation: summary.autocorrelation,
            share_positive: summary.share_positive,
        }
    }
}

impl From<&Calibration> for CalibrationBody {
    fn from(calibration: &Calibration) -> Self {
        Self {
            forecasts: calibration.forecasts,
            expected_error: calibration.expected_error,
            brier_loss: calibration.brier_loss,
            reliability: calibration.split.reliability,
            resolution: calibration.split.resolution,
            uncertainty: calibration.split.uncertainty,
            within: calibration.split.within,
            bins: calibration.bins.iter().map(BinBody::from).collect(),
        }
    }
}

impl From<&Bin> for BinBody {
    fn from(bin: &Bin) -> Self {
        Self {
            count: bin.count,
            mean_p: bin.mean_p,
            frequency: bin.frequency,
            low: bin.interval.low,
            high: bin.interval.high,
        }
    }
}

impl TradingBody {
    fn new(summary: &ModelSummary, rule: Rule) -> Self {
        let trading = &summary.trading;
        Self {
            cost_bp: rule.cost_bp(),
            threshold: rule.threshold().to_f64(),
            final_equity: trading.final_equity,
            gross_equity: trading.gross_equity,
            max_drawdown: trading.max_drawdown,
            turnover: trading.turnover,
            trades: trading.trades,
            intervals_in_market: trading.intervals_in_market,
            hit_rate: trading.hit_rate,
            account: summary.account.iter().map(PointBody::from).collect(),
        }
    }
}

impl From<&Point> for PointBody {
    fn from(point: &Point) -> Self {
        Self {
            at: rfc3339(point.at_us),
            equity: point.equity,
            gross: point.gross,
        }
    }
}

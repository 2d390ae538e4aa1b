//! What came of scoring files, and its JSON.

use serde_json::{Map, Value, json};

use super::Metric;
use super::frame::Frame;
use crate::cross_section::Unscored;
use crate::summary::summarise_all;

/// A score of one model in one era, or why there is none; `None` for an era without a target.
pub(super) type Scored = Option<Result<f64, Unscored>>;

/// All scores of the models of a file.
#[derive(Debug)]
pub struct Report {
    pub(super) models: Vec<String>,
    pub(super) eras: Vec<String>,
    /// By metric, then model after model and era after era.
    pub(super) scores: Vec<(Metric, Vec<Scored>)>,
    /// Rows whose id the targets do not know, by the file that they stand in.
    pub(super) unknown: Vec<(String, usize)>,
}

impl Report {
    pub(super) fn new(models: Vec<String>, frame: &Frame, metrics: &[Metric]) -> Self {
        let cells = models.len() * frame.eras.len();
        Self {
            eras: frame.eras.clone(),
            scores: metrics.iter().map(|m| (*m, vec![None; cells])).collect(),
            unknown: Vec::new(),
            models,
        }
    }

    /// Rows that were ignored because the targets do not know their id, by file; files without such
    /// rows are left out.
    #[must_use]
    pub fn ignored(&self) -> &[(String, usize)] {
        &self.unknown
    }

    /// `{"models": {"<column>": {"corr": {"eras", "reasons", "mean", "std", "sharpe", "max_drawdown",
    /// "autocorrelation", "share_positive", "interval", "eras_scored"}, …}, …}, "ignored_rows"}`;
    /// numbers in full double precision, eras in time order behind every statistic.
    #[must_use]
    pub fn to_json(&self) -> Value {
        let mut models = vec![Map::new(); self.models.len()];
        for (metric, scores) in &self.scores {
            let by_model: Vec<&[Scored]> = scores.chunks(self.eras.len().max(1)).collect();
            let series: Vec<Vec<f64>> = by_model.iter().map(|scores| scored(scores)).collect();
            let summaries = summarise_all(&series);
            for ((model, scores), summary) in models.iter_mut().zip(by_model).zip(summaries) {
                let mut entry = self.by_era(scores);
                let summary = summary.as_ref();
                let mut put = |key: &str, value: Value| entry.insert(key.to_owned(), value);
                put("mean", json!(summary.map(|s| s.mean)));
                put("std", json!(summary.map(|s| s.std)));
                put("sharpe", json!(summary.and_then(|s| s.sharpe)));
                put("max_drawdown", json!(summary.map(|s| s.max_drawdown)));
                let lagged = summary.and_then(|s| s.autocorrelation);
                put("autocorrelation", json!(lagged));
                put("share_positive", json!(summary.map(|s| s.share_positive)));
                let interval = summary.map(|s| [s.interval.low, s.interval.high]);
                put("interval", json!(interval));
                put("eras_scored", json!(summary.map_or(0, |s| s.eras)));
                model.insert(metric.name().to_owned(), Value::Object(entry));
            }
        }
        let models: Map<String, Value> = self
            .models
            .iter()
            .cloned()
            .zip(models.into_iter().map(Value::Object))
            .collect();
        let ignored: Map<String, Value> = self
            .unknown
            .iter()
            .map(|(file, rows)| (file.clone(), json!(rows)))
            .collect();
        json!({ "models": models, "ignored_rows": ignored })
    }

    fn by_era(&self, scores: &[Scored]) -> Map<String, Value> {
        let (mut eras, mut reasons) = (Map::new(), Map::new());
        for (era, score) in self.eras.iter().zip(scores) {
            let (value, reason) = match score {
                Some(Ok(score)) => (json!(score), None),
                Some(Err(why)) => (Value::Null, Some(why.code())),
                None => (Value::Null, Some("no-target")),
            };
            eras.insert(era.clone(), value);
            reasons.extend(reason.map(|reason| (era.clone(), json!(reason))));
        }
        let mut entry = Map::new();
        entry.insert("eras".to_owned(), Value::Object(eras));
        entry.insert("reasons".to_owned(), Value::Object(reasons));
        entry
    }
}

fn scored(scores: &[Scored]) -> Vec<f64> {
    scores.iter().flatten().flatten().copied().collect()
}

//! MMC: what a prediction adds to the meta model.

use super::rows::{centre, dots_along, gather, is_constant, present};
use super::{Era, Scratch, TargetScale, Unscored};
use crate::gaussian::{Curves, Tables};
use crate::rank::{Ranker, Unordered};

/// The meta model's half of MMC.
#[derive(Debug)]
pub(super) struct MetaSide {
    /// As given, NaN where it has no row.
    values: Vec<f64>,
    scale: TargetScale,
    /// When every row has a meta model: what models with all rows share.
    whole: Option<Result<Against, Unscored>>,
}

/// Targets and meta model of some rows, ready to be multiplied with a prediction.
#[derive(Clone, Debug, Default)]
struct Against {
    /// (scaled and centred target, m̃) by row.
    pairs: Vec<[f64; 2]>,
    /// m̃·t.
    meta_target: f64,
    /// m̃·m̃.
    meta_meta: f64,
}

impl MetaSide {
    pub(super) fn new(targets: &[f64], values: Vec<f64>, scale: TargetScale) -> Self {
        let is_whole = !values.iter().any(|x| x.is_nan());
        let whole = is_whole.then(|| {
            let (mut ranker, curves) = (Ranker::default(), Tables::default().of(values.len()));
            let (mut targets, mut along) = (targets.to_vec(), Vec::new());
            let mut against = Against::default();
            against.fill(
                &mut targets,
                &values,
                scale,
                (&mut ranker, &curves, &mut along),
            )?;
            Ok(against)
        });
        Self {
            values,
            scale,
            whole,
        }
    }
}

impl Against {
    /// Scales and centres `targets` in place; `meta` has no gap.
    fn fill(
        &mut self,
        targets: &mut [f64],
        meta: &[f64],
        scale: TargetScale,
        (ranker, curves, along): (&mut Ranker, &Curves, &mut Vec<f64>),
    ) -> Result<(), Unscored> {
        if is_constant(targets) {
            return Err(Unscored::ConstantTarget);
        }
        let is_scaled = match scale {
            TargetScale::Auto => targets.iter().all(|t| (0.0..=1.0).contains(t)),
            TargetScale::One => false,
            TargetScale::Four => true,
        };
        if is_scaled {
            targets.iter_mut().for_each(|t| *t *= 4.0);
        }
        centre(targets);
        let order = ranker.order(meta).map_err(|why| match why {
            Unordered::Constant => Unscored::ConstantMeta,
            other => other.into(),
        })?;
        let m = curves.gaussian.along(order, along);
        self.pairs.clear();
        self.pairs.extend(targets.iter().map(|t| [*t, 0.0]));
        for (value, row) in m.values.iter().zip(order.rows) {
            self.pairs[*row as usize][1] = *value;
        }
        self.meta_target = self.pairs.iter().map(|[t, m]| t * m).sum();
        self.meta_meta = m.squares;
        Ok(())
    }
}

impl Era {
    /// MMC of `prediction` (shape n, NaN where the model has no row): the mean over rows of t·p⊥ with
    /// p̃ = Φ⁻¹(rank p), m̃ = Φ⁻¹(rank meta), p⊥ = p̃ − m̃·(m̃·p̃)/(m̃·m̃), t the scaled and centred
    /// target; in units of the scaled target. `None` without a meta model.
    ///
    /// Ranks are those among the rows that have both a prediction and a meta model. Source:
    /// scoring.md, `correlation_contribution` of numerai-tools 0.7.2.
    ///
    /// # Errors
    /// [`Unscored::Coverage`], [`Unscored::MetaCoverage`], [`Unscored::Constant`],
    /// [`Unscored::ConstantMeta`], [`Unscored::ConstantTarget`], [`Unscored::Infinite`].
    ///
    /// # Panics
    /// When the prediction has another length than the era.
    pub fn mmc(&self, prediction: &[f64], scratch: &mut Scratch) -> Option<Result<f64, Unscored>> {
        assert_eq!(prediction.len(), self.rows(), "rows of a prediction");
        let side = self.meta.as_ref()?;
        let score = match &side.whole {
            Some(Ok(against)) => contribution(against, prediction, scratch),
            Some(Err(why)) => Err(*why),
            None => Err(Unscored::Infinite),
        };
        // Only what has no order is looked through for gaps.
        if score != Err(Unscored::Infinite) {
            return Some(score);
        }
        let mut rows = std::mem::take(&mut scratch.rows);
        let score = match present(&[prediction, &side.values], &mut rows) {
            None => score,
            Some(rows) => self.mmc_of_rows(side, prediction, rows, scratch),
        };
        scratch.rows = rows;
        Some(score)
    }

    fn mmc_of_rows(
        &self,
        side: &MetaSide,
        prediction: &[f64],
        rows: &[u32],
        scratch: &mut Scratch,
    ) -> Result<f64, Unscored> {
        if !self.covers(rows.len()) {
            let with_meta = side.values.iter().filter(|x| !x.is_nan()).count();
            let is_meta = !self.covers(with_meta);
            return Err(if is_meta {
                Unscored::MetaCoverage
            } else {
                Unscored::Coverage
            });
        }
        let curves = scratch.tables.of(rows.len());
        gather(&self.targets.values, rows, &mut scratch.targets);
        gather(&side.values, rows, &mut scratch.meta);
        let mut against = Against {
            pairs: std::mem::take(&mut scratch.pairs),
            ..Against::default()
        };
        let tools = (&mut scratch.ranker, &*curves, &mut scratch.along);
        against.fill(&mut scratch.targets, &scratch.meta, side.scale, tools)?;
        let mut values = std::mem::take(&mut scratch.values);
        gather(prediction, rows, &mut values);
        let score = contribution(&against, &values, scratch);
        scratch.values = values;
        scratch.pairs = against.pairs;
        score
    }
}

fn contribution(against: &Against, values: &[f64], scratch: &mut Scratch) -> Result<f64, Unscored> {
    let curves = scratch.tables.of(values.len());
    let order = scratch.ranker.order(values)?;
    let p = curves.gaussian.along(order, &mut scratch.along);
    let [target, meta] = dots_along(p.values, order, &against.pairs);
    let orthogonal = target - meta / against.meta_meta * against.meta_target;
    Ok(orthogonal / values.len() as f64)
}

//! What a model's answers over the validation part come to. Pure: values in, values out.

use domain::{Direction, Probability};
use scorer::calibration::{Calibration, calibrate};
use scorer::cross_section::exposures;
use scorer::direction::{accuracy, brier};
use scorer::matrix::Matrix;
use scorer::summary::{Summary, summarise};
use serde::{Deserialize, Serialize};

use super::comparison::{Crowd, Kinship, Rival, with_crowd, with_models};
use super::{DiagnosticError, Era};

/// Features in the list of a report.
const EXPOSURES_LISTED: usize = 12;
/// A day of market time, microseconds.
const DAY_US: i64 = 86_400_000_000;

/// Everything that a diagnosis says about one model.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Report {
    /// Brier score less that of the constant one half, era by era.
    pub skill: Summary,
    /// Mean of 1 − (p − y)².
    pub brier_mean: f64,
    /// Share of eras on the right side of one half.
    pub accuracy: f64,
    /// The same skill day by day.
    pub days: Vec<Day>,
    /// Whether up comes as often as it says.
    pub calibration: Calibration,
    /// Lowest and highest answer.
    pub lowest: Probability,
    /// Highest answer.
    pub highest: Probability,
    /// The features that it moves with most, strongest first.
    pub exposures: Vec<Exposure>,
    /// Against everybody else.
    pub crowd: Option<Crowd>,
    /// The owner's other models, closest first.
    pub own: Vec<Kinship>,
    /// Models that it is likely one with, closest first.
    pub clones: Vec<Kinship>,
    /// Models of the tournament that it was compared with.
    pub compared: usize,
}

/// One UTC day of the validation part.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Day {
    /// Its midnight, microseconds UTC.
    pub from_us: i64,
    /// Skill against one half over its eras.
    pub skill: Summary,
}

/// How a model moves with one feature.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Exposure {
    /// The feature's name.
    pub feature: String,
    /// Pearson(p, feature), −1 to 1.
    pub correlation: f64,
}

/// What a report is made of.
#[derive(Debug)]
pub struct Material {
    /// The model's answers, rising by start.
    pub eras: Vec<Era>,
    /// The rows behind them, one column a feature.
    pub features: Matrix,
    /// Names of the columns.
    pub names: Vec<String>,
    /// The aggregates of the same rounds, where there are any.
    pub pools: Vec<(i64, Probability)>,
    /// The other models of the tournament.
    pub rivals: Vec<Rival>,
}

impl Report {
    /// # Errors
    /// [`DiagnosticError::NoEras`] without a single era.
    pub fn make(material: &Material) -> Result<Self, DiagnosticError> {
        let eras = &material.eras;
        let forecasts: Vec<(Probability, Direction)> =
            eras.iter().map(|era| (era.p, era.outcome)).collect();
        let briers: Vec<f64> = forecasts.iter().map(|(p, y)| brier(*p, *y)).collect();
        let (own, clones) = with_models(eras, &material.rivals);
        let none = || DiagnosticError::NoEras;
        Ok(Self {
            skill: skill(eras).ok_or_else(none)?,
            brier_mean: summarise(&briers).ok_or_else(none)?.mean,
            accuracy: accuracy(&forecasts).ok_or_else(none)?,
            days: days(eras),
            calibration: calibrate(&forecasts).ok_or_else(none)?,
            lowest: eras.iter().map(|era| era.p).min().ok_or_else(none)?,
            highest: eras.iter().map(|era| era.p).max().ok_or_else(none)?,
            exposures: strongest(material),
            crowd: with_crowd(eras, &material.pools, &material.rivals),
            own,
            clones,
            compared: material
                .rivals
                .iter()
                .filter(|rival| !rival.eras.is_empty())
                .count(),
        })
    }
}

fn skill(eras: &[Era]) -> Option<Summary> {
    summarise(&eras.iter().map(Era::skill).collect::<Vec<_>>())
}

fn days(eras: &[Era]) -> Vec<Day> {
    let day_of = |era: &Era| era.start_us.div_euclid(DAY_US) * DAY_US;
    let by_day = eras.chunk_by(|a, b| day_of(a) == day_of(b));
    let day = |eras: &[Era]| {
        Some(Day {
            from_us: day_of(eras.first()?),
            skill: skill(eras)?,
        })
    };
    by_day.filter_map(day).collect()
}

fn strongest(material: &Material) -> Vec<Exposure> {
    let p: Vec<f64> = material.eras.iter().map(|era| era.p.to_f64()).collect();
    if material.features.rows() != p.len() {
        return Vec::new();
    }
    let found = exposures(&p, &material.features);
    let mut found: Vec<Exposure> = found
        .into_iter()
        .zip(&material.names)
        .filter_map(|(correlation, name)| {
            Some(Exposure {
                feature: name.clone(),
                correlation: correlation?,
            })
        })
        .collect();
    found.sort_by(|a, b| b.correlation.abs().total_cmp(&a.correlation.abs()));
    found.truncate(EXPOSURES_LISTED);
    found
}

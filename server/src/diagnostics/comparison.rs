//! A model's answers beside those of others: the crowd, the owner's other models, likely copies.
//! Pure: values in, values out.
//!
//! A likely copy is said, never punished, and somebody else's model is named by nothing but its
//! public name.

use std::collections::BTreeMap;

use domain::{ModelId, Probability};
use scorer::cross_section::pearson;
use scorer::summary::{Summary, summarise};
use serde::{Deserialize, Serialize};

use super::Era;

/// Eras that two series share at least before they are compared: a day.
pub const COMMON_LEAST: usize = 288;
/// Answers that move together more than this are likely one model.
pub const CLONE_ABOVE: f64 = 0.98;
/// Most entries of each list.
const LIST_LIMIT: usize = 50;

/// Another model of the tournament.
#[derive(Clone, Debug)]
pub struct Rival {
    /// Its id.
    pub model: ModelId,
    /// Its public name.
    pub name: String,
    /// Whether the same account owns it.
    pub is_own: bool,
    /// Whether its file holds the same graph with the same numbers.
    pub is_same_graph: bool,
    /// What it answered over a validation part, rising by start; empty when nothing is known.
    pub eras: Vec<Era>,
}

/// How a model goes with everybody else.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Crowd {
    /// Whom the crowd is made of.
    pub source: CrowdSource,
    /// Models in it; `None` for the aggregate, whose models differ from round to round.
    pub models: Option<usize>,
    /// Eras that both have.
    pub eras: usize,
    /// Pearson; `None` when either is constant.
    pub correlation: Option<f64>,
    /// Brier score less that of the crowd, era by era.
    pub skill: Option<Summary>,
}

/// Where the crowd's forecasts are taken from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum CrowdSource {
    /// The staked pool P/W of the rounds themselves.
    Aggregates,
    /// The plain mean of other accounts' hosted models over the same rows.
    Models,
}

/// How a model goes with another one.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Kinship {
    /// Its id; `None` when somebody else owns it.
    pub model: Option<ModelId>,
    /// Its public name.
    pub name: String,
    /// Eras that both have.
    pub eras: usize,
    /// Pearson; `None` with fewer eras than are compared, or when either is constant.
    pub correlation: Option<f64>,
    /// Whether both files hold the same graph with the same numbers.
    pub is_same_graph: bool,
}

impl Kinship {
    /// Whether this is likely one model.
    #[must_use]
    pub fn is_likely_clone(&self) -> bool {
        self.is_same_graph || self.correlation.is_some_and(|r| r > CLONE_ABOVE)
    }
}

/// The model against the aggregates of the same rounds (`pools`, rising by start) when a day of them
/// exists, else against the mean of other accounts' models; `None` without either.
#[must_use]
pub(super) fn with_crowd(
    eras: &[Era],
    pools: &[(i64, Probability)],
    rivals: &[Rival],
) -> Option<Crowd> {
    let pools: BTreeMap<i64, Probability> = pools.iter().copied().collect();
    let crowd = crowd(eras, &pools, CrowdSource::Aggregates, None);
    if crowd.eras >= COMMON_LEAST {
        return Some(crowd);
    }
    let others: Vec<&Rival> = rivals
        .iter()
        .filter(|rival| !rival.is_own && !rival.eras.is_empty())
        .collect();
    let crowd = crowd_of(eras, &others);
    (crowd.eras >= COMMON_LEAST).then_some(crowd)
}

fn crowd_of(eras: &[Era], others: &[&Rival]) -> Crowd {
    let mut sums: BTreeMap<i64, (u64, u64)> = BTreeMap::new();
    for era in others.iter().flat_map(|rival| &rival.eras) {
        let (sum, count) = sums.entry(era.start_us).or_default();
        *sum += u64::from(era.p.ppm());
        *count += 1;
    }
    let mean = |(start_us, (sum, count)): (i64, (u64, u64))| {
        let ppm = u32::try_from(sum.checked_div(count)?).ok()?;
        Some((start_us, Probability::from_ppm(ppm).ok()?))
    };
    let means: BTreeMap<i64, Probability> = sums.into_iter().filter_map(mean).collect();
    crowd(eras, &means, CrowdSource::Models, Some(others.len()))
}

fn crowd(
    eras: &[Era],
    said: &BTreeMap<i64, Probability>,
    source: CrowdSource,
    models: Option<usize>,
) -> Crowd {
    let both: Vec<(&Era, Probability)> = eras
        .iter()
        .filter_map(|era| Some((era, *said.get(&era.start_us)?)))
        .collect();
    let own: Vec<f64> = both.iter().map(|(era, _)| era.p.to_f64()).collect();
    let theirs: Vec<f64> = both.iter().map(|(_, p)| p.to_f64()).collect();
    let skills: Vec<f64> = both.iter().map(|(era, p)| era.skill_against(*p)).collect();
    Crowd {
        source,
        models,
        eras: both.len(),
        correlation: pearson(&own, &theirs),
        skill: summarise(&skills),
    }
}

/// The model beside each rival that can be compared, closest first: the owner's other models, and
/// likely copies among all.
#[must_use]
pub(super) fn with_models(eras: &[Era], rivals: &[Rival]) -> (Vec<Kinship>, Vec<Kinship>) {
    let mut all: Vec<(bool, Kinship)> = rivals
        .iter()
        .map(|rival| (rival.is_own, kinship(eras, rival)))
        .collect();
    let closeness = |kin: &Kinship| (kin.is_same_graph, kin.correlation.unwrap_or(-2.0));
    all.sort_by(|(_, a), (_, b)| {
        let ((graph_a, r_a), (graph_b, r_b)) = (closeness(a), closeness(b));
        let order = graph_b.cmp(&graph_a).then(r_b.total_cmp(&r_a));
        order.then_with(|| a.name.cmp(&b.name))
    });
    let own = all
        .iter()
        .filter(|(is_own, kin)| *is_own && (kin.correlation.is_some() || kin.is_same_graph));
    let clones = all.iter().filter(|(_, kin)| kin.is_likely_clone());
    let listed = |(_, kin): &(bool, Kinship)| kin.clone();
    (
        own.take(LIST_LIMIT).map(listed).collect(),
        clones.take(LIST_LIMIT).map(listed).collect(),
    )
}

fn kinship(eras: &[Era], rival: &Rival) -> Kinship {
    let theirs: BTreeMap<i64, f64> = rival
        .eras
        .iter()
        .map(|era| (era.start_us, era.p.to_f64()))
        .collect();
    let (own, theirs): (Vec<f64>, Vec<f64>) = eras
        .iter()
        .filter_map(|era| Some((era.p.to_f64(), *theirs.get(&era.start_us)?)))
        .unzip();
    Kinship {
        model: rival.is_own.then(|| rival.model.clone()),
        name: rival.name.clone(),
        eras: own.len(),
        correlation: (own.len() >= COMMON_LEAST)
            .then(|| pearson(&own, &theirs))
            .flatten(),
        is_same_graph: rival.is_same_graph,
    }
}

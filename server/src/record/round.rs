//! One round again, from its rule, its price evidence and what it counted.

use alloy::primitives::keccak256;
use contracts::round;
use contracts::tree::{PredictionLeaf, PredictionTree};
use domain::timestamp::SECOND_US;
use domain::{Direction, ModelId, Outcome, Probability, TokenAmount};
use scorer::skill::{reference_half_even, score_exact};
use scorer::wager;

use super::difference::{Compare, Difference, or_none};
use super::format::{
    PredictionRow, ROUND_FORMAT, RoundFile, ScoreRow, SkillRow, digest, evidence_path, rule_path,
};
use super::run::runs_path;
use super::seals::seals;
use crate::predictions::Counted;
use crate::prices::evidence::Record;
use crate::prices::rule::decide;
use crate::{rounds, scores};

/// Recomputes everything that a round file says from its rule file, its price evidence, the posted
/// predictions and the stakes at risk. `rule` and `evidence` are the bytes of the files that the
/// round file names.
#[must_use]
pub fn recompute_round(file: &RoundFile, rule: &[u8], evidence: Option<&[u8]>) -> Vec<Difference> {
    let mut compare = Compare::new(format!("round {}", file.round));
    names(&mut compare, file, rule);
    outcome(&mut compare, file, evidence);
    leaves(&mut compare, file);
    seals(&mut compare, file);
    money(&mut compare, file);
    scores_and_skill(&mut compare, file);
    compare.done()
}

/// The rule and the names that follow from round and registry.
fn names(compare: &mut Compare, file: &RoundFile, rule: &[u8]) {
    compare.same("format", &file.format, ROUND_FORMAT);
    let id = file.round.tournament();
    compare.same("rule_file", &file.rule_file, rule_path(id));
    let text = String::from_utf8_lossy(rule);
    match rounds::read_file(&text) {
        Ok(entered) => {
            compare.same(
                "rule_hash",
                file.rule_hash,
                format!("0x{}", entered.rule_hash),
            );
            let as_text = |rule| serde_json::to_string(rule).unwrap_or_default();
            compare.same("rule", as_text(&file.rule), as_text(&entered.tournament));
        }
        Err(error) => compare.same("rule file", "a rule", error),
    }
    compare.same("tournament of the rule", &file.rule.id, id);
    let key = keccak256(id.as_str());
    compare.same("tournament_key", file.tournament_key, key);
    let starts_at = file.round.start_us().checked_div(SECOND_US).unwrap_or(-1);
    compare.same("starts_at", file.starts_at, starts_at);
    let chain_round = round::round_id(file.chain_id, file.registry, key, file.starts_at);
    compare.same("chain_round", file.chain_round, chain_round);
}

/// The outcome from the price evidence. A round may be void for reasons outside of its prices; then
/// every stake returns, whatever they say.
fn outcome(compare: &mut Compare, file: &RoundFile, evidence: Option<&[u8]>) {
    let is_void = file.outcome == "void";
    if is_void == file.void_reason.is_empty() {
        compare.same(
            "void_reason",
            format!("{:?}", file.void_reason),
            "a reason exactly if void",
        );
    }
    let Some((named, bytes)) = file.evidence.as_ref().zip(evidence) else {
        compare.same("outcome without evidence", &file.outcome, "void");
        return;
    };
    compare.same("evidence file", &named.file, evidence_path(&file.round));
    compare.same("evidence hash", named.keccak256, digest(bytes));
    let record = match Record::parse(&String::from_utf8_lossy(bytes)) {
        Ok(record) => record,
        Err(error) => return compare.same("evidence", "price evidence", error),
    };
    let same_rule = record.rule.exact() == file.rule.outcome;
    compare.same("rule of the evidence", same_rule, true);
    if let Ok(schedule) = file.rule.round(file.round.start_us()) {
        compare.same("start of the evidence", record.t0_us, schedule.start_us);
        compare.same("end of the evidence", record.t1_us, schedule.end_us);
    }
    let foreign = record
        .ticks
        .iter()
        .find(|tick| !file.rule.venues.contains(&tick.venue));
    let foreign = foreign.map(|tick| &tick.venue);
    compare.same("venue outside the rule", or_none(foreign), "none");
    let wrong = record.receipt_problem();
    compare.same("receipts of the evidence", or_none(wrong), "none");
    let decided = decide(&record);
    if is_void {
        return;
    }
    compare.same("outcome", &file.outcome, decided.outcome.name());
    let (p0, p1) = decided.prices.unzip();
    compare.same("p0", or_none(file.p0.as_ref()), or_none(p0));
    compare.same("p1", or_none(file.p1.as_ref()), or_none(p1));
    compare.same(
        "return_e12",
        or_none(file.return_e12),
        or_none(decided.return_e12),
    );
}

/// Clamps, leaves, tree and commitment.
fn leaves(compare: &mut Compare, file: &RoundFile) {
    for row in &file.predictions {
        let index = row.index;
        let of = |field: &str| match index {
            Some(_) => field.to_owned(),
            None => format!("{field} of {}", row.model),
        };
        match Probability::from_ppm(row.posted) {
            Ok(posted) => {
                let counted = posted.clamp_to_edge(file.rule.stake.a_ppm).ppm();
                compare.same_of(index, &of("counted p"), row.p, counted);
            }
            Err(error) => compare.same_of(index, &of("posted p"), row.posted, error),
        }
        compare.same_of(
            index,
            &of("whether it is staked"),
            row.w > 0,
            index.is_some(),
        );
        if index.is_some() && row.w < file.rule.stake.minimum.units() {
            compare.same_of(index, "w", row.w, "at least the rule's minimum");
        }
    }
    let models: Vec<&str> = file
        .predictions
        .iter()
        .map(|row| row.model.as_str())
        .collect();
    compare.same(
        "every model once, by id",
        models.is_sorted_by(|a, b| a < b),
        true,
    );
    let leaves: Vec<PredictionLeaf> = staked(file)
        .into_iter()
        .map(|(index, row)| PredictionLeaf {
            index,
            w: row.w,
            p: row.p,
        })
        .collect();
    let top = match PredictionTree::from_leaves(&leaves) {
        Ok(tree) => tree.top(),
        Err(error) => return compare.same("leaves", "leaves of a tree", error),
    };
    compare.same("W", file.total_w, top.sums.stake);
    compare.same("P", file.total_p, top.sums.weighted);
    compare.same("top", file.top, top.hash);
    compare.same("root", file.root, top.root());
    let commitment = round::commitment(file.chain_round, top.root(), file.salt);
    compare.same("commitment", file.commitment, commitment);
    if let Some(runs) = &file.runs {
        let (models, input) = (runs.models_root, runs.input_root);
        let salt = contracts::runs::salt(runs.seed, models, input, runs.receipts_root);
        compare.same("salt", file.salt, salt);
        compare.same("runs file", &runs.at.file, runs_path(&file.round));
    }
    if file.total_w > file.rule.stake.round_cap.units() {
        compare.same("W", file.total_w, "at most the rule's cap");
    }
}

/// Payouts of a round with an outcome; a void one pays nothing.
fn money(compare: &mut Compare, file: &RoundFile) {
    let staked = staked(file);
    let y_ppm = direction(file).map(Direction::y_ppm);
    let paid = match y_ppm {
        None => Ok((vec![0; staked.len()], 0)),
        Some(y_ppm) => payouts(file.rule.stake.a_ppm, y_ppm, &staked),
    };
    match paid {
        Ok((deltas, burned)) => {
            for ((index, row), delta) in staked.iter().zip(deltas) {
                compare.same_of(Some(*index), "payout D", row.delta, delta);
            }
            compare.same("burned", file.burned, burned);
        }
        Err(error) => compare.same("payouts", "payouts of a wager", error),
    }
    for row in &file.predictions {
        if row.index.is_none() {
            compare.same(&format!("payout D of {}", row.model), row.delta, 0);
        }
        // Rounds of this format share no buyers' money.
        compare.same_of(row.index, "fee_share", row.fee_share, 0);
    }
}

fn payouts(
    a_ppm: u32,
    y_ppm: u32,
    staked: &[(u32, &PredictionRow)],
) -> Result<(Vec<i64>, u64), String> {
    let entries = staked.iter().map(|(index, row)| {
        let stake = TokenAmount::from_units(row.w).map_err(|e| format!("model {index}: {e}"))?;
        let p = Probability::from_ppm(row.p).map_err(|e| format!("model {index}: {e}"))?;
        Ok(wager::Entry { stake, p })
    });
    let entries = entries.collect::<Result<Vec<_>, String>>()?;
    let settled = wager::settle(a_ppm, y_ppm, &entries).map_err(|error| error.to_string())?;
    let deltas = settled.deltas.iter().map(|delta| delta.units()).collect();
    Ok((deltas, settled.burned.units()))
}

fn scores_and_skill(compare: &mut Compare, file: &RoundFile) {
    let expected = match expected_scores(file) {
        Ok(expected) => expected,
        Err(error) => return compare.same("scores", "scores", error),
    };
    compare.same(
        "reference_ppm",
        or_none(file.reference_ppm),
        or_none(expected.reference_ppm),
    );
    for (row, (scores, skill)) in file.predictions.iter().zip(expected.rows) {
        let of = |field: &str| match row.index {
            Some(_) => field.to_owned(),
            None => format!("{field} of {}", row.model),
        };
        let text = |row: &Option<ScoreRow>| serde_json::to_string(row).unwrap_or_default();
        compare.same_of(row.index, &of("scores"), text(&row.scores), text(&scores));
        let text = |row: &Option<SkillRow>| serde_json::to_string(row).unwrap_or_default();
        compare.same_of(row.index, &of("skill"), text(&row.skill), text(&skill));
    }
}

/// What scores and skill must be, in the order of the predictions.
pub(super) struct Expected {
    pub(super) reference_ppm: Option<u32>,
    pub(super) rows: Vec<(Option<ScoreRow>, Option<SkillRow>)>,
}

fn expected_scores(file: &RoundFile) -> Result<Expected, String> {
    let mut counted = Vec::with_capacity(file.predictions.len());
    for row in &file.predictions {
        counted.push(counted_of(row).map_err(|why| format!("{}: {why}", row.model))?);
    }
    let is_reference = |model: &ModelId| {
        let row = file
            .predictions
            .iter()
            .find(|row| row.model == model.as_str());
        row.is_some_and(|row| row.is_reference)
    };
    expected(file, &counted, is_reference)
}

fn expected(
    file: &RoundFile,
    counted: &[Counted],
    is_reference: impl Fn(&ModelId) -> bool,
) -> Result<Expected, String> {
    let Some(y) = direction(file) else {
        return Ok(Expected {
            reference_ppm: None,
            rows: vec![(None, None); counted.len()],
        });
    };
    let scored = scores::rows(&file.round, counted, Probability::HALF, y)
        .map_err(|error| error.to_string())?;
    let spoken: Vec<Probability> = counted
        .iter()
        .filter(|one| is_reference(&one.model))
        .map(|one| one.counted)
        .collect();
    let reference = reference_half_even(&spoken);
    let rows = counted.iter().map(|one| {
        let scores = scored.iter().find(|row| row.model == one.model);
        let scores = scores.map(ScoreRow::from);
        let skill = one
            .model_index
            .map(|_| SkillRow::of(one.counted, reference, y));
        (scores, skill)
    });
    Ok(Expected {
        reference_ppm: Some(reference.ppm()),
        rows: rows.collect(),
    })
}

impl From<&scores::Row> for ScoreRow {
    fn from(row: &scores::Row) -> Self {
        Self {
            brier: row.brier.units(),
            log: row.log.units(),
            skill_half: row.skill_half.units(),
            skill_crowd: row.skill_crowd.map(domain::Score::units),
        }
    }
}

impl SkillRow {
    /// What a round adds to the memory of a model that counted p.
    #[must_use]
    pub fn of(p: Probability, reference: Probability, y: Direction) -> Self {
        let over = |baseline| score_exact(p, y).saturating_sub(score_exact(baseline, y));
        Self {
            e_half: over(Probability::HALF),
            e_reference: over(reference),
        }
    }
}

fn counted_of(row: &PredictionRow) -> Result<Counted, String> {
    let ppm = |ppm| Probability::from_ppm(ppm).map_err(|error| error.to_string());
    Ok(Counted {
        model: row.model.parse::<ModelId>().map_err(|e| e.to_string())?,
        sequence: row.sequence,
        model_index: row.index,
        at_risk: TokenAmount::from_units(row.w).map_err(|error| error.to_string())?,
        counted: ppm(row.p)?,
        posted: ppm(row.posted)?,
    })
}

/// Up or down; none when void or no outcome at all.
pub(super) fn direction(file: &RoundFile) -> Option<Direction> {
    match Outcome::parse(&file.outcome) {
        Some(Outcome::Direction(direction)) => Some(direction),
        _ => None,
    }
}

/// The rows with a leaf, by ascending index.
pub(super) fn staked(file: &RoundFile) -> Vec<(u32, &PredictionRow)> {
    let mut staked: Vec<(u32, &PredictionRow)> = file
        .predictions
        .iter()
        .filter_map(|row| Some((row.index?, row)))
        .collect();
    staked.sort_by_key(|(index, _)| *index);
    staked
}

//! One batch again: its rounds' payouts, summed into changes, on top of the ledger before it.

use std::collections::BTreeMap;

use alloy::primitives::B256;
use contracts::changes::{self, Change};
use contracts::ledger::Ledger;

use super::difference::{Compare, Difference, Report};
use super::format::{BATCH_FORMAT, BatchFile, RoundFile, RoundRef, digest, round_path, rule_path};
use super::round::staked;
use super::{RecordError, Source, recompute_round};

/// A batch file with all that hangs on it, as read.
#[derive(Debug)]
pub struct Loaded {
    /// The batch file.
    pub batch: BatchFile,
    /// Its rounds, in its order; those that cannot be read are missing here and in the report.
    pub rounds: Vec<RoundFile>,
    /// What was found in the rounds and their files.
    pub report: Report,
}

/// Reads a batch with its rounds and recomputes each round.
///
/// `record_hash` is what the chain says of the batch file, if the caller knows it.
///
/// # Errors
/// When a file cannot be had. One that is there and unreadable is a difference.
pub async fn load_batch(
    source: &Source,
    path: &str,
    record_hash: Option<B256>,
) -> Result<Loaded, RecordError> {
    let bytes = source.bytes(path).await?;
    let batch: BatchFile =
        serde_json::from_slice(&bytes).map_err(|error| RecordError::Unreadable {
            path: path.to_owned(),
            why: error.to_string(),
        })?;
    let mut compare = Compare::new(format!("batch {}", batch.seq));
    if let Some(hash) = record_hash {
        compare.same("keccak256 of the batch file", digest(&bytes), hash);
    }
    let mut report = Report::default();
    report.differences.extend(compare.done());
    let mut rounds = Vec::with_capacity(batch.rounds.len());
    for reference in &batch.rounds {
        let (file, found) = load_round(source, &batch, reference).await?;
        report.extend(found);
        rounds.extend(file);
    }
    Ok(Loaded {
        batch,
        rounds,
        report,
    })
}

async fn load_round(
    source: &Source,
    batch: &BatchFile,
    reference: &RoundRef,
) -> Result<(Option<RoundFile>, Report), RecordError> {
    let bytes = source.bytes(&reference.at.file).await?;
    let mut compare = Compare::new(format!("round {}", reference.round));
    let (listed, found) = (reference.at.keccak256, digest(&bytes));
    compare.same(
        "file",
        &reference.at.file,
        round_path(&reference.round, listed),
    );
    compare.same("keccak256 of the round file", listed, found);
    let mut report = Report::default();
    let file: RoundFile = match serde_json::from_slice(&bytes) {
        Ok(file) => file,
        Err(error) => {
            compare.same("round file", "a round file", error);
            report.differences = compare.done();
            return Ok((None, report));
        }
    };
    compare.same("round", &file.round, &reference.round);
    compare.same("outcome", &reference.outcome, &file.outcome);
    compare.same("void_reason", &reference.void_reason, &file.void_reason);
    compare.same("chain_id", file.chain_id, batch.chain_id);
    compare.same("registry", file.registry, batch.registry);
    report.differences = compare.done();
    let rule = source.bytes(&rule_path(file.round.tournament())).await?;
    let evidence = match &file.evidence {
        Some(named) => Some(source.bytes(&named.file).await?),
        None => None,
    };
    let differences = recompute_round(&file, &rule, evidence.as_deref());
    report.differences.extend(differences);
    report.checked.push(format!(
        "round {}: {}, {} predictions, {} leaves: rule, evidence, clamps, tree, commitment, payouts, scores",
        file.round,
        file.outcome,
        file.predictions.len(),
        staked(&file).len()
    ));
    if !file.void_reason.is_empty() {
        let note = format!("round {} is void: {}", file.round, file.void_reason);
        report.notes.push(note);
    }
    Ok((Some(file), report))
}

/// Recomputes what a batch changes, burns and makes of the ledger before it.
#[must_use]
pub fn recompute_batch(
    batch: &BatchFile,
    rounds: &[RoundFile],
    before: &Ledger,
) -> Vec<Difference> {
    let mut compare = Compare::new(format!("batch {}", batch.seq));
    compare.same("format", &batch.format, BATCH_FORMAT);
    let expected = changes_of(rounds);
    let recorded = recorded_changes(batch);
    for (index, recorded, follows) in beside(&recorded, &expected) {
        let index = Some(index);
        compare.same_of(
            index,
            "stakeDelta",
            recorded.stake_delta,
            follows.stake_delta,
        );
        compare.same_of(
            index,
            "poolReward",
            recorded.pool_reward,
            follows.pool_reward,
        );
    }
    let (paid, from_pool) = changes::sums(&expected);
    compare.same("burned", batch.burned, paid.saturating_neg());
    compare.same("pool_used", batch.pool_used, from_pool);
    let mut after = before.clone();
    let applied = after.apply(&expected).map_err(|error| error.to_string());
    let tree = |ledger: &Ledger| ledger.tree().map_err(|error| error.to_string());
    match (tree(before), applied.and_then(|()| tree(&after))) {
        (Ok(before), Ok(after)) => {
            compare.same("prev_root", batch.prev_root, before.root());
            compare.same("new_top", batch.new_top, after.top().hash);
            compare.same("new_root", batch.new_root, after.root());
        }
        (Err(why), _) | (_, Err(why)) => compare.same("ledger", "a ledger", why),
    }
    compare.done()
}

/// The changes as the batch file lists them.
pub(super) fn recorded_changes(batch: &BatchFile) -> Vec<Change> {
    let change = |row: &super::format::ChangeRow| Change {
        index: row.index,
        stake_delta: row.stake_delta,
        pool_reward: row.pool_reward,
    };
    batch.changes.iter().map(change).collect()
}

/// Two lists of changes side by side, by index; what one lacks is nothing.
pub(super) fn beside(one: &[Change], other: &[Change]) -> Vec<(u32, Change, Change)> {
    let mut both = BTreeMap::<u32, (Change, Change)>::new();
    let nothing = |index| Change {
        index,
        stake_delta: 0,
        pool_reward: 0,
    };
    for change in one {
        let index = change.index;
        let place = both
            .entry(index)
            .or_insert((nothing(index), nothing(index)));
        place.0 = *change;
    }
    for change in other {
        let index = change.index;
        let place = both
            .entry(index)
            .or_insert((nothing(index), nothing(index)));
        place.1 = *change;
    }
    both.into_iter()
        .map(|(index, (one, other))| (index, one, other))
        .collect()
}

/// Payouts and fee shares, summed by model; what sums to nothing changes nothing. That each payout
/// follows from its round is found by the round's own recomputation.
fn changes_of(rounds: &[RoundFile]) -> Vec<Change> {
    let mut sums = BTreeMap::<u32, (i64, u64)>::new();
    for round in rounds {
        for (index, row) in staked(round) {
            let (stake, pool) = sums.entry(index).or_default();
            *stake = stake.saturating_add(row.delta);
            *pool = pool.saturating_add(row.fee_share);
        }
    }
    let changed = sums.into_iter().filter(|(_, sums)| *sums != (0, 0));
    changed
        .map(|(index, (stake_delta, pool_reward))| Change {
            index,
            stake_delta,
            pool_reward,
        })
        .collect()
}

//! A proposal against its public record and the chain: what a guardian looks at in its window, and
//! what `foretoken verify` looks at ever after.

use contracts::abi::{Outcome, Reveal, RoundRegistry};

use super::batch::{Loaded, beside, load_batch, recompute_batch, recorded_changes};
use super::difference::{Compare, Difference, Report, or_none};
use super::format::{INDEX_PATH, Index, RoundFile};
use super::history::{Fate, History, Proposal};
use super::{RecordError, Source};
use crate::chain::Chain;

/// Recomputes a proposal, pending or not, from its public record, and compares record and chain.
/// `history` is the vault's history up to the proposal or later.
///
/// # Errors
/// [`RecordError::is_unfetchable`] when a file of the record cannot be had: then nothing is known,
/// and a guardian vetoes before the window ends. [`RecordError::Chain`] for the node's trouble.
pub async fn check_proposal(
    source: &Source,
    chain: &Chain,
    history: &History,
    proposal: &Proposal,
) -> Result<Report, RecordError> {
    let path = file_of(source, history, proposal).await?;
    let loaded = match load_batch(source, &path, Some(proposal.record_hash)).await {
        // Bytes that the chain vouches for and that are no batch file are what was proposed.
        Err(RecordError::Unreadable { why, .. }) => {
            let mut compare = Compare::new(format!("batch {}", proposal.seq));
            compare.same("batch file", "a batch file", why);
            return Ok(Report {
                differences: compare.done(),
                ..Report::default()
            });
        }
        loaded => loaded?,
    };
    let before = history.ledger_before(proposal.seq)?;
    let mut report = Report::default();
    let differences = recompute_batch(&loaded.batch, &loaded.rounds, &before);
    report.differences.extend(differences);
    report
        .differences
        .extend(proposed(&loaded, history, proposal));
    report
        .differences
        .extend(revealed(&loaded, history, proposal));
    report
        .differences
        .extend(rules(chain, history, &loaded.rounds).await?);
    report.checked.push(format!(
        "batch {}: {} changes, {} units burned, the ledger's root before and after",
        proposal.seq,
        loaded.batch.changes.len(),
        loaded.batch.burned
    ));
    report.checked.push(format!(
        "proposal of batch {} in transaction {}: every value, reveal and change, the record's hash, the commitments; {}",
        proposal.seq,
        proposal.tx_hash,
        match proposal.fate {
            Fate::Pending => "not accepted yet",
            Fate::Accepted => "accepted",
            Fate::Dead => "dead",
        }
    ));
    report.extend(loaded.report);
    Ok(report)
}

/// The batch file whose hash the proposal carries, else the newest of its place in the sequence.
async fn file_of(
    source: &Source,
    history: &History,
    proposal: &Proposal,
) -> Result<String, RecordError> {
    let index: Index = source.json(INDEX_PATH).await?;
    let mut of_seq = index.batches.iter().filter(|entry| {
        entry.vault == history.vault() && u64::try_from(entry.seq) == Ok(proposal.seq)
    });
    let named = of_seq
        .clone()
        .find(|entry| entry.keccak256 == proposal.record_hash);
    let entry = named.or_else(|| of_seq.next_back());
    let missing = || RecordError::Missing {
        place: source.place(),
        path: format!(
            "file of batch {} with the hash {}",
            proposal.seq, proposal.record_hash
        ),
    };
    Ok(entry.ok_or_else(missing)?.file.clone())
}

/// The values of the proposal beside those of the batch file.
fn proposed(loaded: &Loaded, history: &History, proposal: &Proposal) -> Vec<Difference> {
    let batch = &loaded.batch;
    let mut compare = Compare::new(format!("proposal of batch {}", proposal.seq));
    compare.same("vault", batch.vault, history.vault());
    compare.same("registry", batch.registry, history.registry());
    compare.same("seq", batch.seq, proposal.seq);
    compare.same("prev_root", batch.prev_root, proposal.prev_root);
    compare.same("new_top", batch.new_top, proposal.new_top);
    compare.same("new_root", batch.new_root, proposal.new_root);
    compare.same("burned", batch.burned, proposal.burned);
    compare.same("pool_used", batch.pool_used, proposal.pool_used);
    for (index, recorded, on_chain) in beside(&recorded_changes(batch), &proposal.changes) {
        let index = Some(index);
        let (ours, theirs) = (recorded.stake_delta, on_chain.stake_delta);
        compare.same_of(index, "stakeDelta in the call data", ours, theirs);
        let (ours, theirs) = (recorded.pool_reward, on_chain.pool_reward);
        compare.same_of(index, "poolReward in the call data", ours, theirs);
    }
    compare.same("rounds", batch.rounds.len(), proposal.reveals.len());
    compare.done()
}

/// Each reveal beside its round file, and the commitment that the registry has of it.
fn revealed(loaded: &Loaded, history: &History, proposal: &Proposal) -> Vec<Difference> {
    let mut found = Vec::new();
    for reveal in &proposal.reveals {
        let file = loaded.rounds.iter().find(|file| {
            (file.tournament_key, file.starts_at) == (reveal.tournament, reveal.startsAt)
        });
        let Some(file) = file else {
            let mut compare = Compare::new(format!("proposal of batch {}", proposal.seq));
            let name = format!("{} at {}", reveal.tournament, reveal.startsAt);
            compare.same("round of a reveal", "none", name);
            found.extend(compare.done());
            continue;
        };
        found.extend(one_reveal(file, reveal, history));
    }
    found
}

fn one_reveal(file: &RoundFile, reveal: &Reveal, history: &History) -> Vec<Difference> {
    let mut compare = Compare::new(format!("round {}", file.round));
    compare.same("top in the reveal", file.top, reveal.top);
    compare.same("W in the reveal", file.total_w, reveal.totalStake);
    compare.same("P in the reveal", file.total_p, reveal.totalWeighted);
    compare.same("salt in the reveal", file.salt, reveal.salt);
    let outcome = match Outcome::try_from(reveal.outcome) {
        Ok(Outcome::Zero) => "down",
        Ok(Outcome::One) => "up",
        Ok(Outcome::Void) => "void",
        Err(_) => "no outcome",
    };
    compare.same("outcome in the reveal", &file.outcome, outcome);
    let evidence = file.evidence.as_ref().map(|named| named.keccak256);
    compare.same(
        "evidence hash in the reveal",
        evidence.unwrap_or_default(),
        reveal.evidence,
    );
    let committed = history.commitment(file.chain_round);
    compare.same(
        "commitment on the chain",
        file.commitment,
        or_none(committed),
    );
    compare.done()
}

/// Each tournament's rule hash and a, as the registry holds them for good.
async fn rules(
    chain: &Chain,
    history: &History,
    rounds: &[RoundFile],
) -> Result<Vec<Difference>, RecordError> {
    let mut first_of_each: Vec<&RoundFile> = Vec::new();
    for file in rounds {
        let is_known = |one: &&RoundFile| {
            (one.tournament_key, one.rule_hash) == (file.tournament_key, file.rule_hash)
        };
        if !first_of_each.iter().any(is_known) {
            first_of_each.push(file);
        }
    }
    let mut found = Vec::new();
    for file in first_of_each {
        let call = RoundRegistry::tournamentOfCall {
            tournament: file.tournament_key,
        };
        let entered = chain.view(history.registry(), &call, None).await?;
        let mut compare = Compare::new(format!("round {}", file.round));
        compare.same("rule_hash on the chain", file.rule_hash, entered.ruleHash);
        let a = file.rule.stake.a_ppm;
        compare.same("a_ppm on the chain", a, entered.parameter);
        compare.same("vault of the tournament", history.vault(), entered.vault);
        found.extend(compare.done());
    }
    Ok(found)
}

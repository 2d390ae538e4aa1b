//! Logs of our contracts become values; anything else is none of our business.

use alloy::primitives::Log;
use alloy::sol_types::SolEvent;
use contracts::abi::{RoundRegistry, StakeVault};

use super::event::Said;

/// What a log says, or `None` for events that nothing here depends on.
pub(super) fn said(log: &Log) -> Option<Said> {
    stakes(log).or_else(|| batches(log)).or_else(|| rounds(log))
}

fn read<E: SolEvent>(log: &Log) -> Option<E> {
    if log.topics().first() != Some(&E::SIGNATURE_HASH) {
        return None;
    }
    E::decode_log(log).ok().map(|decoded| decoded.data)
}

fn stakes(log: &Log) -> Option<Said> {
    if let Some(e) = read::<StakeVault::ModelRegistered>(log) {
        return Some(Said::ModelRegistered {
            index: e.index,
            tournament: e.tournament,
            model_key: e.modelKey,
            owner: e.owner,
            amount: e.amount,
        });
    }
    if let Some(e) = read::<StakeVault::Deposited>(log) {
        return Some(Said::Deposited {
            index: e.index,
            amount: e.amount,
        });
    }
    if let Some(e) = read::<StakeVault::Funded>(log) {
        return Some(Said::Funded { amount: e.amount });
    }
    if let Some(e) = read::<StakeVault::WithdrawalRequested>(log) {
        let matures_at = e.maturesAt.to::<u64>();
        return Some(Said::WithdrawalRequested {
            index: e.index,
            amount: e.amount,
            matures_at,
        });
    }
    if let Some(e) = read::<StakeVault::WithdrawalCancelled>(log) {
        return Some(Said::WithdrawalCancelled { index: e.index });
    }
    read::<StakeVault::Withdrawn>(log).map(|e| Said::Withdrawn {
        index: e.index,
        amount: e.amount,
        // A request is a u64 and only falls.
        requested_left: u64::try_from(e.requestedLeft).unwrap_or(u64::MAX),
    })
}

fn batches(log: &Log) -> Option<Said> {
    if let Some(e) = read::<StakeVault::BatchProposed>(log) {
        return Some(Said::BatchProposed {
            seq: e.seq,
            number: e.number,
            new_root: e.newRoot,
        });
    }
    if let Some(e) = read::<StakeVault::BatchAccepted>(log) {
        return Some(Said::BatchAccepted {
            seq: e.seq,
            number: e.number,
            root: e.root,
        });
    }
    if let Some(e) = read::<StakeVault::BatchVetoed>(log) {
        return Some(Said::BatchDied {
            seq: e.seq,
            number: e.number,
            root: e.root,
            vetoed: true,
        });
    }
    if let Some(e) = read::<StakeVault::BatchExpired>(log) {
        return Some(Said::BatchDied {
            seq: e.seq,
            number: e.number,
            root: e.root,
            vetoed: false,
        });
    }
    if let Some(e) = read::<StakeVault::BatchChallenged>(log) {
        return Some(Said::BatchChallenged {
            seq: e.seq,
            number: e.number,
            root: e.root,
            challenger: e.challenger,
            fault: e.fault,
        });
    }
    read::<StakeVault::ShutDown>(log).map(|_| Said::ShutDown {})
}

fn rounds(log: &Log) -> Option<Said> {
    if let Some(e) = read::<RoundRegistry::RoundCommitted>(log) {
        return Some(Said::RoundCommitted {
            round: e.roundId,
            commitment: e.commitment,
        });
    }
    if let Some(e) = read::<RoundRegistry::CommitmentSkipped>(log) {
        return Some(Said::CommitmentSkipped {
            round: e.roundId,
            reason: e.reason,
        });
    }
    read::<RoundRegistry::RoundVoided>(log).map(|e| Said::RoundVoided { round: e.roundId })
}
